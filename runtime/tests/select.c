/* SPDX-License-Identifier: MIT
 *
 * select.c: each rule of select that coro.h states.
 */
#include "run.h"

#include <stdlib.h>

static struct coro_case recv_case(struct coro_chan *chan, uint64_t *value)
{
    return (struct coro_case){.chan = chan, .kind = CORO_RECV, .element = value};
}

static struct coro_case send_case(struct coro_chan *chan, uint64_t *value)
{
    return (struct coro_case){.chan = chan, .kind = CORO_SEND, .element = value};
}

IN_FLOWS(select, ready_cases_are_drawn_uniformly)
{
    enum { CASES = 5, DRAWS = 5000 };
    struct coro_chan *chans[CASES];
    struct coro_case cases[CASES];
    unsigned counts[CASES] = {0};
    uint64_t value = 0;

    for (unsigned i = 0; i < CASES; i++) {
        chans[i] = coro_chan_new(8, 1);
        cases[i] = recv_case(chans[i], &value);
        if (i != 2) /* the one in the middle is never ready, and must not favour its neighbour */
            cr_expect_eq(coro_chan_send(chans[i], &value), 0);
    }
    for (unsigned i = 0; i < DRAWS; i++) {
        int index = coro_select(cases, CASES);

        cr_expect(index >= 0 && index != 2);
        counts[index]++;
        cr_expect_eq(coro_chan_send(chans[index], &value), 0);
    }
    for (unsigned i = 0; i < CASES; i++) /* 1250 each; five standard deviations are 153 */
        cr_expect(i == 2 || abs((int)counts[i] - DRAWS / 4) < 200, "case %u: %u", i, counts[i]);
    for (unsigned i = 0; i < CASES; i++)
        coro_chan_free(chans[i]);
    return NULL;
}

IN_FLOWS(select, default_when_none_is_ready)
{
    struct coro_chan *chan = coro_chan_new(8, 1);
    uint64_t value = 6;
    struct coro_case cases[] = {recv_case(chan, &value), recv_case(NULL, &value)};

    cr_expect_eq(coro_select_try(cases, 2), -EAGAIN);
    cr_expect_eq(coro_select_try(NULL, 0), -EAGAIN);
    cr_expect_eq(coro_chan_send(chan, &value), 0);
    cr_expect_eq(coro_select_try(cases, 2), 0);
    coro_chan_free(chan);
    return NULL;
}

IN_FLOWS(select, closed_is_ready)
{
    struct coro_chan *chan = coro_chan_new(8, 1);
    uint64_t value = 6;
    struct coro_case in = recv_case(chan, &value), out = send_case(chan, &value);

    cr_expect_eq(coro_chan_close(chan), 0);
    cr_expect_eq(coro_select(&in, 1), 0);
    cr_expect_eq(in.result, -EPIPE);
    cr_expect_eq(value, 0);
    cr_expect_eq(coro_select(&out, 1), 0);
    cr_expect_eq(out.result, -EPIPE);
    coro_chan_free(chan);
    return NULL;
}

struct pair {
    struct coro_chan *a, *b;
    uint64_t value;
    int index, result;
};

static void *select_two(void *arg)
{
    struct pair *pair = arg;
    struct coro_case cases[] = {recv_case(pair->a, &pair->value),
                                recv_case(pair->b, &pair->value)};

    pair->index = coro_select(cases, 2);
    pair->result = pair->index < 0 ? 0 : cases[pair->index].result;
    return NULL;
}

IN_FLOWS(select, waits_and_withdraws_the_loser)
{
    struct pair pair = {.a = coro_chan_new(8, 0), .b = coro_chan_new(8, 0)};
    uint64_t value = 11;

    for (int winner = 0; winner < 2; winner++) {
        struct coro_handle flow = coro_spawn(select_two, &pair);

        UNTIL_PARKED(flow);
        cr_expect_eq(coro_chan_send(winner ? pair.b : pair.a, &value), 0);
        cr_expect_eq(coro_join(flow, NULL), 0);
        cr_expect_eq(pair.index, winner);
        cr_expect_eq(pair.value, 11);
        cr_expect_eq(coro_chan_try_send(pair.a, &value), -EAGAIN);
        cr_expect_eq(coro_chan_try_send(pair.b, &value), -EAGAIN);
    }
    coro_chan_free(pair.a);
    coro_chan_free(pair.b);
    return NULL;
}

