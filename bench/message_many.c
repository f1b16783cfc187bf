/* SPDX-License-Identifier: MIT
 *
 * message_many.c: see message_many.h. Flows of the runtime over its channels; what all subjects
 * share of a trial.
 */
#include "message_many.h"

#include <stdlib.h>
#include <string.h>

/* ---- channels -------------------------------------------------------------------------- */

MANY_INLINE void chan_send(struct many_lane *lane, uint64_t item)
{
    coro_chan_send(lane->chan, &item);
}

MANY_INLINE uint64_t chan_receive(struct many_lane *lane)
{
    uint64_t item = 0;

    coro_chan_recv(lane->chan, &item);
    return item;
}

MANY_INLINE uint64_t chan_receive_any(struct many_state *s, struct many_consumer *self)
{
    struct coro_case cases[MANY_PRODUCERS_MAX];
    uint64_t item = 0;

    (void)self;
    for (size_t i = 0; i < s->lanes; i++)
        cases[i] = (struct coro_case){.chan = s->lane[i].chan, .kind = CORO_RECV,
                                      .element = &item};
    coro_select(cases, s->lanes);
    return item;
}

static uint64_t chan_work(void *arg, size_t index)
{
    return many_work(arg, index, chan_send, chan_receive, chan_receive_any);
}

static int chan_open(struct many_lane *lane)
{
    lane->chan = coro_chan_new(sizeof(uint64_t), lane->capacity);
    return lane->chan ? 0 : -ENOMEM;
}

static void chan_close(struct many_lane *lane)
{
    coro_chan_free(lane->chan);
}

const struct many_subject many_coro = {chan_open, chan_close, chan_work};

/* ---- all alike ------------------------------------------------------------------------- */

uint64_t message_many_run(struct bench_trial *t, uint64_t ops)
{
    struct many_state *s = bench_state(t);
    uint64_t counted, sent = 0, received = 0;

    s->ops = ops;
    counted = s->config->workers ? stage_crew_run(&s->crew) : thread_crew_run(&s->threads);
    s->hops += ops;
    for (size_t i = 0; i < MANY_PRODUCERS_MAX; i++) {
        sent += s->producer[i].sum;
        received += s->consumer[i].sum;
    }
    if (sent != received)
        bench_fail(t, "what was received is not what was sent");
    return counted;
}

void message_many_teardown(struct bench_trial *t)
{
    struct many_state *s = bench_state(t);

    if (!s)
        return;
    if (s->config->workers)
        stage_crew_close(&s->crew);
    if (s->crew.stage.run_error || thread_crew_close(&s->threads))
        return;
    for (size_t i = 0; s->lane && i < s->lanes; i++)
        s->config->by->close(&s->lane[i]);
    free(s->lane);
    free(s);
}

static int open_lanes(struct many_state *s)
{
    int error = 0;

    s->lanes = s->config->shape == MANY_PXC ? 1 : s->config->producers;
    s->lane = aligned_alloc(64, s->lanes * sizeof *s->lane);
    if (!s->lane)
        return -ENOMEM;
    memset(s->lane, 0, s->lanes * sizeof *s->lane);
    for (size_t i = 0; i < s->lanes; i++)
        s->lane[i].read_fd = s->lane[i].write_fd = -1;
    for (size_t i = 0; i < s->lanes && !error; i++) {
        s->lane[i].capacity = s->config->capacity;
        error = s->config->by->open(&s->lane[i]);
    }
    return error;
}

static int open_flows(struct many_state *s, struct bench_trial *t)
{
    size_t flows = s->config->producers + s->config->consumers;

    if (!s->config->workers) {
        s->threads = (struct thread_crew){
            .trial = t, .threads = flows, .work = s->config->by->work, .arg = s};
        return thread_crew_open(&s->threads);
    }
    s->crew.flows = flows;
    s->crew.work = s->config->by->work;
    s->crew.arg = s;
    return stage_crew_open(&s->crew, t, s->config->workers);
}

int message_many_setup(struct bench_trial *t)
{
    struct many_state *s = aligned_alloc(64, sizeof *s);
    int error;

    if (!s)
        return -ENOMEM;
    memset(s, 0, sizeof *s);
    s->config = bench_case_of(t)->arg;
    bench_set_state(t, s);
    error = open_lanes(s);
    if (!error)
        error = open_flows(s, t);
    return error ? bench_skip(t, "no such traffic here: %s", strerror(-error)) : 0;
}
