/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include "case.h"
#include "guest_trial.h"

/* One file a process; it and what was made of it live as long. */
static struct {
    json_t *texts; /* the file, and each case's fields: all strings are in there */
    struct bench_case *cases;
    struct bench_experiment experiment;
} loaded;

struct reading {
    const json_t *fields; /* of the case, with the file's own as defaults */
    const char *fault;    /* the last key that was not as it must be */
};

static const char *text_of(struct reading *r, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(r->fields, key);
    if (!value && otherwise)
        return otherwise;
    if (!json_is_string(value))
        r->fault = key;
    return json_string_value(value);
}

static const char *maybe_text_of(struct reading *r, const char *key)
{
    return json_object_get(r->fields, key) ? text_of(r, key, NULL) : NULL;
}

static double number_of(struct reading *r, const char *key)
{
    const json_t *value = json_object_get(r->fields, key);
    if (value && !json_is_number(value))
        r->fault = key;
    return json_number_value(value);
}

static bool truth_of(struct reading *r, const char *key)
{
    const json_t *value = json_object_get(r->fields, key);
    if (value && !json_is_boolean(value))
        r->fault = key;
    return json_is_true(value);
}

/* ["same-cpu", "smt"]; absent: the same CPU. */
static unsigned places_of(struct reading *r)
{
    const json_t *words = json_object_get(r->fields, "places"), *word;
    unsigned places = words ? 0 : BENCH_AT(BENCH_SAME_CPU);
    size_t i;
    json_array_foreach (words, i, word)
        for (int p = 0; p < BENCH_PLACES; p++)
            if (json_is_string(word) &&
                strcmp(json_string_value(word), bench_place_name((enum bench_place)p)) == 0)
                places |= BENCH_AT(p);
    if (!places)
        r->fault = "places";
    return places;
}

/* {"contracts": {"SUBJECT": {...}}}; NULL where the subject has none. */
static struct bench_contract *contract_of(struct reading *r)
{
    const char *subject = text_of(r, "subject", NULL);
    json_t *fields = json_object_get(json_object_get(r->fields, "contracts"), subject);
    struct reading inner = {.fields = fields};
    if (!fields)
        return NULL;
    struct bench_contract *contract = calloc(1, sizeof *contract);
    if (!contract)
        return NULL;
    const json_t *bytes = json_object_get(fields, "bytes_saved");
    *contract = (struct bench_contract){
        .saves = text_of(&inner, "saves", NULL),
        .bytes_saved = json_is_integer(bytes) ? (int)json_integer_value(bytes) : -1,
        .fp_control = truth_of(&inner, "fp_control"),
        .signal_mask = truth_of(&inner, "signal_mask"),
        .tls_base = truth_of(&inner, "tls_base"),
        .kernel_entry = truth_of(&inner, "kernel_entry"),
        .stack = maybe_text_of(&inner, "stack"),
        .growth = maybe_text_of(&inner, "growth"),
        .preemption = maybe_text_of(&inner, "preemption"),
        .threads = maybe_text_of(&inner, "threads"),
        .cancellation = maybe_text_of(&inner, "cancellation")};
    if (inner.fault)
        r->fault = "contracts";
    return contract;
}

static enum bench_profile profile_of(struct reading *r)
{
    enum bench_profile profile = BENCH_FULL;
    const char *word = text_of(r, "profile", NULL);
    if (word && bench_profile_parse(word, &profile))
        r->fault = "profile";
    return profile;
}

static struct bench_case case_of(struct reading *r, char *const command[])
{
    struct bench_case c = {
        .experiment = text_of(r, "experiment", NULL),
        .subject = text_of(r, "subject", NULL),
        .params = text_of(r, "params", ""),
        .op = text_of(r, "op", NULL),
        .places = places_of(r),
        .profile = profile_of(r),
        .flags = BENCH_GUEST | (truth_of(r, "threads") ? BENCH_THREADS : 0) |
                 (truth_of(r, "preempts") ? BENCH_PREEMPTS : 0),
        .contract = contract_of(r),
        .kernel_switches_min = number_of(r, "kernel_switches_min"),
        .kernel_switches_max = number_of(r, "kernel_switches_max"),
        .ops_multiple = (uint64_t)number_of(r, "ops_multiple"),
        .setup = guest_setup,
        .teardown = guest_teardown,
        .arg = command};
    if (c.experiment && strcmp(c.experiment, "footprint") == 0)
        c.measure = guest_measure_footprint;
    else
        c.run = guest_run;
    return c;
}

/* The fields beside "cases" are every case's, unless it says otherwise. */
static json_t *with_defaults(json_t *file, json_t *own)
{
    json_t *all = json_copy(file);
    json_object_del(all, "cases");
    json_object_update(all, own);
    return all;
}

const struct bench_experiment *guest_cases_read(const char *path, char *const command[],
                                                char *error, size_t error_bytes)
{
    json_error_t why;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &why), *own;
    json_t *list = json_object_get(file, "cases");
    size_t i, count = json_array_size(list);
    loaded.texts = json_pack("[o*]", file);
    loaded.cases = calloc(count + 1, sizeof *loaded.cases);
    if (!file || count == 0 || !loaded.texts || !loaded.cases) {
        snprintf(error, error_bytes, "%s: %s", path, file ? "it has no cases" : why.text);
        return NULL;
    }
    json_array_foreach (list, i, own) {
        struct reading r = {.fields = with_defaults(file, own)};
        json_array_append_new(loaded.texts, (json_t *)r.fields);
        loaded.cases[i] = case_of(&r, command);
        if (r.fault) {
            snprintf(error, error_bytes, "%s: case %zu: \"%s\" is missing or malformed", path,
                     i + 1, r.fault);
            return NULL;
        }
    }
    loaded.experiment =
        (struct bench_experiment){loaded.cases[0].subject, "", loaded.cases, count};
    return &loaded.experiment;
}
