/* SPDX-License-Identifier: MIT */
#include "trial_state.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"

/* How long a trial waits, in all, for its core to be alone; and how long it may go on making
 * triples, the waiting included. */
static const uint64_t patience_ns = 1000000000, triples_ns = 2000000000;
/* Below this share of the width it has when alone, a core is shared. Alone, the width repeats
 * within 1 %; beside a busy sibling it falls by 7 to 50 %. */
static const double alone_share = 0.95;
/* Above this share of a triple, what others had of its one CPU is too much. Threads that have it
 * for themselves lose next to nothing. */
static const double others_share = 0.02;

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

/* One instruction, `count` times. */
static void spend_instructions(uint64_t count)
{
#if defined(__x86_64__)
    if (count) /* loop: decrements rcx and jumps to itself */
        __asm__ volatile("1: loop 1b" : "+c"(count));
#else
    for (; count; count--)
        __asm__ volatile("" : "+r"(count));
#endif
}

uint64_t trial_run(struct bench_trial *t, uint64_t ops)
{
    uint64_t counted = t->entry->spec->run(t, ops);
    if (t->options->plant_instruction)
        spend_instructions(ops);
    return counted;
}

/* Calls run(ops) and holds it to its proof. Returns false when the trial is over. */
bool trial_run_proved(struct bench_trial *t, uint64_t ops)
{
    uint64_t counted = trial_run(t, ops);
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
    bool proved = trial_run_proved(t, ops);
    if (t->options->plant_delay > 0) {
        uint64_t now = bench_now_ns();
        uint64_t until = now + (uint64_t)((double)(now - start) * t->options->plant_delay);
        while (now < until)
            now = bench_now_ns();
    }
    *ns = (double)(bench_now_ns() - start);
    return proved;
}

/* CPU time of all threads of the trial, a guest's and ours. */
static double cpu_ns_of_all(const struct bench_trial *t)
{
    return kernel_cpu_ns(0) + (t->process ? kernel_cpu_ns(t->process) : 0);
}

static bool run_point(struct bench_trial *t, struct triple *triple, int point)
{
    struct kernel_counts before = kernel_counts_read(t->process);
    double cpu_ns = cpu_ns_of_all(t);
    if (!timed_run(t, t->ops * point_factor[point], &triple->ns[point]))
        return false;
    cpu_ns = cpu_ns_of_all(t) - cpu_ns;
    struct kernel_counts after = kernel_counts_read(t->process);
    triple->kernel[point] = kernel_counts_since(&before, &after);
    triple->others_ns += fmax(triple->ns[point] - cpu_ns, 0);
    return true;
}

/* Several threads on one CPU, of whom somebody always runs. */
static bool fills_one_cpu(const struct bench_trial *t)
{
    unsigned flags = t->entry->spec->flags & (BENCH_THREADS | BENCH_PREEMPTS);
    return flags == BENCH_THREADS && t->entry->place == BENCH_SAME_CPU;
}

/* As the kernel tells it, in one of two ways (trial.h). */
static bool others_ran(const struct bench_trial *t, const struct triple *triple,
                       double involuntary)
{
    double ns = triple->ns[0] + triple->ns[1] + triple->ns[2];
    if (fills_one_cpu(t))
        return triple->others_ns > others_share * ns;
    return involuntary > 0 && !(t->entry->spec->flags & BENCH_PREEMPTS);
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
    t->others_ns += fills_one_cpu(t) ? triple->others_ns : NAN;
    triple->interrupted = stolen > 0 || migrated || others_ran(t, triple, involuntary);
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

/* Grows N until N ops last `epoch_ns`, and not only because of a neighbour's visit: a second
 * reading, which is warm and is what *ns becomes, must come near. */
static bool grow_ops(struct bench_trial *t, double epoch_ns, double *ns)
{
    while (timed_run(t, t->ops, ns)) {
        bool reached = *ns >= epoch_ns;
        if (reached && !timed_run(t, t->ops, ns))
            return false;
        if (reached && *ns >= epoch_ns / 4)
            return true;
        /* Else a subject that claims what it did not do would be asked for ever more. */
        if (t->ops >= 1000000 && *ns < 0.01 * (double)t->ops)
            return bench_fail(t, "%llu operations in %.0f ns: they were not done",
                              (unsigned long long)t->ops, *ns), false;
        double growth = *ns > 0 ? 1.2 * epoch_ns / *ns : 10;
        growth = growth > 10 ? 10 : growth < 1.5 ? 1.5 : growth;
        t->ops = whole_batches(t, (uint64_t)ceil((double)t->ops * growth));
    }
    return false;
}

/* N from 1 upwards, then from the second, warm reading. Epochs that are reported play
 * no part (DESIGN rule 2). DESIGN asks for an epoch of at least 1 ms; the default is a quarter
 * of that, because a triple must fit between two visits of a neighbour, and the slope
 * removes what the clock costs. An op so slow that few fit gets the whole millisecond. */
bool trial_calibrate(struct bench_trial *t, double epoch_ns)
{
    enum { OPS_FEW = 64 };
    double ns;
    t->ops = whole_batches(t, 1);
    if (!grow_ops(t, epoch_ns, &ns) ||
        (t->ops < OPS_FEW && epoch_ns < 1e6 && !grow_ops(t, 1e6, &ns)))
        return false;
    if (t->ops < OPS_FEW && epoch_ns < 1e6)
        epoch_ns = 1e6;
    double scaled = ceil((double)t->ops * epoch_ns / (ns > 0 ? ns : 1));
    if (scaled > (double)t->ops || scaled < (double)t->ops / 2)
        t->ops = scaled < 1 ? 1 : scaled > 4.0 * (double)t->ops ? 4 * t->ops
                                                               : (uint64_t)scaled;
    t->ops = whole_batches(t, t->ops);
    return true;
}

bool trial_run_triples(struct bench_trial *t)
{
    int wanted = t->options->triples, tries = wanted * TRIES_PER_TRIPLE;
    t->triples = calloc((size_t)tries, sizeof *t->triples);
    if (!t->triples)
        return bench_fail(t, "no memory for %d triples", tries), false;
    uint64_t start = bench_now_ns();
    for (int i = 0; i < tries && i - t->disturbed < wanted; i++) {
        wait_until_alone(t);
        uint64_t begin = bench_now_ns();
        if (!run_triple(t, &t->triples[i], i % 2 == 0))
            return false;
        uint64_t now = bench_now_ns();
        /* What takes so long is precise enough with the triples there are, and be it one. */
        if (now - start + (now - begin) > triples_ns)
            break;
    }
    return true;
}
