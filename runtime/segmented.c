/* SPDX-License-Identifier: MIT
 *
 * segmented.c: flows whose stack is a chain of segments, which grows as it is called
 * deeper.
 *
 * The code of such a flow is compiled with `gcc -fsplit-stack` (and linked without): each
 * of its functions first compares SP with the thread's *limit*, a word of the thread
 * control block, and calls __morestack() if its frame would not fit. That is ours
 * (arch/x86_64/morestack.S): it runs the function on the next segment, and comes back to
 * this one when the function returns. A segment that was left stays linked for the next
 * such call, so a call in a loop that crosses the end of a segment, a *hot split*, costs
 * two changes of stack each time but no memory. (In Go up to 1.2 it was given back and
 * had anew.) Segments beyond the next one are given back when the flow is parked, and all
 * when it ends.
 *
 * ## The limit
 * It belongs to the thread, so whoever leaves a segmented flow's stack, or comes to it,
 * must change it. No switch does: a flow that is away has a context that leads to
 * coro_arch_segmented(), which sets the limit and goes on in the flow. To be put away in
 * time, before anyone can take it elsewhere, it always leaves by way of the idle flow: it
 * parks by the slow halves (as copied flows do), and as it closes the fast path of yields
 * where it arrives, it yields by the slow one. So other flows pay nothing, and need not
 * undo the limit: their code does not ask for it, or, if it was compiled like this as
 * well, calls __morestack(), which finds that the flow has one stack only, and clears the
 * limit.
 *
 * ## The end
 * Below the limit there is room for functions that are compiled without the check, such
 * as the runtime's and the C library's: RESERVE_BYTES at least. Below that is a guard. A
 * flow that grows beyond GROWN_MAX, and one for which there is no memory, ends the
 * process with a sentence that names it.
 *
 * Not there: longjmp() and exceptions across segments; alloca() of more than is left (a
 * sentence); arguments in registers wider than 128 bits, when a segment is added; signal
 * handlers compiled like this.
 *
 * Rejected: libgcc's own __morestack() and __splitstack_*context(). Its segments are
 * whole pages of a size that it decides, mapped one by one, without a guard; nothing
 * bounds them; without memory it aborts without a word of whose stack that was; it makes
 * four system calls per crossing to keep signals off; and its ten thread-local words
 * would be saved and set at each switch.
 */
#include "segmented.h"

#include <unistd.h>

#include "fatal.h"
#include "offsets.h"

enum {
    RESERVE_BYTES = 3 * 1024,
    ABOVE_BYTES = 1024,             /* at least the flow and struct coro_segmented */
    GROWN_MAX = 1024 * 1024 * 1024, /* as Go's */
    SEGMENT_ALIGN = 16,
};

#ifdef CORO_ARCH_SEGMENTED

_Static_assert(ABOVE_BYTES >= sizeof(struct coro_flow) + sizeof(struct coro_segmented) +
                                  2 * CORO_LINE_BYTES,
               "what is above fits");
_Static_assert(CORO_STACK_SEGMENTED == CORO_POLICY_SEGMENTED,
               "the policy as assembly has it");
_Static_assert(offsetof(struct coro_flow, policy) == CORO_FLOW_POLICY,
               "as assembly has it");
_Static_assert(sizeof(struct coro_flow) == CORO_FLOW_BYTES, "as assembly has it");
_Static_assert(offsetof(struct coro_segmented, current) == CORO_SEGMENTED_CURRENT &&
                   offsetof(struct coro_segmented, pc) == CORO_SEGMENTED_PC &&
                   offsetof(struct coro_segmented, fp) == CORO_SEGMENTED_FP,
               "struct coro_segmented as assembly has it");
_Static_assert(offsetof(struct coro_segment, prev) == CORO_SEGMENT_PREV &&
                   offsetof(struct coro_segment, next) == CORO_SEGMENT_NEXT &&
                   offsetof(struct coro_segment, limit) == CORO_SEGMENT_LIMIT &&
                   offsetof(struct coro_segment, room_bytes) == CORO_SEGMENT_ROOM,
               "struct coro_segment as assembly has it");
