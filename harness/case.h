/* SPDX-License-Identifier: MIT
 *
 * case.h: from experiments' tables to runnable cases with names, and the choice among them.
 *
 * An entry is one case at one placement. Its name is stable: it is the key of records,
 * baselines and filters.
 */
#ifndef CASE_H
#define CASE_H

#include <stdbool.h>
#include <jansson.h>
#include "bench.h"
#include "topology.h"

struct bench_entry {
    const struct bench_experiment *experiment;
    const struct bench_case *spec;
    enum bench_place place;
    int cpu[BENCH_PLACEMENT_CPUS];
    char *name;
    char *skipped; /* why this machine cannot run it; NULL when it can */
};

struct bench_table {
    struct bench_entry *entries;
    size_t count;
};

/* Expands every case at every placement it names. 0 or -ENOMEM. */
int bench_table_build(struct bench_table *table, const struct bench_experiment *experiments,
                      size_t experiment_count, const struct bench_topology *topology);
void bench_table_free(struct bench_table *table);
/* NULL when there is none of that name. */
struct bench_entry *bench_table_find(const struct bench_table *table, const char *name);

const char *bench_profile_name(enum bench_profile profile);
/* 0, or -EINVAL for another word than quick, default, full. */
int bench_profile_parse(const char *word, enum bench_profile *profile);

/* What the entry is, without figures: the fields that `list --format json` prints and that
 * every record of the case repeats. New reference; NULL without memory. */
json_t *bench_entry_json(const struct bench_entry *entry);

/* A choice of cases. Patterns are or-ed; none at all matches everything. A glob without
 * any of *?[ also matches as a leading part of the name that ends at a '/'. */
struct bench_filter;
struct bench_filter *bench_filter_new(void);
void bench_filter_free(struct bench_filter *filter);
/* 0, -ENOMEM, or -EINVAL with one sentence in `error`. A regex is POSIX extended and
 * matches anywhere; `negate` as in Google Benchmark's "-REGEX" (then it is and-ed). */
int bench_filter_glob(struct bench_filter *filter, const char *glob, char *error,
                      size_t error_bytes);
int bench_filter_regex(struct bench_filter *filter, const char *regex, bool negate,
                       char *error, size_t error_bytes);
bool bench_filter_match(const struct bench_filter *filter, const char *name);

#endif
