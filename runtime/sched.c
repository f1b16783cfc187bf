/* SPDX-License-Identifier: MIT
 *
 * sched.c: a worker's queues and chores. What is done in idleness is in idle.c and
 * steal.c, starting and ending a run in run.c. worker.h explains the queues.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    RING_FREE_MIN = 16, /* slots: turns are laid out there */
    POP_AHEAD = 8, /* turns */
    FRONT_OWN = CORO_FRONT_BUDGET, /* flows in front that no other worker takes */
    LAY_FIRST = 8,
    LAY_MAX = 512,
};

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

/* ---- the ring ------------------------------------------------------------------------ */

struct coro_flow **coro_ring_new(struct coro_worker *worker, uint32_t room)
{
    uint64_t slots = (uint64_t)room + CORO_PREFETCH_AHEAD;
    struct coro_flow **ring = malloc(slots * sizeof(struct coro_flow *));

    /* Slots are prefetched before they are used: of NULL that would be a page walk each. */
    for (uint64_t i = 0; ring && i < slots; i++)
        ring[i] = &worker->idle;
    return ring;
}

uint64_t coro_ring_count(const struct coro_worker *worker)
{
    ptrdiff_t span = atomic_load_explicit(&worker->span, memory_order_relaxed);

    return (uint64_t)(span / (ptrdiff_t)sizeof(struct coro_flow *)) & (worker->ring_room - 1);
}

static struct coro_flow **ring_slot(const struct coro_worker *worker, uint64_t from_oldest)
{
    struct coro_flow **slot = atomic_load_explicit(&worker->slot, memory_order_relaxed);
    uint64_t at = (uint64_t)(slot - worker->ring) + from_oldest;

    return &worker->ring[at & (worker->ring_room - 1)];
}

/* The first free slot. Neither it nor `slot` is ever the end of the array. */
static struct coro_flow **ring_tail(const struct coro_worker *worker, struct coro_flow **slot)
{
    ptrdiff_t span = atomic_load_explicit(&worker->span, memory_order_relaxed);

    return (struct coro_flow **)((char *)slot + span);
}

/* Puts the head and the tail of the ring somewhere. */
static void ring_set(struct coro_worker *worker, struct coro_flow **slot,
                     struct coro_flow **tail)
{
    atomic_store_explicit(&worker->slot, slot, memory_order_relaxed);
    atomic_store_explicit(&worker->span, (char *)tail - (char *)slot, memory_order_relaxed);
}

/* Twice the room. False without memory. */
static bool ring_grow(struct coro_worker *worker)
{
    uint64_t count = coro_ring_count(worker);
    struct coro_flow **ring = coro_ring_new(worker, 2 * worker->ring_room);

    if (!ring)
        return false;
    for (uint64_t i = 0; i < count; i++)
        ring[i] = *ring_slot(worker, i);
    worker->laps += (uint64_t)(ring_slot(worker, 0) - worker->ring);
    free(worker->ring);
    worker->ring = ring;
    worker->ring_room *= 2;
    ring_set(worker, ring, ring + count);
    return true;
}

/* All of them, in their order, as if one by one. */
static void ring_push_all(struct coro_worker *worker, struct coro_flow *const *flows,
                          uint64_t count)
{
    struct coro_flow **slot, **tail, **end;
    uint64_t first;

    while (coro_ring_count(worker) + count + RING_FREE_MIN >= worker->ring_room)
        if (!ring_grow(worker)) {
            for (uint64_t i = 0; i < count; i++)
                coro_ring_push(worker, flows[i]);
            return;
        }
    slot = atomic_load_explicit(&worker->slot, memory_order_relaxed);
    tail = ring_tail(worker, slot);
    end = worker->ring + worker->ring_room;
    first = (uint64_t)(end - tail) < count ? (uint64_t)(end - tail) : count;
    memcpy(tail, flows, first * sizeof *flows);
    memcpy(worker->ring, flows + first, (count - first) * sizeof *flows);
    tail += count;
    atomic_store_explicit(&worker->slot_limit, NULL, memory_order_relaxed);
    ring_set(worker, slot, tail < end ? tail : tail - worker->ring_room);
}

