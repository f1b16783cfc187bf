/* SPDX-License-Identifier: MIT */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "environment.h"
#include "record.h"
#include "version.h"

/* A case that fails so often in a row is not asked again. */
enum { FAILURES_MAX = 2 };

bool runner_append(struct runner *r, json_t *record)
{
    int err = bench_record_append(r->fd, record);
    if (err)
        fprintf(stderr, "corobench: cannot write %s: %s\n", r->path, strerror(-err));
    json_decref(record);
    return !err;
}

json_t *runner_environment_record(const struct runner *r)
{
    const struct bench_run_options *o = r->options;
    char utc[32], slug[128];
    time_t now = time(NULL);
    struct tm tm;
    strftime(utc, sizeof utc, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    bench_machine_slug(slug, sizeof slug);
    json_t *cases = json_array();
    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(cases, json_string(r->subjects[i].selected->name));
    json_t *options = json_pack(
        "{s:f, s:f, s:f, s:i, s:i, s:i, s:O, s:o}", "max_rel_ci", o->max_rel_ci,
        "time_budget_s", o->time_budget_s, "epoch_ms", o->epoch_ms, "triples", o->triples,
        "min_rounds", o->rounds_min, "max_rounds", o->rounds_max, "filter", o->patterns,
        "events", o->events ? json_string(o->events) : json_null());
    json_t *environment = json_pack(
        "{s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:{s:s, s:s, s:s}, s:o, s:o, s:o, s:O}",
        "schema", BENCH_SCHEMA, "kind", "environment", "run", r->id, "time_utc", utc, "seed",
        (json_int_t)o->seed, "profile", bench_profile_name(o->profile), "machine", slug,
        "program", "version", COROBENCH_VERSION, "compiler", COROBENCH_COMPILER, "options",
        COROBENCH_OPTIONS, "options", options, "facts", bench_environment_json(), "cases",
        cases, "peers", r->selection.peers);
    json_t *arms = o->arm_count ? json_array() : NULL;
    for (size_t a = 0; a < o->arm_count; a++)
        json_array_append_new(arms, json_string(o->arms[a].name));
    if (arms)
        json_object_set_new(environment, "arms", arms);
    return environment;
}

json_t *runner_end_record(const struct runner *r, const char *reason)
{
    return json_pack("{s:i, s:s, s:s, s:i, s:s, s:I, s:I, s:I, s:I}", "schema", BENCH_SCHEMA,
                     "kind", "end", "run", r->id, "rounds", r->round, "reason", reason,
                     "trials", r->trials, "rejected", r->rejected, "skipped", r->skipped,
                     "failed", r->failed);
}

json_t *runner_bare_trial(const struct subject *s, const char *skipped, const char *error)
{
    json_t *record = json_pack(
        "{s:i, s:s, s:i, s:{}, s:[], s:{}, s:[], s:{}, s:o, s:o}", "schema", BENCH_SCHEMA,
        "kind", "trial", "ops", 0, "metrics", "epochs", "checks", "flags", "notes",
        "skipped", skipped ? bench_json_text(skipped) : json_null(), "error",
        error ? bench_json_text(error) : json_null());
    const char *key;
    json_t *value;
    json_object_foreach (s->selected->what, key, value)
        if (!json_object_get(record, key) && strcmp(key, "profile") && strcmp(key, "timed") &&
            strcmp(key, "countable"))
            json_object_set(record, key, value);
    return record;
}

void runner_stamp(const struct runner *r, json_t *record, const char *arm, int attempt)
{
    json_object_set_new(record, "run", json_string(r->id));
    json_object_set_new(record, "round", json_integer(r->round));
    json_object_set_new(record, "arm", json_string(arm));
    json_object_set_new(record, "attempt", json_integer(attempt));
}

void runner_tally(struct runner *r, struct subject *s, const json_t *record)
{
    const json_t *ns =
        json_object_get(json_object_get(json_object_get(record, "metrics"), "ns"), "value");
    s->done_round = (int)json_integer_value(json_object_get(record, "round"));
    r->trials++;
    if (json_is_string(json_object_get(record, "skipped"))) {
        s->over = true;
        r->skipped++;
    } else if (json_is_string(json_object_get(record, "error"))) {
        s->over = ++s->failures >= FAILURES_MAX;
        r->failed++;
    } else {
        double *grown = realloc(s->ns, (s->count + 1) * sizeof *s->ns);
        s->failures = 0;
        if (grown)
            s->ns = grown; /* also where ns is null: the old pointer is gone */
        if (grown && json_is_number(ns))
            s->ns[s->count++] = json_number_value(ns);
    }
}
