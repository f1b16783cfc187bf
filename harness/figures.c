/* SPDX-License-Identifier: MIT */
#include "trial_state.h"

#include <math.h>
#include <stddef.h>

#include "stats.h"

/* Slope of the least-squares line through x = N, 2N, 4N. */
static double slope(const double y[POINTS], uint64_t n)
{
    return (-4 * y[0] - y[1] + 5 * y[2]) / (14 * (double)n);
}

/* How far the three points are from one line: the difference of the two partial slopes,
 * as a share of the whole one. */
static double bend(const double y[POINTS], uint64_t n)
{
    double s = slope(y, n) * (double)n;
    return s != 0 ? ((y[2] - y[1]) / 2 - (y[1] - y[0])) / s : 0;
}

/* A contaminated trial still has its figures, over all triples: it is kept as a rejection. */
static bool is_contaminated(const struct bench_trial *t)
{
    int wanted = t->options->triples < t->triple_count ? t->options->triples : t->triple_count;
    return t->triple_count - t->disturbed < (wanted + 1) / 2;
}

typedef double figure_fn(const struct bench_trial *t, const struct triple *triple);

static double figure_ns(const struct bench_trial *t, const struct triple *triple)
{
    return slope(triple->ns, t->ops);
}
static double figure_cycles(const struct bench_trial *t, const struct triple *triple)
{
    return slope(triple->ns, t->ops) / triple->canary_ns;
}
static double figure_cpu_ns(const struct bench_trial *t, const struct triple *triple)
{
    double cpu_ns[POINTS];
    for (int p = 0; p < POINTS; p++)
        cpu_ns[p] = triple->kernel[p].cpu_ns;
    return slope(cpu_ns, t->ops);
}
static double figure_bend(const struct bench_trial *t, const struct triple *triple)
{
    return bend(triple->ns, t->ops);
}
static double figure_fixed_ns(const struct bench_trial *t, const struct triple *triple)
{
    double mean = (triple->ns[0] + triple->ns[1] + triple->ns[2]) / 3;
    return mean - slope(triple->ns, t->ops) * (double)t->ops * 7 / 3;
}

static size_t figures(const struct bench_trial *t, figure_fn *figure, double *values)
{
    size_t n = 0;
    for (int i = 0; i < t->triple_count; i++)
        if (!t->triples[i].disturbed || is_contaminated(t))
            values[n++] = figure(t, &t->triples[i]);
    return n;
}

static double over_triples(const struct bench_trial *t, figure_fn *figure)
{
    double values[TRIPLES_MAX * TRIES_PER_TRIPLE];
    return bench_median(values, figures(t, figure, values));
}

/* One thread does the same work each time: what differs is the machine, and what it does
 * unseen only adds. So there the figure is the lower quartile over triples. Where the kernel
 * schedules threads the variation is part of the cost: there it is the median. */
static double cost(const struct bench_trial *t, figure_fn *figure)
{
    double values[TRIPLES_MAX * TRIES_PER_TRIPLE];
    size_t n = figures(t, figure, values);
    return bench_quantile(values, n, t->entry->spec->flags & BENCH_THREADS ? 0.5 : 0.25);
}

/* Bent by more than 5 %, and surely bent at all: the bend's 95 % interval excludes 0. */
static bool is_nonlinear(const struct bench_trial *t)
{
    double bends[TRIPLES_MAX * TRIES_PER_TRIPLE];
    size_t lo, hi, n = figures(t, figure_bend, bends);
    return fabs(bench_median(bends, n)) > 0.05 && bench_median_ranks(n, &lo, &hi) == 0 &&
           bends[lo] * bends[hi] > 0;
}

/* The kernel's counts are whole numbers, few per epoch: their slope is taken over the sums. */
static double kernel_slope(const struct bench_trial *t, size_t field_offset)
{
    double sum[POINTS] = {0};
    for (int i = 0; i < t->triple_count; i++)
        for (int p = 0; p < POINTS; p++)
            sum[p] += *(const double *)((const char *)&t->triples[i].kernel[p] + field_offset);
    return slope(sum, t->ops) / t->triple_count;
}
#define KERNEL_SLOPE(t, field) kernel_slope(t, offsetof(struct kernel_counts, field))

/* How far a disturbed trial may be off before it proves something all the same. */
enum { DISTURBED_FACTOR = 10 };

/* Another process's are told apart from those of asking it to within a few per epoch. */
static double switches_slack(const struct bench_trial *t)
{
    return t->process ? fmin(0.05, 8.0 / (double)t->ops) : 0;
}

static void prove_kernel_switches(struct bench_trial *t, double voluntary, double involuntary)
{
    const struct bench_case *spec = t->entry->spec;
    double factor = is_contaminated(t) ? DISTURBED_FACTOR : 1;

    if (spec->kernel_switches_max <= 0)
        return;
    if (isnan(voluntary)) {
        if (factor == 1)
            bench_fail(t, "its kernel switches cannot be proved: its threads came and went");
    } else if (voluntary > spec->kernel_switches_max * factor + switches_slack(t)) {
        /* At the upper end only voluntary ones count: the others are the machine's noise. */
        bench_fail(t, "%.3f voluntary kernel switches per op, at most %.3f expected",
                   voluntary, spec->kernel_switches_max);
    } else if (spec->kernel_switches_min > 0 &&
               voluntary + involuntary <
                   spec->kernel_switches_min / factor - switches_slack(t)) {
        bench_fail(t, "%.3f kernel switches per op, at least %.3f expected",
                   voluntary + involuntary, spec->kernel_switches_min);
    }
}

/* Another process's switches are known only while its threads stay (kernel_counts.h). */
static void report_switches(struct bench_trial *t, const char *name, double per_op)
{
    if (isnan(per_op))
        bench_metric_null(t, name, "switches/op",
                          "threads came and went: the kernel tells those of the living alone");
    else
        bench_metric(t, name, "switches/op", t->process ? "proc" : "rusage", per_op);
}

void trial_report_times(struct bench_trial *t)
{
    const char *source = t->process ? "proc" : "rusage";
    double ns = cost(t, figure_ns);
    double voluntary = KERNEL_SLOPE(t, voluntary);
    double involuntary = KERNEL_SLOPE(t, involuntary);
    bench_metric(t, "ns", "ns/op", "clock", ns);
    bench_metric(t, "cycles_estimated", "cycles/op", "canary",
                 cost(t, figure_cycles));
    bench_metric(t, "cpu_ns", "ns/op", source, cost(t, figure_cpu_ns));
    report_switches(t, "kernel_switches_voluntary", voluntary);
    report_switches(t, "kernel_switches_involuntary", involuntary);
    bench_metric(t, "faults_minor", "faults/op", source, KERNEL_SLOPE(t, faults_minor));
    prove_kernel_switches(t, voluntary, involuntary);
    t->nonlinearity = over_triples(t, figure_bend);
    t->fixed_ns = over_triples(t, figure_fixed_ns);
    if (is_nonlinear(t))
        trial_flag(t, "nonlinear");
    if (ns < 0) /* what disturbed it was larger than what was measured */
        trial_flag(t, "negative");
    if (ns < 0 || is_contaminated(t))
        trial_flag(t, "contaminated");
}
