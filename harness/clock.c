/* SPDX-License-Identifier: MIT */
#include "clock.h"

void bench_clock_check(struct bench_clock *clock)
{
    enum { READS = 2000 };
    uint64_t first = bench_now_ns(), previous = first, step_min = UINT64_MAX;
    for (int i = 0; i < READS; i++) {
        uint64_t now = bench_now_ns();
        if (now != previous && now - previous < step_min)
            step_min = now - previous;
        previous = now;
    }
    clock->overhead_ns = (double)(previous - first) / READS;
    clock->resolution_ns = step_min == UINT64_MAX ? 1e6 : (double)step_min;
}

double bench_epoch_ns(const struct bench_clock *clock, double wanted_ns)
{
    double floor_ns = 1000 * clock->resolution_ns;
    return wanted_ns > floor_ns ? wanted_ns : floor_ns;
}

/* The addend is in a register on purpose: recent Intel cores add an immediate for free at
 * register renaming, and the chain would no longer take a cycle a link. */
#define ADD4(x, y)                                                                         \
    __asm__("" : "+r"(x)); x += y; __asm__("" : "+r"(x)); x += y;                          \
    __asm__("" : "+r"(x)); x += y; __asm__("" : "+r"(x)); x += y;

static double chain_ns(void)
{
    enum { LINKS = 16384, UNROLLED = 16 };
    uint64_t x = 1, y = 3;
    __asm__ volatile("" : "+r"(y));
    uint64_t start = bench_now_ns();
    for (int i = 0; i < LINKS / UNROLLED; i++) {
        ADD4(x, y) ADD4(x, y) ADD4(x, y) ADD4(x, y)
    }
    __asm__ volatile("" : "+r"(x));
    return (double)(bench_now_ns() - start) / LINKS;
}

double bench_canary_ns(void)
{
    double best = chain_ns();
    for (int i = 0; i < 3; i++) {
        double again = chain_ns();
        if (again < best)
            best = again;
    }
    return best;
}
