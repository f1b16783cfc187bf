/* SPDX-License-Identifier: MIT
 *
 * stack_arena.h: what an arena is, and what sets its two policies apart; private to stack.c,
 * stack_guarded.c and stack_slab.c.
 *
 * An arena is one mapping of equal slots, in groups: of one slot, or, where a guard is shared,
 * of several. A group begins with its guard, a slot with what lies below its stack:
 *
 *   guarded: | guard | stack pages ............. top | colour |
 *   slab:    | guard, shared or none || canary | stack ... top || canary | stack ... top || ...
 */
#ifndef CORO_STACK_ARENA_H
#define CORO_STACK_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>

#include "stack.h"

enum { CORO_COLOUR_BYTES = 64 }; /* a cache line */

struct coro_stack_arena {
    struct coro_stack_arena *next; /* older arena; constant once listed */
    _Atomic(char *) base; /* NULL: idle. Release publishes the geometry to find_guard() */

    char *memory; /* base, for the arena's own thread */
    size_t stack_bytes; /* asked for, rounded */
    size_t slot_bytes;
    size_t below_bytes; /* of a slot: a canary, or nothing */
    size_t guard_bytes; /* at the low end of a group */
    size_t group_bytes;
    size_t base_guard_bytes; /* below the memory of slabs, always: who runs through all of them
                                ends there */
    unsigned group_shift; /* slots of a group, as a power of two */
    size_t colours; /* tops step down by a line, so many steps */
    size_t stacks_max;
    enum coro_guard guard;
    bool slab; /* canaries below the stacks */

    size_t carved; /* slots below this one have been handed out before */
    size_t free_count;
    uint32_t *free_indexes; /* stack: the last is the next to go */
    unsigned *valgrind_ids; /* of carved slots; NULL outside Valgrind */
};

static inline size_t coro_round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* Fill in the geometry from stack_bytes, stacks_max and guard. */
void coro_stack_plan_guarded(struct coro_stack_arena *arena, size_t page_bytes);
void coro_stack_plan_slab(struct coro_stack_arena *arena, size_t page_bytes);

/* Makes the guard at `low`. 0 or -ENOMEM. */
int coro_stack_guard_install(const struct coro_stack_arena *arena, char *low);

#endif
