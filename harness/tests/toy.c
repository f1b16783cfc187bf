/* SPDX-License-Identifier: MIT
 *
 * toy.c: a program with cases that behave, and cases that misbehave in every way that a
 * runner must survive. cli.py drives it.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
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

static uint64_t nap_long(struct bench_trial *t, uint64_t ops)
{
    (void)t;
    usleep((useconds_t)(ops * 150000));
    return ops;
}

/* ---- who else runs on the CPU: a thread of the trial's, or another process */

static atomic_bool company_over;

static void *keep_company(void *none)
{
    while (!atomic_load(&company_over))
        continue;
    return none;
}

static int start_company(struct bench_trial *t)
{
    static pthread_t thread;
    bench_set_state(t, &thread);
    return -pthread_create(&thread, NULL, keep_company, NULL);
}

static void end_company(struct bench_trial *t)
{
    atomic_store(&company_over, true);
    pthread_join(*(pthread_t *)bench_state(t), NULL);
}

static int start_rival(struct bench_trial *t)
{
    static pid_t rival;
    bench_set_state(t, &rival);
    rival = fork();
    if (rival == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        keep_company(NULL);
    }
    return rival < 0 ? -errno : 0;
}

static void end_rival(struct bench_trial *t)
{
    pid_t rival = *(pid_t *)bench_state(t);
    kill(rival, SIGKILL);
    waitpid(rival, NULL, 0);
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
#define SHARED(subject_, ...)                                                              \
    {.experiment = "shared", .subject = subject_, .params = "", .op = "op",                \
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
static const struct bench_case shared[] = {
    SHARED("company", .flags = BENCH_THREADS, .run = count_adds, .setup = start_company,
           .teardown = end_company),
    SHARED("rival", .flags = BENCH_THREADS, .run = count_adds, .setup = start_rival,
           .teardown = end_rival),
    SHARED("rival-of-one", .run = count_adds, .setup = start_rival, .teardown = end_rival),
    SHARED("slow", .run = nap_long),
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
        {"shared", "who else runs?", shared, sizeof shared / sizeof *shared},
    };
    return bench_main(argc, argv, experiments, sizeof experiments / sizeof *experiments);
}
