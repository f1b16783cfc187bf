/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "footprint.h"
#include "guest_trial.h"
#include "trial_state.h"

enum { STEPS = 8, READINGS = STEPS + 1 };

struct readings {
    double flows[READINGS];
    double reserved[READINGS], resident[READINGS], tables[READINGS], kernel[READINGS];
};

/* "flows=10000" among the parameters. */
static uint64_t flows_of(const struct bench_case *spec)
{
    const char *word = strstr(spec->params, "flows=");
    return word ? strtoull(word + strlen("flows="), NULL, 10) : 0;
}

static int read_point(struct bench_trial *t, struct readings *r, int point)
{
    struct bench_kernel_memory kernel;
    struct bench_process_memory process;
    int err = bench_kernel_memory_read(&kernel);
    if (!err)
        err = bench_process_memory_read(t->process, &process);
    if (err)
        return err;
    r->reserved[point] = (double)process.reserved_bytes;
    r->resident[point] = (double)process.resident_bytes;
    r->tables[point] = (double)process.page_table_bytes;
    r->kernel[point] = (double)(kernel.stack_bytes + kernel.object_bytes);
    return 0;
}

/* Has the guest make `flows` flows in equal steps and reads /proc after each. */
static int grow(struct bench_trial *t, uint64_t flows, struct readings *r)
{
    for (int point = 0; point < READINGS; point++) {
        uint64_t more = point ? flows / STEPS : 0;
        r->flows[point] = (double)more * point;
        uint64_t counted = more ? guest_run(t, more) : 0;
        if (counted != more)
            return bench_fail(t, "%llu of %llu flows were made", (unsigned long long)counted,
                              (unsigned long long)more);
        int err = read_point(t, r, point);
        if (err)
            return err;
    }
    return 0;
}

static void report(struct bench_trial *t, const struct readings *r, const char *name,
                   const char *source, const double bytes[READINGS])
{
    char key[64];
    double spread;
    bench_metric(t, name, "B/flow", source, bench_slope(r->flows, bytes, READINGS, &spread));
    snprintf(key, sizeof key, "%s_spread", name);
    bench_note(t, key, "%.0f", spread);
}

int guest_measure_footprint(struct bench_trial *t)
{
    const struct bench_case *spec = bench_case_of(t);
    uint64_t flows = flows_of(spec);
    struct readings r;
    if (flows < STEPS)
        return bench_fail(t, "its parameters name no number of flows");
    if (spec->flags & BENCH_THREADS) /* else the kernel's memory is not reported */
        bench_kernel_memory_settle();
    int err = grow(t, flows / 10 + STEPS, &r); /* its heap's own growth first */
    if (!err)
        err = grow(t, flows, &r);
    if (err)
        return err;
    report(t, &r, "reserved_bytes", "status", r.reserved);
    report(t, &r, "resident_bytes", "smaps", r.resident);
    report(t, &r, "page_table_bytes", "status", r.tables);
    if (spec->flags & BENCH_THREADS)
        report(t, &r, "kernel_bytes", "meminfo+slabinfo", r.kernel);
    bench_note(t, "flows", "%llu, in %d steps", (unsigned long long)flows, STEPS);
    return 0;
}
