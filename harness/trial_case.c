/* SPDX-License-Identifier: MIT */
#include "trial_state.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>

#include "record.h"

const struct bench_case *bench_case_of(const struct bench_trial *t)
{
    return t->entry->spec;
}

void bench_set_state(struct bench_trial *t, void *state)
{
    t->state = state;
}

void *bench_state(const struct bench_trial *t)
{
    return t->state;
}

int bench_cpu(const struct bench_trial *t, unsigned flow)
{
    return t->entry->cpu[flow % BENCH_PLACEMENT_CPUS];
}

int bench_pin(const struct bench_trial *t, unsigned flow)
{
    int cpu = bench_cpu(t, flow);
    size_t bytes = CPU_ALLOC_SIZE((size_t)cpu + 1);
    cpu_set_t *set = CPU_ALLOC((size_t)cpu + 1);
    if (!set)
        return -ENOMEM;
    CPU_ZERO_S(bytes, set);
    CPU_SET_S((size_t)cpu, bytes, set);
    int err = sched_setaffinity(0, bytes, set) ? -errno : 0;
    CPU_FREE(set);
    return err;
}

#define FORMAT_INTO(buffer, format)                                                        \
    do {                                                                                   \
        va_list arguments;                                                                 \
        va_start(arguments, format);                                                       \
        vsnprintf(buffer, sizeof buffer, format, arguments);                               \
        va_end(arguments);                                                                 \
    } while (0)

int bench_skip(struct bench_trial *t, const char *format, ...)
{
    FORMAT_INTO(t->skipped, format);
    return -ECANCELED;
}

int bench_fail(struct bench_trial *t, const char *format, ...)
{
    if (!t->error[0]) /* the first failure is the cause; later ones follow from it */
        FORMAT_INTO(t->error, format);
    return -ECANCELED;
}

void bench_metric(struct bench_trial *t, const char *name, const char *unit,
                  const char *source, double value)
{
    if (!isfinite(value)) {
        bench_metric_null(t, name, unit, "the computation gave no finite number");
        return;
    }
    json_object_set_new(t->metrics, name,
                        json_pack("{s:f, s:s, s:s}", "value", value, "unit", unit, "source",
                                  source));
}

void bench_metric_null(struct bench_trial *t, const char *name, const char *unit,
                       const char *reason_format, ...)
{
    char reason[320];
    FORMAT_INTO(reason, reason_format);
    json_object_set_new(t->metrics, name,
                        json_pack("{s:n, s:s, s:s, s:o}", "value", "unit", unit, "source",
                                  "none", "reason", bench_json_text(reason)));
}

void bench_note(struct bench_trial *t, const char *key, const char *format, ...)
{
    char text[320];
    FORMAT_INTO(text, format);
    json_object_set_new(t->notes, key, bench_json_text(text));
}

void trial_flag(struct bench_trial *t, const char *word)
{
    json_array_append_new(t->flags, json_string(word));
}
