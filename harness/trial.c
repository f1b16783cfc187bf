/* SPDX-License-Identifier: MIT */
#include "trial.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "clock.h"
#include "counters.h"
#include "record.h"
#include "singlestep.h"
#include "stats.h"

enum { POINTS = 3, TRIPLES_MAX = 1000, TRIES_PER_TRIPLE = 6, WIDTH_RANK = 3 };
/* How long a trial waits, in all, for its core to be alone. */
static const uint64_t patience_ns = 1000000000;
static const uint64_t point_factor[POINTS] = {1, 2, 4};
/* Below this share of the width it has when alone, a core is shared. Alone, the width repeats
 * within 1 %; beside a busy sibling it falls by 7 to 50 %. */
static const double alone_share = 0.95;

/* What the kernel counted for this process, and for the placement's CPUs. */
struct kernel_counts {
    double voluntary, involuntary, faults_minor; /* getrusage, the whole process */
    double steal_ticks;                          /* /proc/stat, the CPUs of the placement */
};

struct triple {
    double ns[POINTS], cpu_ns[POINTS];
    struct kernel_counts kernel[POINTS];
    double canary_ns; /* mean of the cycle times around and between the points */
    double width_min; /* smallest width that any of its canaries found */
    bool interrupted; /* by what the kernel counts */
    bool crowded;     /* by a busy sibling thread */
    bool disturbed;   /* by either */
};

struct bench_trial {
    const struct bench_entry *entry;
    const struct bench_trial_options *options;
    void *state;
    json_t *metrics, *notes, *flags;
    char skipped[320], error[320];

    uint64_t ops; /* N, once calibrated */
    uint64_t ops_expected, ops_counted;
    struct triple *triples; /* all that were made, disturbed or not */
    int triple_count, disturbed, migrations, crowded;
    /* The largest widths that canaries found here, in falling order. The third serves as the
     * core's own: a rare reading is far too high. */
    double widths[WIDTH_RANK];
    uint64_t waited_ns;
    double involuntary, voluntary, steal_ticks; /* over all triples */
    double nonlinearity, fixed_ns;
};

/* ------------------------------------------------- what a case calls (bench.h) */

const struct bench_case *bench_case_of(const struct bench_trial *t)
{
    return t->entry->spec;
}

void bench_set_state(struct bench_trial *t, void *state)
{
    t->state = state;
}

void *bench_state(const struct bench_trial *t)
{
    return t->state;
}

int bench_cpu(const struct bench_trial *t, unsigned flow)
{
    return t->entry->cpu[flow % BENCH_PLACEMENT_CPUS];
}

int bench_pin(const struct bench_trial *t, unsigned flow)
{
    int cpu = bench_cpu(t, flow);
    size_t bytes = CPU_ALLOC_SIZE((size_t)cpu + 1);
    cpu_set_t *set = CPU_ALLOC((size_t)cpu + 1);
    if (!set)
        return -ENOMEM;
    CPU_ZERO_S(bytes, set);
    CPU_SET_S((size_t)cpu, bytes, set);
    int err = sched_setaffinity(0, bytes, set) ? -errno : 0;
    CPU_FREE(set);
    return err;
}

#define FORMAT_INTO(buffer, format)                                                        \
    do {                                                                                   \
        va_list arguments;                                                                 \
        va_start(arguments, format);                                                       \
        vsnprintf(buffer, sizeof buffer, format, arguments);                               \
        va_end(arguments);                                                                 \
    } while (0)

int bench_skip(struct bench_trial *t, const char *format, ...)
{
    FORMAT_INTO(t->skipped, format);
    return -ECANCELED;
}

int bench_fail(struct bench_trial *t, const char *format, ...)
{
    if (!t->error[0]) /* the first failure is the cause; later ones follow from it */
        FORMAT_INTO(t->error, format);
    return -ECANCELED;
}

void bench_metric(struct bench_trial *t, const char *name, const char *unit,
                  const char *source, double value)
{
    if (!isfinite(value)) {
        bench_metric_null(t, name, unit, "the computation gave no finite number");
        return;
    }
    json_object_set_new(t->metrics, name,
                        json_pack("{s:f, s:s, s:s}", "value", value, "unit", unit, "source",
                                  source));
}

void bench_metric_null(struct bench_trial *t, const char *name, const char *unit,
                       const char *reason_format, ...)
{
    char reason[320];
    FORMAT_INTO(reason, reason_format);
    json_object_set_new(t->metrics, name,
                        json_pack("{s:n, s:s, s:s, s:o}", "value", "unit", unit, "source",
                                  "none", "reason", bench_json_text(reason)));
}

void bench_note(struct bench_trial *t, const char *key, const char *format, ...)
{
    char text[320];
    FORMAT_INTO(text, format);
    json_object_set_new(t->notes, key, bench_json_text(text));
}

