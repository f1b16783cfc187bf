/* SPDX-License-Identifier: MIT
 *
 * flow.c: flows from birth to reuse.
 *
 * A flow is made once with its stack, at whose top it lies, and then goes through its
 * life any number of times: in a pool, spawned, ended, joined (or detached), in a pool. Its memory
 * stays a flow until the run is over, so an old handle can always be checked: `generation` is odd
 * while the flow is in use, and changes with each change of that.
 *
 * Who ends still runs on the stack that the next spawn may use. It stays in the domain until the
 * next flow runs, so nobody can take it too early; on a shared end (`object`) the idle flow
 * unlocks it, as for any park.
 *
 * A finished flow keeps its stack until it is joined. Stacks are not returned to the
 * kernel before the run ends: memory follows the largest number of flows that were alive at once.
 */
#include "copied.h"
#include "handoff.h"
#include "segmented.h"

#include <stdlib.h>
#include <string.h>

#include "offsets.h"
#include "stack_annotate.h"
#include "stack_canary.h"

enum { POOL_TAKE = 32 }; /* so many come from the run's pool, or from the arena, at once */

_Static_assert(CORO_ANNOTATED || offsetof(struct coro_flow, body) == CORO_FLOW_BODY,
               "body as assembly has it");
_Static_assert(CORO_ANNOTATED || offsetof(struct coro_flow, value) == CORO_FLOW_VALUE,
               "value as assembly has it");

_Noreturn void coro_arch_jump(struct coro_context *to) __attribute__((visibility("hidden")));

/* ---- memory ------------------------------------------------------------------------ */

/* Fills the worker's pool. The first of it, or NULL. */
static struct coro_flow *pool_fill(struct coro_worker *worker)
{
    struct coro_sched *sched = worker->sched;
    struct coro_stack_class *class = &sched->classes[0];

    coro_spin_lock(&sched->pool_lock);
    for (unsigned i = 0; i < POOL_TAKE; i++) {
        struct coro_flow *flow = class->pool;

        if (flow)
            class->pool = flow->pool_next;
        else if (i > 0 || !(flow = coro_flow_make(sched, 0)))
            break;
        flow->pool_next = worker->pool;
        worker->pool = flow;
        worker->pool_count++;
    }
    coro_spin_unlock(&sched->pool_lock);
    return worker->pool;
}

/* None of them runs on its stack any more. */
static void pool_give_back(struct coro_worker *worker)
{
    struct coro_sched *sched = worker->sched;
    struct coro_flow *first = worker->pool, *last = first;

    for (unsigned i = 1; i < CORO_POOL_MAX / 2; i++)
        last = last->pool_next;
    worker->pool = last->pool_next;
    worker->pool_count -= CORO_POOL_MAX / 2;
    coro_spin_lock(&sched->pool_lock);
    last->pool_next = sched->classes[0].pool;
    sched->classes[0].pool = first;
    coro_spin_unlock(&sched->pool_lock);
}

/* Out of use: its generation is even. The pool of a worker is touched by its thread only. */
static void recycle_elsewhere(struct coro_sched *sched, struct coro_flow *flow)
{
    coro_spin_lock(&sched->pool_lock);
    if (flow->policy == CORO_STACK_SEGMENTED)
        coro_segmented_recycle(sched, flow);
    flow->pool_next = sched->classes[flow->stack_class].pool;
    sched->classes[flow->stack_class].pool = flow;
    coro_spin_unlock(&sched->pool_lock);
}

static void recycle(struct coro_worker *worker, struct coro_flow *flow)
{
    if (coro_pool_put(worker, flow))
        return;
    if (flow->stack_class != 0) {
        recycle_elsewhere(worker->sched, flow);
        return;
    }
    pool_give_back(worker);
    coro_pool_put(worker, flow);
}

/* ---- ending ------------------------------------------------------------------------ */

CORO_INLINE void generation_next(struct coro_flow *flow)
{
    uint64_t generation = atomic_load_explicit(&flow->generation, memory_order_relaxed);

    atomic_store_explicit(&flow->generation, generation + 1, memory_order_relaxed);
}

