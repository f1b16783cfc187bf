/* SPDX-License-Identifier: MIT
 *
 * domain.pml: the biased lock of worker.h, for Spin.
 *
 * One worker enters its domain again and again, by the fast path; two others stop it. Each
 * store of the worker goes through a store buffer (first in, first out, as on x86), which
 * drains at any time, or when membarrier makes it. Proved: never are two of them in the domain;
 * what one did there is seen by the next (`data` is written through the same buffer); and all
 * get in (no end but the proper one).
 *
 * Half of the entries are yields: they enter by critical = slot and leave by slot + 1, and what
 * they left in `critical` must not look like an entry when a thief has moved the slot: a
 * thief takes it away.
 *
 * With -DBROKEN=1 membarrier does nothing, with -DBROKEN=2 a thief leaves what a yield left there,
 * and the ring goes round: Spin must then find the error, or the model proves
 * nothing.
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define ROUNDS 3
#define BUFFER 4
#define OUT 0
#define IN 1 /* and AT(slot), while `slot` is that */
#define AT(slot) (slot + 2)

/* Memory, as all see it. */
byte critical, stopped, data, slot;
bool key = true; /* true: the worker's */
bool stop_lock;

/* The worker's store buffer: pairs of which variable and its value. */
chan buffer = [BUFFER] of { byte, byte };
byte expected; /* what data must be: counts all entries */
byte inside;

#define CRITICAL 0
#define DATA 1
#define SLOT 2

inline apply(which, value)
{
    if
    :: which == CRITICAL -> critical = value
    :: which == DATA -> data = value
    :: which == SLOT -> slot = value
    fi
}

active proctype memory()
{
    byte which, value;
end:
    do
    :: atomic { buffer ? which, value -> apply(which, value) }
    od
}

inline membarrier()
{
#if BROKEN != 1
    atomic { empty(buffer) -> skip } /* the kernel waits until it has drained */
#else
    skip
#endif
}

inline in_domain()
{
    atomic {
        inside++;
        assert(inside == 1);
        if /* its own store, still buffered, is what it would read */
        :: buffer ?? [DATA, _] -> skip
        :: else -> assert(data == expected)
        fi;
        expected++;
        seen = expected
    }
    atomic { inside-- }
    buffer ! DATA, seen
}

/* coro_enter_slow() */
inline enter_slow()
{
    do
    :: buffer ! CRITICAL, IN;
        empty(buffer); /* a fence */
        if
        :: !stopped -> break
        :: else ->
            buffer ! CRITICAL, OUT;
            !stopped /* spins */
        fi
    od
}

active proctype worker()
{
    byte round, seen, at;
    do
    :: round < ROUNDS ->
        if
        :: buffer ! CRITICAL, IN; /* any other entry */
            if
            :: key -> skip
            :: else -> enter_slow()
            fi;
            in_domain();
            buffer ! CRITICAL, OUT
        :: atomic { /* a yield. Reads its own buffered store first */
                if
                :: buffer ?? [SLOT, _] -> skip
                :: else -> at = slot
                fi
            }
            buffer ! CRITICAL, AT(at);
            if
            :: key ->
                in_domain();
                at++;
                buffer ! SLOT, at
            :: else ->
                enter_slow();
                in_domain();
                buffer ! CRITICAL, OUT
            fi
        fi;
        round++
    :: else -> break
    od
}

active [2] proctype thief()
{
    byte c, s;

    atomic { !stop_lock -> stop_lock = true }
    stopped = 1;
    key = false;
    membarrier();
    do /* spins */
    :: c = critical;
        s = slot;
        if
        :: c != IN && c != AT(s) -> break
        :: else -> critical != c || slot != s /* to look again before is of no use */
        fi
    od;
#if BROKEN != 2
    atomic {
        if
        :: c != OUT && critical == c -> critical = OUT
        :: else -> skip
        fi
    }
#endif
    atomic { inside++; assert(inside == 1) }
    assert(data == expected); /* all that the worker did is visible */
    atomic { data = data + 1; expected = expected + 1 }
    if /* takes what is there: the ring has gone round */
    :: slot > 0 -> slot--
    :: skip
    fi;
    atomic { inside-- }
    key = true;
    stopped = 0;
    stop_lock = false
}
