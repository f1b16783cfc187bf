/* SPDX-License-Identifier: MIT
 *
 * stack_find.h: which stack's guard an address lies in; between stack.c and overflow.c.
 */
#ifndef CORO_STACK_FIND_H
#define CORO_STACK_FIND_H

#include <stdbool.h>

#include "stack.h"

struct coro_guard_hit {
    size_t index;       /* of the stack in its arena */
    size_t stack_bytes; /* as rounded by coro_stack_arena_create() */
    uintptr_t low;
    uintptr_t top;
};

/* Async-signal-safe, from any thread. */
bool coro_stack_find_guard(uintptr_t address, struct coro_guard_hit *hit);

#endif
