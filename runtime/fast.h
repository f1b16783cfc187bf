/* SPDX-License-Identifier: MIT
 *
 * fast.h: the paths of coro.h that are worth inlining; included by it.
 *
 * Each tries its usual case with the object biased to this worker, and else calls its
 * slow half. A slow half never switches: it returns the flow to switch to (with the domain
 * entered), or NULL when all is done (and left). So there is one switch per call, inlined in the
 * caller, and no return is mispredicted.
 */
#ifndef CORO_FAST_H
#define CORO_FAST_H

CORO_INLINE void coro_yield(void)
{
    struct coro_worker *worker = coro_worker_self();
    struct coro_flow **slot = atomic_load_explicit(&worker->slot, memory_order_relaxed);
    struct coro_flow *next;

    coro_enter_yield(worker, slot);
    if (coro_likely(coro_key(worker) == (uintptr_t)worker &&
                    slot < atomic_load_explicit(&worker->slot_limit, memory_order_relaxed))) {
        __builtin_prefetch(slot[CORO_PREFETCH_AHEAD]); /* the words that a switch loads */
        coro_switch_yield(worker, slot);
        return;
    }
    next = coro_yield_slow(worker);
    worker = coro_worker_self(); /* cheaper than keeping it over the call */
    if (next)
        coro_switch_flow(worker, worker->current, next, next == &worker->idle);
}

struct coro_flow *coro_chan_send_slow(struct coro_chan *chan, const void *element,
                                      struct coro_wait *wait);
struct coro_flow *coro_chan_recv_slow(struct coro_chan *chan, void *element,
                                      struct coro_wait *wait);

/* From here on each send and receive looks at who waits. */
CORO_INLINE void coro_chan_shut(struct coro_chan *chan)
{
    chan->put_limit = chan->put;
    chan->get_limit = chan->get;
}

/* Inlined: into and out of the buffer, to a waiting receiver, and waiting for the other one where
 * there is no buffer. */
CORO_INLINE int coro_chan_send(struct coro_chan *chan, const void *element)
{
    struct coro_worker *worker = coro_enter();
    struct coro_flow *next = NULL;
    struct coro_wait wait;

    if (coro_likely(chan && coro_is_biased(&chan->object, coro_key(worker)))) {
        char *put = chan->put;
        struct coro_link *first;

        if (put != chan->put_limit) {
            __builtin_memcpy(put, element, 8);
            chan->put = put + 8;
            coro_leave_worker(worker);
            return 0;
        }
        first = chan->receivers.next;
        if (first != &chan->receivers) {
            struct coro_wait *receiver = (struct coro_wait *)first;

            if (coro_likely(!receiver->claim && chan->word_open)) {
                __builtin_memcpy(receiver->value, element, 8);
                coro_link_remove(first);
                coro_wake(worker, receiver->flow);
                coro_leave_worker(worker);
                return 0;
            }
        } else if (!chan->capacity && chan->word_open && coro_parks_fast(worker)) {
            coro_wait_begin(worker, &wait, &chan->object, &chan->senders, (void *)element,
                            "sending to a channel");
            next = coro_next(worker);
        }
    }
    if (!next)
        next = coro_chan_send_slow(chan, element, &wait);
    if (next)
        coro_switch_park(coro_worker_self(), next);
    return wait.result;
}

CORO_INLINE int coro_chan_recv(struct coro_chan *chan, void *element)
{
    struct coro_worker *worker = coro_enter();
    struct coro_flow *next = NULL;
    struct coro_wait wait;

    if (coro_likely(chan && coro_is_biased(&chan->object, coro_key(worker)))) {
        char *get = chan->get;

        if (get != chan->get_limit) {
            __builtin_memcpy(element, get, 8);
            chan->get = get + 8;
            coro_leave_worker(worker);
            return 0;
        }
        if (!chan->capacity && chan->word_open && chan->senders.next == &chan->senders &&
            coro_parks_fast(worker)) {
            coro_wait_begin(worker, &wait, &chan->object, &chan->receivers, element,
                            "receiving from a channel");
            next = coro_next(worker);
        }
    }
    if (!next)
        next = coro_chan_recv_slow(chan, element, &wait);
    if (next)
        coro_switch_park(coro_worker_self(), next);
    return wait.result;
}

