/* SPDX-License-Identifier: MIT
 *
 * threads.h: a crew of threads, as stage.h has one of flows: made once, each does work(arg, index)
 * in each run and says how many ops that were.
 *
 * They meet the main thread at two barriers, so all start together as far as the CPUs allow; the
 * barriers publish what the main thread wrote before a run, and what the threads counted. Thread
 * i stays on the placement's CPU i mod 2.
 */
#ifndef THREADS_H
#define THREADS_H

#include <pthread.h>
#include "bench.h"

struct thread_crew_member;

struct thread_crew {
    struct bench_trial *trial;
    size_t threads;
    uint64_t (*work)(void *arg, size_t index);
    void *arg;
    pthread_barrier_t start, end;
    bool stopping; /* written before `start` */
    size_t started;
    struct thread_crew_member *member;
};

/* From setup(), after the first four were filled in. 0 or -errno. */
int thread_crew_open(struct thread_crew *crew);
/* From run(). The sum of what they counted. */
uint64_t thread_crew_run(struct thread_crew *crew);
/* Takes what thread_crew_open() left. After a failure some threads wait for ever, and what
 * they see must stay: then, -EBUSY. */
int thread_crew_close(struct thread_crew *crew);

#endif
