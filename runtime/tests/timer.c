/* SPDX-License-Identifier: MIT
 *
 * timer.c: sleepers wake in order and not early, nor late where others are busy; a million of
 * them, cancelled at once.
 */
#include "emulated.h"
#include "run.h"

#include <stdlib.h>

static _Atomic(unsigned) turn;

struct nap {
    uint64_t deadline_ns, began_ns, woke_ns;
    unsigned turn;
    int result;
};

static void *take_nap(void *arg)
{
    struct nap *nap = arg;

    nap->began_ns = coro_now_ns();
    nap->result = coro_sleep_until(nap->deadline_ns);
    nap->woke_ns = coro_now_ns();
    nap->turn = turn++;
    return NULL;
}

enum { NAPS = 400 };

/* The first is due after so long; whether all slept by then, which a busy machine may prevent. */
static bool naps_due_after(uint64_t lead_ns)
{
    static struct nap all[NAPS];
    static struct coro_handle flows[NAPS];
    uint64_t start_ns = coro_now_ns() + lead_ns;
    bool in_time = true;

    turn = 0;
    for (unsigned i = 0; i < NAPS; i++) {
        all[i] = (struct nap){.deadline_ns = start_ns + (i * 37 % NAPS) * 10000};
        flows[i] = coro_spawn(take_nap, &all[i]);
    }
    for (unsigned i = 0; i < NAPS; i++) {
        cr_expect_eq(coro_join(flows[i], NULL), 0);
        cr_expect_eq(all[i].result, 0);
        cr_expect_geq(all[i].woke_ns, all[i].deadline_ns);
        in_time &= all[i].began_ns < start_ns;
    }
    /* In order on one worker, where nothing comes between. */
    for (unsigned i = 0; in_time && coro_workers() == 1 && i < NAPS; i++)
        cr_expect_eq(all[i].turn, i * 37 % NAPS, "nap %u woke as number %u", i, all[i].turn);
    return in_time;
}

