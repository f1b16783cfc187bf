/* SPDX-License-Identifier: MIT
 *
 * sched.c: a worker's queues and chores. What is done in idleness is in idle.c, starting and
 * ending a run in run.c. worker.h explains the queues.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

__thread struct coro_worker *coro_worker_tls;

uint64_t coro_random(struct coro_worker *worker) /* xorshift64* */
{
    uint64_t x = worker->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    worker->random = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

struct coro_flow **coro_ring_new(struct coro_worker *worker, uint32_t room)
{
    struct coro_flow **ring = malloc(room * sizeof(struct coro_flow *));

    /* Slots are prefetched before they are used: of NULL that would be a page walk each. */
    for (uint32_t i = 0; ring && i < room; i++)
        ring[i] = &worker->idle;
    return ring;
}

/* Twice the room. Flows keep their logical positions, head to tail. */
static bool ring_grow(struct coro_worker *worker)
{
    uint32_t room = worker->ring_mask + 1;
    uint64_t head = atomic_load_explicit(&worker->head, memory_order_relaxed);
    struct coro_flow **ring = coro_ring_new(worker, 2 * room);

    if (!ring)
        return false;
    for (uint64_t i = head; i < head + room; i++)
        ring[i & (2 * room - 1)] = worker->ring[i & (room - 1)];
    free(worker->ring);
    worker->ring = ring;
    worker->ring_mask = 2 * room - 1;
    return true;
}

void coro_ring_push(struct coro_worker *worker, struct coro_flow *flow)
{
    uint64_t tail = atomic_load_explicit(&worker->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&worker->head, memory_order_relaxed);

    if (coro_unlikely(tail - head > worker->ring_mask && !ring_grow(worker))) {
        coro_inbox_push(worker, flow); /* takes no memory; its turn comes later */
        return;
    }
    worker->ring[tail & worker->ring_mask] = flow;
    atomic_store_explicit(&worker->tail, tail + 1, memory_order_relaxed);
}

/* The older half of a full front stack goes to the end of the ring, oldest first. */
static void front_spill(struct coro_worker *worker)
{
    enum { HALF = CORO_FRONT_MAX / 2 };

    for (unsigned i = 0; i < HALF; i++)
        coro_ring_push(worker, worker->front[i]);
    worker->lost += HALF;
    memmove(worker->front, worker->front + HALF, HALF * sizeof(struct coro_flow *));
    atomic_store_explicit(&worker->front_count, HALF, memory_order_relaxed);
}

static void front_push(struct coro_worker *worker, struct coro_flow *flow)
{
    uint32_t count = atomic_load_explicit(&worker->front_count, memory_order_relaxed);

    if (count == CORO_FRONT_MAX) {
        front_spill(worker);
        count = CORO_FRONT_MAX / 2;
    }
    worker->front[count] = flow;
    atomic_store_explicit(&worker->front_count, count + 1, memory_order_relaxed);
}

static bool is_elsewhere(const struct coro_worker *worker, const struct coro_flow *flow)
{
    return (atomic_load_explicit(&flow->flags, memory_order_relaxed) & CORO_FLOW_PINNED) &&
           flow->home != worker->index;
}

void coro_wake_slow(struct coro_worker *worker, struct coro_flow *flow)
{
    if (is_elsewhere(worker, flow)) {
        coro_inbox_push(worker->sched->workers[flow->home], flow);
        worker->lost++;
    } else {
        front_push(worker, flow);
    }
    if (atomic_load_explicit(&worker->front_budget, memory_order_relaxed) <= 0) {
        uint64_t head = atomic_load_explicit(&worker->head, memory_order_relaxed);

        atomic_store_explicit(&worker->front_budget, CORO_FRONT_BUDGET, memory_order_relaxed);
        worker->refills++;
        if (head != atomic_load_explicit(&worker->tail, memory_order_relaxed)) {
            atomic_store_explicit(&worker->head, head + 1, memory_order_relaxed);
            front_push(worker, worker->ring[head & worker->ring_mask]);
        }
        coro_chores(worker);
    }
}

void coro_wake_back(struct coro_worker *worker, struct coro_flow *flow)
{
    atomic_store_explicit(&flow->waiting, NULL, memory_order_relaxed);
    if (is_elsewhere(worker, flow))
        coro_inbox_push(worker->sched->workers[flow->home], flow);
    else
        coro_ring_push(worker, flow);
}

static bool has_surplus(const struct coro_worker *worker)
{
    return atomic_load_explicit(&worker->head, memory_order_relaxed) !=
               atomic_load_explicit(&worker->tail, memory_order_relaxed) ||
           atomic_load_explicit(&worker->front_count, memory_order_relaxed) > 1;
}

static bool has_work(const struct coro_worker *worker)
{
    return atomic_load_explicit(&worker->head, memory_order_relaxed) !=
               atomic_load_explicit(&worker->tail, memory_order_relaxed) ||
           atomic_load_explicit(&worker->front_count, memory_order_relaxed) > 0;
}

static void inbox_drain(struct coro_worker *worker)
{
    struct coro_flow *flow, *next, *oldest = NULL;

    if (!atomic_load_explicit(&worker->inbox, memory_order_relaxed))
        return;
    /* Acquire: the flows, as those who pushed left them. */
    flow = atomic_exchange_explicit(&worker->inbox, NULL, memory_order_acquire);
    for (; flow; flow = next) { /* newest first: turn round */
        next = flow->pool_next;
        flow->pool_next = oldest;
        oldest = flow;
    }
    for (flow = oldest; flow; flow = next) {
        next = flow->pool_next;
        coro_ring_push(worker, flow);
    }
}

/* What must be done now and then while there is always something to run. In the domain. */
void coro_chores(struct coro_worker *worker)
{
    worker->chores++;
    inbox_drain(worker);
    if (atomic_load_explicit(&worker->sched->timers.first_ns, memory_order_relaxed) !=
        UINT64_MAX)
        coro_timers_fire(worker);
    if (atomic_load_explicit(&worker->sched->io.poller, memory_order_relaxed) &&
        has_work(worker)) /* else it goes idle, which polls */
        coro_io_chore(worker);
    if (atomic_load_explicit(&worker->sched->hungry, memory_order_relaxed) &&
        has_surplus(worker))
        coro_wake_any(worker->sched);
}

struct coro_flow *coro_yield_slow(struct coro_worker *worker)
{
    struct coro_flow *next;

    if (coro_key(worker) != (uintptr_t)worker)
        coro_enter_slow(worker);
    coro_chores(worker);
    next = coro_next(worker);
    if (next == &worker->idle) {
        coro_leave_worker(worker);
        return NULL;
    }
    coro_ring_push(worker, worker->current);
    return next;
}

void coro_inbox_push(struct coro_worker *worker, struct coro_flow *flow)
{
    struct coro_flow *first = atomic_load_explicit(&worker->inbox, memory_order_relaxed);

    do
        flow->pool_next = first;
    while (!atomic_compare_exchange_weak_explicit(&worker->inbox, &first, flow,
                                                  memory_order_seq_cst,
                                                  memory_order_relaxed));
    /* The read of `asleep` is after the push (both seq_cst), as the sleeper's look at its
     * inbox is after its `asleep = 1`: one of the two sees the other. models/sleep.pml. */
    if (atomic_load_explicit(&worker->asleep, memory_order_seq_cst))
        coro_wake_worker(worker);
}
