/* SPDX-License-Identifier: MIT
 *
 * io_stress.c: random schedules over I/O and blocking calls; a plain program, so that it runs
 * under ThreadSanitizer, AddressSanitizer and Valgrind.
 *
 *     io_stress [seconds [workers [io_uring|epoll [seed]]]]
 *
 * Each round has pairs of flows with a pipe or a socket between them: one writes a known sequence
 * of bytes in random portions, one reads it, both now and then with a deadline that is too
 * short: not a byte may be lost, doubled or out of place. Meanwhile flows wait for what never comes,
 * and are cancelled, or their descriptor is closed; flows make blocking calls, some
 * cancelled; one does not yield for a while. Nothing may deadlock, which coro_run() would say.
 */
#include "coro.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAIRS_MAX = 12, WAITERS = 8, CALLERS = 6, PORTION_MAX = 9000, BYTES_MAX = 120 * 1000 };

static uint64_t seed;

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "io_stress: seed %" PRIu64 ": line %d: %s\n", seed, __LINE__,  \
                    #condition);                                                           \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

struct pair {
    uint64_t random_in, random_out;
    size_t bytes;
    int in, out;
};

static uint64_t rnd(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (*state >> 11) % below;
}

static unsigned char byte_at(size_t at)
{
    return (unsigned char)(at * 31 + (at >> 8));
}

static uint64_t deadline(uint64_t *random)
{
    return rnd(random, 3) ? UINT64_MAX : coro_now_ns() + rnd(random, 60000);
}

static void make_pair(struct pair *pair, uint64_t random)
{
    int ends[2];

    *pair = (struct pair){.random_in = random * 2 + 1,
                          .random_out = random * 3 + 7,
                          .bytes = 1 + rnd(&random, BYTES_MAX)};
    if (rnd(&random, 3) == 0)
        CHECK(pipe(ends) == 0);
    else
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | (rnd(&random, 2) ? SOCK_NONBLOCK : 0), 0,
                         ends) == 0);
    pair->in = ends[0];
    pair->out = ends[1];
}

static void *writer(void *arg)
{
    struct pair *pair = arg;
    unsigned char portion[PORTION_MAX];
    size_t at = 0;

    while (at < pair->bytes) {
        size_t count = 1 + rnd(&pair->random_out, PORTION_MAX);
        ssize_t put;

        if (count > pair->bytes - at)
            count = pair->bytes - at;
        for (size_t i = 0; i < count; i++)
            portion[i] = byte_at(at + i);
        put = coro_write_until(pair->out, portion, count, deadline(&pair->random_out));
        CHECK(put > 0 || put == -ETIMEDOUT);
        if (put > 0)
            at += (size_t)put;
        if (rnd(&pair->random_out, 8) == 0)
            coro_yield();
    }
    CHECK(coro_close(pair->out) == 0);
    return NULL;
}

static void *reader(void *arg)
{
    struct pair *pair = arg;
    unsigned char portion[PORTION_MAX];
    size_t at = 0;
    ssize_t got;

    for (;;) {
        got = coro_read_until(pair->in, portion, 1 + rnd(&pair->random_in, PORTION_MAX),
                              deadline(&pair->random_in));
        if (got == 0)
            break;
        CHECK(got > 0 || got == -ETIMEDOUT);
        for (ssize_t i = 0; i < got; i++, at++)
            CHECK(portion[i] == byte_at(at));
        if (rnd(&pair->random_in, 16) == 0)
            coro_sleep_ns(rnd(&pair->random_in, 20000));
    }
    CHECK(at == pair->bytes);
    CHECK(coro_close(pair->in) == 0);
    return NULL;
}

static void *waiter(void *arg)
{
    char byte;

    return (void *)(intptr_t)coro_read((int)(intptr_t)arg, &byte, 1);
}

