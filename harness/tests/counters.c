/* SPDX-License-Identifier: MIT
 *
 * Tests of counters.c and counters_event.c: software events, which every machine counts,
 * and every way in which the kernel or libpfm4 may say no.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "counters.h"
#include "counters_event.h"
#include "no_syscall.h"

enum { PAGES = 64 };

static void touch_pages(void)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, PAGES * page_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(memory != MAP_FAILED);
    madvise(memory, PAGES * page_bytes, MADV_NOHUGEPAGE);
    for (int i = 0; i < PAGES; i++)
        ((volatile char *)memory)[(size_t)i * page_bytes] = 1;
    munmap(memory, PAGES * page_bytes);
}

static void *touch_in_thread(void *unused)
{
    touch_pages();
    return unused;
}

static void touch_in_a_thread(void)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, touch_in_thread, NULL), 0);
    pthread_join(thread, NULL);
}

/* The count of the list's only event around `work`; skips where software events are
 * refused. */
static uint64_t count(const char *event, bool inherit, void (*work)(void))
{
    uint64_t value = 0;
    struct bench_counters *c = bench_counters_open(event, inherit);
    cr_assert_not_null(c);
    cr_assert_eq(bench_counters_count(c), 1);
    if (bench_counters_at(c, 0)->group < 0)
        cr_skip("%s", bench_counters_at(c, 0)->reason);
    cr_assert_str_eq(bench_counters_at(c, 0)->reason, "");
    cr_assert_eq(bench_counters_groups(c), 1);
    for (int i = 0; i < 2; i++) { /* a second time: the count starts anew */
        cr_assert_eq(bench_counters_start(c, 0), 0);
        work();
        cr_assert_eq(bench_counters_stop(c, 0, &value), 0);
        work(); /* not counted */
    }
    bench_counters_close(c);
    return value;
}

Test(counters, counts_page_faults)
{
    uint64_t faults = count("perf::PAGE-FAULTS", false, touch_pages);
    cr_assert_geq(faults, PAGES);
    cr_assert_lt(faults, 2 * PAGES);
}

Test(counters, counts_those_of_threads_only_when_inherited)
{
    uint64_t inherited = count("perf::PAGE-FAULTS", true, touch_in_a_thread);
    uint64_t own = count("perf::PAGE-FAULTS", false, touch_in_a_thread);
    cr_assert_geq(inherited, PAGES);
    cr_assert_lt(own, PAGES);
}

static void spin(void)
{
    for (volatile unsigned i = 0; i < 1000000; i = i + 1)
        ;
}

Test(counters, counts_task_clock_inherited_and_not)
{
    cr_assert_gt(count("perf::TASK-CLOCK", false, spin), 100000, "nanoseconds");
    cr_assert_gt(count("perf::TASK-CLOCK", true, spin), 100000);
}

Test(counters, puts_events_that_fit_in_one_group)
{
    struct bench_counters *c = bench_counters_open(
        "perf::PAGE-FAULTS,,perf::TASK-CLOCK,perf::MINOR-FAULTS", false);
    uint64_t values[3] = {7, 7, 7};
    cr_assert_eq(bench_counters_count(c), 3, "an empty name counts as none");
    if (bench_counters_at(c, 0)->group < 0)
        cr_skip("%s", bench_counters_at(c, 0)->reason);
    cr_assert_eq(bench_counters_groups(c), 1);
    cr_assert_eq(bench_counters_start(c, 0), 0);
    touch_pages();
    cr_assert_eq(bench_counters_stop(c, 0, values), 0);
    cr_assert_geq(values[0], PAGES);
    cr_assert_gt(values[1], 0);
    cr_assert_eq(values[0], values[2], "all faults here are minor ones");
    cr_assert_str_eq(bench_counters_reading(c), "read", "software events have no rdpmc");
    bench_counters_close(c);
}

static void skip_without_perf_events(void)
{
    struct bench_counters *c = bench_counters_open("perf::PAGE-FAULTS", false);
    if (strstr(bench_counters_at(c, 0)->reason, "perf_event_open is missing"))
        cr_skip("%s", bench_counters_at(c, 0)->reason);
    bench_counters_close(c);
}

Test(counters, names_metrics_after_events)
{
    skip_without_perf_events();
    struct bench_counters *c =
        bench_counters_open("perf::PAGE-FAULTS,perf::PAGE-FAULTS,NO_SUCH:UMASK=1", false);
    cr_assert_str_eq(bench_counters_at(c, 0)->metric, "page_faults");
    cr_assert_str_eq(bench_counters_at(c, 0)->source, "kernel", "no PMU has counted these");
    cr_assert_str_eq(bench_counters_at(c, 1)->metric, "page_faults_2");
    cr_assert_str_eq(bench_counters_at(c, 2)->metric, "no_such_umask_1");
    cr_assert_str_eq(bench_counters_at(c, 2)->event, "NO_SUCH:UMASK=1");
    cr_assert_null(bench_counters_at(c, 3));
    bench_counters_close(c);
}

