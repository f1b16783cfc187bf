/* SPDX-License-Identifier: MIT
 *
 * gbench.h: Google Benchmark's flags and output, so that tooling made for it works here.
 *
 *     corobench --benchmark_filter=REGEX --benchmark_format=json --benchmark_repetitions=5
 *
 * A repetition is a trial, in a fresh process. The flags' meanings and the JSON schema are
 * those of Google Benchmark's user guide (docs/user_guide.md, "Output Formats").
 */
#ifndef GBENCH_H
#define GBENCH_H

#include <stdbool.h>

/* Whether the command line is Google Benchmark's: its first word is one of its flags. */
bool bench_gbench_wants(int argc, char **argv);

/* Returns the exit code: 0; 1 when a benchmark or the output failed; 2 for a bad flag. */
int bench_gbench(int argc, char **argv);

#endif