static void flag(struct bench_trial *t, const char *word)
{
    json_array_append_new(t->flags, json_string(word));
}

/* --------------------------------------------------------------- one epoch */

/* Steal ticks of the placement's CPUs since boot: the eighth figure of each cpuN line. */
static double steal_ticks(const struct bench_trial *t)
{
    FILE *file = fopen("/proc/stat", "re");
    char line[512];
    double sum = 0;
    while (file && fgets(line, sizeof line, file)) {
        int cpu;
        unsigned long long steal;
        if (sscanf(line, "cpu%d %*u %*u %*u %*u %*u %*u %*u %llu", &cpu, &steal) != 2)
            continue;
        if (cpu == t->entry->cpu[0] ||
            (cpu == t->entry->cpu[1] && t->entry->cpu[1] != t->entry->cpu[0]))
            sum += (double)steal;
    }
    if (file)
        fclose(file);
    return sum;
}

static struct kernel_counts kernel_now(void)
{
    struct rusage self;
    getrusage(RUSAGE_SELF, &self);
    return (struct kernel_counts){.voluntary = (double)self.ru_nvcsw,
                                  .involuntary = (double)self.ru_nivcsw,
                                  .faults_minor = (double)self.ru_minflt};
}

/* Calls run(ops) and holds it to its proof. Returns false when the trial is over. */
static bool run_proved(struct bench_trial *t, uint64_t ops)
{
    uint64_t counted = t->entry->spec->run(t, ops);
    t->ops_expected += ops;
    t->ops_counted += counted;
    if (t->error[0] || t->skipped[0])
        return false;
    if (counted != ops)
        bench_fail(t, "counted %llu of %llu operations", (unsigned long long)counted,
                   (unsigned long long)ops);
    return counted == ops;
}

static bool timed_run(struct bench_trial *t, uint64_t ops, double *ns)
{
    uint64_t start = bench_now_ns();
    bool proved = run_proved(t, ops);
    *ns = (double)(bench_now_ns() - start);
    return proved;
}

static bool run_point(struct bench_trial *t, struct triple *triple, int point)
{
    struct kernel_counts before = kernel_now();
    uint64_t cpu_start_ns = bench_cpu_ns();
    if (!timed_run(t, t->ops * point_factor[point], &triple->ns[point]))
        return false;
    triple->cpu_ns[point] = (double)(bench_cpu_ns() - cpu_start_ns);
    struct kernel_counts after = kernel_now();
    triple->kernel[point] = (struct kernel_counts){
        .voluntary = after.voluntary - before.voluntary,
        .involuntary = after.involuntary - before.involuntary,
        .faults_minor = after.faults_minor - before.faults_minor};
    return true;
}

/* Involuntary switches disturb a case that has its CPU for itself. Threads that share a CPU
 * preempt each other as they wake: there they are the subject. */
static bool involuntary_disturbs(const struct bench_trial *t)
{
    unsigned flags = t->entry->spec->flags;
    if (flags & BENCH_PREEMPTS)
        return false;
    return !(flags & BENCH_THREADS) || t->entry->place != BENCH_SAME_CPU;
}

static void insert_width(struct bench_trial *t, double width)
{
    for (int i = 0; i < WIDTH_RANK; i++) {
        if (width > t->widths[i]) {
            double next = t->widths[i];
            t->widths[i] = width;
            width = next;
        }
    }
}

static double core_width(const struct bench_trial *t)
{
    double known = t->options->core_width, seen = t->widths[WIDTH_RANK - 1];
    return known > seen ? known : seen;
}

static struct bench_canary take_canary(struct bench_trial *t)
{
    struct bench_canary canary = bench_canary_now();
    insert_width(t, canary.width);
    return canary;
}

/* No use in timing what would be thrown away: neighbours come and go in tens of ms. */
static void wait_until_alone(struct bench_trial *t)
{
    uint64_t start = bench_now_ns();
    while (take_canary(t).width < alone_share * core_width(t) &&
           t->waited_ns + (bench_now_ns() - start) < patience_ns)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    t->waited_ns += bench_now_ns() - start;
}

static void canary_for(struct bench_trial *t, struct triple *triple)
{
    struct bench_canary canary = take_canary(t);
    triple->canary_ns += canary.cycle_ns / (POINTS + 1);
    if (canary.width < triple->width_min)
        triple->width_min = canary.width;
}

static bool run_points(struct bench_trial *t, struct triple *triple, bool upwards)
{
    triple->width_min = HUGE_VAL;
    canary_for(t, triple);
    for (int i = 0; i < POINTS; i++) {
        if (!run_point(t, triple, upwards ? i : POINTS - 1 - i))
            return false;
        canary_for(t, triple);
    }
    return true;
}

