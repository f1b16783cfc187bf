/* SPDX-License-Identifier: MIT
 *
 * chan.c: each rule of channels that coro.h states.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

struct end {
    struct coro_chan *chan;
    uint64_t value;
    int result;
    bool done;
};

static void *send_it(void *arg)
{
    struct end *end = arg;

    end->result = coro_chan_send(end->chan, &end->value);
    end->done = true;
    return NULL;
}

static void *recv_it(void *arg)
{
    struct end *end = arg;

    end->result = coro_chan_recv(end->chan, &end->value);
    end->done = true;
    return NULL;
}

static void join(struct coro_handle flow)
{
    cr_expect_eq(coro_join(flow, NULL), 0);
}

IN_FLOWS(chan, unbuffered_send_ends_when_received)
{
    struct end end = {.chan = coro_chan_new(8, 0), .value = 7};
    struct coro_handle sender = coro_spawn(send_it, &end);
    uint64_t value = 0;

    UNTIL_PARKED(sender);
    cr_expect(!end.done);
    cr_expect_eq(coro_chan_count(end.chan), 0);
    cr_expect_eq(coro_chan_recv(end.chan, &value), 0);
    cr_expect_eq(value, 7);
    join(sender);
    coro_chan_free(end.chan);
    return NULL;
}

IN_FLOWS(chan, unbuffered_receiver_first)
{
    struct end end = {.chan = coro_chan_new(8, 0)};
    struct coro_handle receiver = coro_spawn(recv_it, &end);
    uint64_t value = 9;

    UNTIL_PARKED(receiver);
    cr_expect_eq(coro_chan_send(end.chan, &value), 0);
    join(receiver);
    cr_expect_eq(end.value, 9);
    coro_chan_free(end.chan);
    return NULL;
}

IN_FLOWS(chan, buffer_holds_capacity_then_blocks)
{
    struct coro_chan *chan = coro_chan_new(8, 3);
    struct end end = {.chan = chan, .value = 4};
    struct coro_handle sender;
    uint64_t value;

    for (value = 1; value <= 3; value++)
        cr_expect_eq(coro_chan_send(chan, &value), 0);
    cr_expect_eq(coro_chan_try_send(chan, &value), -EAGAIN);
    sender = coro_spawn(send_it, &end);
    UNTIL_PARKED(sender);
    cr_expect(!end.done);
    for (uint64_t want = 1; want <= 4; want++) {
        cr_expect_eq(coro_chan_recv(chan, &value), 0);
        cr_expect_eq(value, want, "got %lu for %lu", value, want);
    }
    cr_expect_eq(coro_chan_try_recv(chan, &value), -EAGAIN);
    join(sender);
    coro_chan_free(chan);
    return NULL;
}

IN_FLOWS(chan, waiting_senders_are_served_in_order)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    struct end ends[5];
    struct coro_handle flows[5];
    uint64_t value;

    for (unsigned i = 0; i < 5; i++) {
        ends[i] = (struct end){.chan = chan, .value = i};
        flows[i] = coro_spawn(send_it, &ends[i]);
        UNTIL_PARKED(flows[i]);
    }
    for (unsigned i = 0; i < 5; i++) {
        cr_expect_eq(coro_chan_recv(chan, &value), 0);
        cr_expect_eq(value, i);
    }
    for (unsigned i = 0; i < 5; i++)
        join(flows[i]);
    coro_chan_free(chan);
    return NULL;
}

IN_FLOWS(chan, waiting_receivers_are_served_in_order)
{
    struct coro_chan *chan = coro_chan_new(8, 2);
    struct end ends[5];
    struct coro_handle flows[5];

    for (unsigned i = 0; i < 5; i++) {
        ends[i] = (struct end){.chan = chan};
        flows[i] = coro_spawn(recv_it, &ends[i]);
        UNTIL_PARKED(flows[i]);
    }
    for (uint64_t i = 0; i < 5; i++)
        cr_expect_eq(coro_chan_send(chan, &i), 0);
    for (unsigned i = 0; i < 5; i++) {
        join(flows[i]);
        cr_expect_eq(ends[i].value, i);
    }
    coro_chan_free(chan);
    return NULL;
}

IN_FLOWS(chan, closed_drains_then_reports_with_zeros)
{
    struct coro_chan *chan = coro_chan_new(8, 4);
    uint64_t value = 5;

    cr_expect_eq(coro_chan_send(chan, &value), 0);
    cr_expect_eq(coro_chan_close(chan), 0);
    cr_expect_eq(coro_chan_send(chan, &value), -EPIPE);
    cr_expect_eq(coro_chan_try_send(chan, &value), -EPIPE);
    value = 0;
    cr_expect_eq(coro_chan_recv(chan, &value), 0);
    cr_expect_eq(value, 5);
    for (unsigned i = 0; i < 2; i++) {
        value = 77;
        cr_expect_eq(i ? coro_chan_recv(chan, &value) : coro_chan_try_recv(chan, &value),
                     -EPIPE);
        cr_expect_eq(value, 0);
    }
    cr_expect_eq(coro_chan_close(chan), -EPIPE);
    cr_expect_eq(coro_chan_close(NULL), -EINVAL);
    coro_chan_free(chan);
    return NULL;
}

IN_FLOWS(chan, close_wakes_every_receiver)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    struct end ends[300];
    struct coro_handle flows[300];

    for (unsigned i = 0; i < 300; i++) {
        ends[i] = (struct end){.chan = chan, .value = 1};
        flows[i] = coro_spawn(recv_it, &ends[i]);
        UNTIL_PARKED(flows[i]);
    }
    cr_expect_eq(coro_chan_close(chan), 0);
    for (unsigned i = 0; i < 300; i++) {
        join(flows[i]);
        cr_expect_eq(ends[i].result, -EPIPE);
        cr_expect_eq(ends[i].value, 0);
    }
    coro_chan_free(chan);
    return NULL;
}

IN_FLOWS(chan, close_refuses_waiting_senders)
{
    struct coro_chan *chan = coro_chan_new(8, 1);
    struct end end = {.chan = chan, .value = 2};
    struct coro_handle sender;
    uint64_t value = 1;

    cr_expect_eq(coro_chan_send(chan, &value), 0);
    sender = coro_spawn(send_it, &end);
    UNTIL_PARKED(sender);
    cr_expect_eq(coro_chan_close(chan), 0);
    join(sender);
    cr_expect_eq(end.result, -EPIPE);
    cr_expect_eq(coro_chan_recv(chan, &value), 0);
    cr_expect_eq(value, 1);
    cr_expect_eq(coro_chan_recv(chan, &value), -EPIPE);
    coro_chan_free(chan);
    return NULL;
}

static void *recv_nil(void *arg)
{
    uint64_t value;

    return (void *)(intptr_t)coro_chan_recv(NULL, &value);
}

static void *send_nil(void *arg)
{
    uint64_t value = 0;

    return (void *)(intptr_t)coro_chan_send(NULL, &value);
}

IN_FLOWS(chan, nil_blocks_until_cancelled)
{
    coro_body *const bodies[] = {recv_nil, send_nil};
    uint64_t value = 0;

    for (unsigned i = 0; i < 2; i++) {
        struct coro_handle flow = coro_spawn(bodies[i], NULL);
        void *result;

        UNTIL_PARKED(flow);
        cr_expect_eq(coro_cancel(flow), 0);
        cr_expect_eq(coro_join(flow, &result), 0);
        cr_expect_eq((intptr_t)result, -ECANCELED);
    }
    cr_expect_eq(coro_chan_try_send(NULL, &value), -EAGAIN);
    cr_expect_eq(coro_chan_try_recv(NULL, &value), -EAGAIN);
    cr_expect_eq(coro_chan_recv_until(NULL, &value, coro_now_ns() + 100000), -ETIMEDOUT);
    return NULL;
}

IN_FLOWS(chan, elements_of_any_size)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 64, 4096};
    static char sent[4096], received[4096];

    for (unsigned i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 7);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct coro_chan *chan = coro_chan_new(sizes[i], 2);

        memset(received, 0, sizeof received);
        cr_expect_eq(coro_chan_send(chan, sent), 0);
        cr_expect_eq(coro_chan_send(chan, sent), 0);
        cr_expect_eq(coro_chan_try_send(chan, sent), -EAGAIN);
        cr_expect_eq(coro_chan_recv(chan, received), 0);
        cr_expect_eq(memcmp(sent, received, sizes[i]), 0, "%zu bytes", sizes[i]);
        cr_expect(sizes[i] == 4096 || received[sizes[i]] == 0, "%zu bytes", sizes[i]);
        coro_chan_free(chan);
    }
    return NULL;
}

IN_FLOWS(chan, deadlines_pass_and_leave_no_trace)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    uint64_t value = 3, start_ns = coro_now_ns();

    cr_expect_eq(coro_chan_recv_until(chan, &value, start_ns + 2000000), -ETIMEDOUT);
    cr_expect(coro_now_ns() >= start_ns + 2000000);
    cr_expect_eq(coro_chan_send_until(chan, &value, coro_now_ns() + 100000), -ETIMEDOUT);
    cr_expect_eq(coro_chan_send_until(chan, &value, 0), -ETIMEDOUT);
    cr_expect_eq(coro_chan_try_recv(chan, &value), -EAGAIN);
    cr_expect_eq(coro_chan_try_send(chan, &value), -EAGAIN);
    coro_chan_free(chan);
    return NULL;
}

IN_FLOWS(chan, cancelled_waiter_is_withdrawn)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    struct end end = {.chan = chan};
    struct coro_handle flow = coro_spawn(recv_it, &end);
    uint64_t value = 1;

    UNTIL_PARKED(flow);
    cr_expect_eq(coro_cancel(flow), 0);
    join(flow);
    cr_expect_eq(end.result, -ECANCELED);
    cr_expect_eq(coro_chan_try_send(chan, &value), -EAGAIN);
    cr_expect_eq(coro_cancel(flow), -ESRCH);
    coro_chan_free(chan);
    return NULL;
}

Test(chan, refuses_what_does_not_fit)
{
    cr_expect_null(coro_chan_new(SIZE_MAX / 2, 4));
    cr_expect_null(coro_chan_new(8, (size_t)1 << 33));
    coro_chan_free(NULL);
}

/* An object outlives the run whose worker it is biased to. */
static struct coro_chan *lasting;

static void *fill_lasting(void *arg)
{
    uint64_t value = 12;

    if (!lasting)
        lasting = coro_chan_new(8, 4);
    cr_expect_eq(coro_chan_send(lasting, &value), 0);
    return NULL;
}

static void *count_lasting(void *arg)
{
    cr_expect_eq(coro_chan_count(lasting), 4);
    return NULL;
}

Test(chan, outlives_its_run)
{
    cr_expect_eq(run_in(1, false, fill_lasting), 0);
    cr_expect_eq(run_in(2, false, fill_lasting), 0);
    cr_expect_eq(run_in(3, true, fill_lasting), 0);
    cr_expect_eq(run_in(1, false, fill_lasting), 0);
    cr_expect_eq(run_in(2, false, count_lasting), 0);
    coro_chan_free(lasting);
}
