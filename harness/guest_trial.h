/* SPDX-License-Identifier: MIT
 *
 * guest_trial.h: what guest_cases.c and guest_footprint.c need of guest.c.
 */
#ifndef GUEST_TRIAL_H
#define GUEST_TRIAL_H

#include "bench.h"

/* The functions of a guest's case; its `arg` is the guest's command. */
int guest_setup(struct bench_trial *t);
uint64_t guest_run(struct bench_trial *t, uint64_t ops);
void guest_teardown(struct bench_trial *t);

/* guest_footprint.c: measure() of a case whose ops are flows that stay. */
int guest_measure_footprint(struct bench_trial *t);

/* guest_cases.c: the cases of a file, as one table; NULL with a sentence in `error`. To be called
 * once: they live as long as the process. */
const struct bench_experiment *guest_cases_read(const char *path, char *const command[],
                                                char *error, size_t error_bytes);

#endif
