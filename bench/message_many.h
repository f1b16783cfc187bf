/* SPDX-License-Identifier: MIT
 *
 * message_many.h: the experiment `message` between more than two: shapes of traffic that every
 * subject shares. message_many.c has flows over channels and set-up, message_many_threads.c the
 * threads; the cases are MESSAGE_MANY_CASES in message.c's table.
 *
 *  - pxc: P producers and C consumers at one queue.
 *  - fan-in: P producers with a queue each; one consumer takes what is ready (select, poll).
 *  - ring: N flows in a ring pass one token; an op is one hop.
 *
 * A subject is send and receive (and receive-any), which the loops below inline.
 *
 * The proof: an item says who sent it and its number. A consumer counts it only if it is a later
 * one of that producer than the last that it saw, and the sum of all items received must be that of
 * all sent: nothing is lost, doubled, or overtakes. In a ring each hop has its number, and only
 * the right one counts.
 */
#ifndef MESSAGE_MANY_H
#define MESSAGE_MANY_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include "bench.h"
#include "coro.h"
#include "stage.h"
#include "threads.h"

enum { MANY_PRODUCERS_MAX = 16, MANY_FLOWS_MAX = 100, MANY_NUMBER_BITS = 40 };
enum many_shape { MANY_PXC, MANY_FAN_IN, MANY_RING };

struct many_cell {
    _Atomic size_t turn; /* whose it is: release publishes the item, or that it is out */
    uint64_t item;
};

/* One queue. Only the fields of its subject are used. */
struct many_lane {
    size_t capacity; /* a power of two; channels: also 0 */
    struct coro_chan *chan;
    int read_fd, write_fd;
    pthread_mutex_t mutex; /* guards head, tail and items */
    pthread_cond_t not_empty, not_full;
    size_t head, tail;
    uint64_t *items;
    struct many_cell *cells;
    _Atomic size_t send_at __attribute__((aligned(64)));
    _Atomic size_t receive_at __attribute__((aligned(64)));
};

struct many_subject {
    int (*open)(struct many_lane *lane); /* 0 or -errno */
    void (*close)(struct many_lane *lane);
    stage_work *work;
};
extern const struct many_subject many_coro, many_condvar, many_mpmc, many_pipe, many_eventfd;

struct many_config {
    const struct many_subject *by;
    enum many_shape shape;
    size_t producers, consumers; /* of a ring: flows, 0 */
    size_t capacity;
    unsigned workers; /* 0: threads */
};

struct many_consumer {
    uint64_t last[MANY_PRODUCERS_MAX], sum;
    struct pollfd ready[MANY_PRODUCERS_MAX]; /* of receive_any through file descriptors */
    size_t look_at;
} __attribute__((aligned(64)));

struct many_producer {
    uint64_t number, sum;
} __attribute__((aligned(64)));

struct many_state {
    const struct many_config *config;
    struct stage_crew crew; /* of flows, or */
    struct thread_crew threads;
    uint64_t ops, hops; /* of this run; of all before */
    size_t lanes;
    struct many_lane *lane;
    struct many_producer producer[MANY_PRODUCERS_MAX];
    struct many_consumer consumer[MANY_PRODUCERS_MAX];
};

#define MANY_INLINE static inline __attribute__((always_inline))
typedef void many_send(struct many_lane *lane, uint64_t item);
typedef uint64_t many_receive(struct many_lane *lane);
typedef uint64_t many_receive_any(struct many_state *s, struct many_consumer *self);

MANY_INLINE void many_produce(struct many_state *s, struct many_lane *lane, size_t index,
                              many_send *send)
{
    struct many_producer *self = &s->producer[index];
    uint64_t share = stage_share(s->ops, s->config->producers, index);

    for (uint64_t i = 0; i < share; i++) {
        uint64_t item = (uint64_t)index << MANY_NUMBER_BITS | ++self->number;
        self->sum += item;
        send(lane, item);
    }
}

