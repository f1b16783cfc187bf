/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "environment.h"
#include "progress.h"
#include "record.h"
#include "select.h"
#include "stats.h"
#include "version.h"

enum { ATTEMPTS_MAX = 3, FAILURES_MAX = 2 };
static const double contaminated_share = 0.2;

/* What a profile means. The budget is for the rounds alone: building the report adds some
 * ten seconds. Six rounds are the fewest that have an exact 95 % interval. */
static const struct bench_run_options profile_options[BENCH_PROFILES] = {
    [BENCH_QUICK] = {.max_rel_ci = 0.02, .time_budget_s = 30, .epoch_ms = 1, .triples = 3,
                     .rounds_min = 6, .rounds_max = 40},
    [BENCH_DEFAULT] = {.max_rel_ci = 0.01, .time_budget_s = 255, .epoch_ms = 1,
                       .triples = 5, .rounds_min = 6, .rounds_max = 60},
    [BENCH_FULL] = {.max_rel_ci = 0.01, .time_budget_s = 0, .epoch_ms = 2, .triples = 7,
                    .rounds_min = 10, .rounds_max = 60},
};

void bench_run_options_init(struct bench_run_options *options, enum bench_profile profile)
{
    *options = profile_options[profile];
    options->profile = profile;
    options->results = "results";
    options->trial_timeout_s = 120;
}

/* A case in a run: what has come of it. */
struct subject {
    const struct bench_selected *selected;
    double *ns;
    size_t count;
    int failures;    /* in a row */
    int done_round;  /* the last round it has a record of; -1 */
    bool over;       /* skipped, or failed too often: not asked again */
};

struct runner {
    struct bench_run_options *options;
    struct bench_selection selection;
    struct subject *subjects;
    size_t count;
    char id[64], path[4096];
    int fd;
    int round;
    json_int_t trials, rejected, skipped, failed;
    uint64_t started_ns;
    double round_s_max;
    struct progress *progress;
};

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The order of a round depends on seed and round alone: a resumed run goes on with it. */
static void shuffle(size_t *order, size_t n, uint64_t seed, int round)
{
    uint64_t state = seed ^ ((uint64_t)round * 0xd1342543de82ef95u);
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)(splitmix64(&state) % i), swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}

static double elapsed_s(const struct runner *r)
{
    return (double)(bench_now_ns() - r->started_ns) / 1e9;
}

/* ----------------------------------------------------------------- records */

static bool append(struct runner *r, json_t *record)
{
    int err = bench_record_append(r->fd, record);
    if (err)
        fprintf(stderr, "corobench: cannot write %s: %s\n", r->path, strerror(-err));
    json_decref(record);
    return !err;
}

static json_t *environment_record(const struct runner *r)
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
    return json_pack(
        "{s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:{s:s, s:s, s:s}, s:o, s:o, s:o, s:O}",
        "schema", BENCH_SCHEMA, "kind", "environment", "run", r->id, "time_utc", utc, "seed",
        (json_int_t)o->seed, "profile", bench_profile_name(o->profile), "machine", slug,
        "program", "version", COROBENCH_VERSION, "compiler", COROBENCH_COMPILER, "options",
        COROBENCH_OPTIONS, "options", options, "facts", bench_environment_json(), "cases",
        cases, "peers", r->selection.peers);
}

static json_t *end_record(const struct runner *r, const char *reason)
{
    return json_pack("{s:i, s:s, s:s, s:i, s:s, s:I, s:I, s:I, s:I}", "schema", BENCH_SCHEMA,
                     "kind", "end", "run", r->id, "rounds", r->round, "reason", reason,
                     "trials", r->trials, "rejected", r->rejected, "skipped", r->skipped,
                     "failed", r->failed);
}

/* A record for what has none of its own: a case that the machine lacks the placement for,
 * or a trial whose process failed. */
static json_t *bare_trial(const struct subject *s, const char *skipped, const char *error)
{
    json_t *record = json_pack(
        "{s:i, s:s, s:i, s:{}, s:[], s:{}, s:[], s:{}, s:o, s:o}", "schema", BENCH_SCHEMA,
        "kind", "trial", "ops", 0, "metrics", "epochs", "checks", "flags", "notes",
        "skipped", skipped ? bench_json_text(skipped) : json_null(), "error",
        error ? bench_json_text(error) : json_null());
    const char *key;
    json_t *value;
    json_object_foreach (s->selected->what, key, value)
        if (!json_object_get(record, key) && strcmp(key, "profile") && strcmp(key, "timed"))
            json_object_set(record, key, value);
    return record;
}

static void stamp(const struct runner *r, json_t *record, int attempt)
{
    json_object_set_new(record, "run", json_string(r->id));
    json_object_set_new(record, "round", json_integer(r->round));
    json_object_set_new(record, "arm", json_string("main"));
    json_object_set_new(record, "attempt", json_integer(attempt));
}

