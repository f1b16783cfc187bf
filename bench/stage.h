/* SPDX-License-Identifier: MIT
 *
 * stage.h: the runtime under a trial: coro_run() that lasts from setup() to teardown().
 *
 * The harness calls run() many times; flows are to live on between its calls, parked or
 * runnable, and coro_run() returns only when all have ended. So coro_run() is called on a
 * stack of its own, by the trial's main thread, and the flow that has done what run() asked for
 * switches past the scheduler straight back to the harness. For the runtime that flow is
 * running all the time, and the harness is something that it does.
 *
 * So going in and out costs a switch each, no thread is woken, and with one worker everything
 * happens on the main thread: its instructions can be counted.
 *
 * With two workers the second is a thread on the placement's second CPU. The leading flow is
 * pinned to the first then: it alone may leave to the harness. Between two calls of
 * run() the second worker finds nothing to do, and sleeps after a while.
 */
#ifndef STAGE_H
#define STAGE_H

#include "bench.h"
#include "coro.h"

struct stage {
    struct bench_trial *trial;
    unsigned workers;
    struct coro_options options;
    void (*lead)(void *arg);
    void *arg;
    bool open;      /* between stage_open() and the end of coro_run() */
    bool closing;   /* what the leading flow asks after stage_leave() */
    int run_error;  /* of coro_run() */
    int pin_error;  /* of the second worker */
    struct coro_context harness, runner, inside;
    struct coro_stack_arena *arena;
    struct coro_stack stack;
};

/* Runs lead(arg) as a flow until it first calls stage_leave(). stage->options may have been
 * filled in before; workers is set here. 0 or -errno (also when a worker's thread or its
 * CPU was refused). */
int stage_open(struct stage *stage, struct bench_trial *t, unsigned workers,
               void (*lead)(void *arg), void *arg);
/* By setup() and run(): goes on with the flow that left, until one leaves again. When all
 * flows are asleep for ever instead, the trial fails. */
void stage_enter(struct stage *stage);
/* By a flow on the first worker: back to the harness. After it, `closing` says to return. */
void stage_leave(struct stage *stage);
/* Makes the flow that left return from stage_leave() with `closing` set, and waits for the end of
 * all flows. Does nothing when not open. The result of coro_run(). */
int stage_close(struct stage *stage);

/* Flows that wait between two calls of run(), each at a channel of its own: handing out the
 * work and gathering the counts is a fixed cost of run(). */
typedef uint64_t stage_work(void *arg, size_t index); /* how many ops the flow did */

struct stage_member {
    struct stage_crew *crew;
    struct coro_chan *go;
};

struct stage_crew {
    struct stage stage; /* first; its options may be filled in before */
    size_t flows, spawned;
    bool pinned; /* member i stays on worker i mod workers; else all are free to move */
    stage_work *work;
    void *arg;
    struct stage_member *member;
    struct coro_chan *counts;
    uint64_t total;
};

/* From setup(), after flows, pinned, work and arg were filled in. 0 or -errno. */
int stage_crew_open(struct stage_crew *crew, struct bench_trial *t, unsigned workers);
/* From run(): every member does work(arg, index) once. The sum of what they counted. */
uint64_t stage_crew_run(struct stage_crew *crew);
/* Takes what stage_crew_open() left, also after a failure. */
void stage_crew_close(struct stage_crew *crew);

/* A member's share of the ops. */
static inline uint64_t stage_share(uint64_t ops, size_t flows, size_t index)
{
    return ops / flows + (index < ops % flows);
}

#endif
