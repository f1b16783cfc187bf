/* SPDX-License-Identifier: MIT
 *
 * sleep.pml: falling asleep against being sent for and being robbed, and the end of a run
 * (idle.c, steal.c), for Spin.
 *
 * Three workers, and a foreign thread that pushes flows into an inbox and holds the run
 * meanwhile. A flow that runs ends, or is pushed to another worker. A worker without work falls
 * asleep or raids another, which it may take for stuck: then it moves the victim's inbox to its
 * ring first. It puts pinned flows back at the end of that ring. Proved: nobody sleeps for ever
 * with a flow in an inbox or on a ring; the run ends only when no flow is left and no hold;
 * and it does end.
 *
 * No sleeper wakes by itself here; in idle.c those that watch do, which hides errors and
 * mends none: the last one to sleep ends the run. Words are sequentially consistent: they are
 * atomics of that kind, or under idle_lock, or (the rings) have a full fence on both sides.
 *
 * Each planted error must be found. BROKEN is
 *   1  the sleeper looks at its inbox before it says that it is asleep
 *   2  it does not look at its ring
 *   3  a thief does not look whether whom it robbed sleeps on what is left
 *   4  it does so only where it took the victim for stuck
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define WORKERS 3

typedef flows { byte free, pinned }

flows inbox[WORKERS], ring[WORKERS];
bool domain[WORKERS]; /* someone is in it */
bool asleep[WORKERS];
byte asleep_count, alive, holds = 1;
byte pushes = 2; /* that may still happen */
bool idle_lock, over;

#define any(where) (where.free + where.pinned > 0)

/* coro_wake_worker() */
inline wake(w)
{
    atomic {
        !idle_lock;
        if
        :: asleep[w] -> asleep[w] = false; asleep_count--
        :: else -> skip
        fi
    }
}

/* coro_inbox_push() */
inline push(w)
{
    if
    :: inbox[w].free++
    :: inbox[w].pinned++
    fi;
    if
    :: asleep[w] -> wake(w)
    :: else -> skip
    fi
}

/* inbox_drain() and take_inbox(). In the domain; an exchange, then pushes. */
inline drain(w)
{
    d_step {
        moved.free = inbox[w].free;
        moved.pinned = inbox[w].pinned;
        inbox[w].free = 0;
        inbox[w].pinned = 0
    }
    d_step {
        ring[w].free = ring[w].free + moved.free;
        ring[w].pinned = ring[w].pinned + moved.pinned;
        moved.free = 0;
        moved.pinned = 0
    }
}

/* take_ring(). */
inline take(w)
{
    want = (ring[w].free + ring[w].pinned + 1) / 2;
    do
    :: want > 0 && ring[w].free > 0 -> atomic { ring[w].free--; loot++; want-- }
    :: want > 0 && ring[w].pinned > 0 -> atomic { ring[w].pinned--; want-- };
        ring[w].pinned++
    :: want == 0 -> break
    od
}

/* wake_if_left() */
inline wake_if_left(w)
{
    if
    :: any(ring[w]) && asleep[w] -> wake(w)
    :: else -> skip
    fi
}

inline raid(w)
{
    atomic { !domain[w] -> domain[w] = true };
    if
    :: stuck = true; drain(w)
    :: stuck = false
    fi;
    take(w);
    domain[w] = false;
#if BROKEN == 4
    if
    :: stuck -> wake_if_left(w)
    :: else -> skip
    fi;
#elif BROKEN != 3
    wake_if_left(w);
#endif
    atomic {
        !domain[self];
        ring[self].free = ring[self].free + loot;
        loot = 0;
        stuck = false
    }
}

/* Whether it got one, and what that did. coro_next(), coro_chores(). At once, as nobody acts upon what an awake
 * worker does in its own domain before it has left it. */
inline dequeue()
{
    atomic {
        !domain[self];
        if
        :: any(ring[self]) -> skip
        :: else -> drain(self)
        fi;
        if
        :: ring[self].free > 0 -> ring[self].free--; got = true
        :: ring[self].pinned > 0 -> ring[self].pinned--; got = true
        :: else -> skip
        fi;
        if
        :: got -> alive--; ended = true
        :: got && pushes > 0 -> pushes--
        :: else -> skip
        fi
    }
}

active proctype foreign()
{
    do
    :: atomic { pushes > 0 -> pushes--; alive++ }; push(0)
    :: break
    od;
    /* coro_sched_release() */
    atomic {
        !idle_lock;
        holds--;
        if
        :: asleep[0] -> asleep[0] = false; asleep_count--
        :: asleep[1] -> asleep[1] = false; asleep_count--
        :: asleep[2] -> asleep[2] = false; asleep_count--
        :: else -> skip
        fi
    }
}

inline fall_asleep()
{
#if BROKEN == 1
    again = any(inbox[self]);
#endif
    atomic {
        !idle_lock -> idle_lock = true;
        asleep_count++;
        asleep[self] = true
    }
#if BROKEN != 1
    again = any(inbox[self]);
#endif
#if BROKEN != 2
    again = again || any(ring[self]);
#endif
    atomic {
        if
        :: again || over -> asleep[self] = false; asleep_count--
        :: !again && !over && asleep_count == WORKERS && holds == 0 &&
                !any(inbox[0]) && !any(inbox[1]) && !any(inbox[2]) ->
            assert(alive == 0);
            over = true;
            asleep[0] = false;
            asleep[1] = false;
            asleep[2] = false;
            asleep_count = 0
        :: else -> skip
        fi;
        again = false;
        idle_lock = false
    }
    !asleep[self] /* futex_wait: until woken. A deadlock here is a lost wake-up */
}

active [WORKERS] proctype worker()
{
    byte self, want, loot;
    bool again, got, ended, stuck;
    flows moved;

    self = _pid - 1;
    do
    :: over -> break
    :: else ->
        dequeue();
        if
        :: got -> got = false;
            if /* the flow ends, or goes on on another worker */
            :: ended -> ended = false
            :: else -> push((self + 1) % WORKERS)
            fi
        :: !got && (any(ring[(self + 1) % WORKERS]) || any(inbox[(self + 1) % WORKERS])) ->
            raid((self + 1) % WORKERS)
        :: !got && (any(ring[(self + 2) % WORKERS]) || any(inbox[(self + 2) % WORKERS])) ->
            raid((self + 2) % WORKERS)
        :: !got -> fall_asleep()
        fi
    od
}
