/* SPDX-License-Identifier: MIT
 *
 * spawn_coro.c: what it costs to spawn a flow on the scheduler, run it and join it.
 *
 * `spawn` in spawn.c has the bare mechanism, a stack and a context; this adds what a scheduler
 * adds: the run queue, the handle, a joiner that may have to wait. A batch is spawned by one
 * flow, then joined by it in the order of spawning. Stacks come from the runtime's
 * pool, warm after the first batch.
 *
 * The proof: a flow returns its argument plus one, and only that result is counted: a flow that did
 * not run, or did so with another's argument, is missing from the sum.
 */
#include "spawn_coro.h"

#include <stdlib.h>
#include <string.h>
#include "stage.h"
#include "switch.h"

enum { BATCH_MAX = 1000 };

struct spawn_coro_state {
    const struct spawn_coro_config *config;
    struct stage_crew crew; /* the one flow that spawns */
    uint64_t ops;
    struct coro_handle handle[BATCH_MAX];
};

static void *child(void *arg)
{
    return (char *)arg + 1;
}

/* Inlined, as a call would save what the switch does not need saved. */
static inline __attribute__((always_inline)) uint64_t join_one(struct coro_handle handle, uint64_t argument)
{
    void *result = NULL;

    coro_join(handle, &result);
    return (uintptr_t)result == argument + 1;
}

static SWITCH_FRAME uint64_t one_by_one(uint64_t ops)
{
    uint64_t ran = 0;

    SWITCH_ALIGN;
    for (uint64_t i = 0; i < ops; i++)
        ran += join_one(coro_spawn(child, (void *)(uintptr_t)i), i);
    return ran;
}

static SWITCH_FRAME uint64_t batch(struct coro_handle *handle, uint64_t flows)
{
    uint64_t ran = 0;

    for (uint64_t i = 0; i < flows; i++)
        handle[i] = coro_spawn(child, (void *)(uintptr_t)i);
    for (uint64_t i = 0; i < flows; i++)
        ran += join_one(handle[i], i);
    return ran;
}

static uint64_t spawner(void *arg, size_t index)
{
    struct spawn_coro_state *s = arg;
    uint64_t flows = s->config->flows, ran = 0;

    (void)index;
    if (flows == 1)
        return one_by_one(s->ops);
    for (uint64_t done = 0; done < s->ops; done += flows)
        ran += batch(s->handle, s->ops - done < flows ? s->ops - done : flows);
    return ran;
}

void spawn_coro_teardown(struct bench_trial *t)
{
    struct spawn_coro_state *s = bench_state(t);

    if (!s)
        return;
    stage_crew_close(&s->crew);
    free(s);
}

int spawn_coro_setup(struct bench_trial *t)
{
    struct spawn_coro_state *s = calloc(1, sizeof *s);
    int error;

    if (!s)
        return -ENOMEM;
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    if (CORO_ANNOTATED && s->config->policy == CORO_STACK_SLAB)
        return bench_skip(t, "a sanitizer's frames need more than a slab's 2 KB");
    s->crew.stage.options.policy = s->config->policy;
    s->crew.flows = 1;
    s->crew.work = spawner;
    s->crew.arg = s;
    error = stage_crew_open(&s->crew, t, s->config->workers);
    return error ? bench_skip(t, "no %u workers: %s", s->config->workers, strerror(-error)) : 0;
}

uint64_t spawn_coro_run(struct bench_trial *t, uint64_t ops)
{
    struct spawn_coro_state *s = bench_state(t);

    s->ops = ops;
    return stage_crew_run(&s->crew);
}
