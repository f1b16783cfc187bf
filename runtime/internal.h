/* SPDX-License-Identifier: MIT
 *
 * internal.h: what the runtime's own files share. Private; programs include coro.h.
 *
 * Locks, in the order in which they are taken:
 *   1. object locks (several only in select, by address)
 *   2. stop_lock of a worker (several only to stop the world, by index, under world_lock)
 *   3. leaves: idle_lock, pool_lock, a file's lock, the timers' lock (after a file's)
 * Who waits for 1 or 2 is outside its domain, else two workers could wait for each other.
 * Leaves are taken inside the domain too: their holders wait for nobody.
 */
#ifndef CORO_INTERNAL_H
#define CORO_INTERNAL_H

#include "coro.h"
#include "stack_find.h"

enum {
    CORO_WORKERS_MAX = 1024,
    /* Of stacks: 0 the run's own; from n on, those of a policy, 1 KB << class - n. */
    CORO_CLASS_GUARDED = 1,
    CORO_CLASS_SLAB = 25,
    CORO_CLASS_COPIED = CORO_CLASS_SLAB + 4,
    CORO_CLASS_SEGMENTED,
    CORO_CLASSES = CORO_CLASS_SEGMENTED + 7,
    CORO_PATIENCE_FIRST = 3,
    CORO_PATIENCE_MAX = 12,
    CORO_PATIENCE_NEVER = 15, /* once shared, the object stays so */
    CORO_STEAL_FIRST = 8, /* flows */
    CORO_FILES_PER_CHUNK = 1024,
    CORO_FILE_CHUNKS = 1024,
};

struct coro_timer {
    uint64_t deadline_ns;
    uint64_t claim;
    struct coro_flow *flow;
};

struct coro_timers {
    _Atomic(uint32_t) lock;
    _Atomic(uint64_t) first_ns; /* UINT64_MAX: none. Relaxed: a peek */
    uint32_t count, room;
    struct coro_timer *heap; /* heap[1] is the first to fire */
};

struct coro_stack_class {
    struct coro_stack_arena *arena; /* the newest; older ones are all handed out */
    size_t arena_stacks; /* how many that has */
    size_t stack_bytes;  /* constant, as the next */
    enum coro_stack_policy policy;
    struct coro_flow *pool; /* by pool_next */
    struct coro_segment *segments; /* out of use; by next */
};

/* See io.c; `set` to `sleeper` are io_epoll.c's. */
struct coro_io_state {
    _Atomic(const struct coro_poller *) poller; /* NULL before the first operation */
    _Atomic(uint32_t) lock;                     /* held to open it; no leaf is taken inside */
    uint8_t wanted;                             /* enum coro_io_choice */
    _Atomic(struct coro_file *) chunks[CORO_FILE_CHUNKS];
    int set, event;
    _Atomic(uint32_t) waiting;   /* operations that wait for an edge */
    struct coro_worker *sleeper; /* in the set; under idle_lock */
};

struct coro_sched {
    struct coro_sched *next_run; /* run.c */
    struct coro_worker *workers[CORO_WORKERS_MAX];
    unsigned workers_count; /* constant once flows run */
    bool pin, quiet, asymmetric, watch_stacks;
    enum coro_guard guard, group_guard; /* of guarded stacks, and of groups of slabs */

    _Atomic(uint32_t) idle_lock; /* guards the next five, and workers' `asleep` */
    _Atomic(uint32_t) asleep;    /* relaxed outside the lock: a peek */
    _Atomic(uint32_t) watchers;  /* of those, asleep with a timeout, to look for work */
    _Atomic(uint32_t) hungry;    /* of those, worth waking when there is surplus */
    _Atomic(int) stop;           /* 1: workers leave */
    int result;

    _Atomic(uint64_t) foreign_spawned, holds;

    _Atomic(uint32_t) pool_lock;
    struct coro_stack_class classes[CORO_CLASSES];
    struct coro_flow *all; /* by all_next */
    struct arena_link *arenas;
    struct chunk *copied_chunks; /* slots of copied flows; the newest first */

    _Atomic(unsigned) warnings; /* of stacks nearly full. Relaxed */

