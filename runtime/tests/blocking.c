/* SPDX-License-Identifier: MIT
 *
 * blocking.c: helper threads: they do not hold up flows, grow, leave, and can be refused.
 */
#include "run.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static void *nap(void *arg)
{
    usleep(20000);
    return arg;
}

static void *naps(void *arg)
{
    void *result = NULL;
    int error = coro_blocking(nap, arg, &result);

    return error ? (void *)(intptr_t)error : result;
}

enum { CALLS_AT_ONCE = 20 };

static _Atomic(unsigned) met;

/* Whether so many calls are under way at once: for at most ten seconds. */
static void *meet(void *arg)
{
    met++;
    for (unsigned tries = 0; met < CALLS_AT_ONCE && tries < 10000; tries++)
        usleep(1000);
    return met == CALLS_AT_ONCE ? arg : NULL;
}

static void *meets(void *arg)
{
    void *result = NULL;

    coro_blocking(meet, arg, &result);
    return result;
}

IN_FLOWS(blocking, calls_overlap_and_flows_go_on)
{
    struct coro_handle flows[CALLS_AT_ONCE];
    unsigned turns = 0;
    void *result;

    met = 0;
    for (uintptr_t i = 0; i < CALLS_AT_ONCE; i++)
        flows[i] = coro_spawn(meets, (void *)(i + 1));
    for (; is_parked(flows[0]) || turns < 100; turns++)
        coro_yield();
    for (uintptr_t i = 0; i < CALLS_AT_ONCE; i++) {
        cr_expect_eq(coro_join(flows[i], &result), 0);
        cr_expect_eq((uintptr_t)result, i + 1);
    }
    return NULL;
}

static void *signals_blocked(void *arg)
{
    sigset_t set;

    pthread_sigmask(SIG_SETMASK, NULL, &set);
    return (void *)(intptr_t)sigismember(&set, SIGUSR1);
}

IN_FLOWS(blocking, a_helper_has_no_signals)
{
    void *blocked = NULL;

    cr_expect_eq(coro_blocking(signals_blocked, NULL, &blocked), 0);
    cr_expect_eq((intptr_t)blocked, 1);
    return NULL;
}

static _Atomic(unsigned) begun;

static void *count_nap(void *arg)
{
    begun++;
    return nap(arg);
}

static void *count_naps(void *arg)
{
    return (void *)(intptr_t)coro_blocking(count_nap, NULL, NULL);
}

IN_FLOWS(blocking, a_call_that_has_begun_is_not_cancelled)
{
    struct coro_handle flow;
    void *result;

    begun = 0;
    flow = coro_spawn(count_naps, NULL);
    EVENTUALLY(begun);
    coro_cancel(flow);
    coro_join(flow, &result);
    cr_expect_eq((intptr_t)result, 0);
    return NULL;
}

/* What has not begun never begins. */
IN_FLOWS(blocking, calls_beyond_the_pool_wait_and_can_be_cancelled)
{
    enum { CALLS = 100 };
    struct coro_handle flows[CALLS];
    unsigned cancelled = 0;
    void *result;

    begun = 0;
    for (unsigned i = 0; i < CALLS; i++)
        flows[i] = coro_spawn(count_naps, NULL);
    for (unsigned i = 0; i < CALLS; i++)
        EVENTUALLY(is_parked(flows[i]) || is_done(flows[i]));
    coro_cancel(flows[CALLS - 1]);
    for (unsigned i = 0; i < CALLS; i++) {
        coro_join(flows[i], &result);
        cancelled += (intptr_t)result == -ECANCELED;
        cr_expect((intptr_t)result == 0 || i == CALLS - 1);
    }
    cr_expect_eq(begun, CALLS - cancelled);
    return NULL;
}

static unsigned threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;

    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

static void *watch_helpers(void *arg)
{
    unsigned before = threads();
    struct coro_handle flows[4];

    for (unsigned i = 0; i < 4; i++)
        flows[i] = coro_spawn(naps, NULL);
    for (unsigned i = 0; i < 4; i++)
        coro_join(flows[i], NULL);
    cr_expect_gt(threads(), before);
    for (unsigned i = 0; i < 40 && threads() > before; i++)
        coro_sleep_ns(100000000);
    cr_expect_eq(threads(), before, "they leave");
    return NULL;
}

Test(blocking, helpers_leave_when_there_is_nothing_to_do, .timeout = 20)
{
    cr_expect_eq(run_in(1, false, watch_helpers), 0);
}