/* Out of use while its last steps are still being run. */
static void retire(struct coro_worker *worker, struct coro_flow *flow)
{
    generation_next(flow);
    if (flow->stack_class == 0) {
        recycle(worker, flow);
        return;
    }
    /* Its pool is everyone's, and the flow still runs on its stack: one later. */
    if (worker->ended)
        recycle(worker, worker->ended);
    worker->ended = flow;
}

/* From a flow that has ended. */
CORO_INLINE _Noreturn void leave_for_good(struct coro_worker *worker, struct coro_flow *flow,
                                          struct coro_flow *next, bool stay)
{
#ifdef CORO_ARCH_LEAVES
    (void)flow;
    coro_arch_switch_last(worker, next, stay);
#else
    (void)stay;
    worker->current = next;
#if CORO_ANNOTATED
    coro_annotate_finish(&flow->context, &next->context);
#else
    (void)flow;
#endif
    coro_arch_jump(&next->context);
#endif
}

/* Entered. Who waits to join is given the result at once, so that it has nothing left to do. */
static _Noreturn __attribute__((noinline)) void
finish_slow(struct coro_worker *worker, struct coro_flow *flow, void *result)
{
    bool locked = coro_acquire(worker, &flow->object);
    uint32_t flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);
    struct coro_flow *next;

    worker->finished++;
    if (flow->policy == CORO_STACK_COPIED)
        coro_copied_end(worker, flow);
    if (flow->policy == CORO_STACK_SEGMENTED)
        coro_segmented_end(worker);
    if (coro_likely(flow->joiner)) {
        struct coro_wait *joiner = flow->joiner;

        if (joiner->value)
            *(void **)joiner->value = result;
        retire(worker, flow);
        coro_wake(worker, joiner->flow);
    } else if (flags & CORO_FLOW_DETACHED) {
        retire(worker, flow);
    } else {
        flow->value = result;
        atomic_store_explicit(&flow->flags, flags | CORO_FLOW_DONE, memory_order_relaxed);
    }
    next = coro_unlikely(locked) ? coro_park_unlocking(worker, &flow->object)
                                 : coro_next(worker);
    if (coro_unlikely(worker->sched->watch_stacks)) {
        worker->after = coro_watch_ended; /* unlocks, too: every end is shared then */
        worker->after_arg = flow;
    }
    leave_for_good(worker, flow, next, locked);
}

/* Out of use, into this worker's pool, which the caller knows to have room. */
CORO_INLINE void retire_fast(struct coro_worker *worker, struct coro_flow *flow)
{
    worker->finished++;
    generation_next(flow);
    coro_pool_push(worker, flow);
}

/* The usual ends need no call, hence no frame: someone waits already, and runs next; or nobody
 * does yet, or ever will, and another flow is in front. */
CORO_INLINE _Noreturn void finish(struct coro_flow *flow, void *result)
{
    struct coro_worker *worker = coro_enter();
    bool pools = worker->pool_count < CORO_POOL_MAX && flow->stack_class == 0;
    struct coro_wait *joiner;
    uint32_t flags;

    if (coro_unlikely(!coro_is_biased(&flow->object, coro_key(worker)) ||
                      flow->policy >= CORO_STACK_COPIED))
        finish_slow(worker, flow, result);
    flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);
    joiner = flow->joiner;
    if (joiner) {
        struct coro_flow *next = joiner->flow;

        if (coro_unlikely(!pools || !coro_wake_next(worker, next)))
            finish_slow(worker, flow, result);
        if (joiner->value)
            *(void **)joiner->value = result;
        retire_fast(worker, flow);
        leave_for_good(worker, flow, next, false);
    }
    if (flags & CORO_FLOW_DETACHED) {
        if (coro_unlikely(!pools))
            finish_slow(worker, flow, result);
        retire_fast(worker, flow);
    } else {
        worker->finished++;
        flow->value = result;
        atomic_store_explicit(&flow->flags, flags | CORO_FLOW_DONE, memory_order_relaxed);
    }
    leave_for_good(worker, flow, coro_next(worker), false);
}

/* On the flow's own stack. Inlined, a canary costs two loads and compares that nothing waits for;
 * called, it was half of a spawn and join: a call that never returns misleads the returns to come. */
