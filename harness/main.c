/* SPDX-License-Identifier: MIT
 *
 * main.c: the command line. One verb, one function; the judging verbs are scripts.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "case.h"
#include "environment.h"
#include "gbench.h"
#include "handover.h"
#include "record.h"
#include "run.h"
#include "select.h"
#include "singlestep.h"
#include "trial.h"
#include "version.h"

enum { USAGE = 2, SKIPPED = 77 };

static struct {
    const struct bench_experiment *experiments;
    size_t count;
} program_table; /* set once by bench_main() */

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
    "  compare A B         two record files, case by case\n"
    "\n"
    "`corobench VERB --help` tells more. A PATTERN is a glob on case names, or their leading\n"
    "part: 'switch', 'switch/*/site=diff/*'. Google Benchmark's flags work in place of a verb:\n"
    "corobench --benchmark_list_tests, --benchmark_filter=REGEX, --benchmark_format=json, ...\n"
    "\n"
    "Exit codes: 0 pass, 1 error, 2 usage, 3 regression, 4 inconclusive or contaminated,\n"
    "77 skipped.\n";

static const char list_text[] =
    "usage: corobench list [PATTERN...] [options]\n"
    "  --regex RE           names that the extended regular expression matches somewhere\n"
    "  --profile P          quick, default or full: the cases of that profile (default: full)\n"
    "  --format text|json   json: one line per case of this program alone, as a peer program\n"
    "                       prints it; text: the peers' cases too\n";

static const char run_text[] =
    "usage: corobench run [PATTERN...] [options]\n"
    "Rounds of every matching case in random order, until each interval is as tight as asked\n"
    "or the time is up. Records are kept as they come: Ctrl-C loses nothing finished.\n"
    "  --regex RE           names that the extended regular expression matches somewhere\n"
    "  --profile P          quick (30 s of rounds), default (about 4 minutes), full (until\n"
    "                       tight, with every placement and study variant)\n"
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
    "  --report             write REPORT.md and charts when done\n"
    "The record file's path is printed on stdout, all else on stderr.\n";

static const char trial_text[] =
    "usage: corobench trial CASE [options]\n"
    "  --epoch-ms X         shortest timed epoch (0.25)\n"
    "  --triples N          timed triples: N, 2N and 4N ops each (9)\n"
    "  --core-width X       independent additions per cycle that this core does when it has\n"
    "                       no busy sibling (default: the most that the trial sees)\n"
    "  --events A,B         hardware events by libpfm4 name\n"
    "  --count-ops N        no timing: N and 2N ops between breakpoints, for a tracer\n"
    "  --fixed-ops N        no timing: N ops once, for an outside instrument\n"
    "  --format json|text   text: the figures, for people (json)\n";

static const char count_text[] =
    "usage: corobench count CASE [options]\n"
    "Steps through N and then 2N ops, one instruction at a time, and prints what one op is\n"
    "made of: instructions, opcodes, bytes stored and loaded, disassembly. Exact, and\n"
    "without a PMU. Only for cases that run on one thread.\n"
    "  --ops N              N (200)\n"
    "  --no-disassembly\n"
    "  --format text|json\n";

static const char doctor_text[] =
    "usage: corobench doctor [--format text|json]\n"
    "Each fact about machine and kernel that a figure depends on: ok, warning or unavailable,\n"
    "with what to do about it.\n";

static int usage_error(const char *format, const char *word)
{
    fprintf(stderr, "corobench: ");
    fprintf(stderr, format, word);
    fprintf(stderr, "; see --help\n");
    return USAGE;
}

/* --------------------------------------------------------- option parsing */

enum option_id {
    OPT_HELP = 256, OPT_REGEX, OPT_PROFILE, OPT_FORMAT, OPT_MAX_REL_CI,
    OPT_TIME_BUDGET, OPT_MIN_ROUNDS, OPT_MAX_ROUNDS, OPT_EPOCH_MS, OPT_TRIPLES, OPT_CORE_WIDTH,
    OPT_TRIAL_TIMEOUT, OPT_EVENTS, OPT_SEED, OPT_RESULTS, OPT_OUTPUT, OPT_RESUME,
    OPT_REPORT, OPT_COUNT_OPS, OPT_FIXED_OPS, OPT_OPS, OPT_NO_DISASSEMBLY
};

