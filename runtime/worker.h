/* SPDX-License-Identifier: MIT
 *
 * worker.h: what the inlined fast paths of coro.h need to see. Include coro.h.
 *
 * ## Domains: exclusive use without an atomic read-modify-write
 *
 * Everything that a worker uses all the time (its queues, and each object that is *biased* to
 * it: channels, mutexes, the end of a flow) is its domain. The worker enters its domain with
 * plain stores and loads; anybody else may stop it from doing so, with membarrier(2), which
 * costs about half a microsecond and is rare. It is Dekker's algorithm with all of the cost
 * on one side:
 *
 *      the worker                      someone else (under stop_lock)
 *      critical = 1                    stopped = 1, key = 0
 *      compiler barrier                membarrier: a full barrier in every running thread
 *      key == worker ? go on           wait until critical == 0
 *                    : critical = 0,   ...the domain is theirs...
 *                      wait            key = worker, stopped = 0
 *
 * Either the worker's `critical = 1` was visible before the membarrier ended, then the other
 * one waits for it; or the worker reads `key` after it, and sees 0. models/domain.pml proves
 * it, store buffers included. Where the kernel refuses membarrier, `key` stays 0 for good:
 * every fast path becomes a slow one, and that enters with a real fence (coro_enter_slow()).
 *
 * A yield, which is to be the fastest of all, enters by critical = slot and leaves by moving
 * `slot` on, which it must do anyway: critical == slot means inside, too (coro_is_inside()).
 * It reads `slot` before it is inside: an old one is found out by slot_limit, which it reads
 * after `key`, and which whoever moves the slot has cleared.
 *
 * On processors that let stores and loads pass each other:
 *  - critical = 1 and the read of `key` are ordered by the membarrier alone, as above;
 *  - what is done inside stays there: `key` is read by an acquire, and the owner leaves by a
 *    release store of 0, which who stops the domain acquires. The thread that saved a flow's
 *    context is the one that leaves after it, so the release covers the context too;
 *  - what was done to a stopped domain is published by key = worker (release), and by
 *    stopped = 0 (release) to who enters the slow way;
 *  - leaving by `slot`, or amid the switch (CORO_ARCH_LEAVES), is for x86-64 alone, whose stores
 *    are seen in their order. Elsewhere `critical` is 0 or 1, and the flow that goes on leaves.
 *
 * An object holds the key of the worker that it is biased to in `owner`, so one comparison asks
 * both "is it mine?" and "may I?". When a flow on another worker uses it, it stops that domain
 * once and sets `owner` to CORO_SHARED: the object is *shared* then and guarded by its `lock`. A shared
 * object that one worker keeps using alone is biased to that one (domain.c).
 *
 * ## Parking
 *
 * A flow that parks picks the next one itself and switches to it, inlined in its caller, so
 * that no return is mispredicted. The switch leaves the domain when the flow has been saved and
 * its stack left, just before the jump (coro_switch_flow()). So when somebody else may look,
 * every parked flow is saved: the race of resuming a flow that is not yet saved is closed by
 * the same word. A flow that parks on a shared object goes by way of the worker's idle flow,
 * still in the domain, and that unlocks the object (`after`).
 *
 * ## Run queues
 *
 * `ring` is first in, first out: an array, so that the processor overlaps the cache misses of
 * many flows (links in the flows would chain them). `front` is a short stack of flows just
 * woken or spawned, which run first: they and their data are in cache, and a tree of flows is
 * walked depth first, with few alive. Fairness: each FRONT_BUDGET pushes, the oldest flow of
 * the ring is moved to the top of the stack; a full stack spills its older half to the ring.
 *
 * A yield takes the oldest flow of the ring and queues the caller: the ring turns by one slot
 * (`slot` is the oldest, `span` bytes on is the first free one). As long as all do nothing but
 * yield, who comes next is known: so the turns to come are *laid out*, that is, the slots
 * after the last one hold already what will be queued there, and a yield only moves `slot`. It
 * may do so as long as `slot` is below `slot_limit`. That one comparison stands for: the ring is
 * not empty, nothing is in front, the turns are laid out, neither end wraps, and it is not
 * time for the rare chores (timers, foreign wakes, waking sleeping workers). Whoever makes one of these untrue sets the limit to 0, and the next yield, which goes
 * the long way, sets it anew. Wakes do the chores when the front budget is spent.
 *
 * Rejected: a Chase-Lev deque (a fence or an exchange per pop, and LIFO for the owner); one
 * lock per worker (5 ns per exchange, several per switch); a scheduler context in between
 * (two switches per switch); a deadline or preempt flag checked per yield.
 */
