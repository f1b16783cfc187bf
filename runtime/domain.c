/* SPDX-License-Identifier: MIT
 *
 * domain.c: stopping another worker's domain, and objects that change hands. The
 * protocol stands at the head of worker.h; models/domain.pml is its model.
 */
#include "internal.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fatal.h"
#include "trace.h"

enum { SPINS_BEFORE_YIELD = 200 };

static bool forked; /* this process is the child of a flow */

static int membarrier(int command)
{
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

/* In the child of a fork() by a flow: the other workers' threads are gone, with what they had
 * locked. So this one's domain is stopped for good, and who waits for it, or for a
 * lock, is told (coro_relax()). */
static void lock_out(void)
{
    struct coro_worker *self = coro_worker_self();

    if (!self)
        return;
    forked = true;
    atomic_store_explicit(&self->stopped, 1, memory_order_relaxed);
    atomic_store_explicit(&self->key, 0, memory_order_relaxed);
}

static void watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, lock_out))
        coro_fatal("domain: no memory to watch forks");
}

bool coro_domain_init(bool refuse_membarrier)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch_forks);
    return !refuse_membarrier && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

/* After it, the worker's thread sees what was stored before it. */
static void barrier_at(const struct coro_worker *worker)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (worker->asymmetric && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
        coro_fatal("domain: membarrier failed after it was registered");
}

void coro_relax(unsigned *spins)
{
    if (++*spins < SPINS_BEFORE_YIELD)
        coro_arch_pause();
    else if (forked)
        coro_fatal("fork: a child of a flow has no workers; it may but exec or exit");
    else
        sched_yield(); /* who we wait for may have lost its CPU */
}

bool coro_spin_try(_Atomic(uint32_t) *lock)
{
    return atomic_load_explicit(lock, memory_order_relaxed) == 0 &&
           atomic_exchange_explicit(lock, 1, memory_order_acquire) == 0;
}

void coro_spin_lock(_Atomic(uint32_t) *lock)
{
    unsigned spins = 0;

    /* Not read first: where another CPU has the line, that would be two moves of it. */
    while (atomic_exchange_explicit(lock, 1, memory_order_acquire))
        while (atomic_load_explicit(lock, memory_order_relaxed))
            coro_relax(&spins);
}

void coro_spin_unlock(_Atomic(uint32_t) *lock)
{
    atomic_store_explicit(lock, 0, memory_order_release);
}

void coro_enter_slow(struct coro_worker *worker)
{
    unsigned spins = 0;

    for (;;) {
        atomic_store_explicit(&worker->critical, 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst); /* pairs with barrier_at() */
        if (!atomic_load_explicit(&worker->stopped, memory_order_acquire))
            break;
        coro_leave_worker(worker);
        while (atomic_load_explicit(&worker->stopped, memory_order_relaxed))
            coro_relax(&spins);
    }
    if (worker->trace)
        coro_trace_entered(worker);
}

/* Also takes away what the owner's last yield left in `critical`: the slots may be moved now.
 * By compare and swap, as the owner may just be knocking at its own door. */
static bool is_out(struct coro_worker *worker)
{
    uintptr_t critical = atomic_load_explicit(&worker->critical, memory_order_acquire);

    if (coro_is_inside(critical, atomic_load_explicit(&worker->slot, memory_order_acquire)))
        return false;
    if (critical)
        atomic_compare_exchange_strong_explicit(&worker->critical, &critical, 0,
                                                memory_order_relaxed, memory_order_relaxed);
    return true;
}

static void stop_locked(struct coro_worker *worker)
{
    unsigned spins = 0;

    atomic_store_explicit(&worker->stopped, 1, memory_order_relaxed);
    atomic_store_explicit(&worker->key, 0, memory_order_relaxed);
    barrier_at(worker);
    while (!is_out(worker))
        coro_relax(&spins);
}

bool coro_domain_try_stop(struct coro_worker *worker)
{
    if (!coro_spin_try(&worker->stop_lock))
        return false;
    stop_locked(worker);
    return true;
}

void coro_domain_stop(struct coro_worker *worker)
{
    coro_spin_lock(&worker->stop_lock);
    stop_locked(worker);
}

void coro_domain_resume(struct coro_worker *worker)
{
    if (worker->asymmetric)
        atomic_store_explicit(&worker->key, (uintptr_t)worker, memory_order_release);
    atomic_store_explicit(&worker->stopped, 0, memory_order_release);
    coro_spin_unlock(&worker->stop_lock);
}

void coro_world_stop(struct coro_sched *sched)
{
    struct coro_worker *self = coro_worker_self();

    coro_spin_lock(&sched->world_lock);
    for (unsigned i = 0; i < sched->workers_count; i++)
        if (sched->workers[i] != self)
            coro_domain_stop(sched->workers[i]);
    /* Ours last: until all are stopped, someone may have to stop us before going on. */
    coro_enter_slow(self);
}

void coro_world_resume(struct coro_sched *sched)
{
    struct coro_worker *self = coro_worker_self();

    coro_leave_worker(self);
    for (unsigned i = 0; i < sched->workers_count; i++)
        if (sched->workers[i] != self)
            coro_domain_resume(sched->workers[i]);
    coro_spin_unlock(&sched->world_lock);
}

void coro_object_init(struct coro_object *object, unsigned patience)
{
    struct coro_worker *self = coro_worker_self();

    *object = (struct coro_object){
        .owner = self && self->asymmetric ? (uintptr_t)self : CORO_SHARED,
        .patience = patience & 15,
    };
}

/* Under the object's lock. A compare and swap, as the end of a finished flow may be given to a new
 * one by the flow's next spawner, while someone with an old handle is here. */
static void revoke_bias(struct coro_object *object, uintptr_t owner)
{
    struct coro_worker *worker = (struct coro_worker *)owner;

    coro_domain_stop(worker);
    atomic_compare_exchange_strong_explicit(&object->owner, &owner, CORO_SHARED,
                                            memory_order_relaxed, memory_order_relaxed);
    coro_domain_resume(worker);
    object->streak = 0;
    if (object->patience < CORO_PATIENCE_MAX)
        object->patience++;
}

/* Under the lock of a shared object: biases it to a worker that has it to itself. Each time
 * that this proves wrong, it takes twice as long the next time. */
static void consider_bias(struct coro_object *object, struct coro_worker *self)
{
    if (object->last != self->index) {
        object->last = self->index & (CORO_WORKERS_MAX - 1);
        object->streak = 0;
    }
    object->streak++;
    if (object->patience <= CORO_PATIENCE_MAX && self->asymmetric &&
        object->streak >= 1u << object->patience) {
        object->streak = 0;
        atomic_store_explicit(&object->owner, (uintptr_t)self, memory_order_relaxed);
    }
}

void coro_object_lock(struct coro_object *object)
{
    struct coro_worker *self = coro_worker_self();
    uintptr_t owner;

    coro_spin_lock(&object->lock);
    owner = atomic_load_explicit(&object->owner, memory_order_relaxed);
    if (owner == CORO_SHARED)
        consider_bias(object, self);
    else if (owner != (uintptr_t)self)
        revoke_bias(object, owner);
}

void coro_object_unlock(struct coro_object *object)
{
    coro_spin_unlock(&object->lock);
}

void coro_acquire_slow(struct coro_worker *worker, struct coro_object *object)
{
    coro_leave_worker(worker);
    coro_object_lock(object);
    coro_enter_sure();
}

void coro_unlock_after(void *object)
{
    coro_object_unlock(object);
}
