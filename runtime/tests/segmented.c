/* SPDX-License-Identifier: MIT
 *
 * segmented.c: deep calls on small segments. All of this file is compiled with
 * -fsplit-stack, where the compiler can, so its functions run on flows of every kind and
 * on plain threads too. Criterion is not: it is called from flows with stacks of their
 * own only.
 */
#include "run.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include "child.h"
#include "segmented.h"

enum { FLOWS = 64, SEGMENT_BYTES = 4096 };

static const struct coro_spawn_options segmented = {
    .policy = CORO_STACK_SEGMENTED, .stack_bytes = SEGMENT_BYTES, .name = "deep"};

static void need_segments(void)
{
    if (!HAVE_SPLIT_STACK || coro_policy_check(CORO_STACK_SEGMENTED))
        cr_skip_test("no segmented flows: they need gcc, x86-64 and no sanitizer");
}

/* As IN_FLOWS(). */
#define IN_SEGMENTED_FLOWS(name)                                                         \
    static void *name(void *arg);                                                        \
    Test(segmented, name, .timeout = 60)                                                 \
    {                                                                                    \
        need_segments();                                                                 \
        cr_expect_eq(run_in(1, false, name), 0, "one worker");                           \
        cr_expect_eq(run_in(2, false, name), 0, "two workers");                          \
        cr_expect_eq(run_in(2, true, name), 0, "no membarrier");                         \
    }                                                                                    \
    static void *name(__attribute__((unused)) void *arg)

typedef void visit_fn(void *arg, unsigned depth);

/* So many frames of 200 bytes or so; the sum of the depths, if each frame is as it was
 * left. */
static __attribute__((noinline)) uint64_t deep(unsigned depth, visit_fn *visit, void *arg)
{
    volatile uint64_t frame[24];
    uint64_t below = 0;

    for (unsigned i = 0; i < 24; i++)
        frame[i] = depth * 24 + i;
    if (visit)
        visit(arg, depth);
    if (depth)
        below = deep(depth - 1, visit, arg);
    for (unsigned i = 0; i < 24; i++)
        if (frame[i] != depth * 24 + i)
            return UINT64_MAX / 2;
    return below + depth;
}

static uint64_t sum_to(uint64_t depth)
{
    return depth * (depth + 1) / 2;
}

static size_t segments_free(struct coro_sched *sched)
{
    size_t count = 0;

    for (unsigned class = 0; class < CORO_CLASSES; class ++)
        for (struct coro_segment *s = sched->classes[class].segments; s; s = s->next)
            count++;
    return count;
}

/* ---- growing -------------------------------------------------------------------------
 */

static void *recurse(void *arg)
{
    return (void *)(uintptr_t)deep((unsigned)(uintptr_t)arg, NULL, NULL);
}

static void spawn_and_join(struct coro_handle *handle, unsigned depth)
{
    for (unsigned i = 0; i < FLOWS; i++) {
        handle[i] = coro_spawn_with(&segmented, recurse, (void *)(uintptr_t)(depth + i));
        cr_expect_not_null(handle[i].flow);
    }
    for (unsigned i = 0; i < FLOWS; i++) {
        void *sum;

        cr_expect_eq(coro_join(handle[i], &sum), 0);
        cr_expect_eq((uintptr_t)sum, sum_to(depth + i), "a frame changed, flow %u", i);
    }
}

/* A flow that has ended runs to the last on its stack, and is recycled after the next. */
static void drain(void)
{
    struct coro_handle handle = coro_spawn_with(&segmented, recurse, NULL);

    coro_join(handle, NULL);
}

IN_SEGMENTED_FLOWS(grows_as_deep_as_it_is_called_and_gives_all_back)
{
    struct coro_handle handle[FLOWS];
    size_t after_one;

    spawn_and_join(handle, 2000);
    drain();
    after_one = segments_free(coro_sched_self());
    cr_expect_gt(after_one, 80); /* 400 KB of one flow at least */
    for (unsigned i = 0; i < 5; i++)
        spawn_and_join(handle, 1990);
    drain();
    if (coro_workers() == 1) /* else more flows may be deep at once */
        cr_expect_eq(segments_free(coro_sched_self()), after_one);
    for (unsigned i = 0; i < FLOWS; i++)
        cr_expect_leq(coro_segmented_of(handle[i].flow)->grown_bytes, 500 * 1024);
    return NULL;
}

