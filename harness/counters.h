/* SPDX-License-Identifier: MIT
 *
 * counters.h: hardware and kernel counters by name, in groups that fit the PMU.
 *
 * Names are libpfm4's ("cycles", "instructions", "perf::...", or any that `--events` gives).
 * The default list is chosen per machine: of each wanted quantity, the first libpfm4 event
 * that the PMU offers. Events are packed in groups that the PMU can schedule together;
 * a group is started and stopped around one call of run(), so that nothing is multiplexed
 * by design; a group that the kernel multiplexed all the same is flagged.
 *
 * Read in user space (rdpmc, the whole seqlock protocol of linux/perf_event.h) where the
 * kernel allows it and the trial has one thread; by read(2) else, and always when inherited.
 *
 * Nothing here fails a trial: an event that can't be had has value "absent" and a reason.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_counter {
    const char *metric; /* metric stem: "instructions", "branch_misses", "l1d_misses"... */
    const char *event;  /* libpfm4 name that was opened, or wanted */
    int group;          /* -1 when absent */
    const char *source; /* "pmu"; "kernel" for a software event or a tracepoint; NULL when absent */
    char reason[160];   /* why absent; empty when present */
};

struct bench_counters;

/* Opens the events for this process. `events`: comma-separated libpfm4 names, or NULL for
 * the default list. `inherit`: count threads and children created afterwards too. Returns
 * NULL only without memory; whatever could not be opened is in the counters' reasons. */
struct bench_counters *bench_counters_open(const char *events, bool inherit);
void bench_counters_close(struct bench_counters *c);

size_t bench_counters_count(const struct bench_counters *c);
const struct bench_counter *bench_counters_at(const struct bench_counters *c, size_t i);
int bench_counters_groups(const struct bench_counters *c);

/* Around one call of run(). stop() writes, for each event i of the group, the counts since
 * start() to values[i] (indexed as bench_counters_at()); other elements stay untouched.
 * 0, or -errno; when the kernel multiplexed the group -EAGAIN: the values are estimates, or
 * -ENODATA: it was never on a counter. */
int bench_counters_start(struct bench_counters *c, int group);
int bench_counters_stop(struct bench_counters *c, int group, uint64_t *values);

/* What `doctor` says: the PMU's libpfm4 name or why there is none; how values are read
 * ("rdpmc", "read"); never NULL. */
const char *bench_counters_pmu_name(void);
const char *bench_counters_reading(const struct bench_counters *c);

#endif
