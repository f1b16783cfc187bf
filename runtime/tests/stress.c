/* SPDX-License-Identifier: MIT
 *
 * stress.c: flows hammered from two threads, in random order, by every kind of switch.
 *
 * A plain program, because Criterion and ThreadSanitizer do not start together.
 *
 *     stress [SWITCHES [SEED]]
 *
 * Workers take a random ready flow from a common pool, resume it, and put it back when it
 * has switched away; so flows move between threads at almost every switch. A flow keeps
 * sums in locals, which must come out as computed without any switch. It ends after a
 * random number of switches and its stack goes to the next. Exit code 0, or 1 with a
 * sentence.
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "context.h"
#include "random.h"

enum { WORKERS = 2, FLOWS = 64, STACK_BYTES = 32 * 1024, LIFE_MAX = 200 };

struct flow {
    struct coro_context context;
    struct coro_stack stack;
    struct coro_context *worker; /* who resumed it last; the flow goes back there */
    uint64_t seed;
    uint64_t life; /* switches until it ends */
    uint64_t sum;
    double product;
    bool done;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* all below */
static struct coro_stack_arena *arena;
static struct flow *ready[FLOWS];
static int ready_count;
static uint64_t random_state;
static uint64_t switches_left;
static uint64_t flows_ended;

static struct flow flows[FLOWS];

static void fail(const char *sentence)
{
    fprintf(stderr, "stress: %s\n", sentence);
    exit(1);
}

static __attribute__((noinline)) void
switch_somehow(uint64_t how, struct coro_context *from, struct coro_context *to)
{
    switch (how % 3) {
    case 0:
        (coro_switch)(from, to);
        break;
    case 1:
        coro_switch_jump(from, to);
        break;
    default:
        coro_switch_inline(from, to);
        break;
    }
}

/* Inlined too, at sites of its own. */
static struct coro_context *body(void *arg)
{
    struct flow *flow = arg;
    uint64_t random = flow->seed;
    uint64_t sum = 0;
    double product = 1;

    for (uint64_t i = 0; i < flow->life; i++) {
        uint64_t value = test_random(&random);

        if (value & 8)
            coro_switch_inline(&flow->context, flow->worker);
        else
            switch_somehow(value, &flow->context, flow->worker);
        sum += value;
        product = product * 1.5 + (double)(value & 7);
        if (product > 1e12)
            product = 1;
    }
    flow->sum = sum;
    flow->product = product;
    flow->done = true;
    return flow->worker;
}

static void check(const struct flow *flow)
{
    uint64_t random = flow->seed;
    uint64_t sum = 0;
    double product = 1;

    for (uint64_t i = 0; i < flow->life; i++) {
        uint64_t value = test_random(&random);

        sum += value;
        product = product * 1.5 + (double)(value & 7);
        if (product > 1e12)
            product = 1;
    }
    if (sum != flow->sum || product != flow->product)
        fail("a flow's locals changed across its switches");
}

/* Under the lock. */
static void begin(struct flow *flow)
{
    if (coro_stack_alloc(arena, &flow->stack))
        fail("no stack");
    flow->seed = test_random(&random_state);
    flow->life = test_random(&random_state) % LIFE_MAX;
    flow->done = false;
    coro_context_make(&flow->context, &flow->stack, body, flow);
    ready[ready_count++] = flow;
}

/* Under the lock. */
static void end(struct flow *flow)
{
    check(flow);
    coro_stack_free(arena, &flow->stack);
    flows_ended++;
    if (switches_left > 0)
        begin(flow);
}

/* A flow to resume, or NULL when there is none now; *over when there will be none. */
static struct flow *take(bool *over, uint64_t *how)
{
    struct flow *flow = NULL;

    pthread_mutex_lock(&lock);
    *how = test_random(&random_state);
    *over = flows_ended >= FLOWS && switches_left == 0 && ready_count == 0;
    if (ready_count > 0) {
        int i = (int)(test_random(&random_state) % (uint64_t)ready_count);

        flow = ready[i];
        ready[i] = ready[--ready_count];
        switches_left -= switches_left > 0;
    }
    pthread_mutex_unlock(&lock);
    return flow;
}

static void put(struct flow *flow)
{
    pthread_mutex_lock(&lock);
    if (flow->done)
        end(flow);
    else
        ready[ready_count++] = flow;
    pthread_mutex_unlock(&lock);
}

static void *worker(void *arg)
{
    struct coro_context self;
    bool over = false;

    while (!over) {
        uint64_t how;
        struct flow *flow = take(&over, &how);

        if (!flow)
            continue;
        flow->worker = &self;
        switch_somehow(how, &self, &flow->context);
        put(flow);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[WORKERS];
    uint64_t seed;

    switches_left = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
    if (argc > 2)
        setenv("TEST_SEED", argv[2], 1);
    random_state = seed = test_seed();
    arena = coro_stack_arena_create(STACK_BYTES, FLOWS, CORO_GUARD_MADVISE);
    if (!arena || coro_stack_overflow_watch())
        fail("no arena, or no watch");
    for (int i = 0; i < FLOWS; i++)
        begin(&flows[i]);
    for (int i = 0; i < WORKERS; i++)
        if (pthread_create(&threads[i], NULL, worker, NULL))
            fail("no thread");
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    coro_stack_arena_destroy(arena);
    printf("stress: %llu flows ended as they should, seed %llu\n",
           (unsigned long long)flows_ended, (unsigned long long)seed);
    return 0;
}
