/* SPDX-License-Identifier: MIT */
#include "gbench.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "record.h"
#include "select.h"
#include "stats.h"

enum format { CONSOLE, JSON, CSV };

struct flags {
    bool list;
    const char *filter;
    long repetitions;
    double min_time_s;
    enum format format, out_format;
    const char *out;
    bool aggregates_only;
};

/* ------------------------------------------------------------------- flags */

static int bad_flag(const char *flag, const char *why)
{
    fprintf(stderr, "corobench: %s: %s\n", flag, why);
    return 2;
}

static int parse_format(const char *word, enum format *format)
{
    static const char *const words[] = {"console", "json", "csv"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, words[i]) == 0) {
            *format = (enum format)i;
            return 0;
        }
    }
    return -EINVAL;
}

static bool parse_bool(const char *word)
{
    return strcmp(word, "true") == 0 || strcmp(word, "1") == 0 || strcmp(word, "yes") == 0;
}

/* "0.5" or "0.5s"; "100x" (iterations) has no meaning where N is a slope's. */
static int parse_seconds(const char *word, double *seconds)
{
    char *end;
    *seconds = strtod(word, &end);
    if (end == word || (*end && strcmp(end, "s") != 0) || !(*seconds > 0) || *seconds > 3600)
        return -EINVAL;
    return 0;
}

static int parse_flag(struct flags *f, const char *flag)
{
    char name[64];
    const char *value = strchr(flag, '=');
    size_t length = value ? (size_t)(value - flag) : strlen(flag);
    snprintf(name, sizeof name, "%.*s", (int)length, flag);
    value = value ? value + 1 : "true";
    if (strcmp(name, "--benchmark_list_tests") == 0) {
        f->list = parse_bool(value);
    } else if (strcmp(name, "--benchmark_filter") == 0) {
        f->filter = strcmp(value, "all") == 0 ? "" : value;
    } else if (strcmp(name, "--benchmark_repetitions") == 0) {
        char *end;
        f->repetitions = strtol(value, &end, 10);
        if (*end || f->repetitions < 1 || f->repetitions > 10000)
            return bad_flag(flag, "a whole number from 1 to 10000 is wanted");
    } else if (strcmp(name, "--benchmark_min_time") == 0) {
        if (parse_seconds(value, &f->min_time_s))
            return bad_flag(flag, "seconds are wanted, such as 0.5 or 0.5s");
    } else if (strcmp(name, "--benchmark_format") == 0) {
        if (parse_format(value, &f->format))
            return bad_flag(flag, "console, json or csv is wanted");
    } else if (strcmp(name, "--benchmark_out") == 0) {
        f->out = value;
    } else if (strcmp(name, "--benchmark_out_format") == 0) {
        if (parse_format(value, &f->out_format))
            return bad_flag(flag, "console, json or csv is wanted");
    } else if (strcmp(name, "--benchmark_report_aggregates_only") == 0) {
        f->aggregates_only = parse_bool(value);
    } else {
        return bad_flag(flag, "this flag of Google Benchmark is not taken; there are "
                              "--benchmark_list_tests, _filter, _repetitions, _min_time, "
                              "_format, _out, _out_format, _report_aggregates_only");
    }
    return 0;
}

bool bench_gbench_wants(int argc, char **argv)
{
    return argc > 1 && strncmp(argv[1], "--benchmark_", 12) == 0;
}

/* ------------------------------------------------------------------ output */

static json_t *context_json(void)
{
    char host[256] = "", date[64];
    time_t now = time(NULL);
    struct tm tm;
    double load[3] = {0};
    gethostname(host, sizeof host - 1);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &tm));
    int loads = getloadavg(load, 3);
    json_t *load_avg = json_array();
    for (int i = 0; i < loads; i++)
        json_array_append_new(load_avg, json_real(load[i]));
    return json_pack("{s:s, s:o, s:s, s:i, s:i, s:b, s:[], s:o, s:s}", "date", date,
                     "host_name", bench_json_text(host), "executable", "corobench",
                     "num_cpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "mhz_per_cpu", 0,
                     "cpu_scaling_enabled", 0, "caches", "load_avg", load_avg,
                     "library_build_type", "release");
}

