/* SPDX-License-Identifier: MIT
 *
 * counter: one shared number, incremented by one or two threads.
 *
 * The smallest critical section there is, and so the price of protection alone: what a
 * lock or an atomic costs when nobody else wants it (threads=1), and when somebody does
 * (threads=2). With two threads each does half of the ops, and ns/op is wall time over
 * the increments of both: perfect scaling would halve the figure of threads=1.
 *
 * The proof is twofold: each thread counts its own increments, and the shared number must
 * equal their sum, else the protection did not protect and the trial fails. So the number
 * without any protection has no case here: it would fail, as it should (the bank-account
 * experiment shows how badly).
 *
 * Only the main thread works where threads=1, but the mate exists all the same: glibc's
 * mutex knows whether the process has one thread and takes a shortcut then.
 */
#include "experiments.h"

#include <stdlib.h>
#include <string.h>
#include "crew.h"
#include "counter_coro.h"

enum protection { BY_MUTEX, BY_SPINLOCK, BY_ATOMIC };

struct counter_config {
    enum protection protection;
    int threads;
};

struct counter_state {
    const struct counter_config *config;
    bool one_cpu;
    struct crew_mate mate;
    _Alignas(64) pthread_mutex_t mutex;
    _Atomic int locked; /* the spinlock; its release publishes `number` */
    uint64_t number;    /* under mutex or spinlock */
    _Atomic uint64_t atomic_number;
};

static uint64_t count_by_mutex(struct counter_state *s, uint64_t ops)
{
    uint64_t own = 0;
    for (; own < ops; own++) {
        pthread_mutex_lock(&s->mutex);
        s->number++;
        pthread_mutex_unlock(&s->mutex);
    }
    return own;
}

/* Test-and-test-and-set: waiters read their own cached copy until it changes. */
static uint64_t count_by_spinlock(struct counter_state *s, uint64_t ops)
{
    uint64_t own = 0;
    for (; own < ops; own++) {
        unsigned spins = 0;
        while (atomic_exchange_explicit(&s->locked, 1, memory_order_acquire))
            while (atomic_load_explicit(&s->locked, memory_order_relaxed))
                crew_relax(s->one_cpu, &spins);
        s->number++;
        atomic_store_explicit(&s->locked, 0, memory_order_release);
    }
    return own;
}

static uint64_t count_by_atomic(struct counter_state *s, uint64_t ops)
{
    uint64_t own = 0;
    for (; own < ops; own++)
        atomic_fetch_add_explicit(&s->atomic_number, 1, memory_order_relaxed);
    return own;
}

static uint64_t count(void *arg, uint64_t ops)
{
    struct counter_state *s = arg;
    switch (s->config->protection) {
    case BY_MUTEX:
        return count_by_mutex(s, ops);
    case BY_SPINLOCK:
        return count_by_spinlock(s, ops);
    default:
        return count_by_atomic(s, ops);
    }
}

static int counter_setup(struct bench_trial *t)
{
    struct counter_state *s = aligned_alloc(64, sizeof *s);
    if (!s)
        return -ENOMEM;
    memset(s, 0, sizeof *s);
    s->config = bench_case_of(t)->arg;
    s->one_cpu = crew_on_one_cpu(t);
    pthread_mutex_init(&s->mutex, NULL);
    int err = crew_hire(&s->mate, t, count, s);
    if (err) {
        free(s);
        return bench_skip(t, "no second thread: %s", strerror(-err));
    }
    bench_set_state(t, s);
    return 0;
}

static void counter_teardown(struct bench_trial *t)
{
    struct counter_state *s = bench_state(t);
    if (!s)
        return;
    crew_dismiss(&s->mate);
    free(s);
}

static uint64_t counter_run(struct bench_trial *t, uint64_t ops)
{
    struct counter_state *s = bench_state(t);
    uint64_t mates_ops = s->config->threads == 2 ? ops / 2 : 0, counted;
    s->number = 0;
    atomic_store_explicit(&s->atomic_number, 0, memory_order_relaxed); /* sem publishes */
    if (mates_ops)
        crew_start(&s->mate, mates_ops, s->one_cpu);
    counted = count(s, ops - mates_ops);
    if (mates_ops)
        counted += crew_finish(&s->mate);
    uint64_t number =
        s->number + atomic_load_explicit(&s->atomic_number, memory_order_relaxed);
    if (number != counted)
        bench_fail(
            t, "lost updates: the threads counted %llu increments, the number is %llu",
            (unsigned long long)counted, (unsigned long long)number);
    return number;
}

#define ELSEWHERE (BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU))

/* Two threads on one CPU take turns by time slice: that is no contention, and the lock is
 * all but always free. Hence they are only measured on two. */
#define COUNTER(subject_, by_, threads_, places_, profile_)                              \
    {                                                                                    \
        .experiment = "counter", .subject = subject_, .params = "threads=" #threads_,    \
        .op = "one increment of the shared number, by any thread", .places = places_,    \
        .profile = profile_, .flags = BENCH_THREADS, .setup = counter_setup,             \
        .run = counter_run, .teardown = counter_teardown,                                \
        .arg = &(const struct counter_config){by_, threads_},                            \
    }

const struct bench_case counter_cases[] = {
    COUNTER("mutex", BY_MUTEX, 1, BENCH_AT(BENCH_SAME_CPU), BENCH_QUICK),
    COUNTER("mutex", BY_MUTEX, 2, ELSEWHERE, BENCH_DEFAULT),
    COUNTER("spinlock", BY_SPINLOCK, 1, BENCH_AT(BENCH_SAME_CPU), BENCH_FULL),
    COUNTER("spinlock", BY_SPINLOCK, 2, ELSEWHERE, BENCH_DEFAULT),
    COUNTER("atomic", BY_ATOMIC, 1, BENCH_AT(BENCH_SAME_CPU), BENCH_QUICK),
    COUNTER("atomic", BY_ATOMIC, 2, ELSEWHERE, BENCH_DEFAULT),
    COUNTER_CORO_CASES,
};
const size_t counter_case_count = sizeof counter_cases / sizeof *counter_cases;
