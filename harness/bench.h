/* SPDX-License-Identifier: MIT
 *
 * bench.h: all that an experiment sees of the harness.
 *
 * An experiment is a table of cases. A case is experiment x subject x parameters, written
 * once; the harness expands it into one runnable case per placement that it names:
 *
 *     switch/coro-inline/site=diff/place=same-cpu
 *     ^experiment        ^params   ^placement
 *            ^subject
 *
 * A trial is one fresh process that runs one case and prints one record. In a trial the
 * harness pins the main thread, calls setup(), calls run() many times with different op
 * counts, reads clock and counters around each call, calls teardown(), and prints.
 * Everything between the two clock readings is run(): a case never reads a clock itself.
 *
 * run(t, ops) performs exactly `ops` operations and returns how many the *flows themselves*
 * counted. The harness fails the trial when the two differ (DESIGN rule 1: nothing is
 * measured that is not proved to have happened). Fixed costs inside run(), such as waking
 * the flows, are allowed: the cost is a slope over op counts, so they fall out.
 *
 * A case whose figure is not a cost per op (bytes per flow, how many until failure) has
 * measure() in place of run(), and reports its own metrics.
 *
 * Threads: all functions here are for the trial's main thread, except bench_pin(), which
 * pins the thread that calls it.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where hwloc puts flow 0 and flow 1 (topology.h chooses the CPUs). */
enum bench_place {
    BENCH_SAME_CPU,   /* both on one logical CPU */
    BENCH_SMT,        /* two hardware threads of one core */
    BENCH_SAME_LLC,   /* two cores under one last-level cache */
    BENCH_CROSS_LLC,  /* two last-level caches of one NUMA node */
    BENCH_CROSS_NUMA, /* two NUMA nodes */
    BENCH_PLACES
};
#define BENCH_AT(place) (1u << (place))
#define BENCH_AT_ANY    ((1u << BENCH_PLACES) - 1)

/* The smallest profile of `corobench run --profile` that includes a case. */
enum bench_profile { BENCH_QUICK, BENCH_DEFAULT, BENCH_FULL, BENCH_PROFILES };

/* What a subject's switch saves and does; printed beside every figure of the subject. */
struct bench_contract {
    const char *saves; /* in words: "rsp rip rbp" */
    int bytes_saved;   /* written by one one-way switch to keep the flow; -1: not known */
    bool fp_control;   /* MXCSR and x87 control word (or the CPU's own) are kept per flow */
    bool signal_mask;
    bool tls_base;
    bool kernel_entry; /* a switch enters the kernel */
    /* What sort of flow this is, a few words each; NULL: not said. */
    const char *stack;        /* "its own, fixed size"; "none: a frame of live values" */
    const char *growth;       /* "copied to a larger one" */
    const char *preemption;   /* "none"; "by the kernel" */
    const char *threads;      /* "one"; "M:N", "1:1" */
    const char *cancellation; /* "none" */
};

struct bench_trial;

enum bench_flags {
    /* run() uses other threads or processes: counters must be inherited by them, and
     * `corobench count` (which steps one thread) does not apply. On one CPU they may preempt
     * each other, and somebody of them always runs (trial.h: what disturbs such a trial). */
    BENCH_THREADS = 1 << 0,
    /* The kernel preempts or yields as part of the op itself (sched_yield), or the CPU is idle or
     * another process's for part of it (a sleep, fork): no reason to reject a trial. */
    BENCH_PREEMPTS = 1 << 1,
    /* run() has another process do the work (guest.h). */
    BENCH_GUEST = 1 << 2,
};

struct bench_case {
    const char *experiment;            /* "switch" */
    const char *subject;               /* "coro-inline" */
    const char *params;                /* "site=diff,flows=2", or "" */
    const char *op;                    /* what one op is: "one-way switch" */
    unsigned places;                   /* BENCH_AT() of each placement that makes sense */
    enum bench_profile profile;        /* smallest profile that runs it */
    unsigned flags;                    /* enum bench_flags */
    const struct bench_contract *contract; /* NULL where a switch is not the point */

    /* Exact proof by the kernel's own count: kernel context switches (voluntary and not,
     * of the whole process) per op must lie in [min, max]; max 0 means "not checked".
     * A user-level switch says max = 0.01, a thread switch on one CPU min = 0.9. */
    double kernel_switches_min, kernel_switches_max;

    int (*setup)(struct bench_trial *t);    /* 0, -errno, or what bench_skip() returns */
    uint64_t (*run)(struct bench_trial *t, uint64_t ops);
    void (*teardown)(struct bench_trial *t); /* called even when setup() failed */
    int (*measure)(struct bench_trial *t);  /* in place of run; 0, -errno, bench_skip() */
    const void *arg;                        /* the experiment's own parameters */

    /* Ops are done in batches of this many: timed epochs then hold whole batches only, as a
     * smaller one costs another price per op. 0: no batches. */
    uint64_t ops_multiple;
};

/* A program's whole table: `count` experiments, each an array of cases. */
struct bench_experiment {
    const char *name;     /* "switch" */
    const char *question; /* one line for `corobench list`: what it answers */
    const struct bench_case *cases;
    size_t case_count;
};

/* main() of corobench and of every peer program: parses the verbs and returns an exit
 * code (DESIGN.md: 0 pass, 1 error, 2 usage, 3 regression, 4 inconclusive, 77 skipped). */
int bench_main(int argc, char **argv, const struct bench_experiment *experiments,
               size_t experiment_count);

/* The case being run, and a pointer that the case keeps between its functions. */
const struct bench_case *bench_case_of(const struct bench_trial *t);
void bench_set_state(struct bench_trial *t, void *state);
void *bench_state(const struct bench_trial *t);

/* The placement's logical CPU for flow 0, 1, ... (same-cpu: the same one for every flow). */
int bench_cpu(const struct bench_trial *t, unsigned flow);
/* Pins the calling thread to bench_cpu(t, flow). 0 or -errno. */
int bench_pin(const struct bench_trial *t, unsigned flow);

/* Ends the trial as skipped, with the reason a reader needs: `return bench_skip(t, ...)`. */
int bench_skip(struct bench_trial *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends the trial as failed, with a sentence: `return bench_fail(t, ...)`. */
int bench_fail(struct bench_trial *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For measure(): a metric such as ("resident_bytes", "B/flow", "smaps", 4384.0). */
void bench_metric(struct bench_trial *t, const char *name, const char *unit,
                  const char *source, double value);
/* The same metric where it can't be had here: null with its reason. */
void bench_metric_null(struct bench_trial *t, const char *name, const char *unit,
                       const char *reason_format, ...)
    __attribute__((format(printf, 4, 5)));
/* A word for the reader, kept in the record: "limit=vm.max_map_count". */
void bench_note(struct bench_trial *t, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif
#endif