MANY_INLINE bool many_is_next(struct many_consumer *self, uint64_t item)
{
    size_t from = (size_t)(item >> MANY_NUMBER_BITS) % MANY_PRODUCERS_MAX;
    bool later = item > self->last[from];

    self->sum += item;
    self->last[from] = item;
    return later;
}

MANY_INLINE uint64_t many_consume(struct many_state *s, size_t index, many_receive *receive,
                                  many_receive_any *any)
{
    struct many_consumer *self = &s->consumer[index];
    uint64_t share = stage_share(s->ops, s->config->consumers, index), own = 0;

    for (uint64_t i = 0; i < share; i++)
        own += many_is_next(self, any ? any(s, self) : receive(&s->lane[0]));
    return own;
}

/* Flow i sends hops i, i + N, ... and receives the one before each; who is sent the last hop
 * receives once more. */
MANY_INLINE uint64_t many_pass(struct many_state *s, size_t index, many_send *send,
                               many_receive *receive)
{
    size_t flows = s->lanes, before = (index + flows - 1) % flows;
    uint64_t sends = stage_share(s->ops, flows, index), own = 0;
    uint64_t receives = stage_share(s->ops, flows, before);
    uint64_t hop = s->hops + 1 + index, expected = s->hops + 1 + before;

    for (uint64_t sent = 0, received = 0; sent < sends || received < receives;) {
        if (received < receives && (index || sent > received)) {
            own += receive(&s->lane[index]) == expected + received * flows;
            received++;
        }
        if (sent < sends) {
            send(&s->lane[(index + 1) % flows], hop + sent * flows);
            sent++;
        }
    }
    return own;
}

MANY_INLINE uint64_t many_work(struct many_state *s, size_t index, many_send *send,
                               many_receive *receive, many_receive_any *any)
{
    size_t producers = s->config->producers;

    if (s->config->shape == MANY_RING)
        return many_pass(s, index, send, receive);
    if (index >= producers)
        return s->config->shape == MANY_FAN_IN ? many_consume(s, index - producers, receive, any)
                                               : many_consume(s, index - producers, receive, NULL);
    many_produce(s, &s->lane[s->config->shape == MANY_FAN_IN ? index : 0], index, send);
    return 0;
}

int message_many_setup(struct bench_trial *t);
uint64_t message_many_run(struct bench_trial *t, uint64_t ops);
void message_many_teardown(struct bench_trial *t);

#define MANY_HERE      BENCH_AT(BENCH_SAME_CPU)
#define MANY_ELSEWHERE (BENCH_AT_ANY & ~MANY_HERE)

#define MANY(subject_, params_, op_, places_, flags_, most, profile_, ...)                   \
    {                                                                                        \
        .experiment = "message", .subject = subject_, .params = params_, .op = op_,          \
        .places = places_, .profile = profile_, .flags = flags_,                             \
        .kernel_switches_max = most, .setup = message_many_setup, .run = message_many_run,   \
        .teardown = message_many_teardown, .ops_multiple = 400,                              \
        .arg = &(const struct many_config){__VA_ARGS__},                                     \
    }
#define MANY_OP      "one item passed, between many"
#define MANY_HOP     "one hop of a token"
#define MANY_CORO(mode, op, one_profile, two_profile, ...)                                   \
    MANY("coro-chan", mode ",workers=1", op, MANY_HERE, 0, 0.01, one_profile, &many_coro,    \
         __VA_ARGS__, 1),                                                                    \
        MANY("coro-chan", mode ",workers=2", op, MANY_ELSEWHERE, BENCH_THREADS, 0,           \
             two_profile, &many_coro, __VA_ARGS__, 2)
#define MANY_THREADS(subject, mode, op, here_profile, apart_profile, by, ...)                \
    MANY(subject, mode, op, MANY_HERE, BENCH_THREADS | BENCH_PREEMPTS, 0, here_profile, &by, \
         __VA_ARGS__, 0),                                                                    \
        MANY(subject, mode, op, MANY_ELSEWHERE, BENCH_THREADS | BENCH_PREEMPTS, 0,           \
             apart_profile, &by, __VA_ARGS__, 0)

