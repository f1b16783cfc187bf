/* SPDX-License-Identifier: MIT
 *
 * calls.h: code that does little but call, compiled twice: plainly, and with the check of
 * the stack's end before each function (gcc -fsplit-stack). For hotsplit, growth and
 * prologue.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A call of it remains a call. */
#if __has_attribute(noipa)
#define CALLS_OPAQUE __attribute__((noipa))
#else
#define CALLS_OPAQUE __attribute__((noinline))
#endif

enum { CALLS_LEAF_BYTES = 512 }; /* of the frame of what loop() calls, without a few words */

struct calls {
    bool checked; /* false of both where the compiler has no such check */
    /* Calls a function with a frame of CALLS_LEAF_BYTES so often; how often it was
     * entered. */
    uint64_t (*loop)(uint64_t ops);
    /* The same, of a function that has next to no frame. */
    uint64_t (*loop_bare)(uint64_t ops);
    /* The n-th Fibonacci number, by two calls each. */
    uint64_t (*fib)(unsigned n);
    /* So many frames deep, each written to, and back; how many there were. */
    uint64_t (*descend)(uint64_t frames);
    size_t (*frame_bytes)(void); /* of one of those */
};

extern const struct calls calls_plain, calls_checked;

#endif