Test(counters, explains_an_unknown_event)
{
    struct bench_counters *c = bench_counters_open("xyz", false);
    const struct bench_counter *counter = bench_counters_at(c, 0);
    cr_assert_eq(counter->group, -1);
    cr_assert(strstr(counter->reason, "libpfm4 does not know the event 'xyz'") != NULL,
              "%s", counter->reason);
    cr_assert_eq(bench_counters_groups(c), 0);
    bench_counters_close(c);
}

Test(counters, survives_a_hostile_event_list)
{
    char name[5000];
    memset(name, 'A', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    const char *lists[] = {
        "", ",,,", "::", ":", "%s%n%s", "perf::", "perf::PAGE-FAULTS:::", name};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct bench_counters *c = bench_counters_open(lists[i], false);
        cr_assert_not_null(c);
        for (size_t e = 0; e < bench_counters_count(c); e++)
            cr_expect((bench_counters_at(c, e)->group < 0) ==
                      (bench_counters_at(c, e)->reason[0] != '\0'));
        bench_counters_close(c);
    }
}

Test(counters, refuses_groups_that_are_not_there)
{
    uint64_t value;
    struct bench_counters *c = bench_counters_open("xyz", false);
    cr_assert_eq(bench_counters_start(c, 0), -EINVAL);
    cr_assert_eq(bench_counters_start(c, -1), -EINVAL);
    cr_assert_eq(bench_counters_stop(c, 5, &value), -EINVAL);
    bench_counters_close(c);
}

/* Every default metric is there, counted or with a reason. */
static void check_default(const char *reason_wanted)
{
    const char *metrics[] = {"cycles",     "instructions", "branch_misses",
                             "l1d_misses", "llc_misses",   "dtlb_misses"};
    struct bench_counters *c = bench_counters_open(NULL, false);
    cr_assert_not_null(c);
    cr_assert_eq(bench_counters_count(c), sizeof(metrics) / sizeof(metrics[0]));
    for (size_t i = 0; i < bench_counters_count(c); i++) {
        const struct bench_counter *counter = bench_counters_at(c, i);
        cr_expect_str_eq(counter->metric, metrics[i]);
        cr_expect((counter->group < 0) == (counter->reason[0] != '\0'));
        if (reason_wanted != NULL)
            cr_expect(strstr(counter->reason, reason_wanted) != NULL, "%s: %s",
                      counter->metric, counter->reason);
    }
    bench_counters_close(c);
    cr_assert_not_null(bench_counters_pmu_name());
}

Test(counters, has_every_default_metric_or_its_reason)
{
    check_default(strncmp(bench_counters_pmu_name(), "none: no PMU", 12) == 0 ? "no PMU"
                                                                              : NULL);
}

Test(counters, explains_a_filter_that_denies)
{
    int error = no_syscall(SYS_perf_event_open, EPERM);
    if (error != 0)
        cr_skip("no seccomp filter: %s", strerror(-error));
    check_default("seccomp refuses perf_event_open (EPERM)");
    cr_assert(strstr(bench_counters_pmu_name(), "none: seccomp refuses") != NULL);
}

Test(counters, explains_a_filter_that_hides)
{
    int error = no_syscall(SYS_perf_event_open, ENOSYS);
    if (error != 0)
        cr_skip("no seccomp filter: %s", strerror(-error));
    check_default("perf_event_open is missing (ENOSYS)");
}

Test(counters, explains_paranoia)
{
    int error = no_syscall(SYS_perf_event_open, EACCES);
    if (error != 0)
        cr_skip("no seccomp filter: %s", strerror(-error));
    check_default("kernel.perf_event_paranoid is");
}

Test(counters, explains_a_lack_of_descriptors)
{
    skip_without_perf_events();
    while (dup(0) >= 0)
        ;
    struct bench_counters *c = bench_counters_open("perf::PAGE-FAULTS", false);
    cr_assert(strstr(bench_counters_at(c, 0)->reason, "file descriptors") != NULL, "%s",
              bench_counters_at(c, 0)->reason);
    bench_counters_close(c);
}

Test(counters, gives_descriptors_back)
{
    int before = dup(0);
    close(before);
    for (int i = 0; i < 50; i++)
        bench_counters_close(
            bench_counters_open("perf::PAGE-FAULTS,perf::TASK-CLOCK", false));
    bench_counters_close(bench_counters_open(NULL, true));
    bench_counters_close(NULL);
    int after = dup(0);
    cr_assert_eq(before, after);
}
