/* SPDX-License-Identifier: MIT
 *
 * sched_stress.c: random schedules over everything that flows can do to each other; a plain
 * program, so that it runs under ThreadSanitizer, AddressSanitizer and Valgrind.
 *
 *     sched_stress [seconds [workers [seed]]]
 *
 * Each round makes a few channels, producers and consumers that reach them in every way there
 * is (plain, try, deadline, select, both kinds of select cases at once), flows that spawn and
 * join trees, flows that are cancelled, one that does not yield for a while, a foreign
 * thread that spawns; and what is in sched_stress_sync.c and sched_stress_io.c. Checked: each value sent arrives exactly once; a consumer sees the
 * values of one producer on one channel in order; results of joins; nothing deadlocks, which
 * coro_run() would say. The round's seed is printed first, and again on failure.
 */
#include "sched_stress.h"

#include <pthread.h>

enum { CHANNELS_MAX = 6, PRODUCERS_MAX = 12, CONSUMERS_MAX = 8, VALUES = 400, TREE_DEPTH = 4 };

uint64_t stress_seed;

struct round {
    struct coro_chan *channels[CHANNELS_MAX];
    unsigned channels_count, producers_count, consumers_count;
    _Atomic(uint64_t) sent, sent_sum, received, received_sum;
    _Atomic(unsigned) foreign_ran;
};

struct actor {
    struct round *round;
    uint64_t random;
    unsigned index;
    uint32_t sequence[CHANNELS_MAX];                        /* producer: last sent */
    uint32_t seen[PRODUCERS_MAX * 2][CHANNELS_MAX];         /* consumer: last received */
};

static uint64_t make_value(unsigned producer, unsigned channel, uint32_t sequence)
{
    return (uint64_t)producer << 40 | (uint64_t)channel << 32 | sequence;
}

static void maybe_pause(struct actor *self)
{
    switch (rnd(&self->random, 24)) {
    case 0: coro_yield(); break;
    case 1: coro_sleep_ns(rnd(&self->random, 30000)); break;
    case 2:
        for (volatile unsigned i = 0; i < 3000; i++)
            ;
        break;
    default: break;
    }
}

/* ---- producers --------------------------------------------------------------------- */

static int send_one(struct actor *self, struct coro_chan *chan, const uint64_t *value)
{
    struct coro_case cases[2];
    uint64_t soon_ns;
    int index;

    switch (rnd(&self->random, 5)) {
    case 0: return coro_chan_try_send(chan, value);
    case 1:
        soon_ns = coro_now_ns() + rnd(&self->random, 40000);
        return coro_chan_send_until(chan, value, soon_ns);
    case 2: /* the same channel twice: it must arrive once */
        cases[0] = (struct coro_case){.chan = chan, .kind = CORO_SEND, .element = (void *)value};
        cases[1] = cases[0];
        index = coro_select(cases, 2);
        return index < 0 ? index : cases[index].result;
    default: return coro_chan_send(chan, value);
    }
}

static void *producer(void *arg)
{
    struct actor *self = arg;
    struct round *round = self->round;

    for (unsigned i = 0; i < VALUES; i++) {
        unsigned at = (unsigned)rnd(&self->random, round->channels_count);
        uint64_t value = make_value(self->index, at, self->sequence[at] + 1);
        int result = send_one(self, round->channels[at], &value);

        CHECK(result == 0 || result == -EAGAIN || result == -ETIMEDOUT);
        if (result == 0) {
            self->sequence[at]++;
            atomic_fetch_add(&round->sent, 1);
            atomic_fetch_add(&round->sent_sum, value);
        }
        maybe_pause(self);
    }
    return self;
}

/* ---- consumers --------------------------------------------------------------------- */

static void accept_value(struct actor *self, unsigned at, uint64_t value)
{
    unsigned from = (unsigned)(value >> 40), channel = (unsigned)(value >> 32) & 0xff;

    CHECK(from < PRODUCERS_MAX * 2 && channel == at);
    CHECK((uint32_t)value > self->seen[from][at]);
    self->seen[from][at] = (uint32_t)value;
    atomic_fetch_add(&self->round->received, 1);
    atomic_fetch_add(&self->round->received_sum, value);
}

