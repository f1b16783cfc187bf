/* SPDX-License-Identifier: MIT
 *
 * bank_threads.c: the flows of `bank` as threads. They are made once, and meet the main thread at
 * two barriers in each run(): all start together, as far as the CPUs allow.
 */
#include "bank.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

struct bank_thread {
    struct bank *bank;
    size_t index;
    uint64_t counted;
    int pin_error;
    pthread_t thread;
};

struct bank_threads {
    pthread_barrier_t start, end; /* publish bank->run_ops and the counts */
    bool stopping;                /* written before `start` */
    size_t started;
    struct bank_thread thread[BANK_FLOWS];
};

static void add(struct bank *bank, uint64_t what)
{
    uint64_t account = __atomic_load_n(&bank->account, __ATOMIC_RELAXED);

    __atomic_store_n(&bank->account, account + what, __ATOMIC_RELAXED);
}

static void pause_thread(struct bank *bank)
{
    if (bank->config->sleep_ns)
        nanosleep(&(struct timespec){.tv_nsec = (long)bank->config->sleep_ns}, NULL);
    else
        sched_yield();
}

#define FLOW(name, lock, unlock, add)                                              \
    uint64_t bank_thread_##name(struct bank *bank, size_t index, uint64_t ops)     \
    {                                                                              \
        return bank_transactions(bank, index, ops, lock, unlock, add, pause_thread); \
    }
FLOW(bare, bank_no_lock, bank_no_lock, add)
FLOW(mutex, bank_mutex_lock, bank_mutex_unlock, add)
FLOW(spinlock, bank_spin_lock, bank_spin_unlock, add)
FLOW(atomic, bank_no_lock, bank_no_lock, bank_add_atomic)

static void *thread_main(void *arg)
{
    struct bank_thread *self = arg;
    struct bank_threads *threads = self->bank->threads;

    self->pin_error = bench_pin(self->bank->trial, (unsigned)self->index % 2);
    for (;;) {
        pthread_barrier_wait(&threads->start);
        if (threads->stopping)
            return NULL;
        self->counted = self->bank->config->flow(
            self->bank, self->index,
            stage_share(self->bank->run_ops, BANK_FLOWS, self->index));
        pthread_barrier_wait(&threads->end);
    }
}

uint64_t bank_threads_run(struct bank *bank)
{
    uint64_t sum = 0;

    pthread_barrier_wait(&bank->threads->start);
    pthread_barrier_wait(&bank->threads->end);
    for (size_t i = 0; i < BANK_FLOWS; i++)
        sum += bank->threads->thread[i].counted;
    return sum;
}

static int start_all(struct bank_threads *threads, struct bank *bank)
{
    for (size_t i = 0; i < BANK_FLOWS; i++) {
        struct bank_thread *thread = &threads->thread[i];
        *thread = (struct bank_thread){.bank = bank, .index = i};
        int error = pthread_create(&thread->thread, NULL, thread_main, thread);
        if (error)
            return -error;
        threads->started++;
    }
    return 0;
}

int bank_threads_start(struct bank *bank)
{
    struct bank_threads *threads = calloc(1, sizeof *threads);
    int error;

    if (!threads)
        return -ENOMEM;
    bank->threads = threads;
    pthread_barrier_init(&threads->start, NULL, BANK_FLOWS + 1);
    pthread_barrier_init(&threads->end, NULL, BANK_FLOWS + 1);
    error = start_all(threads, bank);
    if (error)
        return error;
    bank_threads_run(bank); /* of no ops: all are pinned then */
    for (size_t i = 0; i < BANK_FLOWS; i++)
        if (threads->thread[i].pin_error)
            error = threads->thread[i].pin_error;
    return error;
}

void bank_threads_stop(struct bank *bank)
{
    struct bank_threads *threads = bank->threads;

    if (!threads)
        return;
    if (threads->started < BANK_FLOWS)
        return; /* some wait at a barrier that will never open; the process is about to end */
    threads->stopping = true;
    pthread_barrier_wait(&threads->start);
    for (size_t i = 0; i < BANK_FLOWS; i++)
        pthread_join(threads->thread[i].thread, NULL);
    free(threads);
}
