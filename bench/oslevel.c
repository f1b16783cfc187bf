/* SPDX-License-Identifier: MIT
 *
 * oslevel: how often the kernel switches while flows do, per 10^6 of the flows' own switches.
 *
 *  - work=yield: 16 flows that yield.
 *  - work=message: 8 pairs of flows that ask and answer over channels without a buffer;
 *    flows=pinned: one pair, each flow on its own CPU, so that every wake-up crosses.
 *  - work=blocking: as yield, but each 1,000th turn of a flow is followed by a system call that
 *    blocks its thread (a sleep of 1 ns, so of the kernel's timer slack): what
 *    "no switch happens at the OS level" leaves out.
 *  - pthread: the same turns as threads take them, by sched_yield() and by futex.
 *
 * workers=2 at place=same-cpu is the oversubscribed machine: two workers share one CPU. With
 * workers=1 everything happens on the trial's main thread.
 *
 * The proof: flows count their turns, and the runtime's own counters (coro_counters()) say how
 * many switches those were; a yield to nobody is none. Fewer than were asked of one worker
 * fail the trial. Kernel switches are all of the process's, so that a busy machine shows as
 * involuntary ones, which are no property of the subject.
 */
#include "oslevel.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "experiments.h"
#include "stage.h"
#include "switch.h"

enum { BLOCKING_EVERY = 1000, CHANNELS_MAX = 8 };

enum oslevel_work { YIELD, MESSAGE, BLOCKING };

struct oslevel_config {
    enum oslevel_work work;
    unsigned workers;
    size_t flows;
    bool pinned;
    uint64_t turns; /* of all flows together */
};

struct oslevel_state {
    const struct oslevel_config *config;
    struct stage_crew crew;
    struct coro_chan *request[CHANNELS_MAX], *reply[CHANNELS_MAX];
};

static uint64_t take_turns(uint64_t turns, bool blocking)
{
    uint64_t own = 0;

    for (; own < turns; own++) {
        coro_yield();
        if (blocking && own % BLOCKING_EVERY == 0)
            nanosleep(&(struct timespec){.tv_nsec = 1}, NULL);
    }
    return own;
}

/* One of a pair: a turn is a message sent or received by it. */
static uint64_t talk(struct coro_chan *first, struct coro_chan *second, bool asks, uint64_t turns)
{
    uint64_t item = 0, own = 0;

    while (own < turns && !(asks ? coro_chan_send(first, &item) : coro_chan_recv(first, &item)) &&
           !(asks ? coro_chan_recv(second, &item) : coro_chan_send(second, &item)))
        own += 2;
    return own;
}

static uint64_t oslevel_turns(void *arg, size_t index)
{
    struct oslevel_state *s = arg;
    uint64_t turns = s->config->turns / s->config->flows;

    if (s->config->work == MESSAGE)
        return talk(s->request[index / 2], s->reply[index / 2], index % 2 == 0, turns);
    return take_turns(turns, s->config->work == BLOCKING);
}

static uint64_t switches_so_far(unsigned workers)
{
    struct coro_counters counters = {0};
    uint64_t sum = 0;

    for (unsigned i = 0; i < workers; i++)
        if (!coro_counters(i, &counters))
            sum += counters.switches;
    return sum;
}

static int oslevel_measure(struct bench_trial *t)
{
    struct oslevel_state *s = bench_state(t);
    const struct oslevel_config *config = s->config;
    struct oslevel kernel;
    uint64_t before, turns, switches;

    stage_crew_run(&s->crew); /* warm, and both workers awake */
    before = switches_so_far(config->workers);
    oslevel_begin(&kernel);
    turns = stage_crew_run(&s->crew);
    switches = switches_so_far(config->workers) - before;
    if (turns != config->turns)
        return bench_fail(t, "the flows counted %llu turns of %llu", (unsigned long long)turns,
                          (unsigned long long)config->turns);
    /* A rendezvous switches once for the two who meet. */
    if (config->workers == 1 && switches < turns / (config->work == MESSAGE ? 2 : 1))
        return bench_fail(t, "%llu switches in %llu turns", (unsigned long long)switches,
                          (unsigned long long)turns);
    oslevel_end(&kernel, t, (double)switches, "coro_counters");
    return 0;
}

