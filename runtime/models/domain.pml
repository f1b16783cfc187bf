/* SPDX-License-Identifier: MIT
 *
 * domain.pml: the biased lock of worker.h, for Spin.
 *
 * One worker enters its domain again and again, by the fast path; two others stop it. Each
 * store of the worker goes through a store buffer, which drains at any time, or when membarrier
 * makes it. On one kind of processor that is first in, first out, as on x86; on the other (`weak`,
 * as aarch64 and riscv64 may be) each variable drains by itself, and only a release, by which
 * the worker leaves, waits for what was stored before it. The worker reads `key` by an acquire: no
 * later read comes before it. Proved on both: never are two of them in the domain; what one did
 * there is seen by the next (`data`); and all get in (no end but the proper one).
 *
 * On x86-64 half of the entries are yields: they enter by critical = slot and leave by slot + 1,
 * and what they left in `critical` must not look like an entry when a thief has moved the slot:
 * a thief takes it away. The slot is read before the worker is inside, and may be an old one
 * by then: it is believed only if nobody has cleared slot_limit, which is read after `key`.
 *
 * With -DBROKEN=1 membarrier does nothing, with -DBROKEN=2 a thief leaves what a yield left there,
 * and the ring goes round, with -DBROKEN=3 the worker leaves without a release, with
 * -DBROKEN=4 a thief moves the slot and lets the limit be: Spin must then find the error, or the
 * model proves nothing.
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

bool weak; /* chosen once, by the worker */
/* slot < slot_limit: who moves the slot clears it. Only who is inside writes it, so no buffer. */
bool may_yield = true;

/* The worker's store buffer: pairs of which variable and its value. */
chan buffer = [BUFFER] of { byte, byte };
/* If weak: values of `data`, and of `critical` with how many of the former must drain before. */
chan datas = [BUFFER] of { byte };
chan criticals = [BUFFER] of { byte, byte };
byte data_sent, data_drained;
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
    :: atomic { datas ? value -> data = value; data_drained++ }
    od
}

active proctype memory_of_critical()
{
    byte value, need;
end:
    do
    :: criticals ? <value, need>;
        atomic { data_drained >= need -> criticals ? value, need; critical = value }
    od
}

#define drained (empty(buffer) && empty(datas) && empty(criticals))

/* critical = value. `need`: 0, or for a release data_sent. */
inline store_critical(value, need)
{
    if
    :: weak -> criticals ! value, need
    :: else -> buffer ! CRITICAL, value
    fi
}

#if BROKEN == 3
#define leave() store_critical(OUT, 0)
#else
#define leave() store_critical(OUT, data_sent)
#endif

inline membarrier()
{
#if BROKEN != 1
    atomic { drained -> skip } /* the kernel waits until it has drained */
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
        :: nempty(datas) || buffer ?? [DATA, _] -> skip
        :: empty(datas) && !buffer ?? [DATA, _] -> assert(data == expected)
        fi;
        expected++;
        seen = expected
    }
    atomic { inside-- }
    if
    :: weak -> atomic { datas ! seen; data_sent++ }
    :: else -> buffer ! DATA, seen
    fi
}

/* coro_enter_slow() */
inline enter_slow()
{
    do
    :: store_critical(IN, 0);
        drained; /* a fence */
        if
        :: !stopped -> break
        :: else ->
            leave();
            !stopped /* spins */
        fi
    od
}

inline enter_sure()
{
    store_critical(IN, 0);
    if
    :: key -> skip
    :: else -> enter_slow()
    fi
}

active proctype worker()
{
    byte round, seen, at;
    bool go;

    if
    :: weak = true
    :: weak = false
    fi;
    do
    :: round < ROUNDS ->
        if
        :: enter_sure(); /* any other entry */
            in_domain();
            leave()
        :: !weak -> /* a yield */
            atomic {
                if /* reads its own buffered store first */
                :: buffer ?? [SLOT, _] -> skip
                :: !buffer ?? [SLOT, _] -> at = slot
                fi
            }
            store_critical(AT(at), 0);
            if
            :: key -> go = may_yield
            :: else -> go = false
            fi;
            if
            :: go ->
                in_domain();
                at++;
                buffer ! SLOT, at
            :: else ->
                enter_sure();
                in_domain();
                may_yield = true;
                leave()
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
    :: slot > 0 ->
#if BROKEN != 4
        may_yield = false;
#endif
        slot--
    :: skip
    fi;
    atomic { inside-- }
    key = true;
    stopped = 0;
    stop_lock = false
}
