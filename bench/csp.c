/* SPDX-License-Identifier: MIT
 *
 * csp: do channels and select keep the rules of communicating sequential processes?
 *
 * A case is one rule of Go's channels or of its select. It is played many times on flows whose
 * order is drawn from the trial's seed: flows yield by chance wherever a flow may be overtaken.
 * What is reported is how many plays there were and how many broke the rule. A play is one
 * flow with the flows that it spawns and joins, so that none outlives it.
 *
 * deadlock=circular is no rule but a trap: two flows that take two locks, or write two
 * letters, in an order that each draws by itself. It is reported how often all were asleep in
 * the end: coro_run() says so. Channels are no cure, and this shows it.
 */
#include "experiments.h"

#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "coro.h"

enum { PLAYS = 1000, DEADLOCK_PLAYS = 100, PRODUCERS = 3, CONSUMERS = 2, ITEMS = 16 };

struct play {
    uint64_t random;
    struct coro_chan *chan, *other;
    uint64_t value, at; /* what the second flow has to say */
    bool done;
};

typedef bool rule(struct play *play); /* whether it was kept */

struct csp_config {
    rule *rule;
    unsigned workers;
};

static uint64_t draw(struct play *play, uint64_t below)
{
    play->random ^= play->random << 13; /* xorshift64 */
    play->random ^= play->random >> 7;
    play->random ^= play->random << 17;
    return play->random % below;
}

static void loiter(struct play *play)
{
    for (uint64_t i = draw(play, 4); i; i--)
        coro_yield();
}

static struct coro_chan *chan_of(size_t capacity)
{
    struct coro_chan *chan = coro_chan_new(sizeof(uint64_t), capacity);

    if (!chan)
        abort();
    return chan;
}

/* ---- the rules ----------------------------------------------------------------------- */

static void *send_one(void *arg)
{
    struct play *play = arg;

    play->done = !coro_chan_send(play->chan, &play->value);
    return NULL;
}

/* At capacity 0 a send ends when the value was received, and not before. */
static bool rendezvous(struct play *play)
{
    uint64_t got = 0;
    play->value = draw(play, UINT64_MAX);
    struct coro_handle sender = coro_spawn(send_one, play);
    loiter(play);
    bool early = play->done;
    coro_chan_recv(play->chan, &got);
    coro_join(sender, NULL);
    return !early && play->done && got == play->value;
}

/* Capacity n: n sends and no more are done without a receiver. */
static bool capacity(struct play *play)
{
    uint64_t size = 1 + draw(play, 8), sent = 0;
    struct coro_chan *chan = chan_of(size);
    while (!coro_chan_try_send(chan, &sent))
        sent++;
    coro_chan_free(chan);
    return sent == size;
}

static void *send_some(void *arg)
{
    struct play *play = arg;
    struct play own = {.random = play->random};

    for (uint64_t i = 0; i < ITEMS; i++) {
        loiter(&own);
        coro_chan_send(play->other, &i);
    }
    coro_chan_close(play->other);
    return NULL;
}

/* Values come in the order sent, and then the end. */
static bool fifo(struct play *play)
{
    uint64_t expected = 0, got;
    bool kept = true;
    play->other = chan_of(draw(play, 4));
    struct coro_handle sender = coro_spawn(send_some, play);
    while (!coro_chan_recv(play->other, &got)) {
        kept &= got == expected++;
        loiter(play);
    }
    coro_join(sender, NULL);
    coro_chan_free(play->other);
    return kept && expected == ITEMS;
}

static void *receive_one(void *arg)
{
    struct play *play = arg;
    uint64_t place = play->at++, got = 0;

    if (coro_chan_recv(play->chan, &got) || got != place)
        play->done = false;
    return NULL;
}

