/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "record.h"
#include "trial.h"

static const char trial_text[] =
    "usage: corobench trial CASE [options]\n"
    "  --epoch-ms X         shortest timed epoch (0.25)\n"
    "  --triples N          timed triples: N, 2N and 4N ops each (9)\n"
    "  --core-width X       independent additions per cycle that this core does when it has\n"
    "                       no busy sibling (default: the most that the trial sees)\n"
    "  --events A,B         hardware events by libpfm4 name\n"
    "  --count-ops N        no timing: N and 2N ops between breakpoints, for a tracer\n"
    "  --fixed-ops N        no timing: N ops once, for an outside instrument\n"
    "  --plant WHAT         make it worse on purpose: `instruction`, one more per op, or\n"
    "                       `delay=0.03`, 3 % of its time: for a test of the gate\n"
    "  --format json|text   text: the figures, for people (json)\n";

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
        return CLI_SKIPPED;
    return json_is_string(json_object_get(record, "error")) ? 1 : 0;
}

static int trial_of(const char *name, const struct bench_trial_options *o, bool text)
{
    struct cli_cases own = {.table = {0}};
    if (o->fixed_ops)
        json_object_seed(1); /* a random seed makes jansson's instruction counts vary */
    int code = cli_cases_load(&own);
    const struct bench_entry *entry = code ? NULL : cli_case(&own, name);
    json_t *record = entry ? bench_trial_run(entry, o) : NULL;
    if (!code && !entry)
        code = CLI_USAGE;
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

int cli_trial(int argc, char **argv)
{
    static const struct option options[] = {{"help", 0, NULL, OPT_HELP},
                                            {"epoch-ms", 1, NULL, OPT_EPOCH_MS},
                                            {"triples", 1, NULL, OPT_TRIPLES},
                                            {"core-width", 1, NULL, OPT_CORE_WIDTH},
                                            {"events", 1, NULL, OPT_EVENTS},
                                            {"count-ops", 1, NULL, OPT_COUNT_OPS},
                                            {"fixed-ops", 1, NULL, OPT_FIXED_OPS},
                                            {"plant", 1, NULL, OPT_PLANT},
                                            {"format", 1, NULL, OPT_FORMAT},
                                            {NULL, 0, NULL, 0}};
    struct bench_trial_options o = BENCH_TRIAL_OPTIONS_DEFAULT;
    bool json = true;
    int option, code = 0;
    while (!code && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h')
            return fputs(trial_text, stdout), 0;
        if (option == OPT_EPOCH_MS)
            code = cli_parse_real(optarg, 0.001, 10000, &o.epoch_ms);
        else if (option == OPT_TRIPLES)
            code = cli_parse_int(optarg, 1, 1000, &o.triples);
        else if (option == OPT_CORE_WIDTH)
            code = cli_parse_real(optarg, 0, 64, &o.core_width);
        else if (option == OPT_EVENTS)
            o.events = optarg;
        else if (option == OPT_COUNT_OPS)
            code = cli_parse_whole(optarg, 1, 1000000000u, &o.count_ops);
        else if (option == OPT_FIXED_OPS)
            code = cli_parse_whole(optarg, 1, 1000000000000u, &o.fixed_ops);
        else if (option == OPT_PLANT)
            code = cli_parse_plant(optarg, &o.plant_delay, &o.plant_instruction);
        else if (option == OPT_FORMAT)
            code = cli_parse_json(optarg, &json);
        else
            code = cli_bad_option(argv);
    }
    if (!code && optind + 1 != argc)
        code = cli_usage_error("%s takes one case", "trial");
    return code ? code : trial_of(argv[optind], &o, !json);
}
