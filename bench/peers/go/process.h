/* SPDX-License-Identifier: MIT
 *
 * process.h: keeps the threads that a runtime starts by itself on the placement's CPUs.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "bench.h"

/* Lets all threads but the main one, which the harness has pinned, run on the CPUs of the first
 * `flows` flows alone; those that they start later inherit it. 0 or -errno. */
int process_pin(const struct bench_trial *t, unsigned flows);

/* How many threads may run elsewhere; -errno where /proc can't be read. */
int process_strays(const struct bench_trial *t, unsigned flows);

#endif
