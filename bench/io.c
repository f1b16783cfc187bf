/* SPDX-License-Identifier: MIT
 *
 * io: an echo server on one CPU, its clients on the other (echo_load.h).
 *
 * One op is one request answered: 64 bytes in, the same out, on one of `connections` that all
 * have one request under way. So with many, ns is the inverse of the rate that the pair reaches, and
 * cpu_ns what the server spent on it; latency_p50 and latency_p99 are how long the clients waited.
 *
 *  - coro-io_uring, coro-epoll: a flow per connection, one worker, by either poller.
 *  - pthread: a thread per connection, blocking calls.
 *
 * The proof: the client checks that each answer is its request's; servers count the
 * requests that they read, before they answer, over all connections. The peer `go` does
 * the same with Go's net package.
 */
#include "experiments.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "echo_load.h"
#include "stage.h"

enum { BUFFER_BYTES = 1024, THREAD_STACK_BYTES = 64 * 1024 };

struct io_config {
    int family;
    unsigned connections;
    enum coro_io_choice poller;
};

struct io_state {
    const struct io_config *config;
    struct echo_load load;
    int listener; /* the load's, constant while threads run */
    struct stage stage;
    _Atomic(uint64_t) bytes; /* read by all connections */
    uint64_t ops, answered;
    unsigned accepted;
    int error;
    pthread_t *thread;
};

/* What the server saw of this run, if the client is content. */
static uint64_t counted(struct io_state *s, uint64_t bytes_before, uint64_t ops)
{
    return s->answered == ops ? (atomic_load(&s->bytes) - bytes_before) / ECHO_BYTES
                              : s->answered;
}

/* ---- flows --------------------------------------------------------------------------- */

struct flow_connection {
    struct io_state *state;
    int fd;
};

static void *serve_flow(void *arg)
{
    struct flow_connection self = *(struct flow_connection *)arg;
    char buffer[BUFFER_BYTES];
    ssize_t got, put;

    free(arg);
    while ((got = coro_read(self.fd, buffer, sizeof buffer)) > 0) {
        atomic_store_explicit(&self.state->bytes,
                              atomic_load_explicit(&self.state->bytes, memory_order_relaxed) +
                                  (uint64_t)got,
                              memory_order_relaxed); /* one worker */
        for (ssize_t at = 0; at < got; at += put)
            if ((put = coro_write(self.fd, buffer + at, (size_t)(got - at))) <= 0)
                break;
    }
    coro_close(self.fd);
    return NULL;
}

static int accept_flow(struct io_state *s)
{
    const struct coro_spawn_options detached = {.detached = true};
    uint64_t until_ns = coro_now_ns() + (uint64_t)ECHO_PATIENCE_S * 1000000000;
    struct flow_connection *connection;
    int fd = coro_accept_until(s->load.listener, NULL, NULL, until_ns);

    if (fd < 0)
        return fd;
    echo_load_tune(fd);
    connection = malloc(sizeof *connection);
    if (!connection)
        return -ENOMEM;
    *connection = (struct flow_connection){s, fd};
    if (!coro_spawn_with(&detached, serve_flow, connection).flow)
        return -ENOMEM;
    s->accepted++;
    return 0;
}

static void lead(void *arg)
{
    struct io_state *s = arg;

    while (!s->error && s->accepted < s->config->connections)
        s->error = accept_flow(s);
    if (!s->error && coro_read(s->load.answer, &s->answered, sizeof s->answered) !=
                         sizeof s->answered)
        s->error = -EPIPE;
    for (stage_leave(&s->stage); !s->stage.closing; stage_leave(&s->stage)) {
        s->answered = 0;
        if (coro_write(s->load.ask, &s->ops, sizeof s->ops) == sizeof s->ops)
            coro_read(s->load.answer, &s->answered, sizeof s->answered);
    }
    coro_close(s->load.ask); /* the client ends, and with it each connection's flow */
    s->load.ask = -1;
}

static void flows_teardown(struct bench_trial *t)
{
    struct io_state *s = bench_state(t);

    if (!s)
        return;
    stage_close(&s->stage);
    echo_load_close(&s->load, t);
    free(s);
}

static int flows_setup(struct bench_trial *t)
{
    struct io_state *s = calloc(1, sizeof *s);
    int error;

    if (!s)
        return -ENOMEM;
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    error = echo_load_open(&s->load, t, s->config->family, s->config->connections);
    if (error)
        return error;
    s->stage.options.io = s->config->poller;
    error = stage_open(&s->stage, t, 1, lead, s);
    if (error)
        return error;
    if (s->error == -ENOSYS || s->error == -EPERM)
        return bench_skip(t, "no io_uring: %s", strerror(-s->error));
    return s->error;
}

