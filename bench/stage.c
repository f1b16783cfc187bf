/* SPDX-License-Identifier: MIT
 *
 * stage.c: see stage.h.
 */
#include "stage.h"

#include <stdlib.h>
#include <string.h>

enum { RUNNER_STACK_BYTES = 256 * 1024 };

static void *pin_second_worker(void *arg)
{
    struct stage *stage = arg;

    stage->pin_error = bench_pin(stage->trial, 1);
    return NULL;
}

static void *lead_body(void *arg)
{
    struct stage *stage = arg;

    stage->lead(stage->arg);
    return NULL;
}

/* Alone it leads; else it sees to it that both workers are where they belong. */
static void *first_body(void *arg)
{
    struct stage *stage = arg;
    const struct coro_spawn_options at_second = {.pinned = true, .worker = 1};
    const struct coro_spawn_options at_first = {.pinned = true, .worker = 0, .detached = true};

    if (stage->workers == 1)
        return lead_body(stage);
    if (coro_workers() != stage->workers) {
        stage->pin_error = -EAGAIN;
    } else {
        struct coro_handle pin = coro_spawn_with(&at_second, pin_second_worker, stage);

        if (!pin.flow || coro_join(pin, NULL))
            stage->pin_error = -ENOMEM;
    }
    if (!stage->pin_error && !coro_spawn_with(&at_first, lead_body, stage).flow)
        stage->pin_error = -ENOMEM;
    return NULL;
}

static struct coro_context *runner_entry(void *arg)
{
    struct stage *stage = arg;

    stage->run_error = coro_run(&stage->options, first_body, stage);
    stage->open = false;
    return &stage->harness;
}

int stage_open(struct stage *stage, struct bench_trial *t, unsigned workers,
               void (*lead)(void *arg), void *arg)
{
    stage->trial = t;
    stage->workers = workers;
    stage->options.workers = workers;
    stage->lead = lead;
    stage->arg = arg;
    stage->arena = coro_stack_arena_create(RUNNER_STACK_BYTES, 1, CORO_GUARD_MADVISE);
    if (!stage->arena || coro_stack_alloc(stage->arena, &stage->stack))
        return -ENOMEM;
    coro_context_make(&stage->runner, &stage->stack, runner_entry, stage);
    stage->open = true;
    coro_switch(&stage->harness, &stage->runner);
    if (stage->open)
        return 0;
    return stage->pin_error ? stage->pin_error : stage->run_error;
}

void stage_enter(struct stage *stage)
{
    if (stage->open)
        coro_switch(&stage->harness, &stage->inside);
    if (!stage->open && !stage->closing)
        bench_fail(stage->trial, "the flows never came back: %s", strerror(-stage->run_error));
}

void stage_leave(struct stage *stage)
{
    coro_switch(&stage->inside, &stage->harness);
}

int stage_close(struct stage *stage)
{
    if (stage->open) {
        stage->closing = true;
        stage_enter(stage);
    }
    if (stage->stack.low)
        coro_stack_free(stage->arena, &stage->stack);
    if (stage->arena)
        coro_stack_arena_destroy(stage->arena);
    stage->stack.low = NULL;
    stage->arena = NULL;
    return stage->run_error;
}

/* ---- a crew -------------------------------------------------------------------------- */

static void *member_body(void *arg)
{
    struct stage_member *member = arg;
    struct stage_crew *crew = member->crew;
    uint64_t run, own;

    while (!coro_chan_recv(member->go, &run)) {
        own = crew->work(crew->arg, (size_t)(member - crew->member));
        if (coro_chan_send(crew->counts, &own))
            break;
    }
    return NULL;
}

static bool member_add(struct stage_crew *crew, size_t index)
{
    struct stage_member *member = &crew->member[index];
    const struct coro_spawn_options options = {
        .detached = true,
        .pinned = crew->pinned,
        .worker = (unsigned)(index % crew->stage.workers),
    };

    member->crew = crew;
    member->go = coro_chan_new(sizeof(uint64_t), 1);
    return member->go && coro_spawn_with(&options, member_body, member).flow;
}

static void crew_lead(void *arg)
{
    struct stage_crew *crew = arg;
    uint64_t run = 0, own;

    while (crew->spawned < crew->flows && member_add(crew, crew->spawned))
        crew->spawned++;
    for (stage_leave(&crew->stage); !crew->stage.closing; stage_leave(&crew->stage)) {
        run++;
        for (size_t i = 0; i < crew->flows; i++)
            coro_chan_send(crew->member[i].go, &run);
        crew->total = 0;
        for (size_t i = 0; i < crew->flows; i++)
            if (!coro_chan_recv(crew->counts, &own))
                crew->total += own;
    }
    for (size_t i = 0; i < crew->spawned; i++)
        coro_chan_close(crew->member[i].go);
}

int stage_crew_open(struct stage_crew *crew, struct bench_trial *t, unsigned workers)
{
    int error;

    crew->member = calloc(crew->flows, sizeof *crew->member);
    crew->counts = coro_chan_new(sizeof(uint64_t), crew->flows);
    if (!crew->member || !crew->counts)
        return -ENOMEM;
    error = stage_open(&crew->stage, t, workers, crew_lead, crew);
    return error || crew->spawned == crew->flows ? error : -ENOMEM;
}

uint64_t stage_crew_run(struct stage_crew *crew)
{
    crew->total = 0;
    stage_enter(&crew->stage);
    return crew->total;
}

void stage_crew_close(struct stage_crew *crew)
{
    /* After a deadlock the channels' waiters are gone with their stacks. */
    if (stage_close(&crew->stage))
        return;
    for (size_t i = 0; crew->member && i < crew->flows; i++)
        coro_chan_free(crew->member[i].go);
    coro_chan_free(crew->counts);
    free(crew->member);
}
