/* SPDX-License-Identifier: MIT
 *
 * trial.h: one trial: this process runs one case and makes one record.
 *
 *   pin, setup -> warm and calibrate twice -> triples -> counters -> teardown -> record
 *
 * A triple is three timed calls of run(), with N, 2N and 4N ops (in turn upwards and
 * downwards, so that drift cancels), with a canary before, between and after. Its figure is
 * the slope of the least-squares line through the three; the trial's is the lower quartile
 * over triples (with several threads: the median; figures.c says why). DESIGN rule 2 asks for
 * the slope between N and 2N; the third point adds what two cannot show: whether cost is
 * linear in N at all.
 *
 * A triple is disturbed when, during it, others ran on the flow's CPU, the hypervisor stole
 * time, the flow was on another CPU than its own, or a canary found the core shared with a busy
 * sibling thread. (For that to end, a trial waits, a second at most in all, before each triple.)
 * It is kept in the record, left out of the figure, and made again, up to six tries for each
 * triple wanted, or until two seconds are over. When fewer than half are undisturbed then, of
 * the wanted ones, or of those that there was time for, the trial is contaminated and the runner
 * rejects it whole. Both decisions see the kernel's counts and the canary, and never the case's
 * own figure; and as every triple is calibrated to the same time, a slow op is no more exposed
 * than a fast one.
 *
 * That others ran, the kernel tells in one of two ways:
 *  - Of flows with a CPU for each thread: it switched one away against its will, even once.
 *  - Of several threads on one CPU (BENCH_THREADS: Go's collector and sysmon, a JVM's compiler,
 *    two threads that hand over): they switch each other away, which is part of what the subject
 *    costs. But together they have all of the CPU, so that what a triple lasted beyond the CPU
 *    time of all threads, more than a fiftieth of it, is what somebody else had. Rejected: the
 *    threads' waiting in the run queue (/proc/.../schedstat), which does not tell for whom, and
 *    the CPU's own account (/proc/schedstat), which few kernels keep.
 * Where the CPU is idle or another process's as part of the op (BENCH_PREEMPTS), neither can.
 *
 * A gate must be able to show that it can fail: plant_delay and plant_instruction make a case
 * worse by a known amount, for `corobench selftest`. Such a record has the flag "planted".
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include "case.h"

struct bench_trial_options {
    double epoch_ms;     /* shortest epoch (N ops); see calibrate() for slow ops */
    int triples;
    const char *events;  /* --events; NULL: the default list */
    double core_width;   /* canary's width when the core is alone, as far as is known; or 0 */
    uint64_t count_ops;  /* not 0: run(N) and run(2N) between marks, for the single-stepper */
    uint64_t fixed_ops;  /* not 0: run(N) once, nothing else, for outside instruments */
    double plant_delay;  /* share of its own time by which every run is made longer; or 0 */
    bool plant_instruction; /* each op takes one instruction more (two where a CPU cannot) */
};
/* The environment's word for where in a page the stack of a trial's run() begins, in bytes; unset:
 * where the kernel put it. */
#define BENCH_STACK_OFFSET "COROBENCH_STACK_OFFSET"
#define BENCH_TRIAL_OPTIONS_DEFAULT {.epoch_ms = 0.25, .triples = 9}

/* Runs `entry` in this process. Returns a trial record without run, round, arm and
 * attempt, which are the runner's to add; NULL only without memory. Failures and skips are
 * in the record. With count_ops or fixed_ops the record has no metrics. */
json_t *bench_trial_run(const struct bench_entry *entry,
                        const struct bench_trial_options *options);

#endif
