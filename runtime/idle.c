/* SPDX-License-Identifier: MIT
 *
 * idle.c: what a worker does with nothing to run: look round, steal, sleep; and how it is
 * found that nobody will ever have anything to run again.
 *
 * Stealing. A thief stops the victim's domain and takes of its ring, or, when that is empty and the
 * front stack higher than flows that hand values to and fro make it, the oldest of that: of a tree
 * of flows, the largest branches. When the victim has not switched since the last look it takes what
 * there is: so a flow that never yields holds up nobody else.
 * Each raid costs the victim some cache lines, and each flow moved a handful, which between two
 * caches may be a microsecond: a hundred times what a flow that only yields runs for. So a thief
 * begins with few (`greed`), twice as many after each raid that was worth it; after one whose loot
 * did not last it takes half as many, and goes back only after a while that doubles each time
 * (`backoff_ns`), as after one in vain. From a victim that is stuck it takes half: there nobody else
 * runs them.
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
    STUCK_NS = 50 * 1000, /* no switch for so long: its front may be stolen */
    PROFIT_NS = 30 * 1000, /* loot that lasts for less was not worth it, */
    PROFIT_PER_FLOW_NS = 4000, /* nor many flows that end at once: moving one costs a fair part */
    BACKOFF_MAX_NS = 4 * 1000 * 1000,
    STEAL_MAX = 512,
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

/* ---- stealing ---------------------------------------------------------------------- */

static uint64_t tick(struct coro_worker *worker)
{
    return (uint64_t)atomic_load_explicit(&worker->slot, memory_order_relaxed) * 128 +
           atomic_load_explicit(&worker->refills, memory_order_relaxed) * 512 +
           atomic_load_explicit(&worker->front_count, memory_order_relaxed);
}

/* The victim has not switched between two looks that lie apart. */
static bool is_stuck(struct coro_worker *self, struct coro_worker *victim, uint64_t now_ns)
{
    struct coro_progress *seen = &self->seen[victim->index];
    uint64_t now = tick(victim);

    if (seen->tick != now) {
        *seen = (struct coro_progress){.tick = now, .since_ns = now_ns};
        return false;
    }
    return now_ns - seen->since_ns >= STUCK_NS + self->backoff_ns;
}

/* A flow that leaves the victim will end elsewhere: its end need not be revoked then. */
static void let_go(struct coro_worker *victim, struct coro_flow *flow)
{
    if (atomic_load_explicit(&flow->object.owner, memory_order_relaxed) == (uintptr_t)victim)
        atomic_store_explicit(&flow->object.owner, CORO_SHARED, memory_order_relaxed);
}

static bool is_pinned(const struct coro_flow *flow)
{
    return atomic_load_explicit(&flow->flags, memory_order_relaxed) & CORO_FLOW_PINNED;
}

/* The victim's domain is stopped. Half of its ring, or `most`; pinned flows go back to the end. */
static unsigned take_ring(struct coro_worker *victim, struct coro_flow **loot, unsigned most)
{
    uint64_t want = (coro_ring_count(victim) + 1) / 2;
    unsigned taken = 0;

    if (want > most)
        want = most;
    for (uint64_t i = 0; i < want; i++) {
        struct coro_flow *flow = coro_ring_pop(victim);

        if (is_pinned(flow)) {
            coro_ring_push(victim, flow);
            victim->lost++;
        } else {
            loot[taken++] = flow;
        }
    }
    return taken;
}

/* The oldest half of its front stack, or `most`. */
static unsigned take_front(struct coro_worker *victim, struct coro_flow **loot, unsigned most)
{
    uint64_t count = atomic_load_explicit(&victim->front_count, memory_order_relaxed);
    uint64_t want = (count + 1) / 2;
    unsigned taken = 0, kept = 0;

    if (want > most)
        want = most;
    for (uint64_t i = 0; i < count; i++)
        if (taken < want && !is_pinned(victim->front[i]))
            loot[taken++] = victim->front[i];
        else
            victim->front[kept++] = victim->front[i];
    atomic_store_explicit(&victim->front_count, kept, memory_order_relaxed);
    return taken;
}

/* What was woken for the victim from elsewhere, if nobody there gets round to it. */
static void take_inbox(struct coro_worker *victim)
{
    struct coro_flow *flow, *next;

    flow = atomic_exchange_explicit(&victim->inbox, NULL, memory_order_acquire);
    for (; flow; flow = next) {
        next = flow->pool_next;
        coro_ring_push(victim, flow);
    }
}

/* What a thief moved from inbox to ring, or took off the ring and put back as pinned, the victim
 * may have seen in neither place as it fell asleep. Pairs with the fence in fall_asleep(). */
static void wake_if_left(struct coro_worker *victim)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (coro_ring_count(victim) && atomic_load_explicit(&victim->asleep, memory_order_relaxed))
        coro_wake_worker(victim);
}

/* Not worth it: the next only after a while. */
static void back_off(struct coro_worker *self, uint64_t now_ns)
{
    self->backoff_ns = self->backoff_ns ? self->backoff_ns * 2 : SPIN_NS;
    if (self->backoff_ns > BACKOFF_MAX_NS)
        self->backoff_ns = BACKOFF_MAX_NS;
    self->hungry_at_ns = now_ns + self->backoff_ns;
}