/* Takes a trial record into the tallies, whether just made or read from a resumed file. */
static void tally(struct runner *r, struct subject *s, const json_t *record)
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

/* ------------------------------------------------------------------ trials */

static json_t *make_trial(struct runner *r, struct subject *s)
{
    char epoch[32], triples[16], error[600];
    snprintf(epoch, sizeof epoch, "%.6g", r->options->epoch_ms);
    snprintf(triples, sizeof triples, "%d", r->options->triples);
    const char *arguments[] = {"--epoch-ms", epoch,    "--triples",         triples,
                               r->options->events ? "--events" : NULL,
                               r->options->events, NULL};
    json_t *record = bench_program_trial(s->selected->program, s->selected->name, arguments,
                                         r->options->trial_timeout_s, error, sizeof error);
    if (!record && !bench_interrupted)
        record = bare_trial(s, NULL, error);
    return record;
}

static bool is_contaminated(const json_t *record)
{
    size_t i;
    json_t *word;
    json_array_foreach (json_object_get(record, "flags"), i, word)
        if (strcmp(json_string_value(word) ?: "", "contaminated") == 0)
            return true;
    return false;
}

static json_t *rejection_reasons(const json_t *record)
{
    const json_t *checks = json_object_get(record, "checks");
    static const struct {
        const char *check, *words;
    } causes[] = {{"kernel_switches_involuntary", "involuntary switches"},
                  {"steal_ticks", "ticks stolen by the hypervisor"},
                  {"migrations", "migrations"}};
    json_t *reasons = json_array();
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        double n = json_number_value(json_object_get(checks, causes[i].check));
        if (n > 0)
            json_array_append_new(reasons, json_sprintf("%s: %.0f", causes[i].words, n));
    }
    return reasons;
}

/* Makes one trial and writes it. Sets *again when it was rejected and may be repeated.
 * False when records can no longer be written. */
static bool run_one(struct runner *r, struct subject *s, int attempt, bool *again)
{
    *again = false;
    progress_case(r->progress, s->selected->name);
    json_t *record = s->selected->skipped ? bare_trial(s, s->selected->skipped, NULL)
                                          : make_trial(r, s);
    if (!record)
        return bench_interrupted; /* else no memory */
    stamp(r, record, attempt);
    if (is_contaminated(record)) {
        json_object_set_new(record, "kind", json_string("rejection"));
        json_object_set_new(record, "reasons", rejection_reasons(record));
        r->rejected++;
        *again = attempt + 1 < ATTEMPTS_MAX;
        return append(r, record);
    }
    const char *error = json_string_value(json_object_get(record, "error"));
    if (error)
        progress_line(r->progress, "failed: %s: %s", s->selected->name, error);
    tally(r, s, record);
    return append(r, record);
}

/* Every case that has no record of this round yet; the rejected again after the others. */
static bool run_round(struct runner *r)
{
    size_t *order = calloc(r->count + 1, sizeof *order), pending = r->count;
    if (!order)
        return false;
    shuffle(order, r->count, r->options->seed, r->round);
    for (int attempt = 0; attempt < ATTEMPTS_MAX && pending; attempt++) {
        size_t rejected = 0;
        for (size_t i = 0; i < pending; i++) {
            struct subject *s = &r->subjects[order[i]];
            bool again = false;
            if (s->over || s->done_round >= r->round)
                continue;
            if (!run_one(r, s, attempt, &again) || bench_interrupted) {
                free(order);
                return false;
            }
            progress_step(r->progress);
            if (again)
                order[rejected++] = order[i];
        }
        pending = rejected;
    }
    free(order);
    return true;
}

/* ------------------------------------------------------------------ rounds */

/* The widest interval among the timed cases; 1 (100 %) while one has too few trials. */
static double widest(const struct runner *r, const char **name)
{
    double worst = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct subject *s = &r->subjects[i];
        if (s->over || !s->selected->timed)
            continue;
        double width = bench_median_rel_halfwidth(s->ns, s->count);
        width = isnan(width) ? 1 : width;
        if (width >= worst) {
            worst = width;
            *name = s->selected->name;
        }
    }
    return worst;
}

static bool any_left(const struct runner *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (!r->subjects[i].over)
            return true;
    return false;
}

/* Why to stop before the next round; NULL to go on. */
static const char *stop_reason(struct runner *r)
{
    const struct bench_run_options *o = r->options;
    const char *name = "";
    if (bench_interrupted)
        return "interrupted";
    if (!any_left(r) || r->round >= o->rounds_max)
        return "rounds";
    if (o->max_rel_ci > 0 && r->round >= o->rounds_min && widest(r, &name) <= o->max_rel_ci)
        return "tight";
    if (o->time_budget_s > 0 && r->round > 0 &&
        elapsed_s(r) + r->round_s_max > o->time_budget_s)
        return "budget";
    return NULL;
}

