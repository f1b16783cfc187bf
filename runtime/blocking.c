/* SPDX-License-Identifier: MIT
 *
 * blocking.c: blocking calls in helper threads.
 *
 * A job lies on the stack of its flow, which parks with the helpers' lock held; the idle flow
 * unlocks it once the flow is saved, so that a helper may wake it at once. Helpers are made while
 * more jobs are wanted than helpers idle, up to HELPERS_MAX, and leave after LINGER_S without a
 * job. What is wanted is counted before a helper is made and until one begins the job: while
 * it is not 0 none leaves.
 *
 * A job that ends claims its flow's wait as any other waker does. A flow that was cancelled takes
 * its job back if no helper has begun it; else it waits anew, as nobody can stop the helper. The
 * run is held (`holds`) meanwhile: with all flows asleep it is no deadlock.
 *
 * The lock is a leaf. It is a spin lock and not a mutex because one flow takes it and another,
 * the idle one, lets go of it.
 */
#include "internal.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { HELPERS_MAX = 64, LINGER_S = 1 };

struct job {
    struct coro_wait wait; /* first */
    struct coro_link link; /* in helpers->jobs */
    coro_body *body;
    void *arg, *result;
    struct coro_worker *worker; /* where the flow parked */
    enum { NEW, QUEUED, BEGUN, DONE } state;
};

struct leaver {
    pthread_t thread;
    bool is_there;
};

struct coro_helpers {
    _Atomic(uint32_t) lock; /* guards all but the semaphores */
    struct coro_link jobs;
    unsigned threads, idle, wanted;
    bool stop;
    struct leaver left; /* the last that left; it joins the one before */
    sem_t work, gone;   /* gone: threads became 0 */
};

static struct coro_helpers *helpers_of(struct coro_sched *sched)
{
    struct coro_helpers *helpers;

    coro_spin_lock(&sched->pool_lock);
    helpers = sched->helpers;
    if (!helpers && (helpers = calloc(1, sizeof *helpers))) {
        sem_init(&helpers->work, 0, 0);
        sem_init(&helpers->gone, 0, 0);
        helpers->jobs.next = helpers->jobs.prev = &helpers->jobs;
        sched->helpers = helpers;
    }
    coro_spin_unlock(&sched->pool_lock);
    return helpers;
}

/* ---- a helper ------------------------------------------------------------------------ */

static struct job *take_job(struct coro_helpers *helpers)
{
    struct coro_link *first = helpers->jobs.next;
    struct job *job;

    if (first == &helpers->jobs)
        return NULL;
    coro_link_remove(first);
    job = (struct job *)((char *)first - offsetof(struct job, link));
    job->state = BEGUN;
    helpers->wanted--;
    return job;
}

/* Locked. Each joins the one that left before it: so at the end there is one left to join. */
static void leave(struct coro_helpers *helpers, struct leaver *before)
{
    *before = helpers->left;
    helpers->left = (struct leaver){.thread = pthread_self(), .is_there = true};
    if (--helpers->threads == 0)
        sem_post(&helpers->gone);
}

/* NULL: it has left, and `before` is to be joined. */
static struct job *next_job(struct coro_helpers *helpers, struct leaver *before)
{
    struct timespec until;
    struct job *job;
    int late = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LINGER_S;
    coro_spin_lock(&helpers->lock);
    helpers->idle++;
    while (!(job = take_job(helpers)) && !helpers->stop && !(late && !helpers->wanted)) {
        coro_spin_unlock(&helpers->lock);
        late = sem_clockwait(&helpers->work, CLOCK_MONOTONIC, &until);
        if (late)
            until.tv_sec++;
        coro_spin_lock(&helpers->lock);
    }
    helpers->idle--;
    if (!job)
        leave(helpers, before);
    coro_spin_unlock(&helpers->lock);
    return job;
}

/* Wakes the flow, unless it was cancelled and has yet to come here to wait anew. */
static void end_job(struct coro_helpers *helpers, struct job *job, void *result)
{
    struct coro_worker *worker;
    struct coro_flow *flow;
    bool claimed;

    coro_spin_lock(&helpers->lock);
    flow = job->wait.flow;
    worker = job->worker;
    job->result = result;
    job->state = DONE;
    claimed = coro_claim(flow, job->wait.claim, &job->wait, 0);
    coro_spin_unlock(&helpers->lock);
    if (claimed) {
        atomic_store_explicit(&flow->waiting, NULL, memory_order_relaxed);
        coro_inbox_push(worker, flow);
    }
}