static void *naps(void *arg)
{
    bool in_time = false;

    for (uint64_t lead_ms = 20; !in_time && lead_ms < 5000; lead_ms *= 3)
        in_time = naps_due_after(lead_ms * 1000 * 1000);
    cr_expect(in_time);
    return arg;
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

enum { TALKS_LATE_MAX = 300, TALK_NAPS = 20 };

/* Two pinned flows that never have to wait for long, so that no worker runs out of work. */
struct talk {
    struct coro_chan *there, *back;
    _Atomic(uint64_t) deadline_ns; /* of the sleeper, */
    _Atomic(unsigned) late;        /* and how often they talked since */
    _Atomic(bool) over;
};

static void *ask(void *arg)
{
    struct talk *talk = arg;
    uint64_t word = 0;

    while (!talk->over && talk->late <= TALKS_LATE_MAX) {
        cr_expect_eq(coro_chan_send(talk->there, &word), 0);
        cr_expect_eq(coro_chan_recv(talk->back, &word), 0);
        if (coro_now_ns() >= talk->deadline_ns)
            talk->late++;
    }
    coro_chan_close(talk->there);
    return NULL;
}

static void *answer(void *arg)
{
    struct talk *talk = arg;
    uint64_t word;

    while (coro_chan_recv(talk->there, &word) == 0)
        coro_chan_send(talk->back, &word);
    return NULL;
}

IN_FLOWS(timer, a_pair_that_talks_without_end_holds_up_no_sleeper)
{
    struct talk talk = {.there = coro_chan_new(8, 0), .back = coro_chan_new(8, 0),
                        .deadline_ns = UINT64_MAX};
    struct coro_spawn_options first = {.pinned = true};
    struct coro_spawn_options last = {.pinned = true, .worker = coro_workers() - 1};
    struct coro_handle asker = coro_spawn_with(&first, ask, &talk);
    struct coro_handle answerer = coro_spawn_with(&last, answer, &talk);

    for (unsigned i = 0; i < TALK_NAPS && talk.late <= TALKS_LATE_MAX; i++) {
        talk.late = 0;
        talk.deadline_ns = coro_now_ns() + 1000 * 1000;
        cr_expect_eq(coro_sleep_until(talk.deadline_ns), 0);
    }
    cr_expect_leq(talk.late, TALKS_LATE_MAX);
    talk.over = true;
    cr_expect_eq(coro_join(asker, NULL), 0);
    cr_expect_eq(coro_join(answerer, NULL), 0);
    coro_chan_free(talk.there);
    coro_chan_free(talk.back);
    return NULL;
}

#if CORO_ANNOTATED
enum { MANY = 2000, WAITER_STACK_BYTES = 8192 };
#else
enum { MANY = 1000 * 1000, WAITER_STACK_BYTES = 2048 };
#endif

/* An emulator takes ten times as long. */
static unsigned many(void)
{
    return is_emulated() ? MANY / 10 : MANY;
}

static struct coro_chan *quiet;

static uint64_t far_away_ns(uintptr_t i)
{
    return coro_now_ns() + UINT64_C(3600000000000) + i * 7919 % 100003;
}

static void *waits_long(void *arg)
{
    uint64_t value;

    return (void *)(intptr_t)coro_chan_recv_until(quiet, &value, far_away_ns((uintptr_t)arg));
}

static void *sleeps_long(void *arg)
{
    return (void *)(intptr_t)coro_sleep_until(far_away_ns((uintptr_t)arg));
}

static struct coro_handle *spawn_waiters(coro_body *body, unsigned count)
{
    const struct coro_spawn_options small = {.policy = CORO_STACK_SLAB,
                                             .stack_bytes = WAITER_STACK_BYTES};
    struct coro_handle *flows = calloc(count, sizeof *flows);

    for (unsigned i = 0; i < count; i++) {
        flows[i] = coro_spawn_with(&small, body, (void *)(uintptr_t)i);
        cr_expect_not_null(flows[i].flow);
        if (i % 256 == 255)
            coro_yield();
    }
    for (unsigned i = 0; i < count; i++)
        UNTIL_PARKED(flows[i]);
    return flows;
}

static void join_waiters(struct coro_handle *flows, unsigned count, int expected)
{
    unsigned right = 0;

    for (unsigned i = 0; i < count; i++) {
        void *result;

        cr_expect_eq(coro_join(flows[i], &result), 0);
        right += (intptr_t)result == expected;
    }
    cr_expect_eq(right, count);
    free(flows);
}

/* All are removed from the middle of the heap as the channel closes. */
IN_FLOWS(timer, a_great_many_end_with_their_channel)
{
    struct coro_handle *flows;

    quiet = coro_chan_new(8, 0);
    flows = spawn_waiters(waits_long, many() / 10);
    cr_expect_eq(coro_chan_close(quiet), 0);
    join_waiters(flows, many() / 10, -EPIPE);
    coro_chan_free(quiet);
    return NULL;
}

static void *cancels_all(void *arg)
{
    struct coro_handle *flows = spawn_waiters(sleeps_long, many());

    for (unsigned i = 0; i < many(); i++)
        cr_expect_eq(coro_cancel(flows[i]), 0);
    join_waiters(flows, many(), -ECANCELED);
    return NULL;
}

Test(timer, a_million_are_cancelled_at_once, .timeout = 120)
{
    cr_expect_eq(run_in(2, false, cancels_all), 0);
}

#if !CORO_ANNOTATED
static bool over;

static void *yields_until_over(void *arg)
{
    while (!over)
        coro_yield();
    return arg;
}

static void *sleeps_often(void *arg)
{
    for (int i = 0; i < 20; i++)
        coro_sleep_ns(1000000);
    return arg;
}

/* Whoever runs does the chores, and fires what is due: of many timers at once. */
static void *timers_fire_on_small_stacks(void *arg)
{
    const struct coro_spawn_options small = {.policy = CORO_STACK_SLAB, .stack_bytes = 1024};
    struct coro_handle yields[8], sleeps[200];
    struct coro_stack_use use;

    for (size_t i = 0; i < 8; i++)
        yields[i] = coro_spawn_with(&small, yields_until_over, NULL);
    for (size_t i = 0; i < 200; i++)
        sleeps[i] = coro_spawn(sleeps_often, NULL);
    for (size_t i = 0; i < 200; i++)
        cr_expect_eq(coro_join(sleeps[i], NULL), 0);
    for (size_t i = 0; i < 8; i++) {
        cr_expect_eq(coro_stack_used(yields[i], &use), 0);
        /* a third is left on x86-64; aarch64's frames are larger */
        cr_expect_lt(use.used_bytes, use.stack_bytes * 3 / 4, "%zu of %zu bytes",
                     use.used_bytes, use.stack_bytes);
    }
    over = true;
    for (size_t i = 0; i < 8; i++)
        cr_expect_eq(coro_join(yields[i], NULL), 0);
    return arg;
}

Test(timer, the_chores_fit_on_the_smallest_stack, .timeout = 60)
{
    const struct coro_options options = {.workers = 1,
                                         .stack_bytes = TEST_STACK_BYTES,
                                         .quiet = true,
                                         .watch_stacks = true};

    over = false;
    cr_expect_eq(coro_run(&options, timers_fire_on_small_stacks, NULL), 0);
}
#endif
