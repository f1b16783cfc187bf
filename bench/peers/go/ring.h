/* SPDX-License-Identifier: MIT
 *
 * ring.h: the C side of ring.go: many goroutines that yield in turn, run by run.
 */
#ifndef RING_H
#define RING_H

#include "bench.h"

/* Makes `flows` goroutines. go_start() comes first. 0 or -errno, bench_skip(). */
int ring_start(struct bench_trial *t, uint64_t flows);

/* Lets them yield `ops` times; returns how often they did. */
uint64_t ring_run(struct bench_trial *t, uint64_t ops);

/* Holds the sum of the goroutines' own counts against all that was asked for, and fails the
 * trial when they differ or when one was left out. 0, or what bench_fail() returns. The
 * goroutines stay until the process ends. */
int ring_prove(struct bench_trial *t);

#endif