/* Over all triples so far, as what the core's width is becomes known only with time. */
static void judge_triples(struct bench_trial *t)
{
    t->crowded = t->disturbed = 0;
    for (int i = 0; i < t->triple_count; i++) {
        struct triple *triple = &t->triples[i];
        triple->crowded = triple->width_min < alone_share * core_width(t);
        triple->disturbed = triple->crowded || triple->interrupted;
        t->crowded += triple->crowded;
        t->disturbed += triple->disturbed;
    }
}

static bool run_triple(struct bench_trial *t, struct triple *triple, bool upwards)
{
    double steal_before = steal_ticks(t);
    if (!run_points(t, triple, upwards))
        return false;
    double stolen = steal_ticks(t) - steal_before, involuntary = 0;
    for (int i = 0; i < POINTS; i++) {
        involuntary += triple->kernel[i].involuntary;
        t->voluntary += triple->kernel[i].voluntary;
    }
    bool migrated = sched_getcpu() != t->entry->cpu[0];
    t->involuntary += involuntary;
    t->steal_ticks += stolen;
    t->migrations += migrated;
    triple->interrupted =
        stolen > 0 || migrated || (involuntary_disturbs(t) && involuntary > 0);
    t->triple_count++;
    judge_triples(t);
    return true;
}

/* ----------------------------------------------------- calibration, triples */

static uint64_t whole_batches(const struct bench_trial *t, uint64_t ops)
{
    uint64_t batch = t->entry->spec->ops_multiple ? t->entry->spec->ops_multiple : 1;
    return (ops + batch - 1) / batch * batch;
}

/* Grows N until N ops last `epoch_ns`. */
static bool grow_ops(struct bench_trial *t, double epoch_ns, double *ns)
{
    while (timed_run(t, t->ops, ns)) {
        if (*ns >= epoch_ns)
            return true;
        double growth = *ns > 0 ? 1.2 * epoch_ns / *ns : 10;
        growth = growth > 10 ? 10 : growth < 1.5 ? 1.5 : growth;
        t->ops = whole_batches(t, (uint64_t)ceil((double)t->ops * growth));
    }
    return false;
}

/* N from 1 upwards, then once more from a second, warm reading. Epochs that are reported play
 * no part (DESIGN rule 2). DESIGN asks for an epoch of at least 1 ms; the default is a quarter
 * of that, because a triple must fit between two visits of a neighbour, and the slope
 * removes what the clock costs. An op so slow that few fit gets the whole millisecond. */
static bool calibrate(struct bench_trial *t, double epoch_ns)
{
    enum { OPS_FEW = 64 };
    double ns;
    t->ops = whole_batches(t, 1);
    if (!grow_ops(t, epoch_ns, &ns) ||
        (t->ops < OPS_FEW && epoch_ns < 1e6 && !grow_ops(t, 1e6, &ns)))
        return false;
    if (t->ops < OPS_FEW && epoch_ns < 1e6)
        epoch_ns = 1e6;
    if (!timed_run(t, t->ops, &ns))
        return false;
    double scaled = ceil((double)t->ops * epoch_ns / (ns > 0 ? ns : 1));
    if (scaled > (double)t->ops || scaled < (double)t->ops / 2)
        t->ops = scaled < 1 ? 1 : scaled > 4.0 * (double)t->ops ? 4 * t->ops
                                                               : (uint64_t)scaled;
    t->ops = whole_batches(t, t->ops);
    return true;
}

static bool run_triples(struct bench_trial *t)
{
    int wanted = t->options->triples, tries = wanted * TRIES_PER_TRIPLE;
    t->triples = calloc((size_t)tries, sizeof *t->triples);
    if (!t->triples)
        return bench_fail(t, "no memory for %d triples", tries), false;
    uint64_t start = bench_now_ns();
    for (int i = 0; i < tries && i - t->disturbed < wanted; i++) {
        wait_until_alone(t);
        if (!run_triple(t, &t->triples[i], i % 2 == 0))
            return false;
        /* An op so slow that three triples take seconds is precise enough with three. */
        if (i >= 2 && bench_now_ns() - start > 2000000000u)
            break;
    }
    return true;
}

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
    return t->triple_count - t->disturbed < (t->options->triples + 1) / 2;
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
    return slope(triple->cpu_ns, t->ops);
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

