/* SPDX-License-Identifier: MIT
 *
 * copied.h: what copied.c offers the rest of the runtime. Private.
 */
#ifndef CORO_COPIED_H
#define CORO_COPIED_H

#include "internal.h"

/* Whether copying works here: not when someone (a sanitizer, Valgrind) keeps books of each
 * stack byte. */
bool coro_copied_works(void);
/* With pool_lock: a new flow of the class, or NULL without memory. */
struct coro_flow *coro_copied_make(struct coro_sched *sched);
/* With pool_lock: the stack that the worker's copied flows share is there. 0 or -ENOMEM. */
int coro_copied_prepare(struct coro_sched *sched, struct coro_worker *worker);
/* The flow will begin when it is first switched to, on `worker`, which is prepared. */
void coro_copied_begin(struct coro_flow *flow, const struct coro_worker *worker);
/* On the worker, in the domain, still on the shared stack: the flow is over. */
void coro_copied_end(struct coro_worker *worker, struct coro_flow *flow);
/* On the idle flow, in the domain: if a copied flow has just parked, it is put away. */
void coro_copied_parked(struct coro_worker *worker);
/* What the worker's copied flows share. */
const struct coro_stack *coro_copied_stack(const struct coro_worker *worker);
/* Where a flow of the worker's that is not running goes on. */
void *coro_copied_pc(const struct coro_copied *copied, const struct coro_flow *flow);
/* All copied flows, those not in use too. */
void coro_copied_each(const struct coro_sched *sched,
                      void (*visit)(void *arg, struct coro_flow *flow), void *arg);
void coro_copied_free_all(struct coro_sched *sched);

#endif
