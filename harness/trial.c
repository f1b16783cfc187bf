/* SPDX-License-Identifier: MIT */
#include "trial_state.h"

#include <alloca.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "counters.h"
#include "record.h"
#include "singlestep.h"

/* ---------------------------------------------------------------- counters */

/* All of the time, or some of it, or none of it (see bench_counters_stop()). */
static bool is_counted(int error)
{
    return error == 0 || error == -EAGAIN || error == -ENODATA;
}

/* One group at a time, around runs that are not timed: N and 4N, the slope of each event. */
static void measure_group(struct bench_trial *t, struct bench_counters *counters, int group,
                          uint64_t *low, uint64_t *high)
{
    size_t count = bench_counters_count(counters);
    uint64_t n = t->ops;
    int err = bench_counters_start(counters, group);
    bool proved = trial_run_proved(t, n);
    int err_low = bench_counters_stop(counters, group, low);
    err = err ? err : bench_counters_start(counters, group);
    proved = proved && trial_run_proved(t, 4 * n);
    int err_high = bench_counters_stop(counters, group, high);
    for (size_t i = 0; proved && i < count; i++) {
        const struct bench_counter *event = bench_counters_at(counters, i);
        if (event->group != group)
            continue;
        char unit[64];
        snprintf(unit, sizeof unit, "%s/op", event->metric);
        if (err || !is_counted(err_low) || !is_counted(err_high)) {
            bench_metric_null(t, event->metric, unit, "reading %s failed", event->event);
            continue;
        }
        double per_op = ((double)high[i] - (double)low[i]) / (3 * (double)n);
        if (err_low || err_high) {
            /* Scaled up from a part of the time, or from none: no gate may see it. */
            bench_metric_null(t, event->metric, unit, "%s was multiplexed by the kernel",
                              event->event);
            trial_flag(t, "multiplexed");
        } else {
            bench_metric(t, event->metric, unit, event->source, per_op);
        }
    }
}

static void report_counters(struct bench_trial *t, struct bench_counters *counters)
{
    size_t count = bench_counters_count(counters);
    uint64_t *values = calloc(2 * count + 1, sizeof *values);
    for (size_t i = 0; i < count; i++) {
        const struct bench_counter *event = bench_counters_at(counters, i);
        char unit[64];
        snprintf(unit, sizeof unit, "%s/op", event->metric);
        if (event->group < 0)
            bench_metric_null(t, event->metric, unit, "%s", event->reason);
    }
    for (int g = 0; values && !t->error[0] && g < bench_counters_groups(counters); g++)
        measure_group(t, counters, g, values, values + count);
    free(values);
}

/* ------------------------------------------------------------------- trial */

/* Not inlined: the instructions between the marks must be the same in both calls, or the slope
 * is not an integer. */
static __attribute__((noinline)) uint64_t run_between_marks(struct bench_trial *t, uint64_t ops)
{
    bench_mark();
    uint64_t counted = trial_run(t, ops);
    bench_mark();
    return counted;
}

/* The single-stepper wants N and 2N between breakpoints; N-differencing instruments such as
 * Valgrind want one call and nothing that depends on N. */
static void run_marked(struct bench_trial *t)
{
    uint64_t n = t->options->count_ops;
    if (!trial_run_proved(t, n)) /* warm: lazy things happen outside the marks */
        return;
    for (int factor = 1; factor <= 2; factor++) {
        uint64_t counted = run_between_marks(t, n * (uint64_t)factor);
        if (counted != n * (uint64_t)factor) {
            bench_fail(t, "counted %llu of %llu operations", (unsigned long long)counted,
                       (unsigned long long)n * (unsigned)factor);
            return;
        }
    }
}

static void run_timed(struct bench_trial *t)
{
    struct bench_clock clock;
    bench_clock_check(&clock);
    if (!trial_calibrate(t, bench_epoch_ns(&clock, t->options->epoch_ms * 1e6)))
        return;
    if (trial_run_triples(t))
        trial_report_times(t);
}

static void run_body(struct bench_trial *t)
{
    if (t->options->plant_delay > 0 || t->options->plant_instruction)
        trial_flag(t, "planted");
    const struct bench_case *spec = t->entry->spec;
    bool times = spec->run && !t->options->count_ops && !t->options->fixed_ops;
    /* Opened before setup(), as threads inherit counters only from then on. */
    struct bench_counters *counters =
        times ? bench_counters_open(t->options->events,
                                    spec->flags & (BENCH_THREADS | BENCH_GUEST)) : NULL;
    int err = spec->setup ? spec->setup(t) : 0;
    if (err) {
        if (!t->skipped[0])
            bench_fail(t, "setup failed: %s", strerror(-err));
    } else if (spec->measure) {
        err = spec->measure(t);
        if (err && !t->skipped[0])
            bench_fail(t, "measuring failed: %s", strerror(-err));
    } else if (t->options->count_ops) {
        run_marked(t);
    } else if (t->options->fixed_ops) {
        trial_run_proved(t, t->options->fixed_ops);
    } else {
        run_timed(t);
        if (counters && !t->error[0] && !t->skipped[0])
            report_counters(t, counters);
    }
    if (spec->teardown)
        spec->teardown(t);
    if (counters)
        bench_counters_close(counters);
}

