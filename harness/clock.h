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
 * The canary is a chain of dependent additions. Each takes one core cycle on every CPU of
 * interest, so the time per addition is the core's cycle time at that moment: it turns ns
 * into estimated cycles where there is no PMU, and shows frequency changes and steal.
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

/* ns per dependent addition, now, on this CPU: the best of a few short chains. */
double bench_canary_ns(void);

#endif
