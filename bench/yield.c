/* SPDX-License-Identifier: MIT
 *
 * yield: what a flow pays to let the others run, with 2 to ten million of them alive.
 *
 * One op is one coro_yield(): into the run queue, out of it, and a switch. Nothing else is
 * done, so with many flows what is measured is how the run queue and the flows'
 * stacks behave in the caches.
 *
 * One worker. The run queue is first in, first out, so flow (c + n) mod N has its turn n
 * yields after flow c: that one is told to go back to the harness in place of its next
 * yield, and exactly n yields have happened. No flow is ever woken or parked by run(). Each flow
 * counts its own; their sum is what run() returns, so an unfair queue would fail the
 * trial. site=same: both flows yield from one place in the code; diff: from two (see
 * `switch`: the processor predicts each place's jump by itself).
 *
 * The queue has the flows in the order of their stacks in memory, as they were spawned: a
 * processor's prefetcher may like that. order=random: they are let into it in another order.
 *
 * More than a thousand flows have slab stacks of 1 KB, which is what so many are given; else
 * guarded ones of 4 KB. (`workingset` has many flows on guarded stacks, too.) The memory must be there.
 *
 * Two workers (workers=2). Flows move, so nobody's turn is known: each does its share of
 * the ops, and waits (stage.h). ns/op is wall time over the yields of both workers. To wake a
 * flow and have it wait again costs a hundred yields, so each has a few hundred at least:
 * else fixed costs would be all that an epoch is made of.
 */
#include "experiments.h"

#include <stdlib.h>
#include <string.h>
#include "footprint.h"
#include "stage.h"
#include "switch.h"

enum {
    FEW = 1000,
    MANY = 1000000,
    TURNS_LEAST = 256, /* of a flow, on two workers */
    STACK_BYTES_LEAST = 1024,
    STACK_BYTES = 4096,
    STACK_BYTES_SANITIZED = 64 * 1024,
};

/* More turns than a trial has. */
#define FOREVER (UINT64_C(1) << 62)

struct yield_config {
    size_t flows;
    unsigned workers;
    bool different_sites;
    bool shuffled;
};

struct yield_state {
    const struct yield_config *config;
    struct stage stage;     /* of one worker, */
    struct stage_crew crew; /* or of two */
    size_t stack_bytes;
    bool numbering, ending, refused;
    size_t started, queued, numbered;
    struct coro_semaphore *gate; /* of each follower, where the order is shuffled */
    size_t turn;    /* whose it is when run() begins */
    uint64_t ops;   /* of this run, for two workers */
    uint64_t *left; /* turns until the flow leaves to the harness, and one */
};

/* ---- one worker ---------------------------------------------------------------------- */

#define YIELD_LOOP(name, align)                            \
    static SWITCH_FRAME void name(uint64_t *left)          \
    {                                                      \
        align;                                             \
        while (--*left)                                    \
            coro_yield();                                  \
    }

YIELD_LOOP(yield_here, SWITCH_ALIGN)
YIELD_LOOP(yield_there, SWITCH_ALIGN_SECOND)

/* A flow's life once it has its number: its place in the run queue. */
static void yield_by_turns(struct yield_state *s, bool there)
{
    uint64_t *left = &s->left[s->numbered++];

    for (;;) {
        if (there)
            yield_there(left);
        else
            yield_here(left);
        if (s->ending)
            return;
        stage_leave(&s->stage);
    }
}

static void *yield_follow(void *arg)
{
    struct yield_state *s = arg;

    if (s->gate)
        coro_semaphore_acquire(&s->gate[s->started++]);
    else
        s->started++;
    s->queued++;
    while (!s->numbering)
        coro_yield();
    yield_by_turns(s, s->config->different_sites);
    return NULL;
}