/* Some flow of a single-threaded case runs on this very stack. Where a switch stores on it makes
 * it slower when a frame lies over two cache lines, and doubles its time at a page's distance from
 * what is loaded next; the kernel draws that anew in each process. With COROBENCH_STACK_OFFSET it is
 * as given, modulo a page: the runner draws one for all trials of a block, so that arms do not
 * differ by this. */
static __attribute__((noinline)) void run_at_stack_offset(struct bench_trial *t)
{
    enum { PAGE = 4096, ALIGNMENT = 16 };
    const char *wanted = getenv(BENCH_STACK_OFFSET);
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    size_t down = wanted ? (here - strtoul(wanted, NULL, 10)) % PAGE : 0;
    char *room = alloca(down / ALIGNMENT * ALIGNMENT + ALIGNMENT);

    __asm__ volatile("" : : "r"(room) : "memory"); /* it is there as long as the body runs */
    run_body(t);
    __asm__ volatile("" : : "r"(room) : "memory");
}

static json_t *epochs_json(const struct bench_trial *t)
{
    json_t *epochs = json_array();
    for (int i = 0; i < t->triple_count; i++)
        for (int p = 0; p < POINTS; p++)
            json_array_append_new(
                epochs, json_pack("[I, f, f, i]", (json_int_t)(t->ops * point_factor[p]),
                                  t->triples[i].ns[p], t->triples[i].canary_ns,
                                  t->triples[i].disturbed));
    return epochs;
}

static json_t *number_or_null(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *checks_json(const struct bench_trial *t)
{
    return json_pack(
        "{s:I, s:I, s:o, s:o, s:o, s:f, s:i, s:i, s:i, s:i, s:f, s:f, s:f}", "ops_expected",
        (json_int_t)t->ops_expected, "ops_counted", (json_int_t)t->ops_counted,
        "kernel_switches_voluntary", number_or_null(t->voluntary),
        "kernel_switches_involuntary", number_or_null(t->involuntary), "others_ns",
        number_or_null(t->others_ns), "steal_ticks", t->steal_ticks, "migrations", t->migrations,
        "triples", t->triple_count, "triples_disturbed", t->disturbed, "triples_crowded",
        t->crowded, "core_width", t->widths[WIDTH_RANK - 1], "nonlinearity", t->nonlinearity, "fixed_ns",
        t->fixed_ns);
}

static json_t *trial_record(struct bench_trial *t)
{
    json_t *record = json_pack("{s:i, s:s}", "schema", BENCH_SCHEMA, "kind", "trial");
    json_t *what = bench_entry_json(t->entry);
    if (!record || !what)
        return NULL;
    json_object_update(record, what);
    json_decref(what);
    if (t->error[0] || t->skipped[0])
        json_object_clear(t->metrics); /* no figure outlives a failed proof */
    json_object_set_new(record, "ops", json_integer((json_int_t)t->ops));
    json_object_set(record, "metrics", t->metrics);
    json_object_set_new(record, "epochs", epochs_json(t));
    json_object_set_new(record, "checks", checks_json(t));
    json_object_set(record, "flags", t->flags);
    json_object_set(record, "notes", t->notes);
    json_object_set_new(record, "skipped",
                        t->skipped[0] && !t->error[0] ? bench_json_text(t->skipped)
                                                      : json_null());
    json_object_set_new(record, "error",
                        t->error[0] ? bench_json_text(t->error) : json_null());
    return record;
}

json_t *bench_trial_run(const struct bench_entry *entry,
                        const struct bench_trial_options *options)
{
    struct bench_trial t = {.entry = entry, .options = options};
    t.metrics = json_object();
    t.notes = json_object();
    t.flags = json_array();
    int err;
    if (entry->skipped)
        bench_skip(&t, "%s", entry->skipped);
    else if ((err = bench_pin(&t, 0)))
        bench_fail(&t, "pinning to CPU %d failed: %s", entry->cpu[0], strerror(-err));
    else
        run_at_stack_offset(&t);
    json_t *record = trial_record(&t);
    json_decref(t.metrics);
    json_decref(t.notes);
    json_decref(t.flags);
    free(t.triples);
    return record;
}
