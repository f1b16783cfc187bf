/* SPDX-License-Identifier: MIT
 *
 * counters_page.c: the protocol at the head of struct perf_event_mmap_page, and the CPUs'
 * instructions for it.
 */
#include "counters_page.h"

#include <errno.h>
#include <stddef.h>

/* What is taken from the page within one turn of the loop. */
struct snapshot {
    uint64_t enabled_ns, running_ns, clock, time_offset, time_cycles, time_mask;
    uint32_t time_mult, index;
    uint16_t time_shift, pmc_width;
    bool has_time, short_time;
    int64_t offset;
    uint64_t pmc;
};

static void barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

static void take(const volatile struct perf_event_mmap_page *page,
                 const struct bench_pmc_source *source, struct snapshot *s)
{
    s->enabled_ns = page->time_enabled;
    s->running_ns = page->time_running;
    s->has_time = page->cap_user_time && s->enabled_ns != s->running_ns;
    if (s->has_time) {
        s->clock = source->clock(source->context);
        s->time_offset = page->time_offset;
        s->time_mult = page->time_mult;
        s->time_shift = page->time_shift;
        s->short_time = page->cap_user_time_short;
        s->time_cycles = page->time_cycles;
        s->time_mask = page->time_mask;
    }
    s->index = page->cap_user_rdpmc ? page->index : 0;
    s->offset = page->offset;
    s->pmc_width = page->pmc_width;
    s->pmc = 0;
    if (s->index != 0)
        s->pmc = source->pmc(source->context, s->index - 1);
}

/* Nanoseconds since the kernel wrote the page's times. */
static uint64_t since_written_ns(const struct snapshot *s)
{
    uint64_t clock = s->clock;
    if (s->short_time)
        clock = s->time_cycles + ((clock - s->time_cycles) & s->time_mask);
    uint64_t quotient = clock >> s->time_shift;
    uint64_t rest = clock & (((uint64_t)1 << s->time_shift) - 1);
    return s->time_offset + quotient * s->time_mult +
           ((rest * s->time_mult) >> s->time_shift);
}

/* A counter is pmc_width bits wide and starts below zero, so that it overflows at 0. */
static int64_t sign_extended(uint64_t pmc, uint16_t width)
{
    if (width == 0 || width >= 64)
        return (int64_t)pmc;
    return (int64_t)(pmc << (64 - width)) >> (64 - width);
}

bool bench_page_read(const struct perf_event_mmap_page *shared,
                     const struct bench_pmc_source *source, struct bench_reading *reading)
{
    const volatile struct perf_event_mmap_page *page = shared;
    struct snapshot s;
    uint32_t sequence;
    if (source->pmc == NULL)
        return false;
    do {
        sequence = page->lock;
        barrier();
        take(page, source, &s);
        barrier();
    } while (page->lock != sequence);
    if (s.index == 0)
        return false;
    uint64_t more_ns = s.has_time ? since_written_ns(&s) : 0;
    reading->enabled_ns = s.enabled_ns + more_ns;
    reading->running_ns = s.running_ns + more_ns;
    reading->count = (uint64_t)(s.offset + sign_extended(s.pmc, s.pmc_width));
    return true;
}

int bench_reading_difference(const struct bench_reading *start,
                             const struct bench_reading *stop, uint64_t *count)
{
    uint64_t enabled_ns = stop->enabled_ns - start->enabled_ns;
    uint64_t running_ns = stop->running_ns - start->running_ns;
    *count = stop->count - start->count;
    if (running_ns >= enabled_ns)
        return 0;
    if (running_ns == 0)
        return -ENODATA;
    *count = (uint64_t)((double)*count * ((double)enabled_ns / (double)running_ns));
    return -EAGAIN;
}

#if defined(__x86_64__)
static uint64_t cpu_pmc(void *context, uint32_t counter)
{
    uint32_t low, high;
    (void)context;
    __asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(counter));
    return (uint64_t)high << 32 | low;
}

static uint64_t cpu_clock(void *context)
{
    (void)context;
    return __builtin_ia32_rdtsc();
}

const struct bench_pmc_source bench_pmc_cpu = {cpu_pmc, cpu_clock, NULL};
#elif defined(__aarch64__)
enum { CYCLE_COUNTER = 31 };

/* The counter's number is part of the instruction. */
/* clang-format off */
#define EVENT_COUNTER(n)                                                                 \
    case n:                                                                              \
        __asm__ volatile("mrs %0, pmevcntr" #n "_el0" : "=r"(value));                    \
        break;

static uint64_t cpu_pmc(void *context, uint32_t counter)
{
    uint64_t value = 0;
    (void)context;
    switch (counter) {
    EVENT_COUNTER(0) EVENT_COUNTER(1) EVENT_COUNTER(2) EVENT_COUNTER(3) EVENT_COUNTER(4)
    EVENT_COUNTER(5) EVENT_COUNTER(6) EVENT_COUNTER(7) EVENT_COUNTER(8) EVENT_COUNTER(9)
    EVENT_COUNTER(10) EVENT_COUNTER(11) EVENT_COUNTER(12) EVENT_COUNTER(13)
    EVENT_COUNTER(14) EVENT_COUNTER(15) EVENT_COUNTER(16) EVENT_COUNTER(17)
    EVENT_COUNTER(18) EVENT_COUNTER(19) EVENT_COUNTER(20) EVENT_COUNTER(21)
    EVENT_COUNTER(22) EVENT_COUNTER(23) EVENT_COUNTER(24) EVENT_COUNTER(25)
    EVENT_COUNTER(26) EVENT_COUNTER(27) EVENT_COUNTER(28) EVENT_COUNTER(29)
    EVENT_COUNTER(30)
    case CYCLE_COUNTER:
        __asm__ volatile("mrs %0, pmccntr_el0" : "=r"(value));
        break;
    }
    return value;
}
/* clang-format on */

static uint64_t cpu_clock(void *context)
{
    uint64_t value;
    (void)context;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
}

const struct bench_pmc_source bench_pmc_cpu = {cpu_pmc, cpu_clock, NULL};
#else
const struct bench_pmc_source bench_pmc_cpu = {NULL, NULL, NULL};
#endif
