/* SPDX-License-Identifier: MIT
 *
 * handoff.pml: a worker that attends a channel for its flow, against senders, cancels,
 * another that would attend it, and who frees the channel (handoff.c), for Spin.
 *
 * Two pinned flows on a worker each receive from a channel until they have had their share. A third
 * sends, and frees the channel when the last value is on its way. Someone cancels one of the flows, if
 * it waits: with all workers stopped, that is, none inside its domain, and by what the flow says, not
 * by the list. A worker may or may not be idle when its flow begins to wait. Proved: each value is
 * received once, nobody waits for ever, nobody touches the channel once it is freed, and no wait is
 * taken from a list that it is not in.
 *
 * A sender that waits is not modelled, as less happens: its attendant reads nothing when it is
 * met, and `handed` is written when it begins to attend and read by who meets it, both with the
 * channel. In between nobody writes it: another would have to attend, which error 4 is about, or
 * meet an attended receiver, and one word says who is attended.
 *
 * Words are sequentially consistent: they are changed under the channel's lock, but for a
 * worker's `attends`, which a release store clears, and that is all the owner does outside.
 *
 * Each planted error must be found. BROKEN is
 *   1  the worker runs its flow without giving up
 *   2  it says that it has read the value before it did
 *   3  who frees does not ask whether somebody still has to look
 *   4  who would attend does not ask whether the other has read the value
 *   5  who gives up does not look again, with the channel
 *   6  a sender hands over though that wait is in no list
 *   7  who cancels does not ask whether the flow was met
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define VALUES 3
#define NOTHING 0
#define CANCELLED 9

bool in_list[2], inbox[2], attends[2];
bool waiting[2]; /* what the flow says */
bool inside[2];  /* its domain, without the channel */
byte variable[2];         /* where a wait's value goes */
byte attended, attendant; /* a flow's number and 1; 0: none */
byte handed;
byte received[VALUES + 1];
byte quota[2];
bool locked, cancelled, freed;

inline lock()
{
    atomic { !locked -> locked = true; assert(!freed) }
}

inline unlock()
{
    locked = false
}

proctype receiver(byte me)
{
    bool got;

    do
    :: quota[me] == 0 -> break
    :: quota[me] > 0 ->
        got = false;
        lock();
        in_list[me] = true;
        waiting[me] = true;
        if
        :: !attends[me] && !in_list[1 - me] &&
           (BROKEN == 4 || attendant == 0 || !attends[attendant - 1]) ->
            attendant = me + 1;
            attends[me] = true;
            attended = me + 1
        :: true
        fi;
        unlock();
        if
        :: attends[me] ->
            /* It may give up at any time: to sleep, or for other flows. */
            if
            :: BROKEN == 1 && inbox[me] -> goto woken
            :: else
            fi;
            atomic { got = attended != me + 1; assert(!freed) };
            if
            :: !got ->
                lock();
                got = BROKEN != 5 && attended != me + 1;
                if
                :: !got -> attended = 0
                :: else
                fi;
                atomic { inside[me] = true; unlock() }
            :: else -> inside[me] = true
            fi;
            if
            :: got ->
                if
                :: BROKEN == 2 -> attends[me] = false
                :: else
                fi;
                atomic { variable[me] = handed; assert(!freed) };
                waiting[me] = false
            :: else
            fi;
            attends[me] = false;
            inside[me] = false
        :: else
        fi;
woken:  if
        :: !got -> inbox[me]; inbox[me] = false
        :: else
        fi;
        if
        :: variable[me] == CANCELLED
        :: else ->
            received[variable[me]]++;
            assert(received[variable[me]] == 1);
            quota[me]--
        fi;
        variable[me] = NOTHING
    od
}

/* As any but an attended wait is taken from the list. */
inline take(from, value)
{
    assert(in_list[from]);
    in_list[from] = false;
    waiting[from] = false;
    variable[from] = value;
    inbox[from] = true
}

proctype sender()
{
    byte i, w;

    for (i : 1 .. VALUES) {
again:  (in_list[0] || in_list[1]);
        lock();
        w = attended;
        if
        :: w != 0 && (in_list[w - 1] || BROKEN == 6) && !in_list[2 - w] ->
            handed = i;
            in_list[w - 1] = false;
            attended = 0
        :: else ->
            if
            :: in_list[0] -> take(0, i)
            :: in_list[1] -> take(1, i)
            :: else -> unlock(); goto again
            fi
        fi;
        unlock()
    }
    cancelled;
    lock();
    w = attendant;
    unlock();
    if
    :: BROKEN == 3
    :: else -> (w == 0 || !attends[w - 1])
    fi;
    freed = true
}

inline cancel(flow)
{
    waiting[flow] && (BROKEN == 7 || !(attends[flow] && attended != flow + 1)) ->
        take(flow, CANCELLED)
}

proctype canceller()
{
    atomic {
        !locked && !inside[0] && !inside[1];
        if
        :: cancel(0)
        :: cancel(1)
        :: true
        fi;
        cancelled = true
    }
}

init {
    atomic {
        quota[0] = 2;
        quota[1] = 1;
        run receiver(0);
        run receiver(1);
        run sender();
        run canceller()
    }
}
