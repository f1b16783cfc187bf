/* SPDX-License-Identifier: MIT
 *
 * flow_stack.c: each policy by one argument of spawn: what it promises, what it refuses.
 */
#include "run.h"

#include <string.h>

#include "child.h"

enum { KB = 1024 };

/* Touches about so many bytes of stack, and yields half way: what is there must stay. */
static __attribute__((noinline)) uint64_t use(size_t bytes, uint64_t seed)
{
    volatile unsigned char frame[128];
    uint64_t sum = 0;

    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (unsigned char)(seed + i);
    if (bytes > 2 * sizeof frame)
        sum = use(bytes - 2 * sizeof frame, seed + 1);
    else
        coro_yield();
    for (size_t i = 0; i < sizeof frame; i++)
        sum += frame[i] == (unsigned char)(seed + i);
    return sum;
}

struct work {
    size_t bytes;
    uint64_t seed;
};

static void *use_some(void *arg)
{
    struct work *work = arg;

    return (void *)(uintptr_t)(use(work->bytes, work->seed) % sizeof(char[128]) + 1);
}

IN_FLOWS(flow_stack, flows_of_each_policy_keep_their_frames)
{
    static const struct coro_spawn_options options[] = {
        {.policy = CORO_STACK_DEFAULT},
        {.policy = CORO_STACK_GUARDED, .stack_bytes = 16 * KB},
        {.policy = CORO_STACK_SLAB, .stack_bytes = 8 * KB},
        {.policy = CORO_STACK_SLAB, .stack_bytes = CORO_ANNOTATED ? 8 * KB : 2 * KB},
    };
    enum { KINDS = sizeof options / sizeof *options, FLOWS = 200 };
    struct coro_handle handle[FLOWS];
    struct work work[FLOWS];

    for (size_t i = 0; i < FLOWS; i++) {
        work[i] = (struct work){.bytes = 256 + i % 5 * 128, .seed = i};
        handle[i] = coro_spawn_with(&options[i % KINDS], use_some, &work[i]);
        cr_expect_not_null(handle[i].flow);
    }
    for (size_t i = 0; i < FLOWS; i++) {
        void *result = NULL;

        cr_expect_eq(coro_join(handle[i], &result), 0);
        cr_expect_eq((uintptr_t)result, 1, "a frame of flow %zu changed", i);
    }
    return NULL;
}

static void *nothing(void *arg)
{
    return arg;
}

IN_FLOWS(flow_stack, sizes_that_make_no_sense_are_refused)
{
    static const struct coro_spawn_options wrong[] = {
        {.stack_bytes = (size_t)-1},
        {.stack_bytes = (size_t)-4096},
        {.stack_bytes = (size_t)1 << 62},
        {.policy = CORO_STACK_SLAB, .stack_bytes = 8 * KB + 1},
        {.policy = CORO_STACK_SLAB, .stack_bytes = (size_t)-1},
        {.policy = (enum coro_stack_policy)99},
    };
    static const size_t odd[] = {1, 1023, 1025, 4097, 5000};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_null(coro_spawn_with(&wrong[i], nothing, NULL).flow, "case %zu", i);
    /* Sanitizers call more than fits on the smallest. */
    for (size_t i = 0; i < sizeof odd / sizeof *odd && !CORO_ANNOTATED; i++) {
        const struct coro_spawn_options options = {.stack_bytes = odd[i]};
        struct coro_handle handle = coro_spawn_with(&options, nothing, NULL);

        cr_expect_not_null(handle.flow, "%zu bytes", odd[i]);
        cr_expect_eq(coro_join(handle, NULL), 0);
    }
    return NULL;
}

Test(flow_stack, a_run_is_guarded_or_slab)
{
    struct coro_options options = {.workers = 1, .policy = CORO_STACK_SLAB, .stack_bytes = 16 * KB};

    cr_expect_eq(coro_run(&options, nothing, NULL), 0);
    options.policy = CORO_STACK_COPIED;
    cr_expect_eq(coro_run(&options, nothing, NULL), -EINVAL);
    options.policy = (enum coro_stack_policy)99;
    cr_expect_eq(coro_run(&options, nothing, NULL), -EINVAL);
}

#if !CORO_ANNOTATED
/* Overflows by a few bytes: through the canary, and no further than the neighbour's edge. */
static void *run_over(void *arg)
{
    struct coro_flow *self = coro_self().flow;
    struct coro_chan *chan = arg;
    uint64_t value;

    memset(self->stack.low - 8, 0x55, 8);
    if (chan)
        coro_chan_recv(chan, &value);
    return NULL;
}

static void *spawn_overflow(void *chan)
{
    const struct coro_spawn_options options = {
        .policy = CORO_STACK_SLAB, .stack_bytes = 2 * KB, .name = "culprit"};

    memset(coro_self().flow->stack.low, 0, 1); /* this flow's own is not concerned */
    coro_join(coro_spawn_with(&options, run_over, chan), NULL);
    return NULL;
}

