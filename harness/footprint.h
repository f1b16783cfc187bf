/* SPDX-License-Identifier: MIT
 *
 * footprint.h: what a process weighs, and what it makes the kernel keep.
 *
 * Two kinds of figure, which must not be mixed up:
 *
 *  - a process's own (/proc/PID): exact, and nobody else's business;
 *  - the kernel's (/proc/meminfo, /proc/slabinfo): of the whole system, so that whatever
 *    else runs is in it. One difference of two readings is not to be trusted: take a
 * slope over many (bench_slope() is robust against steps) and print its spread.
 *
 * Rejected: VmRSS of /proc/PID/status, which kernels keep in per-CPU batches and which
 * may be dozens of pages off; smaps_rollup walks the page tables and is exact.
 *
 * Threads: one at a time; readings share a static buffer, so that reading allocates
 * nothing and does not move what it reads. Read once before the reading that counts: the
 * first touches that buffer.
 */
#ifndef FOOTPRINT_H
#define FOOTPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes of one process. */
struct bench_process_memory {
    uint64_t reserved_bytes;   /* VmSize: address space */
    uint64_t resident_bytes;   /* Rss, each page counted whole, shared ones too */
    uint64_t private_bytes;    /* of these, mapped by this process alone */
    uint64_t page_table_bytes; /* VmPTE: all levels but the root */
};

/* `pid` 0 is the caller. 0, -errno of reading /proc, or -ENODATA where a field is
 * missing. */
int bench_process_memory_read(pid_t pid, struct bench_process_memory *memory);

/* Bytes that the kernel keeps, of the whole system. */
struct bench_kernel_memory {
    uint64_t stack_bytes;  /* KernelStack of /proc/meminfo */
    uint64_t object_bytes; /* slab objects; see by_object */
    bool by_object; /* true: live objects of /proc/slabinfo (root reads it), less the
                     * caches about files; false: SUnreclaim of /proc/meminfo,
                     * whole pages and noisier */
};

/* Not in it: per-CPU counters (an mm has some), page tables. 0 or -errno, -ENODATA. */
int bench_kernel_memory_read(struct bench_kernel_memory *memory);

/* Waits until the kernel has freed what earlier processes left (it does so in the
 * background, some 10 ms later) and the figures stand still, but 300 ms at most. */
void bench_kernel_memory_settle(void);

/* MemAvailable, or what is left in this process's cgroups where that is less. 0: unknown.
 */
uint64_t bench_memory_available_bytes(void);

/* Median of the slopes between all pairs of the n points (Theil-Sen): a step in up to 29
 * % of the points does not move it. `spread`, unless NULL, gets the interquartile range
 * of those slopes. NaN where n < 2 or all x are equal, or without memory. */
double bench_slope(const double *x, const double *y, size_t n, double *spread);

/* The parsers, on a file's text: the bytes of a line "NAME:  123 kB", or -1 where there
 * is none; bytes of live objects in a slabinfo of version 2.x, or -1 for anything else.
 */
int64_t bench_memory_field(const char *text, const char *name);
int64_t bench_slab_live_bytes(const char *slabinfo);

#endif
