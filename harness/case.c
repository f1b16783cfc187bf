/* SPDX-License-Identifier: MIT */
#include "case.h"

#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const profile_names[BENCH_PROFILES] = {"quick", "default", "full"};

const char *bench_profile_name(enum bench_profile profile)
{
    return profile_names[profile];
}

int bench_profile_parse(const char *word, enum bench_profile *profile)
{
    for (int i = 0; i < BENCH_PROFILES; i++) {
        if (strcmp(word, profile_names[i]) == 0) {
            *profile = (enum bench_profile)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* "experiment/subject/key=value/.../place=word" */
static char *entry_name(const struct bench_case *spec, enum bench_place place)
{
    char *name = NULL;
    const char *slash = spec->params[0] ? "/" : "";
    if (asprintf(&name, "%s/%s%s%s/place=%s", spec->experiment, spec->subject, slash,
                 spec->params, bench_place_name(place)) < 0)
        return NULL;
    for (char *p = name; *p; p++)
        if (*p == ',')
            *p = '/';
    return name;
}

static int entry_init(struct bench_entry *entry, const struct bench_experiment *experiment,
                      const struct bench_case *spec, enum bench_place place,
                      const struct bench_placement *placement)
{
    entry->experiment = experiment;
    entry->spec = spec;
    entry->place = place;
    memcpy(entry->cpu, placement->cpu, sizeof entry->cpu);
    entry->name = entry_name(spec, place);
    entry->skipped = placement->reason[0] ? strdup(placement->reason) : NULL;
    return entry->name && (entry->skipped || !placement->reason[0]) ? 0 : -ENOMEM;
}

int bench_table_build(struct bench_table *table, const struct bench_experiment *experiments,
                      size_t experiment_count, const struct bench_topology *topology)
{
    size_t capacity = 0;
    for (size_t e = 0; e < experiment_count; e++)
        capacity += experiments[e].case_count * BENCH_PLACES;
    table->count = 0;
    table->entries = calloc(capacity ? capacity : 1, sizeof *table->entries);
    if (!table->entries)
        return -ENOMEM;
    for (size_t e = 0; e < experiment_count; e++) {
        for (size_t c = 0; c < experiments[e].case_count; c++) {
            const struct bench_case *spec = &experiments[e].cases[c];
            for (int p = 0; p < BENCH_PLACES; p++) {
                if (!(spec->places & BENCH_AT(p)))
                    continue;
                int err = entry_init(&table->entries[table->count++], &experiments[e], spec,
                                     (enum bench_place)p, &topology->place[p]);
                if (err) {
                    bench_table_free(table);
                    return err;
                }
            }
        }
    }
    return 0;
}

void bench_table_free(struct bench_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->entries[i].name);
        free(table->entries[i].skipped);
    }
    free(table->entries);
    table->entries = NULL;
    table->count = 0;
}

struct bench_entry *bench_table_find(const struct bench_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->entries[i].name, name) == 0)
            return &table->entries[i];
    return NULL;
}

/* "a=1,b=x" to {"a": "1", "b": "x"}; a word without '=' to {"word": ""}. */
static json_t *params_json(const char *params)
{
    json_t *object = json_object();
    char *copy = strdup(params), *rest = copy, *word;
    while (object && copy && (word = strsep(&rest, ","))) {
        char *value = strchr(word, '=');
        if (value)
            *value++ = '\0';
        if (*word)
            json_object_set_new(object, word, json_string(value ? value : ""));
    }
    free(copy);
    return object;
}

static json_t *contract_json(const struct bench_contract *contract)
{
    if (!contract)
        return json_null();
    const struct {
        const char *key, *words;
    } traits[] = {{"stack", contract->stack},
                  {"growth", contract->growth},
                  {"preemption", contract->preemption},
                  {"threads", contract->threads},
                  {"cancellation", contract->cancellation}};
    json_t *object = json_pack(
        "{s:s, s:o, s:b, s:b, s:b, s:b}", "saves", contract->saves, "bytes_saved",
        contract->bytes_saved < 0 ? json_null() : json_integer(contract->bytes_saved),
        "fp_control", contract->fp_control, "signal_mask", contract->signal_mask, "tls_base",
        contract->tls_base, "kernel_entry", contract->kernel_entry);
    for (size_t i = 0; i < sizeof traits / sizeof *traits; i++)
        if (traits[i].words)
            json_object_set_new(object, traits[i].key, json_string(traits[i].words));
    return object;
}

