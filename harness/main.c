/* SPDX-License-Identifier: MIT
 *
 * main.c: the command line. One verb, one file verb_*.c; the judging verbs are scripts.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "gbench.h"
#include "handover.h"
#include "version.h"

static const char usage_text[] =
    "usage: corobench VERB [options]\n"
    "\n"
    "What it costs, on this machine, to have and to switch between many flows of control.\n"
    "\n"
    "  list [PATTERN...]   the cases there are\n"
    "  run [PATTERN...]    measure them, round by round, into a record file\n"
    "  trial CASE          one trial of one case: a fresh process, one record on stdout\n"
    "  count CASE          exact instructions per op, by single-stepping; needs no PMU\n"
    "  doctor              what on this machine disturbs or limits the measurement\n"
    "  report [RUN...]     REPORT.md and charts from record files\n"
    "  compare [BASE] NEW   does the new program cost more than the old one, or the baseline?\n"
    "  selftest             plants regressions, and shows that compare finds them\n"
    "  export RUN           a record file in the format of another tool\n"
    "  history [RUN...]     a line per run, and where costs changed for good\n"
    "\n"
    "`corobench VERB --help` tells more. A PATTERN is a glob on case names, or their leading\n"
    "part: 'switch', 'switch/*/site=diff/*'. Google Benchmark's flags work in place of a verb:\n"
    "corobench --benchmark_list_tests, --benchmark_filter=REGEX, --benchmark_format=json, ...\n"
    "\n"
    "Exit codes: 0 pass, 1 error, 2 usage, 3 regression, 4 inconclusive or contaminated,\n"
    "77 skipped.\n";

static int cmd_script(int argc, char **argv)
{
    (void)argc;
    return bench_hand_over(argv[0], (const char *const *)argv + 1);
}

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {{"list", cli_list},     {"run", cli_run},       {"trial", cli_trial},
             {"count", cli_count},   {"doctor", cli_doctor}, {"report", cmd_script},
             {"compare", cmd_script}, {"selftest", cmd_script},
             {"export", cmd_script},  {"history", cmd_script}};

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage_text, stderr);
        return CLI_USAGE;
    }
    if (bench_gbench_wants(argc, argv))
        return bench_gbench(argc, argv);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return fputs(usage_text, stdout), 0;
    if (strcmp(argv[1], "--version") == 0)
        return printf("corobench %s (%s)\n%s\n", COROBENCH_VERSION, COROBENCH_COMPILER,
                      COROBENCH_OPTIONS), 0;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    return cli_usage_error("there is no verb '%s'", argv[1]);
}

struct cli_table cli_table;

int bench_main(int argc, char **argv, const struct bench_experiment *experiments,
               size_t experiment_count)
{
    cli_table.experiments = experiments;
    cli_table.count = experiment_count;
    opterr = 0;
    int code = dispatch(argc, argv);
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "corobench: cannot write to standard output: %s\n", strerror(errno));
        return 1;
    }
    return code;
}
