/* SPDX-License-Identifier: MIT
 *
 * sched_stress_sync.c: the parts of sched_stress about where flows run, and about locks.
 */
#include "sched_stress.h"

/* ---- a ring ------------------------------------------------------------------------------ */

enum { RING_FLOWS = 7, RING_ROUNDS = 30 };

struct member {
    struct coro_chan *from, *to;
    bool pinned;
    unsigned worker;
};

static void *pass_on(void *arg)
{
    const struct member *member = arg;
    uint64_t token;

    while (coro_chan_recv(member->from, &token) == 0) {
        CHECK(!member->pinned || coro_worker_index() == member->worker);
        token++;
        CHECK(coro_chan_send(member->to, &token) == 0);
    }
    CHECK(coro_chan_close(member->to) == 0);
    return NULL;
}

/* Pinned here or there, free, or on a shared stack where that can be had. */
static struct coro_handle spawn_member(struct member *member, uint64_t *random)
{
    struct coro_spawn_options options = {.worker = (unsigned)rnd(random, coro_workers())};
    struct coro_handle handle;

    member->worker = options.worker;
    member->pinned = options.pinned = rnd(random, 3) > 0;
    if (rnd(random, 3) == 0)
        options.policy = CORO_STACK_COPIED;
    handle = coro_spawn_with(&options, pass_on, member);
    if (!handle.flow) {
        options.policy = CORO_STACK_DEFAULT;
        handle = coro_spawn_with(&options, pass_on, member);
    }
    CHECK(handle.flow);
    return handle;
}

void *stress_ring(void *unused)
{
    struct member *members = calloc(RING_FLOWS, sizeof *members);
    struct coro_chan *chans[RING_FLOWS + 1];
    struct coro_handle flows[RING_FLOWS];
    uint64_t random = stress_seed * 48271 + 11, token = 0;

    for (unsigned i = 0; i <= RING_FLOWS; i++)
        chans[i] = coro_chan_new(8, rnd(&random, 2));
    for (unsigned i = 0; i < RING_FLOWS; i++) {
        members[i] = (struct member){.from = chans[i], .to = chans[i + 1]};
        flows[i] = spawn_member(&members[i], &random);
    }
    for (unsigned i = 0; i < RING_ROUNDS; i++) {
        CHECK(coro_chan_send(chans[0], &token) == 0);
        CHECK(coro_chan_recv(chans[RING_FLOWS], &token) == 0);
    }
    CHECK(token == RING_FLOWS * RING_ROUNDS);
    CHECK(coro_chan_close(chans[0]) == 0);
    for (unsigned i = 0; i < RING_FLOWS; i++)
        CHECK(coro_join(flows[i], NULL) == 0);
    for (unsigned i = 0; i <= RING_FLOWS; i++)
        coro_chan_free(chans[i]);
    free(members);
    return NULL;
}

/* ---- locks -------------------------------------------------------------------------------- */

enum { LOCKERS = 8, LOCKS = 40 };

struct locked {
    struct coro_mutex mutex;
    struct coro_semaphore semaphore;
    struct coro_wait_group group;
    uint64_t random, count; /* under the mutex */
    _Atomic(uint64_t) done;
    _Atomic(unsigned) inside;
};

static void enter_a_while(struct locked *locked)
{
    if (coro_semaphore_acquire(&locked->semaphore))
        return;
    CHECK(atomic_fetch_add(&locked->inside, 1) < 3);
    coro_yield();
    atomic_fetch_sub(&locked->inside, 1);
    CHECK(coro_semaphore_release(&locked->semaphore) == 0);
}

static void *locker(void *arg)
{
    struct locked *locked = arg;

    for (unsigned i = 0; i < LOCKS && coro_mutex_lock(&locked->mutex) == 0; i++) {
        uint64_t count = locked->count, what = rnd(&locked->random, 8);

        if (what == 0)
            coro_yield();
        else if (what == 1)
            (void)coro_sleep_ns(rnd(&locked->random, 20000));
        locked->count = count + 1;
        CHECK(coro_mutex_unlock(&locked->mutex) == 0);
        atomic_fetch_add(&locked->done, 1);
        if (what == 2)
            enter_a_while(locked);
    }
    CHECK(coro_wait_group_done(&locked->group) == 0);
    return NULL;
}

