/* SPDX-License-Identifier: MIT
 *
 * message_coro.h: the experiment `message` between two flows over channels of the runtime;
 * its cases, for the table in message.c.
 */
#ifndef MESSAGE_CORO_H
#define MESSAGE_CORO_H

#include "bench.h"

struct message_coro_config {
    size_t capacity;
    unsigned workers;
    bool pinned, roundtrip;
};

int message_coro_setup(struct bench_trial *t);
uint64_t message_coro_run(struct bench_trial *t, uint64_t ops);
void message_coro_teardown(struct bench_trial *t);

#define MESSAGE_CORO(mode, op_, n, workers_, where, places_, flags_, most, profile_, ...)  \
    {                                                                                      \
        .experiment = "message", .subject = "coro-chan",                                   \
        .params = "mode=" mode ",capacity=" #n ",workers=" #workers_ where, .op = op_,     \
        .places = places_, .profile = profile_, .flags = flags_,                           \
        .kernel_switches_max = most, .setup = message_coro_setup, .run = message_coro_run, \
        .teardown = message_coro_teardown, .ops_multiple = (n) > 1 ? 4 * (n) : 0,          \
        .arg = &(const struct message_coro_config){n, workers_, __VA_ARGS__},              \
    }
#define MESSAGE_CORO_AT(mode, op, n, roundtrip, profile, both_profile)                    \
    MESSAGE_CORO(mode, op, n, 1, "", BENCH_AT(BENCH_SAME_CPU), 0, 0.01, profile, false,   \
                 roundtrip),                                                              \
        MESSAGE_CORO(mode, op, n, 2, "", BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU),        \
                     BENCH_THREADS, 0, both_profile, false, roundtrip),                   \
        MESSAGE_CORO(mode, op, n, 2, ",flows=pinned",                                     \
                     BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU), BENCH_THREADS, 0,          \
                     both_profile, true, roundtrip)
#define MESSAGE_CORO_STREAM(n, profile, both_profile) \
    MESSAGE_CORO_AT("stream", "one item passed", n, false, profile, both_profile)
#define MESSAGE_CORO_ROUNDTRIP(n, profile, both_profile)                              \
    MESSAGE_CORO_AT("roundtrip", "one round trip: request and reply", n, true, profile, \
                    both_profile)

#define MESSAGE_CORO_CASES                                     \
    MESSAGE_CORO_STREAM(0, BENCH_DEFAULT, BENCH_FULL),         \
    MESSAGE_CORO_STREAM(1, BENCH_DEFAULT, BENCH_FULL),         \
    MESSAGE_CORO_STREAM(64, BENCH_FULL, BENCH_FULL),           \
    MESSAGE_CORO_STREAM(128, BENCH_DEFAULT, BENCH_DEFAULT),    \
    MESSAGE_CORO_STREAM(1024, BENCH_FULL, BENCH_FULL),         \
    MESSAGE_CORO_ROUNDTRIP(0, BENCH_QUICK, BENCH_DEFAULT),     \
    MESSAGE_CORO_ROUNDTRIP(1, BENCH_FULL, BENCH_FULL)

#endif
