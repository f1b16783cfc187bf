/* SPDX-License-Identifier: MIT
 *
 * stack_slab.c: small stacks that share pages, 1 to 8 KB.
 *
 * No guard of their own: that would be a page each. Instead a canary word below each stack,
 * looked at when the stack is freed, when its flow ends, and when it parks off the fast path;
 * and, if asked for, a guard page below every 64 stacks, where an overflow that runs
 * through its neighbours stops for certain. Below an arena there always is one.
 *
 * Huge pages: of a class of flows every arena but the first asks for them (flow_stack.c). A turn
 * of each of a million flows is a turn round more pages than a TLB holds. They waste nothing, as
 * slots lie side by side; the first arena does without, since a run of few flows would have 2 MB
 * resident for them.
 *
 * Colour: slots are an odd number of cache lines, so tops visit every cache set.
 *
 * Rejected: a guard between any two stacks by the page (4 times the memory of a 1 KB stack); a
 * canary checked at each switch (a cold line each: the far end of the stack).
 */
#include "stack_arena.h"
#include "stack_canary.h"

enum { GROUP_SHIFT = 6 };

void coro_stack_plan_slab(struct coro_stack_arena *arena, size_t page_bytes)
{
    bool grouped = arena->guard != CORO_GUARD_NONE;

    arena->guard_bytes = grouped ? page_bytes : 0;
    arena->base_guard_bytes = page_bytes;
    arena->group_shift = grouped ? GROUP_SHIFT : 0;
    arena->below_bytes = CORO_CANARY_BYTES;
    arena->colours = 1;
    arena->stack_bytes = coro_round_up(arena->stack_bytes, CORO_COLOUR_BYTES);
    arena->slot_bytes = coro_round_up(arena->stack_bytes + CORO_CANARY_BYTES, CORO_COLOUR_BYTES);
    arena->slot_bytes |= CORO_COLOUR_BYTES; /* an odd number of lines */
}
