/* SPDX-License-Identifier: MIT
 *
 * segmented.h: what segmented.c offers the rest of the runtime, and how a segmented flow
 * is laid out, for arch/<cpu>/morestack.S. Private.
 */
#ifndef CORO_SEGMENTED_H
#define CORO_SEGMENTED_H

#include "internal.h"

/* At the top of its stack; its frames begin below. The first segment is the flow's own
 * stack: this struct is above the flow there, and the frames begin below the flow. */
struct coro_segment {
    struct coro_segment *prev, *next; /* a flow's; `next` while it is free */
    char *limit;       /* a frame that would reach below this goes to the next segment */
    size_t room_bytes; /* down to the limit */
    unsigned class;    /* where it goes when it is free */
};

/* Above a segmented flow. */
struct coro_segmented {
    struct coro_segment *current;
    void *pc, *fp;      /* where the flow goes on, while it is away */
    size_t grown_bytes; /* in segments after the first */
    struct coro_segment first;
};

static inline struct coro_segmented *coro_segmented_of(const struct coro_flow *flow)
{
    return (struct coro_segmented *)(flow + 1);
}

/* Of a stack that is to hold a segment of so many bytes and what is above and below it.
 */
size_t coro_segmented_stack_bytes(size_t segment_bytes);
/* A new flow, whose own stack is its first segment. */
void coro_segmented_make(struct coro_flow *flow, unsigned class, size_t segment_bytes);
/* The flow is not running: when it does again, on whatever worker, it finds its limit. In
 * the domain, or before anybody knows of it. */
void coro_segmented_put_away(struct coro_sched *sched, struct coro_flow *flow);
/* Still on its stack, in the domain: the flow is over. */
void coro_segmented_end(struct coro_worker *worker);
/* With pool_lock, and nobody on its stack any more: its other segments are everyone's. */
void coro_segmented_recycle(struct coro_sched *sched, struct coro_flow *flow);
/* Where a flow that is not running goes on. */
struct coro_context coro_segmented_context(const struct coro_flow *flow);

#endif
