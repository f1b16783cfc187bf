/* SPDX-License-Identifier: MIT
 *
 * trace.h: who ran where and when, for chrome://tracing and Perfetto. Private.
 */
#ifndef CORO_TRACE_H
#define CORO_TRACE_H

#include "internal.h"

/* Before flows run. 0 or -ENOMEM. */
int coro_trace_begin(struct coro_sched *sched);
/* When none runs any more: all as JSON. */
void coro_trace_write(const struct coro_sched *sched, FILE *file);
void coro_trace_free(struct coro_worker *worker); /* whether begun or not */

/* By the worker itself, if worker->trace. It has entered its domain: */
void coro_trace_entered(struct coro_worker *worker);
void coro_trace_slept(struct coro_worker *worker, uint64_t from_ns);
void coro_trace_stole(struct coro_worker *worker, unsigned flows);

#endif
