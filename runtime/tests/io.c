/* SPDX-License-Identifier: MIT
 *
 * io.c: reading, writing, accepting, connecting with each poller, with one worker and two.
 */
#include "run.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int run_io(enum coro_io_choice io, unsigned workers, coro_body *body)
{
    const struct coro_options options = {.workers = workers,
                                         .stack_bytes = TEST_STACK_BYTES,
                                         .quiet = true,
                                         .io = io};

    return coro_run(&options, body, NULL);
}

static void *opens(void *arg)
{
    int ends[2];
    char byte = 1;

    cr_expect_eq(pipe(ends), 0);
    *(ssize_t *)arg = coro_write(ends[1], &byte, 1);
    close(ends[0]);
    close(ends[1]);
    return NULL;
}

static bool has_uring(void)
{
    const struct coro_options options = {.workers = 1, .io = CORO_IO_URING};
    ssize_t written = 0;

    coro_run(&options, opens, &written);
    return written == 1;
}

static void each_poller(coro_body *body)
{
    cr_expect_eq(run_io(CORO_IO_EPOLL, 1, body), 0, "epoll, one worker");
    cr_expect_eq(run_io(CORO_IO_EPOLL, 2, body), 0, "epoll, two workers");
    if (!has_uring())
        return;
    cr_expect_eq(run_io(CORO_IO_URING, 1, body), 0, "io_uring, one worker");
    cr_expect_eq(run_io(CORO_IO_URING, 2, body), 0, "io_uring, two workers");
}

