/* SPDX-License-Identifier: MIT
 *
 * timer.c: sleepers wake in order and not early; a million timers, cancelled at once.
 */
#include "run.h"

#include <stdlib.h>

static _Atomic(unsigned) turn;

struct nap {
    uint64_t deadline_ns, woke_ns;
    unsigned turn;
    int result;
};

static void *take_nap(void *arg)
{
    struct nap *nap = arg;

    nap->result = coro_sleep_until(nap->deadline_ns);
    nap->woke_ns = coro_now_ns();
    nap->turn = turn++;
    return NULL;
}

enum { NAPS = 400 };

/* In order on one worker, where nothing comes between. */
static void *naps(void *arg)
{
    static struct nap all[NAPS];
    static struct coro_handle flows[NAPS];
    uint64_t start_ns = coro_now_ns() + 50 * 1000 * 1000;

    turn = 0;
    for (unsigned i = 0; i < NAPS; i++) {
        all[i] = (struct nap){.deadline_ns = start_ns + (i * 37 % NAPS) * 10000};
        flows[i] = coro_spawn(take_nap, &all[i]);
    }
    for (unsigned i = 0; i < NAPS; i++) {
        cr_expect_eq(coro_join(flows[i], NULL), 0);
        cr_expect_eq(all[i].result, 0);
        cr_expect_geq(all[i].woke_ns, all[i].deadline_ns);
        if (coro_workers() == 1)
            cr_expect_eq(all[i].turn, i * 37 % NAPS, "nap %u woke as number %u", i,
                         all[i].turn);
    }
    return NULL;
}

Test(timer, sleepers_wake_in_order_and_not_early, .timeout = 60)
{
    cr_expect_eq(run_in(1, false, naps), 0);
    cr_expect_eq(run_in(2, false, naps), 0);
    cr_expect_eq(run_in(2, true, naps), 0);
}

IN_FLOWS(timer, past_deadlines_return_at_once)
{
    cr_expect_eq(coro_sleep_ns(0), 0);
    cr_expect_eq(coro_sleep_until(1), 0);
    return NULL;
}

static struct coro_chan *quiet;

static void *waits_long(void *arg)
{
    uint64_t value;

    return (void *)(intptr_t)coro_chan_recv_until(quiet, &value,
                                                  coro_now_ns() + UINT64_C(3600000000000) +
                                                      (uintptr_t)arg * 7919 % 100003);
}

#if CORO_ANNOTATED
enum { MANY = 2000 };
#else
enum { MANY = 200 * 1000 };
#endif

/* All are removed from the middle of the heap as the channel closes. */
IN_FLOWS(timer, a_great_many_are_cancelled_at_once)
{
    struct coro_handle *flows = calloc(MANY, sizeof *flows);
    unsigned right = 0;

    quiet = coro_chan_new(8, 0);
    for (unsigned i = 0; i < MANY; i++) {
        const struct coro_spawn_options small = {.stack_bytes = 4096};

        flows[i] = coro_spawn_with(&small, waits_long, (void *)(uintptr_t)i);
        cr_expect_not_null(flows[i].flow);
        if (i % 256 == 255)
            coro_yield();
    }
    UNTIL_PARKED(flows[MANY - 1]);
    cr_expect_eq(coro_chan_close(quiet), 0);
    for (unsigned i = 0; i < MANY; i++) {
        void *result;

        coro_join(flows[i], &result);
        right += (intptr_t)result == -EPIPE;
    }
    cr_expect_eq(right, MANY);
    coro_chan_free(quiet);
    free(flows);
    return NULL;
}