static void *helper(void *arg)
{
    struct coro_helpers *helpers = arg;
    struct leaver before;
    struct job *job;

    while ((job = next_job(helpers, &before)))
        end_job(helpers, job, job->body(job->arg));
    if (before.is_there)
        pthread_join(before.thread, NULL);
    return NULL;
}

static int helper_start(struct coro_helpers *helpers)
{
    sigset_t all, before;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* handlers run elsewhere */
    error = pthread_create(&thread, NULL, helper, helpers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

/* Wants a helper for one job more: 0, or why there is none at all. */
static int want_helper(struct coro_helpers *helpers)
{
    bool more;
    int error;

    coro_spin_lock(&helpers->lock);
    more = helpers->idle < ++helpers->wanted && helpers->threads < HELPERS_MAX;
    helpers->threads += more;
    coro_spin_unlock(&helpers->lock);
    if (!more || !(error = helper_start(helpers)))
        return 0;
    coro_spin_lock(&helpers->lock);
    if (--helpers->threads)
        error = 0;
    else
        helpers->wanted--;
    coro_spin_unlock(&helpers->lock);
    return error;
}

static unsigned threads_left(struct coro_helpers *helpers)
{
    unsigned threads;

    coro_spin_lock(&helpers->lock);
    helpers->stop = true;
    threads = helpers->threads;
    coro_spin_unlock(&helpers->lock);
    return threads;
}

void coro_helpers_end(struct coro_sched *sched)
{
    struct coro_helpers *helpers = sched->helpers;

    if (!helpers)
        return;
    for (unsigned i = threads_left(helpers); i > 0; i--)
        sem_post(&helpers->work);
    while (threads_left(helpers))
        (void)sem_wait(&helpers->gone); /* one post may be of an earlier time */
    if (helpers->left.is_there)
        pthread_join(helpers->left.thread, NULL);
    sem_destroy(&helpers->work);
    sem_destroy(&helpers->gone);
    free(helpers);
}

/* ---- the flow ------------------------------------------------------------------------ */

/* In the idle flow, once the job's flow is saved. After the unlock both may be gone. */
static void parked(void *arg)
{
    struct job *job = arg;
    struct coro_helpers *helpers = job->worker->sched->helpers;
    bool fresh = job->state == NEW;

    if (fresh) {
        job->state = QUEUED;
        job->link = (struct coro_link){.next = &helpers->jobs, .prev = helpers->jobs.prev};
        helpers->jobs.prev->next = &job->link;
        helpers->jobs.prev = &job->link;
    }
    coro_spin_unlock(&helpers->lock);
    if (fresh)
        sem_post(&helpers->work);
}

/* In the domain, with the lock. Whether the flow need not wait (any more). */
static bool is_settled(struct coro_worker *worker, struct coro_helpers *helpers,
                       struct job *job, int *error)
{
    *error = 0;
    if (job->state == DONE)
        return true;
    if (job->state == BEGUN || !coro_is_cancelled(worker))
        return false;
    *error = -ECANCELED;
    helpers->wanted--;
    if (job->state == QUEUED)
        coro_link_remove(&job->link);
    return true;
}

static int job_run(struct coro_helpers *helpers, struct job *job)
{
    int error;

    for (;;) {
        struct coro_link nobody = {.next = &nobody, .prev = &nobody};
        struct coro_worker *worker = coro_enter_sure();

        coro_spin_lock(&helpers->lock);
        if (is_settled(worker, helpers, job, &error)) {
            coro_spin_unlock(&helpers->lock);
            coro_leave_worker(worker);
            return error;
        }
        job->worker = worker;
        coro_wait_begin(worker, &job->wait, NULL, &nobody, NULL, "in a blocking call");
        job->wait.claim = coro_claim_open(worker->current);
        worker->after = parked;
        worker->after_arg = job;
        coro_switch_park(worker, &worker->idle);
    }
}

int coro_blocking(coro_body *body, void *arg, void **result)
{
    struct coro_worker *worker = coro_worker_self();
    struct coro_sched *sched = worker->sched;
    struct coro_helpers *helpers = helpers_of(sched);
    struct job job = {.body = body, .arg = arg, .state = NEW};
    int error;

    if (worker->current->policy == CORO_STACK_COPIED)
        return -ENOTSUP; /* its frames, and so the job, are not there while it waits */
    error = helpers ? want_helper(helpers) : -ENOMEM;
    if (error)
        return error;
    atomic_fetch_add_explicit(&sched->holds, 1, memory_order_seq_cst);
    error = job_run(helpers, &job);
    atomic_fetch_sub_explicit(&sched->holds, 1, memory_order_seq_cst);
    if (!error && result)
        *result = job.result;
    return error;
}