#define IN_IO_IF(name, condition, reason)                                                  \
    static void *name##_body(void *arg);                                                   \
    Test(io, name, .timeout = 60)                                                          \
    {                                                                                      \
        if (!(condition))                                                                  \
            cr_skip_test(reason);                                                          \
        each_poller(name##_body);                                                          \
    }                                                                                      \
    static void *name##_body(__attribute__((unused)) void *arg)
#define IN_IO(name)        IN_IO_IF(name, true, "")
#define IN_IO_NOWAIT(name) IN_IO_IF(name, has_nowait(), "pipes have no RWF_NOWAIT here")

Test(io, io_uring_can_be_had)
{
    if (!has_uring())
        cr_skip_test("no io_uring: the other tests ran with epoll only");
}

/* Whether pipes and eventfds can be read without waiting; else helper threads do it, whom neither
 * a cancellation nor a deadline stops. */
static bool has_nowait(void)
{
    char byte = 0;
    struct iovec all = {.iov_base = &byte, .iov_len = 1};
    int ends[2];
    bool nowait;

    cr_expect_eq(pipe(ends), 0);
    nowait = preadv2(ends[0], &all, 1, -1, RWF_NOWAIT) < 0 && errno == EAGAIN;
    close(ends[0]);
    close(ends[1]);
    return nowait;
}

/* What is read from ends[0] is written to ends[1]; nothing else is expected of it. */
static int two_ends(int ends[2])
{
    return has_nowait() ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static void *name_of(void *arg)
{
    *(const char **)arg = coro_io_name();
    return NULL;
}

Test(io, the_poller_can_be_chosen)
{
    const struct coro_options best = {.workers = 1}, forced = {.workers = 1, .io = CORO_IO_URING};
    const char *name = NULL;

    setenv("CORO_IO", "epoll", 1);
    cr_expect_eq(coro_run(&best, name_of, &name), 0);
    cr_expect_str_eq(name, "epoll");
    if (has_uring()) {
        cr_expect_eq(coro_run(&forced, name_of, &name), 0);
        cr_expect_str_eq(name, "io_uring", "what the program says goes first");
    }
    setenv("CORO_IO", "select", 1);
    cr_expect_eq(coro_run(&best, name_of, &name), -EINVAL);
}

/* ---- bytes ------------------------------------------------------------------------- */

static bool read_all(int fd, void *buffer, size_t bytes)
{
    size_t got = 0;

    while (got < bytes) {
        ssize_t more = coro_read(fd, (char *)buffer + got, bytes - got);

        if (more <= 0)
            return false;
        got += (size_t)more;
    }
    return true;
}

static bool write_all(int fd, const void *buffer, size_t bytes)
{
    size_t put = 0;

    while (put < bytes) {
        ssize_t more = coro_write(fd, (const char *)buffer + put, bytes - put);

        if (more <= 0)
            return false;
        put += (size_t)more;
    }
    return true;
}

static void *echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[4096];
    ssize_t got;

    while ((got = coro_read(fd, buffer, sizeof buffer)) > 0)
        if (!write_all(fd, buffer, (size_t)got))
            break;
    coro_close(fd);
    return (void *)(intptr_t)got;
}

IN_IO_NOWAIT(a_pipe_carries_bytes_and_its_end)
{
    int ends[2];
    char text[8] = "";

    cr_expect_eq(pipe(ends), 0);
    struct coro_handle flow = coro_spawn(echo, (void *)(intptr_t)ends[0]);
    UNTIL_PARKED(flow);
    coro_cancel(flow);
    coro_join(flow, NULL); /* closed the reader's end */
    signal(SIGPIPE, SIG_IGN);
    cr_expect_eq(coro_write(ends[1], "x", 1), -EPIPE);
    coro_close(ends[1]);

    cr_expect_eq(pipe(ends), 0);
    cr_expect_eq(coro_write(ends[1], "corobench", 8), 8);
    cr_expect_eq(coro_read(ends[0], text, 4), 4);
    cr_expect_eq(coro_read(ends[0], text + 4, 100 < sizeof text ? 100 : 4), 4);
    cr_expect_eq(memcmp(text, "corobenc", 8), 0);
    coro_close(ends[1]);
    cr_expect_eq(coro_read(ends[0], text, 4), 0, "the end of the file");
    cr_expect_eq(coro_read(ends[0], text, 4), 0, "again");
    coro_close(ends[0]);
    return NULL;
}

/* Enough for the writer to have to wait. */
static void *pour(void *arg)
{
    enum { BYTES = 4 * 1024 * 1024 };
    static const size_t bytes = BYTES;
    char *all = malloc(bytes);
    bool right;

    for (size_t i = 0; i < bytes; i++)
        all[i] = (char)(i * 31 + (i >> 9));
    right = write_all((int)(intptr_t)arg, all, bytes);
    free(all);
    coro_close((int)(intptr_t)arg);
    return (void *)(intptr_t)right;
}

static void drain(int fd)
{
    char block[777];
    size_t at = 0, wrong = 0;
    ssize_t got;

    while ((got = coro_read(fd, block, sizeof block)) > 0)
        for (ssize_t i = 0; i < got; i++, at++)
            wrong += block[i] != (char)(at * 31 + (at >> 9));
    cr_expect_eq(got, 0);
    cr_expect_eq(wrong, 0);
    cr_expect_eq(at, 4 * 1024 * 1024);
    coro_close(fd);
}

IN_IO(writers_wait_for_room_and_no_byte_is_lost)
{
    int ends[2];
    void *right;

    for (int kind = 0; kind < 3; kind++) {
        if (kind == 0) {
            cr_expect_eq(pipe(ends), 0);
        } else {
            cr_expect_eq(socketpair(AF_UNIX, SOCK_STREAM | (kind == 2 ? SOCK_NONBLOCK : 0), 0,
                                    ends),
                         0);
        }
        struct coro_handle flow = coro_spawn(pour, (void *)(intptr_t)ends[1]);
        drain(ends[0]);
        coro_join(flow, &right);
        cr_expect(right != NULL);
    }
    return NULL;
}

IN_IO(files_are_read_and_written_in_order)
{
    char path[] = "/tmp/coro-io-XXXXXX", text[16] = "";
    int fd = mkstemp(path);

    unlink(path);
    cr_expect_eq(coro_write(fd, "first ", 6), 6);
    cr_expect_eq(coro_write(fd, "second", 6), 6);
    cr_expect_eq(lseek(fd, 0, SEEK_SET), 0);
    cr_expect_eq(coro_read(fd, text, 12), 12);
    cr_expect_str_eq(text, "first second");
    cr_expect_eq(coro_read(fd, text, 12), 0);
    cr_expect_eq(coro_close(fd), 0);
    return NULL;
}

IN_IO_NOWAIT(an_eventfd_works_blocking_or_not)
{
    for (int flags = 0; flags <= EFD_NONBLOCK; flags += EFD_NONBLOCK) {
        int fd = eventfd(0, flags);
        uint64_t value = 0, three = 3;

        cr_expect_eq(coro_read_until(fd, &value, 8, coro_now_ns() + 2000000), -ETIMEDOUT);
        cr_expect_eq(coro_write(fd, &three, 8), 8);
        cr_expect_eq(coro_read(fd, &value, 8), 8);
        cr_expect_eq(value, 3);
        coro_close(fd);
    }
    return NULL;
}

IN_IO(bad_descriptors_are_errors)
{
    char byte = 0;
    int ends[2];

    cr_expect_eq(coro_read(-1, &byte, 1), -EBADF);
    cr_expect_eq(coro_read(1 << 30, &byte, 1), -EBADF);
    cr_expect_eq(coro_write(999, &byte, 1), -EBADF);
    cr_expect_eq(coro_close(-1), -EBADF);
    cr_expect_eq(coro_close(999), -EBADF);
    cr_expect_eq(coro_accept(999, NULL, NULL), -EBADF);
    cr_expect_eq(pipe(ends), 0);
    cr_expect_eq(coro_accept(ends[0], NULL, NULL), -ENOTSOCK);
    cr_expect_eq(coro_read(ends[1], &byte, 1), -EBADF, "the writing end");
    cr_expect_eq(coro_close(ends[0]), 0);
    cr_expect_eq(coro_close(ends[0]), -EBADF, "twice");
    coro_close(ends[1]);
    return NULL;
}

/* ---- ending a wait ------------------------------------------------------------------ */

static void *read_one(void *arg)
{
    char byte;

    return (void *)(intptr_t)coro_read((int)(intptr_t)arg, &byte, 1);
}

IN_IO(a_cancelled_reader_ends_and_takes_nothing)
{
    int ends[2];
    void *result;
    char byte = 0;

    cr_expect_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct coro_handle flow = coro_spawn(read_one, (void *)(intptr_t)ends[0]);
    UNTIL_PARKED(flow);
    cr_expect_eq(coro_cancel(flow), 0);
    cr_expect_eq(coro_join(flow, &result), 0);
    cr_expect_eq((intptr_t)result, -ECANCELED);
    cr_expect_eq(coro_write(ends[1], "y", 1), 1);
    cr_expect_eq(coro_read(ends[0], &byte, 1), 1);
    cr_expect_eq(byte, 'y');
    coro_close(ends[0]);
    coro_close(ends[1]);
    return NULL;
}

IN_IO(a_deadline_ends_a_read_and_not_early)
{
    int ends[2];
    uint64_t deadline_ns = coro_now_ns() + 20 * 1000 * 1000;
    char byte = 0;

    cr_expect_eq(two_ends(ends), 0);
    cr_expect_eq(coro_read_until(ends[0], &byte, 1, deadline_ns), -ETIMEDOUT);
    cr_expect_geq(coro_now_ns(), deadline_ns);
    cr_expect_eq(coro_read_until(ends[0], &byte, 1, 1), -ETIMEDOUT, "past");
    cr_expect_eq(coro_write(ends[1], "z", 1), 1);
    cr_expect_eq(coro_read_until(ends[0], &byte, 1, coro_now_ns() + UINT64_C(60000000000)), 1);
    cr_expect_eq(byte, 'z');
    coro_close(ends[0]);
    coro_close(ends[1]);
    return NULL;
}

IN_IO(closing_wakes_everyone_who_waits)
{
    struct coro_handle flows[4];
    int ends[2];
    void *result;

    cr_expect_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    for (unsigned i = 0; i < 4; i++)
        flows[i] = coro_spawn(read_one, (void *)(intptr_t)ends[0]);
    for (unsigned i = 0; i < 4; i++)
        UNTIL_PARKED(flows[i]);
    cr_expect_eq(coro_close(ends[0]), 0);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_eq(coro_join(flows[i], &result), 0);
        cr_expect_eq((intptr_t)result, -EBADF);
    }
    cr_expect_eq(fcntl(ends[0], F_GETFD), -1, "the last of them closed it");
    cr_expect_eq(coro_read(ends[1], &result, 1), 0, "and the peer sees it");
    coro_close(ends[1]);
    return NULL;
}

