/* SPDX-License-Identifier: MIT
 *
 * calls.c: see calls.h. CALLS names this one's table.
 */
#include "calls.h"

/* The frame is in use here: it can't be left out, nor shared with that of a call. */
#define IN_USE(frame) __asm__ volatile("" : : "r"(frame) : "memory")
/* What is passed is not known before. */
#define UNKNOWN(n) __asm__ volatile("" : "+r"(n))

enum { DESCENT_BYTES = 448 }; /* about 512 with what a call adds */

static CALLS_OPAQUE uint64_t leaf(uint64_t n)
{
    volatile char frame[CALLS_LEAF_BYTES];

    UNKNOWN(n);
    frame[0] = (char)n;
    IN_USE(frame);
    return n + 1;
}

static CALLS_OPAQUE uint64_t loop(uint64_t ops)
{
    uint64_t entered = 0;

    for (; ops; ops--)
        entered = leaf(entered);
    return entered;
}

static CALLS_OPAQUE uint64_t bare_leaf(uint64_t n)
{
    UNKNOWN(n);
    return n + 1;
}

static CALLS_OPAQUE uint64_t loop_bare(uint64_t ops)
{
    uint64_t entered = 0;

    for (; ops; ops--)
        entered = bare_leaf(entered);
    return entered;
}

static CALLS_OPAQUE uint64_t fib(unsigned n)
{
    UNKNOWN(n);
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static CALLS_OPAQUE uint64_t descend(uint64_t frames)
{
    volatile char frame[DESCENT_BYTES];
    uint64_t below;

    frame[0] = frame[DESCENT_BYTES - 1] = 1;
    IN_USE(frame);
    below = frames > 1 ? descend(frames - 1) : 0;
    IN_USE(frame);
    return below + (uint64_t)frame[0];
}

/* The same, to see where the lowest frame is. */
static CALLS_OPAQUE uintptr_t lowest_frame(uint64_t frames)
{
    volatile char frame[DESCENT_BYTES];
    uintptr_t low = (uintptr_t)frame;

    frame[0] = frame[DESCENT_BYTES - 1] = 1;
    IN_USE(frame);
    if (frames > 1)
        low = lowest_frame(frames - 1);
    IN_USE(frame);
    return low + (uintptr_t)frame[0] - 1;
}

static size_t frame_bytes(void)
{
    return lowest_frame(1) - lowest_frame(2);
}

const struct calls CALLS = {
    .checked = CALLS_CHECKED,
    .loop = loop,
    .loop_bare = loop_bare,
    .fib = fib,
    .descend = descend,
    .frame_bytes = frame_bytes,
};