_Noreturn void coro_flow_finish(struct coro_flow *flow, void *result)
{
    if (flow->policy == CORO_STACK_SLAB &&
        coro_unlikely(!coro_canary_is_intact(flow->stack.low)))
        coro_canary_check(flow, "ended"); /* says so, and aborts */
    finish(flow, result);
}

#ifndef CORO_ARCH_FLOW_START
static struct coro_context *flow_main(void *arg)
{
    struct coro_flow *flow = arg;

#ifndef CORO_ARCH_LEAVES
    coro_leave();
#endif
    coro_flow_finish(flow, flow->body(flow->value));
}
#endif

_Noreturn void coro_exit(void *result)
{
    coro_flow_finish(coro_worker_self()->current, result);
}

/* ---- spawning ---------------------------------------------------------------------- */

static inline void flow_reset(struct coro_flow *flow, coro_body *body, void *arg,
                              uint32_t flags)
{
    flow->body = body;
    flow->value = arg;
    atomic_store_explicit(&flow->flags, flags, memory_order_relaxed);
    flow->joiner = NULL;
}

static inline void flow_prepare(const struct coro_sched *sched, struct coro_flow *flow,
                                coro_body *body, void *arg, uint32_t flags)
{
    /* Frames that coro_exit() left behind are still poisoned. */
    ASAN_UNPOISON_MEMORY_REGION(flow->stack.low,
                                (size_t)(flow->stack.top - flow->stack.low));
    if (coro_unlikely(sched->watch_stacks))
        coro_watch_clear(flow);
    flow_reset(flow, body, arg, flags);
#ifdef CORO_ARCH_FLOW_START
    coro_flow_begin(flow);
#else
    coro_context_make(&flow->context, &flow->stack, flow_main, flow);
#endif
}

/* 0 or -ENOMEM, with the flow back in its pool. */
static int copied_prepare(struct coro_sched *sched, struct coro_flow *flow, coro_body *body,
                          void *arg, uint32_t flags)
{
    struct coro_worker *home = sched->workers[flow->home];
    int error;

    coro_spin_lock(&sched->pool_lock);
    error = coro_copied_prepare(sched, home);
    coro_spin_unlock(&sched->pool_lock);
    if (error) {
        recycle(home, flow);
        return error;
    }
    flow_reset(flow, body, arg, flags | CORO_FLOW_PINNED | CORO_FLOW_SLOW);
    coro_copied_begin(flow, home);
    return 0;
}

/* In the domain. From here on old handles are told apart. */
static inline struct coro_handle flow_start(struct coro_worker *worker, struct coro_flow *flow)
{
    struct coro_handle handle = {.flow = flow};

    atomic_store_explicit(&flow->object.owner,
                          worker->asymmetric ? (uintptr_t)worker : CORO_SHARED,
                          memory_order_relaxed);
    handle.generation =
        atomic_load_explicit(&flow->generation, memory_order_relaxed) + 1;
    atomic_store_explicit(&flow->generation, handle.generation, memory_order_relaxed);
    worker->spawned++;
    coro_wake(worker, flow);
    return handle;
}

struct coro_handle coro_spawn_slow(coro_body *body, void *arg, uint32_t flags)
{
    struct coro_worker *worker = coro_worker_self();
    struct coro_flow *flow = worker->pool;
    struct coro_handle handle;

    if (coro_unlikely(!flow) && !(flow = pool_fill(worker)))
        return (struct coro_handle){0};
    worker->pool = flow->pool_next;
    worker->pool_count--;
    flow_prepare(worker->sched, flow, body, arg, flags);
    coro_enter_sure();
    handle = flow_start(worker, flow);
    coro_leave_worker(worker);
    return handle;
}

