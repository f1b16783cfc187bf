/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run.h"

static const char run_text[] =
    "usage: corobench run [PATTERN...] [options]\n"
    "Rounds of every matching case in random order, until each interval is as tight as asked\n"
    "or the time is up. Records are kept as they come: Ctrl-C loses nothing finished.\n"
    "  --regex RE           names that the extended regular expression matches somewhere\n"
    "  --profile P          quick (30 s of rounds), default (11 minutes, six rounds at\n"
    "                       least), full (until tight, with every placement and variant)\n"
    "  --max-rel-ci X       stop when every 95 % interval's half-width is below this share of\n"
    "                       its median, e.g. 0.01; 0: never\n"
    "  --time-budget S      seconds for the rounds; 0: none\n"
    "  --min-rounds N, --max-rounds N\n"
    "  --epoch-ms X         shortest timed epoch\n"
    "  --triples N          timed triples in a trial\n"
    "  --trial-timeout S    a trial that takes longer is killed and named (120)\n"
    "  --events A,B         hardware events by libpfm4 name, in place of the default ones\n"
    "  --seed N             of the random order (default: random; it is in the record)\n"
    "  --results DIR        records go to DIR/<machine>/<run>.jsonl (default: results)\n"
    "  --output FILE        records go to FILE, which must not exist\n"
    "  --resume FILE        go on with an interrupted run, with its own options\n"
    "  --arm NAME=PROGRAM   compare programs: twice or more; each makes two trials of every case\n"
    "                       in a round, in the order ABBA or BAAB (`corobench compare` judges)\n"
    "  --report             write REPORT.md and charts when done\n"
    "The record file's path is printed on stdout, all else on stderr.\n";

/* NAME=PROGRAM; the name is cut off in place. */
static int add_arm(struct bench_run_options *o, char *word)
{
    static struct bench_arm arms[BENCH_ARMS_MAX];
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    size_t length = strspn(word, letters);
    if (length == 0 || length > 32 || word[length] != '=')
        return cli_usage_error("--arm wants NAME=PROGRAM, the name in small letters: '%s'", word);
    word[length] = '\0';
    for (size_t i = 0; i < o->arm_count; i++)
        if (strcmp(arms[i].name, word) == 0)
            return cli_usage_error("there is an arm '%s' already", word);
    if (o->arm_count == BENCH_ARMS_MAX)
        return cli_usage_error("one arm too many: '%s'", word);
    arms[o->arm_count++] = (struct bench_arm){.name = word, .path = word + length + 1};
    o->arms = arms;
    return 0;
}

static int run_option(struct bench_run_options *o, int option)
{
    switch (option) {
    case OPT_REGEX:
        cli_add_pattern(o->patterns, "regex", optarg);
        return 0;
    case OPT_PROFILE:
        return 0; /* taken before the others: it sets their defaults */
    case OPT_MAX_REL_CI:
        return cli_parse_real(optarg, 0, 1, &o->max_rel_ci);
    case OPT_TIME_BUDGET:
        o->rounds_sure = 0;
        return cli_parse_real(optarg, 0, 1e7, &o->time_budget_s);
    case OPT_MIN_ROUNDS:
        return cli_parse_int(optarg, 1, 10000, &o->rounds_min);
    case OPT_MAX_ROUNDS:
        return cli_parse_int(optarg, 1, 10000, &o->rounds_max);
    case OPT_EPOCH_MS:
        return cli_parse_real(optarg, 0.001, 10000, &o->epoch_ms);
    case OPT_TRIPLES:
        return cli_parse_int(optarg, 1, 1000, &o->triples);
    case OPT_TRIAL_TIMEOUT:
        return cli_parse_real(optarg, 0.1, 1e6, &o->trial_timeout_s);
    case OPT_EVENTS:
        o->events = optarg;
        return 0;
    case OPT_SEED:
        return cli_parse_whole(optarg, 0, INT64_MAX, &o->seed);
    case OPT_RESULTS:
        o->results = optarg;
        return 0;
    case OPT_OUTPUT:
        o->output = optarg;
        return 0;
    case OPT_RESUME:
        o->resume = optarg;
        return 0;
    case OPT_ARM:
        return add_arm(o, optarg);
    case OPT_REPORT:
        o->report = true;
        return 0;
    }
    return CLI_USAGE;
}

/* The profile decides the other options' defaults, so it is looked for first. */
static int find_profile(int argc, char **argv, const struct option *options,
                        enum bench_profile *profile)
{
    int option, code = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        if (option == OPT_PROFILE)
            code = cli_parse_profile(optarg, profile);
    optind = 0; /* glibc: start anew */
    return code;
}

static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (syscall(SYS_getrandom, &seed, sizeof seed, 0) < 0)
        seed = (uint64_t)getpid();
    return seed >> 16; /* short enough to type, and exact in any JSON reader */
}

int cli_run(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", 0, NULL, OPT_HELP},
        {"regex", 1, NULL, OPT_REGEX},
        {"profile", 1, NULL, OPT_PROFILE},
        {"max-rel-ci", 1, NULL, OPT_MAX_REL_CI},
        {"time-budget", 1, NULL, OPT_TIME_BUDGET},
        {"min-rounds", 1, NULL, OPT_MIN_ROUNDS},
        {"max-rounds", 1, NULL, OPT_MAX_ROUNDS},
        {"epoch-ms", 1, NULL, OPT_EPOCH_MS},
        {"triples", 1, NULL, OPT_TRIPLES},
        {"trial-timeout", 1, NULL, OPT_TRIAL_TIMEOUT},
        {"events", 1, NULL, OPT_EVENTS},
        {"seed", 1, NULL, OPT_SEED},
        {"results", 1, NULL, OPT_RESULTS},
        {"output", 1, NULL, OPT_OUTPUT},
        {"resume", 1, NULL, OPT_RESUME},
        {"report", 0, NULL, OPT_REPORT},
        {"arm", 1, NULL, OPT_ARM},
        {NULL, 0, NULL, 0}};
    enum bench_profile profile = BENCH_DEFAULT;
    struct bench_run_options o;
    int option, code = find_profile(argc, argv, options, &profile);
    bench_run_options_init(&o, profile);
    o.seed = random_seed();
    o.patterns = json_array();
    while (!code && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h') {
            json_decref(o.patterns);
            return fputs(run_text, stdout), 0;
        }
        code = option == '?' ? cli_bad_option(argv) : run_option(&o, option);
    }
    for (; !code && optind < argc; optind++)
        cli_add_pattern(o.patterns, "glob", argv[optind]);
    if (!code && o.resume && (o.output || json_array_size(o.patterns)))
        code = cli_usage_error("%s takes its file and cases from the run that it resumes",
                           "--resume");
    if (!code && o.arm_count == 1)
        code = cli_usage_error("%s: one alone compares nothing", "--arm");
    if (!code && o.arm_count && o.resume)
        code = cli_usage_error("%s is about a run without arms", "--resume");
    if (!code)
        code = bench_run(&o);
    json_decref(o.patterns);
    return code;
}
