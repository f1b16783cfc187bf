/* SPDX-License-Identifier: MIT
 *
 * Tests of counters_page.c: the arithmetic of the shared page, on pages made up here.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include "counters_page.h"

/* Plays CPU and kernel: the counter's value, and what the kernel does while it is read.
 */
struct machine {
    struct perf_event_mmap_page page;
    uint64_t pmc, clock;
    uint32_t asked_for; /* which counter was read last */
    int reads;
    int moves_left; /* so many reads are interrupted by the kernel */
};

static uint64_t read_pmc(void *context, uint32_t counter)
{
    struct machine *m = context;
    m->asked_for = counter;
    m->reads++;
    if (m->moves_left > 0) { /* the event moves to the next counter */
        m->moves_left--;
        m->page.lock += 2;
        m->page.index++;
        m->page.offset += 1000;
        return 0xdead;
    }
    return m->pmc;
}

static uint64_t read_clock(void *context)
{
    return ((struct machine *)context)->clock;
}

static struct machine a_machine(void)
{
    struct machine m;
    memset(&m, 0, sizeof(m));
    m.page.cap_user_rdpmc = 1;
    m.page.pmc_width = 48;
    m.page.index = 1;
    m.page.time_enabled = m.page.time_running = 500;
    return m;
}

static bool read_machine(struct machine *m, struct bench_reading *reading)
{
    const struct bench_pmc_source source = {read_pmc, read_clock, m};
    return bench_page_read(&m->page, &source, reading);
}

Test(counters_page, adds_the_counter_to_the_offset)
{
    struct machine m = a_machine();
    struct bench_reading reading;
    m.page.index = 4;
    m.page.offset = 1000000;
    m.pmc = 234;
    cr_assert(read_machine(&m, &reading));
    cr_assert_eq(reading.count, 1000234);
    cr_assert_eq(m.asked_for, 3, "index counts from 1, the instruction from 0");
    cr_assert_eq(reading.enabled_ns, 500);
    cr_assert_eq(reading.running_ns, 500);
}

Test(counters_page, extends_the_sign_of_a_narrow_counter)
{
    struct machine m = a_machine();
    struct bench_reading reading;
    /* the kernel starts it at -2^31, within 48 bits; it has counted 5 */
    m.page.offset = 0x80000000;
    m.pmc = (((uint64_t)1 << 48) - 0x80000000u) + 5;
    cr_assert(read_machine(&m, &reading));
    cr_assert_eq(reading.count, 5);
    m.page.pmc_width = 64;
    m.pmc = (uint64_t)-0x80000000ll + 6;
    cr_assert(read_machine(&m, &reading));
    cr_assert_eq(reading.count, 6);
    m.page.pmc_width = 40; /* bits above the width are no part of it */
    m.pmc = 0xff0000000007;
    m.page.offset = 0;
    cr_assert(read_machine(&m, &reading));
    cr_assert_eq((int64_t)reading.count, 7);
    m.pmc = 0xff8000000000;
    cr_assert(read_machine(&m, &reading));
    cr_assert_eq((int64_t)reading.count, -((int64_t)1 << 39));
}

Test(counters_page, reads_again_when_the_kernel_moved_the_event)
{
    struct machine m = a_machine();
    struct bench_reading reading;
    m.moves_left = 2;
    m.pmc = 10;
    cr_assert(read_machine(&m, &reading));
    cr_assert_eq(m.reads, 3);
    cr_assert_eq(m.asked_for, 2, "the counter of the last reading");
    cr_assert_eq(reading.count, 2010, "the offset of the last reading");
}

Test(counters_page, leaves_to_read_what_is_on_no_counter)
{
    struct machine m = a_machine();
    struct bench_reading reading;
    m.page.index = 0;
    cr_assert_not(read_machine(&m, &reading));
    m.page.index = 1;
    m.page.cap_user_rdpmc = 0;
    cr_assert_not(read_machine(&m, &reading));
    cr_assert_eq(m.reads, 0, "the instruction would have trapped");
    const struct bench_pmc_source none = {NULL, NULL, NULL};
    m.page.cap_user_rdpmc = 1;
    cr_assert_not(bench_page_read(&m.page, &none, &reading));
}

Test(counters_page, brings_the_times_of_a_multiplexed_event_up_to_date)
{
    struct machine m = a_machine();
    struct bench_reading reading;
    m.page.time_enabled = 1000;
    m.page.time_running = 400;
    m.page.cap_user_time = 1;
    m.page.time_shift = 4;
    m.page.time_mult = 32; /* 2 ns a tick */
    m.page.time_offset = 7;
    m.clock = 100;
    cr_assert(read_machine(&m, &reading));
    cr_assert_eq(reading.enabled_ns, 1000 + 207);
    cr_assert_eq(reading.running_ns, 400 + 207);
    /* a clock of 8 bits that has wrapped since the page was written at 250 */
    m.page.cap_user_time_short = 1;
    m.page.time_cycles = 250;
    m.page.time_mask = 255;
    m.clock = 4;
    cr_assert(read_machine(&m, &reading));
    cr_assert_eq(reading.enabled_ns, 1000 + 7 + 2 * 260);
}

Test(counters_page, takes_differences)
{
    uint64_t count;
    const struct bench_reading start = {100, 1000, 900};
    struct bench_reading stop = {350, 3000, 2900};
    cr_assert_eq(bench_reading_difference(&start, &stop, &count), 0);
    cr_assert_eq(count, 250, "multiplexed before, but not within");
    stop = (struct bench_reading){350, 3000, 1900};
    cr_assert_eq(bench_reading_difference(&start, &stop, &count), -EAGAIN);
    cr_assert_eq(count, 500, "it ran for half of the time");
    stop = (struct bench_reading){100, 3000, 900};
    cr_assert_eq(bench_reading_difference(&start, &stop, &count), -ENODATA);
    const struct bench_reading wrapped = {(uint64_t)-10, 1000, 1000};
    stop = (struct bench_reading){5, 2000, 2000};
    cr_assert_eq(bench_reading_difference(&wrapped, &stop, &count), 0);
    cr_assert_eq(count, 15);
}