void *stress_locks(void *unused)
{
    struct locked *locked = calloc(1, sizeof *locked);
    struct coro_handle flows[LOCKERS];

    locked->random = stress_seed * 69621 + 13;
    coro_mutex_init(&locked->mutex);
    coro_semaphore_init(&locked->semaphore, 3);
    coro_wait_group_init(&locked->group);
    CHECK(coro_wait_group_add(&locked->group, LOCKERS) == 0);
    for (unsigned i = 0; i < LOCKERS; i++)
        CHECK((flows[i] = coro_spawn(locker, locked)).flow);
    for (unsigned i = 0; i < LOCKERS; i += 3) {
        int error = coro_cancel(flows[i]);

        CHECK(error == 0 || error == -ESRCH);
        coro_yield();
    }
    CHECK(coro_wait_group_wait(&locked->group) == 0);
    for (unsigned i = 0; i < LOCKERS; i++)
        CHECK(coro_join(flows[i], NULL) == 0);
    CHECK(locked->count == locked->done && locked->inside == 0);
    free(locked);
    return NULL;
}

/* ---- given away --------------------------------------------------------------------------- */

enum { GIFTS = 60, GIFT_TAKERS_MAX = 2 };

enum gift_kind { DONE_GROUP, LAST_UNIT, CLOSED, SENT, SELECTED, GIFT_KINDS };

struct gift_locks {
    struct coro_wait_group group;
    struct coro_semaphore semaphore;
};

/* Locks and channels are freed by who learns that nobody needs them any more, while others may
 * still be on their way out: the sanitizers would see it. The gift itself by who is last. */
struct gift {
    struct gift_locks *locks;
    struct coro_chan *chan;   /* closed by the giver, or it sends */
    struct coro_chan *second; /* a taker that selects: by it the giver learns that it has */
    enum gift_kind kind;
    bool giver_frees; /* the channels, once the value is taken; else the first taker does */
    bool timed;       /* with a deadline far away: it is a select then */
    unsigned takers;
    struct coro_handle taken_by[GIFT_TAKERS_MAX];
    _Atomic(unsigned) first, left; /* of takers and giver */
};

static void free_channels(struct coro_chan *chan, struct coro_chan *second)
{
    coro_chan_free(chan);
    coro_chan_free(second);
}

static void leave_gift(struct gift *gift)
{
    if (atomic_fetch_sub(&gift->left, 1) == 1)
        free(gift);
}

static int gift_send(const struct gift *gift, const uint64_t *value)
{
    return gift->timed ? coro_chan_send_until(gift->chan, value, UINT64_MAX - 1)
                       : coro_chan_send(gift->chan, value);
}

static int gift_recv(const struct gift *gift, uint64_t *value)
{
    return gift->timed ? coro_chan_recv_until(gift->chan, value, UINT64_MAX - 1)
                       : coro_chan_recv(gift->chan, value);
}

/* Of several takers the first that is back frees what the others, too, wait for by then. */
static void until_they_wait(const struct gift *gift)
{
    for (unsigned i = 0; gift->takers > 1 && i < gift->takers; i++)
        while (!atomic_load(&gift->taken_by[i].flow->waiting))
            coro_yield();
}

static void *give(void *arg)
{
    struct gift *gift = arg;
    uint64_t value = 1;

    until_they_wait(gift);
    switch (gift->kind) {
    case DONE_GROUP: CHECK(coro_wait_group_done(&gift->locks->group) == 0); break;
    case LAST_UNIT: CHECK(coro_semaphore_release(&gift->locks->semaphore) == 0); break;
    case CLOSED: CHECK(coro_chan_close(gift->chan) == 0); break;
    case SENT: CHECK(gift_send(gift, &value) == 0); break;
    default: CHECK(coro_chan_recv(gift->second, &value) == 0); break;
    }
    if (gift->giver_frees)
        free_channels(gift->chan, gift->second);
    leave_gift(gift);
    return NULL;
}

static void take_either(const struct gift *gift)
{
    uint64_t from = 0, to = 2;
    struct coro_case cases[] = {{.chan = gift->chan, .kind = CORO_RECV, .element = &from},
                                {.chan = gift->second, .kind = CORO_SEND, .element = &to}};

    CHECK(coro_select(cases, 2) == 1);
}

static void *take(void *arg)
{
    struct gift *gift = arg;
    uint64_t value;

    switch (gift->kind) {
    case DONE_GROUP: CHECK(coro_wait_group_wait(&gift->locks->group) == 0); break;
    case LAST_UNIT: CHECK(coro_semaphore_acquire(&gift->locks->semaphore) == 0); break;
    case CLOSED: CHECK(gift_recv(gift, &value) == -EPIPE); break;
    case SENT: CHECK(gift_recv(gift, &value) == 0); break;
    default: take_either(gift); break;
    }
    if (atomic_fetch_add(&gift->first, 1) == 0) {
        free(gift->locks);
        if (!gift->giver_frees)
            free_channels(gift->chan, gift->second);
    }
    leave_gift(gift);
    return NULL;
}

static struct gift *new_gift(uint64_t *random)
{
    struct gift *gift = calloc(1, sizeof *gift);