static void oslevel_teardown(struct bench_trial *t)
{
    struct oslevel_state *s = bench_state(t);

    if (!s)
        return;
    stage_crew_close(&s->crew);
    if (s->crew.stage.run_error)
        return;
    for (size_t i = 0; i < CHANNELS_MAX; i++) {
        coro_chan_free(s->request[i]);
        coro_chan_free(s->reply[i]);
    }
    free(s);
}

static int oslevel_setup(struct bench_trial *t)
{
    struct oslevel_state *s = calloc(1, sizeof *s);
    int error;

    if (!s)
        return -ENOMEM;
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    for (size_t i = 0; i < CHANNELS_MAX; i++) {
        s->request[i] = coro_chan_new(sizeof(uint64_t), 0);
        s->reply[i] = coro_chan_new(sizeof(uint64_t), 0);
        if (!s->request[i] || !s->reply[i])
            return -ENOMEM;
    }
    s->crew.flows = s->config->flows;
    s->crew.pinned = s->config->pinned;
    s->crew.work = oslevel_turns;
    s->crew.arg = s;
    error = stage_crew_open(&s->crew, t, s->config->workers);
    return error ? bench_skip(t, "no %u workers: %s", s->config->workers, strerror(-error)) : 0;
}

/* ---- threads ------------------------------------------------------------------------- */

static int threads_measure(struct bench_trial *t)
{
    enum { HAND_OVERS = 20000 };
    struct oslevel kernel;
    uint64_t counted;

    oslevel_begin(&kernel);
    counted = switch_thread_run(t, HAND_OVERS);
    if (counted != HAND_OVERS)
        return bench_fail(t, "the threads counted %llu hand-overs of %d",
                          (unsigned long long)counted, HAND_OVERS);
    oslevel_end(&kernel, t, HAND_OVERS, "flows");
    return 0;
}

#define HERE      BENCH_AT(BENCH_SAME_CPU)
#define ELSEWHERE (BENCH_AT_ANY & ~HERE)

#define CASE(subject_, params_, op_, places_, profile_, setup_, measure_, teardown_, arg_)  \
    {                                                                                       \
        .experiment = "oslevel", .subject = subject_, .params = params_, .op = op_,         \
        .places = places_, .profile = profile_, .flags = BENCH_THREADS | BENCH_PREEMPTS,    \
        .setup = setup_, .measure = measure_, .teardown = teardown_, .arg = arg_,           \
    }
#define CORO(work, workers, where, places, profile, ...)                                    \
    CASE("coro", "work=" work ",workers=" #workers where, "10^6 switches between flows",    \
         places, profile, oslevel_setup, oslevel_measure, oslevel_teardown,                 \
         (&(const struct oslevel_config){__VA_ARGS__}))
#define THREADS(work, handover, places, profile)                                            \
    CASE("pthread", "work=" work, "10^6 hand-overs between threads", places, profile,       \
         switch_thread_setup, threads_measure, switch_thread_teardown, &handover)

const struct bench_case oslevel_cases[] = {
    CORO("yield", 1, "", HERE, BENCH_DEFAULT, YIELD, 1, 16, false, 16000000),
    CORO("yield", 2, "", ELSEWHERE, BENCH_DEFAULT, YIELD, 2, 16, false, 16000000),
    CORO("yield", 2, "", HERE, BENCH_DEFAULT, YIELD, 2, 16, false, 16000000),
    CORO("message", 1, "", HERE, BENCH_DEFAULT, MESSAGE, 1, 16, false, 4000000),
    CORO("message", 2, "", ELSEWHERE, BENCH_DEFAULT, MESSAGE, 2, 16, false, 4000000),
    CORO("message", 2, ",flows=pinned", ELSEWHERE, BENCH_DEFAULT, MESSAGE, 2, 2, true, 100000),
    CORO("blocking", 1, "", HERE, BENCH_DEFAULT, BLOCKING, 1, 16, false, 1600000),
    CORO("blocking", 2, "", ELSEWHERE, BENCH_DEFAULT, BLOCKING, 2, 16, false, 1600000),
    THREADS("yield", switch_yield, HERE, BENCH_DEFAULT),
    THREADS("futex", switch_futex, HERE, BENCH_DEFAULT),
    THREADS("futex", switch_futex, ELSEWHERE, BENCH_DEFAULT),
};
const size_t oslevel_case_count = sizeof oslevel_cases / sizeof *oslevel_cases;
