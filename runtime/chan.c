/* SPDX-License-Identifier: MIT
 *
 * chan.c: channels, whatever the inlined paths of fast.h leave. Rules: coro.h.
 *
 * Invariants, with the channel ours:
 *  - a waiting receiver means an empty buffer and no waiting plain sender;
 *  - a waiting sender means a full buffer; none waits on a closed channel;
 *  - `word_open` says that elements have 8 bytes and the channel is not closed.
 *
 * Up to three players meet: who calls, who waits on the other side, and the buffer. A value
 * goes straight to or from the waiter's own variable; through the buffer only if there is no
 * waiter, or, to keep the order, when a receiver makes room for a waiting sender.
 *
 * The buffer is a ring with a free slot at least, between `put` and `get`. A send may put its
 * element at `put` and move on, as long as that is not `put_limit`: up to there the slots are
 * free and do not wrap, no receiver waits, and the channel is open. A receive does alike with
 * `get`. So the usual send and receive touch one pointer each, and neither counts. The limits
 * may be behind the truth, never ahead of it: who begins to wait or closes draws them
 * in (coro_chan_shut()), and a slow half sets them anew (open_limits()).
 *
 * Who waits alone, pinned to an idle worker that attends the channel, is met without being
 * woken: handoff.c.
 *
 * A waiter in a list may be a select that another channel has already won, and that has
 * not yet come to withdraw it; the claim tells (flow.c), and it is dropped in passing. Its memory is
 * there: it withdraws with the channel locked.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "fatal.h"
#include "handoff.h"

_Static_assert(offsetof(struct coro_chan, senders) == CORO_LINE_BYTES &&
                   offsetof(struct coro_chan, stride) == 2 * CORO_LINE_BYTES,
               "a line each");

static void copy(const struct coro_chan *chan, void *to, const void *from)
{
    if (coro_likely(chan->element_bytes == 8))
        memcpy(to, from, 8);
    else
        memcpy(to, from, chan->element_bytes);
}

static struct coro_wait *take_waiter(struct coro_link *list)
{
    while (list->next != list) {
        struct coro_wait *wait = (struct coro_wait *)list->next;

        coro_link_remove(&wait->link);
        if (!wait->claim || coro_claim(wait->flow, wait->claim, wait, 0))
            return wait;
    }
    return NULL;
}

static bool has_waiter(struct coro_link *list)
{
    while (list->next != list) {
        struct coro_wait *wait = (struct coro_wait *)list->next;

        if (!wait->claim ||
            atomic_load_explicit(&wait->flow->claim, memory_order_relaxed) == wait->claim)
            return true;
        coro_link_remove(&wait->link);
    }
    return false;
}

static char *wrapped(const struct coro_chan *chan, char *slot)
{
    return slot == chan->buffer_end ? chan->buffer : slot;
}

/* What is buffered. Never divided: elements may have any size. */
static size_t used_bytes(const struct coro_chan *chan)
{
    ptrdiff_t bytes = wrapped(chan, chan->put) - wrapped(chan, chan->get);

    return (size_t)(bytes < 0 ? bytes + (chan->buffer_end - chan->buffer) : bytes);
}

/* How much more can be: one slot is always free. */
static size_t free_bytes(const struct coro_chan *chan)
{
    size_t room = (size_t)(chan->buffer_end - chan->buffer);

    return room ? room - chan->stride - used_bytes(chan) : 0;
}

static void buffer_put(struct coro_chan *chan, const void *element)
{
    char *slot = wrapped(chan, chan->put);

    copy(chan, slot, element);
    chan->put = slot + chan->stride;
}

static void buffer_get(struct coro_chan *chan, void *element)
{
    char *slot = wrapped(chan, chan->get);

    copy(chan, element, slot);
    chan->get = slot + chan->stride;
}

static char *limit(const struct coro_chan *chan, char *from, size_t most)
{
    size_t to_end = (size_t)(chan->buffer_end - from);

    return from + (most < to_end ? most : to_end);
}

/* How far sends and receives may go by themselves from here on. */
static void open_limits(struct coro_chan *chan)
{
    coro_chan_shut(chan);
    if (chan->element_bytes != sizeof(uint64_t))
        return;
    if (!chan->closed && !has_waiter(&chan->receivers)) {
        chan->put = wrapped(chan, chan->put);
        chan->put_limit = limit(chan, chan->put, free_bytes(chan));
    }
    if (!has_waiter(&chan->senders)) {
        chan->get = wrapped(chan, chan->get);
        chan->get_limit = limit(chan, chan->get, used_bytes(chan));
    }
}

/* ---- sending and receiving ------------------------------------------------------------ */

