/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "run.h"
#include "select.h"

static const char list_text[] =
    "usage: corobench list [PATTERN...] [options]\n"
    "  --regex RE           names that the extended regular expression matches somewhere\n"
    "  --profile P          quick, default or full: the cases of that profile (default: full)\n"
    "  --format text|json   json: one line per case of this program alone, as a peer program\n"
    "                       prints it; text: the peers' cases too\n";

static void print_own_case(const struct bench_entry *entry)
{
    json_t *what = bench_entry_json(entry);
    json_object_set_new(what, "profile",
                        json_string(bench_profile_name(entry->spec->profile)));
    json_object_set_new(what, "timed", json_boolean(entry->spec->run != NULL));
    json_object_set_new(what, "countable", json_boolean(cli_is_countable(entry)));
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
    struct cli_cases own = {.table = {0}};
    int code = cli_cases_load(&own);
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
    for (size_t i = 0; i < cli_table.count; i++)
        if (strcmp(cli_table.experiments[i].name, experiment) == 0)
            return cli_table.experiments[i].question;
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
    return CLI_USAGE;
}

int cli_list(int argc, char **argv)
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
            cli_add_pattern(patterns, "regex", optarg);
        else if (option == OPT_PROFILE)
            code = cli_parse_profile(optarg, &profile);
        else if (option == OPT_FORMAT)
            code = cli_parse_json(optarg, &json);
        else
            code = cli_bad_option(argv);
    }
    for (; optind < argc; optind++)
        cli_add_pattern(patterns, "glob", argv[optind]);
    struct bench_filter *filter = bench_filter_new();
    char error[600] = "no memory";
    if (!code && (!filter || bench_run_filter(patterns, filter, error, sizeof error))) {
        fprintf(stderr, "corobench: %s\n", error);
        code = CLI_USAGE;
    }
    if (!code)
        code = json ? list_own_json(filter, profile) : list_text_all(filter, profile);
    bench_filter_free(filter);
    json_decref(patterns);
    return code;
}