void coro_ring_push(struct coro_worker *worker, struct coro_flow *flow)
{
    struct coro_flow **slot, **tail;

    atomic_store_explicit(&worker->slot_limit, NULL, memory_order_relaxed);
    if (coro_unlikely(coro_ring_count(worker) + RING_FREE_MIN >= worker->ring_room &&
                      !ring_grow(worker))) {
        coro_inbox_push(worker, flow); /* takes no memory; its turn comes later */
        return;
    }
    slot = atomic_load_explicit(&worker->slot, memory_order_relaxed);
    tail = ring_tail(worker, slot);
    *tail++ = flow;
    ring_set(worker, slot, tail == worker->ring + worker->ring_room ? worker->ring : tail);
}

/* Whose turn is near: both lines of its life, and where its frames begin. */
static void prefetch_flow(const struct coro_flow *flow)
{
    __builtin_prefetch(flow);
    __builtin_prefetch((const char *)flow + CORO_LINE_BYTES);
    __builtin_prefetch((const char *)flow - CORO_LINE_BYTES);
}

struct coro_flow *coro_ring_pop(struct coro_worker *worker)
{
    struct coro_flow **slot = atomic_load_explicit(&worker->slot, memory_order_relaxed);
    struct coro_flow **tail = ring_tail(worker, slot), *oldest;

    if (slot == tail)
        return &worker->idle;
    oldest = *slot++;
    prefetch_flow(slot[POP_AHEAD]);
    atomic_store_explicit(&worker->slot_limit, NULL, memory_order_relaxed);
    if (slot == worker->ring + worker->ring_room) {
        slot = worker->ring;
        worker->laps += worker->ring_room;
    }
    ring_set(worker, slot, tail);
    return oldest;
}

/* How many flows were ever taken from it. */
uint64_t coro_ring_popped(const struct coro_worker *worker)
{
    return worker->laps + (uint64_t)(ring_slot(worker, 0) - worker->ring);
}

/* Lays out the next turns, beginning with `next`, which is about to run: behind the last slot
 * comes who yields first, that is next, then the oldest, and so on. Neither wraps. */
static void ring_lay(struct coro_worker *worker, struct coro_flow *next, uint64_t turns)
{
    struct coro_flow **from = ring_slot(worker, 0);
    struct coro_flow **to = ring_slot(worker, coro_ring_count(worker));
    uint64_t period = to > from ? (uint64_t)(to - from) + 1 : turns, left = turns - 1;

    worker->laid = from + turns;
    if (!turns)
        return;
    *to++ = next;
    for (; left > period; left -= period, to += period, period *= 2)
        memcpy(to, from, period * sizeof *to); /* what is laid out repeats itself */
    memcpy(to, from, left * sizeof *to);
}

/* How many turns can be laid out from here on. */
static uint64_t ring_turns_max(const struct coro_worker *worker)
{
    uint64_t count = coro_ring_count(worker);
    struct coro_flow **slot = ring_slot(worker, 0), **tail = ring_slot(worker, count);
    uint64_t to_end = (uint64_t)(worker->ring + worker->ring_room - 1 -
                                 (slot > tail ? slot : tail));
    uint64_t free = worker->ring_room - count;

    return to_end < free ? to_end : free;
}

/* Yields need not ask for the next turns, as far as they are laid out. */
static void ring_open(struct coro_worker *worker)
{
    struct coro_flow **slot = ring_slot(worker, 0);
    uint64_t turns = (uint64_t)(worker->laid - slot);

    atomic_store_explicit(&worker->slot_limit,
                          slot + (turns < CORO_RING_ROUND ? turns : CORO_RING_ROUND),
                          memory_order_relaxed);
}

/* ---- the front ----------------------------------------------------------------------- */

/* The older half of the front stack goes to the end of the ring, oldest first. */
static void front_spill(struct coro_worker *worker)
{
    uint64_t count = atomic_load_explicit(&worker->front_count, memory_order_relaxed);
    uint64_t half = count / 2;

    ring_push_all(worker, worker->front, half);
    worker->lost += half;
    memmove(worker->front, worker->front + half,
            (count - half) * sizeof(struct coro_flow *));
    atomic_store_explicit(&worker->front_count, count - half, memory_order_relaxed);
}