/* The number comes back at once: what was known of it must not. */
IN_IO(a_number_used_again_is_a_new_file)
{
    for (unsigned i = 0; i < 50; i++) {
        struct coro_handle flow;
        int ends[2];
        void *result;

        cr_expect_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        flow = coro_spawn(read_one, (void *)(intptr_t)ends[0]);
        UNTIL_PARKED(flow);
        cr_expect_eq(coro_write(ends[1], "w", 1), 1);
        cr_expect_eq(coro_join(flow, &result), 0);
        cr_expect_eq((intptr_t)result, 1);
        coro_close(ends[0]);
        coro_close(ends[1]);
    }
    return NULL;
}

IN_IO(waiting_for_io_is_no_deadlock_but_a_channel_is)
{
    int ends[2];
    char byte;

    cr_expect_eq(two_ends(ends), 0);
    cr_expect_eq(coro_read_until(ends[0], &byte, 1, coro_now_ns() + 30000000), -ETIMEDOUT);
    coro_close(ends[0]);
    coro_close(ends[1]);
    return NULL;
}

static void *deadlocks(void *arg)
{
    int ends[2];
    char byte;

    cr_expect_eq(two_ends(ends), 0);
    coro_read_until(ends[0], &byte, 1, coro_now_ns() + 1000000);
    coro_close(ends[0]);
    coro_close(ends[1]);
    coro_chan_recv(NULL, &byte);
    return NULL;
}

