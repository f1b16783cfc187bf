/* SPDX-License-Identifier: MIT
 *
 * program.h: the programs that have cases (this one, and each peer), as child processes.
 *
 * The trial protocol, spoken by this program and by any peer:
 *
 *     PROGRAM list --format json      prints a JSON line per case: the fields of a trial
 *                                     record that say what the case is, plus "profile",
 *                                     "timed", "countable" and "skipped"
 *     PROGRAM trial CASE [options]    prints one trial record as one JSON line
 *     PROGRAM count CASE --format json --no-disassembly --ops N
 *                                     for a case that it calls countable: exact counts per
 *                                     op, {"per_op": {"instructions": {"value": 14}, ...}}
 *
 * A child is not trusted: it has a time limit, its output a size limit, what it prints is
 * checked, and a process that it leaves behind, daemon or not, is found and killed: while it
 * has a child this process is the parent of every orphan below it (a subreaper), so that all
 * children of this process are the trial's.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>

/* Set by the signal handler of whoever runs trials: a child is then killed at once. */
extern volatile sig_atomic_t bench_interrupted;

struct bench_program {
    char name[64];   /* "corobench", "boost-context" */
    char path[4096];
};

/* This program itself, and the peers built beside it: executables named
 * peers/peer-NAME or peers/NAME/peer-NAME. Returns how many were found (at most `capacity`); 0 when even this
 * program's own path is unknown. */
size_t bench_programs_find(struct bench_program *programs, size_t capacity);

/* What the build knows of peers it could not build: [{"name","status","reason"}], with the
 * present ones; for the environment record. */
json_t *bench_peers_json(const struct bench_program *programs, size_t count);

/* The program's cases as an array of objects. NULL with a sentence in `error`. */
json_t *bench_program_list(const struct bench_program *program, char *error,
                           size_t error_bytes);

/* Runs one trial of `case_name` with extra arguments (NULL-terminated). Returns its record,
 * checked for shape; NULL with a sentence in `error` when the child crashed, hung, printed
 * something else, or bench_interrupted was set. */
json_t *bench_program_trial(const struct bench_program *program, const char *case_name,
                            const char *const *arguments, double timeout_s, char *error,
                            size_t error_bytes);

/* The "per_op" object of the case's count. NULL with a sentence in `error`. */
json_t *bench_program_count(const struct bench_program *program, const char *case_name,
                            char *error, size_t error_bytes);

#endif
