/* SPDX-License-Identifier: MIT
 *
 * solo.c: see solo.h. The flow that was spawned leaves to the harness itself (stage.h),
 * so that nothing is between run() and work() but a switch each way.
 */
#include "solo.h"

#include <string.h>

static void *solo_body(void *arg)
{
    struct solo *solo = arg;

    /* Of a flow whose memory is elsewhere, from here on. */
    solo->top = solo->options.policy == CORO_STACK_COPIED ? __builtin_frame_address(0)
                                                          : (char *)coro_self().flow;
    for (stage_leave(&solo->stage); !solo->stage.closing; stage_leave(&solo->stage))
        solo->counted = solo->work(solo, solo->ops);
    solo->ended = true;
    return NULL;
}

static void solo_lead(void *arg)
{
    struct solo *solo = arg;
    struct coro_handle flow = coro_spawn_with(&solo->options, solo_body, solo);

    solo->spawned = flow.flow;
    if (!solo->spawned) {
        stage_leave(&solo->stage);
        return;
    }
    while (!solo->ended) {
        coro_yield();
        if (solo->between && !solo->ended)
            solo->between(flow.flow);
    }
    coro_join(flow, NULL);
}

int solo_open(struct solo *solo, struct bench_trial *t,
              const struct coro_spawn_options *options)
{
    bool segmented = options->policy == CORO_STACK_SEGMENTED;
    int error;

    if (CORO_ANNOTATED)
        return bench_skip(t, "under a sanitizer frames and calls are another thing");
    if (segmented && !calls_checked.checked)
        return bench_skip(t, "segmented stacks need gcc -fsplit-stack on x86-64");
    solo->calls = segmented ? &calls_checked : &calls_plain;
    solo->options = *options;
    error = stage_open(&solo->stage, t, 1, solo_lead, solo);
    if (!error && !solo->spawned)
        error = -ENOMEM;
    return error ? bench_skip(t, "no such flow: %s", strerror(-error)) : 0;
}

uint64_t solo_run(struct solo *solo, uint64_t ops)
{
    solo->counted = 0;
    solo->ops = ops;
    stage_enter(&solo->stage);
    return solo->counted;
}

void solo_close(struct solo *solo, struct bench_trial *t)
{
    stage_close(&solo->stage);
    if (solo->ended != solo->spawned)
        bench_fail(t, "the flow did not end");
}