#ifndef CORO_WORKER_H
#define CORO_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "context.h"

#define CORO_INLINE static inline __attribute__((always_inline))
#define coro_likely(x) __builtin_expect(!!(x), 1)
#define coro_unlikely(x) __builtin_expect(!!(x), 0)

enum {
    CORO_FRONT_MAX = 256,
    CORO_FRONT_BUDGET = 64,
    CORO_RING_ROUND = 64, /* yields from chores to chores */
    CORO_PREFETCH_AHEAD = 32,
    CORO_LINE_BYTES = 64,
    CORO_POOL_MAX = 2048, /* finished flows that a worker keeps: of a page each, 8 MB. Above, half
                             goes to the run's pool, one by one: their links are cold */
    CORO_SHARED = 1,
};

struct coro_worker;
struct coro_sched;
struct coro_chan;

/* What can be biased. Embedded first in channels, mutexes, flows, ... */
struct coro_object {
    _Atomic(uintptr_t) owner; /* a worker's key or CORO_SHARED (never 0, the key of a
                                 stopped domain). Changed under `lock` and, when it was a
                                 worker's, with that domain stopped */
    _Atomic(uint32_t) lock;   /* a spin lock; holders never wait for a flow */
    uint32_t last : 10;       /* under lock: the worker that used it last while shared, */
    uint32_t streak : 13;     /* how often in a row, */
    uint32_t patience : 4;    /* and the streak that biases, as a power of two */
};

struct coro_link {
    struct coro_link *next, *prev;
};

/* A flow waiting for an object; lives on that flow's stack. */
struct coro_wait {
    struct coro_link link; /* next == NULL: not in a list */
    struct coro_flow *flow;
    void *value;      /* where the element comes from or goes to */
    struct coro_object *object;
    const char *why; /* for reports: "receiving from a channel" */
    uint64_t claim;  /* 0: whoever has the object may wake the flow. Else only who changes
                        flow->claim from this value to the next (select, deadlines) */
    int result;      /* 0 unless the waker says otherwise. One store clears this and the last */
    uint32_t value_bytes; /* of what `value` points at. Only where a copied flow may wait */
};

enum coro_flow_flags {
    CORO_FLOW_CANCELLED = 1,
    CORO_FLOW_PINNED = 2,
    CORO_FLOW_DETACHED = 4,
    CORO_FLOW_DONE = 8,
    CORO_FLOW_NAMED = 16,
    CORO_FLOW_SLOW = 32, /* copied or segmented: parks by the slow halves only */
};

/* At the top of its own stack: the words that a switch loads share lines and a page with
 * the flow's hottest frames. Flows without one (copied.c) end before `name`. The memory
 * stays a flow for as long as coro_run() runs. */
struct coro_flow {
    /* First line: switching, and the life of a short flow. */
    struct coro_context context;
    _Atomic(struct coro_wait *) waiting; /* NULL: running or runnable, or not in use */
    _Atomic(uint32_t) flags;             /* written in the domain it runs in; DETACHED with the object */
    uint16_t home;                       /* the worker it is pinned to */
    uint8_t stack_class, policy;         /* constant; enum coro_stack_policy */
    void *(*body)(void *arg);
    void *value; /* at first what body gets, at last what it returned */
    struct coro_flow *pool_next; /* in a pool, or in an inbox */

    /* Second: spawn and join. */
    struct coro_object object; /* guards DONE, DETACHED, joiner, value at last */
    struct coro_wait *joiner;  /* who waits for the end */
    _Atomic(uint64_t) generation; /* odd: in use */
    _Atomic(uint64_t) claim; /* see coro_wait.claim; grows */
    struct coro_wait *won;   /* the wait of a select that was claimed; NULL: none */
    int wake_result;         /* then: -ETIMEDOUT, -ECANCELED */
    uint32_t timer_index;    /* in the heap, from 1; 0: none. Under the timers' lock */

