/* SPDX-License-Identifier: MIT
 *
 * runner.h: what the files of a run share, and nobody else needs: run.c (rounds), run_start.c
 * (which cases, which file, resuming) and run_records.c (what is written).
 */
#ifndef RUNNER_H
#define RUNNER_H

#include <stdbool.h>
#include <stdint.h>
#include "run.h"
#include "select.h"

/* A case in a run: what has come of it. */
struct subject {
    const struct bench_selected *selected;
    double *ns;
    size_t count;
    int failures;    /* in a row */
    int done_round;  /* the last round it has a record of; -1 */
    bool over;       /* skipped, or failed too often: not asked again */
};

struct runner {
    struct bench_run_options *options;
    struct bench_selection selection;
    struct subject *subjects;
    size_t count;
    char id[64], path[4096];
    int fd;
    int round;
    json_int_t trials, rejected, skipped, failed;
    uint64_t started_ns;
    double round_s; /* how long the last round took: what the next one may take */
    json_t *widths; /* CPU number, as a string: the three largest widths of trials on it */
    struct progress *progress;
};

/* run_start.c: selects the cases, opens the file (new or resumed) and writes the environment.
 * 0 or an exit code, with a line said. */
int runner_start(struct runner *r);
/* Says `sentence` on stderr and returns `code`. */
int runner_fault(const char *sentence, int code);

/* run_records.c: takes over `record` and appends it. False, with a line said, when it can't. */
bool runner_append(struct runner *r, json_t *record);
json_t *runner_environment_record(const struct runner *r);
json_t *runner_end_record(const struct runner *r, const char *reason);
/* A record for what has none of its own: a case that the machine lacks the placement for,
 * or a trial whose process failed. */
json_t *runner_bare_trial(const struct subject *s, const char *skipped, const char *error);
/* Adds run, round, arm and attempt. */
void runner_stamp(const struct runner *r, json_t *record, const char *arm, int attempt);
/* Takes a trial record into the tallies, whether just made or read from a resumed file. */
void runner_tally(struct runner *r, struct subject *s, const json_t *record);

#endif