static __attribute__((noinline)) double many(int a, double b, int c, double d, int e,
                                             double f, int g, int h, int i, int j,
                                             long double k)
{
    volatile char room[1500];

    room[0] = 1;
    return a + b + c + d + e + f + g + h + i + j + (double)k + room[0] - 1;
}

static __attribute__((noinline)) int variadic(int count, ...)
{
    volatile char room[1500];
    va_list list;
    int sum = 0;

    room[0] = 0;
    va_start(list, count);
    for (int i = 0; i < count; i++)
        sum += va_arg(list, int) * (i + 1);
    va_end(list);
    return sum + room[0];
}

struct large {
    char bytes[1500]; /* pushed by the caller, who does not check for them */
};

static __attribute__((noinline)) struct large by_value(struct large one, char add)
{
    for (size_t i = 0; i < sizeof one.bytes; i++)
        one.bytes[i] = (char)(one.bytes[i] + add);
    return one;
}

static void call_all(void *arg, unsigned depth)
{
    unsigned *wrong = arg;

    *wrong += many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) != 66;
    *wrong += variadic(8, 1, 2, 3, 4, 5, 6, 7, 8) != 204;
    if (depth % 16 == 0) {
        struct large zero = {{0}};

        zero = by_value(zero, 3);
        *wrong += zero.bytes[0] != 3 || zero.bytes[1499] != 3;
    }
}

static void *call_with_arguments(void *arg)
{
    deep(200, call_all, arg);
    return NULL;
}

IN_SEGMENTED_FLOWS(arguments_and_results_cross_the_boundary_in_all_their_places)
{
    unsigned wrong = 0;

    coro_join(coro_spawn_with(&segmented, call_with_arguments, &wrong), NULL);
    cr_expect_eq(wrong, 0, "%u calls", wrong);
    return NULL;
}

IN_SEGMENTED_FLOWS(each_size_of_segment)
{
    struct coro_spawn_options options = segmented;
    void *sum = NULL;

    for (size_t bytes = 0; bytes <= 64 * 1024; bytes = bytes ? bytes * 2 : 1024) {
        options.stack_bytes = bytes;
        cr_expect_eq(coro_join(coro_spawn_with(&options, recurse, (void *)3000), &sum),
                     0);
        cr_expect_eq((uintptr_t)sum, sum_to(3000), "%zu bytes", bytes);
    }
    options.stack_bytes = 64 * 1024 + 1;
    cr_expect_null(coro_spawn_with(&options, recurse, NULL).flow);
    options.stack_bytes = SIZE_MAX;
    cr_expect_null(coro_spawn_with(&options, recurse, NULL).flow);
    return NULL;
}

Test(segmented, is_refused_where_it_is_not_there)
{
    cr_expect_eq(coro_policy_check((enum coro_stack_policy)99), -EINVAL);
    cr_expect_eq(coro_policy_check((enum coro_stack_policy) - 1), -EINVAL);
    cr_expect_eq(coro_policy_check(CORO_STACK_COPIED), 0);
    if (CORO_ANNOTATED)
        cr_expect_eq(coro_policy_check(CORO_STACK_SEGMENTED), -ENOTSUP);
}

/* ---- leaving and coming back
 * ------------------------------------------------------------ */

struct traveller {
    struct coro_chan *chan;
    unsigned workers_seen; /* a bit each */
    unsigned visits;
};

static void travel(void *arg, unsigned depth)
{
    struct traveller *t = arg;
    uint64_t value = depth, got;

    t->workers_seen |= 1u << coro_worker_index();
    t->visits++;
    switch (depth % 4) {
    case 0:
        coro_yield();
        break;
    case 1:
        coro_chan_recv(t->chan, &got);
        break;
    case 2:
        coro_chan_send(t->chan, &value);
        break;
    default:
        coro_sleep_ns(1);
        break;
    }
}

