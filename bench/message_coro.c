/* SPDX-License-Identifier: MIT
 *
 * message_coro.c: what it costs to pass an item between two flows over the runtime's channels.
 *
 * The same two modes and the same proof as in message.c: items are numbered over all runs, and only
 * the next number counts. The two flows wait between runs (stage.h). With two workers they are
 * free to move, so that the scheduler may bring them together; with flows=pinned each stays
 * on its own CPU, and every wake-up crosses.
 */
#include "message_coro.h"

#include <stdlib.h>
#include <string.h>
#include "stage.h"
#include "switch.h"

enum { PRODUCER, CONSUMER };

struct message_coro_state {
    const struct message_coro_config *config;
    struct stage_crew crew;
    uint64_t ops;
    struct coro_chan *request, *reply;
    uint64_t sent __attribute__((aligned(64))); /* the producer's; the number of the last */
    uint64_t received __attribute__((aligned(64))); /* the consumer's */
};

static SWITCH_FRAME void produce(struct coro_chan *chan, uint64_t item, uint64_t ops)
{
    SWITCH_ALIGN;
    for (uint64_t i = 0; i < ops; i++) {
        item++;
        coro_chan_send(chan, &item);
    }
}

static SWITCH_FRAME uint64_t consume(struct coro_chan *chan, uint64_t next, uint64_t ops)
{
    uint64_t in_order = 0, item = 0;

    SWITCH_ALIGN_SECOND;
    for (uint64_t i = 0; i < ops; i++) {
        coro_chan_recv(chan, &item);
        in_order += item == ++next;
    }
    return in_order;
}

static SWITCH_FRAME uint64_t ask(struct coro_chan *request, struct coro_chan *reply,
                                 uint64_t item, uint64_t ops)
{
    uint64_t answered = 0, answer = 0;

    SWITCH_ALIGN;
    for (uint64_t i = 0; i < ops; i++) {
        item++;
        coro_chan_send(request, &item);
        coro_chan_recv(reply, &answer);
        answered += answer == item;
    }
    return answered;
}

/* The answer to n is n, if n was the next; else a number that nobody waits for. */
static SWITCH_FRAME void answer(struct coro_chan *request, struct coro_chan *reply,
                                uint64_t next, uint64_t ops)
{
    uint64_t item = 0;

    SWITCH_ALIGN_SECOND;
    for (uint64_t i = 0; i < ops; i++) {
        coro_chan_recv(request, &item);
        if (item != ++next)
            item = UINT64_MAX;
        coro_chan_send(reply, &item);
    }
}

static uint64_t message_coro_work(void *arg, size_t index)
{
    struct message_coro_state *s = arg;
    uint64_t ops = s->ops, before;

    if (index == PRODUCER) {
        before = s->sent;
        s->sent += ops;
        if (s->config->roundtrip)
            return ask(s->request, s->reply, before, ops);
        produce(s->request, before, ops);
        return 0;
    }
    before = s->received;
    s->received += ops;
    if (!s->config->roundtrip)
        return consume(s->request, before, ops);
    answer(s->request, s->reply, before, ops);
    return 0;
}

void message_coro_teardown(struct bench_trial *t)
{
    struct message_coro_state *s = bench_state(t);

    if (!s)
        return;
    stage_crew_close(&s->crew);
    if (s->crew.stage.run_error)
        return;
    coro_chan_free(s->request);
    coro_chan_free(s->reply);
    free(s);
}

int message_coro_setup(struct bench_trial *t)
{
    struct message_coro_state *s = aligned_alloc(64, sizeof *s);
    int error;

    if (!s)
        return -ENOMEM;
    memset(s, 0, sizeof *s);
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    s->request = coro_chan_new(sizeof(uint64_t), s->config->capacity);
    s->reply = coro_chan_new(sizeof(uint64_t), s->config->capacity);
    if (!s->request || !s->reply)
        return -ENOMEM;
    s->crew.flows = 2;
    s->crew.pinned = s->config->pinned;
    s->crew.work = message_coro_work;
    s->crew.arg = s;
    error = stage_crew_open(&s->crew, t, s->config->workers);
    return error ? bench_skip(t, "no two flows on %u workers: %s", s->config->workers,
                              strerror(-error))
                 : 0;
}

uint64_t message_coro_run(struct bench_trial *t, uint64_t ops)
{
    struct message_coro_state *s = bench_state(t);

    s->ops = ops;
    return stage_crew_run(&s->crew);
}