    struct coro_timers timers;
    struct coro_io_state io;
    struct coro_helpers *helpers; /* blocking.c; under pool_lock until made */
    _Atomic(uint32_t) world_lock;
};

/* What a thief remembers of a victim: its tick, and since when it has been that. */
struct coro_progress {
    uint64_t tick, since_ns;
};

/* domain.c */
bool coro_domain_init(bool refuse_membarrier); /* whether workers can be asymmetric */
void coro_relax(unsigned *spins); /* in a loop that waits for a running thread */
void coro_spin_lock(_Atomic(uint32_t) *lock);
bool coro_spin_try(_Atomic(uint32_t) *lock);
void coro_spin_unlock(_Atomic(uint32_t) *lock);
void coro_enter_slow(struct coro_worker *worker); /* waits until the domain is ours */
CORO_INLINE struct coro_worker *coro_enter_sure(void)
{
    struct coro_worker *worker = coro_enter();

    if (coro_unlikely(coro_key(worker) != (uintptr_t)worker))
        coro_enter_slow(worker);
    return worker;
}
bool coro_domain_try_stop(struct coro_worker *worker); /* false: someone else has */
void coro_domain_stop(struct coro_worker *worker);
void coro_domain_resume(struct coro_worker *worker);
void coro_world_stop(struct coro_sched *sched); /* enters the own domain, stops the others */
void coro_world_resume(struct coro_sched *sched);

void coro_object_init(struct coro_object *object, unsigned patience);
void coro_object_lock(struct coro_object *object); /* outside of the domain */
void coro_object_unlock(struct coro_object *object);
void coro_acquire_slow(struct coro_worker *worker, struct coro_object *object);
void coro_unlock_after(void *object);

/* Entered, with the key unasked: returns with the object ours, and whether it
 * had to be locked, which the next two want to know. */
CORO_INLINE bool coro_acquire(struct coro_worker *worker, struct coro_object *object)
{
    if (coro_likely(coro_is_biased(object, coro_key(worker))))
        return false;
    coro_acquire_slow(worker, object);
    return true;
}

/* Unlocked first: whom we woke cannot be stolen before we leave, and may then free the object. */
CORO_INLINE void coro_release(struct coro_worker *worker, struct coro_object *object,
                              bool locked)
{
    if (locked)
        coro_object_unlock(object);
    coro_leave_worker(worker);
}

/* flow_stack.c */
void coro_classes_init(struct coro_sched *sched, const struct coro_options *options);
/* 0: the run's own; CORO_CLASSES: there is none of that policy and so many bytes. */
unsigned coro_class_of(const struct coro_sched *sched, enum coro_stack_policy policy,
                       size_t stack_bytes);
/* With pool_lock held; NULL without memory. */
struct coro_flow *coro_flow_make(struct coro_sched *sched, unsigned stack_class);
/* The same, of a bare stack of the class. 0 or -ENOMEM. */
int coro_class_stack(struct coro_sched *sched, unsigned stack_class, struct coro_stack *stack);
/* From the run's pool, or made. */
struct coro_flow *coro_flow_new(struct coro_sched *sched, unsigned stack_class);
void coro_flow_free_all(struct coro_sched *sched);
/* A coro_overflow_namer. */
void coro_name_overflow(struct coro_text *text);
/* Of a flow on a slab stack: aborts with a sentence if it ran over. */
void coro_canary_check(const struct coro_flow *flow, const char *when);

static inline const char *coro_flow_name(const struct coro_flow *flow)
{
    uint32_t flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);

    return flags & CORO_FLOW_NAMED ? flow->name : "(no name)";
}

/* To the idle flow, which unlocks the object once the flow that leaves is saved. */
CORO_INLINE struct coro_flow *coro_park_unlocking(struct coro_worker *worker,
                                                  struct coro_object *object)
{
    worker->after = coro_unlock_after;
    worker->after_arg = object;
    return &worker->idle;
}

/* What to switch to, now that the current flow waits. */
CORO_INLINE struct coro_flow *coro_park(struct coro_worker *worker,
                                        struct coro_object *object, bool locked)
{
    uint8_t policy = worker->current->policy;

    if (coro_unlikely(policy == CORO_STACK_SLAB))
        coro_canary_check(worker->current, "parked");
    if (!locked)
        return policy >= CORO_STACK_COPIED ? &worker->idle : coro_next(worker);
    return coro_park_unlocking(worker, object);
}