Test(io, a_deadlock_is_found_after_io, .timeout = 20)
{
    cr_expect_eq(run_io(CORO_IO_EPOLL, 1, deadlocks), -EDEADLK);
    cr_expect_eq(run_io(CORO_IO_EPOLL, 2, deadlocks), -EDEADLK);
    if (has_uring()) {
        cr_expect_eq(run_io(CORO_IO_URING, 1, deadlocks), -EDEADLK);
        cr_expect_eq(run_io(CORO_IO_URING, 2, deadlocks), -EDEADLK);
    }
}

/* ---- interrupts --------------------------------------------------------------------- */

static _Atomic(bool) storming;

static void ignore(int signal)
{
}

static void *storm(void *arg)
{
    pthread_t target = *(pthread_t *)arg;

    while (storming) {
        pthread_kill(target, SIGUSR1);
        usleep(50);
    }
    return NULL;
}

IN_IO(a_storm_of_signals_goes_unnoticed)
{
    const struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_ONSTACK};
    pthread_t self = pthread_self(), thread;
    int ends[2];
    void *right;

    sigaction(SIGUSR1, &action, NULL);
    storming = true;
    cr_expect_eq(pthread_create(&thread, NULL, storm, &self), 0);
    cr_expect_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct coro_handle flow = coro_spawn(pour, (void *)(intptr_t)ends[1]);
    drain(ends[0]);
    coro_join(flow, &right);
    cr_expect(right != NULL);
    storming = false;
    pthread_join(thread, NULL);
    return NULL;
}

static void *foreign_write(void *arg)
{
    usleep(20000);
    return (void *)(intptr_t)write((int)(intptr_t)arg, "f", 1);
}

static void *foreign_spawned(void *arg)
{
    coro_close((int)(intptr_t)arg);
    return NULL;
}

struct outsider {
    struct coro_sched *sched;
    int fd;
};

static void *foreign_spawn(void *arg)
{
    struct outsider *self = arg;

    usleep(20000);
    coro_spawn_into(self->sched, foreign_spawned, (void *)(intptr_t)self->fd);
    return NULL;
}

/* All workers sleep, one in the poller: bytes wake it, and so does a flow from outside. */
IN_IO(who_sleeps_in_the_poller_can_be_woken)
{
    struct outsider outsider;
    pthread_t thread;
    int ends[2];
    char byte;

    cr_expect_eq(two_ends(ends), 0);
    pthread_create(&thread, NULL, foreign_write, (void *)(intptr_t)ends[1]);
    cr_expect_eq(coro_read(ends[0], &byte, 1), 1);
    pthread_join(thread, NULL);
    outsider = (struct outsider){.sched = coro_sched_self(), .fd = ends[0]};
    pthread_create(&thread, NULL, foreign_spawn, &outsider);
    cr_expect_eq(coro_read(ends[0], &byte, 1), -EBADF);
    pthread_join(thread, NULL);
    coro_close(ends[1]);
    return NULL;
}

/* ---- connections -------------------------------------------------------------------- */

