/* SPDX-License-Identifier: MIT
 *
 * scale: programs of very many flows, on one and on two workers.
 *
 *  - skynet: a tree of flows, ten children each, six levels, so a million leaves and 111,111
 *    flows above them; or five levels, where an op of a slower system would take seconds. A leaf sends its number to its parent's channel, a parent the sum of its
 *    ten. One op is one leaf, with its share of the tree.
 *  - sieve: the numbers from 2 on go through a chain of filters, one flow for each prime found,
 *    over channels without a buffer. One op is one prime of the first 100 or 1,000: the more of them,
 *    the more each costs.
 *  - ring: 100,000 flows are made, pass one token on, and end. One op is one flow.
 *  - sum: an array is summed up in parts of 8,192 numbers, a flow for each. One op is one part;
 *    `serial` is the same without any flow: what is left is adding.
 *
 * The proof: the sum of skynet's numbers is known; so are the sum and the number of the primes, by trial division, and the sum of the array.
 * The token counts the flows that it passed. What is wrong is not counted.
 */
#include "experiments.h"

#include <stdlib.h>
#include <string.h>
#include "scale.h"
#include "stage.h"

enum { STACK_BYTES = 4096, STACK_BYTES_SANITIZED = 64 * 1024 };

struct scale_config {
    scale_program *program;
    size_t size;
    unsigned workers;
};

struct scale_state {
    const struct scale_config *config;
    struct stage_crew crew; /* the one flow that begins */
    uint64_t ops;
};

static uint64_t scale_work(void *arg, size_t index)
{
    struct scale_state *s = arg;

    (void)index;
    return s->config->program(s->ops, s->config->size);
}

static void scale_teardown(struct bench_trial *t)
{
    struct scale_state *s = bench_state(t);

    if (!s)
        return;
    stage_crew_close(&s->crew);
    scale_discard();
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
    error = scale_prepare(s->config->program, s->config->size);
    if (!error)
        error = stage_crew_open(&s->crew, t, s->config->workers);
    return error ? bench_skip(t, "no %u workers: %s", s->config->workers, strerror(-error)) : 0;
}

static uint64_t scale_run(struct bench_trial *t, uint64_t ops)
{
    struct scale_state *s = bench_state(t);

    s->ops = ops;
    return stage_crew_run(&s->crew);
}

#define SCALE(subject_, params_, op_, workers_, places_, flags_, most, profile_, ...)    \
    {                                                                                    \
        .experiment = "scale", .subject = subject_,                                      \
        .params = params_ ",workers=" #workers_, .op = op_, .places = places_,           \
        .profile = profile_, .flags = flags_, .kernel_switches_max = most,               \
        .setup = scale_setup, .run = scale_run, .teardown = scale_teardown,              \
        .arg = &(const struct scale_config){__VA_ARGS__, workers_},                      \
        .ops_multiple = SIZE_OF(__VA_ARGS__),                                            \
    }
/* Whole programs only. */
#define SIZE_OF(program, size) size
#define PROGRAM(subject, params, op, profile, program, size)                             \
    SCALE(subject, params, op, 1, BENCH_AT(BENCH_SAME_CPU), 0, 0.01, profile, program,   \
          size),                                                                         \
        SCALE(subject, params, op, 2, BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU),          \
              BENCH_THREADS, 0, profile, program, size)

#define LEAF_OP "one leaf of the tree, with its share of the flows above it"
#define SUM_OP  "one part of an array, of 8,192 numbers"

const struct bench_case scale_cases[] = {
    PROGRAM("coro-skynet", "leaves=100000", LEAF_OP, BENCH_DEFAULT, scale_skynet, 100000),
    PROGRAM("coro-skynet", "leaves=1000000", LEAF_OP, BENCH_FULL, scale_skynet, 1000000),
    PROGRAM("coro-sieve", "primes=100", "one prime of the first 100", BENCH_DEFAULT,
            scale_sieve, 100),
    PROGRAM("coro-sieve", "primes=1000", "one prime of the first 1,000", BENCH_FULL,
            scale_sieve, 1000),
    PROGRAM("coro-ring", "flows=100000", "one flow of a ring: made, passed by, ended",
            BENCH_FULL, scale_ring, 100000),
    PROGRAM("coro-sum", "parts=256", SUM_OP, BENCH_DEFAULT, scale_sum, 256),
    SCALE("serial", "parts=256", SUM_OP, 1, BENCH_AT(BENCH_SAME_CPU), 0, 0.01, BENCH_DEFAULT,
          scale_serial, 256),
};
const size_t scale_case_count = sizeof scale_cases / sizeof *scale_cases;
