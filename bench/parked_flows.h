/* SPDX-License-Identifier: MIT
 *
 * parked_flows.h: flows of the scheduler, by stack policy, that wait; for parked.c.
 *
 * All wait to receive a word from one channel, which is the least that a flow can wait for: what
 * is weighed is the flow, its frames and its wait.
 */
#ifndef PARKED_FLOWS_H
#define PARKED_FLOWS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "stack.h"

struct parked_flows;

/* `parked` is counted up by each flow before it first parks. NULL without memory. */
struct parked_flows *parked_flows_new(enum coro_stack_policy policy, size_t stack_bytes,
                                      _Atomic uint64_t *parked);
/* So many more; returns when all have parked. 0 or -ENOMEM. */
int parked_flows_grow(struct parked_flows *flows, size_t count);
/* Wakes each once: it runs and parks again. How many did. */
size_t parked_flows_again(struct parked_flows *flows);
/* All run to their end. How many did. NULL is allowed. */
size_t parked_flows_end(struct parked_flows *flows);

#endif
