/* SPDX-License-Identifier: MIT
 *
 * scale: programs of very many flows, on one and on two workers.
 *
 *  - skynet: a tree of flows, ten children each, six levels, so a million leaves and 111,111
 *    flows above them. A leaf sends its number to its parent's channel, a parent the sum of its
 *    ten. One op is one leaf, with its share of the tree.
 *
 * The proof: the sum of all numbers is known, and so is the count of leaves, which travels
 * beside it; run() returns the count, or 0 if the sum is wrong.
 */
#include "experiments.h"

#include <stdlib.h>
#include <string.h>
#include "stage.h"

enum { LEAVES = 1000000, FANOUT = 10, STACK_BYTES = 4096, STACK_BYTES_SANITIZED = 64 * 1024 };

struct scale_config {
    unsigned workers;
};

struct scale_state {
    const struct scale_config *config;
    struct stage_crew crew;
    uint64_t ops;
};

struct node {
    struct coro_chan *parent;
    uint64_t first, leaves; /* the leaves below: their numbers are first, first + 1, ... */
};

/* What goes up: how many leaves, and the sum of their numbers. */
struct total {
    uint64_t leaves, sum;
};

static void *skynet(void *arg)
{
    static const struct coro_spawn_options detached = {.detached = true};
    struct node self = *(struct node *)arg; /* the parent waits for us, so it still is */
    struct node child[FANOUT];
    struct total own = {1, self.first}, theirs;
    struct coro_chan *chan;

    if (self.leaves == 1) {
        coro_chan_send(self.parent, &own);
        return NULL;
    }
    own = (struct total){0};
    chan = coro_chan_new(sizeof theirs, 0);
    for (unsigned i = 0; chan && i < FANOUT; i++) {
        /* Of a number of leaves that ten does not divide, the first have one more. */
        uint64_t first = self.leaves * i / FANOUT, last = self.leaves * (i + 1) / FANOUT;

        child[i] = (struct node){chan, self.first + first, last - first};
        if (last > first && coro_spawn_with(&detached, skynet, &child[i]).flow)
            continue;
        child[i].leaves = 0;
    }
    for (unsigned i = 0; chan && i < FANOUT; i++)
        if (child[i].leaves && !coro_chan_recv(chan, &theirs)) {
            own.leaves += theirs.leaves;
            own.sum += theirs.sum;
        }
    coro_chan_free(chan);
    coro_chan_send(self.parent, &own);
    return NULL;
}

static uint64_t one_tree(uint64_t leaves)
{
    static const struct coro_spawn_options detached = {.detached = true};
    struct total total = {0};
    struct coro_chan *chan = coro_chan_new(sizeof total, 0);
    struct node root = {chan, 0, leaves};

    if (chan && coro_spawn_with(&detached, skynet, &root).flow)
        coro_chan_recv(chan, &total);
    coro_chan_free(chan);
    return total.sum == leaves * (leaves - 1) / 2 ? total.leaves : 0;
}

static uint64_t scale_work(void *arg, size_t index)
{
    struct scale_state *s = arg;
    uint64_t counted = 0;

    (void)index;
    for (uint64_t done = 0; done < s->ops; done += LEAVES)
        counted += one_tree(s->ops - done < LEAVES ? s->ops - done : LEAVES);
    return counted;
}

static void scale_teardown(struct bench_trial *t)
{
    struct scale_state *s = bench_state(t);

    if (!s)
        return;
    stage_crew_close(&s->crew);
    free(s);
}

static int scale_setup(struct bench_trial *t)
{
    struct scale_state *s = calloc(1, sizeof *s);
    int error;

    if (!s)
        return -ENOMEM;
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    s->crew.stage.options.stack_bytes = CORO_ANNOTATED ? STACK_BYTES_SANITIZED : STACK_BYTES;
    s->crew.flows = 1;
    s->crew.work = scale_work;
    s->crew.arg = s;
    error = stage_crew_open(&s->crew, t, s->config->workers);
    return error ? bench_skip(t, "no %u workers: %s", s->config->workers, strerror(-error)) : 0;
}

static uint64_t scale_run(struct bench_trial *t, uint64_t ops)
{
    struct scale_state *s = bench_state(t);

    s->ops = ops;
    return stage_crew_run(&s->crew);
}

#define SKYNET(workers_, places_, flags_, most)                                          \
    {                                                                                    \
        .experiment = "scale", .subject = "coro-skynet",                                 \
        .params = "leaves=1000000,workers=" #workers_,                                   \
        .op = "one leaf of the tree, with its share of the flows above it",              \
        .places = places_, .profile = BENCH_FULL, .flags = flags_,                       \
        .kernel_switches_max = most, .setup = scale_setup, .run = scale_run,             \
        .teardown = scale_teardown, .arg = &(const struct scale_config){workers_},       \
        .ops_multiple = LEAVES,                                                          \
    }

const struct bench_case scale_cases[] = {
    SKYNET(1, BENCH_AT(BENCH_SAME_CPU), 0, 0.01),
    SKYNET(2, BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU), BENCH_THREADS, 0),
};
const size_t scale_case_count = sizeof scale_cases / sizeof *scale_cases;
