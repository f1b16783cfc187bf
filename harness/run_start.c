/* SPDX-License-Identifier: MIT */
#include "runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "environment.h"
#include "record.h"

int bench_run_filter(const json_t *patterns, struct bench_filter *filter, char *error,
                     size_t error_bytes)
{
    size_t i;
    json_t *pattern;
    json_array_foreach (patterns, i, pattern) {
        const char *kind = json_string_value(json_array_get(pattern, 0));
        const char *text = json_string_value(json_array_get(pattern, 1));
        if (!kind || !text) {
            snprintf(error, error_bytes, "a pattern in the record is malformed");
            return -EINVAL;
        }
        int err = strcmp(kind, "regex") == 0
                      ? bench_filter_regex(filter, text, false, error, error_bytes)
                      : bench_filter_glob(filter, text, error, error_bytes);
        if (err)
            return err;
    }
    return 0;
}

int runner_fault(const char *sentence, int code)
{
    fprintf(stderr, "corobench: %s\n", sentence);
    return code;
}

static int select_common(struct runner *r, const struct bench_filter *filter, char *error,
                         size_t error_bytes)
{
    struct bench_program programs[BENCH_ARMS_MAX] = {0};
    for (size_t a = 0; a < r->options->arm_count; a++) {
        const struct bench_arm *arm = &r->options->arms[a];
        snprintf(programs[a].name, sizeof programs[a].name, "%s", arm->name);
        if (!realpath(arm->path, programs[a].path)) {
            snprintf(error, error_bytes, "arm %s: %s: %s", arm->name, arm->path,
                     strerror(errno));
            return -EINVAL;
        }
    }
    return bench_select_common(&r->selection, filter, r->options->profile, programs,
                               r->options->arm_count, error, error_bytes);
}

static int select_cases(struct runner *r)
{
    char error[600] = "no memory";
    struct bench_filter *filter = bench_filter_new();
    int err = filter ? bench_run_filter(r->options->patterns, filter, error, sizeof error)
                     : -ENOMEM;
    if (!err)
        err = r->options->arm_count
                  ? select_common(r, filter, error, sizeof error)
                  : bench_select(&r->selection, filter, r->options->profile, error,
                                 sizeof error);
    bench_filter_free(filter);
    if (err)
        return runner_fault(error, err == -EINVAL ? 2 : 1);
    r->count = r->selection.count;
    if (r->count == 0)
        return runner_fault("no case matches; `corobench list` shows what there is "
                     "(and --profile full has more)",
                     2);
    r->subjects = calloc(r->count, sizeof *r->subjects);
    for (size_t i = 0; r->subjects && i < r->count; i++) {
        r->subjects[i].selected = &r->selection.cases[i];
        r->subjects[i].done_round = -1;
    }
    return r->subjects ? 0 : runner_fault("no memory", 1);
}

