/* SPDX-License-Identifier: MIT
 *
 * dump.c: what all flows are doing.
 *
 * Flows are found by the list of all ever made, so that one lost by a defect shows too. Others are
 * stopped meanwhile; a flow that runs on one of them goes on until it wants something of
 * the runtime, and has no frames here (scripts for a debugger: gdb/coro.py).
 */
#include "copied.h"
#include "segmented.h"

#include <inttypes.h>

static const struct coro_worker *runs_on(const struct coro_sched *sched,
                                         const struct coro_flow *flow)
{
    for (unsigned i = 0; i < sched->workers_count; i++)
        if (sched->workers[i]->current == flow)
            return sched->workers[i];
    return NULL;
}

/* Of a copied flow that is away there are no frames, but a place. */
static void print_frames(FILE *file, const struct coro_sched *sched,
                         const struct coro_flow *flow)
{
    struct coro_context from = flow->context;

    if (flow->policy == CORO_STACK_SEGMENTED)
        from = coro_segmented_context(flow);
    if (flow->policy == CORO_STACK_COPIED)
        coro_backtrace_top(file, coro_copied_pc(sched->workers[flow->home]->copied, flow));
    else
        coro_backtrace(file, &from);
}

/* In a run that watches stacks. */
static void print_used(FILE *file, const struct coro_sched *sched,
                       const struct coro_flow *flow)
{
    struct coro_stack_use use;

    if (!sched->watch_stacks)
        return;
    coro_watch_used(sched, flow, &use);
    fprintf(file, "used %zu of %zu bytes, ", use.used_bytes, use.stack_bytes);
}

static void print_flow(FILE *file, const struct coro_sched *sched,
                       const struct coro_flow *flow, void *first_pc)
{
    const struct coro_wait *wait =
        atomic_load_explicit(&flow->waiting, memory_order_relaxed);
    uint32_t flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);
    const struct coro_worker *worker = runs_on(sched, flow);

    fprintf(file, "  flow %p %s, ", (const void *)flow, coro_flow_name(flow));
    if (flow->policy == CORO_STACK_COPIED)
        fprintf(file, "copied: ");
    else
        fprintf(file, "stack %u: ", flow->stack.index);
    print_used(file, sched, flow);
    if (flags & CORO_FLOW_DONE) {
        fprintf(file, "ended, not joined\n");
        return;
    }
    if (worker) {
        fprintf(file, "running on worker %u\n", worker->index);
        if (worker == coro_worker_self())
            coro_backtrace_self(file, first_pc);
        return;
    }
    fprintf(file, "%s", wait ? wait->why : "runnable");
    if (wait && wait->object)
        fprintf(file, " %p", (const void *)wait->object);
    fprintf(file, "\n");
    print_frames(file, sched, flow);
}

struct listing {
    FILE *file;
    const struct coro_sched *sched;
    void *first_pc; /* of the flow that asks */
    uint64_t count;
};

static void list_one(void *arg, struct coro_flow *flow)
{
    struct listing *listing = arg;

    if (atomic_load_explicit(&flow->generation, memory_order_relaxed) % 2 == 0)
        return;
    print_flow(listing->file, listing->sched, flow, listing->first_pc);
    listing->count++;
}

static uint64_t print_all(FILE *file, const struct coro_sched *sched, void *first_pc)
{
    struct listing listing = {.file = file, .sched = sched, .first_pc = first_pc};

    for (struct coro_flow *flow = sched->all; flow; flow = flow->all_next)
        list_one(&listing, flow);
    coro_copied_each(sched, list_one, &listing);
    return listing.count;
}

void coro_dump(FILE *file)
{
    struct coro_sched *sched = coro_worker_self()->sched;
    uint64_t count;

    coro_world_stop(sched);
    coro_spin_lock(&sched->pool_lock);
    fprintf(file, "coro: all flows, on %u workers\n", sched->workers_count);
    count = print_all(file, sched, __builtin_return_address(0));
    fprintf(file, "coro: %" PRIu64 " flows\n", count);
    coro_spin_unlock(&sched->pool_lock);
    coro_world_resume(sched);
}

void coro_report_deadlock(struct coro_sched *sched)
{
    fprintf(stderr, "coro: deadlock: all flows are asleep, and nothing will wake one\n");
    print_all(stderr, sched, NULL);
}

/* No fast path counts: all that left a queue, by what the queues know of themselves. */
static uint64_t dispatched(const struct coro_worker *worker)
{
    uint64_t pushed = atomic_load(&worker->refills) * (CORO_FRONT_BUDGET + 1) +
                      CORO_FRONT_BUDGET - (uint64_t)worker->front_budget;

    return pushed - atomic_load(&worker->front_count) + coro_ring_popped(worker) -
           worker->lost;
}

int coro_counters(unsigned worker, struct coro_counters *counters)
{
    struct coro_sched *sched = coro_worker_self()->sched;
    const struct coro_worker *of;

    if (worker >= sched->workers_count)
        return -EINVAL;
    coro_world_stop(sched);
    of = sched->workers[worker];
    *counters = (struct coro_counters){
        .switches = dispatched(of),
        .steals = of->steals,
        .stolen = of->stolen,
        .parks = of->parks_idle,
        .sleeps = of->sleeps,
        .wakes = of->wakes,
        .spawned = of->spawned,
        .finished = of->finished,
    };
    coro_world_resume(sched);
    return 0;
}
