/* SPDX-License-Identifier: MIT
 *
 * stack.h: stacks from one reserved arena.
 *
 * An arena reserves address space for `stacks_max` stacks of one size and hands them out
 * from a free list, last freed first (its pages are warm). Each stack ends in a guard:
 * with MADV_GUARD_INSTALL (Linux 6.13) a guard costs no mapping, else mprotect makes it,
 * at two mappings a stack (vm.max_map_count then binds near 32,000 stacks). Stacks
 * smaller than a page share pages and have no guard of their own, but a canary below,
 * looked at when they are freed. Tops are coloured: consecutive stacks start at different
 * cache sets. Room for guard, canary and colour comes on top of the size asked for, in
 * address space only.
 *
 * A frame larger than a page can step over a guard; -fstack-clash-protection prevents it.
 *
 * Threads: an arena belongs to one thread at a time.
 */
#ifndef CORO_STACK_H
#define CORO_STACK_H

#include <stddef.h>
#include <stdint.h>

enum { CORO_STACK_MIN_BYTES = 1024 };

struct coro_stack {
    char *low; /* lowest usable byte */
    char *top; /* one past the highest usable byte, 16-byte aligned, coloured */
    unsigned id; /* VALGRIND_STACK_REGISTER's, 0 without Valgrind */
    unsigned index; /* of this stack in its arena: what an overflow report names */
};

struct coro_stack_arena;

enum coro_guard {
    CORO_GUARD_NONE,     /* none asked for, or stacks smaller than a page */
    CORO_GUARD_MADVISE,  /* MADV_GUARD_INSTALL: no mapping per stack */
    CORO_GUARD_MPROTECT, /* two mappings per stack */
};

/* Reserves room for stacks_max stacks of stack_bytes each (at least CORO_STACK_MIN_BYTES;
 * rounded up to 64 bytes, from one page on to whole pages), with the best guard the
 * kernel offers that is no better than `guard_wanted` (MADVISE falls back to MPROTECT).
 * NULL with errno ENOMEM or EINVAL. */
struct coro_stack_arena *coro_stack_arena_create(size_t stack_bytes, size_t stacks_max,
                                                 enum coro_guard guard_wanted);
/* Takes NULL. Stacks still in use go too: their flows must not run again. */
void coro_stack_arena_destroy(struct coro_stack_arena *arena);
enum coro_guard coro_stack_arena_guard(const struct coro_stack_arena *arena);

/* 0, or -ENOMEM when stacks_max are in use or the kernel refuses a guard. */
int coro_stack_alloc(struct coro_stack_arena *arena, struct coro_stack *stack);
/* Aborts with a sentence when the stack is not the arena's or was just freed, or when a
 * stack smaller than a page was overrun. */
void coro_stack_free(struct coro_stack_arena *arena, const struct coro_stack *stack);

/* Installs, for the calling thread, an alternate signal stack (unless it has one) and
 * once per process a SIGSEGV and SIGBUS handler that recognises a fault in the guard of
 * any arena's stack, prints "coro: stack overflow: flow on stack N of SIZE bytes (...),
 * at pc ..." and aborts; any other fault goes to the handler that was there before. 0
 * or -errno. */
int coro_stack_overflow_watch(void);

#endif