/* Receivers that wait are served in the order in which they came. */
static bool queueing(struct play *play)
{
    struct coro_handle waiting[4];
    play->done = true;
    for (size_t i = 0; i < 4; i++)
        waiting[i] = coro_spawn(receive_one, play);
    while (play->at < 4)
        coro_yield();
    for (uint64_t i = 0; i < 4; i++) {
        coro_chan_send(play->chan, &i);
        loiter(play);
    }
    for (size_t i = 0; i < 4; i++)
        coro_join(waiting[i], NULL);
    return play->done;
}

/* A closed channel gives what is in it, then zeros and the end; it takes nothing. */
static bool closing(struct play *play)
{
    struct coro_chan *chan = chan_of(4);
    uint64_t held = draw(play, 5), got = 7, rest = 0;
    for (uint64_t i = 1; i <= held; i++)
        coro_chan_send(chan, &i);
    bool kept = !coro_chan_close(chan) && coro_chan_send(chan, &held) == -EPIPE &&
                coro_chan_close(chan) == -EPIPE;
    while (!coro_chan_recv(chan, &got))
        kept &= got == ++rest;
    kept &= rest == held && got == 0;
    coro_chan_free(chan);
    return kept;
}

static void *receive_end(void *arg)
{
    struct play *play = arg;
    uint64_t got = 7;

    play->at++;
    play->value += coro_chan_recv(play->other, &got) == -EPIPE && got == 0;
    return NULL;
}

/* Closing wakes all who wait. */
static bool waking(struct play *play)
{
    struct coro_handle waiting[3];
    play->other = chan_of(0);
    play->value = 0;
    for (size_t i = 0; i < 3; i++)
        waiting[i] = coro_spawn(receive_end, play);
    while (play->at < 3)
        loiter(play), coro_yield();
    coro_chan_close(play->other);
    for (size_t i = 0; i < 3; i++)
        coro_join(waiting[i], NULL);
    coro_chan_free(play->other);
    return play->value == 3;
}

/* Nobody can talk over the nil channel, and a select never chooses it. */
static bool nil(struct play *play)
{
    uint64_t value = draw(play, 9), got;
    struct coro_chan *chan = chan_of(1);
    coro_chan_send(chan, &value);
    struct coro_case cases[] = {{.kind = CORO_RECV, .element = &got},
                                {.chan = chan, .kind = CORO_RECV, .element = &got},
                                {.kind = CORO_SEND, .element = &value}};
    bool kept = coro_select(cases, 3) == 1 && got == value &&
                coro_select_try(cases, 3) == -EAGAIN &&
                coro_chan_try_send(NULL, &value) == -EAGAIN;
    coro_chan_free(chan);
    return kept;
}

/* Of two ready cases exactly one happens, either of them by chance; with none the default. */
static bool choice(struct play *play)
{
    enum { DRAWS = 64 };
    uint64_t value = draw(play, 9), got, second = 0;
    struct coro_chan *one = chan_of(1), *two = chan_of(1);
    struct coro_case cases[] = {{.chan = one, .kind = CORO_RECV, .element = &got},
                                {.chan = two, .kind = CORO_RECV, .element = &got}};
    bool kept = coro_select_try(cases, 2) == -EAGAIN;
    for (int i = 0; i < DRAWS; i++) {
        coro_chan_try_send(one, &value);
        coro_chan_try_send(two, &value);
        second += coro_select(cases, 2) == 1;
        kept &= coro_chan_count(one) + coro_chan_count(two) == 1;
    }
    coro_chan_free(one);
    coro_chan_free(two);
    /* Of 64 fair draws fewer than 4 or more than 60 are one play in 10^13. */
    return kept && second >= 4 && second <= DRAWS - 4;
}

/* A select that waited takes the one that came, and waits at the other no more. */
static bool withdrawal(struct play *play)
{
    uint64_t got = 0;
    play->other = chan_of(0);
    play->value = 1 + draw(play, 9);
    struct coro_handle sender = coro_spawn(send_one, play);
    struct coro_case cases[] = {{.chan = play->other, .kind = CORO_RECV, .element = &got},
                                {.chan = play->chan, .kind = CORO_RECV, .element = &got}};
    bool kept = coro_select(cases, 2) == 1 && got == play->value;
    kept &= coro_chan_try_send(play->other, &got) == -EAGAIN;
    coro_join(sender, NULL);
    coro_chan_free(play->other);
    return kept;
}