/* A select under way. */
struct coro_select {
    struct coro_case *cases;
    size_t count;
    uint64_t deadline_ns; /* CORO_SELECT_* or a time */
    uint64_t claim;
    struct coro_flow *self;
    bool locked, sorted;
    int index; /* what select returns */
    struct coro_wait none; /* what it waits in when all channels are nil */
    struct coro_case *moved_from; /* the caller's cases, if they lie elsewhere while it waits */
};

#define CORO_SELECT_TRY   UINT64_C(0)
#define CORO_SELECT_BLOCK UINT64_MAX

struct coro_flow *coro_select_begin(struct coro_select *select);
int coro_select_end(struct coro_select *select);

CORO_INLINE int coro_select_run(struct coro_case *cases, size_t count, uint64_t deadline_ns)
{
    struct coro_select select;
    struct coro_flow *next;

    select.cases = cases;
    select.count = count;
    select.deadline_ns = deadline_ns;
    next = coro_select_begin(&select);
    if (!next)
        return select.index;
    coro_switch_park(coro_worker_self(), next);
    return coro_select_end(&select);
}

CORO_INLINE int coro_select(struct coro_case *cases, size_t count)
{
    return coro_select_run(cases, count, CORO_SELECT_BLOCK);
}

CORO_INLINE int coro_select_try(struct coro_case *cases, size_t count)
{
    return coro_select_run(cases, count, CORO_SELECT_TRY);
}

CORO_INLINE int coro_select_until(struct coro_case *cases, size_t count, uint64_t deadline_ns)
{
    return coro_select_run(cases, count, deadline_ns ? deadline_ns : 1);
}

CORO_INLINE int coro_chan_send_until(struct coro_chan *chan, const void *element,
                                     uint64_t deadline_ns)
{
    struct coro_case one = {.chan = chan, .kind = CORO_SEND, .element = (void *)element};
    int index = coro_select_until(&one, 1, deadline_ns);

    return index < 0 ? index : one.result;
}

CORO_INLINE int coro_chan_recv_until(struct coro_chan *chan, void *element,
                                     uint64_t deadline_ns)
{
    struct coro_case one = {.chan = chan, .kind = CORO_RECV, .element = element};
    int index = coro_select_until(&one, 1, deadline_ns);

    return index < 0 ? index : one.result;
}

#ifdef CORO_ARCH_FLOW_START
/* A new flow's first context. Its stack is not touched, nor where that begins looked up. One that
 * never waited in its last life still has it. */
CORO_INLINE void coro_flow_begin(struct coro_flow *flow)
{
    if (flow->context.pc == (void *)coro_arch_flow_start)
        return;
    flow->context.sp = flow;
    flow->context.pc = (void *)coro_arch_flow_start;
    flow->context.fp = flow; /* for coro_arch_flow_start */
}
#endif

struct coro_handle coro_spawn_slow(coro_body *body, void *arg, uint32_t flags);

/* Inlined: with memory from this worker's pool. A flow that was out of use is biased here
 * already, most often, and `waiting` is NULL. */
