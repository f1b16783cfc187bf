/* SPDX-License-Identifier: MIT
 *
 * counters_event.h: from an event's name to an open file descriptor, or to a sentence.
 */
#ifndef COUNTERS_EVENT_H
#define COUNTERS_EVENT_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>

enum { BENCH_REASON_BYTES = 160 };

/* A quantity wanted on every machine, and libpfm4 names for it: the PMUs' own first, for
 * they are the better defined, then the kernel's generic ones. NULL ends each list. */
struct bench_wanted {
    const char *metric;
    const char *names[6];
};
extern const struct bench_wanted bench_wanted_default[];
extern const size_t bench_wanted_default_count;

/* Encodes a libpfm4 name, for user space unless the name has modifiers that say else. 0,
 * or -1 with the sentence in `reason`. */
int bench_event_encode(const char *name, struct perf_event_attr *attr, char *reason);

/* perf_event_open() for the calling thread, in the group of `leader_fd` (-1: it leads a
 * new one, stopped). When the kernel's own part may not be counted, it is left out and
 * *user_only set. The descriptor, or -1 with the sentence in `reason` and errno kept. */
int bench_event_open(struct perf_event_attr *attr, int leader_fd, bool *user_only,
                     char *reason);

/* "perf::PAGE-FAULTS" to "page_faults"; `metric` has room for strlen(name) + 1. */
void bench_event_metric(const char *name, char *metric);

#endif
