/* SPDX-License-Identifier: MIT
 *
 * bank_threads.c: the flows of `bank` as threads.
 */
#include "bank.h"

#include <sched.h>
#include <time.h>

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

#define FLOW(name, lock, unlock, add)                                                \
    uint64_t bank_thread_##name(struct bank *bank, size_t index, uint64_t ops)       \
    {                                                                                \
        return bank_transactions(bank, index, ops, lock, unlock, add, pause_thread); \
    }
FLOW(bare, bank_no_lock, bank_no_lock, add)
FLOW(mutex, bank_mutex_lock, bank_mutex_unlock, add)
FLOW(spinlock, bank_spin_lock, bank_spin_unlock, add)
FLOW(atomic, bank_no_lock, bank_no_lock, bank_add_atomic)