/* Lets the followers into the queue one by one, in an order that their stacks are not in. */
static void let_in(struct yield_state *s, size_t flows)
{
    uint64_t random = 1; /* Knuth's MMIX generator; always the same order */
    uint32_t *order = calloc(flows, sizeof *order);

    for (size_t i = 0; order && i < flows; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t other = (size_t)((random >> 32) * (i + 1) >> 32);
        order[i] = order[other];
        order[other] = (uint32_t)i;
    }
    s->refused = s->refused || !order;
    for (size_t i = 0; i < flows; i++)
        coro_semaphore_release(&s->gate[order ? order[i] : i]);
    free(order);
    while (s->queued < flows)
        coro_yield();
}

/* Numbers follow the order of the queue, which settles once all flows have begun. */
static void yield_lead(void *arg)
{
    struct yield_state *s = arg;
    const struct coro_spawn_options detached = {.detached = true, .stack_bytes = s->stack_bytes};
    size_t spawned = 1;

    while (spawned < s->config->flows && coro_spawn_with(&detached, yield_follow, s).flow)
        spawned++;
    while (s->started < spawned - 1)
        coro_yield();
    s->refused = spawned < s->config->flows;
    if (s->gate)
        let_in(s, spawned - 1);
    s->ending = s->refused;
    s->numbering = true;
    for (size_t i = 0; i < s->config->flows; i++)
        s->left[i] = i == 0 || s->ending ? 1 : FOREVER;
    yield_by_turns(s, false);
}

static uint64_t yield_run_turns(struct yield_state *s, uint64_t ops)
{
    size_t flows = s->config->flows, last = (s->turn + ops) % flows;
    uint64_t total = 0;

    for (size_t i = 0; i < flows; i++)
        s->left[i] = FOREVER;
    s->left[last] = ops / flows + 1;
    stage_enter(&s->stage);
    for (size_t i = 0; i < flows; i++)
        total += (i == last ? ops / flows : FOREVER) - s->left[i];
    s->turn = last;
    return total;
}

/* ---- two workers --------------------------------------------------------------------- */

static SWITCH_FRAME uint64_t yield_share(uint64_t share)
{
    uint64_t own = 0;

    SWITCH_ALIGN;
    for (; own < share; own++)
        coro_yield();
    return own;
}

static uint64_t yield_member(void *arg, size_t index)
{
    struct yield_state *s = arg;

    return yield_share(stage_share(s->ops, s->config->flows, index));
}

/* ---- all alike ------------------------------------------------------------------------- */

static void yield_teardown(struct bench_trial *t)
{
    struct yield_state *s = bench_state(t);

    if (!s)
        return;
    s->ending = true;
    for (size_t i = 0; s->left && i < s->config->flows; i++)
        s->left[i] = 1;
    if (s->config->workers == 1)
        stage_close(&s->stage);
    else
        stage_crew_close(&s->crew);
    free(s->gate);
    free(s->left);
    free(s);
}

/* A flow of a million has one touched page, or shares one: it must be there. */
static int check_memory(struct bench_trial *t, size_t flows, size_t stack_bytes)
{
    enum { BESIDE_THE_STACK_BYTES = 128 };
    uint64_t available_bytes = bench_memory_available_bytes();
    uint64_t needed_bytes = flows * (stack_bytes + BESIDE_THE_STACK_BYTES);

    if (flows < MANY || !available_bytes || needed_bytes < available_bytes / 10 * 9)
        return 0;
    return bench_skip(t, "%zu flows take about %llu MB, and %llu MB are available", flows,
                      (unsigned long long)needed_bytes >> 20,
                      (unsigned long long)available_bytes >> 20);
}

static int make_gates(struct yield_state *s)
{
    if (!s->config->shuffled)
        return 0;
    s->gate = calloc(s->config->flows, sizeof *s->gate);
    for (size_t i = 0; s->gate && i < s->config->flows; i++)
        coro_semaphore_init(&s->gate[i], 0);
    return s->gate ? 0 : -ENOMEM;
}