_Static_assert(offsetof(struct coro_worker, current) == CORO_WORKER_CURRENT &&
                   offsetof(struct coro_worker, slot_limit) == CORO_WORKER_SLOT_LIMIT &&
                   offsetof(struct coro_worker, segmented) == CORO_WORKER_SEGMENTED,
               "struct coro_worker as assembly has it");

/* PC of a flow that is away; FP is the flow. */
extern const char coro_arch_segmented[] __attribute__((visibility("hidden")));

static size_t power_of_two(size_t bytes)
{
    size_t power = CORO_STACK_MIN_BYTES;

    while (power < bytes)
        power *= 2;
    return power;
}

size_t coro_segmented_stack_bytes(size_t segment_bytes)
{
    return power_of_two(segment_bytes + RESERVE_BYTES + ABOVE_BYTES);
}

/* ---- segments ---------------------------------------------------------------------- */

static _Noreturn void fatal_growth(const struct coro_flow *flow, const char *why)
{
    struct coro_text text = {0};

    coro_text_string(&text, "stack overflow: flow ");
    coro_text_hex(&text, (uintptr_t)flow);
    coro_text_string(&text, " ");
    coro_text_string(&text, coro_flow_name(flow));
    coro_text_string(&text, why);
    coro_text_decimal(&text, coro_segmented_of(flow)->grown_bytes);
    coro_text_string(&text, " bytes of segments");
    coro_fatal_text(&text);
}

/* With pool_lock. NULL without memory. */
static struct coro_segment *segment_make(struct coro_sched *sched, unsigned class,
                                         size_t room_bytes)
{
    struct coro_segment *segment;
    struct coro_stack stack;

    if (coro_class_stack(sched, class, &stack))
        return NULL;
    segment = (struct coro_segment *)(((uintptr_t)stack.top - sizeof *segment) /
                                      SEGMENT_ALIGN * SEGMENT_ALIGN);
    if (room_bytes == 0) /* a guarded stack, of any size */
        room_bytes = (size_t)((char *)segment - stack.low) - RESERVE_BYTES;
    *segment = (struct coro_segment){
        .limit = (char *)segment - room_bytes, .room_bytes = room_bytes, .class = class};
    return segment;
}

/* With pool_lock. The segments of a class are all of one size. */
static struct coro_segment *segment_take(struct coro_sched *sched, unsigned class,
                                         size_t room_bytes)
{
    struct coro_segment *segment = sched->classes[class].segments;

    if (!segment)
        return segment_make(sched, class, room_bytes);
    sched->classes[class].segments = segment->next;
    return segment;
}

/* With pool_lock: those after `last`. */
static void give_back_after(struct coro_sched *sched, struct coro_segmented *own,
                            struct coro_segment *last)
{
    struct coro_segment *segment = last->next, *next;

    last->next = NULL;
    for (; segment; segment = next) {
        struct coro_stack_class *class = &sched->classes[segment->class];

        next = segment->next;
        own->grown_bytes -= segment->room_bytes;
        segment->next = class->segments;
        class->segments = segment;
    }
}

static void give_back_after_locked(struct coro_sched *sched, struct coro_segmented *own,
                                   struct coro_segment *last)
{
    coro_spin_lock(&sched->pool_lock);
    give_back_after(sched, own, last);
    coro_spin_unlock(&sched->pool_lock);
}

/* For morestack.S, on what is left below the limit: the segment after the current one,
 * with room for a frame of so many bytes. */
__attribute__((visibility("hidden"))) struct coro_segment *
coro_segmented_grow(struct coro_flow *flow, size_t frame_bytes);

struct coro_segment *coro_segmented_grow(struct coro_flow *flow, size_t frame_bytes)
{
    struct coro_sched *sched = coro_worker_self()->sched;
    struct coro_segmented *own = coro_segmented_of(flow);
    struct coro_segment *segment, *current = own->current;
    size_t room_bytes = own->first.room_bytes;
    unsigned class = flow->stack_class;
    int saved_errno = errno;