/* So many pushes are free. There is room for them, and for two more, one of them the oldest
 * flow of the ring. */
static void front_refill(struct coro_worker *worker)
{
    uint64_t count = atomic_load_explicit(&worker->front_count, memory_order_relaxed);

    if (count + CORO_FRONT_BUDGET + 2 > CORO_FRONT_MAX)
        front_spill(worker);
    worker->front_budget = CORO_FRONT_BUDGET;
    atomic_store_explicit(&worker->refills, worker->refills + 1, memory_order_relaxed);
}

static bool is_elsewhere(const struct coro_worker *worker, const struct coro_flow *flow)
{
    return (atomic_load_explicit(&flow->flags, memory_order_relaxed) & CORO_FLOW_PINNED) &&
           flow->home != worker->index;
}

/* Either the flow is pinned, or the budget is spent. */
void coro_wake_slow(struct coro_worker *worker, struct coro_flow *flow)
{
    if (is_elsewhere(worker, flow)) {
        coro_inbox_push(worker->sched->workers[flow->home], flow);
        return;
    }
    if (worker->front_budget >= 0)
        worker->front_budget--;
    coro_front_push(worker, flow);
    if (worker->front_budget < 0) {
        front_refill(worker);
        if (coro_ring_count(worker))
            coro_front_push(worker, coro_ring_pop(worker));
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

bool coro_has_surplus(const struct coro_worker *worker)
{
    return coro_ring_count(worker) ||
           atomic_load_explicit(&worker->front_count, memory_order_relaxed) > FRONT_OWN;
}

bool coro_has_work(const struct coro_worker *worker)
{
    return coro_ring_count(worker) ||
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
        coro_has_work(worker)) /* else it goes idle, which polls */
        coro_io_chore(worker);
    if (atomic_load_explicit(&worker->sched->hungry, memory_order_relaxed) &&
        coro_has_surplus(worker))
        coro_wake_any(worker->sched);
}

/* Nothing but yields since the turns were laid out, and there are more of them. */
static struct coro_flow *yield_on(struct coro_worker *worker, struct coro_flow **slot)
{
    atomic_store_explicit(&worker->slot, slot + 1, memory_order_relaxed);
    ring_open(worker);
    return *slot;
}

/* A segmented flow goes by way of the idle one, which puts it away. */
static __attribute__((noinline)) struct coro_flow *yield_by_idle(struct coro_worker *worker)
{
    if (!coro_has_work(worker)) {
        coro_leave_worker(worker);
        return NULL;
    }
    coro_ring_push(worker, worker->current);
    return &worker->idle;
}

struct coro_flow *coro_yield_slow(struct coro_worker *worker)
{
    struct coro_flow *next, **slot;
    bool undisturbed;
    uint64_t most;

    /* Alone, and done with the chores not long ago, as among others. */
    if (!coro_has_work(worker) && ++worker->lone % CORO_RING_ROUND != 0) {
        coro_leave_worker(worker);
        return NULL;
    }
    coro_enter_sure();
    coro_chores(worker);
    if (coro_unlikely(worker->segmented))
        return yield_by_idle(worker);
    slot = ring_slot(worker, 0);
    undisturbed = slot == atomic_load_explicit(&worker->slot_limit, memory_order_relaxed);
    if (undisturbed && slot < worker->laid)
        return yield_on(worker, slot);
    next = coro_next(worker);
    if (next == &worker->idle) {
        coro_leave_worker(worker);
        return NULL;
    }
    coro_ring_push(worker, worker->current);
    if (atomic_load_explicit(&worker->front_count, memory_order_relaxed))
        return next;
    worker->lay = !undisturbed ? LAY_FIRST : worker->lay < LAY_MAX ? worker->lay * 2 : LAY_MAX;
    most = ring_turns_max(worker);
    ring_lay(worker, next, worker->lay < most ? worker->lay : (uint32_t)most);
    ring_open(worker);
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