static bool raid(struct coro_worker *self, struct coro_worker *victim, bool stuck,
                 uint64_t now_ns)
{
    unsigned most = stuck ? STEAL_MAX : self->greed, taken;
    struct coro_flow *loot[STEAL_MAX];

    if (!coro_domain_try_stop(victim))
        return false;
    if (stuck)
        take_inbox(victim);
    taken = take_ring(victim, loot, most);
    if (!taken && (stuck || (!coro_ring_count(victim) && coro_has_surplus(victim))))
        taken = take_front(victim, loot, most);
    for (unsigned i = 0; i < taken; i++)
        let_go(victim, loot[i]);
    victim->lost += taken;
    coro_domain_resume(victim);
    wake_if_left(victim);
    if (!taken) { /* all are pinned, or the last has just begun to run */
        back_off(self, now_ns);
        return false;
    }
    coro_enter_sure();
    for (unsigned i = 0; i < taken; i++)
        coro_ring_push(self, loot[i]);
    coro_leave_worker(self);
    self->steals++;
    self->stolen += taken;
    self->loot = taken;
    if (self->trace)
        coro_trace_stole(self, taken);
    return true;
}

/* Looks at each other worker once, from a random one on. */
static bool steal(struct coro_worker *self, uint64_t now_ns)
{
    struct coro_sched *sched = self->sched;
    unsigned start = (unsigned)(coro_random(self) % sched->workers_count);
    bool hungry = now_ns >= self->hungry_at_ns;

    for (unsigned i = 0; i < sched->workers_count; i++) {
        struct coro_worker *victim = sched->workers[(start + i) % sched->workers_count];
        bool stuck;

        if (victim == self || !(coro_has_work(victim) || atomic_load(&victim->inbox)))
            continue;
        stuck = is_stuck(self, victim, now_ns);
        if (((coro_has_surplus(victim) && hungry) || stuck) &&
            raid(self, victim, stuck, now_ns)) {
            self->stole_at_ns = now_ns;
            return true;
        }
    }
    return false;
}

/* Out of work again: was the last raid worth its price? */
static void judge_last_raid(struct coro_worker *self, uint64_t now_ns)
{
    if (!self->stole_at_ns)
        return;
    if (now_ns - self->stole_at_ns >= PROFIT_NS + self->loot * PROFIT_PER_FLOW_NS) {
        self->backoff_ns = 0;
        self->greed = self->greed * 2 < STEAL_MAX ? self->greed * 2 : STEAL_MAX;
    } else {
        self->greed = self->greed / 2 > CORO_STEAL_FIRST ? self->greed / 2 : CORO_STEAL_FIRST;
        back_off(self, now_ns);
    }
    self->stole_at_ns = 0;
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
    atomic_thread_fence(memory_order_seq_cst); /* pairs with wake_if_left() */
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

static bool watches(const struct coro_worker *self)
{
    return atomic_load_explicit(&self->watch, memory_order_relaxed);
}

/* Runs flows until the queues are empty. Whether there was any. None while a channel is watched. */
static bool run_queued(struct coro_worker *self)
{
    struct coro_flow *next;
    bool ran = false;

    for (;;) {
        if (watches(self))
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

/* For a moment. Was the flow that is watched for met, or another woken? */
static bool hears(struct coro_worker *self)
{
    struct coro_chan *chan = atomic_load_explicit(&self->watch, memory_order_relaxed);

    for (unsigned i = 0; i < POLLS; i++) {
        if (atomic_load_explicit(&self->inbox, memory_order_relaxed) ||
            (chan && coro_chan_seems_met(chan, self->watched)))
            return true;
        coro_arch_pause();
    }
    return false;
}

/* Until there is something to run (true) or the spinning is over (false). */
static bool spin(struct coro_worker *self, uint64_t start_ns)
{
    struct coro_sched *sched = self->sched;
    uint64_t now_ns = start_ns, poll_ns = start_ns, look_ns = start_ns;

    if (watches(self)) {
        poll_ns += POLL_NS;
        /* Its flow may be met each time before it would look: now and then it looks first. */
        look_ns = start_ns - self->looked_at_ns < WATCH_MAX_NS ? start_ns + LOOK_NS : 0;
    }
    while (now_ns - start_ns < SPIN_NS) {
        if (look_ns && hears(self))
            return true;
        now_ns = coro_now_ns();
        if (now_ns >= poll_ns) {
            poll(self);
            if (coro_ring_count(self) || now_ns >= atomic_load(&sched->timers.first_ns))
                return true;
            poll_ns = now_ns + POLL_NS;
        }
        if (now_ns >= look_ns) {
            self->looked_at_ns = now_ns;
            if (steal(self, now_ns))
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
        judge_last_raid(self, now_ns);
        if (spins && spin(self, now_ns)) {
            if (watches(self))
                coro_chan_unwatch(self);
            send_for_watcher(sched);
            continue;
        }
        if (watches(self) && coro_chan_unwatch(self))
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
