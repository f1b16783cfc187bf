/* SPDX-License-Identifier: MIT
 *
 * io_epoll.c: the poller by readiness: try, and if that would wait, wait for an edge.
 *
 * One epoll set for the run. Each descriptor is added once, edge-triggered for both directions, by
 * the first operation that has to wait for it, and leaves when it is closed: so a wait costs no
 * system call. An edge that comes while nobody waits is kept in file->ready. A flow looks there
 * with the file's lock after its attempt failed, and parks with that lock held: no edge is lost in
 * between. Everyone who waits in an edge's direction wakes and tries again.
 *
 * A read that got less than it asked for has emptied a stream: the next one needs no attempt, as
 * new bytes come with a new edge. Not so once the peer has hung up: there may be no more edges.
 *
 * One idle worker at a time sleeps in the set (io.sleeper, under idle_lock); the others on
 * their futexes, and whoever is busy polls among its chores. The eventfd for interrupts is
 * level-triggered, and read by the sleeper only: a busy one that polls must not swallow it.
 *
 * What can't be watched (regular files: EPERM) or asked without waiting (terminals:
 * EOPNOTSUPP) is done by a helper thread, beyond deadlines and cancellation once begun.
 *
 * Rejected: EPOLLONESHOT (a system call per wait); a set per worker (a flow that moves would be
 * in several).
 */
#include "io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,
    EAGER_MAX = 16, /* attempts that succeed at once before others run */
    UNIX_RETRY_NS = 1000 * 1000,
    WAIT_MAX_MS = 3600 * 1000,
};

struct batch {
    int count;
    struct epoll_event events[EVENTS_MAX];
};

static int add(int set, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) && errno != EEXIST ? -errno : 0;
}

static void epoll_close(struct coro_sched *sched)
{
    if (sched->io.event >= 0)
        close(sched->io.event);
    close(sched->io.set);
    for (unsigned i = 0; i < sched->workers_count; i++) {
        free(sched->workers[i]->io);
        sched->workers[i]->io = NULL;
    }
}

static int epoll_open(struct coro_sched *sched)
{
    struct coro_io_state *io = &sched->io;
    int error = 0;

    io->set = epoll_create1(EPOLL_CLOEXEC);
    if (io->set < 0)
        return -errno;
    io->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (io->event < 0)
        error = -errno;
    else
        error = add(io->set, io->event, EPOLLIN);
    for (unsigned i = 0; !error && i < sched->workers_count; i++)
        if (!(sched->workers[i]->io = calloc(1, sizeof(struct batch))))
            error = -ENOMEM;
    if (error)
        epoll_close(sched);
    return error;
}

/* ---- attempts ----------------------------------------------------------------------- */

/* What is neither a socket nor knows RWF_NOWAIT may still be non-blocking by itself. */
static ssize_t transfer_plain(const struct coro_io *io)
{
    int flags = fcntl(io->fd, F_GETFL);
    ssize_t got;

    if (flags < 0)
        return -errno;
    if (!(flags & O_NONBLOCK))
        return -EPERM; /* as what can't be watched */
    got = io->kind == CORO_IO_READ ? read(io->fd, io->buffer, io->bytes)
                                   : write(io->fd, io->buffer, io->bytes);
    return got < 0 ? -errno : got;
}

