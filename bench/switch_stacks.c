/* SPDX-License-Identifier: MIT
 *
 * switch_stacks.c: the stack of a user-level case's second flow, and the first frame of a
 * study variant on it.
 */
#include "switch.h"
#include "switch_variants.h"

#include <errno.h>
#include <stdlib.h>

int switch_stack_setup_bytes(struct bench_trial *t, size_t stack_bytes)
{
    struct switch_stacks *stacks = calloc(1, sizeof *stacks);
    if (!stacks)
        return -ENOMEM;
    bench_set_state(t, stacks);
    stacks->arena = coro_stack_arena_create(stack_bytes, 1, CORO_GUARD_MADVISE);
    if (!stacks->arena)
        return -errno;
    return coro_stack_alloc(stacks->arena, &stacks->pong);
}

int switch_stack_setup(struct bench_trial *t)
{
    return switch_stack_setup_bytes(t, SWITCH_STACK_BYTES);
}

void switch_stack_teardown(struct bench_trial *t)
{
    struct switch_stacks *stacks = bench_state(t);
    if (!stacks)
        return;
    if (stacks->pong.low)
        coro_stack_free(stacks->arena, &stacks->pong);
    if (stacks->arena)
        coro_stack_arena_destroy(stacks->arena);
    free(stacks);
    bench_set_state(t, NULL);
}

#if defined(__x86_64__)

/* Where an entry would return to; it never does. */
void switch_variant_outermost(void);

void switch_variant_prepare(struct switch_variant *context, const struct coro_stack *stack,
                            void (*entry)(void), unsigned frame_words)
{
    enum { MXCSR_DEFAULT = 0x1f80, X87_DEFAULT = 0x37f };
    uint64_t *word = (uint64_t *)stack->top;

    /* On top, so that SP + 8 is a multiple of 16 in the entry, as after a call. */
    *--word = (uint64_t)(uintptr_t)switch_variant_outermost;
    *--word = (uint64_t)(uintptr_t)entry;
    for (unsigned i = 0; i < frame_words; i++)
        *--word = 0;
    if (frame_words == SWITCH_FRAME_WORDS_FPCTL)
        *word = MXCSR_DEFAULT | (uint64_t)X87_DEFAULT << 32;
    context->sp = word;
}

#endif
