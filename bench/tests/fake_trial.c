/* SPDX-License-Identifier: MIT */
#include "fake_trial.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

const struct bench_case *bench_case_of(const struct bench_trial *t)
{
    return t->spec;
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
    return 0;
}

int bench_pin(const struct bench_trial *t, unsigned flow)
{
    return 0;
}

int bench_skip(struct bench_trial *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(t->skipped, sizeof t->skipped, format, arguments);
    va_end(arguments);
    return -ECANCELED;
}

int bench_fail(struct bench_trial *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(t->failed, sizeof t->failed, format, arguments);
    va_end(arguments);
    return -ECANCELED;
}

void bench_metric(struct bench_trial *t, const char *name, const char *unit,
                  const char *source, double value)
{
}

void bench_metric_null(struct bench_trial *t, const char *name, const char *unit,
                       const char *reason_format, ...)
{
}

void bench_note(struct bench_trial *t, const char *key, const char *format, ...)
{
}