/* From any channel. Whether one was found closed and empty. */
static bool receive_any(struct actor *self)
{
    struct round *round = self->round;
    struct coro_case cases[CHANNELS_MAX + 1];
    uint64_t values[CHANNELS_MAX + 1];
    unsigned count = round->channels_count;
    int index;

    for (unsigned i = 0; i < count; i++)
        cases[i] = (struct coro_case){
            .chan = round->channels[i], .kind = CORO_RECV, .element = &values[i]};
    cases[count] = (struct coro_case){.chan = NULL, .kind = CORO_SEND};
    switch (rnd(&self->random, 3)) {
    case 0: index = coro_select_try(cases, count + 1); break;
    case 1:
        index = coro_select_until(cases, count, coro_now_ns() + rnd(&self->random, 50000));
        break;
    default: index = coro_select(cases, count); break;
    }
    CHECK(index >= 0 || index == -EAGAIN || index == -ETIMEDOUT);
    if (index < 0)
        return false;
    CHECK((unsigned)index < count);
    if (cases[index].result == -EPIPE)
        return true;
    accept_value(self, (unsigned)index, values[index]);
    return false;
}

static bool receive_one(struct actor *self, unsigned at)
{
    struct coro_chan *chan = self->round->channels[at];
    uint64_t value;
    int result;

    switch (rnd(&self->random, 3)) {
    case 0: result = coro_chan_try_recv(chan, &value); break;
    case 1:
        result = coro_chan_recv_until(chan, &value, coro_now_ns() + rnd(&self->random, 40000));
        break;
    default: result = coro_chan_recv(chan, &value); break;
    }
    if (result == 0)
        accept_value(self, at, value);
    CHECK(result == 0 || result == -EPIPE || result == -EAGAIN || result == -ETIMEDOUT);
    return result == -EPIPE;
}

/* Until closed; then drains all, one by one. Half of them stay with one channel each, so no
 * channel is left alone. */
static void *consumer(void *arg)
{
    struct actor *self = arg;
    unsigned mine = self->index % self->round->channels_count;
    uint64_t value;

    while (!(self->index >= self->round->channels_count && rnd(&self->random, 2)
                 ? receive_any(self)
                 : receive_one(self, mine)))
        maybe_pause(self);
    for (unsigned at = 0; at < self->round->channels_count; at++)
        while (coro_chan_recv(self->round->channels[at], &value) == 0)
            accept_value(self, at, value);
    return self;
}

/* ---- trees, cancelled flows, foreign threads ---------------------------------------- */

static void *tree(void *arg)
{
    uintptr_t depth = (uintptr_t)arg;
    struct coro_handle children[3];
    uintptr_t sum = 1;

    if (depth == 0)
        return (void *)1;
    for (unsigned i = 0; i < 3; i++) {
        children[i] = coro_spawn(tree, (void *)(depth - 1));
        CHECK(children[i].flow);
    }
    for (unsigned i = 0; i < 3; i++) {
        void *result;

        CHECK(coro_join(children[i], &result) == 0);
        CHECK(coro_join(children[i], &result) == -ESRCH);
        sum += (uintptr_t)result;
    }
    if (depth % 2)
        coro_exit((void *)sum);
    return (void *)sum;
}

static void *sleeper(void *arg)
{
    uint64_t value;
    struct coro_chan *quiet = arg;
    struct coro_case cases[2] = {{.chan = quiet, .kind = CORO_RECV, .element = &value},
                                 {.chan = NULL}};
    int result;

    switch ((uintptr_t)coro_self().generation / 2 % 4) {
    case 0: result = coro_chan_recv(quiet, &value); break;
    case 1: result = coro_select(cases, 2); break;
    case 2: result = coro_sleep_ns(UINT64_C(3600) * 1000000000); break;
    default: result = coro_chan_recv(NULL, &value); break;
    }
    CHECK(result == -ECANCELED);
    CHECK(coro_sleep_ns(1) == -ECANCELED);
    return NULL;
}

static void *foreign_flow(void *arg)
{
    struct round *round = arg;

    coro_yield();
    atomic_fetch_add(&round->foreign_ran, 1);
    return NULL;
}

struct foreigner {
    struct coro_sched *sched;
    struct round *round;
};

static void *foreign_thread(void *arg)
{
    struct foreigner *self = arg;

    for (unsigned i = 0; i < 20; i++)
        CHECK(coro_spawn_into(self->sched, foreign_flow, self->round) == 0);
    coro_sched_release(self->sched);
    return NULL;
}

static void *busy(void *arg)
{
    uint64_t until_ns = coro_now_ns() + 300000;

    while (coro_now_ns() < until_ns)
        ;
    return NULL;
}