static void name_run(struct runner *r, int suffix)
{
    char stamp_utc[32], more[16] = "", slug[128];
    time_t now = time(NULL);
    struct tm tm;
    strftime(stamp_utc, sizeof stamp_utc, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
    if (suffix)
        snprintf(more, sizeof more, "-%d", suffix + 1);
    snprintf(r->id, sizeof r->id, "%s-%s%s", stamp_utc,
             bench_profile_name(r->options->profile), more);
    bench_machine_slug(slug, sizeof slug);
    if (r->options->output)
        snprintf(r->path, sizeof r->path, "%s", r->options->output);
    else
        snprintf(r->path, sizeof r->path, "%s/%s/%s.jsonl", r->options->results, slug,
                 r->id);
}

static int create_file(struct runner *r)
{
    int suffix = 0;
    do {
        name_run(r, suffix);
        r->fd = bench_record_create(r->path);
    } while (r->fd == -EEXIST && !r->options->output && ++suffix < 100);
    if (r->fd >= 0)
        return 0;
    fprintf(stderr, "corobench: cannot create %s: %s\n", r->path, strerror(-r->fd));
    return r->fd == -EEXIST && r->options->output
               ? runner_fault("it is never overwritten: name another file, or go on with it "
                       "by --resume",
                       2)
               : 1;
}

/* Options and selection of the run that is to go on: its environment record has them. */
static int adopt_environment(struct runner *r, const json_t *environment)
{
    struct bench_run_options *o = r->options;
    const json_t *options = json_object_get(environment, "options");
    const char *id = json_string_value(json_object_get(environment, "run"));
    const char *profile = json_string_value(json_object_get(environment, "profile"));
    const char *kind = json_string_value(json_object_get(environment, "kind"));
    if (!id || !profile || !kind || strcmp(kind, "environment") || !options ||
        !json_is_array(json_object_get(options, "filter")) ||
        bench_profile_parse(profile, &o->profile))
        return runner_fault("that file does not begin with a run's environment: not resumed", 1);
    if (json_object_get(environment, "arms"))
        return runner_fault("a comparison is not resumed: it is short, make it again", 2);
    snprintf(r->id, sizeof r->id, "%s", id);
    o->seed = (uint64_t)json_integer_value(json_object_get(environment, "seed"));
    o->max_rel_ci = json_number_value(json_object_get(options, "max_rel_ci"));
    o->time_budget_s = json_number_value(json_object_get(options, "time_budget_s"));
    o->epoch_ms = json_number_value(json_object_get(options, "epoch_ms"));
    o->triples = (int)json_integer_value(json_object_get(options, "triples"));
    o->rounds_min = (int)json_integer_value(json_object_get(options, "min_rounds"));
    o->rounds_max = (int)json_integer_value(json_object_get(options, "max_rounds"));
    const char *events = json_string_value(json_object_get(options, "events"));
    o->events = events ? strdup(events) : NULL;
    json_decref(o->patterns);
    o->patterns = json_incref(json_object_get(options, "filter"));
    return 0;
}

static struct subject *subject_named(struct runner *r, const char *name)
{
    for (size_t i = 0; name && i < r->count; i++)
        if (strcmp(r->subjects[i].selected->name, name) == 0)
            return &r->subjects[i];
    return NULL;
}

/* Takes what the file has into the tallies; the first round that lacks a case is next. */
static void adopt_trials(struct runner *r, const json_t *records)
{
    size_t i;
    json_t *record;
    json_array_foreach (records, i, record) {
        const char *kind = json_string_value(json_object_get(record, "kind"));
        struct subject *s =
            subject_named(r, json_string_value(json_object_get(record, "case")));
        if (kind && strcmp(kind, "rejection") == 0)
            r->rejected++;
        else if (s && kind && strcmp(kind, "trial") == 0)
            runner_tally(r, s, record);
    }
    int last = -1;
    for (size_t c = 0; c < r->count; c++)
        if (r->subjects[c].done_round > last)
            last = r->subjects[c].done_round;
    r->round = last < 0 ? 0 : last;
}

static int resume(struct runner *r)
{
    char error[4400];
    json_t *records = bench_record_read(r->options->resume, error, sizeof error);
    if (!records)
        return runner_fault(error, 1);
    int code = adopt_environment(r, json_array_get(records, 0));
    if (!code)
        code = select_cases(r);
    if (!code) {
        snprintf(r->path, sizeof r->path, "%s", r->options->resume);
        r->fd = bench_record_open_append(r->path);
        if (r->fd < 0) {
            fprintf(stderr, "corobench: cannot go on with %s: %s\n", r->path,
                    r->fd == -EWOULDBLOCK ? "another run is writing it" : strerror(-r->fd));
            code = 1;
        } else {
            adopt_trials(r, records);
        }
    }
    json_decref(records);
    return code;
}

int runner_start(struct runner *r)
{
    int code = r->options->resume ? resume(r) : select_cases(r);
    if (!code && !r->options->resume)
        code = create_file(r);
    if (code)
        return code;
    r->started_ns = bench_now_ns();
    return runner_append(r, runner_environment_record(r)) ? 0 : 1;
}
