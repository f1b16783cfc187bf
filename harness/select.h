/* SPDX-License-Identifier: MIT
 *
 * select.h: the cases of all programs, and those that a run or a list wants.
 */
#ifndef SELECT_H
#define SELECT_H

#include "case.h"
#include "program.h"

struct bench_selected {
    const struct bench_program *program;
    json_t *what;        /* its line of the program's list */
    const char *name;    /* in `what` */
    const char *skipped; /* in `what`; NULL when it can run here */
    bool timed;          /* has a cost per op: `ns` */
    bool countable;      /* `PROGRAM count CASE` tells its instructions per op */
};

struct bench_selection {
    struct bench_program programs[64];
    size_t program_count;
    json_t *peers; /* for the environment record */
    struct bench_selected *cases;
    size_t count;
};

/* Asks every program for its cases and keeps those that `filter` matches and that `profile`
 * includes. A peer whose list fails is reported in `peers` and left out; this program's own
 * failure, or no memory, is -errno with a sentence in `error`. */
int bench_select(struct bench_selection *selection, const struct bench_filter *filter,
                 enum bench_profile profile, char *error, size_t error_bytes);
/* The same for the cases that all of these programs have and can run; they are the selection's
 * programs then, in this order. */
int bench_select_common(struct bench_selection *selection, const struct bench_filter *filter,
                        enum bench_profile profile, const struct bench_program *programs,
                        size_t program_count, char *error, size_t error_bytes);
void bench_selection_free(struct bench_selection *selection);

#endif
