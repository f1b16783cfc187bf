/* SPDX-License-Identifier: MIT
 *
 * workingset: round robin over 1,000 to a million flows, by stack policy, each of which touches
 * some bytes of its own frame when it has its turn.
 *
 * One op is one turn: a coro_yield() of one flow, and its touches, one per cache line. What grows
 * with the flows is what no cache holds: the flow's own words, its frame, and for copied
 * flows the bytes that come and go. The touched bytes are live across the yield, so that a
 * copied flow keeps them, too.
 *
 * One worker. The run queue is first in, first out: when the leading flow yields, each of
 * the others has its turn once before it is back. Flows count their own turns, and stop
 * counting (and touching) when run()'s ops are done.
 */
#include "experiments.h"

#include <stdlib.h>
#include <string.h>
#include "stage.h"

struct workingset_config {
    size_t flows;
    unsigned touched_bytes; /* 0, 64, 512 or 4096 */
    enum coro_stack_policy policy;
    size_t stack_bytes;
};

struct workingset_state {
    const struct workingset_config *config;
    struct stage stage;
    size_t spawned, ended;
    uint64_t left, counted;
    bool ending;
};

#define FLOW(name, bytes)                                         \
    static void *name(void *arg)                                  \
    {                                                             \
        struct workingset_state *s = arg;                         \
        volatile char own[bytes + 1];                             \
                                                                  \
        for (size_t i = 0; i < bytes; i += 64)                    \
            own[i] = 0;                                           \
        for (; !s->ending; coro_yield()) {                        \
            if (!s->left)                                         \
                continue;                                         \
            for (size_t i = 0; i < bytes; i += 64)                \
                own[i]++;                                         \
            s->left--;                                            \
            s->counted++;                                         \
        }                                                         \
        s->ended++;                                               \
        return NULL;                                              \
    }
FLOW(touch_64, 64)
FLOW(touch_512, 512)
FLOW(touch_4096, 4096)

static void *touch_nothing(void *arg)
{
    struct workingset_state *s = arg;

    for (; !s->ending; coro_yield())
        if (s->left) {
            s->left--;
            s->counted++;
        }
    s->ended++;
    return NULL;
}

static coro_body *body_of(unsigned touched_bytes)
{
    return touched_bytes == 0     ? touch_nothing
           : touched_bytes == 64  ? touch_64
           : touched_bytes == 512 ? touch_512
                                  : touch_4096;
}

static void workingset_lead(void *arg)
{
    struct workingset_state *s = arg;
    const struct coro_spawn_options options = {
        .detached = true, .policy = s->config->policy, .stack_bytes = s->config->stack_bytes};
    coro_body *body = body_of(s->config->touched_bytes);

    while (s->spawned < s->config->flows && coro_spawn_with(&options, body, s).flow)
        s->spawned++;
    for (stage_leave(&s->stage); !s->stage.closing; stage_leave(&s->stage))
        while (s->left)
            coro_yield();
    s->ending = true;
}

static void workingset_teardown(struct bench_trial *t)
{
    struct workingset_state *s = bench_state(t);

    if (!s)
        return;
    stage_close(&s->stage);
    if (s->ended != s->spawned)
        bench_fail(t, "of %zu flows %zu ended", s->spawned, s->ended);
    free(s);
}

static int workingset_setup(struct bench_trial *t)
{
    struct workingset_state *s = calloc(1, sizeof *s);
    int error;

    if (CORO_ANNOTATED)
        return bench_skip(t, "sanitizers need larger stacks than these");
    if (!s)
        return -ENOMEM;
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    error = stage_open(&s->stage, t, 1, workingset_lead, s);
    if (error || s->spawned < s->config->flows)
        return bench_skip(t, "no %zu flows: %s", s->config->flows,
                          strerror(error ? -error : ENOMEM));
    return 0;
}

static uint64_t workingset_run(struct bench_trial *t, uint64_t ops)
{
    struct workingset_state *s = bench_state(t);

    s->counted = 0;
    s->left = ops;
    stage_enter(&s->stage);
    return s->counted;
}

#define WORKINGSET(params_, profile_, n, touched, policy_, bytes)                          \
    {                                                                                      \
        .experiment = "workingset", .subject = "coro-flow",                                \
        .params = params_ ",flows=" #n ",touched_bytes=" #touched,                         \
        .op = "one turn: a yield and the touches", .places = BENCH_AT(BENCH_SAME_CPU),     \
        .profile = profile_, .kernel_switches_max = 0.01, .setup = workingset_setup,       \
        .run = workingset_run, .teardown = workingset_teardown, .ops_multiple = (n),       \
        .arg = &(const struct workingset_config){n, touched, policy_, bytes},              \
    }
#define SMALL(n, touched, profile, slab_bytes)                                             \
    WORKINGSET("policy=copied", profile, n, touched, CORO_STACK_COPIED, 0),                \
        WORKINGSET("policy=slab", profile, n, touched, CORO_STACK_SLAB, slab_bytes)
#define GUARDED(n, touched) \
    WORKINGSET("policy=guarded", BENCH_FULL, n, touched, CORO_STACK_GUARDED, 16384)
#define BY_FLOWS(touched, profile, slab_bytes)                                             \
    SMALL(1000, touched, profile, slab_bytes), GUARDED(1000, touched),                     \
        SMALL(100000, touched, BENCH_FULL, slab_bytes), GUARDED(100000, touched)

const struct bench_case workingset_cases[] = {
    BY_FLOWS(0, BENCH_DEFAULT, 1024),
    BY_FLOWS(64, BENCH_FULL, 1024),
    BY_FLOWS(512, BENCH_FULL, 2048),
    BY_FLOWS(4096, BENCH_FULL, 8192),
    SMALL(1000000, 0, BENCH_FULL, 1024),
    SMALL(1000000, 64, BENCH_FULL, 1024),
};
const size_t workingset_case_count = sizeof workingset_cases / sizeof *workingset_cases;