static void *produce(void *arg)
{
    struct play *play = arg;

    for (uint64_t i = 0; i < ITEMS; i++) {
        uint64_t item = play->at * ITEMS + i;
        coro_chan_send(play->chan, &item);
        loiter(play);
    }
    return NULL;
}

static void *consume(void *arg)
{
    struct play *play = arg;
    uint64_t item, next[PRODUCERS] = {0};

    play->done = true;
    while (!coro_chan_recv(play->chan, &item)) {
        uint64_t number = item % ITEMS, *due = &next[item / ITEMS];
        play->done &= number >= *due;
        *due = number + 1;
        play->value += UINT64_C(1) << (item % (ITEMS * PRODUCERS)); /* each bit once */
        loiter(play);
    }
    return NULL;
}

/* Many producers, many consumers: every item once, and each producer's in order. */
static bool multiset(struct play *play)
{
    struct coro_chan *chan = chan_of(draw(play, 4));
    struct play part[PRODUCERS + CONSUMERS] = {{0}};
    struct coro_handle flow[PRODUCERS + CONSUMERS];
    for (size_t i = 0; i < PRODUCERS + CONSUMERS; i++) {
        part[i] = (struct play){.random = draw(play, UINT64_MAX) | 1, .chan = chan, .at = i};
        flow[i] = coro_spawn(i < PRODUCERS ? produce : consume, &part[i]);
    }
    for (size_t i = 0; i < PRODUCERS; i++)
        coro_join(flow[i], NULL);
    coro_chan_close(chan);
    uint64_t seen = 0;
    bool kept = true;
    for (size_t i = PRODUCERS; i < PRODUCERS + CONSUMERS; i++) {
        coro_join(flow[i], NULL);
        seen += part[i].value;
        kept &= part[i].done;
    }
    coro_chan_free(chan);
    return kept && seen == (UINT64_C(1) << ITEMS * PRODUCERS) - 1;
}

/* ---- playing ------------------------------------------------------------------------- */

struct plays {
    rule *rule;
    uint64_t random, played, kept;
};

static void *play_all(void *arg)
{
    struct plays *plays = arg;

    for (; plays->played < PLAYS; plays->played++) {
        struct play play = {.random = plays->random, .chan = chan_of(0)};
        plays->kept += plays->rule(&play);
        plays->random = play.random;
        coro_chan_free(play.chan);
    }
    return NULL;
}

static uint64_t seed_now(void)
{
    return bench_now_ns() | 1; /* xorshift knows no zero */
}

static int rule_measure(struct bench_trial *t)
{
    const struct csp_config *config = bench_case_of(t)->arg;
    struct plays plays = {.rule = config->rule, .random = seed_now()};
    struct coro_options options = {.workers = config->workers};

    bench_note(t, "seed", "%llu", (unsigned long long)plays.random);
    int err = coro_run(&options, play_all, &plays);
    if (err)
        return err;
    bench_metric(t, "played", "plays", "flows", (double)plays.played);
    bench_metric(t, "broken", "plays", "flows", (double)(plays.played - plays.kept));
    return 0;
}

/* ---- deadlocks ----------------------------------------------------------------------- */

struct circle {
    struct coro_mutex mutex[2];
    struct coro_chan *letter[2];
    unsigned order[2]; /* which lock, or which of writing and reading, each flow does first */
    bool yields;
};

struct side {
    struct circle *circle;
    unsigned index;
};

static void *take_two(void *arg)
{
    const struct side *side = arg;
    struct circle *circle = side->circle;
    unsigned first = circle->order[side->index];

    coro_mutex_lock(&circle->mutex[first]);
    if (circle->yields)
        coro_yield();
    coro_mutex_lock(&circle->mutex[!first]);
    coro_mutex_unlock(&circle->mutex[!first]);
    coro_mutex_unlock(&circle->mutex[first]);
    return NULL;
}

