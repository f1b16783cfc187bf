/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "singlestep.h"

static const char count_text[] =
    "usage: corobench count CASE [options]\n"
    "Steps through N and then 2N ops, one instruction at a time, and prints what one op is\n"
    "made of: instructions, opcodes, bytes stored and loaded, disassembly. Exact, and\n"
    "without a PMU. Only for cases that run on one thread.\n"
    "  --ops N              N (200)\n"
    "  --max-steps N        give up a stretch that takes more instructions (10000000)\n"
    "  --timeout S          give up altogether: it may be blocked in a system call (120)\n"
    "  --no-disassembly\n"
    "  --plant instruction  one more per op, on purpose: for a test of the gate\n"
    "  --format text|json\n";

static int count_entry(const struct bench_entry *entry, struct bench_count_options *o,
                       bool planted)
{
    char ops[32], path[4096];
    if (entry->skipped || !entry->spec->run ||
        (entry->spec->flags & (BENCH_THREADS | BENCH_GUEST))) {
        fprintf(stderr, "corobench: %s cannot be counted: %s\n", entry->name,
                entry->skipped       ? entry->skipped
                : !entry->spec->run  ? "it has no cost per op"
                : entry->spec->flags & BENCH_GUEST
                    ? "another process does the work, and only this one is stepped"
                    : "it runs on several threads, and only one is stepped");
        return CLI_SKIPPED;
    }
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) {
        fprintf(stderr, "corobench: cannot find this program's own file: %s\n",
                strerror(errno));
        return 1;
    }
    path[n] = '\0';
    snprintf(ops, sizeof ops, "%llu", (unsigned long long)o->ops);
    char *argv[] = {path, "trial", entry->name, "--count-ops", ops,
                    planted ? "--plant" : NULL, "instruction", NULL};
    return bench_count(entry->name, entry->spec->op, argv, o);
}

int cli_count(int argc, char **argv)
{
    static const struct option options[] = {{"help", 0, NULL, OPT_HELP},
                                            {"ops", 1, NULL, OPT_OPS},
                                            {"max-steps", 1, NULL, OPT_MAX_STEPS},
                                            {"timeout", 1, NULL, OPT_TIMEOUT},
                                            {"plant", 1, NULL, OPT_PLANT},
                                            {"format", 1, NULL, OPT_FORMAT},
                                            {"no-disassembly", 0, NULL, OPT_NO_DISASSEMBLY},
                                            {NULL, 0, NULL, 0}};
    struct bench_count_options o = {.ops = 200, .steps_max = 10 * 1000 * 1000,
                                    .timeout_s = 120, .disassembly = 1};
    bool json = false, planted = false;
    int option, code = 0;
    while (!code && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h')
            return fputs(count_text, stdout), 0;
        if (option == OPT_OPS)
            code = cli_parse_whole(optarg, 1, 1000000, &o.ops);
        else if (option == OPT_MAX_STEPS)
            code = cli_parse_whole(optarg, 1, UINT64_MAX, &o.steps_max);
        else if (option == OPT_TIMEOUT)
            code = cli_parse_real(optarg, 0.1, 1e6, &o.timeout_s);
        else if (option == OPT_PLANT)
            code = cli_parse_plant(optarg, &(double){0}, &planted);
        else if (option == OPT_FORMAT)
            code = cli_parse_json(optarg, &json);
        else if (option == OPT_NO_DISASSEMBLY)
            o.disassembly = 0;
        else
            code = cli_bad_option(argv);
    }
    if (!code && optind + 1 != argc)
        code = cli_usage_error("%s takes one case", "count");
    if (code)
        return code;
    struct cli_cases own = {.table = {0}};
    code = cli_cases_load(&own);
    const struct bench_entry *entry = code ? NULL : cli_case(&own, argv[optind]);
    o.json = json;
    if (!code)
        code = entry ? count_entry(entry, &o, planted) : CLI_USAGE;
    bench_table_free(&own.table);
    return code;
}
