/* SPDX-License-Identifier: MIT
 *
 * counters_page.h: reading a counter in user space.
 *
 * The kernel shares one page per event (struct perf_event_mmap_page). While the event is
 * on a hardware counter the page names that counter; its value is then read with the
 * CPU's own instruction and added to what the kernel had counted before. The kernel
 * rewrites the page when it moves the event, on this thread's CPU only, so a sequence
 * number that is the same before and after, with compiler barriers alone, proves that the
 * parts belong together.
 */
#ifndef COUNTERS_PAGE_H
#define COUNTERS_PAGE_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>

/* The CPU's instructions, or a test's. */
struct bench_pmc_source {
    uint64_t (*pmc)(void *context, uint32_t counter); /* `counter` counts from 0 */
    uint64_t (*clock)(void *context);                 /* what cap_user_time counts in */
    void *context;
};

/* The CPU's own; pmc is NULL where this CPU's instruction is not known here. */
extern const struct bench_pmc_source bench_pmc_cpu;

struct bench_reading {
    uint64_t count;
    uint64_t enabled_ns, running_ns; /* running < enabled: the event was multiplexed */
};

/* False where the page can't tell (the event is on no counter now, or the kernel does not
 * allow it): read(2) does. Never blocks; for the thread that the event belongs to. */
bool bench_page_read(const struct perf_event_mmap_page *page,
                     const struct bench_pmc_source *source,
                     struct bench_reading *reading);

/* The counts between two readings: 0; -EAGAIN when the event was off its counter for a
 * part of the time, and *count is an estimate for the whole; -ENODATA when it never was
 * on one. */
int bench_reading_difference(const struct bench_reading *start,
                             const struct bench_reading *stop, uint64_t *count);

#endif
