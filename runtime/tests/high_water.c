/* SPDX-License-Identifier: MIT
 *
 * high_water.c: a run that watches stacks knows how deep each flow was, and names those that came
 * near the end.
 */
#include "run.h"

#include <string.h>
#include <sys/mman.h>

#include "child.h"

enum { KB = 1024, SMALL_BYTES = CORO_ANNOTATED ? 8 * KB : 2 * KB };

/* Goes down to that address, and little further; no zero stays there. */
static __attribute__((noinline)) int use_down_to(uintptr_t low)
{
    volatile unsigned char frame[64];

    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = 0xa5;
    return (uintptr_t)frame > low ? use_down_to(low) + frame[3] : frame[5];
}

static int use(size_t bytes)
{
    return use_down_to((uintptr_t)__builtin_frame_address(0) - bytes);
}

struct job {
    struct coro_chan *chan;
    size_t bytes;
};

static void *use_and_wait(void *arg)
{
    struct job *job = arg;
    uint64_t value;

    use(job->bytes);
    coro_chan_recv(job->chan, &value);
    return NULL;
}

static size_t used_by(const struct coro_spawn_options *options, size_t bytes)
{
    struct job job = {coro_chan_new(8, 0), bytes};
    struct coro_handle handle = coro_spawn_with(options, use_and_wait, &job);
    struct coro_stack_use during = {0}, after = {0};
    uint64_t value = 0;

    UNTIL_PARKED(handle);
    cr_expect_eq(coro_stack_used(handle, &during), 0);
    coro_chan_send(job.chan, &value);
    EVENTUALLY(atomic_load(&handle.flow->flags) & CORO_FLOW_DONE);
    cr_expect_eq(coro_stack_used(handle, &after), 0);
    cr_expect_eq(coro_join(handle, NULL), 0);
    cr_expect_eq(coro_stack_used(handle, &after), -ESRCH);
    coro_chan_free(job.chan);
    cr_expect_geq(after.used_bytes, during.used_bytes);
    cr_expect_leq(during.used_bytes, during.stack_bytes);
    return during.used_bytes;
}

/* Also on a stack that someone was deeper on before. */
static void *marks_follow_depth(void *arg)
{
    static const struct coro_spawn_options options[] = {
        {.policy = CORO_STACK_SLAB, .stack_bytes = 8 * KB},
        {.policy = CORO_STACK_GUARDED, .stack_bytes = 256 * KB},
    };
    static const size_t slack_bytes = CORO_ANNOTATED ? 4 * KB : KB;

    (void)arg;
    for (size_t i = 0; i < 2; i++) {
        size_t shallow = used_by(&options[i], 200);
        size_t deep = used_by(&options[i], 3 * KB);

        cr_expect_gt(shallow, 200);
        cr_expect_gt(deep, 3 * KB);
        if (!CORO_ANNOTATED)
            cr_expect_lt(shallow, 200 + slack_bytes, "policy %zu: %zu", i, shallow);
        cr_expect_eq(used_by(&options[i], 200), shallow, "policy %zu: not cleared", i);
        cr_expect_eq(used_by(&options[i], 3 * KB), deep, "policy %zu: not the same", i);
    }
    cr_expect_gt(used_by(&options[1], 100 * KB), 100 * KB);
    return NULL;
}

Test(high_water, marks_follow_depth_and_begin_anew_with_each_flow, .timeout = 60)
{
    struct coro_options options = {
        .workers = 1, .stack_bytes = TEST_STACK_BYTES, .quiet = true, .watch_stacks = true};

    cr_expect_eq(coro_run(&options, marks_follow_depth, NULL), 0);
    options.workers = 2;
    cr_expect_eq(coro_run(&options, marks_follow_depth, NULL), 0);
}

IN_FLOWS(high_water, a_run_that_does_not_watch_says_so)
{
    struct coro_stack_use use;

    cr_expect_eq(coro_stack_used(coro_self(), &use), -ENOTSUP);
    cr_expect_eq(coro_stack_used((struct coro_handle){0}, &use), -ESRCH);
    return NULL;
}

#if !CORO_ANNOTATED /* whose frames are larger than one thinks */
static void *use_all_but(void *arg)
{
    use_down_to((uintptr_t)coro_self().flow->stack.low + (uintptr_t)arg);
    return NULL;
}

struct near {
    struct coro_spawn_options options;
    size_t left_bytes;
    unsigned flows;
};

static void *come_near(void *arg)
{
    const struct near *near = arg;

    for (unsigned i = 0; i < near->flows; i++)
        if (coro_join(coro_spawn_with(&near->options, use_all_but,
                                      (void *)(uintptr_t)near->left_bytes),
                      NULL))
            _exit(2);
    coro_dump(stderr);
    return NULL;
}

static void run_near(void *arg)
{
    const struct coro_options options = {.workers = 1, .watch_stacks = true};

    _exit(coro_run(&options, come_near, arg) ? 1 : 0);
}

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;

    while ((text = strstr(text, word))) {
        n++;
        text++;
    }
    return n;
}

