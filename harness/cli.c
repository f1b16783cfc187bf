/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cli_usage_error(const char *format, const char *word)
{
    fprintf(stderr, "corobench: ");
    fprintf(stderr, format, word);
    fprintf(stderr, "; see --help\n");
    return CLI_USAGE;
}

int cli_parse_real(const char *word, double low, double high, double *value)
{
    char *end;
    errno = 0;
    double parsed = strtod(word, &end);
    if (end == word || *end || errno || !(parsed >= low && parsed <= high))
        return cli_usage_error("'%s' is not a number in the range that makes sense here", word);
    *value = parsed;
    return 0;
}

int cli_parse_whole(const char *word, uint64_t low, uint64_t high, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(word, &end, 10);
    if (end == word || *end || errno || word[0] == '-' || parsed < low || parsed > high)
        return cli_usage_error("'%s' is not a whole number in the range that makes sense here",
                           word);
    *value = parsed;
    return 0;
}

int cli_parse_int(const char *word, int low, int high, int *value)
{
    uint64_t parsed;
    int code = cli_parse_whole(word, (uint64_t)low, (uint64_t)high, &parsed);
    if (!code)
        *value = (int)parsed;
    return code;
}

int cli_parse_json(const char *word, bool *json)
{
    *json = strcmp(word, "json") == 0;
    return *json || strcmp(word, "text") == 0
               ? 0
               : cli_usage_error("format '%s' is neither text nor json", word);
}

int cli_parse_profile(const char *word, enum bench_profile *profile)
{
    return bench_profile_parse(word, profile)
               ? cli_usage_error("profile '%s' is none of quick, default, full", word)
               : 0;
}

int cli_parse_plant(const char *word, double *delay, bool *instruction)
{
    if (strncmp(word, "delay=", 6) == 0)
        return cli_parse_real(word + 6, 0, 10, delay);
    *instruction = strcmp(word, "instruction") == 0;
    return *instruction ? 0 : cli_usage_error("'%s' cannot be planted", word);
}

void cli_add_pattern(json_t *patterns, const char *kind, const char *text)
{
    json_t *string = json_string(text);
    if (!string) /* not UTF-8: no case has such a name */
        string = json_string("?");
    json_array_append_new(patterns, json_pack("[s, o]", kind, string));
}

int cli_bad_option(char **argv)
{
    return cli_usage_error("unknown option or missing value: '%s'", argv[optind - 1]);
}

int cli_cases_load(struct cli_cases *own)
{
    int err = bench_topology_load(&own->topology, NULL);
    if (err) {
        fprintf(stderr, "corobench: cannot read the topology: %s\n", strerror(-err));
        return 1;
    }
    err = bench_table_build(&own->table, cli_table.experiments, cli_table.count,
                            &own->topology);
    if (err)
        fprintf(stderr, "corobench: no memory\n");
    return err ? 1 : 0;
}

const struct bench_entry *cli_case(struct cli_cases *own, const char *name)
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

bool cli_is_countable(const struct bench_entry *entry)
{
    const struct bench_case *spec = entry->spec;
    return spec->run && !(spec->flags & (BENCH_THREADS | BENCH_GUEST)) &&
           spec->ops_multiple <= 1;
}
