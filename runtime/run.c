/* SPDX-License-Identifier: MIT
 *
 * run.c: starts and ends a run: workers, their threads, the first flow.
 *
 * Workers are never freed but used again by later runs: an object that outlives its run may
 * still name one as its owner, and revoking it must find a domain there.
 */
#include "internal.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fatal.h"
#include "trace.h"

enum { RING_FIRST = 1024 };

static pthread_mutex_t lists_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next two */
static struct coro_worker *retired;                            /* by retired_next */
struct coro_sched *coro_runs; /* by next_run; all that are under way, for debuggers */

uint64_t coro_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

__attribute__((noinline)) int *coro_errno_location(void)
{
    __asm__ volatile(""); /* not a pure function, whatever the compiler may think */
    return __errno_location();
}

static struct coro_worker *worker_take(void)
{
    struct coro_worker *worker;

    pthread_mutex_lock(&lists_lock);
    worker = retired;
    if (worker)
        retired = worker->retired_next;
    pthread_mutex_unlock(&lists_lock);
    if (!worker) {
        worker = aligned_alloc(64, (sizeof *worker + 63) / 64 * 64);
        if (worker)
            memset(worker, 0, sizeof *worker);
    }
    return worker;
}

static void worker_retire(struct coro_worker *worker)
{
    free(worker->ring);
    free(worker->seen);
    coro_trace_free(worker);
    worker->ring = NULL;
    worker->seen = NULL;
    pthread_mutex_lock(&lists_lock);
    worker->retired_next = retired;
    retired = worker;
    pthread_mutex_unlock(&lists_lock);
}

/* Everything but the two words that someone may be looking at: see the head. */
static void worker_reset(struct coro_worker *worker, struct coro_sched *sched, unsigned index)
{
    atomic_store(&worker->front_count, 0);
    worker->front_budget = CORO_FRONT_BUDGET;
    atomic_store(&worker->slot, worker->ring);
    atomic_store(&worker->slot_limit, NULL);
    atomic_store(&worker->span, 0);
    atomic_store(&worker->inbox, NULL);
    atomic_store(&worker->asleep, 0);
    memset(&worker->idle, 0, sizeof worker->idle);
    worker->current = &worker->idle;
    worker->pool = NULL;
    worker->pool_count = 0;
    worker->ended = NULL;
    worker->random = (coro_now_ns() ^ (uintptr_t)worker) | 1;
    worker->after = NULL;
    worker->sched = sched;
    worker->spawned = worker->finished = 0;
    worker->copied_used_bytes = 0;
    worker->index = index;
    worker->hungry_at_ns = worker->backoff_ns = worker->stole_at_ns = worker->looked_at_ns = 0;
    worker->greed = CORO_STEAL_FIRST;
    atomic_store(&worker->attends, NULL);
    atomic_store(&worker->refills, 0);
    worker->lost = 0;
    worker->chores = worker->steals = worker->stolen = 0;
    worker->parks_idle = worker->sleeps = worker->wakes = 0;
    worker->wakeable = false;
    worker->eager = 0;
    worker->polled_at_ns = 0;
    worker->io = NULL;
    worker->ring_room = RING_FIRST;
    worker->laps = 0;
    worker->lay = 0;
    worker->laid = NULL;
    coro_spin_lock(&worker->stop_lock); /* by an object of an earlier run, it may be stopped */
    worker->asymmetric = sched->asymmetric;
    atomic_store(&worker->key, worker->asymmetric ? (uintptr_t)worker : 0);
    coro_spin_unlock(&worker->stop_lock);
}

static int worker_add(struct coro_sched *sched, unsigned count)
{
    struct coro_worker *worker = worker_take();

    if (!worker)
        return -ENOMEM;
    worker->ring = coro_ring_new(worker, RING_FIRST);
    worker->seen = calloc(count, sizeof *worker->seen);
    if (!worker->ring || !worker->seen) {
        worker_retire(worker);
        return -ENOMEM;
    }
    worker_reset(worker, sched, sched->workers_count);
    sched->workers[sched->workers_count++] = worker;
    return 0;
}

static unsigned allowed_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

/* To the index-th CPU of those allowed, counted round. A refusal costs placement only. */
static void pin_thread(unsigned index)
{
    cpu_set_t allowed, one;
    unsigned left;

    if (sched_getaffinity(0, sizeof allowed, &allowed))
        return;
    left = index % (unsigned)CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && left-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            (void)sched_setaffinity(0, sizeof one, &one);
            return;
        }
}

/* What pthread_exit() comes to: the flow that called it has no frame of its thread's below it. */
static void refuse_to_end(void *unused)
{
    coro_fatal("run: a worker's thread was made to end; a flow ends by coro_exit()");
}