json_t *bench_entry_json(const struct bench_entry *entry)
{
    const struct bench_case *spec = entry->spec;
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:s}", "case", entry->name,
                     "experiment", spec->experiment, "subject", spec->subject, "params",
                     params_json(spec->params), "placement", bench_place_name(entry->place),
                     "cpus",
                     entry->skipped ? json_array()
                                    : json_pack("[i, i]", entry->cpu[0], entry->cpu[1]),
                     "contract", contract_json(spec->contract), "op", spec->op);
}

/* ------------------------------------------------------------------ filter */

struct pattern {
    char *glob; /* NULL: a regex */
    regex_t regex;
    bool negate;
};

struct bench_filter {
    struct pattern *patterns;
    size_t count;
};

struct bench_filter *bench_filter_new(void)
{
    return calloc(1, sizeof(struct bench_filter));
}

void bench_filter_free(struct bench_filter *filter)
{
    for (size_t i = 0; filter && i < filter->count; i++) {
        if (filter->patterns[i].glob)
            free(filter->patterns[i].glob);
        else
            regfree(&filter->patterns[i].regex);
    }
    if (filter)
        free(filter->patterns);
    free(filter);
}

static struct pattern *pattern_new(struct bench_filter *filter)
{
    size_t bytes = (filter->count + 1) * sizeof *filter->patterns;
    struct pattern *grown = realloc(filter->patterns, bytes);
    if (!grown)
        return NULL;
    filter->patterns = grown;
    memset(&grown[filter->count], 0, sizeof *grown);
    return &grown[filter->count];
}

/* fnmatch() takes "[a" for literal text: to a user it is a slip worth a word. */
static bool glob_brackets_close(const char *glob)
{
    for (const char *p = glob; *p; p++) {
        if (*p == '\\' && p[1])
            p++;
        else if (*p == '[' && !(p[1] && (p = strchr(p + 2, ']'))))
            return false;
    }
    return true;
}

int bench_filter_glob(struct bench_filter *filter, const char *glob, char *error,
                      size_t error_bytes)
{
    if (!*glob || !glob_brackets_close(glob)) {
        snprintf(error, error_bytes, "malformed pattern '%s': %s", glob,
                 *glob ? "a '[' is never closed" : "it is empty");
        return -EINVAL;
    }
    struct pattern *pattern = pattern_new(filter);
    if (!pattern || !(pattern->glob = strdup(glob)))
        return -ENOMEM;
    filter->count++;
    return 0;
}

int bench_filter_regex(struct bench_filter *filter, const char *regex, bool negate,
                       char *error, size_t error_bytes)
{
    struct pattern *pattern = pattern_new(filter);
    if (!pattern)
        return -ENOMEM;
    int code = regcomp(&pattern->regex, regex, REG_EXTENDED | REG_NOSUB);
    if (code) {
        char why[100];
        regerror(code, &pattern->regex, why, sizeof why);
        snprintf(error, error_bytes, "malformed regular expression '%s': %s", regex, why);
        return -EINVAL;
    }
    pattern->negate = negate;
    filter->count++;
    return 0;
}

static bool glob_match(const char *glob, const char *name)
{
    if (fnmatch(glob, name, 0) == 0)
        return true;
    size_t length = strlen(glob);
    if (strpbrk(glob, "*?[") || strncmp(glob, name, length) != 0)
        return false;
    return name[length] == '/' || (length > 0 && glob[length - 1] == '/');
}

bool bench_filter_match(const struct bench_filter *filter, const char *name)
{
    bool any_positive = false, matched = false;
    for (size_t i = 0; i < filter->count; i++) {
        const struct pattern *p = &filter->patterns[i];
        bool hit = p->glob ? glob_match(p->glob, name)
                           : regexec(&p->regex, name, 0, NULL, 0) == 0;
        if (p->negate && hit)
            return false;
        any_positive |= !p->negate;
        matched |= hit && !p->negate;
    }
    return matched || !any_positive;
}
