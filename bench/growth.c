/* SPDX-License-Identifier: MIT
 *
 * growth: what does it cost a stack to grow as deep as it is called, and to shrink again?
 *
 * One op is a descent of depth_bytes, in frames of about 512 bytes that are written to,
 * and the way back. Steady: the flow has been there before. Regrown: after each descent
 * another flow runs and what the stack does not use is given back, so that the next one
 * has it anew.
 *
 *  - guarded: pages, touched for the first time; given back by coro_stack_shrink().
 *  - segmented: segments; given back as the flow is put away, all but one. Their pages
 * stay in memory, for other flows.
 *  - copied: runs on a stack that is there for all. Nothing grows and nothing is given
 * back; what is live is copied when it parks deep (`depth/stack-copy`).
 */
#include "experiments.h"

#include <stdlib.h>

#include "solo.h"

struct growth_config {
    enum coro_stack_policy policy;
    size_t depth_bytes;
    bool regrown;
};

static void shrink(struct coro_flow *flow)
{
    (void)coro_stack_shrink(&flow->stack, flow->context.sp);
}

static uint64_t growth_work(struct solo *solo, uint64_t ops)
{
    const struct growth_config *config = solo->arg;
    uint64_t frames = config->depth_bytes / solo->calls->frame_bytes(), done = 0;

    for (; ops; ops--) {
        done += solo->calls->descend(frames) == frames;
        if (config->regrown)
            coro_yield();
    }
    return done;
}

static int growth_setup(struct bench_trial *t)
{
    enum { ROOM_BYTES = 64 * 1024 };
    const struct growth_config *config = bench_case_of(t)->arg;
    struct coro_spawn_options options = {.policy = config->policy};
    struct solo *solo = calloc(1, sizeof *solo);
    int error;

    if (!solo)
        return -ENOMEM;
    bench_set_state(t, solo);
    solo->work = growth_work;
    solo->arg = config;
    if (config->policy == CORO_STACK_GUARDED) {
        options.stack_bytes = config->depth_bytes + ROOM_BYTES;
        solo->between = config->regrown ? shrink : NULL;
    }
    solo->stage.options.copied_bytes = config->depth_bytes + ROOM_BYTES;
    error = solo_open(solo, t, &options);
    if (!error)
        solo_run(solo, 1); /* the first descent of all */
    return error;
}

static uint64_t growth_run(struct bench_trial *t, uint64_t ops)
{
    return solo_run(bench_state(t), ops);
}

static void growth_teardown(struct bench_trial *t)
{
    struct solo *solo = bench_state(t);

    if (solo)
        solo_close(solo, t);
    free(solo);
}

#define GROWTH(subject_, policy, depth, when, regrown, profile_)                         \
    {                                                                                    \
        .experiment = "growth", .subject = subject_,                                     \
        .params = "depth_bytes=" #depth ",when=" when,                                   \
        .op = "one descent and the way back", .places = BENCH_AT(BENCH_SAME_CPU),        \
        .profile = profile_, .kernel_switches_max = 0.01, .setup = growth_setup,         \
        .run = growth_run, .teardown = growth_teardown,                                  \
        .arg = &(const struct growth_config){policy, depth, regrown},                    \
    }
#define DEPTH(depth, profile)                                                            \
    GROWTH("guarded", CORO_STACK_GUARDED, depth, "steady", false, BENCH_FULL),           \
        GROWTH("guarded", CORO_STACK_GUARDED, depth, "regrown", true, profile),          \
        GROWTH("segmented", CORO_STACK_SEGMENTED, depth, "steady", false, BENCH_FULL),   \
        GROWTH("segmented", CORO_STACK_SEGMENTED, depth, "regrown", true, profile),      \
        GROWTH("copied", CORO_STACK_COPIED, depth, "steady", false, BENCH_FULL)

const struct bench_case growth_cases[] = {
    DEPTH(65536, BENCH_DEFAULT), DEPTH(1024, BENCH_FULL),     DEPTH(4096, BENCH_FULL),
    DEPTH(16384, BENCH_FULL),    DEPTH(262144, BENCH_FULL),   DEPTH(1048576, BENCH_FULL),
    DEPTH(4194304, BENCH_FULL),  DEPTH(16777216, BENCH_FULL), DEPTH(67108864, BENCH_FULL),
};
const size_t growth_case_count = sizeof growth_cases / sizeof *growth_cases;