static void *travel_deep(void *arg)
{
    return (void *)(uintptr_t)deep(399, travel, arg);
}

/* Half of them send where the others receive. Flows of the other kinds go among them. */
IN_SEGMENTED_FLOWS(parks_and_yields_at_every_depth_on_every_worker)
{
    struct traveller t[FLOWS];
    struct coro_handle handle[FLOWS];
    struct coro_chan *chan = coro_chan_new(8, 4);
    unsigned moved = 0;

    for (unsigned i = 0; i < FLOWS; i++) {
        struct coro_spawn_options options = segmented;

        if (i % 4 == 3)
            options = (struct coro_spawn_options){
                .policy = i % 8 == 3 ? CORO_STACK_GUARDED : CORO_STACK_COPIED,
                .stack_bytes = 256 * 1024};
        t[i] = (struct traveller){.chan = chan};
        handle[i] = coro_spawn_with(&options, travel_deep, &t[i]);
        cr_expect_not_null(handle[i].flow);
    }
    for (unsigned i = 0; i < FLOWS; i++) {
        void *sum;

        cr_expect_eq(coro_join(handle[i], &sum), 0);
        cr_expect_eq((uintptr_t)sum, sum_to(399), "flow %u", i);
        cr_expect_eq(t[i].visits, 400);
        moved += t[i].workers_seen == 3;
    }
    coro_chan_free(chan);
    if (coro_workers() == 2)
        cr_expect_gt(moved, 0, "no flow ever ran on both workers");
    return NULL;
}

static void *recurse_and_park(void *arg)
{
    struct coro_chan *chan = arg;
    uint64_t sum = deep(1000, NULL, NULL), got;

    coro_chan_recv(chan, &got);
    return (void *)(uintptr_t)(sum + deep(1000, NULL, NULL));
}

IN_SEGMENTED_FLOWS(gives_back_what_it_does_not_use_while_parked)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    struct coro_handle handle;
    uint64_t value = 0;
    void *sum;

    handle = coro_spawn_with(&segmented, recurse_and_park, chan);
    UNTIL_PARKED(handle);
    cr_expect_leq(coro_segmented_of(handle.flow)->grown_bytes, SEGMENT_BYTES);
    cr_expect_gt(segments_free(coro_sched_self()), 40);
    cr_expect_eq(coro_chan_send(chan, &value), 0);
    cr_expect_eq(coro_join(handle, &sum), 0);
    cr_expect_eq((uintptr_t)sum, 2 * sum_to(1000));
    coro_chan_free(chan);
    return NULL;
}

static void leave(void *arg, unsigned depth)
{
    if (!depth)
        coro_exit(arg);
}

static void *exit_deep(void *arg)
{
    deep(300, leave, arg);
    return NULL;
}

IN_SEGMENTED_FLOWS(ends_from_any_depth_and_cancelled)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    struct coro_handle handle;
    void *result = NULL;

    for (unsigned i = 0; i < 100; i++) {
        cr_expect_eq(coro_join(coro_spawn_with(&segmented, exit_deep, &result), &result),
                     0);
        cr_expect_eq(result, &result);
        spawn_and_join((struct coro_handle[FLOWS]){0}, 20);
    }
    handle = coro_spawn_with(&segmented, recurse_and_park, chan);
    UNTIL_PARKED(handle);
    cr_expect_eq(coro_cancel(handle), 0);
    cr_expect_eq(coro_join(handle, NULL), 0);
    coro_chan_free(chan);
    return NULL;
}

/* ---- the same code elsewhere
 * -------------------------------------------------------------- */

static void *recurse_on_thread(void *arg)
{
    return recurse(arg);
}

