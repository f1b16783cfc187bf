/* SPDX-License-Identifier: MIT
 *
 * select.c: one of several channel operations.
 *
 * All channels are taken first: if each is biased to this worker, by being in its
 * domain; else all are locked, in the order of their addresses, each once. That is the one instant.
 * Among the ready cases one is drawn (by reservoir: the k-th ready replaces the choice with
 * chance 1/k, so all are equally likely after one pass).
 *
 * If none is ready, a waiter joins each channel's list, all with the same claim. Whoever
 * wakes us must win that claim (flow.c), so no two cases happen. Then all channels are taken again
 * and the losing waiters withdrawn, each in O(1). A deadline is one more claimant.
 *
 * A waiter that is found, but whose claim someone else wins first, makes us draw again.
 *
 * Rejected: claims without an atomic while all channels are biased to one worker: one of them
 * may be revoked while we wait, and then two wakers would disagree about how to claim.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static int by_address(const struct coro_case *a, const struct coro_case *b)
{
    return (a->chan > b->chan) - (a->chan < b->chan);
}

static void sift_down(struct coro_case *cases, size_t from, size_t count)
{
    for (size_t child; (child = 2 * from + 1) < count; from = child) {
        uint16_t moved = cases[from].order;

        if (child + 1 < count &&
            by_address(&cases[cases[child].order], &cases[cases[child + 1].order]) < 0)
            child++;
        if (by_address(&cases[moved], &cases[cases[child].order]) >= 0)
            return;
        cases[from].order = cases[child].order;
        cases[child].order = moved;
    }
}

/* cases[i].order becomes the i-th case by address: heap sort, no memory, never quadratic. */
static void sort(struct coro_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cases[i].order = (uint16_t)i;
    for (size_t i = count / 2; i-- > 0;)
        sift_down(cases, i, count);
    for (size_t left = count; left > 1; left--) {
        uint16_t last = cases[left - 1].order;

        cases[left - 1].order = cases[0].order;
        cases[0].order = last;
        sift_down(cases, 0, left - 1);
    }
}

/* The i-th channel by address; NULL if nil, or the same as the one before it. */
static struct coro_chan *nth_chan(const struct coro_case *cases, size_t i)
{
    struct coro_chan *chan = cases[cases[i].order].chan;

    return i > 0 && cases[cases[i - 1].order].chan == chan ? NULL : chan;
}

static bool all_biased(const struct coro_select *select, uintptr_t key)
{
    if (!key)
        return false;
    for (size_t i = 0; i < select->count; i++)
        if (select->cases[i].chan && !coro_is_biased(&select->cases[i].chan->object, key))
            return false;
    return true;
}

/* Entered, the key unasked. After it all channels are ours. */
static void take_all(struct coro_worker *worker, struct coro_select *select)
{
    select->locked = !all_biased(select, coro_key(worker));
    if (!select->locked)
        return;
    coro_leave_worker(worker);
    if (!select->sorted)
        sort(select->cases, select->count);
    select->sorted = true; /* once: who unlocks for us still reads the order when we wake */
    for (size_t i = 0; i < select->count; i++) {
        struct coro_chan *chan = nth_chan(select->cases, i);

        if (chan)
            coro_object_lock(&chan->object);
    }
    coro_enter_slow(worker);
}

/* Backwards by address, and nothing is read after the last unlock: from then on the cases
 * may be gone. Until then whoever woke this flow finds it waiting for that lock. */
static void unlock_all(struct coro_select *select)
{
    struct coro_case *cases = select->cases;

    for (size_t i = select->count; i-- > 0;) {
        struct coro_chan *chan = nth_chan(cases, i);
        bool last = i == 0 || !cases[cases[i - 1].order].chan;

        if (chan)
            coro_object_unlock(&chan->object);
        if (chan && last)
            return;
    }
}

static void release_all(struct coro_worker *worker, struct coro_select *select)
{
    coro_leave_worker(worker);
    if (select->locked)
        unlock_all(select);
}

static bool is_ready(struct coro_case *one)
{
    if (!one->chan)
        return false;
    return one->kind == CORO_SEND ? coro_chan_send_ready(one->chan)
                                  : coro_chan_recv_ready(one->chan);
}

/* The index of a ready case, all alike likely, or -EAGAIN. */
static int draw(struct coro_worker *worker, const struct coro_select *select)
{
    int drawn = -EAGAIN;
    uint32_t ready = 0;

    for (size_t i = 0; i < select->count; i++)
        if (is_ready(&select->cases[i]) &&
            (++ready == 1 || ((coro_random(worker) >> 32) * ready) >> 32 == 0))
            drawn = (int)i;
    return drawn;
}

static int try_once(struct coro_worker *worker, struct coro_select *select)
{
    int index, result;

    do {
        struct coro_case *one;

        index = draw(worker, select);
        if (index < 0)
            return index;
        one = &select->cases[index];
        result = one->kind == CORO_SEND
                     ? coro_chan_send_now(worker, one->chan, one->element)
                     : coro_chan_recv_now(worker, one->chan, one->element);
        one->result = result;
    } while (result == -EAGAIN);
    return index;
}

static void select_after(void *arg)
{
    struct coro_select *select = arg;
    struct coro_flow *self = select->self;
    struct coro_sched *sched = coro_worker_self()->sched;
    uint64_t deadline_ns = select->deadline_ns;
    bool locked = select->locked;

    /* From here on the timer may wake the flow elsewhere, which then waits for our locks; if
     * we have none, nothing of its may be touched any more. */
    if (deadline_ns != CORO_SELECT_BLOCK)
        coro_timer_add(sched, self, select->claim, deadline_ns);
    if (locked)
        unlock_all(select);
}