Test(high_water, who_came_near_the_end_is_named, .timeout = 60)
{
    struct near slab = {{.policy = CORO_STACK_SLAB, .stack_bytes = SMALL_BYTES, .name = "tight"}, 160, 1};
    struct near guarded = {
        {.policy = CORO_STACK_GUARDED, .stack_bytes = 64 * KB, .name = "tight"}, 4 * KB, 1};
    struct near roomy = {
        {.policy = CORO_STACK_GUARDED, .stack_bytes = 64 * KB, .name = "roomy"}, 20 * KB, 1};
    struct child child = run_child(run_near, &slab);

    cr_expect_eq(child.code, 0, "%d %s", child.signal, child.text);
    cr_expect_eq(count(child.text, "stack nearly full: flow"), 1, "%s", child.text);
    cr_expect_not_null(strstr(child.text, " tight used "), "%s", child.text);
    cr_expect_not_null(strstr(child.text, "main, stack 0: used "), "%s", child.text);
    child = run_child(run_near, &guarded);
    cr_expect_not_null(strstr(child.text, " tight used "), "%s", child.text);
    child = run_child(run_near, &roomy);
    cr_expect_null(strstr(child.text, "nearly full"), "%s", child.text);
}

Test(high_water, very_many_are_counted_not_listed, .timeout = 60)
{
    struct near slab = {{.policy = CORO_STACK_SLAB, .stack_bytes = SMALL_BYTES}, 160, 40};
    struct child child = run_child(run_near, &slab);

    cr_expect_eq(count(child.text, "stack nearly full: flow "), 16, "%s", child.text);
    cr_expect_not_null(strstr(child.text, "stack nearly full: 24 flows more"), "%s", child.text);
}

static void *deep_copied(void *arg)
{
    use(240 * KB);
    return arg;
}

static void *shallow_copied(void *arg)
{
    for (int i = 0; i < 5; i++)
        coro_yield();
    return arg;
}

static void *copied_ones(void *arg)
{
    const struct coro_spawn_options copied = {.policy = CORO_STACK_COPIED};
    struct coro_handle shallow = coro_spawn_with(&copied, shallow_copied, arg);
    struct coro_handle deep = coro_spawn_with(&copied, deep_copied, arg);

    fprintf(stderr, "deep is %p.", (void *)deep.flow);
    coro_join(shallow, NULL);
    coro_join(deep, NULL);
    return NULL;
}

static void run_copied(void *arg)
{
    const struct coro_options options = {.workers = 1, .watch_stacks = true};

    _exit(coro_run(&options, copied_ones, arg) ? 1 : 0);
}

Test(high_water, of_copied_flows_the_one_that_went_deep_is_named, .timeout = 60)
{
    struct child child = run_child(run_copied, NULL);
    char sentence[80];

    snprintf(sentence, sizeof sentence, "nearly full: flow %#lx (no name) used",
             strtoul(child.text + strlen("deep is "), NULL, 16));
    cr_expect_eq(child.code, 0);
    cr_expect_not_null(strstr(child.text, sentence), "%s, not %s", child.text, sentence);
    cr_expect_eq(count(child.text, "nearly full"), 1, "%s", child.text);
}
#endif

/* ---- giving memory back -------------------------------------------------------------- */

static size_t resident_pages(struct coro_handle handle)
{
    static unsigned char there[256];
    char *low = handle.flow->stack.low;
    size_t pages = (TEST_STACK_BYTES / 2) / 4096, count = 0;

    if (mincore(low, pages * 4096, there))
        return 0;
    for (size_t i = 0; i < pages; i++)
        count += there[i] & 1;
    return count;
}

IN_FLOWS(high_water, shrinking_takes_what_parked_and_ended_flows_do_not_need)
{
    struct job job = {coro_chan_new(8, 0), 200 * KB};
    struct coro_handle handle = coro_spawn(use_and_wait, &job);
    uint64_t value = 0;

    UNTIL_PARKED(handle);
    cr_expect_gt(resident_pages(handle), 10);
    cr_expect_gt(coro_shrink(), 0);
    cr_expect_eq(resident_pages(handle), 0);
    coro_chan_send(job.chan, &value);
    cr_expect_eq(coro_join(handle, NULL), 0);
    handle = coro_spawn(use_and_wait, &job);
    UNTIL_PARKED(handle);
    cr_expect_eq(coro_cancel(handle), 0);
    EVENTUALLY(atomic_load(&handle.flow->flags) & CORO_FLOW_DONE);
    cr_expect_gt(resident_pages(handle), 10, "it kept them");
    cr_expect_gt(coro_shrink(), 0);
    cr_expect_eq(resident_pages(handle), 0);
    cr_expect_eq(coro_join(handle, NULL), 0);
    coro_chan_free(job.chan);
    return NULL;
}
