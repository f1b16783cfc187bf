/* SPDX-License-Identifier: MIT
 *
 * bank.h: the account of the experiment `bank`, and one flow's transactions on it. bank.c has the
 * flows of the runtime and the table, bank_threads.c the threads.
 *
 * The balance is not a number of its own: the account is one word, in its high half the deposits
 * that were made, in its low half the withdrawals, and an update adds one to either. So one read
 * and one write of a word are an update, as for a plain balance; but at the end both kinds of lost
 * update can be counted, which in a balance cancel each other.
 */
#ifndef BANK_H
#define BANK_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench.h"
#include "coro.h"
#include "stage.h"
#include "threads.h"

enum { BANK_FLOWS = 10, BANK_OWNER = BANK_FLOWS };

#define BANK_DEPOSIT    (UINT64_C(1) << 32)
#define BANK_WITHDRAWAL UINT64_C(1)

struct bank;
typedef uint64_t bank_flow(struct bank *bank, size_t index, uint64_t ops);

struct bank_config {
    bank_flow *flow;
    bank_flow *owner; /* of the account, where one flow alone touches it; else NULL */
    unsigned workers; /* of the runtime; 0: flows are threads */
    bool yields_inside; /* between an update's read and its write */
    bool held;          /* the lock, from the deposit to the withdrawal */
    uint64_t sleep_ns;  /* between the two; 0: the others are let run */
};

/* What a flow saw before its deposits. */
struct bank_tally {
    uint64_t negative; /* a balance below 0: a deposit was lost */
    uint64_t occupied; /* above 0: somebody was between deposit and withdrawal */
} __attribute__((aligned(64)));

struct bank_request {
    uint32_t withdraws, flow;
};

struct bank {
    const struct bank_config *config;
    struct bench_trial *trial;
    struct stage_crew crew; /* of flows, or */
    struct thread_crew threads;
    uint64_t run_ops;     /* of this run(), by all flows */
    uint64_t ops, lost;   /* of the whole trial */
    _Atomic bool stalled; /* a lock did not come: every flow goes on without, to the end */
    struct bank_tally tally[BANK_FLOWS + 1];

    pthread_mutex_t mutex __attribute__((aligned(64)));
    struct coro_mutex coro_mutex;
    _Atomic int spinlock;
    struct coro_chan *lock;    /* of capacity 1: who has sent into it has the lock */
    struct coro_chan *request; /* to the owner */
    struct coro_chan *reply[BANK_FLOWS];
    uint64_t account __attribute__((aligned(64))); /* by atomic accesses; by plain ones in effect,
                                                      as they are relaxed */
};

#define BANK_INLINE static inline __attribute__((always_inline))
typedef void bank_step(struct bank *bank);
typedef void bank_add(struct bank *bank, uint64_t what);

/* The pthread mutex and the spinlock, for flows and threads alike. A holder that is parked on the
 * thread that waits will never unlock: after a while the flow goes on, and says so. */
void bank_mutex_wait(struct bank *bank);
void bank_spin_wait(struct bank *bank);

BANK_INLINE void bank_no_lock(struct bank *bank)
{
    (void)bank;
}

BANK_INLINE void bank_mutex_lock(struct bank *bank)
{
    if (pthread_mutex_trylock(&bank->mutex))
        bank_mutex_wait(bank);
}

BANK_INLINE void bank_mutex_unlock(struct bank *bank)
{
    pthread_mutex_unlock(&bank->mutex);
}

BANK_INLINE void bank_spin_lock(struct bank *bank)
{
    if (atomic_exchange_explicit(&bank->spinlock, 1, memory_order_acquire))
        bank_spin_wait(bank);
}

BANK_INLINE void bank_spin_unlock(struct bank *bank)
{
    atomic_store_explicit(&bank->spinlock, 0, memory_order_release);
}

BANK_INLINE void bank_add_atomic(struct bank *bank, uint64_t what)
{
    __atomic_fetch_add(&bank->account, what, __ATOMIC_RELAXED);
}

BANK_INLINE void bank_look(struct bank *bank, size_t index)
{
    uint64_t account = __atomic_load_n(&bank->account, __ATOMIC_RELAXED);
    int64_t open = (int64_t)(account >> 32) - (int64_t)(uint32_t)account;

    bank->tally[index].negative += open < 0;
    bank->tally[index].occupied += open > 0;
}

/* `ops` transactions; how many were made. */
BANK_INLINE uint64_t bank_transactions(struct bank *bank, size_t index, uint64_t ops,
                                       bank_step *lock, bank_step *unlock, bank_add *add,
                                       bank_step *pause)
{
    uint64_t own = 0;

    for (; own < ops; own++) {
        lock(bank);
        bank_look(bank, index);
        add(bank, BANK_DEPOSIT);
        if (!bank->config->held)
            unlock(bank);
        pause(bank);
        if (!bank->config->held)
            lock(bank);
        add(bank, BANK_WITHDRAWAL);
        unlock(bank);
    }
    return own;
}

int bank_setup(struct bench_trial *t);
uint64_t bank_run(struct bench_trial *t, uint64_t ops);
void bank_teardown(struct bench_trial *t);

/* bank_threads.c */
bank_flow bank_thread_bare, bank_thread_mutex, bank_thread_spinlock, bank_thread_atomic;

#endif
