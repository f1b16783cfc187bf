/* SPDX-License-Identifier: MIT
 *
 * sched_stress.h: what the parts of sched_stress share.
 */
#ifndef CORO_TESTS_SCHED_STRESS_H
#define CORO_TESTS_SCHED_STRESS_H

#include "coro.h"

#include <inttypes.h>
#include <stdlib.h>

extern uint64_t stress_seed; /* of this round; printed when something is wrong */

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "sched_stress: seed %" PRIu64 ": %s:%d: %s\n", stress_seed,    \
                    __FILE__, __LINE__, #condition);                                       \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

static inline uint64_t rnd(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (*state >> 11) % below;
}

/* Flow bodies; each joins what it has started. sched_stress_sync.c: */
void *stress_ring(void *unused);  /* a token goes round flows that are pinned or copied */
void *stress_gifts(void *unused); /* what is freed as soon as it may be */
void *stress_talks(void *unused); /* pairs, most of them pinned, that send to and fro */
void *stress_locks(void *unused); /* mutex, semaphore, wait group, cancelled lockers */
/* sched_stress_io.c: */
void *stress_streams(void *unused); /* bytes through sockets, with deadlines; blocking calls */

#endif
