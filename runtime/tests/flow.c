/* SPDX-License-Identifier: MIT
 *
 * flow.c: spawn, join, detach, exit, cancel, handles; errno and thread-locals in migration.
 */
#include "run.h"

#include <pthread.h>
#include <stdlib.h>

static void *identity(void *arg)
{
    return arg;
}

static __attribute__((noinline)) int exits(void *result)
{
    coro_exit(result);
}

static void *exits_deep(void *arg)
{
    return (char *)arg + exits((void *)42);
}

IN_FLOWS(flow, join_gives_the_result_once)
{
    struct coro_handle flow = coro_spawn(identity, (void *)17);
    void *result = NULL;

    cr_expect_eq(coro_join(flow, &result), 0);
    cr_expect_eq((intptr_t)result, 17);
    cr_expect_eq(coro_join(flow, &result), -ESRCH);
    cr_expect_eq(coro_detach(flow), -ESRCH);
    cr_expect_eq(coro_cancel(flow), -ESRCH);
    cr_expect_eq(coro_join((struct coro_handle){0}, NULL), -ESRCH);
    cr_expect_eq(coro_join(coro_self(), NULL), -EDEADLK);
    return NULL;
}

IN_FLOWS(flow, exit_ends_it_however_deep)
{
    for (unsigned i = 0; i < 20; i++) {
        void *result = NULL;

        cr_expect_eq(coro_join(coro_spawn(exits_deep, NULL), &result), 0);
        cr_expect_eq((intptr_t)result, 42);
    }
    return NULL;
}

static void *wait_on(void *arg)
{
    uint64_t value;

    return (void *)(intptr_t)coro_chan_recv(arg, &value);
}

static struct coro_handle joined;

static void *join_it(void *arg)
{
    return (void *)(intptr_t)coro_join(joined, NULL);
}

IN_FLOWS(flow, one_joiner_only_and_not_when_detached)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    struct coro_handle joiner;
    void *result;

    joined = coro_spawn(wait_on, chan);
    joiner = coro_spawn(join_it, NULL);
    UNTIL_PARKED(joiner);
    cr_expect_eq(coro_join(joined, NULL), -EINVAL);
    cr_expect_eq(coro_detach(joined), -EINVAL);
    cr_expect_eq(coro_cancel(joiner), 0);
    cr_expect_eq(coro_join(joiner, &result), 0);
    cr_expect_eq((intptr_t)result, -ECANCELED);
    cr_expect_eq(coro_detach(joined), 0);
    cr_expect_eq(coro_join(joined, NULL), -EINVAL);
    UNTIL_PARKED(joined);
    cr_expect_eq(coro_chan_close(chan), 0);
    EVENTUALLY(atomic_load(&joined.flow->generation) != joined.generation);
    cr_expect_eq(coro_join(joined, NULL), -ESRCH);
    coro_chan_free(chan);
    return NULL;
}

static void *uses_stack(void *arg)
{
    volatile char room[24 * 1024];

    for (size_t i = 0; i < sizeof room; i += 64)
        room[i] = (char)i;
    return (void *)(intptr_t)room[64];
}

IN_FLOWS(flow, options)
{
    const struct coro_spawn_options large = {.stack_bytes = 1 << 20, .name = "large"};
    const struct coro_spawn_options huge = {.stack_bytes = SIZE_MAX};
    const struct coro_spawn_options nowhere = {.pinned = true, .worker = 1000};
    const struct coro_spawn_options detached = {.detached = true};
    struct coro_handle flow = coro_spawn_with(&large, uses_stack, NULL);
    void *result;

    cr_expect_eq(coro_join(flow, &result), 0);
    cr_expect_eq((intptr_t)result, 64);
    cr_expect_null(coro_spawn_with(&huge, identity, NULL).flow);
    cr_expect_null(coro_spawn_with(&nowhere, identity, NULL).flow);
    flow = coro_spawn_with(&detached, identity, NULL);
    EVENTUALLY(coro_join(flow, NULL) == -ESRCH);
    cr_expect_eq(coro_join(flow, NULL), -ESRCH);
    return NULL;
}

static void *where(void *arg)
{
    for (unsigned i = 0; i < 200; i++) {
        if (coro_worker_index() != (uintptr_t)arg)
            return (void *)1;
        coro_yield();
        if (i % 50 == 0)
            coro_sleep_ns(1000);
    }
    return NULL;
}

IN_FLOWS(flow, pinned_stays)
{
    struct coro_handle flows[16];
    void *strayed;

    for (unsigned i = 0; i < 16; i++) {
        const struct coro_spawn_options options = {.pinned = true,
                                                   .worker = i % coro_workers()};

        flows[i] = coro_spawn_with(&options, where, (void *)(uintptr_t)options.worker);
    }
    for (unsigned i = 0; i < 16; i++) {
        cr_expect_eq(coro_join(flows[i], &strayed), 0);
        cr_expect_null(strayed);
    }
    return NULL;
}

static void *yields_for_ever(void *arg)
{
    _Atomic(bool) *stop = arg;

    while (!*stop)
        coro_yield();
    return NULL;
}

static void *sets(void *arg)
{
    *(_Atomic(bool) *)arg = true;
    return NULL;
}

