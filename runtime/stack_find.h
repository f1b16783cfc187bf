/* SPDX-License-Identifier: MIT
 *
 * stack_find.h: which stack's guard an address lies in, and whose stack that is; between
 * stack.c, overflow.c and those who have flows.
 */
#ifndef CORO_STACK_FIND_H
#define CORO_STACK_FIND_H

#include <stdbool.h>

#include "fatal.h"
#include "stack.h"

struct coro_guard_hit {
    size_t index;       /* of the stack in its arena */
    size_t stack_bytes; /* as rounded by coro_stack_arena_create() */
    uintptr_t low;
    uintptr_t top;
};

/* Adds to the report of an overflow who ran, if that is known. Async-signal-safe;
 * called by the thread that ran over. */
typedef void coro_overflow_namer(struct coro_text *text);
void coro_stack_overflow_named_by(coro_overflow_namer *namer); /* before any can happen */

/* Async-signal-safe, from any thread. */
bool coro_stack_find_guard(uintptr_t address, struct coro_guard_hit *hit);

#endif
