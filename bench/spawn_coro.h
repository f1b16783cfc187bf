/* SPDX-License-Identifier: MIT
 *
 * spawn_coro.h: the experiment `spawn` with flows of the scheduler; its cases, for the table
 * in spawn.c.
 */
#ifndef SPAWN_CORO_H
#define SPAWN_CORO_H

#include "bench.h"
#include "stack.h"

struct spawn_coro_config {
    size_t flows; /* per batch */
    unsigned workers;
    enum coro_stack_policy policy; /* of the run's flows; slab stacks have 2 KB */
};

int spawn_coro_setup(struct bench_trial *t);
uint64_t spawn_coro_run(struct bench_trial *t, uint64_t ops);
void spawn_coro_teardown(struct bench_trial *t);

#define SPAWN_CORO(n, workers_, policy_, policy, places_, flags_, most, profile_)           \
    {                                                                                      \
        .experiment = "spawn", .subject = "coro-flow",                                     \
        .params = policy_ "batch=" #n ",workers=" #workers_,                               \
        .op = "one flow created, run and joined", .places = places_, .profile = profile_,  \
        .flags = flags_, .kernel_switches_max = most, .setup = spawn_coro_setup,           \
        .run = spawn_coro_run, .teardown = spawn_coro_teardown,                            \
        .ops_multiple = (n) > 1 ? (n) : 0,                                                 \
        .arg = &(const struct spawn_coro_config){n, workers_, policy},                           \
    }
#define SPAWN_CORO_BOTH(n, profile)                                              \
    SPAWN_CORO(n, 1, "", CORO_STACK_DEFAULT, BENCH_AT(BENCH_SAME_CPU), 0, 0.01, profile), \
        SPAWN_CORO(n, 1, "policy=slab,", CORO_STACK_SLAB, BENCH_AT(BENCH_SAME_CPU), 0,     \
                   0.01, BENCH_DEFAULT),                                                   \
        SPAWN_CORO(n, 2, "", CORO_STACK_DEFAULT, BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU), BENCH_THREADS, 0, \
                   BENCH_DEFAULT)

#define SPAWN_CORO_CASES \
    SPAWN_CORO_BOTH(1, BENCH_QUICK), SPAWN_CORO_BOTH(1000, BENCH_DEFAULT)

#endif