int coro_chan_send_now(struct coro_worker *worker, struct coro_chan *chan, const void *element)
{
    struct coro_wait *receiver;

    if (chan->closed)
        return -EPIPE;
    if (coro_handoff_meet(chan, &chan->receivers)) {
        memcpy(&chan->handed, element, sizeof chan->handed);
        coro_handoff_tell(chan);
        return 0;
    }
    receiver = take_waiter(&chan->receivers);
    if (receiver) {
        copy(chan, receiver->value, element);
        coro_wake(worker, receiver->flow);
        return 0;
    }
    if (!free_bytes(chan))
        return -EAGAIN;
    buffer_put(chan, element);
    open_limits(chan);
    return 0;
}

int coro_chan_recv_now(struct coro_worker *worker, struct coro_chan *chan, void *element)
{
    struct coro_wait *sender;

    if (used_bytes(chan)) {
        buffer_get(chan, element);
        sender = take_waiter(&chan->senders);
        if (sender) {
            buffer_put(chan, sender->value);
            coro_wake(worker, sender->flow);
        }
        open_limits(chan);
        return 0;
    }
    if (coro_handoff_meet(chan, &chan->senders)) {
        memcpy(element, &chan->handed, sizeof chan->handed);
        coro_handoff_tell(chan);
        return 0;
    }
    sender = take_waiter(&chan->senders);
    if (sender) {
        copy(chan, element, sender->value);
        coro_wake(worker, sender->flow);
        return 0;
    }
    if (!chan->closed)
        return -EAGAIN;
    memset(element, 0, chan->element_bytes);
    return -EPIPE;
}

bool coro_chan_send_ready(struct coro_chan *chan)
{
    return chan->closed || free_bytes(chan) || has_waiter(&chan->receivers);
}

bool coro_chan_recv_ready(struct coro_chan *chan)
{
    return chan->closed || used_bytes(chan) || has_waiter(&chan->senders);
}

/* Empty, and about to stay so for a while: the next elements begin at the beginning, so that as
 * many as fit come without a wrap. */
static void rewind_buffer(struct coro_chan *chan)
{
    chan->put = chan->get = chan->buffer;
}

/* The common end of the slow halves: done with `result`, or wait if that is -EAGAIN. */
static struct coro_flow *done_or_wait(struct coro_worker *worker, struct coro_chan *chan,
                                      bool locked, int result, struct coro_link *list,
                                      void *element, const char *why, struct coro_wait *wait)
{
    if (result == -EAGAIN && !coro_is_cancelled(worker)) {
        coro_wait_begin(worker, wait, &chan->object, list, element, why);
        wait->value_bytes = chan->element_bytes;
        if (chan->capacity && list == &chan->receivers)
            rewind_buffer(chan);
        if (chan->capacity)
            coro_chan_shut(chan);
        if (locked)
            coro_handoff_attend(worker, chan, list, wait);
        return coro_park(worker, &chan->object, locked);
    }
    coro_release(worker, &chan->object, locked);
    wait->result = result == -EAGAIN ? -ECANCELED : result;
    return NULL;
}

static struct coro_flow *wait_for_nil(const char *why, struct coro_wait *wait)
{
    coro_leave();
    wait->result = coro_block_for_ever(why);
    return NULL;
}

struct coro_flow *coro_chan_send_slow(struct coro_chan *chan, const void *element,
                                      struct coro_wait *wait)
{
    struct coro_worker *worker = coro_worker_self();
    bool locked;

    if (!chan)
        return wait_for_nil("sending to a nil channel", wait);
    locked = coro_acquire(worker, &chan->object);
    return done_or_wait(worker, chan, locked, coro_chan_send_now(worker, chan, element),
                        &chan->senders, (void *)element, "sending to a channel", wait);
}

struct coro_flow *coro_chan_recv_slow(struct coro_chan *chan, void *element,
                                      struct coro_wait *wait)
{
    struct coro_worker *worker = coro_worker_self();
    bool locked;

    if (!chan)
        return wait_for_nil("receiving from a nil channel", wait);
    locked = coro_acquire(worker, &chan->object);
    return done_or_wait(worker, chan, locked, coro_chan_recv_now(worker, chan, element),
                        &chan->receivers, element, "receiving from a channel", wait);
}

int coro_chan_try_send(struct coro_chan *chan, const void *element)
{
    struct coro_worker *worker;
    bool locked;
    int result;

    if (!chan)
        return -EAGAIN;
    worker = coro_enter();
    locked = coro_acquire(worker, &chan->object);
    result = coro_chan_send_now(worker, chan, element);
    coro_release(worker, &chan->object, locked);
    return result;
}