static int parse_real(const char *word, double low, double high, double *value)
{
    char *end;
    errno = 0;
    double parsed = strtod(word, &end);
    if (end == word || *end || errno || !(parsed >= low && parsed <= high))
        return usage_error("'%s' is not a number in the range that makes sense here", word);
    *value = parsed;
    return 0;
}

static int parse_whole(const char *word, uint64_t low, uint64_t high, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(word, &end, 10);
    if (end == word || *end || errno || word[0] == '-' || parsed < low || parsed > high)
        return usage_error("'%s' is not a whole number in the range that makes sense here",
                           word);
    *value = parsed;
    return 0;
}

static int parse_int(const char *word, int low, int high, int *value)
{
    uint64_t parsed;
    int code = parse_whole(word, (uint64_t)low, (uint64_t)high, &parsed);
    if (!code)
        *value = (int)parsed;
    return code;
}

static int parse_format_json(const char *word, bool *json)
{
    *json = strcmp(word, "json") == 0;
    return *json || strcmp(word, "text") == 0
               ? 0
               : usage_error("format '%s' is neither text nor json", word);
}

static int parse_profile(const char *word, enum bench_profile *profile)
{
    return bench_profile_parse(word, profile)
               ? usage_error("profile '%s' is none of quick, default, full", word)
               : 0;
}

static void add_pattern(json_t *patterns, const char *kind, const char *text)
{
    json_t *string = json_string(text);
    if (!string) /* not UTF-8: no case has such a name */
        string = json_string("?");
    json_array_append_new(patterns, json_pack("[s, o]", kind, string));
}

static int bad_option(char **argv)
{
    return usage_error("unknown option or missing value: '%s'", argv[optind - 1]);
}

/* ------------------------------------------------------- this program's table */

struct own_cases {
    struct bench_topology topology;
    struct bench_table table;
};

static int own_load(struct own_cases *own)
{
    int err = bench_topology_load(&own->topology, NULL);
    if (err) {
        fprintf(stderr, "corobench: cannot read the topology: %s\n", strerror(-err));
        return 1;
    }
    err = bench_table_build(&own->table, program_table.experiments, program_table.count,
                            &own->topology);
    if (err)
        fprintf(stderr, "corobench: no memory\n");
    return err ? 1 : 0;
}

/* The case a verb is about. A name that is only unknown gets near ones suggested. */
static const struct bench_entry *own_case(struct own_cases *own, const char *name)
{
    const struct bench_entry *entry = bench_table_find(&own->table, name);
    int shown = 0;
    if (entry)
        return entry;
    fprintf(stderr, "corobench: there is no case '%s'; `corobench list` shows all", name);
    for (size_t i = 0; *name && i < own->table.count && shown < 3; i++)
        if (strstr(own->table.entries[i].name, name))
            fprintf(stderr, "%s %s", shown++ ? "," : ". Near:", own->table.entries[i].name);
    fputc('\n', stderr);
    return NULL;
}

/* -------------------------------------------------------------------- list */

/* Worth a count in every run: one thread, and no batches that would take minutes to step. */
static bool is_countable(const struct bench_entry *entry)
{
    const struct bench_case *spec = entry->spec;
    return spec->run && !(spec->flags & BENCH_THREADS) && spec->ops_multiple <= 1;
}

static void print_own_case(const struct bench_entry *entry)
{
    json_t *what = bench_entry_json(entry);
    json_object_set_new(what, "profile",
                        json_string(bench_profile_name(entry->spec->profile)));
    json_object_set_new(what, "timed", json_boolean(entry->spec->run != NULL));
    json_object_set_new(what, "countable", json_boolean(is_countable(entry)));
    json_object_set_new(what, "skipped",
                        entry->skipped ? json_string(entry->skipped) : json_null());
    char *line = bench_record_line(what);
    if (line)
        fputs(line, stdout);
    free(line);
    json_decref(what);
}

static int list_own_json(const struct bench_filter *filter, enum bench_profile profile)
{
    struct own_cases own = {.table = {0}};
    int code = own_load(&own);
    for (size_t i = 0; !code && i < own.table.count; i++) {
        const struct bench_entry *entry = &own.table.entries[i];
        if (bench_filter_match(filter, entry->name) && entry->spec->profile <= profile)
            print_own_case(entry);
    }
    bench_table_free(&own.table);
    return code;
}

static const char *question_of(const char *experiment)
{
    for (size_t i = 0; i < program_table.count; i++)
        if (strcmp(program_table.experiments[i].name, experiment) == 0)
            return program_table.experiments[i].question;
    return "";
}