static void *worker_thread(void *arg)
{
    struct coro_worker *self = arg;

    /* The gate: until all threads are there, or refused, their count is not known. */
    coro_spin_lock(&self->sched->idle_lock);
    coro_spin_unlock(&self->sched->idle_lock);
    coro_worker_tls = self;
    if (self->sched->pin)
        pin_thread(self->index);
    (void)coro_stack_overflow_watch(); /* refused: an overflow is a plain SIGSEGV */
    pthread_cleanup_push(refuse_to_end, NULL);
    coro_idle(self);
    pthread_cleanup_pop(0);
    coro_worker_tls = NULL;
    return NULL;
}

/* If the system refuses a thread, the run has as many workers as it got threads. */
static void run_threads(struct coro_sched *sched, pthread_t *threads)
{
    cpu_set_t before;
    bool pinned = sched->pin && !sched_getaffinity(0, sizeof before, &before);
    unsigned got = 1;

    coro_spin_lock(&sched->idle_lock);
    while (got < sched->workers_count &&
           !pthread_create(&threads[got], NULL, worker_thread, sched->workers[got]))
        got++;
    while (sched->workers_count > got)
        worker_retire(sched->workers[--sched->workers_count]);
    coro_spin_unlock(&sched->idle_lock);
    worker_thread(sched->workers[0]);
    for (unsigned i = 1; i < got; i++)
        pthread_join(threads[i], NULL);
    if (pinned)
        (void)sched_setaffinity(0, sizeof before, &before);
}

static int prepare(struct coro_sched *sched, const struct coro_options *options)
{
    unsigned count = options->workers ? options->workers : allowed_cpus();
    int error = 0;

    if (count > CORO_WORKERS_MAX)
        count = CORO_WORKERS_MAX;
    sched->pin = options->pin;
    sched->quiet = options->quiet;
    sched->watch_stacks = options->watch_stacks;
    sched->guard = options->guard_set ? options->guard : CORO_GUARD_MADVISE;
    sched->group_guard = options->group_guard;
    coro_classes_init(sched, options);
    atomic_store(&sched->timers.first_ns, UINT64_MAX);
    while (!error && sched->workers_count < count)
        error = worker_add(sched, count);
    return !error && options->trace ? coro_trace_begin(sched) : error;
}

static void list_run(struct coro_sched *sched)
{
    pthread_mutex_lock(&lists_lock);
    sched->next_run = coro_runs;
    coro_runs = sched;
    pthread_mutex_unlock(&lists_lock);
}

static void unlist_run(const struct coro_sched *sched)
{
    struct coro_sched **link = &coro_runs;

    pthread_mutex_lock(&lists_lock);
    while (*link != sched)
        link = &(*link)->next_run;
    *link = sched->next_run;
    pthread_mutex_unlock(&lists_lock);
}

int coro_run(const struct coro_options *options, coro_body *body, void *arg)
{
    static const struct coro_options defaults;
    struct coro_sched *sched;
    struct coro_flow *flow;
    pthread_t *threads = NULL;
    int result = -ENOMEM;

    if (!options)
        options = &defaults;
    if (coro_worker_self())
        return -EBUSY;
    if (options->policy > CORO_STACK_SLAB)
        return -EINVAL;
    coro_stack_overflow_named_by(coro_name_overflow);
    sched = calloc(1, sizeof *sched);
    if (!sched)
        return -ENOMEM;
    sched->asymmetric = coro_domain_init(options->no_membarrier || options->trace ||
                                         options->watch_stacks);
    if (coro_io_prepare(sched, options->io)) {
        free(sched);
        return -EINVAL;
    }
    if (!prepare(sched, options) && (threads = calloc(sched->workers_count, sizeof *threads)) &&
        (flow = coro_flow_first(sched, body, arg))) {
        list_run(sched);
        run_threads(sched, threads);
        unlist_run(sched);
        if (sched->result == -EDEADLK && !sched->quiet)
            coro_report_deadlock(sched);
        if (!sched->quiet)
            coro_watch_end(sched);
        if (options->trace)
            coro_trace_write(sched, options->trace);
        result = sched->result;
    }
    coro_helpers_end(sched);
    coro_io_end(sched);
    coro_flow_free_all(sched);
    for (unsigned i = 0; i < sched->workers_count; i++)
        worker_retire(sched->workers[i]);
    free(sched->timers.heap);
    free(threads);
    free(sched);
    return result;
}

unsigned coro_workers(void)
{
    return coro_worker_self()->sched->workers_count;
}

unsigned coro_worker_index(void)
{
    return coro_worker_self()->index;
}

struct coro_sched *coro_sched_self(void)
{
    struct coro_worker *self = coro_worker_self();

    return self ? self->sched : NULL;
}
