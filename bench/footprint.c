/* SPDX-License-Identifier: MIT
 *
 * footprint: what a parked flow weighs, in four currencies.
 *
 *  - reserved: address space. Free until it is touched, but limits count it (RLIMIT_AS,
 *    overcommit_memory=2).
 *  - resident: pages of user memory that the flow made real, its handle included.
 *  - page tables: what the kernel needs to find them.
 *  - kernel: kernel stacks, and objects such as task_struct, vm_area_struct, cred.
 *
 * One trial makes flows in STEPS equal steps, reads all four after each, and reports the
 * median slope over all pairs of readings: whatever the process weighed before falls out.
 * All memory is first-touch: the flow itself touches it, from a process that had none of
 * it. (Warm memory would weigh nothing, as the pages are there already.)
 *
 * The kernel's figures are of the whole system, and so noisy: their spread (interquartile
 * range of the pairwise slopes) is noted, and the rounds repeat the trial in fresh
 * processes. A kernel slope that is within its spread of zero is zero, as far as this can
 * see.
 *
 * A process has its own page tables and its own private pages, so these two are read from
 * a sample of the children, each exact, and no slope is needed; `reserved` is the child's
 * whole address space and mostly shared with the parent page by page. The kernel's figure
 * is a slope as for the others. Per-CPU counters of an mm are not in it.
 */
#include "experiments.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "footprint.h"
#include "parked.h"
#include "refusal.h"

enum { STEPS = 8, POINTS = STEPS + 1, CHILDREN_SAMPLED = 32 };

struct footprint_config {
    struct parked_config flow;
    size_t flows; /* after the last step */
};

/* What was read after each step. */
struct readings {
    double flows[POINTS];
    double reserved_bytes[POINTS], resident_bytes[POINTS], page_table_bytes[POINTS];
    double kernel_stack_bytes[POINTS], kernel_object_bytes[POINTS], kernel_bytes[POINTS];
    bool by_object;
    int process_error, kernel_error; /* 0, or why there is no such figure */
};

static void read_point(struct readings *r, int point, size_t flows)
{
    struct bench_process_memory process = {0};
    struct bench_kernel_memory kernel = {0};
    /* First, as reading /proc/PID makes objects. */
    int err = bench_kernel_memory_read(&kernel);
    if (err)
        r->kernel_error = err;
    err = bench_process_memory_read(0, &process);
    if (err)
        r->process_error = err;
    r->flows[point] = (double)flows;
    r->reserved_bytes[point] = (double)process.reserved_bytes;
    r->resident_bytes[point] = (double)process.resident_bytes;
    r->page_table_bytes[point] = (double)process.page_table_bytes;
    r->kernel_stack_bytes[point] = (double)kernel.stack_bytes;
    r->kernel_object_bytes[point] = (double)kernel.object_bytes;
    r->kernel_bytes[point] = (double)(kernel.stack_bytes + kernel.object_bytes);
    r->by_object = kernel.by_object;
}

static void report_slope(struct bench_trial *t, const struct readings *r,
                         const char *name, const char *source, const double y[POINTS],
                         int err)
{
    char key[64];
    double spread;
    if (err) {
        bench_metric_null(t, name, "B/flow", "reading /proc: %s", strerror(-err));
        return;
    }
    bench_metric(t, name, "B/flow", source, bench_slope(r->flows, y, POINTS, &spread));
    snprintf(key, sizeof key, "%s_spread", name);
    bench_note(t, key, "%.0f", spread);
}

static void report_kernel(struct bench_trial *t, const struct readings *r)
{
    const char *objects = r->by_object ? "slabinfo" : "meminfo";
    const char *all = r->by_object ? "meminfo+slabinfo" : "meminfo";
    report_slope(t, r, "kernel_bytes", all, r->kernel_bytes, r->kernel_error);
    report_slope(t, r, "kernel_stack_bytes", "meminfo", r->kernel_stack_bytes,
                 r->kernel_error);
    report_slope(t, r, "kernel_object_bytes", objects, r->kernel_object_bytes,
                 r->kernel_error);
    bench_note(t, "kernel_scope", "of the whole system%s",
               r->by_object ? ""
                            : "; whole slab pages, as /proc/slabinfo is root's: noisy");
}