/* sched.c. In the domain: */
void coro_wake_back(struct coro_worker *worker, struct coro_flow *flow); /* last in line */
struct coro_flow **coro_ring_new(struct coro_worker *worker, uint32_t room); /* or NULL */
void coro_ring_push(struct coro_worker *worker, struct coro_flow *flow);
uint64_t coro_ring_count(const struct coro_worker *worker); /* outside: a peek */
uint64_t coro_ring_popped(const struct coro_worker *worker);
void coro_chores(struct coro_worker *worker);
bool coro_has_work(const struct coro_worker *worker); /* queued, that is. Outside, a peek, */
bool coro_has_surplus(const struct coro_worker *worker); /* as this: more than it needs */
/* Anywhere: */
void coro_inbox_push(struct coro_worker *worker, struct coro_flow *flow);
void coro_wake_worker(struct coro_worker *worker);
bool coro_wake_any(struct coro_sched *sched);
uint64_t coro_random(struct coro_worker *worker);

/* idle.c */
void coro_idle(struct coro_worker *worker); /* the idle flow; returns when the run is over */

/* steal.c. In an idle worker, outside of its domain: */
bool coro_steal(struct coro_worker *self, uint64_t now_ns); /* true: it has flows to run */
void coro_judge_last_raid(struct coro_worker *self, uint64_t now_ns); /* now that all have run */

/* flow.c */
_Noreturn void coro_flow_finish(struct coro_flow *flow, void *result);
struct coro_flow *coro_flow_first(struct coro_sched *sched, coro_body *body, void *arg);
/* Waits that are claimed: see coro_wait.claim. In the domain. */
uint64_t coro_claim_open(struct coro_flow *flow);
bool coro_claim(struct coro_flow *flow, uint64_t claim, struct coro_wait *won, int result);
int coro_block_for_ever(const char *why); /* until cancelled */

/* chan.c. In the domain, with the channel; -EAGAIN: not now. */
int coro_chan_send_now(struct coro_worker *worker, struct coro_chan *chan, const void *element);
int coro_chan_recv_now(struct coro_worker *worker, struct coro_chan *chan, void *element);
bool coro_chan_send_ready(struct coro_chan *chan);
bool coro_chan_recv_ready(struct coro_chan *chan);
/* Of a case that was counted in a channel that has been freed meanwhile. */
void coro_chan_withdraw_last(struct coro_chan *chan);

/* high_water.c; in a run that watches stacks: */
void coro_watch_clear(struct coro_flow *flow); /* which is to begin, and is not copied */
void coro_watch_used(const struct coro_sched *sched, const struct coro_flow *flow,
                     struct coro_stack_use *use);
void coro_watch_ended(void *flow);  /* coro_worker.after: and unlocks its end */
/* On another stack than the flow's, which stops or has ended. */
void coro_watch_copied(struct coro_worker *worker, const struct coro_flow *flow);
void coro_watch_end(const struct coro_sched *sched); /* of the run */

/* timer.c */
/* In the domain, with the flow saved: without memory it is woken with -ENOMEM. */
void coro_timer_add(struct coro_sched *sched, struct coro_flow *flow, uint64_t claim,
                    uint64_t deadline_ns);
void coro_timer_remove(struct coro_sched *sched, struct coro_flow *flow);
void coro_timers_fire(struct coro_worker *worker); /* in the domain */

/* io.c */
int coro_io_prepare(struct coro_sched *sched, enum coro_io_choice wanted); /* 0, -EINVAL */
void coro_io_end(struct coro_sched *sched); /* no thread runs any more */
void coro_io_chore(struct coro_worker *worker); /* a poller is open. In the domain */

/* blocking.c */
void coro_helpers_end(struct coro_sched *sched); /* all flows have ended */

/* backtrace.c: to `file`, a line a frame. */
void coro_backtrace(FILE *file, const struct coro_context *from); /* which is suspended */
void coro_backtrace_self(FILE *file, void *first_pc); /* one's own, from that frame on */
void coro_backtrace_top(FILE *file, const void *pc);

/* dump.c */
void coro_report_deadlock(struct coro_sched *sched);

#endif
