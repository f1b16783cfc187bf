/* SPDX-License-Identifier: MIT
 *
 * steal.c: how an idle worker takes flows from one that has more than it needs.
 *
 * A thief stops the victim's domain and takes of its ring, or, when that is empty and the
 * front stack higher than flows that hand values to and fro make it, the oldest of that:
 * of a tree of flows, the largest branches. When the victim has not switched since the
 * last look it takes what there is: so a flow that never yields holds up nobody else.
 *
 * Each raid costs the victim some cache lines, and each flow moved a handful, which
 * between two caches may be a microsecond: a hundred times what a flow that only yields
 * runs for. So a thief begins with few (`greed`), twice as many after each raid that was
 * worth it; after one whose loot did not last it takes half as many, and goes back only
 * after a while that doubles each time (`backoff_ns`), as after one in vain. From a
 * victim that is stuck it takes half: there nobody else runs them.
 */
#include "internal.h"
#include "trace.h"

enum {
    STUCK_NS = 50 * 1000, /* no switch for so long: its front may be stolen */
    PROFIT_NS = 30 * 1000, /* loot that lasts for less was not worth it, */
    PROFIT_PER_FLOW_NS = 4000, /* nor many flows that end at once: moving one costs a fair part */
    BACKOFF_FIRST_NS = 20 * 1000, /* as long as an idle worker spins */
    BACKOFF_MAX_NS = 4 * 1000 * 1000,
    STEAL_MAX = 512,
};

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

/* The victim's domain is stopped. Half of its ring, or `most`; pinned flows go back to its
 * end. */
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

/* What a thief moved from inbox to ring, or took off the ring and put back as pinned, the
 * victim may have seen in neither place as it fell asleep. Pairs with the fence in
 * fall_asleep() (idle.c). */
static void wake_if_left(struct coro_worker *victim)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (coro_ring_count(victim) && atomic_load_explicit(&victim->asleep, memory_order_relaxed))
        coro_wake_worker(victim);
}

/* Not worth it: the next only after a while. */
static void back_off(struct coro_worker *self, uint64_t now_ns)
{
    self->backoff_ns = self->backoff_ns ? self->backoff_ns * 2 : BACKOFF_FIRST_NS;
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
bool coro_steal(struct coro_worker *self, uint64_t now_ns)
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
void coro_judge_last_raid(struct coro_worker *self, uint64_t now_ns)
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