static ssize_t transfer(const struct coro_io *io)
{
    struct iovec all = {.iov_base = io->buffer, .iov_len = io->bytes};
    bool is_read = io->kind == CORO_IO_READ;
    ssize_t got;

    if (io->file->kind != CORO_FILE_OTHER)
        got = is_read ? recv(io->fd, io->buffer, io->bytes, MSG_DONTWAIT)
                      : send(io->fd, io->buffer, io->bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        got = is_read ? preadv2(io->fd, &all, 1, -1, RWF_NOWAIT)
                      : pwritev2(io->fd, &all, 1, -1, RWF_NOWAIT);
    if (got >= 0)
        return got;
    return errno == EOPNOTSUPP && io->file->kind == CORO_FILE_OTHER ? transfer_plain(io)
                                                                    : -errno;
}

static int unblock(const struct coro_io *io)
{
    int flags = fcntl(io->fd, F_GETFL);

    if (flags < 0)
        return -errno;
    return !(flags & O_NONBLOCK) && fcntl(io->fd, F_SETFL, flags | O_NONBLOCK) ? -errno : 0;
}

/* Called again, connect(2) says how the attempt went. */
static int connect_once(const struct coro_io *io, bool again)
{
    if (!connect(io->fd, io->address, *io->address_bytes) || (again && errno == EISCONN))
        return 0;
    if (errno == EAGAIN) { /* a unix socket whose listener's queue is full: no edge tells */
        int error = coro_sleep_until(coro_now_ns() + UNIX_RETRY_NS);

        return error ? error : coro_now_ns() < io->deadline_ns ? -EINTR : -ETIMEDOUT;
    }
    return errno == EINPROGRESS || errno == EALREADY ? -EAGAIN : -errno;
}

/* -EAGAIN: it would have to wait. */
static ssize_t attempt(struct coro_io *io, bool again)
{
    ssize_t result;

    do {
        if (io->kind == CORO_IO_CONNECT) {
            result = connect_once(io, again);
        } else if (io->kind == CORO_IO_ACCEPT) {
            result = accept4(io->fd, io->address, io->address_bytes, SOCK_CLOEXEC);
            result = result < 0 ? -errno : result;
        } else {
            result = transfer(io);
        }
    } while (result == -EINTR);
    return result;
}

/* ---- waiting ------------------------------------------------------------------------ */

static unsigned direction(const struct coro_io *io)
{
    return coro_io_is_out(io) ? CORO_IO_OUT : CORO_IO_IN;
}

/* Locked. 0: an edge has come already; 1: wait; else why that is no use. */
static int may_wait(struct coro_worker *worker, struct coro_io *io)
{
    struct coro_file *file = io->file;
    int error;

    if (file->closing)
        return -EBADF;
    if (coro_is_cancelled(worker))
        return -ECANCELED;
    if (file->ready & direction(io)) {
        file->ready &= (uint8_t)~direction(io);
        return 0;
    }
    if (!file->watched) {
        error = add(worker->sched->io.set, io->fd,
                    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
        if (error)
            return error;
        file->watched = true;
    }
    return 1;
}

/* 0: try again. */
static int wait_for_edge(struct coro_io *io)
{
    struct coro_worker *worker = coro_enter_sure();
    _Atomic(uint32_t) *waiting = &worker->sched->io.waiting;
    int result;

    coro_spin_lock(&io->file->lock);
    result = may_wait(worker, io);
    if (result <= 0) {
        coro_spin_unlock(&io->file->lock);
        coro_leave_worker(worker);
        return result;
    }
    /* Relaxed: who decides by it that the run is over has idle_lock, and so had we since. */
    atomic_fetch_add_explicit(waiting, 1, memory_order_relaxed);
    result = coro_io_park(worker, io);
    atomic_fetch_sub_explicit(waiting, 1, memory_order_relaxed);
    return result;
}

static bool is_drained(struct coro_file *file)
{
    bool drained;

    coro_spin_lock(&file->lock);
    drained = file->drained && !file->hung_up;
    coro_spin_unlock(&file->lock);
    return drained;
}

/* A flow that never has to wait must let others run all the same. */
static void be_fair(void)
{
    struct coro_worker *worker = coro_worker_self();

    if (++worker->eager % EAGER_MAX == 0)
        coro_yield();
}

static ssize_t epoll_run(struct coro_io *io)
{
    bool stream_read = io->kind == CORO_IO_READ && io->file->kind == CORO_FILE_STREAM;
    bool again = false, attempts = !(stream_read && is_drained(io->file));
    ssize_t result = 0;

    if (io->kind == CORO_IO_ACCEPT || io->kind == CORO_IO_CONNECT)
        result = unblock(io);
    while (!result) {
        result = attempts ? attempt(io, again) : -EAGAIN;
        if (result != -EAGAIN)
            break;
        attempts = again = true;
        result = wait_for_edge(io);
    }
    if (result == -EPERM)
        return coro_io_block(io);
    if (stream_read && result > 0) {
        coro_spin_lock(&io->file->lock);
        io->file->drained = (size_t)result < io->bytes;
        coro_spin_unlock(&io->file->lock);
    }
    if (!again)
        be_fair();
    return result;
}

/* ---- edges -------------------------------------------------------------------------- */

/* In the domain. */
static void deliver(struct coro_worker *worker, const struct epoll_event *event)
{
    struct coro_file *file = coro_file_of(worker->sched, event->data.fd);
    bool hung_up = event->events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP);
    unsigned edges = (event->events & EPOLLIN || hung_up ? CORO_IO_IN : 0) |
                     (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR) ? CORO_IO_OUT : 0);
    unsigned woken = 0;

    coro_spin_lock(&file->lock);
    file->hung_up |= hung_up;
    for (struct coro_link *at = file->waiting.next; at != &file->waiting; at = at->next) {
        struct coro_io *io = (struct coro_io *)((char *)at - offsetof(struct coro_io, link));

        if (!(edges & direction(io)) || !coro_claim(io->wait.flow, io->wait.claim, &io->wait, 0))
            continue;
        woken |= direction(io);
        coro_wake_back(worker, io->wait.flow);
    }
    file->ready |= (uint8_t)(edges & ~woken);
    coro_spin_unlock(&file->lock);
}

