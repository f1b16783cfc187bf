/* SPDX-License-Identifier: MIT
 *
 * fatal.h: a broken invariant ends the process with a sentence.
 *
 * All of it is async-signal-safe and needs little stack (no stdio, no locale): it may
 * have to run in a signal handler, or on what a flow of 1 KB has left.
 */
#ifndef CORO_FATAL_H
#define CORO_FATAL_H

#include <stddef.h>
#include <stdint.h>

/* A sentence under construction; what does not fit is cut. Start with `= {0}`. */
struct coro_text {
    char bytes[240];
    size_t length;
};

void coro_text_string(struct coro_text *text, const char *string);
void coro_text_decimal(struct coro_text *text, uint64_t value);
void coro_text_hex(struct coro_text *text, uint64_t value); /* with 0x */

/* Writes "coro: SENTENCE" and a newline to stderr. */
void coro_warn_text(const struct coro_text *sentence);
/* The same, then abort(). */
_Noreturn void coro_fatal_text(const struct coro_text *sentence);
_Noreturn void coro_fatal(const char *sentence);

#endif