static void prove_kernel_switches(struct bench_trial *t, double voluntary, double involuntary)
{
    const struct bench_case *spec = t->entry->spec;
    if (spec->kernel_switches_max <= 0)
        return;
    /* At the upper end only voluntary ones count: the others are the machine's noise. */
    if (voluntary > spec->kernel_switches_max)
        bench_fail(t, "%.3f voluntary kernel switches per op, at most %.3f expected",
                   voluntary, spec->kernel_switches_max);
    else if (spec->kernel_switches_min > 0 &&
             voluntary + involuntary < spec->kernel_switches_min)
        bench_fail(t, "%.3f kernel switches per op, at least %.3f expected",
                   voluntary + involuntary, spec->kernel_switches_min);
}

static void report_times(struct bench_trial *t)
{
    double ns = over_triples(t, figure_ns);
    double voluntary = KERNEL_SLOPE(t, voluntary);
    double involuntary = KERNEL_SLOPE(t, involuntary);
    bench_metric(t, "ns", "ns/op", "clock", ns);
    bench_metric(t, "cycles_estimated", "cycles/op", "canary",
                 over_triples(t, figure_cycles));
    bench_metric(t, "cpu_ns", "ns/op", "rusage", over_triples(t, figure_cpu_ns));
    bench_metric(t, "kernel_switches_voluntary", "switches/op", "rusage", voluntary);
    bench_metric(t, "kernel_switches_involuntary", "switches/op", "rusage", involuntary);
    bench_metric(t, "faults_minor", "faults/op", "rusage", KERNEL_SLOPE(t, faults_minor));
    prove_kernel_switches(t, voluntary, involuntary);
    t->nonlinearity = over_triples(t, figure_bend);
    t->fixed_ns = over_triples(t, figure_fixed_ns);
    if (is_nonlinear(t))
        flag(t, "nonlinear");
    if (ns < 0)
        flag(t, "negative");
    if (is_contaminated(t))
        flag(t, "contaminated");
}

/* ---------------------------------------------------------------- counters */

/* One group at a time, around runs that are not timed: N and 4N, the slope of each event. */
static void measure_group(struct bench_trial *t, struct bench_counters *counters, int group,
                          uint64_t *low, uint64_t *high)
{
    size_t count = bench_counters_count(counters);
    uint64_t n = t->ops;
    int err = bench_counters_start(counters, group);
    bool proved = run_proved(t, n);
    int err_low = bench_counters_stop(counters, group, low);
    err = err ? err : bench_counters_start(counters, group);
    proved = proved && run_proved(t, 4 * n);
    int err_high = bench_counters_stop(counters, group, high);
    for (size_t i = 0; proved && i < count; i++) {
        const struct bench_counter *event = bench_counters_at(counters, i);
        if (event->group != group)
            continue;
        char unit[64];
        snprintf(unit, sizeof unit, "%s/op", event->metric);
        if (err || (err_low && err_low != -EAGAIN) || (err_high && err_high != -EAGAIN)) {
            bench_metric_null(t, event->metric, unit, "reading %s failed", event->event);
            continue;
        }
        bench_metric(t, event->metric, unit, "pmu",
                     ((double)high[i] - (double)low[i]) / (3 * (double)n));
        if (err_low == -EAGAIN || err_high == -EAGAIN)
            flag(t, "multiplexed");
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
    uint64_t counted = t->entry->spec->run(t, ops);
    bench_mark();
    return counted;
}

/* The single-stepper wants N and 2N between breakpoints; N-differencing instruments such as
 * Valgrind want one call and nothing that depends on N. */
static void run_marked(struct bench_trial *t)
{
    uint64_t n = t->options->count_ops;
    if (!run_proved(t, n)) /* warm: lazy things happen outside the marks */
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
    if (!calibrate(t, bench_epoch_ns(&clock, t->options->epoch_ms * 1e6)))
        return;
    if (run_triples(t))
        report_times(t);
}

static void run_body(struct bench_trial *t)
{
    const struct bench_case *spec = t->entry->spec;
    bool times = spec->run && !t->options->count_ops && !t->options->fixed_ops;
    /* Opened before setup(), as threads inherit counters only from then on. */
    struct bench_counters *counters =
        times ? bench_counters_open(t->options->events, spec->flags & BENCH_THREADS) : NULL;
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
        run_proved(t, t->options->fixed_ops);
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

static json_t *checks_json(const struct bench_trial *t)
{
    return json_pack(
        "{s:I, s:I, s:f, s:f, s:f, s:i, s:i, s:i, s:i, s:f, s:f, s:f}", "ops_expected",
        (json_int_t)t->ops_expected, "ops_counted", (json_int_t)t->ops_counted,
        "kernel_switches_voluntary", t->voluntary, "kernel_switches_involuntary",
        t->involuntary, "steal_ticks", t->steal_ticks, "migrations", t->migrations,
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
        run_body(&t);
    json_t *record = trial_record(&t);
    json_decref(t.metrics);
    json_decref(t.notes);
    json_decref(t.flags);
    free(t.triples);
    return record;
}
