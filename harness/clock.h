/* SPDX-License-Identifier: MIT
 *
 * clock.h: the clock, what it is worth, and the canary.
 *
 * The clock is CLOCK_MONOTONIC_RAW: no slewing by NTP, read in user space by the vDSO from
 * the TSC or the CPU's own timer, and the same code on every CPU. Reading it costs some
 * 25 to 50 ns, but an epoch lasts at least a millisecond and the cost is a slope, so that the
 * overhead falls out. (Raw rdtsc was rejected: it needs a calibration of its own, and
 * saves nothing that the slope does not already remove.)
 *
 * The canary tells two things about the core at this moment:
 *
 *  - cycle_ns, from a chain of dependent additions: each takes one core cycle on every CPU of
 *    interest, so that its time turns ns into estimated cycles where there is no PMU, and
 *    shows frequency changes and steal;
 *  - width, from eight independent chains: how many additions the core does per cycle. A core
 *    that is alone does as many as it has adders. When its sibling hardware thread runs
 *    something, in this machine or, unseen, in another virtual machine on the same core,
 *    they share the adders and the width falls, while cycle_ns hardly changes. No kernel
 *    count shows that neighbour; it made the same switch cost half as much again here.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* CPU time of this process, all its threads. */
static inline uint64_t bench_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct bench_clock {
    double resolution_ns; /* smallest step seen between two readings */
    double overhead_ns;   /* of one reading */
};

/* Measures both, in well under a millisecond. */
void bench_clock_check(struct bench_clock *clock);

/* The shortest epoch worth timing: 1000 clock steps, and at least `wanted_ns`. */
double bench_epoch_ns(const struct bench_clock *clock, double wanted_ns);

struct bench_canary {
    double cycle_ns; /* ns per dependent addition */
    double width;    /* independent additions per cycle */
};

/* Now, on this CPU, in some 30 us: the best of a few short chains each. */
struct bench_canary bench_canary_now(void);

#endif
