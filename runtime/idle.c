/* SPDX-License-Identifier: MIT
 *
 * idle.c: what a worker does with nothing to run: look round, steal (steal.c), sleep; and how it
 * is found that nobody will ever have anything to run again.
 *
 * Sleeping. While one falls asleep, one's own inbox can be filled by coro_inbox_push(), and one's
 * ring by a thief that empties the inbox, or puts back what is pinned. Both push, then look at
 * `asleep`; the sleeper sets `asleep`, then looks at both (models/sleep.pml). As long as
 * any worker runs, the others sleep with a timeout, as *watchers*, to look for flows that a
 * busy one cannot get round to; when all sleep, they do so until the next timer. A worker that wakes
 * to find work while nobody watches sends for a watcher.
 *
 * With I/O under way a worker sleeps in the poller instead of on its futex, when the poller wants it
 * to (`asleep` says which, so who wakes it knows how). It marks itself awake before it
 * turns what it found into woken flows: as long as it counts as asleep the poller still
 * says that operations are pending. So nobody takes that moment for a deadlock. A worker that is
 * alone spins, as others do, only while I/O is pending: to wake a halted CPU costs who sends to
 * it, and the one that answers, more than the spinning.
 *
 * Deadlock. Under idle_lock, everyone asleep, inboxes empty, no timer, no I/O and no hold: nothing
 * can change any more. Then either no flow is left and the run ends, or it is reported.
 *
 * Rejected: waking a sleeper for each surplus flow (a futex call of 2 us, and 20 us to
 * wake a halted virtual CPU, for flows of 10 ns); spinning for ever (the neighbour VM pays).
 */
#include "copied.h"
#include "handoff.h"
#include "io.h"
#include "segmented.h"
#include "trace.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    SPIN_NS = 20 * 1000,
    POLLS = 16, /* of what is woken from elsewhere, between looks at the clock */
    POLL_NS = 4000, /* between polls for I/O and looks at timers, */
    LOOK_NS = 10 * 1000, /* and at other workers' lines, which costs them */
    WATCH_FIRST_NS = 50 * 1000,
    WATCH_MAX_NS = 4 * 1000 * 1000,
};

enum { AWAKE, ASLEEP, ASLEEP_POLLING }; /* worker->asleep */

static const struct coro_poller *poller_of(const struct coro_sched *sched)
{
    return atomic_load_explicit(&sched->io.poller, memory_order_acquire);
}

static void futex_wait(_Atomic(uint32_t) *word, uint32_t value, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};

    /* Any return will do: the caller looks again. */
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
            until_ns == UINT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* Under idle_lock. */
static void mark_awake(struct coro_sched *sched, struct coro_worker *worker)
{
    atomic_fetch_sub_explicit(&sched->asleep, 1, memory_order_relaxed);
    if (worker->wakeable)
        atomic_fetch_sub_explicit(&sched->hungry, 1, memory_order_relaxed);
    worker->wakeable = false;
    atomic_store_explicit(&worker->asleep, AWAKE, memory_order_seq_cst);
}

