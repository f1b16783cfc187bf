/* SPDX-License-Identifier: MIT
 *
 * handoff.h: a value for a pinned flow whose idle worker attends the channel: what sends,
 * receives and waits do of it, inlined, and what handoff.c has for the others. Its head
 * explains the protocol. Private.
 *
 * With the channel, unless it says otherwise.
 */
#ifndef CORO_HANDOFF_H
#define CORO_HANDOFF_H

#include "internal.h"

#include <string.h>

CORO_INLINE bool coro_is_alone_in(const struct coro_link *list, const struct coro_link *link)
{
    return list->next == link && list->prev == link;
}

/* Is the only one who waits in the list attended? Then it has waited, and the caller sees
 * to `handed` and tells. */
CORO_INLINE bool coro_handoff_meet(struct coro_chan *chan, struct coro_link *list)
{
    struct coro_wait *wait = atomic_load_explicit(&chan->attended, memory_order_relaxed);

    if (coro_likely(!wait) || !coro_is_alone_in(list, &wait->link))
        return false;
    list->next = list->prev = list;
    return true;
}

/* The attendant may see that its flow was met, and read `handed`. */
CORO_INLINE void coro_handoff_tell(struct coro_chan *chan)
{
    atomic_store_explicit(&chan->attended, NULL, memory_order_release);
}

/* Does the channel's attendant, which may be NULL, still have to look? Also without the
 * channel. */
CORO_INLINE bool coro_handoff_pends(struct coro_worker *attendant, const struct coro_chan *chan)
{
    return attendant &&
           atomic_load_explicit(&attendant->attends, memory_order_acquire) == chan;
}

/* The current flow waits in `list`: its worker attends the channel, which is shared, if that
 * is worth it. */
void coro_handoff_attend(struct coro_worker *worker, struct coro_chan *chan,
                         struct coro_link *list, struct coro_wait *wait);

/* In the attendant, idle, for worker->attends and worker->attended; without the
 * channel. */
CORO_INLINE bool coro_handoff_seems_met(struct coro_chan *chan, const struct coro_wait *wait)
{
    return atomic_load_explicit(&chan->attended, memory_order_acquire) != wait;
}

/* The same: gives up, or has seen the end. True: the flow had been met, and is queued. */
bool coro_handoff_end(struct coro_worker *attendant);

/* All workers are stopped. Has the pinned flow, which seems to wait, been met already? */
bool coro_handoff_is_met(const struct coro_flow *flow, const struct coro_wait *wait);

#endif