static void *mixed(void *arg)
{
    const struct coro_spawn_options guarded = {.policy = CORO_STACK_GUARDED,
                                               .stack_bytes = 1024 * 1024};
    void *sum[3];

    for (unsigned i = 0; i < 20; i++) {
        struct coro_handle a = coro_spawn_with(&segmented, recurse, (void *)500);
        struct coro_handle b = coro_spawn_with(&guarded, recurse, (void *)1500);

        *(unsigned *)arg += coro_join(a, &sum[0]) || coro_join(b, &sum[1]);
        sum[2] = recurse((void *)500); /* on this flow's */
        *(unsigned *)arg += (uintptr_t)sum[0] != sum_to(500) ||
                            (uintptr_t)sum[1] != sum_to(1500) || sum[2] != sum[0];
    }
    return NULL;
}

Test(segmented, code_with_the_check_runs_on_other_flows_and_on_threads)
{
    unsigned wrong = 0;
    pthread_t thread;
    void *sum;

    need_segments();
    cr_expect_eq(
        coro_run(&(struct coro_options){.workers = 2, .stack_bytes = TEST_STACK_BYTES},
                 mixed, &wrong),
        0);
    cr_expect_eq(wrong, 0);
    /* What the last flow left behind on this thread means nothing any more. */
    cr_expect_eq((uintptr_t)recurse((void *)2000), sum_to(2000));
    cr_expect_eq(pthread_create(&thread, NULL, recurse_on_thread, (void *)2000), 0);
    cr_expect_eq(pthread_join(thread, &sum), 0);
    cr_expect_eq((uintptr_t)sum, sum_to(2000));
}

/* ---- the end
 * ------------------------------------------------------------------------------ */

/* Reaches far and touches little. */
static __attribute__((noinline, optimize("no-stack-clash-protection"))) int far(int depth)
{
    volatile char frame[1024 * 1024];

    frame[0] = (char)depth;
    return depth ? far(depth - 1) + frame[0] : 0;
}

static __attribute__((no_split_stack, noinline)) int unchecked(int depth)
{
    volatile char frame[1024];

    frame[0] = (char)depth;
    return depth ? unchecked(depth - 1) + frame[0] : 0;
}

static void *go_far(void *arg)
{
    return (void *)(intptr_t)far((int)(intptr_t)arg);
}

static void *go_unchecked(void *arg)
{
    return (void *)(intptr_t)unchecked((int)(intptr_t)arg);
}

static __attribute__((noinline)) void touch(volatile char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i += 512)
        bytes[i] = 1;
}

static void *allocate(void *arg)
{
    size_t bytes = (uintptr_t)arg;

    touch(__builtin_alloca(bytes), bytes);
    return NULL;
}

struct fate {
    coro_body *body;
    intptr_t argument;
    bool no_memory;
};

static void *meet_fate(void *arg)
{
    const struct fate *fate = arg;

    coro_join(coro_spawn_with(&segmented, recurse, (void *)1), NULL);
    if (fate->no_memory)
        setrlimit(RLIMIT_AS, &(struct rlimit){.rlim_cur = 0, .rlim_max = RLIM_INFINITY});
    coro_join(coro_spawn_with(&segmented, fate->body, (void *)fate->argument), NULL);
    return NULL;
}

static void run_fate(void *arg)
{
    coro_run(&(struct coro_options){.workers = 1}, meet_fate, arg);
}

static void expect_death(struct fate fate, const char *words, const char *flow)
{
    struct child child = run_child(run_fate, &fate);

    cr_expect_eq(child.signal, SIGABRT, "%s: %s", words, child.text);
    cr_expect_not_null(strstr(child.text, words), "%s: %s", words, child.text);
    cr_expect_not_null(strstr(child.text, flow), "%s: %s", flow, child.text);
}

Test(segmented, its_end_is_a_sentence)
{
    need_segments();
    expect_death((struct fate){go_far, 2000, false},
                 "would grow beyond what a flow may have", " deep ");
    expect_death((struct fate){go_far, 2000, true}, "finds no memory to grow", " deep ");
    expect_death((struct fate){go_unchecked, 100, false}, "stack overflow: flow on stack",
                 " of 8192 bytes");
    expect_death((struct fate){allocate, 100000, false}, "alloca() of 100", "no room");
}
