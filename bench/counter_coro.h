/* SPDX-License-Identifier: MIT
 *
 * counter_coro.h: the experiment `counter` with flows of the runtime; its cases, for the table in
 * counter.c.
 */
#ifndef COUNTER_CORO_H
#define COUNTER_CORO_H

#include "bench.h"

struct counter_coro_config {
    size_t flows; /* that count */
    unsigned workers;
    bool by_owner;   /* the number is a further flow's, which is sent the increments */
    size_t capacity; /* of the channel to it */
};

int counter_coro_setup(struct bench_trial *t);
uint64_t counter_coro_run(struct bench_trial *t, uint64_t ops);
void counter_coro_teardown(struct bench_trial *t);

#define COUNTER_CORO(subject_, params_, flows_, workers_, owner, n, places_, flags_, most, \
                     profile_)                                                            \
    {                                                                                     \
        .experiment = "counter", .subject = subject_,                                     \
        .params = "flows=" #flows_ ",workers=" #workers_ params_,                         \
        .op = "one increment of the shared number, by any flow", .places = places_,       \
        .profile = profile_, .flags = flags_, .kernel_switches_max = most,                \
        .setup = counter_coro_setup, .run = counter_coro_run,                             \
        .teardown = counter_coro_teardown, .ops_multiple = (n) > 1 ? 4 * (n) : 0,         \
        .arg = &(const struct counter_coro_config){flows_, workers_, owner, n},           \
    }
#define COUNTER_CORO_ALONE(subject, params, flows, owner, n, profile)                     \
    COUNTER_CORO(subject, params, flows, 1, owner, n, BENCH_AT(BENCH_SAME_CPU), 0, 0.01,  \
                 profile)
#define COUNTER_CORO_IN_TWO(subject, params, flows, owner, n, profile)                    \
    COUNTER_CORO(subject, params, flows, 2, owner, n,                                     \
                 BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU), BENCH_THREADS, 0, profile)

#define COUNTER_CORO_CASES                                                             \
    COUNTER_CORO_ALONE("coro-mutex", "", 1, false, 0, BENCH_DEFAULT),                  \
    COUNTER_CORO_ALONE("coro-mutex", "", 2, false, 0, BENCH_DEFAULT),                     \
    COUNTER_CORO_IN_TWO("coro-mutex", "", 2, false, 0, BENCH_DEFAULT),                 \
    COUNTER_CORO_ALONE("coro-owner", ",capacity=0", 2, true, 0, BENCH_DEFAULT),        \
    COUNTER_CORO_ALONE("coro-owner", ",capacity=128", 2, true, 128, BENCH_DEFAULT),    \
    COUNTER_CORO_IN_TWO("coro-owner", ",capacity=0", 2, true, 0, BENCH_FULL),          \
    COUNTER_CORO_IN_TWO("coro-owner", ",capacity=128", 2, true, 128, BENCH_DEFAULT)

#endif