IN_FLOWS(flow, nobody_starves_beside_a_yielder)
{
    _Atomic(bool) stop = false;
    struct coro_handle yielder = coro_spawn(yields_for_ever, &stop);
    struct coro_handle setter = coro_spawn(sets, &stop);

    cr_expect_eq(coro_join(yielder, NULL), 0);
    cr_expect_eq(coro_join(setter, NULL), 0);
    return NULL;
}

static void *ping(void *arg)
{
    struct coro_chan **ends = arg;
    uint64_t value = 0;

    while (coro_chan_send(ends[0], &value) == 0 && coro_chan_recv(ends[1], &value) == 0)
        ;
    return NULL;
}

static void *pong(void *arg)
{
    struct coro_chan **ends = arg;
    uint64_t value = 0;

    while (coro_chan_recv(ends[0], &value) == 0 && coro_chan_send(ends[1], &value) == 0)
        ;
    return NULL;
}

/* Two that wake each other for ever run next each time: the third must have its turn, in the
 * front stack's way or in the ring's. */
IN_FLOWS(flow, nobody_starves_beside_a_pair)
{
    struct coro_chan *ends[2] = {coro_chan_new(8, 0), coro_chan_new(8, 0)};
    struct coro_handle one = coro_spawn(ping, ends), two = coro_spawn(pong, ends);

    for (unsigned i = 0; i < 100; i++)
        coro_yield();
    coro_chan_close(ends[0]);
    coro_chan_close(ends[1]);
    cr_expect_eq(coro_join(one, NULL), 0);
    cr_expect_eq(coro_join(two, NULL), 0);
    coro_chan_free(ends[0]);
    coro_chan_free(ends[1]);
    return NULL;
}

static void *hog(void *arg)
{
    _Atomic(bool) *done = arg;
    uint64_t give_up_ns = coro_now_ns() + UINT64_C(20) * 1000000000;

    coro_spawn(sets, done); /* stays in this worker's front stack */
    while (!*done && coro_now_ns() < give_up_ns)
        ; /* never yields */
    return (void *)(uintptr_t)*done;
}

static void *run_hog(void *arg)
{
    _Atomic(bool) done = false;
    void *result = NULL;

    cr_expect_eq(coro_join(coro_spawn(hog, &done), &result), 0);
    cr_expect_not_null(result, "what is runnable beside a flow that never yields is stolen");
    return NULL;
}

Test(flow, runnables_of_a_busy_worker_are_stolen, .timeout = 60)
{
    cr_expect_eq(run_in(2, false, run_hog), 0);
    cr_expect_eq(run_in(2, true, run_hog), 0);
}

/* ---- the end of a run ---------------------------------------------------------------- */

static void *waits_for_nobody(void *arg)
{
    uint64_t value;
    struct coro_chan *chan = coro_chan_new(8, 0);

    coro_detach(coro_spawn(wait_on, chan));
    return (void *)(intptr_t)coro_chan_recv(chan, &value);
}

Test(flow, deadlock_is_found, .timeout = 60)
{
    for (unsigned workers = 1; workers <= 4; workers++)
        for (unsigned i = 0; i < 20; i++)
            cr_expect_eq(run_in(workers, i % 2, waits_for_nobody), -EDEADLK);
}

static void *sleeps(void *arg)
{
    coro_sleep_ns(3000000);
    return NULL;
}

Test(flow, a_timer_is_no_deadlock, .timeout = 60)
{
    for (unsigned workers = 1; workers <= 3; workers++)
        cr_expect_eq(run_in(workers, false, sleeps), 0);
}

static void *hold_then_spawn(void *arg)
{
    struct coro_sched *sched = arg;

    for (volatile unsigned i = 0; i < 3000000; i++)
        ;
    cr_expect_eq(coro_spawn_into(sched, identity, NULL), 0);
    coro_sched_release(sched);
    return NULL;
}

static void *leaves_a_holder(void *arg)
{
    pthread_t thread;

    coro_sched_hold(coro_sched_self());
    pthread_create(&thread, NULL, hold_then_spawn, coro_sched_self());
    pthread_detach(thread);
    return NULL;
}

Test(flow, a_hold_keeps_the_run, .timeout = 60)
{
    for (unsigned workers = 1; workers <= 3; workers++)
        cr_expect_eq(run_in(workers, false, leaves_a_holder), 0);
}

IN_FLOWS(flow, counters_add_up)
{
    struct coro_counters before, after;
    uint64_t switches = 0, spawned = 0;

    for (unsigned i = 0; i < coro_workers(); i++) {
        cr_expect_eq(coro_counters(i, &before), 0);
        switches -= before.switches;
        spawned -= before.spawned;
    }
    for (unsigned i = 0; i < 1000; i++)
        cr_expect_eq(coro_join(coro_spawn(identity, NULL), NULL), 0);
    for (unsigned i = 0; i < coro_workers(); i++) {
        cr_expect_eq(coro_counters(i, &after), 0);
        switches += after.switches;
        spawned += after.spawned;
    }
    cr_expect_eq(spawned, 1000);
    cr_expect_geq(switches, 1000);
    cr_expect_leq(switches, 2100);
    cr_expect_eq(coro_counters(coro_workers(), &after), -EINVAL);
    return NULL;
}
