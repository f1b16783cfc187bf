/* SPDX-License-Identifier: MIT
 *
 * cli.h: what the verbs share, and nobody else needs: words to values, and this program's own
 * table of cases. Each verb is one file, verb_*.c, with its help, its options and one function;
 * main.c chooses among them. A bad word is one line on stderr and exit code CLI_USAGE.
 */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "bench.h"
#include "case.h"

enum { CLI_USAGE = 2, CLI_SKIPPED = 77 };

enum cli_option {
    OPT_HELP = 256, OPT_REGEX, OPT_PROFILE, OPT_FORMAT, OPT_MAX_REL_CI,
    OPT_TIME_BUDGET, OPT_MIN_ROUNDS, OPT_MAX_ROUNDS, OPT_EPOCH_MS, OPT_TRIPLES, OPT_CORE_WIDTH,
    OPT_TRIAL_TIMEOUT, OPT_EVENTS, OPT_SEED, OPT_RESULTS, OPT_OUTPUT, OPT_RESUME,
    OPT_REPORT, OPT_COUNT_OPS, OPT_FIXED_OPS, OPT_OPS, OPT_NO_DISASSEMBLY, OPT_TIMEOUT,
    OPT_MAX_STEPS, OPT_ARM, OPT_PLANT
};

/* The table that bench_main() was given. */
extern struct cli_table {
    const struct bench_experiment *experiments;
    size_t count;
} cli_table;

struct cli_cases {
    struct bench_topology topology;
    struct bench_table table;
};

int cli_list(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_trial(int argc, char **argv);
int cli_count(int argc, char **argv);
int cli_doctor(int argc, char **argv);

/* Says `format`, in which `word` is %s, on stderr; returns CLI_USAGE. */
int cli_usage_error(const char *format, const char *word);
/* For the option that getopt_long() did not know, or that lacks its value. */
int cli_bad_option(char **argv);

/* Each: 0, or CLI_USAGE with the line said and *value as it was. */
int cli_parse_real(const char *word, double low, double high, double *value);
int cli_parse_whole(const char *word, uint64_t low, uint64_t high, uint64_t *value);
int cli_parse_int(const char *word, int low, int high, int *value);
int cli_parse_json(const char *word, bool *json); /* "text" or "json" */
int cli_parse_profile(const char *word, enum bench_profile *profile);
/* "instruction" or "delay=SHARE", for the self-test of the gate. */
int cli_parse_plant(const char *word, double *delay, bool *instruction);
/* Appends [kind, text]: "glob" or "regex". */
void cli_add_pattern(json_t *patterns, const char *kind, const char *text);

/* Loads topology and table: 0, or an exit code with the line said. Zeroed before; the caller
 * frees own->table in either case. */
int cli_cases_load(struct cli_cases *own);
/* The case a verb is about; NULL, with a line said that suggests near ones. */
const struct bench_entry *cli_case(struct cli_cases *own, const char *name);
/* Worth a count in every run: one thread, and no batches that would take minutes to step. */
bool cli_is_countable(const struct bench_entry *entry);

#endif
