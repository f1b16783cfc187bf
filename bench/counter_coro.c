/* SPDX-License-Identifier: MIT
 *
 * counter_coro.c: one shared number, incremented by flows of the runtime: under its mutex, or
 * by a flow that owns the number and is sent the increments over a channel.
 *
 * The proof is counter.c's: each flow counts its own increments, and the number must equal
 * their sum. With two workers each flow has its own, the owner the first one's: flows that are
 * free to move may be run one after the other by one worker, and then nobody contends.
 */
#include "counter_coro.h"

#include <stdlib.h>
#include <string.h>
#include "stage.h"
#include "switch.h"

struct counter_coro_state {
    const struct counter_coro_config *config;
    struct stage_crew crew;
    uint64_t ops;
    struct coro_chan *chan;
    struct coro_mutex mutex __attribute__((aligned(64)));
    uint64_t number; /* under the mutex, or the owner's alone */
};

static SWITCH_FRAME uint64_t count_locked(struct counter_coro_state *s, uint64_t ops)
{
    uint64_t own = 0;

    SWITCH_ALIGN;
    for (; own < ops; own++) {
        coro_mutex_lock(&s->mutex);
        s->number++;
        coro_mutex_unlock(&s->mutex);
    }
    return own;
}

static SWITCH_FRAME uint64_t send_increments(struct coro_chan *chan, uint64_t ops)
{
    uint64_t own = 0, increment = 1;

    SWITCH_ALIGN;
    for (; own < ops; own++)
        coro_chan_send(chan, &increment);
    return own;
}

static SWITCH_FRAME void own_number(struct counter_coro_state *s, uint64_t ops)
{
    uint64_t increment = 0;

    SWITCH_ALIGN_SECOND;
    for (uint64_t i = 0; i < ops; i++) {
        coro_chan_recv(s->chan, &increment);
        s->number += increment;
    }
}

static uint64_t counter_coro_work(void *arg, size_t index)
{
    struct counter_coro_state *s = arg;
    uint64_t share = stage_share(s->ops, s->config->flows, index);

    if (!s->config->by_owner)
        return count_locked(s, share);
    if (index < s->config->flows)
        return send_increments(s->chan, share);
    own_number(s, s->ops);
    return 0;
}

void counter_coro_teardown(struct bench_trial *t)
{
    struct counter_coro_state *s = bench_state(t);

    if (!s)
        return;
    stage_crew_close(&s->crew);
    if (s->crew.stage.run_error)
        return;
    coro_chan_free(s->chan);
    free(s);
}

int counter_coro_setup(struct bench_trial *t)
{
    struct counter_coro_state *s = aligned_alloc(64, sizeof *s);
    int error;

    if (!s)
        return -ENOMEM;
    memset(s, 0, sizeof *s);
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    s->chan = coro_chan_new(sizeof(uint64_t), s->config->capacity);
    if (!s->chan)
        return -ENOMEM;
    coro_mutex_init(&s->mutex);
    s->crew.flows = s->config->flows + s->config->by_owner;
    s->crew.pinned = s->config->workers > 1;
    s->crew.work = counter_coro_work;
    s->crew.arg = s;
    error = stage_crew_open(&s->crew, t, s->config->workers);
    return error ? bench_skip(t, "no %u workers: %s", s->config->workers, strerror(-error)) : 0;
}

uint64_t counter_coro_run(struct bench_trial *t, uint64_t ops)
{
    struct counter_coro_state *s = bench_state(t);
    uint64_t counted;

    s->ops = ops;
    s->number = 0;
    counted = stage_crew_run(&s->crew);
    if (s->number != counted)
        bench_fail(t, "lost updates: the flows counted %llu increments, the number is %llu",
                   (unsigned long long)counted, (unsigned long long)s->number);
    return s->number;
}