static uint64_t flows_run(struct bench_trial *t, uint64_t ops)
{
    struct io_state *s = bench_state(t);
    uint64_t before = atomic_load(&s->bytes);

    s->ops = ops;
    stage_enter(&s->stage);
    return counted(s, before, ops);
}

/* ---- threads ------------------------------------------------------------------------- */

static void *serve_thread(void *arg)
{
    struct io_state *s = arg;
    char buffer[BUFFER_BYTES];
    ssize_t got, put;
    int fd = accept(s->listener, NULL, NULL);

    if (fd < 0)
        return NULL;
    echo_load_tune(fd);
    while ((got = read(fd, buffer, sizeof buffer)) > 0) {
        atomic_fetch_add_explicit(&s->bytes, (uint64_t)got, memory_order_relaxed);
        for (ssize_t at = 0; at < got; at += put)
            if ((put = send(fd, buffer + at, (size_t)(got - at), MSG_NOSIGNAL)) <= 0)
                break;
    }
    close(fd);
    return NULL;
}

static void threads_teardown(struct bench_trial *t)
{
    struct io_state *s = bench_state(t);

    if (!s)
        return;
    echo_load_close(&s->load, t);
    for (unsigned i = 0; i < s->accepted; i++)
        pthread_join(s->thread[i], NULL);
    free(s->thread);
    free(s);
}

static int threads_setup(struct bench_trial *t)
{
    struct io_state *s = calloc(1, sizeof *s);
    pthread_attr_t small;
    int error = 0;

    if (!s)
        return -ENOMEM;
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    s->thread = calloc(s->config->connections, sizeof *s->thread);
    error = echo_load_open(&s->load, t, s->config->family, s->config->connections);
    if (error || !s->thread)
        return error ? error : -ENOMEM;
    s->listener = s->load.listener;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, THREAD_STACK_BYTES);
    for (; !error && s->accepted < s->config->connections; s->accepted += !error)
        error = pthread_create(&s->thread[s->accepted], &small, serve_thread, s);
    pthread_attr_destroy(&small);
    if (error)
        return bench_skip(t, "no %uth thread: %s", s->accepted + 1, strerror(error));
    return echo_load_ready(&s->load);
}

static uint64_t threads_run(struct bench_trial *t, uint64_t ops)
{
    struct io_state *s = bench_state(t);
    uint64_t before = atomic_load(&s->bytes);

    s->answered = echo_load_ask(&s->load, ops);
    return counted(s, before, ops);
}

/* ---- cases --------------------------------------------------------------------------- */

#define ECHO(subject_, socket_, family_, n, poller_, profile_, who)                          \
    {                                                                                        \
        .experiment = "io", .subject = subject_,                                             \
        .params = "echo=" socket_ ",connections=" #n, .op = "one request answered",          \
        .places = BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU), .profile = profile_,             \
        .flags = BENCH_THREADS | BENCH_PREEMPTS, .setup = who##_setup, .run = who##_run,     \
        .teardown = who##_teardown, .ops_multiple = (n) < 50 ? 50 : 5 * (n),                    \
        .arg = &(const struct io_config){family_, n, poller_},                               \
    }
/* A thread for each of many connections over TCP: on a busy machine no trial of it is quiet. */
#define SUBJECTS(socket, family, n, profile, threads_profile)                                \
    ECHO("coro-io_uring", socket, family, n, CORO_IO_URING, profile, flows),                  \
        ECHO("coro-epoll", socket, family, n, CORO_IO_EPOLL, profile, flows),                 \
        ECHO("pthread", socket, family, n, CORO_IO_BEST, threads_profile, threads)

const struct bench_case io_cases[] = {
    SUBJECTS("tcp", AF_INET, 1, BENCH_FULL, BENCH_FULL),
    SUBJECTS("tcp", AF_INET, 100, BENCH_FULL, BENCH_FULL),
    SUBJECTS("tcp", AF_INET, 1000, BENCH_DEFAULT, BENCH_FULL),
    SUBJECTS("tcp", AF_INET, 10000, BENCH_FULL, BENCH_FULL),
    SUBJECTS("unix", AF_UNIX, 1, BENCH_FULL, BENCH_FULL),
    SUBJECTS("unix", AF_UNIX, 100, BENCH_FULL, BENCH_FULL),
    SUBJECTS("unix", AF_UNIX, 1000, BENCH_DEFAULT, BENCH_DEFAULT),
    SUBJECTS("unix", AF_UNIX, 10000, BENCH_FULL, BENCH_FULL),
};
const size_t io_case_count = sizeof io_cases / sizeof *io_cases;