    const char *name;           /* if NAMED */
    struct coro_flow *all_next; /* constant, as the next */
    struct coro_stack stack;    /* `top` is this flow */
};

struct coro_worker {
    /* The owner's words, all on the first lines. */
    _Atomic(uintptr_t) critical;   /* coro_is_inside(). Release by the owner, acquire by who
                                      stops it. First: a switch needs one address less */
    int32_t front_budget;          /* pushes to `front` until the chores */
    _Atomic(uintptr_t) key; /* == this worker, 0: stopped, or no membarrier. Release by who
                               gives the domain back, acquire by the owner */
    struct coro_flow *current;
    struct coro_flow **_Atomic slot;       /* of the ring. As `critical`; others peek */
    struct coro_flow **_Atomic slot_limit; /* yields are free below it */
    _Atomic(ptrdiff_t) span;               /* negative: the tail has wrapped. Relaxed */
    _Atomic(uint64_t) front_count;         /* relaxed: others peek */
    struct coro_flow *pool; /* finished flows with default stacks; this thread's alone */
    uint32_t pool_count;
    bool asymmetric; /* who stops it uses membarrier. Under stop_lock; constant in a run */
    uint64_t spawned, finished; /* read by others when all sleep */
    uint64_t random;
    struct coro_flow *ended; /* the latest whose stack is not of the run's own kind */
    uint32_t ring_room; /* slots; a power of two, and some are always free */
    uint32_t lay;       /* how many turns were laid out the last time */
    struct coro_flow **ring;
    struct coro_flow **laid; /* how far the turns are laid out */
    uint64_t laps;      /* of `slot` round the ring, in slots */
    void (*after)(void *arg); /* to do when the flow that parks has been saved */
    void *after_arg;
    struct coro_sched *sched;
    struct coro_copied *copied; /* the stack that its copied flows share; NULL: none yet */
    struct coro_flow *segmented; /* runs here, and is to be put away; NULL: none */
    size_t copied_used_bytes;   /* how deep, as far as was seen (high_water.c) */

    _Atomic(uint32_t) stopped __attribute__((aligned(64)));
    _Atomic(uint32_t) stop_lock;
    _Atomic(struct coro_flow *) inbox; /* woken or spawned from elsewhere, by pool_next */
    _Atomic(uint32_t) asleep;          /* futex; under sched->idle_lock */
    uint32_t index;
    /* The channel that this worker spins on, while idle, for a flow of its own; NULL: none.
     * Written by the owner, NULL with release; and the flow's wait (handoff.c). */
    _Atomic(struct coro_chan *) attends;
    struct coro_wait *attended;
    bool attended_receives;
    uint64_t hungry_at_ns; /* not worth waking to steal before this time */
    uint64_t backoff_ns;
    unsigned greed; /* how many flows it takes at most from who runs them too */
    uint64_t stole_at_ns; /* the last raid, */
    uint64_t loot;        /* and how many flows it brought */
    uint64_t looked_at_ns; /* at the others' lines */
    struct coro_progress *seen; /* of each worker, when last looked at */
    struct coro_worker *retired_next;
    _Atomic(uint64_t) refills; /* of front_budget. Relaxed: others peek */
    uint64_t lost; /* queued here and not dispatched: spilled, stolen */
    uint64_t chores, steals, stolen, parks_idle, sleeps, wakes;
    bool wakeable;
    uint32_t eager;        /* I/O that did not have to wait */
    uint32_t lone;         /* yields with nobody else to run */
    uint64_t polled_at_ns; /* I/O, in a chore */
    void *io;              /* the poller's own */
    struct coro_trace *trace; /* NULL: none */
    struct coro_flow *front[CORO_FRONT_MAX] __attribute__((aligned(64)));
    struct coro_flow idle; /* the thread's own context */
};

#include "arch_worker.h" /* coro_worker_self(): never kept across a suspension */

/* Is the owner in its domain? Who asks has stopped it, and reads `critical` first. What a yield
 * left there is gone by then (domain.c), so no slot ever comes to be equal to it by going round. */
CORO_INLINE bool coro_is_inside(uintptr_t critical, struct coro_flow **slot)
{
    return critical == 1 || critical == (uintptr_t)slot;
}