static int list_text_all(const struct bench_filter *filter, enum bench_profile profile)
{
    struct bench_selection selection;
    char error[600] = "no memory";
    const char *heading = "";
    if (bench_select(&selection, filter, profile, error, sizeof error)) {
        fprintf(stderr, "corobench: %s\n", error);
        return 1;
    }
    for (size_t i = 0; i < selection.count; i++) {
        const struct bench_selected *c = &selection.cases[i];
        const char *experiment = json_string_value(json_object_get(c->what, "experiment"));
        if (strcmp(experiment, heading) != 0)
            printf("%s%s: %s\n", heading[0] ? "\n" : "", experiment, question_of(experiment));
        heading = experiment;
        printf("  %s%s%s%s\n", c->name, c->skipped ? "  (skipped: " : "",
               c->skipped ? c->skipped : "", c->skipped ? ")" : "");
    }
    size_t count = selection.count;
    bench_selection_free(&selection);
    if (count)
        return 0;
    fprintf(stderr, "corobench: no case matches\n");
    return USAGE;
}

static int cmd_list(int argc, char **argv)
{
    static const struct option options[] = {{"help", 0, NULL, OPT_HELP},
                                            {"regex", 1, NULL, OPT_REGEX},
                                            {"profile", 1, NULL, OPT_PROFILE},
                                            {"format", 1, NULL, OPT_FORMAT},
                                            {NULL, 0, NULL, 0}};
    enum bench_profile profile = BENCH_FULL;
    bool json = false;
    int option, code = 0;
    json_t *patterns = json_array();
    while (!code && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h') {
            json_decref(patterns);
            return fputs(list_text, stdout), 0;
        }
        if (option == OPT_REGEX)
            add_pattern(patterns, "regex", optarg);
        else if (option == OPT_PROFILE)
            code = parse_profile(optarg, &profile);
        else if (option == OPT_FORMAT)
            code = parse_format_json(optarg, &json);
        else
            code = bad_option(argv);
    }
    for (; optind < argc; optind++)
        add_pattern(patterns, "glob", argv[optind]);
    struct bench_filter *filter = bench_filter_new();
    char error[600] = "no memory";
    if (!code && (!filter || bench_run_filter(patterns, filter, error, sizeof error))) {
        fprintf(stderr, "corobench: %s\n", error);
        code = USAGE;
    }
    if (!code)
        code = json ? list_own_json(filter, profile) : list_text_all(filter, profile);
    bench_filter_free(filter);
    json_decref(patterns);
    return code;
}

/* --------------------------------------------------------------------- run */

static int run_option(struct bench_run_options *o, int option)
{
    switch (option) {
    case OPT_REGEX:
        add_pattern(o->patterns, "regex", optarg);
        return 0;
    case OPT_PROFILE:
        return 0; /* taken before the others: it sets their defaults */
    case OPT_MAX_REL_CI:
        return parse_real(optarg, 0, 1, &o->max_rel_ci);
    case OPT_TIME_BUDGET:
        return parse_real(optarg, 0, 1e7, &o->time_budget_s);
    case OPT_MIN_ROUNDS:
        return parse_int(optarg, 1, 10000, &o->rounds_min);
    case OPT_MAX_ROUNDS:
        return parse_int(optarg, 1, 10000, &o->rounds_max);
    case OPT_EPOCH_MS:
        return parse_real(optarg, 0.001, 10000, &o->epoch_ms);
    case OPT_TRIPLES:
        return parse_int(optarg, 1, 1000, &o->triples);
    case OPT_TRIAL_TIMEOUT:
        return parse_real(optarg, 0.1, 1e6, &o->trial_timeout_s);
    case OPT_EVENTS:
        o->events = optarg;
        return 0;
    case OPT_SEED:
        return parse_whole(optarg, 0, INT64_MAX, &o->seed);
    case OPT_RESULTS:
        o->results = optarg;
        return 0;
    case OPT_OUTPUT:
        o->output = optarg;
        return 0;
    case OPT_RESUME:
        o->resume = optarg;
        return 0;
    case OPT_REPORT:
        o->report = true;
        return 0;
    }
    return USAGE;
}

