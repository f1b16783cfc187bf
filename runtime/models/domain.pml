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
 * With -DBROKEN=1 membarrier does nothing: Spin must then find the error, or the model proves
 * nothing.
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define ROUNDS 3
#define BUFFER 3

/* Memory, as all see it. */
byte critical, stopped, data;
bool key = true; /* true: the worker's */
bool stop_lock;

/* The worker's store buffer: pairs of which variable and its value. */
chan buffer = [BUFFER] of { byte, byte };
byte expected; /* what data must be: counts all entries */
byte inside;

#define CRITICAL 0
#define DATA 1

inline apply(which, value)
{
    if
    :: which == CRITICAL -> critical = value
    :: which == DATA -> data = value
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

active proctype worker()
{
    byte round, seen;
    do
    :: round < ROUNDS ->
again:
        buffer ! CRITICAL, 1;
        if /* reads its own buffered stores first; of these two it has none */
        :: key -> skip
        :: else ->
            buffer ! CRITICAL, 0;
            !stopped; /* spins */
            goto again
        fi;
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
        buffer ! DATA, seen;
        buffer ! CRITICAL, 0;
        round++
    :: else -> break
    od
}

active [2] proctype thief()
{
    atomic { !stop_lock -> stop_lock = true }
    stopped = 1;
    key = false;
    membarrier();
    critical == 0; /* spins */
    atomic { inside++; assert(inside == 1) }
    assert(data == expected); /* all that the worker did is visible */
    atomic { data = data + 1; expected = expected + 1 }
    atomic { inside-- }
    key = true;
    stopped = 0;
    stop_lock = false
}
