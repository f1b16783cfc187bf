/* SPDX-License-Identifier: MIT
 *
 * stack_guarded.c: stacks of whole pages, reserved large, made real by the first touch, each
 * with a guard page below.
 *
 * Colour: slots of whole pages would put every top, which every flow touches, into the
 * same few cache sets. Tops step down by a cache line from slot to slot. The steps stop
 * at COLOURS so that a flow which uses less than a KB touches only one page; the room for
 * them is added, not taken from the stack.
 *
 * A stack that was deep once keeps its pages. coro_stack_shrink() gives back those below a
 * parked flow's SP; coro_shrink() does so for all flows of a run, when the program says so: it
 * knows when it parks many for long. Rejected: a worker that does it when it has nothing to do. It
 * would have to note when each flow parked (a store per park), and an idle worker is no sign that
 * memory is short or that the flows will not be back at once, at a fault per page.
 *
 * Rejected: a canary too, as it would make the lowest page resident.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stack_arena.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

enum { COLOURS = 48, RED_ZONE_BYTES = 128 };

void coro_stack_plan_guarded(struct coro_stack_arena *arena, size_t page_bytes)
{
    arena->guard_bytes = arena->guard == CORO_GUARD_NONE ? 0 : page_bytes;
    arena->below_bytes = 0;
    arena->base_guard_bytes = 0;
    arena->colours = COLOURS;
    arena->group_shift = 0;
    arena->stack_bytes = coro_round_up(arena->stack_bytes, page_bytes);
    arena->slot_bytes =
        arena->stack_bytes + coro_round_up(COLOURS * CORO_COLOUR_BYTES, page_bytes);
}

int coro_stack_guard_install(const struct coro_stack_arena *arena, char *low)
{
    if (arena->guard == CORO_GUARD_MPROTECT)
        return mprotect(low, arena->guard_bytes, PROT_NONE) ? -ENOMEM : 0;
    return madvise(low, arena->guard_bytes, MADV_GUARD_INSTALL) ? -ENOMEM : 0;
}

int coro_stack_shrink(const struct coro_stack *stack, const void *sp)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t low = coro_round_up((uintptr_t)stack->low, page);
    uintptr_t used = ((uintptr_t)sp - RED_ZONE_BYTES) / page * page;

    if (used <= low || (uintptr_t)sp > (uintptr_t)stack->top)
        return 0;
    return madvise((void *)low, used - low, MADV_DONTNEED) ? -errno : 0;
}