int coro_chan_try_recv(struct coro_chan *chan, void *element)
{
    struct coro_worker *worker;
    bool locked;
    int result;

    if (!chan)
        return -EAGAIN;
    worker = coro_enter();
    locked = coro_acquire(worker, &chan->object);
    result = coro_chan_recv_now(worker, chan, element);
    coro_release(worker, &chan->object, locked);
    return result;
}

/* Everyone waiting goes on in the order they came, after who runs already. */
static void close_waiters(struct coro_worker *worker, struct coro_chan *chan,
                          struct coro_link *list, bool clear)
{
    struct coro_wait *wait;

    while ((wait = take_waiter(list))) {
        if (clear)
            memset(wait->value, 0, chan->element_bytes);
        wait->result = -EPIPE;
        coro_wake_back(worker, wait->flow);
    }
}

int coro_chan_close(struct coro_chan *chan)
{
    struct coro_worker *worker;
    bool locked;
    int result;

    if (!chan)
        return -EINVAL;
    worker = coro_enter();
    locked = coro_acquire(worker, &chan->object);
    result = chan->closed ? -EPIPE : 0;
    chan->closed = true;
    chan->word_open = 0;
    coro_chan_shut(chan);
    close_waiters(worker, chan, &chan->receivers, true);
    close_waiters(worker, chan, &chan->senders, false);
    coro_release(worker, &chan->object, locked);
    return result;
}

size_t coro_chan_count(struct coro_chan *chan)
{
    struct coro_worker *worker;
    bool locked;
    size_t count;

    if (!chan)
        return 0;
    worker = coro_enter();
    locked = coro_acquire(worker, &chan->object);
    count = used_bytes(chan) / chan->stride;
    coro_release(worker, &chan->object, locked);
    return count;
}

struct coro_chan *coro_chan_new(size_t element_bytes, size_t capacity)
{
    size_t head = sizeof(struct coro_chan) + CORO_LINE_BYTES; /* from any 16th byte to a line */
    size_t stride = element_bytes ? element_bytes : 1;
    size_t buffer_bytes, bytes;
    struct coro_chan *chan;
    char *memory, *buffer;

    if (capacity > UINT32_MAX || element_bytes > UINT32_MAX ||
        __builtin_mul_overflow(stride, capacity ? capacity + 1 : 0, &buffer_bytes) ||
        __builtin_add_overflow(buffer_bytes, head, &bytes) || bytes > PTRDIFF_MAX)
        return NULL;
    memory = malloc(bytes);
    if (!memory)
        return NULL;
    chan = (struct coro_chan *)(((uintptr_t)memory + CORO_LINE_BYTES - 1) / CORO_LINE_BYTES *
                                CORO_LINE_BYTES);
    buffer = (char *)(chan + 1);
    *chan = (struct coro_chan){
        .memory = memory,
        .put = buffer,
        .get = buffer,
        .word_open = element_bytes == sizeof(uint64_t),
        .capacity = (uint32_t)capacity,
        .receivers = {&chan->receivers, &chan->receivers},
        .senders = {&chan->senders, &chan->senders},
        .element_bytes = (uint32_t)element_bytes,
        .stride = (uint32_t)stride,
        .buffer = buffer,
        .buffer_end = buffer + buffer_bytes,
    };
    coro_chan_shut(chan);
    coro_object_init(&chan->object, CORO_PATIENCE_FIRST);
    return chan;
}

/* Nobody needs it any more: whether it may go now. Some may not have let go of it yet, though this
 * flow knows already of what they did: who sent the last value or closed it, so it is taken once
 * more; an idle worker that attended it; and selects that another case or this one has woken, of
 * which the last to withdraw frees it. */
static bool let_all_go(struct coro_worker *worker, struct coro_chan *chan)
{
    bool locked = coro_acquire(worker, &chan->object);
    struct coro_worker *attendant = chan->attendant;
    bool waited_for = has_waiter(&chan->receivers) || has_waiter(&chan->senders);
    bool in_selects = chan->in_selects;
    unsigned spins = 0;

    chan->freed = true;
    coro_release(worker, &chan->object, locked);
    if (waited_for)
        coro_fatal("chan: freed while a flow waits for it");
    if (in_selects)
        return false;
    while (coro_handoff_pends(attendant, chan))
        coro_relax(&spins); /* an idle worker is about to look */
    return true;
}

void coro_chan_free(struct coro_chan *chan)
{
    if (chan && (!coro_worker_self() || let_all_go(coro_enter(), chan)))
        free(chan->memory);
}

void coro_chan_withdraw_last(struct coro_chan *chan)
{
    struct coro_worker *worker = coro_enter();
    bool locked = coro_acquire(worker, &chan->object);
    bool last = --chan->in_selects == 0;

    coro_release(worker, &chan->object, locked);
    if (last)
        coro_chan_free(chan);
}
