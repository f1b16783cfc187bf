/* SPDX-License-Identifier: MIT
 *
 * sync.c: mutex, semaphore, wait group and once, alone and contended.
 */
#include "run.h"

static struct coro_mutex mutex;
static struct coro_semaphore semaphore;
static struct coro_wait_group group;
static struct coro_once once;
static uint64_t shared; /* guarded by whichever is under test */
static _Atomic(int) inside, most, ran;

enum { FLOWS = 16, TIMES = 500 };

static void *count_up(void *arg)
{
    for (unsigned i = 0; i < TIMES; i++) {
        uint64_t seen;

        if (coro_mutex_lock(&mutex))
            return (void *)1;
        seen = shared;
        if (i % 7 == 0)
            coro_yield();
        shared = seen + 1;
        if (coro_mutex_unlock(&mutex))
            return (void *)1;
    }
    return NULL;
}

static void run_many(coro_body *body)
{
    struct coro_handle flows[FLOWS];
    void *failed;

    for (unsigned i = 0; i < FLOWS; i++)
        flows[i] = coro_spawn(body, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < FLOWS; i++) {
        cr_expect_eq(coro_join(flows[i], &failed), 0);
        cr_expect_null(failed);
    }
}

IN_FLOWS(sync, mutex_excludes)
{
    coro_mutex_init(&mutex);
    shared = 0;
    run_many(count_up);
    cr_expect_eq(shared, FLOWS * TIMES);
    cr_expect_eq(coro_mutex_unlock(&mutex), -EPERM);
    cr_expect_eq(coro_mutex_try_lock(&mutex), 0);
    cr_expect_eq(coro_mutex_try_lock(&mutex), -EAGAIN);
    cr_expect_eq(coro_mutex_unlock(&mutex), 0);
    return NULL;
}

static void *lock_once(void *arg)
{
    int error = coro_mutex_lock(&mutex);

    if (!error) {
        shared++;
        coro_mutex_unlock(&mutex);
    }
    return (void *)(intptr_t)error;
}

/* One that locks again as soon as it has unlocked does not keep a waiter out. */
IN_FLOWS(sync, mutex_is_handed_over)
{
    struct coro_handle waiter;
    unsigned locks = 0;

    coro_mutex_init(&mutex);
    shared = 0;
    cr_expect_eq(coro_mutex_lock(&mutex), 0);
    waiter = coro_spawn(lock_once, NULL);
    UNTIL_PARKED(waiter);
    while (shared == 0 && locks < 100) {
        coro_mutex_unlock(&mutex);
        coro_mutex_lock(&mutex);
        coro_yield(); /* holding it: a waiter that may only try would fail each time */
        locks++;
    }
    cr_expect_leq(locks, 3);
    coro_mutex_unlock(&mutex);
    cr_expect_eq(coro_join(waiter, NULL), 0);
    return NULL;
}

IN_FLOWS(sync, cancelled_locker_leaves_the_others)
{
    struct coro_handle first, second;
    void *result;

    coro_mutex_init(&mutex);
    coro_mutex_lock(&mutex);
    first = coro_spawn(lock_once, NULL);
    UNTIL_PARKED(first);
    second = coro_spawn(lock_once, NULL);
    UNTIL_PARKED(second);
    cr_expect_eq(coro_cancel(first), 0);
    cr_expect_eq(coro_join(first, &result), 0);
    cr_expect_eq((intptr_t)result, -ECANCELED);
    coro_mutex_unlock(&mutex);
    cr_expect_eq(coro_join(second, &result), 0);
    cr_expect_null(result);
    return NULL;
}

static void *few_at_once(void *arg)
{
    for (unsigned i = 0; i < 50; i++) {
        int now, before;

        if (coro_semaphore_acquire(&semaphore))
            return (void *)1;
        now = ++inside;
        before = most;
        while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
            ;
        coro_yield();
        inside--;
        coro_semaphore_release(&semaphore);
    }
    return NULL;
}

IN_FLOWS(sync, semaphore_admits_so_many)
{
    coro_semaphore_init(&semaphore, 3);
    inside = most = 0;
    run_many(few_at_once);
    cr_expect_eq(most, 3);
    for (unsigned i = 0; i < 3; i++)
        cr_expect_eq(coro_semaphore_try_acquire(&semaphore), 0);
    cr_expect_eq(coro_semaphore_try_acquire(&semaphore), -EAGAIN);
    return NULL;
}

static void *work(void *arg)
{
    coro_yield();
    ran++;
    return coro_wait_group_done(&group) ? (void *)1 : NULL;
}

static void *wait_group(void *arg)
{
    return coro_wait_group_wait(&group) || ran < FLOWS ? (void *)1 : NULL;
}

IN_FLOWS(sync, wait_group_waits_for_all)
{
    struct coro_handle waiters[3];
    void *failed;

    coro_wait_group_init(&group);
    ran = 0;
    cr_expect_eq(coro_wait_group_wait(&group), 0);
    cr_expect_eq(coro_wait_group_add(&group, FLOWS), 0);
    for (unsigned i = 0; i < 3; i++)
        waiters[i] = coro_spawn(wait_group, NULL);
    run_many(work);
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(coro_join(waiters[i], &failed), 0);
        cr_expect_null(failed);
    }
    cr_expect_eq(coro_wait_group_done(&group), -EINVAL);
    cr_expect_eq(coro_wait_group_add(&group, INT64_MAX), 0);
    cr_expect_eq(coro_wait_group_add(&group, 1), -EINVAL);
    return NULL;
}

static void set_up(void *arg)
{
    coro_yield();
    ran++;
}

static void *use_once(void *arg)
{
    return coro_once(&once, set_up, NULL) || ran != 1 ? (void *)1 : NULL;
}

IN_FLOWS(sync, once_runs_once_and_all_wait)
{
    coro_once_init(&once);
    ran = 0;
    run_many(use_once);
    cr_expect_eq(ran, 1);
    return NULL;
}
