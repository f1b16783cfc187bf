/* SPDX-License-Identifier: MIT
 *
 * crew.h: the second thread of an experiment whose flows are threads.
 *
 * A mate is made once, in setup(), where a failure can be told in a sentence, and stands
 * ready. In each run() the main thread sends it to work on the same number of ops, does
 * its own share, and takes the mate's count back. What it costs to wake the mate and to
 * wait for it is a fixed cost of run(), which the slope over op counts removes.
 *
 * crew_start() returns when both threads run (or, on one CPU, when the mate has begun):
 * otherwise an epoch would begin with the main thread alone.
 */
#ifndef CREW_H
#define CREW_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include "bench.h"

struct crew_mate {
    const struct bench_trial *trial;
    uint64_t (*work)(void *arg, uint64_t ops); /* NULL once the mate has to leave */
    void *arg;
    uint64_t ops;     /* written before `go` is posted */
    uint64_t counted; /* written before `done` is posted */
    int pin_error;
    sem_t go, done;
    _Atomic int
        at_work; /* set by the mate; the main thread reads it before its own share */
    pthread_t thread;
};

/* One turn of a spin loop. On one CPU the other thread can't move until this one yields;
 * on two it most likely runs, so yield only after a while (a hypervisor may have taken
 * its CPU, or a third process). */
static inline void crew_relax(bool one_cpu, unsigned *spins)
{
    if (one_cpu || ++*spins > 4096) {
        *spins = 0;
        sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("" ::: "memory");
#endif
}

static inline void *crew_mate_main(void *arg)
{
    struct crew_mate *mate = arg;
    mate->pin_error = bench_pin(mate->trial, 1);
    sem_post(&mate->done);
    for (;;) {
        while (sem_wait(&mate->go) != 0)
            continue;
        if (!mate->work)
            return NULL;
        atomic_store_explicit(&mate->at_work, 1, memory_order_release);
        mate->counted = mate->work(mate->arg, mate->ops);
        sem_post(&mate->done);
    }
}

static inline void crew_dismiss(struct crew_mate *mate)
{
    mate->work = NULL;
    sem_post(&mate->go);
    pthread_join(mate->thread, NULL);
}

/* Makes the mate, as flow 1 of the placement. 0 or -errno (-EAGAIN: no more threads). */
static inline int crew_hire(struct crew_mate *mate, const struct bench_trial *trial,
                            uint64_t (*work)(void *arg, uint64_t ops), void *arg)
{
    *mate = (struct crew_mate){.trial = trial, .work = work, .arg = arg};
    sem_init(&mate->go, 0, 0);
    sem_init(&mate->done, 0, 0);
    int err = pthread_create(&mate->thread, NULL, crew_mate_main, mate);
    if (err)
        return -err;
    while (sem_wait(&mate->done) != 0)
        continue;
    if (mate->pin_error)
        crew_dismiss(mate);
    return mate->pin_error;
}

static inline void crew_start(struct crew_mate *mate, uint64_t ops, bool one_cpu)
{
    unsigned spins = 0;
    mate->ops = ops;
    atomic_store_explicit(&mate->at_work, 0,
                          memory_order_relaxed); /* sem_post publishes */
    sem_post(&mate->go);
    while (!atomic_load_explicit(&mate->at_work, memory_order_acquire))
        crew_relax(one_cpu, &spins);
}

/* Waits for the mate and returns what it counted. */
static inline uint64_t crew_finish(struct crew_mate *mate)
{
    while (sem_wait(&mate->done) != 0)
        continue;
    return mate->counted;
}

static inline bool crew_on_one_cpu(const struct bench_trial *t)
{
    return bench_cpu(t, 0) == bench_cpu(t, 1);
}

#endif
