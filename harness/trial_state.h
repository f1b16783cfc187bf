/* SPDX-License-Identifier: MIT
 *
 * trial_state.h: what the files of a trial share, and nobody else needs. In the order in which a
 * trial passes through them: trial.c (pin, set up, tear down, record), trial_case.c (what a
 * case calls), triples.c (calibration, timed triples, canaries), figures.c (from triples to
 * metrics).
 */
#ifndef TRIAL_STATE_H
#define TRIAL_STATE_H

#include <stdbool.h>
#include "kernel_counts.h"
#include "trial.h"

enum { POINTS = 3, TRIPLES_MAX = 1000, TRIES_PER_TRIPLE = 6, WIDTH_RANK = 3 };
static const uint64_t point_factor[POINTS] = {1, 2, 4};

struct triple {
    double ns[POINTS];
    struct kernel_counts kernel[POINTS];
    double canary_ns; /* mean of the cycle times around and between the points */
    double width_min; /* smallest width that any of its canaries found */
    double others_ns; /* of its time, what no thread of the trial had: others', or nobody's */
    bool interrupted; /* by what the kernel counts */
    bool crowded;     /* by a busy sibling thread */
    bool disturbed;   /* by either */
};

struct bench_trial {
    const struct bench_entry *entry;
    const struct bench_trial_options *options;
    void *state;
    pid_t process; /* that does the work in this one's place (guest.h); 0: this one does */
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
    double others_ns; /* likewise; NaN where it does not matter */
    double nonlinearity, fixed_ns;
};

/* trial_case.c: adds a word of warning to the record. */
void trial_flag(struct bench_trial *t, const char *word);

/* triples.c. Each returns false when the trial is over, with its error or skip noted.
 * run_proved() calls run(ops), with what is planted, and holds it to its proof. */
uint64_t trial_run(struct bench_trial *t, uint64_t ops);
bool trial_run_proved(struct bench_trial *t, uint64_t ops);
bool trial_calibrate(struct bench_trial *t, double epoch_ns);
bool trial_run_triples(struct bench_trial *t);

/* figures.c: makes the metrics, the proof by the kernel's counts, and the flags. */
void trial_report_times(struct bench_trial *t);

#endif
