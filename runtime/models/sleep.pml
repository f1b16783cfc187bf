/* SPDX-License-Identifier: MIT
 *
 * sleep.pml: falling asleep against being sent for, and the end of a run (idle.c), for Spin.
 *
 * Two workers and a foreign thread that pushes flows into their inboxes, holding the run
 * meanwhile. A flow may push one more to the other worker when it runs. Proved: nobody
 * sleeps for ever with a flow in an inbox; the run ends only when no flow is left and no hold;
 * and it does end. All words here are sequentially consistent atomics or under idle_lock, as in the code.
 *
 * With -DBROKEN a sleeper looks at its inbox before it says that it is asleep: Spin must find
 * the lost wake-up.
 */
#define WORKERS 2
#define FLOWS 2

byte inbox[WORKERS];
bool asleep[WORKERS];
byte asleep_count, alive, holds = 1, forwards = 1;
bool idle_lock, over;

inline lock() { atomic { !idle_lock -> idle_lock = true } }
inline unlock() { idle_lock = false }

/* coro_wake_worker() */
inline wake(w)
{
    lock();
    if
    :: asleep[w] -> asleep[w] = false; asleep_count--
    :: else -> skip
    fi;
    unlock()
}

/* coro_inbox_push() */
inline push(w)
{
    inbox[w]++;
    if
    :: asleep[w] -> wake(w)
    :: else -> skip
    fi
}

active proctype foreign()
{
    byte i;
    for (i : 1 .. FLOWS) {
        alive++;
        if
        :: push(0)
        :: push(1)
        fi
    }
    /* coro_sched_release() */
    lock();
    holds--;
    if
    :: asleep[0] -> asleep[0] = false; asleep_count--
    :: asleep[1] -> asleep[1] = false; asleep_count--
    :: !asleep[0] && !asleep[1] -> skip
    fi;
    unlock()
}

active [WORKERS] proctype worker()
{
    byte self, other;
    bool again;

    self = _pid - 1;
    other = 1 - self;

    do
    :: over -> break
    :: !over && inbox[self] > 0 ->
        atomic { inbox[self]-- }
        if /* the flow ends, or goes on on the other worker */
        :: atomic { alive-- }
        :: atomic { forwards > 0 -> forwards-- }; push(other)
        fi
    :: !over && inbox[self] == 0 ->
#ifdef BROKEN
        again = inbox[self] > 0;
#endif
        lock();
        asleep[self] = true;
        asleep_count++;
#ifndef BROKEN
        again = inbox[self] > 0 || over;
#endif
        if
        :: again -> asleep[self] = false; asleep_count--
        :: !again && asleep_count == WORKERS && inbox[0] + inbox[1] == 0 && holds == 0 ->
            assert(alive == 0);
            over = true;
            asleep[0] = false;
            asleep[1] = false;
            asleep_count = 0
        :: else -> skip
        fi;
        unlock();
        !asleep[self] /* futex_wait: until woken. Deadlock here is the lost wake-up */
    od
}