static int yield_setup(struct bench_trial *t)
{
    struct yield_state *s = calloc(1, sizeof *s);
    int error;

    if (!s)
        return -ENOMEM;
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    s->stack_bytes = CORO_ANNOTATED            ? STACK_BYTES_SANITIZED
                     : s->config->flows <= FEW ? STACK_BYTES
                                               : STACK_BYTES_LEAST;
    error = check_memory(t, s->config->flows, s->stack_bytes);
    if (!error)
        error = make_gates(s);
    if (error)
        return error;
    s->left = calloc(s->config->flows, sizeof *s->left);
    if (!s->left)
        return -ENOMEM;
    if (s->config->workers == 1) {
        error = stage_open(&s->stage, t, 1, yield_lead, s);
    } else {
        s->crew.stage.options.stack_bytes = s->stack_bytes;
        s->crew.flows = s->config->flows;
        s->crew.work = yield_member;
        s->crew.arg = s;
        error = stage_crew_open(&s->crew, t, s->config->workers);
    }
    if (s->refused || error)
        return bench_skip(t, "no %zu flows on %u workers: %s", s->config->flows,
                          s->config->workers, strerror(error ? -error : ENOMEM));
    return 0;
}

static uint64_t yield_run(struct bench_trial *t, uint64_t ops)
{
    struct yield_state *s = bench_state(t);

    if (s->config->workers == 1)
        return yield_run_turns(s, ops);
    s->ops = ops;
    return stage_crew_run(&s->crew);
}

/* coro_yield() is the inline switch, between two turns of the run queue. */
static const struct bench_contract contract = {
    .saves = "sp pc bp", .bytes_saved = 24, .stack = "its own, fixed size",
    .growth = "none", .preemption = "none", .threads = "M:N",
    .cancellation = "at blocking calls"};

/* Yields that make a batch: a turn for each flow, or, of very many, for some; on two workers
 * as many turns as are worth a flow's waking. Two flows take turns alike from the first on, and
 * a case without batches can be counted. */
#define BATCH(n, workers)                                                                 \
    ((workers) > 1 ? (n) * TURNS_LEAST : (n) == 2 ? 0 : (n) < MANY ? (n) : MANY)

#define YIELD(n, site, different, shuffled_, workers_, places_, flags_, most, profile_)   \
    {                                                                                     \
        .experiment = "yield", .subject = "coro",                                         \
        .params = "flows=" #n ",workers=" #workers_ site, .op = "one yield",              \
        .places = places_, .profile = profile_, .flags = flags_,                          \
        .contract = &contract, .kernel_switches_max = most, .setup = yield_setup,         \
        .run = yield_run, .teardown = yield_teardown,                                     \
        .ops_multiple = BATCH(n, workers_),                                               \
        .arg = &(const struct yield_config){n, workers_, different, shuffled_},           \
    }
#define ALONE(n, site, different, profile) \
    YIELD(n, site, different, false, 1, BENCH_AT(BENCH_SAME_CPU), 0, 0.01, profile)
#define SHUFFLED(n, profile) \
    YIELD(n, ",order=random", false, true, 1, BENCH_AT(BENCH_SAME_CPU), 0, 0.01, profile)
#define IN_TWO(n, profile) \
    YIELD(n, "", false, false, 2, BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU), BENCH_THREADS, 0, profile)

const struct bench_case yield_cases[] = {
    ALONE(2, ",site=same", false, BENCH_QUICK),
    ALONE(2, ",site=diff", true, BENCH_QUICK),
    ALONE(16, "", false, BENCH_FULL),
    ALONE(1000, "", false, BENCH_DEFAULT),
    ALONE(100000, "", false, BENCH_DEFAULT),
    ALONE(1000000, "", false, BENCH_DEFAULT),
    ALONE(10000000, "", false, BENCH_FULL),
    SHUFFLED(1000, BENCH_DEFAULT),
    SHUFFLED(100000, BENCH_FULL),
    SHUFFLED(1000000, BENCH_FULL),
    SHUFFLED(10000000, BENCH_FULL),
    IN_TWO(2, BENCH_FULL),
    IN_TWO(16, BENCH_FULL),
    IN_TWO(1000, BENCH_DEFAULT),
};
const size_t yield_case_count = sizeof yield_cases / sizeof *yield_cases;