static const char *run_rounds(struct runner *r)
{
    const char *stop, *name = "";
    while (!(stop = stop_reason(r))) {
        double start_s = elapsed_s(r);
        progress_round(r->progress, r->round, r->count, r->options->time_budget_s,
                       elapsed_s(r));
        if (!run_round(r))
            return bench_interrupted ? "interrupted" : NULL;
        double took_s = elapsed_s(r) - start_s;
        if (took_s > r->round_s_max)
            r->round_s_max = took_s;
        r->round++;
        double width = widest(r, &name);
        progress_round_done(r->progress, r->round, took_s, r->rejected, width, name);
    }
    return stop;
}

static void on_signal(int signal)
{
    bench_interrupted = signal;
}

static void watch_signals(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* -------------------------------------------------------------- start, end */

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

static int fault(const char *sentence, int code)
{
    fprintf(stderr, "corobench: %s\n", sentence);
    return code;
}

static int select_cases(struct runner *r)
{
    char error[600] = "no memory";
    struct bench_filter *filter = bench_filter_new();
    int err = filter ? bench_run_filter(r->options->patterns, filter, error, sizeof error)
                     : -ENOMEM;
    if (!err)
        err = bench_select(&r->selection, filter, r->options->profile, error, sizeof error);
    bench_filter_free(filter);
    if (err)
        return fault(error, err == -EINVAL ? 2 : 1);
    r->count = r->selection.count;
    if (r->count == 0)
        return fault("no case matches; `corobench list` shows what there is "
                     "(and --profile full has more)",
                     2);
    r->subjects = calloc(r->count, sizeof *r->subjects);
    for (size_t i = 0; r->subjects && i < r->count; i++) {
        r->subjects[i].selected = &r->selection.cases[i];
        r->subjects[i].done_round = -1;
    }
    return r->subjects ? 0 : fault("no memory", 1);
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
               ? fault("it is never overwritten: name another file, or go on with it "
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
        return fault("that file does not begin with a run's environment: not resumed", 1);
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
            tally(r, s, record);
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
        return fault(error, 1);
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

static int start(struct runner *r)
{
    int code = r->options->resume ? resume(r) : select_cases(r);
    if (!code && !r->options->resume)
        code = create_file(r);
    if (code)
        return code;
    r->started_ns = bench_now_ns();
    return append(r, environment_record(r)) ? 0 : 1;
}

/* Says how it went, on stderr; the path of the records, alone, on stdout. */
static int conclude(struct runner *r, const char *reason)
{
    const char *name = "";
    double share = r->trials + r->rejected
                       ? (double)r->rejected / (double)(r->trials + r->rejected)
                       : 0;
    double width = widest(r, &name);
    fprintf(stderr,
            "%d rounds, stopped by: %s; %lld trials, %lld rejected (%.1f %%), %lld skipped, "
            "%lld failed\n",
            r->round, reason, (long long)r->trials, (long long)r->rejected, 100 * share,
            (long long)r->skipped, (long long)r->failed);
    if (name[0])
        fprintf(stderr, "widest 95 %% interval: +-%.1f %% (%s)\n", 100 * width, name);
    printf("%s\n", r->path);
    fflush(stdout);
    if (r->failed)
        return 1;
    if (r->skipped == r->trials)
        return fault("nothing could run here: every case was skipped", 77);
    if (share > contaminated_share)
        return fault("contaminated: over 20 % of the trials were rejected; "
                     "`corobench doctor` says what disturbs this machine",
                     4);
    return 0;
}

static void runner_free(struct runner *r)
{
    for (size_t i = 0; r->subjects && i < r->count; i++)
        free(r->subjects[i].ns);
    free(r->subjects);
    if (r->fd >= 0)
        close(r->fd);
    bench_selection_free(&r->selection);
}

static int write_report(const struct runner *r, int code)
{
    pid_t child = fork();
    if (child == 0) {
        const char *arguments[] = {r->path, NULL};
        _exit(bench_hand_over("report", arguments));
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return fault("the report could not be written", 1);
    return WEXITSTATUS(status) ? WEXITSTATUS(status) : code;
}

int bench_run(struct bench_run_options *options)
{
    struct runner r = {.options = options, .fd = -1};
    int code = start(&r);
    if (code) {
        runner_free(&r);
        return code;
    }
    watch_signals(on_signal);
    r.progress = progress_begin(r.path);
    const char *reason = run_rounds(&r);
    progress_end(r.progress);
    watch_signals(SIG_DFL);
    int signal = bench_interrupted;
    if (!reason || !append(&r, end_record(&r, reason))) {
        code = 1;
    } else if (signal) {
        fprintf(stderr, "interrupted: all finished trials are kept; go on with\n"
                        "    corobench run --resume %s\n", r.path);
    } else {
        code = conclude(&r, reason);
        if (options->report && code != 77)
            code = write_report(&r, code);
    }
    runner_free(&r);
    if (signal)
        raise(signal);
    return code;
}
