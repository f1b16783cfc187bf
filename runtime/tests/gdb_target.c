/* SPDX-License-Identifier: MIT
 *
 * gdb_target.c: what tests/gdb.py debugs: a flow that yields by every kind of switch.
 */
#include <stdlib.h>

#include "context.h"

static struct coro_context home;
static struct coro_context flow;

/* Where the debugger stops; not inlined, so that a breakpoint finds them. */
__attribute__((noinline)) static void stop_in_flow(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) static void stop_before_switches(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) static void stop_after_switches(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) static void flow_leaf(void)
{
    stop_in_flow();
    coro_switch_inline(&flow, &home);
    coro_switch_jump(&flow, &home);
    (coro_switch)(&flow, &home);
    __asm__ volatile("");
}

static struct coro_context *flow_body(void *arg)
{
    flow_leaf();
    return &home;
}

__attribute__((noinline)) static void home_leaf(void)
{
    stop_before_switches();
    coro_switch_inline(&home, &flow);
    coro_switch_jump(&home, &flow);
    (coro_switch)(&home, &flow);
    coro_switch_inline(&home, &flow);
    stop_after_switches();
}

int main(void)
{
    struct coro_stack_arena *arena =
        coro_stack_arena_create(65536, 1, CORO_GUARD_MADVISE);
    struct coro_stack stack;

    if (!arena || coro_stack_alloc(arena, &stack))
        return EXIT_FAILURE;
    coro_context_make(&flow, &stack, flow_body, NULL);
    home_leaf();
    coro_stack_free(arena, &stack);
    coro_stack_arena_destroy(arena);
    return EXIT_SUCCESS;
}
