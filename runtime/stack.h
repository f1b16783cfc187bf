/* SPDX-License-Identifier: MIT
 *
 * stack.h: stacks, by policy.
 *
 * A *policy* says where a flow's frames lie and what of them stays in memory while it is parked.
 * Spawn takes it as one argument (coro_spawn_options.policy). Each has a file of its own:
 *
 *  - guarded (stack_guarded.c): reserved large, made real by touch, a guard page below. What C
 *    code of unknown depth needs; one page at least.
 *  - slab (stack_slab.c): 1, 2, 4 or 8 KB, sharing pages, a canary below each. For code whose
 *    depth is known.
 *  - copied (copied.c): runs on one shared stack per worker; parked, only the live bytes are
 *    kept, and put back at the same addresses.
 *  - segmented (segmented.c): a chain of small segments that grows as it is called deeper. For
 *    code compiled with `gcc -fsplit-stack`, on x86-64.
 *
 * The first two take stacks from arenas. An arena reserves address space for `stacks_max`
 * stacks of one size and hands them out from a free list, last freed first (its pages are
 * warm). With MADV_GUARD_INSTALL (Linux 6.13) a guard costs no mapping, else mprotect makes
 * it, at two mappings a stack (vm.max_map_count then binds near 32,000 stacks). Tops are
 * coloured: consecutive stacks start at different cache sets. Room for guard, canary and colour
 * comes on top of the size asked for; of guarded stacks, in address space only.
 *
 * Considered and not built: *hibernating*, a range of addresses of its own per flow, whose pages are
 * given back when it parks and filled again when it goes on. A prototype paid a madvise(2) and a page
 * fault per turn, some hundred times what the copied policy pays for the same bytes, and kept a
 * page-table entry per flow besides. What it would bring is that such flows may change workers.
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

enum coro_stack_policy {
    CORO_STACK_DEFAULT, /* of a run: guarded; of a flow: the run's */
    CORO_STACK_GUARDED,
    CORO_STACK_SLAB,
    CORO_STACK_COPIED,
    CORO_STACK_SEGMENTED,
};

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
 * rounded up to whole pages), with the best guard the kernel offers that is no better
 * than `guard_wanted` (MADVISE falls back to MPROTECT). Smaller than a page: slabs.
 * NULL with errno ENOMEM or EINVAL. */
struct coro_stack_arena *coro_stack_arena_create(size_t stack_bytes, size_t stacks_max,
                                                 enum coro_guard guard_wanted);
/* The same by the slab policy, of any size. With a group_guard other than NONE there is a guard
 * below every 64 stacks too. */
struct coro_stack_arena *coro_stack_slab_create(size_t stack_bytes, size_t stacks_max,
                                                enum coro_guard group_guard);
/* Takes NULL. Stacks still in use go too: their flows must not run again. */
void coro_stack_arena_destroy(struct coro_stack_arena *arena);
enum coro_guard coro_stack_arena_guard(const struct coro_stack_arena *arena);
/* Asks the kernel for huge pages, before the first stack is taken. Only where stacks share pages,
 * with no guard among them; else it does nothing. */
void coro_stack_arena_huge(struct coro_stack_arena *arena);

/* 0, or -ENOMEM when stacks_max are in use or the kernel refuses a guard. */
int coro_stack_alloc(struct coro_stack_arena *arena, struct coro_stack *stack);
/* Aborts with a sentence when the stack is not the arena's or was just freed, or when a
 * stack smaller than a page was overrun. */
void coro_stack_free(struct coro_stack_arena *arena, const struct coro_stack *stack);

/* Gives back the pages of a guarded stack below `sp`, where its flow is parked. Their contents
 * are lost, as nothing below SP lives. 0 or -errno. */
int coro_stack_shrink(const struct coro_stack *stack, const void *sp);

/* Installs, for the calling thread, an alternate signal stack (unless it has one) and
 * once per process a SIGSEGV and SIGBUS handler that recognises a fault in the guard of
 * any arena's stack, prints "coro: stack overflow: flow on stack N of SIZE bytes (...),
 * at pc ..." and aborts; any other fault goes to the handler that was there before. 0
 * or -errno. */
int coro_stack_overflow_watch(void);

#endif