static double metric(const json_t *record, const char *name)
{
    const json_t *value = json_object_get(
        json_object_get(json_object_get(record, "metrics"), name), "value");
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *trouble(const json_t *record)
{
    const char *error = json_string_value(json_object_get(record, "error"));
    return error ? error : json_string_value(json_object_get(record, "skipped"));
}

/* Every metric that is a number becomes a user counter, as Google Benchmark prints them:
 * members of the benchmark object. */
static void add_counters(json_t *benchmark, const json_t *record)
{
    const char *name;
    json_t *m;
    json_object_foreach (json_object_get(record, "metrics"), name, m) {
        const json_t *value = json_object_get(m, "value");
        if (json_is_number(value) && strcmp(name, "ns") && strcmp(name, "cpu_ns"))
            json_object_set_new(benchmark, name, json_real(json_number_value(value)));
    }
}

static json_t *iteration_json(const char *name, size_t family, long repetitions, long index,
                              const json_t *record)
{
    json_t *b = json_pack("{s:s, s:I, s:i, s:s, s:s, s:I, s:I, s:i}", "name", name,
                          "family_index", (json_int_t)family, "per_family_instance_index", 0,
                          "run_name", name, "run_type", "iteration", "repetitions",
                          (json_int_t)repetitions, "repetition_index", (json_int_t)index,
                          "threads", 1);
    const char *why = trouble(record);
    double ns = metric(record, "ns"), cpu_ns = metric(record, "cpu_ns");
    if (why) {
        json_object_set_new(b, "error_occurred", json_true());
        json_object_set_new(b, "error_message", json_string(why));
    }
    json_object_set_new(b, "iterations",
                        json_integer(json_integer_value(json_object_get(record, "ops"))));
    json_object_set_new(b, "real_time", json_real(isnan(ns) ? 0 : ns));
    json_object_set_new(b, "cpu_time", json_real(isnan(cpu_ns) ? 0 : cpu_ns));
    json_object_set_new(b, "time_unit", json_string("ns"));
    add_counters(b, record);
    return b;
}

struct aggregate {
    double mean, median, stddev, cv;
};

static struct aggregate aggregate_of(double *values, size_t n)
{
    struct aggregate a = {0};
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        a.mean += values[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - a.mean) * (values[i] - a.mean);
    a.stddev = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    a.cv = a.mean != 0 ? a.stddev / a.mean : 0;
    a.median = bench_median(values, n);
    return a;
}

static void add_aggregates(json_t *benchmarks, const char *name, size_t family,
                           double *real_ns, double *cpu_ns, size_t n)
{
    struct aggregate real = aggregate_of(real_ns, n), cpu = aggregate_of(cpu_ns, n);
    const struct {
        const char *name, *unit;
        double real, cpu;
    } rows[] = {{"mean", "time", real.mean, cpu.mean},
                {"median", "time", real.median, cpu.median},
                {"stddev", "time", real.stddev, cpu.stddev},
                {"cv", "percentage", real.cv, cpu.cv}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        json_array_append_new(
            benchmarks,
            json_pack("{s:o, s:I, s:i, s:s, s:s, s:I, s:i, s:s, s:s, s:I, s:f, s:f, s:s}",
                      "name", json_sprintf("%s_%s", name, rows[i].name), "family_index",
                      (json_int_t)family, "per_family_instance_index", 0, "run_name", name,
                      "run_type", "aggregate", "repetitions", (json_int_t)n, "threads", 1,
                      "aggregate_name", rows[i].name, "aggregate_unit", rows[i].unit,
                      "iterations", (json_int_t)n, "real_time", rows[i].real, "cpu_time",
                      rows[i].cpu, "time_unit", "ns"));
}

static const char *text_of(const json_t *b, const char *key)
{
    const char *text = json_string_value(json_object_get(b, key));
    return text ? text : "";
}

static void print_console(FILE *file, const json_t *benchmarks)
{
    size_t i;
    json_t *b;
    fprintf(file, "%-64s %16s %16s %12s\n", "Benchmark", "Time", "CPU", "Iterations");
    json_array_foreach (benchmarks, i, b) {
        bool share = strcmp(text_of(b, "aggregate_unit"), "percentage") == 0;
        double scale = share ? 100 : 1;
        if (json_is_true(json_object_get(b, "error_occurred"))) {
            fprintf(file, "%-64s ERROR OCCURRED: '%s'\n", text_of(b, "name"),
                    text_of(b, "error_message"));
            continue;
        }
        fprintf(file, "%-64s %13.3f %-2s %13.3f %-2s %12lld\n", text_of(b, "name"),
                scale * json_number_value(json_object_get(b, "real_time")),
                share ? "%" : "ns",
                scale * json_number_value(json_object_get(b, "cpu_time")), share ? "%" : "ns",
                (long long)json_integer_value(json_object_get(b, "iterations")));
    }
}

static void print_csv(FILE *file, const json_t *benchmarks)
{
    size_t i;
    json_t *b;
    fputs("name,iterations,real_time,cpu_time,time_unit,bytes_per_second,"
          "items_per_second,label,error_occurred,error_message\n", file);
    json_array_foreach (benchmarks, i, b) {
        bool failed = json_is_true(json_object_get(b, "error_occurred"));
        fprintf(file, "\"%s\",%lld,%.12g,%.12g,%s,,,,%s,", text_of(b, "name"),
                (long long)json_integer_value(json_object_get(b, "iterations")),
                json_number_value(json_object_get(b, "real_time")),
                json_number_value(json_object_get(b, "cpu_time")), text_of(b, "time_unit"),
                failed ? "true" : "");
        fputc('"', file);
        for (const char *p = text_of(b, "error_message"); *p; p++)
            fprintf(file, *p == '"' ? "\"\"" : "%c", *p);
        fputs("\"\n", file);
    }
}

static void print_as(FILE *file, enum format format, const json_t *whole)
{
    const json_t *benchmarks = json_object_get(whole, "benchmarks");
    if (format == JSON) {
        json_dumpf(whole, file, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
        fputc('\n', file);
    } else if (format == CSV) {
        print_csv(file, benchmarks);
    } else {
        print_console(file, benchmarks);
    }
}

/* --------------------------------------------------------------------- run */

/* The time of a trial is in triples of 7 epochs of a quarter millisecond. */
static json_t *repeat(const struct bench_selected *c, double min_time_s, char *error,
                      size_t error_bytes)
{
    char triples[16];
    int n = (int)ceil(min_time_s / 0.00175);
    snprintf(triples, sizeof triples, "%d", n < 3 ? 3 : n > 1000 ? 1000 : n);
    const char *arguments[] = {"--triples", triples, NULL};
    return bench_program_trial(c->program, c->name, arguments, 60 + 10 * min_time_s, error,
                               error_bytes);
}

static bool run_case(const struct bench_selected *c, size_t family, const struct flags *f,
                     json_t *benchmarks)
{
    double *ns = calloc(2 * (size_t)f->repetitions, sizeof *ns);
    double *cpu_ns = ns + f->repetitions;
    char error[600] = "no memory";
    size_t n = 0;
    bool fine = ns != NULL;
    for (long i = 0; fine && i < f->repetitions; i++) {
        json_t *record = repeat(c, f->min_time_s, error, sizeof error);
        fine = record != NULL;
        if (!fine)
            record = json_pack("{s:s}", "error", error);
        if (!f->aggregates_only || f->repetitions == 1 || trouble(record))
            json_array_append_new(benchmarks,
                                  iteration_json(c->name, family, f->repetitions, i, record));
        fine = fine && !json_is_string(json_object_get(record, "error"));
        if (!trouble(record)) {
            ns[n] = metric(record, "ns");
            cpu_ns[n++] = metric(record, "cpu_ns");
        }
        json_decref(record);
    }
    if (n > 1)
        add_aggregates(benchmarks, c->name, family, ns, cpu_ns, n);
    free(ns);
    return fine;
}

static int run_all(const struct bench_selection *selection, const struct flags *f)
{
    /* An existing file is overwritten, as Google Benchmark does. */
    FILE *out = f->out ? fopen(f->out, "we") : NULL;
    if (f->out && !out) {
        fprintf(stderr, "corobench: cannot write %s: %s\n", f->out, strerror(errno));
        return 1;
    }
    json_t *whole = json_pack("{s:o, s:[]}", "context", context_json(), "benchmarks");
    json_t *benchmarks = json_object_get(whole, "benchmarks");
    bool fine = true;
    size_t family = 0;
    for (size_t i = 0; i < selection->count; i++) {
        const struct bench_selected *c = &selection->cases[i];
        if (c->timed && !c->skipped)
            fine &= run_case(c, family++, f, benchmarks);
        else
            fprintf(stderr, "left out: %s: %s\n", c->name,
                    c->skipped ? c->skipped : "it has no time per op");
    }
    print_as(stdout, f->format, whole);
    if (out)
        print_as(out, f->out_format, whole);
    json_decref(whole);
    if (fflush(stdout) || (out && fclose(out))) {
        fprintf(stderr, "corobench: cannot write the output: %s\n", strerror(errno));
        return 1;
    }
    return fine ? 0 : 1;
}

int bench_gbench(int argc, char **argv)
{
    struct flags f = {.repetitions = 1, .min_time_s = 0.016, .filter = "",
                      .out_format = JSON};
    char error[600] = "no memory";
    for (int i = 1; i < argc; i++) {
        int code = parse_flag(&f, argv[i]);
        if (code)
            return code;
    }
    bool negate = f.filter[0] == '-';
    struct bench_filter *filter = bench_filter_new();
    int err = filter ? bench_filter_regex(filter, f.filter + negate, negate, error,
                                          sizeof error)
                     : -ENOMEM;
    struct bench_selection selection = {.count = 0};
    if (!err)
        err = bench_select(&selection, filter, BENCH_FULL, error, sizeof error);
    bench_filter_free(filter);
    int code = 0;
    if (err) {
        fprintf(stderr, "corobench: %s\n", error);
        code = err == -EINVAL ? 2 : 1;
    } else if (f.list) {
        for (size_t i = 0; i < selection.count; i++)
            if (selection.cases[i].timed && !selection.cases[i].skipped)
                puts(selection.cases[i].name);
    } else {
        code = run_all(&selection, &f);
    }
    bench_selection_free(&selection);
    return code;
}