struct coro_handle coro_spawn_with(const struct coro_spawn_options *options, coro_body *body,
                                   void *arg)
{
    static const struct coro_spawn_options defaults;
    struct coro_worker *worker = coro_worker_self();
    struct coro_handle handle = {0};
    struct coro_flow *flow;
    uint32_t flags;
    unsigned class;

    if (!options)
        options = &defaults;
    class = coro_class_of(worker->sched, options->policy, options->stack_bytes);
    if (class == CORO_CLASSES ||
        (options->pinned && options->worker >= worker->sched->workers_count))
        return handle;
    flow = coro_flow_new(worker->sched, class);
    if (!flow)
        return handle;
    flags = (options->detached ? CORO_FLOW_DETACHED : 0) |
            (options->pinned ? CORO_FLOW_PINNED : 0);
    flow->home = (uint16_t)(options->pinned ? options->worker : worker->index);
    if (flow->policy == CORO_STACK_COPIED) {
        if (copied_prepare(worker->sched, flow, body, arg, flags))
            return handle;
    } else {
        bool segmented = flow->policy == CORO_STACK_SEGMENTED;

        flow->name = options->name;
        flow_prepare(worker->sched, flow, body, arg,
                     flags | (options->name ? CORO_FLOW_NAMED : 0) |
                         (segmented ? CORO_FLOW_SLOW : 0));
        if (segmented)
            coro_segmented_put_away(worker->sched, flow);
    }
    coro_enter_sure();
    handle = flow_start(worker, flow);
    coro_leave_worker(worker);
    return handle;
}

static struct coro_flow *make_outside(struct coro_sched *sched, coro_body *body, void *arg)
{
    struct coro_flow *flow = coro_flow_new(sched, 0);

    if (!flow)
        return NULL;
    flow_prepare(sched, flow, body, arg, CORO_FLOW_DETACHED);
    atomic_store_explicit(&flow->object.owner, CORO_SHARED, memory_order_relaxed);
    atomic_store_explicit(&flow->waiting, NULL, memory_order_relaxed);
    atomic_fetch_add_explicit(&flow->generation, 1, memory_order_relaxed);
    /* Before it can end: who counts the living must never find fewer ended than spawned. */
    atomic_fetch_add_explicit(&sched->foreign_spawned, 1, memory_order_relaxed);
    return flow;
}

struct coro_flow *coro_flow_first(struct coro_sched *sched, coro_body *body, void *arg)
{
    struct coro_flow *flow = make_outside(sched, body, arg);

    if (flow) {
        flow->name = "main";
        atomic_store_explicit(&flow->flags, CORO_FLOW_DETACHED | CORO_FLOW_NAMED,
                              memory_order_relaxed);
        coro_ring_push(sched->workers[0], flow);
    }
    return flow;
}

int coro_spawn_into(struct coro_sched *sched, coro_body *body, void *arg)
{
    static _Atomic(unsigned) turn;
    struct coro_flow *flow = make_outside(sched, body, arg);
    unsigned worker;

    if (!flow)
        return -ENOMEM;
    worker = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) % sched->workers_count;
    coro_inbox_push(sched->workers[worker], flow);
    return 0;
}

/* ---- handles ----------------------------------------------------------------------- */

static bool is_current(struct coro_handle handle)
{
    return handle.flow && atomic_load_explicit(&handle.flow->generation,
                                               memory_order_relaxed) == handle.generation;
}

/* Is in the domain, with the flow's end. What to do about joining it. */
static int join_state(struct coro_worker *worker, struct coro_handle handle)
{
    struct coro_flow *flow = handle.flow;
    uint32_t flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);

    if (!is_current(handle))
        return -ESRCH;
    if (flow == worker->current)
        return -EDEADLK;
    if ((flags & CORO_FLOW_DETACHED) || flow->joiner)
        return -EINVAL;
    if (flags & CORO_FLOW_DONE)
        return 0;
    return coro_is_cancelled(worker) ? -ECANCELED : -EAGAIN;
}

int coro_join_slow(struct coro_handle handle, void **result, struct coro_wait *wait,
                   struct coro_flow **next)
{
    struct coro_flow *flow = handle.flow;
    struct coro_worker *worker = coro_worker_self();
    bool locked;
    int state;

    *next = NULL;
    if (!is_current(handle)) {
        coro_leave_worker(worker);
        return -ESRCH;
    }
    locked = coro_acquire(worker, &flow->object);
    state = join_state(worker, handle);
    if (state == -EAGAIN) {
        coro_join_begin(worker, wait, flow, result);
        wait->value_bytes = sizeof *result;
        *next = coro_park(worker, &flow->object, locked);
        return 0;
    }
    if (state == 0) {
        if (result)
            *result = flow->value;
        atomic_store_explicit(&flow->generation, handle.generation + 1,
                              memory_order_relaxed);
    }
    coro_release(worker, &flow->object, locked);
    if (state == 0)
        recycle(worker, flow);
    return state;
}