/* Under idle_lock, asleep. */
static void rouse(struct coro_sched *sched, struct coro_worker *worker)
{
    bool polling =
        atomic_load_explicit(&worker->asleep, memory_order_relaxed) == ASLEEP_POLLING;

    mark_awake(sched, worker);
    if (polling)
        poller_of(sched)->interrupt(worker);
    else
        syscall(SYS_futex, &worker->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void coro_wake_worker(struct coro_worker *worker)
{
    struct coro_sched *sched = worker->sched;

    coro_spin_lock(&sched->idle_lock);
    if (atomic_load_explicit(&worker->asleep, memory_order_relaxed))
        rouse(sched, worker);
    coro_spin_unlock(&sched->idle_lock);
}

static struct coro_worker *pick_sleeper(struct coro_sched *sched, bool only_hungry)
{
    for (unsigned i = 0; i < sched->workers_count; i++) {
        struct coro_worker *worker = sched->workers[i];

        if (atomic_load_explicit(&worker->asleep, memory_order_relaxed) &&
            (worker->wakeable || !only_hungry))
            return worker;
    }
    return NULL;
}

/* Under idle_lock. */
static bool wake_locked(struct coro_sched *sched, bool only_hungry)
{
    struct coro_worker *worker = pick_sleeper(sched, only_hungry);

    if (!worker)
        return false;
    rouse(sched, worker);
    return true;
}

static bool wake_one(struct coro_sched *sched, bool only_hungry)
{
    bool woken;

    coro_spin_lock(&sched->idle_lock);
    woken = wake_locked(sched, only_hungry);
    coro_spin_unlock(&sched->idle_lock);
    return woken;
}

bool coro_wake_any(struct coro_sched *sched)
{
    return wake_one(sched, true);
}

static void wake_everyone(struct coro_sched *sched)
{
    while (wake_one(sched, false))
        ;
}

/* ---- sleeping ---------------------------------------------------------------------- */

static bool any_inbox(struct coro_sched *sched)
{
    for (unsigned i = 0; i < sched->workers_count; i++)
        if (atomic_load_explicit(&sched->workers[i]->inbox, memory_order_seq_cst))
            return true;
    return false;
}

static uint64_t flows_alive(struct coro_sched *sched)
{
    uint64_t alive = atomic_load_explicit(&sched->foreign_spawned, memory_order_relaxed);

    for (unsigned i = 0; i < sched->workers_count; i++)
        alive += sched->workers[i]->spawned - sched->workers[i]->finished;
    return alive;
}

/* Under idle_lock, all asleep. Is it over? */
static bool is_over(struct coro_sched *sched, uint64_t first_ns)
{
    const struct coro_poller *poller = poller_of(sched);
    uint64_t alive;

    if (any_inbox(sched) || atomic_load_explicit(&sched->holds, memory_order_seq_cst))
        return false;
    alive = flows_alive(sched);
    if (alive && (first_ns != UINT64_MAX || (poller && poller->pending(sched))))
        return false;
    sched->result = alive ? -EDEADLK : 0;
    atomic_store_explicit(&sched->stop, 1, memory_order_release);
    return true;
}

static void poll(struct coro_worker *self)
{
    const struct coro_poller *poller = poller_of(self->sched);

    if (!poller)
        return;
    coro_enter_sure();
    poller->poll(self);
    coro_leave_worker(self);
}

/* Sleeps, at most until `watch_ns` from now while others run. */
static void fall_asleep(struct coro_worker *self, uint64_t now_ns, uint64_t watch_ns)
{
    struct coro_sched *sched = self->sched;
    const struct coro_poller *poller = poller_of(sched);
    uint64_t until_ns, slept_from_ns;
    bool watching = false, over = false, polling, again;

    coro_spin_lock(&sched->idle_lock);
    polling = poller && poller->sleeps(self);
    atomic_store_explicit(&self->asleep, polling ? ASLEEP_POLLING : ASLEEP,
                          memory_order_seq_cst);
    self->wakeable = now_ns >= self->hungry_at_ns;
    if (self->wakeable)
        atomic_fetch_add_explicit(&sched->hungry, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&sched->asleep, 1, memory_order_relaxed);
    until_ns = atomic_load(&sched->timers.first_ns); /* whoever added one sleeps or runs */
    atomic_thread_fence(memory_order_seq_cst); /* pairs with wake_if_left() (steal.c) */
    again = atomic_load_explicit(&self->inbox, memory_order_seq_cst) || coro_ring_count(self) ||
            atomic_load_explicit(&sched->stop, memory_order_relaxed);
    if (again) {
        mark_awake(sched, self);
    } else if (atomic_load_explicit(&sched->asleep, memory_order_relaxed) ==
               sched->workers_count) {
        over = is_over(sched, until_ns);
    } else {
        watching = true;
        if (until_ns > now_ns + watch_ns)
            until_ns = now_ns + watch_ns;
        atomic_fetch_add_explicit(&sched->watchers, 1, memory_order_relaxed);
    }
    if (polling && (again || over))
        poller->wakes(self);
    coro_spin_unlock(&sched->idle_lock);
    if (over) {
        wake_everyone(sched);
        return;
    }
    if (again)
        return;
    self->sleeps++;
    slept_from_ns = self->trace ? coro_now_ns() : 0;
    if (polling)
        poller->sleep(self, until_ns);
    else
        futex_wait(&self->asleep, ASLEEP, until_ns);
    coro_spin_lock(&sched->idle_lock);
    if (polling)
        poller->wakes(self);
    if (watching)
        atomic_fetch_sub_explicit(&sched->watchers, 1, memory_order_relaxed);
    if (atomic_load_explicit(&self->asleep, memory_order_relaxed))
        mark_awake(sched, self);
    else
        self->wakes++;
    coro_spin_unlock(&sched->idle_lock);
    if (self->trace)
        coro_trace_slept(self, slept_from_ns);
    if (polling)
        poll(self);
}

/* ---- the idle flow ----------------------------------------------------------------- */

/* Finishes what a flow that parked left to be done once it is saved, then leaves. */
static void arrive(struct coro_worker *self)
{
    void (*after)(void *) = self->after;

    if (self->copied)
        coro_copied_parked(self);
    if (self->segmented) {
        coro_segmented_put_away(self->sched, self->segmented);
        self->segmented = NULL;
    }
    if (after) {
        self->after = NULL;
        after(self->after_arg);
    }
    coro_leave_worker(self);
}

static bool attends(const struct coro_worker *self)
{
    return atomic_load_explicit(&self->attends, memory_order_relaxed);
}

/* Runs flows until the queues are empty. Whether there was any. None while it attends a channel. */
static bool run_queued(struct coro_worker *self)
{
    struct coro_flow *next;
    bool ran = false;

    for (;;) {
        if (attends(self))
            return ran;
        coro_enter_sure();
        next = coro_next(self);
        if (next == &self->idle) {
            coro_chores(self);
            next = coro_next(self);
        }
        if (next == &self->idle) {
            coro_leave_worker(self);
            return ran;
        }
        ran = true;
        coro_switch_flow(self, &self->idle, next, false);
        arrive(self);
    }
}

/* Nobody looks out for what this worker, about to be busy, cannot get round to. */
static void send_for_watcher(struct coro_sched *sched)
{
    if (atomic_load_explicit(&sched->asleep, memory_order_relaxed) &&
        !atomic_load_explicit(&sched->watchers, memory_order_relaxed))
        wake_one(sched, false);
}

/* For a moment. Was the flow that waits at the attended channel met, or another woken? */
static bool hears(struct coro_worker *self)
{
    struct coro_chan *chan = atomic_load_explicit(&self->attends, memory_order_relaxed);

    for (unsigned i = 0; i < POLLS; i++) {
        if (atomic_load_explicit(&self->inbox, memory_order_relaxed) ||
            (chan && coro_handoff_seems_met(chan, self->attended)))
            return true;
        coro_arch_pause();
    }
    return false;
}

/* I/O and timers: is there something to run now? */
static bool finds_due(struct coro_worker *self, uint64_t now_ns)
{
    poll(self);
    return coro_ring_count(self) || now_ns >= atomic_load(&self->sched->timers.first_ns);
}

static bool looks_round(struct coro_worker *self, uint64_t now_ns)
{
    self->looked_at_ns = now_ns;
    return coro_steal(self, now_ns);
}

/* Until there is something to run (true) or the spinning is over (false). */
static bool spin(struct coro_worker *self, uint64_t start_ns)
{
    uint64_t now_ns = start_ns, poll_ns = start_ns, look_ns = start_ns;

    if (attends(self)) {
        poll_ns += POLL_NS;
        look_ns += LOOK_NS;
        /* Its flow may be met each time before it would look: now and then it looks first. */
        if (start_ns - self->looked_at_ns >= WATCH_MAX_NS && looks_round(self, start_ns))
            return true;
    }
    while (now_ns - start_ns < SPIN_NS) {
        if (hears(self))
            return true;
        now_ns = coro_now_ns();
        if (now_ns >= poll_ns) {
            if (finds_due(self, now_ns))
                return true;
            poll_ns = now_ns + POLL_NS;
        }
        if (now_ns >= look_ns) {
            if (looks_round(self, now_ns))
                return true;
            look_ns = now_ns + LOOK_NS;
        }
    }
    return false;
}

/* Who is alone has nobody to wait for but the kernel. */
static bool expects_io(struct coro_sched *sched)
{
    const struct coro_poller *poller = poller_of(sched);

    return poller && poller->pending(sched);
}

void coro_idle(struct coro_worker *self)
{
    struct coro_sched *sched = self->sched;
    uint64_t watch_ns = WATCH_FIRST_NS;
    bool alone = sched->workers_count == 1;

    while (!atomic_load_explicit(&sched->stop, memory_order_acquire)) {
        bool spins;
        uint64_t now_ns;

        if (run_queued(self)) {
            self->parks_idle++;
            watch_ns = WATCH_FIRST_NS;
        }
        spins = !alone || expects_io(sched);
        now_ns = spins ? coro_now_ns() : 0;
        coro_judge_last_raid(self, now_ns);
        if (spins && spin(self, now_ns)) {
            if (attends(self))
                coro_handoff_end(self);
            send_for_watcher(sched);
            continue;
        }
        if (attends(self) && coro_handoff_end(self))
            continue;
        fall_asleep(self, spins ? coro_now_ns() : 0, watch_ns);
        watch_ns = watch_ns * 2 < WATCH_MAX_NS ? watch_ns * 2 : WATCH_MAX_NS;
        if (!alone && (atomic_load(&self->inbox) || coro_ring_count(self)))
            send_for_watcher(sched);
    }
}

void coro_sched_hold(struct coro_sched *sched)
{
    atomic_fetch_add_explicit(&sched->holds, 1, memory_order_seq_cst);
}

void coro_sched_release(struct coro_sched *sched)
{
    /* Whoever wakes decides anew whether the run is over. Nobody does while we have the
     * lock, so the run still exists here. */
    coro_spin_lock(&sched->idle_lock);
    atomic_fetch_sub_explicit(&sched->holds, 1, memory_order_seq_cst);
    wake_locked(sched, false);
    coro_spin_unlock(&sched->idle_lock);
}