/* The profile decides the other options' defaults, so it is looked for first. */
static int find_profile(int argc, char **argv, const struct option *options,
                        enum bench_profile *profile)
{
    int option, code = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        if (option == OPT_PROFILE)
            code = parse_profile(optarg, profile);
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

static int cmd_run(int argc, char **argv)
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
        code = option == '?' ? bad_option(argv) : run_option(&o, option);
    }
    for (; !code && optind < argc; optind++)
        add_pattern(o.patterns, "glob", argv[optind]);
    if (!code && o.resume && (o.output || json_array_size(o.patterns)))
        code = usage_error("%s takes its file and cases from the run that it resumes",
                           "--resume");
    if (!code)
        code = bench_run(&o);
    json_decref(o.patterns);
    return code;
}

/* ------------------------------------------------------------------- trial */

static void print_text_record(const json_t *record)
{
    const char *name, *why;
    json_t *metric;
    printf("%s\n", json_string_value(json_object_get(record, "case")));
    if ((why = json_string_value(json_object_get(record, "skipped"))))
        printf("  skipped: %s\n", why);
    if ((why = json_string_value(json_object_get(record, "error"))))
        printf("  failed: %s\n", why);
    json_object_foreach (json_object_get(record, "metrics"), name, metric) {
        const json_t *value = json_object_get(metric, "value");
        if (json_is_number(value))
            printf("  %-28s %14.6g %s\n", name, json_number_value(value),
                   json_string_value(json_object_get(metric, "unit")));
        else
            printf("  %-28s %14s %s\n", name, "-",
                   json_string_value(json_object_get(metric, "reason")));
    }
    json_object_foreach (json_object_get(record, "notes"), name, metric)
        printf("  %-28s %s\n", name, json_string_value(metric));
}

static int print_record(const json_t *record, bool text)
{
    char *line = text ? NULL : bench_record_line(record);
    if (text)
        print_text_record(record);
    else if (line)
        fputs(line, stdout);
    free(line);
    fflush(stdout);
    if (json_is_string(json_object_get(record, "skipped")))
        return SKIPPED;
    return json_is_string(json_object_get(record, "error")) ? 1 : 0;
}

static int trial_of(const char *name, const struct bench_trial_options *o, bool text)
{
    struct own_cases own = {.table = {0}};
    if (o->fixed_ops)
        json_object_seed(1); /* a random seed makes jansson's instruction counts vary */
    int code = own_load(&own);
    const struct bench_entry *entry = code ? NULL : own_case(&own, name);
    json_t *record = entry ? bench_trial_run(entry, o) : NULL;
    if (!code && !entry)
        code = USAGE;
    else if (!code && !record)
        code = 1;
    else if (!code && (o->count_ops || o->fixed_ops))
        code = json_is_string(json_object_get(record, "skipped")) ||
                       json_is_string(json_object_get(record, "error"))
                   ? print_record(record, true)
                   : 0;
    else if (!code)
        code = print_record(record, text);
    json_decref(record);
    bench_table_free(&own.table);
    return code;
}

static int cmd_trial(int argc, char **argv)
{
    static const struct option options[] = {{"help", 0, NULL, OPT_HELP},
                                            {"epoch-ms", 1, NULL, OPT_EPOCH_MS},
                                            {"triples", 1, NULL, OPT_TRIPLES},
                                            {"core-width", 1, NULL, OPT_CORE_WIDTH},
                                            {"events", 1, NULL, OPT_EVENTS},
                                            {"count-ops", 1, NULL, OPT_COUNT_OPS},
                                            {"fixed-ops", 1, NULL, OPT_FIXED_OPS},
                                            {"format", 1, NULL, OPT_FORMAT},
                                            {NULL, 0, NULL, 0}};
    struct bench_trial_options o = BENCH_TRIAL_OPTIONS_DEFAULT;
    bool json = true;
    int option, code = 0;
    while (!code && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h')
            return fputs(trial_text, stdout), 0;
        if (option == OPT_EPOCH_MS)
            code = parse_real(optarg, 0.001, 10000, &o.epoch_ms);
        else if (option == OPT_TRIPLES)
            code = parse_int(optarg, 1, 1000, &o.triples);
        else if (option == OPT_CORE_WIDTH)
            code = parse_real(optarg, 0, 64, &o.core_width);
        else if (option == OPT_EVENTS)
            o.events = optarg;
        else if (option == OPT_COUNT_OPS)
            code = parse_whole(optarg, 1, 1000000000u, &o.count_ops);
        else if (option == OPT_FIXED_OPS)
            code = parse_whole(optarg, 1, 1000000000000u, &o.fixed_ops);
        else if (option == OPT_FORMAT)
            code = parse_format_json(optarg, &json);
        else
            code = bad_option(argv);
    }
    if (!code && optind + 1 != argc)
        code = usage_error("%s takes one case", "trial");
    return code ? code : trial_of(argv[optind], &o, !json);
}

