/* SPDX-License-Identifier: MIT
 *
 * run.h: a run is an environment record and rounds; a round is every selected case once, in
 * seeded random order, each as a trial in a fresh process.
 *
 * It ends when every timed case's 95 % interval of the median is as tight as asked, when
 * the next round would not fit the time budget, or on SIGINT or SIGTERM. Records are
 * appended as trials end, so that nothing finished is lost, and `resume` goes on.
 *
 * Rejection: a contaminated trial (trial.h says when) is written as a `rejection`, never
 * used, and made again at the end of its round, up to three attempts in all. DESIGN rule 6
 * rejects whole rounds, which keeps the two arms of a comparison alike; a survey of
 * some hundred cases has one arm, and a round of it lasts long enough to be disturbed
 * somewhere nearly always. So here the unit is the trial. The decision is taken from the
 * kernel's counts and the canary, and never sees the case's figure.
 *
 * With arms (`--arm NAME=PROGRAM`), each case's turn in a round is a block: every arm once, in
 * random order, and then all again in the reverse order (two arms: ABBA or BAAB), so that
 * drift cancels and each arm has its own A/A. The second trial of arm NAME has the arm
 * "NAME-again" in its record. The block is then the unit: when one trial of it is
 * contaminated, all of it is rejected.
 */
#ifndef RUN_H
#define RUN_H

#include <stdint.h>
#include "case.h"

/* A program in a comparison, and its name in the records. */
struct bench_arm {
    const char *name;
    const char *path;
};
enum { BENCH_ARMS_MAX = 8 };

struct bench_run_options {
    enum bench_profile profile;
    const char *results;   /* folder: a new file is RESULTS/<machine>/<run>.jsonl */
    const char *output;    /* the file itself, in place of that; NULL */
    const char *resume;    /* an existing file to go on with; NULL */
    json_t *patterns;      /* [["glob"|"regex", text]...]: kept for --resume */
    const char *events;    /* NULL: the default counters */
    double max_rel_ci;     /* stop when every interval's half-width is below; 0: never */
    double time_budget_s;  /* 0: none */
    int rounds_sure;       /* so many are made whatever the budget */
    double trial_timeout_s;
    double epoch_ms;
    int triples;
    int rounds_min, rounds_max;
    uint64_t seed;
    bool report;           /* write the report when done */
    struct bench_arm *arms; /* programs to compare; none: this one and its peers */
    size_t arm_count;
};

/* The options of a profile: what each is, is in run.c's table. */
void bench_run_options_init(struct bench_run_options *options, enum bench_profile profile);

/* Returns the exit code: 0; 1 when a case failed or records can't be written; 2 bad input;
 * 4 contaminated; 77 when nothing could run. On SIGINT dies of it, after a last record. */
int bench_run(struct bench_run_options *options);

/* Reads patterns into a filter; 0 or -errno with a sentence. */
int bench_run_filter(const json_t *patterns, struct bench_filter *filter, char *error,
                     size_t error_bytes);

#endif