    gift->locks = malloc(sizeof *gift->locks);
    coro_wait_group_init(&gift->locks->group);
    CHECK(coro_wait_group_add(&gift->locks->group, 1) == 0);
    coro_semaphore_init(&gift->locks->semaphore, 0);
    gift->kind = (enum gift_kind)rnd(random, GIFT_KINDS);
    gift->chan = coro_chan_new(8, gift->kind == CLOSED ? rnd(random, 2) : 0);
    gift->second = coro_chan_new(8, 0);
    gift->giver_frees =
        gift->kind == SELECTED || (gift->kind == SENT && rnd(random, 2));
    gift->timed = rnd(random, 2);
    gift->takers = 1;
    if (gift->kind == DONE_GROUP || gift->kind == CLOSED)
        gift->takers += (unsigned)rnd(random, GIFT_TAKERS_MAX);
    gift->left = gift->takers + 1;
    return gift;
}

static struct coro_handle spawn_anyhow(uint64_t *random, void *(*body)(void *), void *arg)
{
    struct coro_spawn_options options = {.pinned = rnd(random, 2),
                                         .worker = (unsigned)rnd(random, coro_workers())};
    struct coro_handle handle = coro_spawn_with(&options, body, arg);

    CHECK(handle.flow);
    return handle;
}

void *stress_gifts(void *unused)
{
    uint64_t random = stress_seed * 16807 + 17;
    struct coro_handle flows[GIFTS * (1 + GIFT_TAKERS_MAX)];
    unsigned count = 0;

    for (unsigned i = 0; i < GIFTS; i++) {
        struct gift *gift = new_gift(&random);

        for (unsigned j = 0; j < gift->takers; j++)
            flows[count++] = gift->taken_by[j] = spawn_anyhow(&random, take, gift);
        flows[count++] = spawn_anyhow(&random, give, gift);
        if (rnd(&random, 3) == 0)
            coro_yield();
    }
    while (count)
        CHECK(coro_join(flows[--count], NULL) == 0);
    return NULL;
}

/* ---- pairs that talk ------------------------------------------------------------------- */

enum { TALKS = 40, WORDS_MAX = 60 };

/* While hardly anything else runs, so that idle workers attend these channels. */
struct talk {
    struct coro_chan *question, *reply;
    uint64_t words, said, heard;
    bool cancelled; /* one of the two: then there may be fewer words */
};

static void *asks(void *arg)
{
    struct talk *talk = arg;
    uint64_t value = 0;

    while (talk->said < talk->words) {
        value = ++talk->said;
        if (coro_chan_send(talk->question, &value) || coro_chan_recv(talk->reply, &value))
            break;
        CHECK(value == 2 * talk->said);
        if (value % 8 == 0)
            coro_yield();
    }
    CHECK(talk->cancelled || talk->said == talk->words);
    CHECK(coro_chan_close(talk->question) == 0 || talk->cancelled);
    return NULL;
}

static void *replies(void *arg)
{
    struct talk *talk = arg;
    uint64_t value;

    while (coro_chan_recv(talk->question, &value) == 0) {
        CHECK(value == ++talk->heard);
        value *= 2;
        if (coro_chan_send(talk->reply, &value))
            break;
    }
    CHECK(talk->cancelled || talk->heard == talk->words);
    return NULL;
}

static void hold_talk(uint64_t *random)
{
    struct talk talk = {
        .question = coro_chan_new(8, rnd(random, 2)), .reply = coro_chan_new(8, rnd(random, 2)),
        .words = rnd(random, WORDS_MAX), .cancelled = rnd(random, 3) == 0};
    struct coro_handle flows[2];

    for (unsigned i = 0; i < 2; i++) {
        struct coro_spawn_options options = {
            .pinned = rnd(random, 8) > 0,
            .worker = (unsigned)rnd(random, coro_workers())};

        CHECK((flows[i] = coro_spawn_with(&options, i ? replies : asks, &talk)).flow);
    }
    for (uint64_t i = talk.cancelled ? rnd(random, 2 * WORDS_MAX) : 0; i > 0; i--)
        coro_yield();
    if (talk.cancelled) {
        coro_cancel(flows[rnd(random, 2)]);
        coro_chan_close(talk.question); /* for the other one */
        coro_chan_close(talk.reply);
    }
    for (unsigned i = 0; i < 2; i++)
        CHECK(coro_join(flows[i], NULL) == 0);
    coro_chan_free(talk.question);
    coro_chan_free(talk.reply);
}

void *stress_talks(void *unused)
{
    uint64_t random = stress_seed * 69621 + 19;

    for (unsigned i = 0; i < TALKS; i++)
        hold_talk(&random);
    return NULL;
}
