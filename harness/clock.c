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
#define ADD(x)                                                                             \
    x += y;                                                                                \
    __asm__("" : "+r"(x));
#define ADD4(x) ADD(x) ADD(x) ADD(x) ADD(x)
#define ADD_EACH ADD(a) ADD(b) ADD(c) ADD(d) ADD(e) ADD(f) ADD(g) ADD(h)

static double dependent_add_ns(void)
{
    enum { ADDS = 16384, UNROLLED = 16 };
    uint64_t x = 1, y = 3;
    __asm__ volatile("" : "+r"(y));
    uint64_t start = bench_now_ns();
    for (int i = 0; i < ADDS / UNROLLED; i++) {
        ADD4(x) ADD4(x) ADD4(x) ADD4(x)
    }
    __asm__ volatile("" : "+r"(x));
    return (double)(bench_now_ns() - start) / ADDS;
}

static double independent_add_ns(void)
{
    enum { ADDS = 32768, UNROLLED = 32 };
    uint64_t a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1, y = 3;
    __asm__ volatile("" : "+r"(y));
    uint64_t start = bench_now_ns();
    for (int i = 0; i < ADDS / UNROLLED; i++) {
        ADD_EACH ADD_EACH ADD_EACH ADD_EACH
    }
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
    __asm__ volatile("" : "+r"(e), "+r"(f), "+r"(g), "+r"(h));
    return (double)(bench_now_ns() - start) / ADDS;
}

/* The best, because an interrupt can only lengthen a chain. */
static double best_of(double (*chain_ns)(void), int tries)
{
    double best = chain_ns();
    while (--tries > 0) {
        double again = chain_ns();
        if (again < best)
            best = again;
    }
    return best;
}

/* The dependent chain runs before and after the other: were its time taken only before a
 * neighbour stopped, and the other's after, the core would look wider than it is. */
struct bench_canary bench_canary_now(void)
{
    double before_ns = best_of(dependent_add_ns, 2);
    double independent_ns = best_of(independent_add_ns, 2);
    double after_ns = best_of(dependent_add_ns, 2);
    double cycle_ns = before_ns < after_ns ? before_ns : after_ns;
    return (struct bench_canary){.cycle_ns = cycle_ns, .width = cycle_ns / independent_ns};
}
