/* SPDX-License-Identifier: MIT
 *
 * message_bulk.h: the experiment `message` with elements of 64 bytes to 64 KB; its cases, for the
 * table in message.c.
 */
#ifndef MESSAGE_BULK_H
#define MESSAGE_BULK_H

#include "bench.h"
#include "stage.h"

struct bulk_state;

struct bulk_config {
    bool channel;                        /* flows over a channel; else two threads */
    size_t element_bytes, capacity;
    unsigned workers;                    /* of channels */
    void (*produce)(struct bulk_state *s, uint64_t ops);
    uint64_t (*consume)(void *state, uint64_t ops);
};

int message_bulk_setup(struct bench_trial *t);
uint64_t message_bulk_run(struct bench_trial *t, uint64_t ops);
void message_bulk_teardown(struct bench_trial *t);

#define BULK_PAIR(name) void name##_produce(struct bulk_state *s, uint64_t ops); \
                        uint64_t name##_consume(void *state, uint64_t ops)
BULK_PAIR(bulk_chan);
BULK_PAIR(bulk_condvar);
BULK_PAIR(bulk_ring);
BULK_PAIR(bulk_pipe);

#define BULK(subject_, bytes, n, params_, places_, flags_, profile_, channel_, workers_, name) \
    {                                                                                       \
        .experiment = "message", .subject = subject_,                                       \
        .params = "mode=stream,capacity=" #n ",element_bytes=" #bytes params_,              \
        .op = "one larger item passed", .places = places_, .profile = profile_,             \
        .flags = flags_, .setup = message_bulk_setup, .run = message_bulk_run,              \
        .teardown = message_bulk_teardown, .ops_multiple = 4 * (n),                         \
        .arg = &(const struct bulk_config){channel_, bytes, n, workers_, name##_produce,    \
                                           name##_consume},                                 \
    }
#define BULK_HERE      BENCH_AT(BENCH_SAME_CPU)
#define BULK_ELSEWHERE (BENCH_AT_ANY & ~BULK_HERE)
/* A pipe has room for 1 MB at most, hence for `piped` elements. */
#define BULK_OF(bytes, piped, profile)                                                      \
    BULK("coro-chan", bytes, 0, ",workers=1", BULK_HERE, 0, profile, true, 1, bulk_chan),   \
        BULK("coro-chan", bytes, 64, ",workers=1", BULK_HERE, 0, profile, true, 1,          \
             bulk_chan),                                                                    \
        BULK("coro-chan", bytes, 64, ",workers=2", BULK_ELSEWHERE, BENCH_THREADS,           \
             BENCH_FULL, true, 2, bulk_chan),                                               \
        BULK("pthread-condvar", bytes, 64, "", BULK_HERE, BENCH_THREADS, profile, false, 0, \
             bulk_condvar),                                                                 \
        BULK("pthread-condvar", bytes, 64, "", BULK_ELSEWHERE, BENCH_THREADS, BENCH_FULL,   \
             false, 0, bulk_condvar),                                                       \
        BULK("spsc-ring", bytes, 64, "", BULK_ELSEWHERE, BENCH_THREADS, BENCH_FULL, false,  \
             0, bulk_ring),                                                                 \
        BULK("pipe", bytes, piped, "", BULK_HERE, BENCH_THREADS, profile, false, 0,         \
             bulk_pipe),                                                                    \
        BULK("pipe", bytes, piped, "", BULK_ELSEWHERE, BENCH_THREADS, BENCH_FULL, false, 0, \
             bulk_pipe)

#define MESSAGE_BULK_CASES                                                       \
    BULK_OF(64, 64, BENCH_FULL), BULK_OF(512, 64, BENCH_FULL),                   \
        BULK_OF(4096, 64, BENCH_DEFAULT), BULK_OF(65536, 16, BENCH_DEFAULT)

#endif