/* A copied flow's cases go to the heap as long as it waits, with room for their elements: its
 * frames move, and the waits of the losing cases are still in lists when they are back. */
static int move_cases(struct coro_select *select)
{
    size_t count = select->count, bytes = count * sizeof *select->cases;
    struct coro_case *cases;
    char *element;

    for (size_t i = 0; i < count; i++)
        if (select->cases[i].chan)
            bytes += select->cases[i].chan->element_bytes;
    cases = malloc(bytes + 1);
    if (!cases)
        return -ENOMEM;
    memcpy(cases, select->cases, count * sizeof *cases);
    element = (char *)(cases + count);
    for (size_t i = 0; i < count; i++) {
        struct coro_case *one = &cases[i];

        if (!one->chan)
            continue;
        if (one->kind == CORO_SEND)
            memcpy(element, one->element, one->chan->element_bytes);
        one->element = element;
        element += one->chan->element_bytes;
    }
    select->moved_from = select->cases;
    select->cases = cases;
    return 0;
}

/* After a wait whose cases were moved; `index` happened, if not negative. With all channels. */
static void copy_back(const struct coro_select *select, int index)
{
    const struct coro_case *moved;
    struct coro_case *one;

    if (index < 0)
        return;
    moved = &select->cases[index];
    one = &select->moved_from[index];
    one->result = moved->result;
    if (one->kind == CORO_RECV)
        memcpy(one->element, moved->element, one->chan->element_bytes);
}

static struct coro_flow *wait_for_all(struct coro_worker *worker, struct coro_select *select)
{
    struct coro_link nobody = {.next = &nobody, .prev = &nobody};
    static const char why[] = "in a select";

    select->self = worker->current;
    select->claim = coro_claim_open(select->self);
    coro_wait_begin(worker, &select->none, NULL, &nobody, NULL, why);
    select->none.link.next = NULL;
    select->none.claim = select->claim;
    for (size_t i = 0; i < select->count; i++) {
        struct coro_case *one = &select->cases[i];

        one->wait.link.next = NULL;
        if (!one->chan)
            continue;
        coro_wait_begin(worker, &one->wait, &one->chan->object,
                        one->kind == CORO_SEND ? &one->chan->senders : &one->chan->receivers,
                        one->element, why);
        one->wait.claim = select->claim;
        one->chan->in_selects++;
        coro_chan_shut(one->chan);
    }
    if (!select->locked && select->deadline_ns == CORO_SELECT_BLOCK)
        return coro_park(worker, NULL, false);
    worker->after = select_after;
    worker->after_arg = select;
    return &worker->idle;
}

struct coro_flow *coro_select_begin(struct coro_select *select)
{
    struct coro_worker *worker;

    if (select->count > CORO_CASES_MAX) {
        select->index = -EINVAL;
        return NULL;
    }
    select->sorted = false;
    worker = coro_enter();
    take_all(worker, select);
    select->index = try_once(worker, select);
    if (select->index == -EAGAIN && select->deadline_ns != CORO_SELECT_TRY) {
        bool cancelled = coro_is_cancelled(worker);
        bool moves = worker->current->policy == CORO_STACK_COPIED;

        select->moved_from = NULL;
        if (!cancelled && (!moves || !move_cases(select)))
            return wait_for_all(worker, select);
        select->index = cancelled ? -ECANCELED : -ENOMEM;
    }
    release_all(worker, select);
    return NULL;
}

/* Which case happened, now that all are withdrawn. */
static int outcome(struct coro_select *select, const struct coro_wait *won)
{
    if (!won)
        return select->self->wake_result;
    for (size_t i = 0; i < select->count; i++)
        if (won == &select->cases[i].wait) {
            select->cases[i].result = won->result;
            return (int)i;
        }
    return -EINVAL; /* not reached: who claims us found us in a list */
}

/* With all channels. Of one that was freed meanwhile the case stays counted, so that it is there
 * when all have been let go of. */
static void withdraw(struct coro_case *one)
{
    struct coro_link *link = &one->wait.link;

    if (link->next)
        coro_link_remove(link);
    if (one->chan->freed)
        link->next = link;
    else
        one->chan->in_selects--;
}

static bool is_counted(const struct coro_case *one)
{
    return one->wait.link.next;
}

int coro_select_end(struct coro_select *select)
{
    struct coro_flow *self = select->self;
    struct coro_wait *won = self->won;
    struct coro_worker *worker;
    int index;

    if (select->deadline_ns != CORO_SELECT_BLOCK)
        coro_timer_remove(coro_worker_self()->sched, self);
    worker = coro_enter();
    take_all(worker, select);
    for (size_t i = 0; i < select->count; i++)
        if (select->cases[i].chan)
            withdraw(&select->cases[i]);
    index = outcome(select, won);
    if (select->moved_from)
        copy_back(select, index);
    release_all(worker, select);
    for (size_t i = 0; i < select->count; i++)
        if (select->cases[i].chan && is_counted(&select->cases[i]))
            coro_chan_withdraw_last(select->cases[i].chan);
    if (select->moved_from) {
        free(select->cases);
        select->cases = select->moved_from;
    }
    return index;
}