CORO_INLINE struct coro_handle coro_spawn_flagged(coro_body *body, void *arg, uint32_t flags)
{
#ifdef CORO_ARCH_FLOW_START
    struct coro_worker *worker = coro_enter();
    struct coro_flow *flow = worker->pool;
    struct coro_handle handle;

    if (coro_likely(flow && coro_key(worker) == (uintptr_t)worker &&
                    worker->front_budget > 0)) {
        worker->pool = flow->pool_next;
        __builtin_prefetch(worker->pool); /* for the next spawn */
        __builtin_prefetch((char *)worker->pool + CORO_LINE_BYTES);
        worker->pool_count--;
        worker->spawned++;
        worker->front_budget--;
        coro_flow_begin(flow);
        atomic_store_explicit(&flow->flags, flags, memory_order_relaxed);
        flow->body = body;
        flow->value = arg;
        if (!coro_is_biased(&flow->object, (uintptr_t)worker))
            atomic_store_explicit(&flow->object.owner, (uintptr_t)worker,
                                  memory_order_relaxed);
        flow->joiner = NULL;
        handle.flow = flow;
        handle.generation =
            atomic_load_explicit(&flow->generation, memory_order_relaxed) + 1;
        atomic_store_explicit(&flow->generation, handle.generation, memory_order_relaxed);
        coro_front_push(worker, flow);
        coro_leave_worker(worker);
        return handle;
    }
    coro_leave_worker(worker);
#endif
    return coro_spawn_slow(body, arg, flags);
}

CORO_INLINE struct coro_handle coro_spawn(coro_body *body, void *arg)
{
    return coro_spawn_flagged(body, arg, 0);
}

CORO_INLINE int coro_spawn_detached(coro_body *body, void *arg)
{
    return coro_spawn_flagged(body, arg, CORO_FLOW_DETACHED).flow ? 0 : -ENOMEM;
}

/* The end of a flow that is biased here is waited for by the current flow, or met. */
CORO_INLINE int coro_join(struct coro_handle handle, void **result)
{
    struct coro_worker *worker = coro_enter();
    struct coro_flow *flow = handle.flow, *next = NULL;
    struct coro_wait wait;
    int error;

    if (coro_likely(flow && coro_is_biased(&flow->object, coro_key(worker)) &&
                    atomic_load_explicit(&flow->generation, memory_order_relaxed) ==
                        handle.generation)) {
        uint32_t flags = atomic_load_explicit(&flow->flags, memory_order_relaxed) &
                         (CORO_FLOW_DONE | CORO_FLOW_DETACHED);

        if (!flags && !flow->joiner && flow != worker->current && coro_parks_fast(worker)) {
            coro_join_begin(worker, &wait, flow, result);
            coro_switch_park(worker, coro_next(worker));
            return wait.result;
        }
        if (flags == CORO_FLOW_DONE && coro_pool_put(worker, flow)) {
            if (result)
                *result = flow->value;
            atomic_store_explicit(&flow->generation, handle.generation + 1,
                                  memory_order_relaxed);
            coro_leave_worker(worker);
            return 0;
        }
    }
    error = coro_join_slow(handle, result, &wait, &next);
    if (!next)
        return error;
    coro_switch_park(coro_worker_self(), next);
    return wait.result;
}

/* `overtaken`: the flow waited before, and someone else was quicker. NULL: wait->result. */
struct coro_flow *coro_mutex_lock_slow(struct coro_mutex *mutex, struct coro_wait *wait,
                                       bool overtaken);
int coro_mutex_unlock_slow(struct coro_mutex *mutex);

CORO_INLINE int coro_mutex_lock(struct coro_mutex *mutex)
{
    struct coro_worker *worker = coro_enter();
    struct coro_wait wait;
    struct coro_flow *next;
    bool overtaken = false;

    if (coro_likely(coro_is_biased(&mutex->object, coro_key(worker)) && !mutex->locked)) {
        mutex->locked = true;
        coro_leave_worker(worker);
        return 0;
    }
    do {
        next = coro_mutex_lock_slow(mutex, &wait, overtaken);
        if (next)
            coro_switch_park(coro_worker_self(), next);
        overtaken = true;
    } while (wait.result == -EAGAIN);
    return wait.result;
}

CORO_INLINE int coro_mutex_unlock(struct coro_mutex *mutex)
{
    struct coro_worker *worker = coro_enter();

    if (coro_likely(coro_is_biased(&mutex->object, coro_key(worker)) && mutex->locked &&
                    mutex->waiters.next == &mutex->waiters)) {
        mutex->locked = false;
        coro_leave_worker(worker);
        return 0;
    }
    return coro_mutex_unlock_slow(mutex);
}

#endif