static void epoll_poll(struct coro_worker *worker)
{
    struct batch *batch = worker->io;
    struct coro_io_state *io = &worker->sched->io;

    if (!batch->count && atomic_load_explicit(&io->waiting, memory_order_relaxed))
        batch->count = epoll_wait(io->set, batch->events, EVENTS_MAX, 0);
    for (int i = 0; i < batch->count; i++)
        if (batch->events[i].data.fd != io->event)
            deliver(worker, &batch->events[i]);
    batch->count = 0;
}

/* ---- sleeping ----------------------------------------------------------------------- */

static bool epoll_pending(struct coro_sched *sched)
{
    return atomic_load_explicit(&sched->io.waiting, memory_order_relaxed) > 0;
}

static bool epoll_sleeps(struct coro_worker *worker)
{
    struct coro_io_state *io = &worker->sched->io;

    if (io->sleeper || !epoll_pending(worker->sched))
        return false;
    io->sleeper = worker;
    return true;
}

static void epoll_wakes(struct coro_worker *worker)
{
    if (worker->sched->io.sleeper == worker)
        worker->sched->io.sleeper = NULL;
}

/* Linux 5.11 counts in ns; Valgrind and older kernels know of ms only: rounded up. */
static int wait_for(int set, struct epoll_event *events, uint64_t left_ns, bool for_ever)
{
    static _Atomic(bool) in_ms;
    struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000),
                            .tv_nsec = (long)(left_ns % 1000000000)};
    uint64_t left_ms = left_ns / 1000000 + 1;
    int count;

    if (!in_ms) {
        count = epoll_pwait2(set, events, EVENTS_MAX, for_ever ? NULL : &left, NULL);
        if (count >= 0 || errno != ENOSYS)
            return count;
        in_ms = true;
    }
    if (left_ms > WAIT_MAX_MS)
        left_ms = WAIT_MAX_MS; /* then look again */
    return epoll_wait(set, events, EVENTS_MAX, for_ever ? -1 : (int)left_ms);
}

static void epoll_sleep(struct coro_worker *worker, uint64_t until_ns)
{
    struct batch *batch = worker->io;
    uint64_t now_ns = coro_now_ns(), left_ns = until_ns > now_ns ? until_ns - now_ns : 0;

    batch->count = wait_for(worker->sched->io.set, batch->events, left_ns,
                            until_ns == UINT64_MAX);
    if (batch->count < 0)
        batch->count = 0; /* interrupted: the caller looks again anyway */
    for (int i = 0; i < batch->count; i++)
        if (batch->events[i].data.fd == worker->sched->io.event)
            (void)!read(worker->sched->io.event, &(uint64_t){0}, sizeof(uint64_t));
}

static void epoll_interrupt(struct coro_worker *worker)
{
    uint64_t one = 1;

    (void)!write(worker->sched->io.event, &one, sizeof one);
}

const struct coro_poller coro_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .run = epoll_run,
    .poll = epoll_poll,
    .pending = epoll_pending,
    .sleeps = epoll_sleeps,
    .sleep = epoll_sleep,
    .wakes = epoll_wakes,
    .interrupt = epoll_interrupt,
};