static void report_own(struct bench_trial *t, const struct readings *r)
{
    int err = r->process_error;
    report_slope(t, r, "reserved_bytes", "status", r->reserved_bytes, err);
    report_slope(t, r, "resident_bytes", "smaps", r->resident_bytes, err);
    report_slope(t, r, "page_table_bytes", "status", r->page_table_bytes, err);
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double middle(double *values, size_t n)
{
    qsort(values, n, sizeof *values, double_compare);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

static void report_children(struct bench_trial *t, const struct parked *parked)
{
    double reserved[CHILDREN_SAMPLED], resident[CHILDREN_SAMPLED],
        tables[CHILDREN_SAMPLED];
    size_t flows = parked_count(parked);
    for (size_t i = 0; i < CHILDREN_SAMPLED; i++) {
        struct bench_process_memory child;
        pid_t pid = parked_process(parked, i * flows / CHILDREN_SAMPLED);
        int err = bench_process_memory_read(pid, &child);
        if (err) {
            const char *names[] = {"reserved_bytes", "resident_bytes",
                                   "page_table_bytes"};
            for (size_t n = 0; n < 3; n++)
                bench_metric_null(t, names[n], "B/flow", "reading /proc/PID: %s",
                                  strerror(-err));
            return;
        }
        reserved[i] = (double)child.reserved_bytes;
        resident[i] = (double)child.private_bytes;
        tables[i] = (double)child.page_table_bytes;
    }
    bench_metric(t, "reserved_bytes", "B/flow", "status",
                 middle(reserved, CHILDREN_SAMPLED));
    bench_metric(t, "resident_bytes", "B/flow", "smaps",
                 middle(resident, CHILDREN_SAMPLED));
    bench_metric(t, "page_table_bytes", "B/flow", "status",
                 middle(tables, CHILDREN_SAMPLED));
    bench_note(t, "resident_scope",
               "private pages of a child; the rest is shared with its parent");
}

/* Grows step by step. 0, bench_skip() or bench_fail(). */
static int grow_and_read(struct bench_trial *t, struct parked *parked, struct readings *r)
{
    const struct footprint_config *config = bench_case_of(t)->arg;
    size_t step = config->flows / STEPS;
    read_point(r, 0, 0); /* touches what reading needs; see footprint.h */
    for (int point = 0; point <= STEPS; point++) {
        int err = point ? parked_grow(parked, step) : 0;
        size_t count = parked_count(parked);
        if (err == -ENOTSUP)
            return bench_skip(t, "this kernel has no such guard (MADV_GUARD_INSTALL)");
        if (err) {
            struct refusal refusal;
            refusal_explain(&refusal, &config->flow, err);
            return bench_skip(t, "only %zu of %zu flows could be made: %s, %s", count,
                              config->flows, refusal.error, refusal.limit);
        }
        if (count != step * (size_t)point)
            return bench_fail(t, "%zu flows were made, %zu parked", step * (size_t)point,
                              count);
        read_point(r, point, count);
    }
    return 0;
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Flows of the scheduler: all run once more, then to their end; each must have. Their times, and
 * what was resident at most. */
static int run_again_and_end(struct bench_trial *t, struct parked *parked, double create_ns)
{
    struct bench_process_memory memory = {0};
    size_t flows = parked_count(parked);
    double start_ns = now_ns();
    size_t again = parked_again(parked);
    double again_ns = now_ns() - start_ns;
    bench_process_memory_read(0, &memory);
    start_ns = now_ns();
    size_t ended = parked_destroy(parked);
    double end_ns = now_ns() - start_ns;
    if (again != flows || ended != flows)
        return bench_fail(t, "of %zu flows %zu ran again and %zu ended", flows, again, ended);
    bench_metric(t, "create_ns", "ns/flow", "clock", create_ns / (double)flows);
    bench_metric(t, "again_ns", "ns/flow", "clock", again_ns / (double)flows);
    bench_metric(t, "end_ns", "ns/flow", "clock", end_ns / (double)flows);
    bench_metric(t, "process_resident_bytes", "B", "smaps", (double)memory.resident_bytes);
    return 0;
}

static int footprint_measure(struct bench_trial *t)
{
    const struct footprint_config *config = bench_case_of(t)->arg;
    if (config->flow.kind == PARKED_PTHREAD &&
        config->flow.stack_bytes < (size_t)PTHREAD_STACK_MIN)
        return bench_skip(t, "PTHREAD_STACK_MIN is %ld here", (long)PTHREAD_STACK_MIN);
    if (parked_distorted())
        return bench_skip(t, "%s", parked_distorted());
    struct parked *parked = parked_new(&config->flow);
    if (!parked)
        return -ENOMEM;
    struct readings readings = {0};
    bench_kernel_memory_settle();
    double start_ns = now_ns();
    int err = grow_and_read(t, parked, &readings);
    double create_ns = now_ns() - start_ns;
    if (!err && config->flow.kind == PARKED_PROCESS)
        report_children(t, parked);
    else if (!err)
        report_own(t, &readings);
    if (!err) {
        report_kernel(t, &readings);
        bench_note(t, "flows", "%zu, in %d steps", config->flows, STEPS);
        bench_note(t, "memory", "first touch");
    }
    if (!err && config->flow.kind == PARKED_FLOW)
        return run_again_and_end(t, parked, create_ns);
    parked_destroy(parked);
    return err;
}

#define FOOTPRINT(subject_, params_, profile_, flags_, flows_, ...)                      \
    {                                                                                    \
        .experiment = "footprint", .subject = subject_, .params = params_,               \
        .op = "one parked flow", .places = BENCH_AT(BENCH_SAME_CPU),                     \
        .profile = profile_, .flags = flags_, .measure = footprint_measure,              \
        .arg = &(const struct footprint_config){{__VA_ARGS__}, flows_},                  \
    }
#define CORO(params, profile, flows, stack_bytes, guard)                                 \
    FOOTPRINT("coro", params, profile, 0, flows, PARKED_CORO, stack_bytes, guard, \
              CORO_STACK_DEFAULT)
#define PTHREAD(params, profile, flows, stack_bytes)                                     \
    FOOTPRINT("pthread", params, profile, BENCH_THREADS, flows, PARKED_PTHREAD,          \
              stack_bytes, CORO_GUARD_NONE, CORO_STACK_DEFAULT)

#define FLOW(params, profile, flows, policy, stack_bytes)                                \
    FOOTPRINT("coro-flow", params, profile, 0, flows, PARKED_FLOW, stack_bytes,          \
              CORO_GUARD_NONE, policy)
#define BY_FLOWS(params, policy, stack_bytes)                                            \
    FLOW(params ",flows=1000", BENCH_FULL, 1000, policy, stack_bytes),                   \
    FLOW(params ",flows=10000", BENCH_FULL, 10000, policy, stack_bytes),                 \
    FLOW(params ",flows=100000", BENCH_DEFAULT, 100000, policy, stack_bytes),            \
    FLOW(params ",flows=1000000", BENCH_FULL, 1000000, policy, stack_bytes)

const struct bench_case footprint_cases[] = {
    CORO("stack_bytes=1024,guard=none", BENCH_DEFAULT, 8192, 1024, CORO_GUARD_NONE),
    CORO("stack_bytes=2048,guard=none", BENCH_DEFAULT, 8192, 2048, CORO_GUARD_NONE),
    CORO("stack_bytes=4096,guard=none", BENCH_FULL, 8192, 4096, CORO_GUARD_NONE),
    CORO("stack_bytes=4096,guard=madvise", BENCH_QUICK, 8192, 4096, CORO_GUARD_MADVISE),
    CORO("stack_bytes=4096,guard=mprotect", BENCH_DEFAULT, 8192, 4096,
         CORO_GUARD_MPROTECT),
    CORO("stack_bytes=8192,guard=none", BENCH_DEFAULT, 8192, 8192, CORO_GUARD_NONE),
    CORO("stack_bytes=8192,guard=madvise", BENCH_FULL, 8192, 8192, CORO_GUARD_MADVISE),
    CORO("stack_bytes=65536,guard=madvise", BENCH_DEFAULT, 8192, 65536,
         CORO_GUARD_MADVISE),
    CORO("stack_bytes=2048,guard=none,flows=100000", BENCH_FULL, 100000, 2048,
         CORO_GUARD_NONE),
    CORO("stack_bytes=4096,guard=madvise,flows=128", BENCH_FULL, 128, 4096,
         CORO_GUARD_MADVISE),
    CORO("stack_bytes=4096,guard=madvise,flows=1024", BENCH_FULL, 1024, 4096,
         CORO_GUARD_MADVISE),
    CORO("stack_bytes=4096,guard=madvise,flows=1000000", BENCH_FULL, 1000000, 4096,
         CORO_GUARD_MADVISE),
    CORO("stack_bytes=4096,guard=madvise,flows=100000", BENCH_FULL, 100000, 4096,
         CORO_GUARD_MADVISE),
    BY_FLOWS("policy=copied", CORO_STACK_COPIED, 0),
    BY_FLOWS("policy=slab,stack_bytes=1024", CORO_STACK_SLAB, 1024),
    BY_FLOWS("policy=slab,stack_bytes=2048", CORO_STACK_SLAB, 2048),
    BY_FLOWS("policy=guarded,stack_bytes=8192", CORO_STACK_GUARDED, 8192),
    FLOW("policy=copied,flows=10000000", BENCH_FULL, 10000000, CORO_STACK_COPIED, 0),
    FOOTPRINT("ucontext", "stack_bytes=65536", BENCH_DEFAULT, 0, 1024, PARKED_UCONTEXT,
              65536, CORO_GUARD_NONE, CORO_STACK_DEFAULT),
    PTHREAD("stack_bytes=8388608", BENCH_QUICK, 1024, 8388608),
    PTHREAD("stack_bytes=1048576", BENCH_FULL, 1024, 1048576),
    PTHREAD("stack_bytes=65536", BENCH_FULL, 1024, 65536),
    PTHREAD("stack_bytes=16384", BENCH_DEFAULT, 1024, 16384),
    PTHREAD("stack_bytes=8388608,flows=10000", BENCH_FULL, 10000, 8388608),
    FOOTPRINT("fork", "", BENCH_DEFAULT, BENCH_THREADS, 256, PARKED_PROCESS, 0,
              CORO_GUARD_NONE, CORO_STACK_DEFAULT),
};
const size_t footprint_case_count = sizeof footprint_cases / sizeof *footprint_cases;
