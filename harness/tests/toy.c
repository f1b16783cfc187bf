/* SPDX-License-Identifier: MIT
 *
 * toy.c: a program with cases that behave, and cases that misbehave in every way that a
 * runner must survive. cli.py drives it.
 */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t count_adds(struct bench_trial *t, uint64_t ops)
{
    uint64_t x = 0;
    (void)t;
    for (uint64_t i = 0; i < ops; i++)
        __asm__ volatile("" : "+r"(x));
    return ops;
}

static uint64_t lie(struct bench_trial *t, uint64_t ops)
{
    return count_adds(t, ops) - 1;
}

static uint64_t sleep_each(struct bench_trial *t, uint64_t ops)
{
    (void)t;
    for (uint64_t i = 0; i < ops; i++)
        usleep(100);
    return ops;
}

static uint64_t hang(struct bench_trial *t, uint64_t ops)
{
    (void)t;
    for (;;)
        pause();
    return ops;
}

static uint64_t crash(struct bench_trial *t, uint64_t ops)
{
    (void)t;
    raise(SIGSEGV);
    return ops;
}

static uint64_t garble(struct bench_trial *t, uint64_t ops)
{
    (void)t;
    puts("this is no record");
    return ops;
}

/* A grandchild that outlives the trial and keeps its pipes open. */
static uint64_t leave_daemon(struct bench_trial *t, uint64_t ops)
{
    static int left;
    if (!left++ && fork() == 0) {
        sleep(600);
        _exit(0);
    }
    return count_adds(t, ops);
}

static int refuse(struct bench_trial *t)
{
    return bench_skip(t, "this machine has no \"toys\" <b>\033[31m");
}

static int fail_setup(struct bench_trial *t)
{
    (void)t;
    return -ENOMEM;
}

static int measure_some(struct bench_trial *t)
{
    bench_metric(t, "resident_bytes", "B/flow", "smaps", 4384);
    bench_metric(t, "strange_bytes", "B/flow", "smaps", 0.0 / (double)(getpid() == 0));
    bench_metric_null(t, "kernel_bytes", "B/flow", "not readable by this user");
    bench_note(t, "limit", "none met");
    return 0;
}

#define TOY(subject_, ...)                                                                 \
    {.experiment = "toy", .subject = subject_, .params = "", .op = "op",                   \
     .places = BENCH_AT(BENCH_SAME_CPU), __VA_ARGS__}
#define BAD(subject_, ...)                                                                 \
    {.experiment = "bad", .subject = subject_, .params = "", .op = "op",                   \
     .places = BENCH_AT(BENCH_SAME_CPU), __VA_ARGS__}

static const struct bench_case toys[] = {
    TOY("fine", .run = count_adds),
    TOY("proved", .run = count_adds, .kernel_switches_max = 0.01),
    TOY("sizes", .measure = measure_some),
    TOY("refused", .setup = refuse, .run = count_adds),
    TOY("only-full", .run = count_adds, .profile = BENCH_FULL),
};
static const struct bench_case bad[] = {
    BAD("lies", .run = lie),
    BAD("hangs", .run = hang),
    BAD("crashes", .run = crash),
    BAD("garbles", .run = garble),
    BAD("daemon", .run = leave_daemon),
    BAD("setup", .setup = fail_setup, .run = count_adds),
    BAD("sleeps", .run = sleep_each, .kernel_switches_max = 0.01),
    BAD("never-switches", .run = count_adds, .kernel_switches_min = 0.9,
        .kernel_switches_max = 2),
};

int main(int argc, char **argv)
{
    const struct bench_experiment experiments[] = {
        {"toy", "does it work?", toys, sizeof toys / sizeof *toys},
        {"bad", "does it survive?", bad, sizeof bad / sizeof *bad},
    };
    return bench_main(argc, argv, experiments, 2);
}