static void *overflow_and_end(void *arg)
{
    return spawn_overflow(arg);
}

static void *overflow_and_park(void *arg)
{
    (void)arg;
    return spawn_overflow(coro_chan_new(24, 0)); /* not of 8 bytes: the slow way */
}

static void run_alone(void *body)
{
    const struct coro_options options = {.workers = 1};

    coro_run(&options, *(coro_body **)body, NULL);
}

Test(flow_stack, an_overrun_slab_stack_is_found_and_its_flow_named)
{
    static const struct {
        coro_body *body;
        const char *when;
    } cases[] = {{overflow_and_end, "found when it ended"},
                 {overflow_and_park, "found when it parked"}};

    for (size_t i = 0; i < 2; i++) {
        coro_body *body = cases[i].body;
        struct child child = run_child(run_alone, &body);

        cr_expect_eq(child.signal, SIGABRT, "signal %d", child.signal);
        cr_expect_not_null(strstr(child.text, "culprit"), "%s", child.text);
        cr_expect_not_null(strstr(child.text, cases[i].when), "%s", child.text);
    }
}

/* Frames smaller than a page, so that one of them must meet the guard, or a canary. */
static __attribute__((noinline)) int recurse(int depth)
{
    volatile char frame[512];

    frame[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + frame[0];
}

static void *recurses(void *arg)
{
    recurse(0);
    return arg;
}

/* The culprit has neighbours on both sides. */
static void *spawn_recursion(void *arg)
{
    const struct coro_spawn_options *options = arg;

    for (int i = 0; i < 3; i++)
        coro_spawn_with(options, i == 1 ? recurses : nothing, NULL);
    coro_yield();
    return NULL;
}

static void run_recursion(void *arg)
{
    coro_run(&(struct coro_options){.workers = 1}, spawn_recursion, arg);
}

Test(flow_stack, endless_recursion_is_named_in_each_policy)
{
    static struct coro_spawn_options options[] = {
        {.policy = CORO_STACK_GUARDED, .stack_bytes = 16 * KB, .name = "culprit"},
        {.policy = CORO_STACK_GUARDED, .stack_bytes = 4096 * KB, .name = "culprit"},
        {.policy = CORO_STACK_SLAB, .stack_bytes = KB, .name = "culprit"},
        {.policy = CORO_STACK_SLAB, .stack_bytes = 8 * KB, .name = "culprit"},
        {.policy = CORO_STACK_COPIED},
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct child child = run_child(run_recursion, &options[i]);

        cr_expect_eq(child.signal, SIGABRT, "case %zu: signal %d, code %d", i, child.signal,
                     child.code);
        cr_expect_not_null(strstr(child.text, "coro: stack overflow: flow"), "case %zu: %s", i,
                           child.text);
        cr_expect_not_null(strstr(child.text, options[i].name ? " culprit" : ", in flow 0x"),
                           "case %zu: %s", i, child.text);
    }
}
#endif

Test(flow_stack, a_run_takes_any_size_or_says_no)
{
    static const size_t odd[] = {0, 1, 1023, 5000, 65537};
    static const size_t huge[] = {(size_t)-1, (size_t)-4096, (size_t)1 << 62};
    struct coro_options options = {.workers = 1};

    for (size_t i = 0; i < sizeof odd / sizeof *odd && !CORO_ANNOTATED; i++) {
        options.stack_bytes = options.copied_bytes = odd[i];
        cr_expect_eq(coro_run(&options, nothing, NULL), 0, "%zu bytes", odd[i]);
    }
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        options.stack_bytes = huge[i];
        cr_expect_eq(coro_run(&options, nothing, NULL), -ENOMEM, "%zu bytes", huge[i]);
    }
}

static void *spawns_copied(void *arg)
{
    const struct coro_spawn_options copied = {.policy = CORO_STACK_COPIED};
    struct coro_handle handle = coro_spawn_with(&copied, nothing, NULL);

    *(bool *)arg = handle.flow;
    if (handle.flow)
        coro_join(handle, NULL);
    return NULL;
}

Test(flow_stack, a_shared_stack_of_any_size_or_no_copied_flow)
{
    struct coro_options options = {.workers = 1};
    bool spawned = false;

    if (CORO_ANNOTATED)
        cr_skip("there are no copied flows");
    options.copied_bytes = (size_t)-1;
    cr_expect_eq(coro_run(&options, spawns_copied, &spawned), 0);
    cr_expect_not(spawned);
    options.copied_bytes = 5000;
    cr_expect_eq(coro_run(&options, spawns_copied, &spawned), 0);
    cr_expect(spawned);
}