#define PXC(p, c, n)  "mode=pxc,producers=" #p ",consumers=" #c ",capacity=" #n
#define FAN_IN(p, n)  "mode=fan-in,producers=" #p ",capacity=" #n
#define RING(n, size) "mode=ring,flows=" #n ",capacity=" #size
#define MANY_CORO_PXC(p, c, n, one, two) \
    MANY_CORO(PXC(p, c, n), MANY_OP, one, two, MANY_PXC, p, c, n)

#define MESSAGE_MANY_CASES                                                                   \
    MANY_CORO_PXC(4, 4, 0, BENCH_FULL, BENCH_FULL),                                          \
    MANY_CORO_PXC(4, 4, 64, BENCH_DEFAULT, BENCH_DEFAULT),                                   \
    MANY_CORO_PXC(4, 1, 64, BENCH_FULL, BENCH_FULL),                                         \
    MANY_CORO_PXC(1, 4, 64, BENCH_FULL, BENCH_FULL),                                         \
    MANY_CORO_PXC(16, 16, 64, BENCH_FULL, BENCH_FULL),                                       \
    MANY_CORO_PXC(16, 16, 1024, BENCH_FULL, BENCH_FULL),                                     \
    MANY_THREADS("pthread-condvar", PXC(4, 4, 64), MANY_OP, BENCH_FULL, BENCH_DEFAULT,       \
                 many_condvar, MANY_PXC, 4, 4, 64),                                          \
    MANY_THREADS("pthread-condvar", PXC(16, 16, 64), MANY_OP, BENCH_FULL, BENCH_FULL,        \
                 many_condvar, MANY_PXC, 16, 16, 64),                                        \
    MANY_THREADS("mpmc-ring", PXC(4, 4, 64), MANY_OP, BENCH_FULL, BENCH_DEFAULT,             \
                 many_mpmc, MANY_PXC, 4, 4, 64),                                             \
    MANY_THREADS("mpmc-ring", PXC(16, 16, 64), MANY_OP, BENCH_FULL, BENCH_FULL,              \
                 many_mpmc, MANY_PXC, 16, 16, 64),                                           \
    MANY_THREADS("pipe", PXC(4, 4, 512), MANY_OP, BENCH_FULL, BENCH_DEFAULT, many_pipe,      \
                 MANY_PXC, 4, 4, 512),                                                       \
    MANY_CORO(FAN_IN(4, 0), MANY_OP, BENCH_DEFAULT, BENCH_DEFAULT, MANY_FAN_IN, 4, 1, 0),    \
    MANY_CORO(FAN_IN(4, 64), MANY_OP, BENCH_FULL, BENCH_FULL, MANY_FAN_IN, 4, 1, 64),        \
    MANY_CORO(FAN_IN(16, 0), MANY_OP, BENCH_FULL, BENCH_FULL, MANY_FAN_IN, 16, 1, 0),        \
    MANY_THREADS("pipe", FAN_IN(4, 512), MANY_OP, BENCH_FULL, BENCH_DEFAULT, many_pipe,      \
                 MANY_FAN_IN, 4, 1, 512),                                                    \
    MANY_CORO(RING(100, 0), MANY_HOP, BENCH_DEFAULT, BENCH_DEFAULT, MANY_RING, 100, 0, 0),   \
    MANY_CORO(RING(100, 1), MANY_HOP, BENCH_FULL, BENCH_FULL, MANY_RING, 100, 0, 1),         \
    MANY_THREADS("pthread-condvar", RING(100, 1), MANY_HOP, BENCH_DEFAULT, BENCH_FULL,       \
                 many_condvar, MANY_RING, 100, 0, 1),                                        \
    MANY_THREADS("pipe", RING(100, 512), MANY_HOP, BENCH_FULL, BENCH_FULL, many_pipe,        \
                 MANY_RING, 100, 0, 512),                                                    \
    MANY_THREADS("eventfd", RING(100, 1), MANY_HOP, BENCH_FULL, BENCH_FULL, many_eventfd,    \
                 MANY_RING, 100, 0, 1)

#endif