/* Half are cancelled, the others lose their descriptor. */
static void end_waits(uint64_t *random)
{
    struct coro_handle flows[WAITERS];
    int ends[WAITERS][2];
    void *result;

    for (unsigned i = 0; i < WAITERS; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]) == 0);
        flows[i] = coro_spawn(waiter, (void *)(intptr_t)ends[i][0]);
    }
    for (unsigned i = 0; i < WAITERS; i++) {
        /* A number that is closed before it is waited for may be another file's by then. */
        while (i % 2 == 0 && !atomic_load(&flows[i].flow->waiting))
            coro_sleep_ns(rnd(random, 50000));
        if (i % 2)
            CHECK(coro_cancel(flows[i]) == 0);
        else
            CHECK(coro_close(ends[i][0]) == 0);
    }
    for (unsigned i = 0; i < WAITERS; i++) {
        CHECK(coro_join(flows[i], &result) == 0);
        CHECK((intptr_t)result == (i % 2 ? -ECANCELED : -EBADF));
        CHECK(i % 2 == 0 || coro_close(ends[i][0]) == 0);
        CHECK(coro_close(ends[i][1]) == 0);
    }
}

static void *work(void *arg)
{
    usleep((useconds_t)(uintptr_t)arg % 300);
    return arg;
}

static void *caller(void *arg)
{
    void *result = NULL;
    int error = coro_blocking(work, arg, &result);

    CHECK(error == -ECANCELED || (error == 0 && result == arg));
    return NULL;
}

static void *busy(void *arg)
{
    uint64_t until_ns = coro_now_ns() + 300000;

    while (coro_now_ns() < until_ns)
        ;
    return NULL;
}

static void *play(void *arg)
{
    static struct pair pairs[PAIRS_MAX];
    struct coro_handle flows[2 * PAIRS_MAX], callers[CALLERS], hog;
    uint64_t random = seed * 7919 + 1;
    unsigned count = 1 + (unsigned)rnd(&random, PAIRS_MAX);

    for (unsigned i = 0; i < count; i++) {
        make_pair(&pairs[i], random + i);
        flows[2 * i] = coro_spawn(writer, &pairs[i]);
        flows[2 * i + 1] = coro_spawn(reader, &pairs[i]);
    }
    for (uintptr_t i = 0; i < CALLERS; i++)
        callers[i] = coro_spawn(caller, (void *)(1 + i * 97));
    hog = coro_spawn(busy, NULL);
    end_waits(&random);
    CHECK(coro_cancel(callers[0]) == 0 || true);
    for (unsigned i = 0; i < CALLERS; i++)
        CHECK(coro_join(callers[i], NULL) == 0);
    CHECK(coro_join(hog, NULL) == 0);
    for (unsigned i = 0; i < 2 * count; i++)
        CHECK(coro_join(flows[i], NULL) == 0);
    return NULL;
}

static void *try_poller(void *arg)
{
    *(bool *)arg = coro_io_name() != NULL;
    return NULL;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    struct coro_options options = {.workers = argc > 2 ? (unsigned)atoi(argv[2]) : 2,
                                   .stack_bytes = 256 * 1024};
    uint64_t end_ns = coro_now_ns() + (uint64_t)(seconds * 1e9), rounds = 0;
    bool had = false;

    if (argc > 3)
        options.io = strcmp(argv[3], "epoll") ? CORO_IO_URING : CORO_IO_EPOLL;
    seed = argc > 4 ? strtoull(argv[4], NULL, 10) : coro_now_ns();
    signal(SIGPIPE, SIG_IGN);
    CHECK(coro_run(&options, try_poller, &had) == 0);
    if (!had) {
        puts("io_stress: skipped: the kernel has no io_uring for us");
        return 77;
    }
    printf("io_stress: first seed %" PRIu64 "\n", seed);
    for (; coro_now_ns() < end_ns; rounds++, seed++)
        CHECK(coro_run(&options, play, NULL) == 0);
    printf("io_stress: %" PRIu64 " rounds\n", rounds);
    return 0;
}
