/* SPDX-License-Identifier: MIT
 *
 * stack_canary.h: the word below a slab stack, which an overflow overwrites first.
 */
#ifndef CORO_STACK_CANARY_H
#define CORO_STACK_CANARY_H

#include <stdbool.h>

#include "stack.h"

enum { CORO_CANARY_BYTES = 16 };

static inline uint64_t coro_canary_value(const char *low)
{
    return (uintptr_t)low ^ UINT64_C(0x9e3779b97f4a7c15);
}

/* Two words, the nearer of which is the first to go. */
static inline void coro_canary_set(char *low)
{
    ((uint64_t *)low)[-1] = ((uint64_t *)low)[-2] = coro_canary_value(low);
}

/* Only for stacks of the slab policy. */
static inline bool coro_canary_is_intact(char *low)
{
    uint64_t value = coro_canary_value(low);

    return ((uint64_t *)low)[-1] == value && ((uint64_t *)low)[-2] == value;
}

#endif