static int listen_on(struct sockaddr_storage *address, socklen_t *bytes, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(address, 0, sizeof *address);
    address->ss_family = (sa_family_t)family;
    *bytes = sizeof *address;
    if (family == AF_INET)
        ((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else /* abstract, named by the kernel */
        *bytes = sizeof(sa_family_t);
    cr_expect_eq(bind(fd, (struct sockaddr *)address,
                      family == AF_INET ? sizeof(struct sockaddr_in) : *bytes),
                 0);
    cr_expect_eq(listen(fd, 1024), 0);
    *bytes = sizeof *address;
    cr_expect_eq(getsockname(fd, (struct sockaddr *)address, bytes), 0);
    return fd;
}

static void *serve(void *arg)
{
    int listener = (int)(intptr_t)arg, fd;
    const struct coro_spawn_options detached = {.detached = true};

    while ((fd = coro_accept(listener, NULL, NULL)) >= 0)
        coro_spawn_with(&detached, echo, (void *)(intptr_t)fd);
    return (void *)(intptr_t)fd;
}

struct server {
    struct sockaddr_storage address;
    socklen_t bytes;
    int family;
    unsigned requests;
};

static void *client(void *arg)
{
    const struct server *server = arg;
    int fd = socket(server->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint64_t sent, got;
    unsigned right = 0;

    if (coro_connect(fd, (const struct sockaddr *)&server->address, server->bytes) == 0)
        for (unsigned i = 0; i < server->requests; i++) {
            sent = (uint64_t)fd << 32 | i;
            right += write_all(fd, &sent, 8) && read_all(fd, &got, 8) && got == sent;
        }
    coro_close(fd);
    return (void *)(uintptr_t)right;
}

static void talk(int family, unsigned clients, unsigned requests)
{
    struct coro_handle *flows = calloc(clients, sizeof *flows), acceptor;
    struct server server = {.family = family, .requests = requests};
    int listener = listen_on(&server.address, &server.bytes, family);
    uintptr_t right = 0;
    void *result;

    acceptor = coro_spawn(serve, (void *)(intptr_t)listener);
    for (unsigned i = 0; i < clients; i++)
        flows[i] = coro_spawn(client, &server);
    for (unsigned i = 0; i < clients; i++) {
        coro_join(flows[i], &result);
        right += (uintptr_t)result;
    }
    cr_expect_eq(right, clients * requests);
    cr_expect_eq(coro_close(listener), 0);
    coro_join(acceptor, &result);
    cr_expect_eq((intptr_t)result, -EBADF);
    free(flows);
}

#if CORO_ANNOTATED
enum { CONNECTIONS = 200 };
#else
enum { CONNECTIONS = 1000 };
#endif

IN_IO(a_thousand_connections_are_echoed)
{
    talk(AF_INET, CONNECTIONS, 5);
    talk(AF_UNIX, CONNECTIONS, 5);
    return NULL;
}

IN_IO(connecting_to_nobody_is_refused)
{
    struct server server;
    int listener = listen_on(&server.address, &server.bytes, AF_INET);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    coro_close(listener);
    cr_expect_eq(coro_connect(fd, (struct sockaddr *)&server.address, server.bytes),
                 -ECONNREFUSED);
    coro_close(fd);
    return NULL;
}

/* A listener whose queue is full answers no more: the client waits until its deadline. */
IN_IO(a_connect_can_time_out)
{
    struct server server;
    int listener = listen_on(&server.address, &server.bytes, AF_INET), fds[4], timed_out = 0;

    listen(listener, 0);
    for (unsigned i = 0; i < 4; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        timed_out +=
            coro_connect_until(fds[i], (struct sockaddr *)&server.address, server.bytes,
                               coro_now_ns() + 10 * 1000 * 1000) == -ETIMEDOUT;
    }
    cr_expect_geq(timed_out, 1);
    for (unsigned i = 0; i < 4; i++)
        coro_close(fds[i]);
    coro_close(listener);
    return NULL;
}

IN_IO(a_reset_by_the_peer_is_an_error)
{
    const struct linger at_once = {.l_onoff = 1};
    struct server server;
    int listener = listen_on(&server.address, &server.bytes, AF_INET);
    int fd = socket(AF_INET, SOCK_STREAM, 0), peer;
    void *result;

    cr_expect_eq(coro_connect(fd, (struct sockaddr *)&server.address, server.bytes), 0);
    peer = coro_accept(listener, NULL, NULL);
    struct coro_handle flow = coro_spawn(read_one, (void *)(intptr_t)peer);
    UNTIL_PARKED(flow);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    coro_close(fd);
    coro_join(flow, &result);
    cr_expect_eq((intptr_t)result, -ECONNRESET);
    cr_expect_eq(coro_write(peer, "x", 1), -EPIPE);
    coro_close(peer);
    coro_close(listener);
    return NULL;
}

/* No number left: an error, and the connection is there when there is one again. */
IN_IO(accepting_without_a_descriptor_left_is_emfile)
{
    struct server server = {.family = AF_INET};
    int listener = listen_on(&server.address, &server.bytes, AF_INET);
    int fd = socket(AF_INET, SOCK_STREAM, 0), peer;
    struct rlimit before, none;

    cr_expect_eq(coro_connect(fd, (struct sockaddr *)&server.address, server.bytes), 0);
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    cr_expect_eq(coro_accept(listener, NULL, NULL), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &before);
    peer = coro_accept(listener, NULL, NULL);
    cr_expect_geq(peer, 0);
    coro_close(peer);
    coro_close(fd);
    coro_close(listener);
    return NULL;
}
