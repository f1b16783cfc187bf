/* SPDX-License-Identifier: MIT
 *
 * context.c: making, switching and finishing flows, by every kind of switch.
 */
#include "context.h"

#include <criterion/criterion.h>
#include <time.h>

#include "random.h"

enum { FLOWS_MAX = 64, STACK_BYTES = 64 * 1024 };

static void by_inline(struct coro_context *from, struct coro_context *to)
{
    coro_switch_inline(from, to);
}

static void by_jump(struct coro_context *from, struct coro_context *to)
{
    coro_switch_jump(from, to);
}

typedef void switch_fn(struct coro_context *from, struct coro_context *to);
static switch_fn *const kinds[] = {coro_switch, by_jump, by_inline};
enum { KINDS = sizeof kinds / sizeof *kinds };

static struct coro_stack_arena *arena;
static struct coro_context home;

struct flow {
    struct coro_context context;
    struct coro_stack stack;
    struct coro_context *next; /* whom the flow goes to */
    switch_fn *how;
    uint64_t steps;
    uint64_t seed;
    uint64_t sum;
};

static struct flow flows[FLOWS_MAX];

static void setup(void)
{
    arena = coro_stack_arena_create(STACK_BYTES, FLOWS_MAX, CORO_GUARD_MADVISE);
    cr_assert_not_null(arena);
}

static void teardown(void)
{
    coro_stack_arena_destroy(arena);
}

TestSuite(context, .init = setup, .fini = teardown);

static void make(struct flow *flow, coro_entry_fn *entry)
{
    cr_assert_eq(coro_stack_alloc(arena, &flow->stack), 0);
    flow->next = &home;
    flow->how = coro_switch;
    coro_context_make(&flow->context, &flow->stack, entry, flow);
}

static struct coro_context *once(void *arg)
{
    struct flow *flow = arg;

    flow->steps++;
    return flow->next;
}

Test(context, runs_entry_with_its_argument_and_finishes)
{
    make(&flows[0], once);
    coro_switch(&home, &flows[0].context);
    cr_assert_eq(flows[0].steps, 1);
}

Test(context, a_finished_flow_resumes_what_it_returned)
{
    for (int i = 0; i < FLOWS_MAX; i++)
        make(&flows[i], once);
    for (int i = 0; i + 1 < FLOWS_MAX; i++)
        flows[i].next = &flows[i + 1].context;
    coro_switch_inline(&home, &flows[0].context);
    for (int i = 0; i < FLOWS_MAX; i++)
        cr_assert_eq(flows[i].steps, 1, "flow %d", i);
}

static struct coro_context *look_at_stack(void *arg)
{
    struct flow *flow = arg;
    _Alignas(16) volatile char aligned[16];
    char *frame = __builtin_frame_address(0);

    aligned[0] = 1;
    flow->sum = (uintptr_t)aligned % 16;
#ifndef CORO_ASAN /* which may keep locals elsewhere */
    flow->steps = frame >= flow->stack.low && frame < flow->stack.top;
#else
    flow->steps = frame != NULL;
#endif
    return flow->next;
}

Test(context, runs_on_its_stack_aligned_as_the_abi_wants)
{
    make(&flows[0], look_at_stack);
    coro_switch(&home, &flows[0].context);
    cr_assert_eq(flows[0].steps, 1, "not on its stack");
    cr_assert_eq(flows[0].sum, 0, "misaligned");
}

static struct coro_context *yield_forever(void *arg)
{
    struct flow *flow = arg;

    while (flow->next) {
        flow->steps++;
        flow->how(&flow->context, flow->next);
    }
    return &home;
}

Test(context, each_kind_resumes_each_other)
{
    for (int away = 0; away < KINDS; away++) {
        for (int back = 0; back < KINDS; back++) {
            struct flow *flow = &flows[away * KINDS + back];

            make(flow, yield_forever);
            flow->how = kinds[back];
            for (int i = 0; i < 100; i++)
                kinds[away](&home, &flow->context);
            cr_assert_eq(flow->steps, 100, "away by %d, back by %d", away, back);
        }
    }
}

Test(context, a_stack_serves_flow_after_flow)
{
    char *low = NULL;

    for (int i = 0; i < 1000; i++) {
        make(&flows[0], once);
        cr_assert(i == 0 || low == flows[0].stack.low, "last freed, first used");
        low = flows[0].stack.low;
        kinds[i % KINDS](&home, &flows[0].context);
        coro_stack_free(arena, &flows[0].stack);
    }
    cr_assert_eq(flows[0].steps, 1000);
}

/* More values live across the switch than there are registers, of both sorts. */
static struct coro_context *churn(void *arg)
{
    struct flow *flow = arg;
    uint64_t a = flow->seed, b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13;
    double u = (double)(a % 1000), v = u * 3, w = u * 5, x = u * 7;

    while (flow->steps-- > 0) {
        flow->how(&flow->context, flow->next);
        a += b, b ^= c, c += d, d ^= e, e += f, f ^= a;
        u = v + 1, v = w + 1, w = x + 1, x = u < 1e9 ? u * 2 : 1;
    }
    flow->sum = a + b + c + d + e + f + (uint64_t)(u + v + w + x);
    return flow->next;
}

/* The same without any switch. */
static uint64_t churn_alone(uint64_t seed, uint64_t steps)
{
    uint64_t a = seed, b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13;
    double u = (double)(a % 1000), v = u * 3, w = u * 5, x = u * 7;

    while (steps-- > 0) {
        a += b, b ^= c, c += d, d ^= e, e += f, f ^= a;
        u = v + 1, v = w + 1, w = x + 1, x = u < 1e9 ? u * 2 : 1;
    }
    return a + b + c + d + e + f + (uint64_t)(u + v + w + x);
}

Test(context, values_survive_a_hundred_thousand_switches_in_random_order)
{
    enum { SWITCHES = 100000 };
    uint64_t random = test_seed();
    uint64_t resumed[FLOWS_MAX] = {0};

    for (int i = 0; i < FLOWS_MAX; i++) {
        make(&flows[i], churn);
        flows[i].seed = random + (uint64_t)i;
        flows[i].steps = UINT64_MAX;
    }
    for (int n = 0; n < SWITCHES; n++) {
        struct flow *flow = &flows[test_random(&random) % FLOWS_MAX];

        flow->how = kinds[test_random(&random) % KINDS];
        kinds[test_random(&random) % KINDS](&home, &flow->context);
        resumed[flow - flows]++;
    }
    for (int i = 0; i < FLOWS_MAX; i++) {
        coro_switch(&home, &flows[i].context);
        flows[i].steps = 0; /* one more step, and out */
        coro_switch(&home, &flows[i].context);
        cr_assert_eq(flows[i].sum, churn_alone(flows[i].seed, resumed[i] + 1), "flow %d",
                     i);
    }
}

static struct coro_context *make_another(void *arg)
{
    struct flow *outer = arg;
    struct flow *inner = outer + 1;

    make(inner, once);
    inner->next = &outer->context;
    coro_switch_inline(&outer->context, &inner->context);
    outer->steps = inner->steps + 1;
    return &home;
}

Test(context, a_flow_makes_and_resumes_a_flow)
{
    make(&flows[0], make_another);
    coro_switch(&home, &flows[0].context);
    cr_assert_eq(flows[0].steps, 2);
}

#if !CORO_ANNOTATED
Test(context, is_three_words)
{
    cr_assert_eq(sizeof(struct coro_context), 3 * sizeof(void *));
}
#endif