    if (own->grown_bytes + frame_bytes > GROWN_MAX || frame_bytes > GROWN_MAX)
        fatal_growth(flow, " would grow beyond what a flow may have; it has ");
    if (frame_bytes > room_bytes) {
        class = coro_class_of(sched, CORO_STACK_GUARDED,
                              coro_segmented_stack_bytes(frame_bytes));
        room_bytes = 0;
    }
    coro_spin_lock(&sched->pool_lock);
    segment = segment_take(sched, class, room_bytes);
    coro_spin_unlock(&sched->pool_lock);
    if (!segment)
        fatal_growth(flow, " finds no memory to grow; it has ");
    segment->prev = current;
    segment->next = current->next;
    if (segment->next)
        segment->next->prev = segment;
    current->next = segment;
    own->grown_bytes += segment->room_bytes;
    errno = saved_errno;
    return segment;
}

/* What the compiler calls for an alloca() that does not fit. */
void *__morestack_allocate_stack_space(size_t bytes);

void *__morestack_allocate_stack_space(size_t bytes)
{
    struct coro_text text = {0};

    coro_text_string(&text, "stack overflow: alloca() of ");
    coro_text_decimal(&text, bytes);
    coro_text_string(&text, " bytes, for which the segment has no room");
    coro_fatal_text(&text);
}

/* ---- flows ------------------------------------------------------------------------- */

void coro_segmented_make(struct coro_flow *flow, unsigned class, size_t segment_bytes)
{
    struct coro_segmented *own = coro_segmented_of(flow);

    *own = (struct coro_segmented){.first = {.limit = (char *)flow - segment_bytes,
                                             .room_bytes = segment_bytes,
                                             .class = class}};
    own->current = &own->first;
}

void coro_segmented_put_away(struct coro_sched *sched, struct coro_flow *flow)
{
    struct coro_segmented *own = coro_segmented_of(flow);
    struct coro_segment *spare = own->current->next;

    own->pc = flow->context.pc;
    own->fp = flow->context.fp;
    flow->context.pc = (void *)coro_arch_segmented;
    flow->context.fp = flow;
    if (spare && spare->next)
        give_back_after_locked(sched, own, spare);
}

void coro_segmented_end(struct coro_worker *worker)
{
    struct coro_segmented *own = coro_segmented_of(worker->segmented);

    if (own->current->next)
        give_back_after_locked(worker->sched, own, own->current);
    worker->segmented = NULL;
}

void coro_segmented_recycle(struct coro_sched *sched, struct coro_flow *flow)
{
    struct coro_segmented *own = coro_segmented_of(flow);

    own->current = &own->first;
    give_back_after(sched, own, &own->first);
}

struct coro_context coro_segmented_context(const struct coro_flow *flow)
{
    const struct coro_segmented *own = coro_segmented_of(flow);

    return (struct coro_context){.sp = flow->context.sp, .pc = own->pc, .fp = own->fp};
}

#else /* no such flow is ever made */

size_t coro_segmented_stack_bytes(size_t segment_bytes)
{
    return segment_bytes;
}

void coro_segmented_make(struct coro_flow *flow, unsigned class, size_t segment_bytes)
{
}
void coro_segmented_put_away(struct coro_sched *sched, struct coro_flow *flow)
{
}
void coro_segmented_end(struct coro_worker *worker)
{
}
void coro_segmented_recycle(struct coro_sched *sched, struct coro_flow *flow)
{
}

struct coro_context coro_segmented_context(const struct coro_flow *flow)
{
    return flow->context;
}

#endif

int coro_policy_check(enum coro_stack_policy policy)
{
    if ((unsigned)policy > CORO_STACK_SEGMENTED)
        return -EINVAL;
#ifndef CORO_ARCH_SEGMENTED
    if (policy == CORO_STACK_SEGMENTED)
        return -ENOTSUP;
#endif
    return 0;
}
