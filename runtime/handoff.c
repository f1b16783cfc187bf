/* SPDX-License-Identifier: MIT
 *
 * handoff.c: how a flow that is pinned to an idle worker gets a value without being woken
 * as others are.
 *
 * To wake a pinned flow on another worker takes some eight moves of cache lines one after
 * the other: the wait, its variable, the flow, the inbox. If its worker has nothing else
 * to do, two are enough. When a pinned flow begins to wait and nothing else is to run,
 * its worker *attends* the channel: it becomes its `attendant`, the wait is `attended`,
 * and the worker spins on that word (idle.c). Who finds that wait alone in its list
 * *meets* it: empties the list and clears `attended`, and touches neither the wait nor
 * the flow. The value is in `handed`: put there by the sender, be it the one that waits
 * or not.
 *  - Only these change `attended` from that wait: who meets it, and the attendant when it
 *    gives up, both with the channel. So what the attendant sees gone was met.
 *  - Whoever else takes the wait from the list wakes its flow as ever, and leaves
 *    `attended` alone: the attendant finds its inbox filled, and gives up before it runs
 *    any flow. Till then that wait cannot come into a list again, so who looks for it
 *    there is not misled.
 *  - `handed` is not used again before the attendant is done with it, which it tells by
 *    clearing its own worker->attends (release): another worker that would attend, or who
 *    frees the channel, looks at that.
 *  - Who cancels the flow, with all workers stopped, sees whether it was met
 *    (coro_handoff_is_met()): then the flow is awake.
 * models/handoff.pml proves it, for receivers.
 */
#include "handoff.h"

#include <string.h>

void coro_handoff_attend(struct coro_worker *worker, struct coro_chan *chan,
                         struct coro_link *list, struct coro_wait *wait)
{
    uint32_t flags = atomic_load_explicit(&worker->current->flags, memory_order_relaxed);
    bool receives = list == &chan->receivers;

    if (!chan->word_open || (chan->capacity && !receives) || !(flags & CORO_FLOW_PINNED) ||
        (flags & CORO_FLOW_SLOW) || worker->sched->workers_count == 1 ||
        coro_has_work(worker) || !coro_is_alone_in(list, &wait->link) ||
        coro_handoff_pends(chan->attendant, chan))
        return;
    if (!receives)
        memcpy(&chan->handed, wait->value, sizeof chan->handed);
    chan->attendant = worker;
    worker->attended = wait;
    worker->attended_receives = receives;
    atomic_store_explicit(&worker->attends, chan, memory_order_relaxed);
    atomic_store_explicit(&chan->attended, wait, memory_order_relaxed);
}

bool coro_handoff_is_met(const struct coro_flow *flow, const struct coro_wait *wait)
{
    const struct coro_worker *home = coro_worker_self()->sched->workers[flow->home];
    struct coro_chan *chan = atomic_load_explicit(&home->attends, memory_order_relaxed);

    return chan && home->attended == wait && coro_handoff_seems_met(chan, wait);
}

/* With the channel, if the wait was not seen to be over. */
static bool give_up(struct coro_worker *attendant, struct coro_chan *chan,
                    const struct coro_wait *wait)
{
    bool locked = coro_acquire(attendant, &chan->object);
    bool met = coro_handoff_seems_met(chan, wait);

    if (!met)
        atomic_store_explicit(&chan->attended, NULL, memory_order_relaxed);
    if (locked)
        coro_object_unlock(&chan->object);
    return met;
}

bool coro_handoff_end(struct coro_worker *attendant)
{
    struct coro_chan *chan = atomic_load_explicit(&attendant->attends, memory_order_relaxed);
    struct coro_wait *wait = attendant->attended;
    bool met = coro_handoff_seems_met(chan, wait);

    if (met) {
        coro_enter_sure();
    } else {
        coro_enter();
        met = give_up(attendant, chan, wait);
    }
    if (met) {
        if (attendant->attended_receives)
            memcpy(wait->value, &chan->handed, sizeof chan->handed);
        wait->link.next = NULL;
        /* Does the chores now and then: nobody else may. */
        coro_wake(attendant, wait->flow);
    }
    atomic_store_explicit(&attendant->attends, NULL, memory_order_release);
    coro_leave_worker(attendant);
    return met;
}
