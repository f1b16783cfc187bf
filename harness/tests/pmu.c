/* SPDX-License-Identifier: MIT
 *
 * Tests of the hardware counters where there are some: skipped, with the kernel's reason,
 * where not. scripts/vm-test runs them on an emulated machine that has a PMU.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "counters.h"
#include "counters_event.h"
#include "counters_page.h"

static struct bench_counters *instructions_or_skip(void)
{
    struct bench_counters *c = bench_counters_open("instructions:u", false);
    cr_assert_not_null(c);
    if (bench_counters_at(c, 0)->group < 0)
        cr_skip_test("%s", bench_counters_at(c, 0)->reason);
    return c;
}

/* Two instructions each turn. */
static __attribute__((noinline)) void turn(uint64_t turns)
{
#if defined(__x86_64__)
    __asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(turns) : : "cc");
#elif defined(__aarch64__)
    __asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(turns) : : "cc");
#elif defined(__riscv)
    __asm__ volatile("1: addi %0, %0, -1\n\tbnez %0, 1b" : "+r"(turns));
#endif
}

static uint64_t instructions_of(struct bench_counters *c, uint64_t turns)
{
    uint64_t count = 0;
    cr_assert_eq(bench_counters_start(c, 0), 0);
    turn(turns);
    cr_assert_eq(bench_counters_stop(c, 0, &count), 0);
    return count;
}

Test(pmu, counts_the_instructions_that_there_are, .timeout = 60)
{
    enum { TURNS = 100000 };
    struct bench_counters *c = instructions_or_skip();
    instructions_of(c, TURNS);
    uint64_t once = instructions_of(c, TURNS), twice = instructions_of(c, 2 * TURNS);
    double per_turn = (double)(twice - once) / TURNS;
    cr_expect(per_turn > 1.99 && per_turn < 2.01, "%f", per_turn);
    bench_counters_close(c);
}

/* What read(2) says just before and just after has the page's count between. */
static unsigned page_disagrees(int fd, const struct perf_event_mmap_page *page, unsigned times)
{
    unsigned disagreed = 0;
    for (unsigned i = 0; i < times; i++) {
        struct bench_reading before, here, after;
        cr_assert_eq(read(fd, &before, sizeof before), (ssize_t)sizeof before);
        bool had = bench_page_read(page, &bench_pmc_cpu, &here);
        cr_assert_eq(read(fd, &after, sizeof after), (ssize_t)sizeof after);
        disagreed += !had || here.count <= before.count || here.count >= after.count;
    }
    return disagreed;
}

Test(pmu, the_page_agrees_with_read_each_of_100000_times, .timeout = 300)
{
    struct perf_event_attr attr;
    char reason[BENCH_REASON_BYTES];
    bool user_only;
    bench_counters_close(instructions_or_skip());
    cr_assert_eq(bench_event_encode("instructions:u", &attr, reason), 0, "%s", reason);
#if defined(__aarch64__)
    attr.config1 |= 2; /* may be read in user space */
#endif
    int fd = bench_event_open(&attr, -1, &user_only, reason);
    if (fd < 0)
        cr_skip_test("not to be read in user space: %s", reason);
    cr_assert_eq(ioctl(fd, PERF_EVENT_IOC_ENABLE, 0), 0);
    void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, fd, 0);
    cr_assert_neq(page, MAP_FAILED);
    struct bench_reading reading;
    if (!bench_page_read(page, &bench_pmc_cpu, &reading))
        cr_skip_test("the kernel keeps the counter from user space");
    cr_expect_eq(page_disagrees(fd, page, 100000), 0);
}

/* More events than any PMU counts at once, each a group of its own. */
Test(pmu, what_the_kernel_multiplexes_is_told, .timeout = 60)
{
    enum { EVENTS = 64, ROUNDS = 2000, TURNS = 20000 };
    struct bench_counters *c = instructions_or_skip();
    struct perf_event_attr attr;
    char reason[BENCH_REASON_BYTES];
    bool user_only;
    uint64_t count;
    for (int i = 0; i < EVENTS; i++) {
        cr_assert_eq(bench_event_encode("instructions:u", &attr, reason), 0);
        int fd = bench_event_open(&attr, -1, &user_only, reason);
        cr_assert_geq(fd, 0, "%s", reason);
        cr_assert_eq(ioctl(fd, PERF_EVENT_IOC_ENABLE, 0), 0);
    }
    cr_assert_eq(bench_counters_start(c, 0), 0);
    for (int i = 0; i < ROUNDS; i++)
        turn(TURNS);
    int error = bench_counters_stop(c, 0, &count);
    cr_expect(error == -EAGAIN || error == -ENODATA, "stop() says %d", error);
    bench_counters_close(c);
}