int coro_detach(struct coro_handle handle)
{
    struct coro_flow *flow = handle.flow;
    struct coro_worker *worker;
    uint32_t flags;
    bool locked;
    int state;

    if (!is_current(handle))
        return -ESRCH;
    worker = coro_enter();
    locked = coro_acquire(worker, &flow->object);
    flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);
    state = !is_current(handle) ? -ESRCH
            : (flags & CORO_FLOW_DETACHED) || flow->joiner ? -EINVAL
                                                                                   : 0;
    if (state == 0 && (flags & CORO_FLOW_DONE))
        atomic_store_explicit(&flow->generation, handle.generation + 1,
                              memory_order_relaxed);
    else if (state == 0)
        /* Not by a store: it may run, and mark itself as pinned (io_uring.c). */
        atomic_fetch_or_explicit(&flow->flags, CORO_FLOW_DETACHED, memory_order_relaxed);
    coro_release(worker, &flow->object, locked);
    if (state == 0 && (flags & CORO_FLOW_DONE))
        recycle(worker, flow);
    return state;
}

struct coro_handle coro_self(void)
{
    struct coro_flow *self = coro_worker_self()->current;

    return (struct coro_handle){
        .flow = self,
        .generation = atomic_load_explicit(&self->generation, memory_order_relaxed)};
}

/* ---- claimed waits and cancellation ------------------------------------------------ */

uint64_t coro_claim_open(struct coro_flow *flow)
{
    uint64_t claim = atomic_load_explicit(&flow->claim, memory_order_relaxed) + 2;

    claim &= ~UINT64_C(1); /* even: open; odd: taken */
    atomic_store_explicit(&flow->claim, claim, memory_order_relaxed);
    return claim;
}

bool coro_claim(struct coro_flow *flow, uint64_t claim, struct coro_wait *won, int result)
{
    if (!atomic_compare_exchange_strong_explicit(&flow->claim, &claim, claim + 1,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return false;
    flow->won = won;
    flow->wake_result = result;
    return true;
}

/* The world is stopped. A parked flow wakes with -ECANCELED. */
static void cancel_wait(struct coro_worker *worker, struct coro_flow *flow)
{
    struct coro_wait *wait = atomic_load_explicit(&flow->waiting, memory_order_relaxed);

    if (!wait)
        return;
    if (wait->claim) {
        if (coro_claim(flow, wait->claim, NULL, -ECANCELED))
            coro_wake_back(worker, flow);
        return;
    }
    if (coro_handoff_is_met(flow, wait))
        return;
    wait->result = -ECANCELED;
    if (wait->link.next)
        coro_link_remove(&wait->link);
    else if (coro_joined(wait))
        coro_joined(wait)->joiner = NULL;
    coro_wake_back(worker, flow);
}

int coro_cancel(struct coro_handle handle)
{
    struct coro_worker *worker = coro_worker_self();
    uint32_t flags;
    int error = -ESRCH;

    if (!is_current(handle))
        return -ESRCH;
    coro_world_stop(worker->sched);
    flags = atomic_load_explicit(&handle.flow->flags, memory_order_relaxed);
    if (is_current(handle) && !(flags & CORO_FLOW_DONE)) {
        atomic_store_explicit(&handle.flow->flags, flags | CORO_FLOW_CANCELLED,
                              memory_order_relaxed);
        cancel_wait(worker, handle.flow);
        error = 0;
    }
    coro_world_resume(worker->sched);
    return error;
}

int coro_block_for_ever(const char *why)
{
    struct coro_link nobody = {.next = &nobody, .prev = &nobody};
    struct coro_worker *worker = coro_enter_sure();
    struct coro_wait wait;

    if (coro_is_cancelled(worker)) {
        coro_leave_worker(worker);
        return -ECANCELED;
    }
    coro_wait_begin(worker, &wait, NULL, &nobody, NULL, why);
    coro_switch_park(worker, coro_park(worker, NULL, false));
    return wait.result;
}