/* ------------------------------------------------------------------- count */

static int count_entry(const struct bench_entry *entry, struct bench_count_options *o)
{
    char ops[32], path[4096];
    if (entry->skipped || !entry->spec->run || (entry->spec->flags & BENCH_THREADS)) {
        fprintf(stderr, "corobench: %s cannot be counted: %s\n", entry->name,
                entry->skipped       ? entry->skipped
                : !entry->spec->run  ? "it has no cost per op"
                                     : "it runs on several threads, and only one is stepped");
        return SKIPPED;
    }
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) {
        fprintf(stderr, "corobench: cannot find this program's own file: %s\n",
                strerror(errno));
        return 1;
    }
    path[n] = '\0';
    snprintf(ops, sizeof ops, "%llu", (unsigned long long)o->ops);
    char *argv[] = {path, "trial", entry->name, "--count-ops", ops, NULL};
    return bench_count(entry->name, entry->spec->op, argv, o);
}

static int cmd_count(int argc, char **argv)
{
    static const struct option options[] = {{"help", 0, NULL, OPT_HELP},
                                            {"ops", 1, NULL, OPT_OPS},
                                            {"format", 1, NULL, OPT_FORMAT},
                                            {"no-disassembly", 0, NULL, OPT_NO_DISASSEMBLY},
                                            {NULL, 0, NULL, 0}};
    struct bench_count_options o = {.ops = 200, .disassembly = 1};
    bool json = false;
    int option, code = 0;
    while (!code && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h')
            return fputs(count_text, stdout), 0;
        if (option == OPT_OPS)
            code = parse_whole(optarg, 1, 1000000, &o.ops);
        else if (option == OPT_FORMAT)
            code = parse_format_json(optarg, &json);
        else if (option == OPT_NO_DISASSEMBLY)
            o.disassembly = 0;
        else
            code = bad_option(argv);
    }
    if (!code && optind + 1 != argc)
        code = usage_error("%s takes one case", "count");
    if (code)
        return code;
    struct own_cases own = {.table = {0}};
    code = own_load(&own);
    const struct bench_entry *entry = code ? NULL : own_case(&own, argv[optind]);
    o.json = json;
    if (!code)
        code = entry ? count_entry(entry, &o) : USAGE;
    bench_table_free(&own.table);
    return code;
}

/* ------------------------------------------------------------------ doctor */

static int cmd_doctor(int argc, char **argv)
{
    static const struct option options[] = {{"help", 0, NULL, OPT_HELP},
                                            {"format", 1, NULL, OPT_FORMAT},
                                            {NULL, 0, NULL, 0}};
    bool json = false;
    int option, code = 0;
    while (!code && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h')
            return fputs(doctor_text, stdout), 0;
        code = option == OPT_FORMAT ? parse_format_json(optarg, &json) : bad_option(argv);
    }
    if (!code && optind < argc)
        code = usage_error("doctor takes no word such as '%s'", argv[optind]);
    return code ? code : bench_doctor(json);
}

/* ------------------------------------------------------- report and compare */

static int cmd_script(int argc, char **argv)
{
    (void)argc;
    return bench_hand_over(argv[0], (const char *const *)argv + 1);
}

/* -------------------------------------------------------------------- main */

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {{"list", cmd_list},     {"run", cmd_run},       {"trial", cmd_trial},
             {"count", cmd_count},   {"doctor", cmd_doctor}, {"report", cmd_script},
             {"compare", cmd_script}};

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage_text, stderr);
        return USAGE;
    }
    if (bench_gbench_wants(argc, argv))
        return bench_gbench(argc, argv);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return fputs(usage_text, stdout), 0;
    if (strcmp(argv[1], "--version") == 0)
        return printf("corobench %s (%s)\n", COROBENCH_VERSION, COROBENCH_COMPILER), 0;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    return usage_error("there is no verb '%s'", argv[1]);
}

int bench_main(int argc, char **argv, const struct bench_experiment *experiments,
               size_t experiment_count)
{
    program_table.experiments = experiments;
    program_table.count = experiment_count;
    opterr = 0;
    int code = dispatch(argc, argv);
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "corobench: cannot write to standard output: %s\n", strerror(errno));
        return 1;
    }
    return code;
}
