/* SPDX-License-Identifier: MIT
 *
 * high_water.c: how deep flows used their stacks, and a warning when one came near its end.
 *
 * Only in a run with coro_options.watch_stacks, which takes slow paths only: fast ones have no
 * part in this. Before a flow begins its stack is *cleared*; what is lowest of what is no longer
 * clear is its high-water mark.
 *
 *  - slab: filled with a word that no program writes by chance.
 *  - guarded: pages given back, and the one that the flow itself lies in filled with zeros. The
 *    mark is in the lowest page that is there again: the first word in it that is not zero. So
 *    zeros that a frame wrote at its low end may be missed, but by less than a page. A page that
 *    was swapped out, or given back by coro_shrink(), is missed too.
 *  - copied: the stack that a worker's flows share is never cleared. A flow is named when it set a
 *    new mark.
 *
 * The warning is written on the idle flow's stack: who came near its end has no room.
 *
 * Rejected: filling guarded stacks, as all of their pages would become resident; one mark per
 * copied flow (clearing at each switch, and a slot is full).
 */
#include "copied.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fatal.h"

enum {
    NEAR_PART = 10, /* within a tenth of the end */
    PAGES_AT_ONCE = 128,
    WARNINGS_MAX = 16, /* of a run, one by one */
};

static const uint64_t fill = UINT64_C(0x5afe57ac5afe57ac);

/* Stacks of others, and below SP: sanitizers would think that a mistake. */
#define READS_ANY_STACK __attribute__((no_sanitize("address", "thread"), noinline))

static READS_ANY_STACK char *first_other(char *low, const char *high, uint64_t clear)
{
    while (low < high && *(const volatile uint64_t *)low == clear)
        low += sizeof clear;
    return low;
}

/* The lowest page from `low` on that is in memory; `high` if there is none, or nobody knows. */
static char *lowest_page(char *low, char *high, size_t page_bytes)
{
    unsigned char there[PAGES_AT_ONCE];

    while (low < high) {
        size_t pages = ((size_t)(high - low) + page_bytes - 1) / page_bytes;

        if (pages > PAGES_AT_ONCE)
            pages = PAGES_AT_ONCE;
        if (mincore(low, pages * page_bytes, there))
            return high;
        for (size_t i = 0; i < pages; i++, low += page_bytes)
            if (there[i] & 1)
                return low;
    }
    return high;
}

static size_t used_of_pages(char *low, char *high)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    char *page = lowest_page(low, high, page_bytes);
    char *end = page + page_bytes < high ? page + page_bytes : high;
    char *lowest = first_other(page, end, 0);

    return (size_t)(high - (lowest < end ? lowest : page));
}

void coro_watch_used(const struct coro_sched *sched, const struct coro_flow *flow,
                     struct coro_stack_use *use)
{
    const struct coro_stack *stack = flow->policy == CORO_STACK_COPIED
                                         ? coro_copied_stack(sched->workers[flow->home])
                                         : &flow->stack;

    use->stack_bytes = (size_t)(stack->top - stack->low);
    use->used_bytes =
        flow->policy == CORO_STACK_SLAB
            ? (size_t)(stack->top - first_other(stack->low, stack->top, fill))
            : used_of_pages(stack->low, stack->top);
}

int coro_stack_used(struct coro_handle handle, struct coro_stack_use *use)
{
    const struct coro_sched *sched = coro_worker_self()->sched;
    const struct coro_flow *flow = handle.flow;

    if (!flow ||
        atomic_load_explicit(&flow->generation, memory_order_relaxed) != handle.generation)
        return -ESRCH;
    if (!sched->watch_stacks)
        return -ENOTSUP;
    coro_watch_used(sched, flow, use);
    return 0;
}

void coro_watch_clear(struct coro_flow *flow)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    char *low = flow->stack.low, *high = flow->stack.top;
    char *page = high - (uintptr_t)high % page_bytes;

    if (flow->policy == CORO_STACK_SLAB) {
        for (; low < high; low += sizeof fill)
            memcpy(low, &fill, sizeof fill);
        return;
    }
    if (page > low)
        (void)madvise(low, (size_t)(page - low), MADV_DONTNEED); /* refused: a mark too deep */
    else
        page = low;
    memset(page, 0, (size_t)(high - page));
}

static bool is_near_end(const struct coro_stack_use *use)
{
    return use->stack_bytes - use->used_bytes < use->stack_bytes / NEAR_PART;
}

static void warn(const struct coro_flow *flow, const struct coro_stack_use *use)
{
    struct coro_text text = {0};

    coro_text_string(&text, "stack nearly full: flow ");
    coro_text_hex(&text, (uintptr_t)flow);
    coro_text_string(&text, " ");
    coro_text_string(&text, coro_flow_name(flow));
    coro_text_string(&text, " used ");
    coro_text_decimal(&text, use->used_bytes);
    coro_text_string(&text, " of ");
    coro_text_decimal(&text, use->stack_bytes);
    coro_text_string(&text, flow->policy == CORO_STACK_COPIED ? " bytes of its worker's shared stack"
                                                              : " bytes");
    coro_warn_text(&text);
}

static void warn_if_near(struct coro_sched *sched, const struct coro_flow *flow,
                         const struct coro_stack_use *use)
{
    if (is_near_end(use) && !sched->quiet &&
        atomic_fetch_add_explicit(&sched->warnings, 1, memory_order_relaxed) < WARNINGS_MAX)
        warn(flow, use);
}

void coro_watch_ended(void *arg)
{
    struct coro_flow *flow = arg;
    struct coro_worker *worker = coro_worker_self();
    struct coro_stack_use use;

    if (flow->policy == CORO_STACK_COPIED) {
        coro_watch_copied(worker, flow);
    } else {
        coro_watch_used(worker->sched, flow, &use);
        warn_if_near(worker->sched, flow, &use);
    }
    coro_unlock_after(&flow->object);
}

void coro_watch_copied(struct coro_worker *worker, const struct coro_flow *flow)
{
    struct coro_stack_use use;

    coro_watch_used(worker->sched, flow, &use);
    if (use.used_bytes <= worker->copied_used_bytes)
        return;
    worker->copied_used_bytes = use.used_bytes;
    warn_if_near(worker->sched, flow, &use);
}

void coro_watch_end(const struct coro_sched *sched)
{
    unsigned warnings = atomic_load_explicit(&sched->warnings, memory_order_relaxed);
    struct coro_text text = {0};

    if (warnings <= WARNINGS_MAX)
        return;
    coro_text_string(&text, "stack nearly full: ");
    coro_text_decimal(&text, warnings - WARNINGS_MAX);
    coro_text_string(&text, " flows more");
    coro_warn_text(&text);
}