static void cancel_some(struct coro_chan *quiet)
{
    struct coro_handle sleepers[8];

    for (unsigned i = 0; i < 8; i++)
        sleepers[i] = coro_spawn(sleeper, quiet);
    for (unsigned i = 0; i < 8; i++) {
        if (i % 2)
            coro_yield();
        CHECK(coro_cancel(sleepers[i]) == 0);
    }
    for (unsigned i = 0; i < 8; i++)
        CHECK(coro_join(sleepers[i], NULL) == 0);
}

/* ---- a round ----------------------------------------------------------------------- */

static void start_actors(struct round *round, struct actor *actors, struct coro_handle *handles)
{
    unsigned total = round->producers_count + round->consumers_count;

    for (unsigned i = 0; i < total; i++) {
        bool produces = i < round->producers_count;

        actors[i] = (struct actor){
            .round = round,
            .random = stress_seed * 31 + i * 7919 + 1,
            .index = produces ? i : i - round->producers_count,
        };
        handles[i] = coro_spawn(produces ? producer : consumer, &actors[i]);
        CHECK(handles[i].flow);
    }
}

static void *play(void *arg)
{
    static struct actor actors[PRODUCERS_MAX + CONSUMERS_MAX];
    struct coro_handle handles[PRODUCERS_MAX + CONSUMERS_MAX], top, hog, others[4];
    struct round *round = arg;
    struct foreigner foreigner = {.sched = coro_sched_self(), .round = round};
    struct coro_chan *quiet = coro_chan_new(8, 0);
    pthread_t thread;
    void *result;

    stress_talks(NULL);
    coro_sched_hold(foreigner.sched);
    CHECK(pthread_create(&thread, NULL, foreign_thread, &foreigner) == 0);
    start_actors(round, actors, handles);
    others[0] = coro_spawn(stress_ring, NULL);
    others[1] = coro_spawn(stress_locks, NULL);
    others[2] = coro_spawn(stress_streams, NULL);
    others[3] = coro_spawn(stress_gifts, NULL);
    hog = coro_spawn(busy, NULL);
    top = coro_spawn(tree, (void *)TREE_DEPTH);
    cancel_some(quiet);
    CHECK(coro_join(top, &result) == 0 && (uintptr_t)result == 121);
    CHECK(coro_join(hog, NULL) == 0);
    for (unsigned i = 0; i < 4; i++)
        CHECK(coro_join(others[i], NULL) == 0);
    for (unsigned i = 0; i < round->producers_count; i++)
        CHECK(coro_join(handles[i], NULL) == 0);
    for (unsigned i = 0; i < round->channels_count; i++)
        CHECK(coro_chan_close(round->channels[i]) == 0);
    for (unsigned i = 0; i < round->consumers_count; i++)
        CHECK(coro_join(handles[round->producers_count + i], NULL) == 0);
    pthread_join(thread, NULL);
    coro_chan_free(quiet);
    return NULL;
}

static void run_round(unsigned workers)
{
    struct round round = {0};
    uint64_t random = stress_seed * 2654435761u + 1;
    struct coro_options options = {.workers = workers, .no_membarrier = stress_seed % 8 == 7,
                                   .io = stress_seed % 3 ? CORO_IO_BEST : CORO_IO_EPOLL};

    round.channels_count = 1 + (unsigned)rnd(&random, CHANNELS_MAX);
    round.producers_count = 1 + (unsigned)rnd(&random, PRODUCERS_MAX);
    round.consumers_count = round.channels_count + (unsigned)rnd(&random, 3);
    for (unsigned i = 0; i < round.channels_count; i++)
        round.channels[i] = coro_chan_new(8, rnd(&random, 2) ? rnd(&random, 5) : 0);
    CHECK(coro_run(&options, play, &round) == 0);
    CHECK(round.sent == round.received && round.sent_sum == round.received_sum);
    CHECK(round.foreign_ran == 20);
    for (unsigned i = 0; i < round.channels_count; i++)
        coro_chan_free(round.channels[i]);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    unsigned workers = argc > 2 ? (unsigned)atoi(argv[2]) : 2;
    uint64_t end_ns = coro_now_ns() + (uint64_t)(seconds * 1e9);
    uint64_t rounds = 0;

    stress_seed = argc > 3 ? strtoull(argv[3], NULL, 0) : coro_now_ns() % 1000000;
    printf("sched_stress: %u workers, from seed %" PRIu64 "\n", workers, stress_seed);
    fflush(stdout);
    do {
        run_round(workers);
        rounds++;
        stress_seed++;
    } while (coro_now_ns() < end_ns);
    printf("sched_stress: %" PRIu64 " rounds, up to seed %" PRIu64 "\n", rounds,
           stress_seed - 1);
    return 0;
}