static void *write_and_read(void *arg)
{
    const struct side *side = arg;
    struct circle *circle = side->circle;
    uint64_t letter = side->index;

    for (unsigned step = 0; step < 2; step++) {
        if (circle->order[side->index] == step)
            coro_chan_send(circle->letter[side->index], &letter);
        else
            coro_chan_recv(circle->letter[!side->index], &letter);
    }
    return NULL;
}

struct circular {
    coro_body *body;
    struct side side[2];
};

static void *start_both(void *arg)
{
    struct circular *circular = arg;
    struct coro_handle flow[2];

    for (size_t i = 0; i < 2; i++)
        flow[i] = coro_spawn(circular->body, &circular->side[i]);
    for (size_t i = 0; i < 2; i++)
        coro_join(flow[i], NULL);
    return NULL;
}

/* 1 when it ended asleep, 0 when it ended, -errno. Its channels stay with who fell asleep. */
static int play_circle(struct play *play, struct circle *circle, coro_body *body)
{
    struct circular circular = {body, {{circle, 0}, {circle, 1}}};
    struct coro_options options = {.workers = 1, .quiet = true};

    for (size_t i = 0; i < 2; i++) {
        coro_mutex_init(&circle->mutex[i]);
        circle->letter[i] = chan_of(0);
        circle->order[i] = (unsigned)draw(play, 2);
    }
    circle->yields = draw(play, 2);
    int err = coro_run(&options, start_both, &circular);
    for (size_t i = 0; !err && i < 2; i++)
        coro_chan_free(circle->letter[i]);
    return err == -EDEADLK ? 1 : err;
}

static int deadlock_measure(struct bench_trial *t)
{
    static struct circle circles[DEADLOCK_PLAYS]; /* reachable: those of sleepers are kept */
    struct play play = {.random = seed_now()};
    unsigned asleep = 0;
    bool by_mutex = !strcmp(bench_case_of(t)->subject, "coro-mutex");

    bench_note(t, "seed", "%llu", (unsigned long long)play.random);
    for (size_t i = 0; i < DEADLOCK_PLAYS; i++) {
        int ended = play_circle(&play, &circles[i], by_mutex ? take_two : write_and_read);
        if (ended < 0)
            return ended;
        asleep += (unsigned)ended;
    }
    bench_metric(t, "played", "plays", "flows", DEADLOCK_PLAYS);
    bench_metric(t, "deadlocked", "plays", "flows", asleep);
    return 0;
}

#define HERE BENCH_AT(BENCH_SAME_CPU)
#define CSP(subject_, params_, op_, places_, flags_, measure_, arg_)                         \
    {                                                                                        \
        .experiment = "csp", .subject = subject_, .params = params_, .op = op_,              \
        .places = places_, .profile = BENCH_DEFAULT, .flags = flags_, .measure = measure_,   \
        .arg = arg_,                                                                         \
    }
#define RULE_ON(rule_, places, flags, workers)                                               \
    CSP("coro-chan", "rule=" #rule_, "one play of the rule", places, flags, rule_measure,    \
        (&(const struct csp_config){rule_, workers}))
#define RULE(rule_) RULE_ON(rule_, HERE, 0, 1)

const struct bench_case csp_cases[] = {
    RULE(rendezvous),
    RULE(capacity),
    RULE(fifo),
    RULE(queueing),
    RULE(closing),
    RULE(waking),
    RULE(nil),
    RULE(choice),
    RULE(withdrawal),
    RULE(multiset),
    RULE_ON(multiset, BENCH_AT_ANY & ~HERE, BENCH_THREADS, 2),
    CSP("coro-mutex", "deadlock=circular", "one play", HERE, 0, deadlock_measure, NULL),
    CSP("coro-chan", "deadlock=circular", "one play", HERE, 0, deadlock_measure, NULL),
};
const size_t csp_case_count = sizeof csp_cases / sizeof *csp_cases;
