/* SPDX-License-Identifier: MIT
 *
 * run.h: a test's body as the first flow of a run.
 *
 * IN_FLOWS(suite, name) { ... } runs once with one worker (where the order of things is
 * certain), once with two, and once without membarrier. Criterion's cr_expect works in flows:
 * they have stacks that are large enough for it. cr_assert does not (it jumps away).
 */
#ifndef CORO_TESTS_RUN_H
#define CORO_TESTS_RUN_H

#include "coro.h"

#include <criterion/criterion.h>

enum { TEST_STACK_BYTES = 256 * 1024 };

static inline int run_in(unsigned workers, bool no_membarrier, coro_body *body)
{
    const struct coro_options options = {.workers = workers,
                                         .stack_bytes = TEST_STACK_BYTES,
                                         .no_membarrier = no_membarrier,
                                         .quiet = true};

    return coro_run(&options, body, NULL);
}

#define IN_FLOWS(suite, name)                                                              \
    static void *suite##_##name##_body(void *arg);                                         \
    Test(suite, name, .timeout = 60)                                                       \
    {                                                                                      \
        cr_expect_eq(run_in(1, false, suite##_##name##_body), 0, "one worker");            \
        cr_expect_eq(run_in(2, false, suite##_##name##_body), 0, "two workers");           \
        cr_expect_eq(run_in(2, true, suite##_##name##_body), 0, "no membarrier");          \
    }                                                                                      \
    static void *suite##_##name##_body(__attribute__((unused)) void *arg)

/* Lets others run until `condition`, for at most a second or so. */
#define EVENTUALLY(condition)                                                              \
    for (unsigned tries = 0; !(condition) && tries < 10000; tries++)                       \
        coro_sleep_ns(100000)

static inline bool is_parked(struct coro_handle handle)
{
    return atomic_load(&handle.flow->waiting) != NULL;
}

#define UNTIL_PARKED(handle) EVENTUALLY(is_parked(handle))

static inline bool is_done(struct coro_handle handle)
{
    return atomic_load(&handle.flow->flags) & CORO_FLOW_DONE;
}

#endif
