/* SPDX-License-Identifier: MIT
 *
 * kernel_counts.h: what the kernel counts for a process: this one, or the one that does a trial's
 * work in its place (guest.h).
 *
 * Of itself a process is told everything by getrusage(). Of another, /proc tells faults and CPU
 * time of all its threads, ended ones too, but switches only thread by thread, of those that
 * live: the figure is known between two readings with the same threads, and NaN otherwise.
 */
#ifndef KERNEL_COUNTS_H
#define KERNEL_COUNTS_H

#include <stdint.h>
#include <sys/types.h>

struct kernel_counts {
    double voluntary, involuntary, faults_minor;
    double cpu_ns;
    uint64_t threads; /* which threads were asked: a hash of their ids; 0 for this process */
};

/* Of `process`; 0 is this one. Of a process that is gone: NaN. */
struct kernel_counts kernel_counts_read(pid_t process);
/* The CPU time alone, with no more than a system call. */
double kernel_cpu_ns(pid_t process);

/* `after` less `before`. */
struct kernel_counts kernel_counts_since(const struct kernel_counts *before,
                                         const struct kernel_counts *after);

/* How many threads of `process` may run on another CPU than the two; -errno. */
int kernel_strays(pid_t process, const int cpu[2]);

#endif
