/* SPDX-License-Identifier: MIT
 *
 * timer.c: sleeping, and the deadlines of waits.
 *
 * One heap for all workers, of four children per node (half the levels of two, and the four
 * share a cache line or two): O(log n) to add, to fire and to remove. A flow waits in one place at
 * a time, so it has one timer, and knows its place in the heap. The lock is a leaf, taken in or
 * out of the domain.
 *
 * A timer that fires claims the flow's wait as any other waker would. It may come
 * too late: the claim is then stale and nothing happens. It never comes too early, before the
 * flow is saved: the idle flow adds it (`after`), when the flow has left.
 *
 * A timer that finds no memory wakes its flow at once, with -ENOMEM, in the same way.
 *
 * Who looks at the clock: busy workers among their chores, idle ones before they sleep, and they
 * sleep no longer than until the first deadline.
 */
#include "internal.h"

#include <stdlib.h>

enum {
    CHILDREN = 4,
    HEAP_FIRST = 64,
    FIRE_BATCH = 4, /* on the stack of whichever flow does the chores, which may have 1 KB */
};

static void place(struct coro_timers *timers, uint32_t index, struct coro_timer timer)
{
    timers->heap[index] = timer;
    timer.flow->timer_index = index;
}

static void sift_up(struct coro_timers *timers, uint32_t index, struct coro_timer timer)
{
    while (index > 1) {
        uint32_t parent = (index - 2) / CHILDREN + 1;

        if (timers->heap[parent].deadline_ns <= timer.deadline_ns)
            break;
        place(timers, index, timers->heap[parent]);
        index = parent;
    }
    place(timers, index, timer);
}

static void sift_down(struct coro_timers *timers, uint32_t index, struct coro_timer timer)
{
    for (;;) {
        uint32_t first = (index - 1) * CHILDREN + 2, least = 0;

        for (uint32_t i = first; i < first + CHILDREN && i <= timers->count; i++)
            if (!least || timers->heap[i].deadline_ns < timers->heap[least].deadline_ns)
                least = i;
        if (!least || timers->heap[least].deadline_ns >= timer.deadline_ns)
            break;
        place(timers, index, timers->heap[least]);
        index = least;
    }
    place(timers, index, timer);
}

static void publish_first(struct coro_timers *timers)
{
    atomic_store(&timers->first_ns, timers->count ? timers->heap[1].deadline_ns : UINT64_MAX);
}

static void remove_at(struct coro_timers *timers, uint32_t index)
{
    struct coro_timer last = timers->heap[timers->count--];

    timers->heap[index].flow->timer_index = 0;
    if (index <= timers->count) {
        if (last.deadline_ns < timers->heap[index].deadline_ns)
            sift_up(timers, index, last);
        else
            sift_down(timers, index, last);
    }
    publish_first(timers);
}

static bool make_room(struct coro_timers *timers)
{
    uint32_t room = timers->room ? timers->room * 2 : HEAP_FIRST;
    struct coro_timer *heap;

    if (timers->count + 1 < timers->room)
        return true;
    heap = realloc(timers->heap, room * sizeof *heap);
    if (!heap)
        return false;
    timers->heap = heap;
    timers->room = room;
    return true;
}

void coro_timer_add(struct coro_sched *sched, struct coro_flow *flow, uint64_t claim,
                    uint64_t deadline_ns)
{
    struct coro_timers *timers = &sched->timers;
    struct coro_timer timer = {.deadline_ns = deadline_ns, .claim = claim, .flow = flow};
    bool has_room;

    coro_spin_lock(&timers->lock);
    if (flow->timer_index)
        remove_at(timers, flow->timer_index);
    has_room = make_room(timers);
    if (has_room) {
        timers->count++;
        sift_up(timers, timers->count, timer);
        publish_first(timers);
    }
    coro_spin_unlock(&timers->lock);
    if (!has_room && coro_claim(flow, claim, NULL, -ENOMEM))
        coro_wake_back(coro_worker_self(), flow);
}

void coro_timer_remove(struct coro_sched *sched, struct coro_flow *flow)
{
    coro_spin_lock(&sched->timers.lock);
    if (flow->timer_index)
        remove_at(&sched->timers, flow->timer_index);
    coro_spin_unlock(&sched->timers.lock);
}

/* Takes those that are due, in order, at most so many. */
static unsigned take_due(struct coro_timers *timers, uint64_t now_ns, struct coro_timer *due)
{
    unsigned count = 0;

    coro_spin_lock(&timers->lock);
    while (count < FIRE_BATCH && timers->count && timers->heap[1].deadline_ns <= now_ns) {
        due[count++] = timers->heap[1];
        remove_at(timers, 1);
    }
    coro_spin_unlock(&timers->lock);
    return count;
}

void coro_timers_fire(struct coro_worker *worker)
{
    struct coro_timers *timers = &worker->sched->timers;
    struct coro_timer due[FIRE_BATCH];
    uint64_t now_ns = coro_now_ns();
    unsigned count;

    if (atomic_load_explicit(&timers->first_ns, memory_order_relaxed) > now_ns)
        return;
    do {
        count = take_due(timers, now_ns, due);
        for (unsigned i = 0; i < count; i++)
            if (coro_claim(due[i].flow, due[i].claim, NULL, -ETIMEDOUT))
                coro_wake_back(worker, due[i].flow);
    } while (count == FIRE_BATCH);
}

struct sleeper {
    struct coro_wait wait;
    uint64_t deadline_ns;
};

static void sleep_after(void *arg)
{
    struct sleeper *sleeper = arg;

    coro_timer_add(coro_worker_self()->sched, sleeper->wait.flow, sleeper->wait.claim,
                   sleeper->deadline_ns);
}

int coro_sleep_until(uint64_t deadline_ns)
{
    struct coro_link nobody = {.next = &nobody, .prev = &nobody};
    struct sleeper sleeper = {.deadline_ns = deadline_ns};
    struct coro_worker *worker = coro_enter_sure();
    struct coro_flow *self = worker->current;

    if (coro_is_cancelled(worker) || deadline_ns <= coro_now_ns()) {
        bool cancelled = coro_is_cancelled(worker);

        coro_leave_worker(worker);
        return cancelled ? -ECANCELED : 0;
    }
    coro_wait_begin(worker, &sleeper.wait, NULL, &nobody, NULL, "asleep");
    sleeper.wait.claim = coro_claim_open(self);
    worker->after = sleep_after;
    worker->after_arg = &sleeper;
    coro_switch_park(worker, &worker->idle);
    if (self->wake_result == -ETIMEDOUT)
        return 0;
    coro_timer_remove(coro_worker_self()->sched, self);
    return self->wake_result;
}

int coro_sleep_ns(uint64_t duration_ns)
{
    uint64_t now_ns = coro_now_ns();

    return coro_sleep_until(duration_ns > UINT64_MAX - 1 - now_ns ? UINT64_MAX - 1
                                                                 : now_ns + duration_ns);
}