/* Into this worker's domain, unless key != worker, which the caller must ask first. */
CORO_INLINE struct coro_worker *coro_enter(void)
{
    struct coro_worker *worker = coro_worker_self();

    atomic_store_explicit(&worker->critical, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    return worker;
}

/* Acquire: what was done to the domain while it was stopped. */
CORO_INLINE uintptr_t coro_key(struct coro_worker *worker)
{
    return atomic_load_explicit(&worker->key, memory_order_acquire);
}

CORO_INLINE void coro_leave_worker(struct coro_worker *worker)
{
    atomic_store_explicit(&worker->critical, 0, memory_order_release);
}

/* Also what each flow does first when it goes on, on whatever worker that is. */
CORO_INLINE void coro_leave(void)
{
    coro_leave_worker(coro_worker_self());
}

CORO_INLINE bool coro_is_biased(const struct coro_object *object, uintptr_t key)
{
    return atomic_load_explicit(&object->owner, memory_order_relaxed) == key;
}

/* Slow halves; in sched.c. In the domain. */
void coro_wake_slow(struct coro_worker *worker, struct coro_flow *flow);
struct coro_flow *coro_ring_pop(struct coro_worker *worker); /* idle when it is empty */
struct coro_flow *coro_yield_slow(struct coro_worker *worker);

/* Puts a runnable flow that is at home here in front. In the domain. The budget sees to it
 * that there is room. Where flows are spawned and woken all the time, stores are what there is
 * most of: so the limit is looked at first. */
CORO_INLINE void coro_front_push(struct coro_worker *worker, struct coro_flow *flow)
{
    uint64_t count = atomic_load_explicit(&worker->front_count, memory_order_relaxed);

    if (coro_unlikely(atomic_load_explicit(&worker->slot_limit, memory_order_relaxed) != NULL))
        atomic_store_explicit(&worker->slot_limit, NULL, memory_order_relaxed);
    worker->front[count] = flow;
    atomic_store_explicit(&worker->front_count, count + 1, memory_order_relaxed);
}

/* Makes a parked flow runnable here. In the domain. */
CORO_INLINE void coro_wake(struct coro_worker *worker, struct coro_flow *flow)
{
    uint32_t flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);

    atomic_store_explicit(&flow->waiting, NULL, memory_order_relaxed);
    if (coro_likely(!(flags & CORO_FLOW_PINNED) && --worker->front_budget >= 0))
        coro_front_push(worker, flow);
    else
        coro_wake_slow(worker, flow);
}

/* Wakes who is to run at once, in place of the current flow, which is done: as if woken and
 * then taken from the front. False: it has to be woken as others are. */
CORO_INLINE bool coro_wake_next(struct coro_worker *worker, struct coro_flow *flow)
{
    uint32_t flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);

    if (coro_unlikely((flags & CORO_FLOW_PINNED) || worker->front_budget <= 0))
        return false;
    worker->front_budget--;
    atomic_store_explicit(&flow->waiting, NULL, memory_order_relaxed);
    return true;
}

/* A flow out of use to where the next spawn takes it: one of the run's own class, and there is
 * room. */
CORO_INLINE void coro_pool_push(struct coro_worker *worker, struct coro_flow *flow)
{
    flow->pool_next = worker->pool;
    worker->pool = flow;
    worker->pool_count++;
}

/* False: its memory goes elsewhere. */
CORO_INLINE bool coro_pool_put(struct coro_worker *worker, struct coro_flow *flow)
{
    if (coro_unlikely(flow->stack_class != 0 || worker->pool_count >= CORO_POOL_MAX))
        return false;
    coro_pool_push(worker, flow);
    return true;
}

/* The flow to run now that the current one does not. In the domain. */
CORO_INLINE struct coro_flow *coro_next(struct coro_worker *worker)
{
    uint64_t count = atomic_load_explicit(&worker->front_count, memory_order_relaxed);

    if (coro_unlikely(!count))
        return coro_ring_pop(worker);
    atomic_store_explicit(&worker->front_count, count - 1, memory_order_relaxed);
    return worker->front[count - 1];
}

/* From `self`, the current flow, to `next`, and out of the domain, once the one is saved and
 * its stack left; with `stay`, next is the idle flow, which leaves later. */