IN_FLOWS(select, close_wakes_it)
{
    struct pair pair = {.a = coro_chan_new(8, 0), .b = coro_chan_new(8, 0), .value = 1};
    struct coro_handle flow = coro_spawn(select_two, &pair);

    UNTIL_PARKED(flow);
    cr_expect_eq(coro_chan_close(pair.b), 0);
    cr_expect_eq(coro_join(flow, NULL), 0);
    cr_expect_eq(pair.index, 1);
    cr_expect_eq(pair.result, -EPIPE);
    cr_expect_eq(pair.value, 0);
    coro_chan_free(pair.a);
    coro_chan_free(pair.b);
    return NULL;
}

IN_FLOWS(select, cancelled)
{
    struct pair pair = {.a = coro_chan_new(8, 0), .b = NULL};
    struct coro_handle flow = coro_spawn(select_two, &pair);
    uint64_t value = 1;

    UNTIL_PARKED(flow);
    cr_expect_eq(coro_cancel(flow), 0);
    cr_expect_eq(coro_join(flow, NULL), 0);
    cr_expect_eq(pair.index, -ECANCELED);
    cr_expect_eq(coro_chan_try_send(pair.a, &value), -EAGAIN);
    coro_chan_free(pair.a);
    return NULL;
}

IN_FLOWS(select, never_meets_itself)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    uint64_t in = 1, out = 2;
    struct coro_case cases[] = {send_case(chan, &out), recv_case(chan, &in),
                                send_case(chan, &out), recv_case(chan, &in)};

    cr_expect_eq(coro_select_try(cases, 4), -EAGAIN);
    cr_expect_eq(coro_select_until(cases, 4, coro_now_ns() + 300000), -ETIMEDOUT);
    cr_expect_eq(in, 1);
    cr_expect_eq(coro_chan_try_recv(chan, &in), -EAGAIN);
    coro_chan_free(chan);
    return NULL;
}

/* Two flows that each both send and receive: they meet, each once, in opposite roles. */
static void *both_ways(void *arg)
{
    struct coro_chan *chan = arg;
    uint64_t in, out = 1;
    struct coro_case cases[] = {send_case(chan, &out), recv_case(chan, &in)};

    return (void *)(intptr_t)coro_select(cases, 2);
}

IN_FLOWS(select, meets_another_in_opposite_roles)
{
    struct coro_chan *chan = coro_chan_new(8, 0);

    for (unsigned i = 0; i < 50; i++) {
        struct coro_handle one = coro_spawn(both_ways, chan);
        struct coro_handle two = coro_spawn(both_ways, chan);
        void *first, *second;

        cr_expect_eq(coro_join(one, &first), 0);
        cr_expect_eq(coro_join(two, &second), 0);
        cr_expect_eq((intptr_t)first + (intptr_t)second, 1);
    }
    coro_chan_free(chan);
    return NULL;
}

IN_FLOWS(select, many_cases_lock_in_order)
{
    enum { CASES = 500 };
    struct coro_chan *chans[CASES];
    struct coro_case *cases = calloc(CASES, sizeof *cases);
    uint64_t value = 0;

    for (unsigned i = 0; i < CASES; i++) {
        chans[i] = coro_chan_new(8, 1);
        cases[(i * 7) % CASES] = recv_case(chans[i], &value);
    }
    cr_expect_eq(coro_select_until(cases, CASES, coro_now_ns() + 300000), -ETIMEDOUT);
    cr_expect_eq(coro_chan_send(chans[13], &(uint64_t){5}), 0);
    cr_expect_eq(coro_select(cases, CASES), 13 * 7);
    cr_expect_eq(value, 5);
    cr_expect_eq(coro_select(cases, CORO_CASES_MAX + 1), -EINVAL);
    for (unsigned i = 0; i < CASES; i++)
        coro_chan_free(chans[i]);
    free(cases);
    return NULL;
}