CORO_INLINE void coro_switch_flow(struct coro_worker *worker, struct coro_flow *self,
                                  struct coro_flow *next, bool stay)
{
#ifdef CORO_ARCH_LEAVES
    coro_arch_switch_flow(worker, self, next, stay);
#else /* the flow that goes on leaves; the idle flow does later */
    worker->current = next;
    coro_switch_inline(&self->context, &next->context);
    worker = coro_worker_self();
    if (worker->current != &worker->idle)
        coro_leave_worker(worker);
#endif
}

/* Into the domain for a yield, with the key unasked. */
CORO_INLINE void coro_enter_yield(struct coro_worker *worker, struct coro_flow **slot)
{
#ifdef CORO_ARCH_LEAVES
    atomic_store_explicit(&worker->critical, (uintptr_t)slot, memory_order_relaxed);
#else
    atomic_store_explicit(&worker->critical, 1, memory_order_relaxed);
#endif
    atomic_signal_fence(memory_order_seq_cst);
}

/* From the current flow to that in *slot, out of the domain, and the ring one slot further. */
CORO_INLINE void coro_switch_yield(struct coro_worker *worker, struct coro_flow **slot)
{
#ifdef CORO_ARCH_LEAVES
    coro_arch_switch_yield(worker, slot);
#else
    atomic_store_explicit(&worker->slot, slot + 1, memory_order_relaxed);
    coro_switch_flow(worker, worker->current, *slot, false);
#endif
}

/* From the current flow, which waits, to what a slow half returned. */
CORO_INLINE void coro_switch_park(struct coro_worker *worker, struct coro_flow *next)
{
#ifdef CORO_ARCH_LEAVES
    coro_arch_switch_park(worker, worker->current, next, next == &worker->idle);
#else
    coro_switch_flow(worker, worker->current, next, next == &worker->idle);
#endif
}

/* The current flow waits alone, in the domain and with the object. The caller switches. */
CORO_INLINE void coro_wait_alone(struct coro_worker *worker, struct coro_wait *wait,
                                 struct coro_object *object, void *value, const char *why)
{
    struct coro_flow *self = worker->current;

    wait->link.next = NULL;
    wait->flow = self;
    wait->value = value;
    wait->object = object;
    wait->why = why;
    wait->claim = 0;
    wait->result = 0;
    wait->value_bytes = 0;
    atomic_store_explicit(&self->waiting, wait, memory_order_relaxed);
}

/* The same, as the last of a list. */
CORO_INLINE void coro_wait_begin(struct coro_worker *worker, struct coro_wait *wait,
                                 struct coro_object *object, struct coro_link *list,
                                 void *value, const char *why)
{
    struct coro_link *last = list->prev;

    coro_wait_alone(worker, wait, object, value, why);
    wait->link.next = list;
    wait->link.prev = last;
    last->next = &wait->link;
    list->prev = &wait->link;
}

/* The flow whose end is waited for, if that is what a plain wait is about. */
CORO_INLINE struct coro_flow *coro_joined(const struct coro_wait *wait)
{
    bool joins = !wait->link.next && wait->object && !wait->claim;

    return joins ? (struct coro_flow *)((char *)wait->object -
                                        offsetof(struct coro_flow, object))
                 : NULL;
}

CORO_INLINE void coro_join_begin(struct coro_worker *worker, struct coro_wait *wait,
                                 struct coro_flow *flow, void **result)
{
    coro_wait_alone(worker, wait, &flow->object, result, "joining a flow");
    flow->joiner = wait;
}

CORO_INLINE void coro_link_remove(struct coro_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
}

/* Whether the current flow may park without a slow half: it is not cancelled, nor copied, nor
 * segmented. */
CORO_INLINE bool coro_parks_fast(struct coro_worker *worker)
{
    return !(atomic_load_explicit(&worker->current->flags, memory_order_relaxed) &
             (CORO_FLOW_CANCELLED | CORO_FLOW_SLOW));
}

CORO_INLINE bool coro_is_cancelled(struct coro_worker *worker)
{
    return atomic_load_explicit(&worker->current->flags, memory_order_relaxed) &
           CORO_FLOW_CANCELLED;
}

#endif
