/* SPDX-License-Identifier: MIT
 *
 * io.c: reading, writing, accepting and connecting, whatever the poller.
 *
 * An operation (struct coro_io) lies on the stack of its flow, which does not go on before it
 * is over. The wait is a claimed one (flow.c): the poller, a deadline, a cancellation and
 * coro_close() compete for it, and exactly one wins. Who loses leaves the flow alone. With
 * io_uring the kernel still has the buffer when the poller has lost; then the flow that woke
 * withdraws the operation first, and if it had happened after all, that is the result: no
 * byte is lost to a deadline.
 *
 * A table says what is known of each descriptor number (struct coro_file): which operations
 * have it, so that coro_close() can end those, and the number is not given to
 * another file before the last of them has let go of it; and what epoll was told. A flow that parks keeps
 * the file's lock until it has been saved (the idle flow unlocks it), since from then on any worker
 * may wake it. So: file lock, then the timers' lock; both are leaves otherwise.
 *
 * The poller is opened by the first operation of a run, and a run without I/O pays nothing.
 * With it, workers look at the poller among their chores, at most every POLL_NS, and
 * idle ones before they sleep, and in it (idle.c).
 *
 * Rejected: making descriptors non-blocking behind the caller's back (it shows in other
 * processes): reads and writes ask with MSG_DONTWAIT or RWF_NOWAIT instead. Only accept and
 * connect have no such way, and with epoll set O_NONBLOCK. One ring for all workers: the kernel does
 * the sends while it takes submissions, so they would queue for one lock.
 */
#include "io.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POLL_NS = 20 * 1000, BYTES_MAX = 0x7ffff000 };

/* ---- the table ---------------------------------------------------------------------- */

struct coro_file *coro_file_of(struct coro_sched *sched, int fd)
{
    _Atomic(struct coro_file *) *slot;
    struct coro_file *chunk, *made;

    if (fd < 0 || fd >= CORO_FILES_PER_CHUNK * CORO_FILE_CHUNKS)
        return NULL;
    slot = &sched->io.chunks[fd / CORO_FILES_PER_CHUNK];
    chunk = atomic_load_explicit(slot, memory_order_acquire);
    if (!chunk) {
        made = calloc(CORO_FILES_PER_CHUNK, sizeof *made);
        /* Release: its zeroes. */
        if (made && atomic_compare_exchange_strong_explicit(slot, &chunk, made,
                                                            memory_order_acq_rel,
                                                            memory_order_acquire))
            chunk = made;
        else
            free(made);
    }
    return chunk ? &chunk[fd % CORO_FILES_PER_CHUNK] : NULL;
}

/* Locked. Nothing is known of this number any more. */
static void file_forget(struct coro_file *file)
{
    file->kind = CORO_FILE_UNKNOWN;
    file->ready = 0;
    file->closing = file->watched = file->drained = file->hung_up = false;
}

static int kind_of(int fd)
{
    socklen_t bytes = sizeof(int);
    int type;

    if (!getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes))
        return type == SOCK_STREAM ? CORO_FILE_STREAM : CORO_FILE_SOCKET;
    return errno == EBADF ? -EBADF : CORO_FILE_OTHER;
}

static int file_begin(struct coro_io *io)
{
    struct coro_file *file = io->file;
    int kind = CORO_FILE_UNKNOWN;

    coro_spin_lock(&file->lock);
    if (!file->waiting.next)
        file->waiting.next = file->waiting.prev = &file->waiting;
    if (file->kind == CORO_FILE_UNKNOWN && (kind = kind_of(io->fd)) > 0)
        file->kind = (uint8_t)kind;
    if (file->closing || kind < 0) {
        coro_spin_unlock(&file->lock);
        return -EBADF;
    }
    file->users++;
    coro_spin_unlock(&file->lock);
    return 0;
}

static void file_end(struct coro_io *io)
{
    struct coro_file *file = io->file;
    bool last;

    coro_spin_lock(&file->lock);
    last = --file->users == 0 && file->closing;
    if (last)
        file_forget(file);
    coro_spin_unlock(&file->lock);
    if (last)
        close(io->fd);
}

/* A number that the kernel has just given out. */
static void file_is_new(struct coro_sched *sched, int fd)
{
    struct coro_file *file = coro_file_of(sched, fd);

    if (!file)
        return;
    coro_spin_lock(&file->lock);
    if (!file->users)
        file_forget(file);
    coro_spin_unlock(&file->lock);
}

int coro_close(int fd)
{
    struct coro_worker *worker;
    struct coro_file *file = coro_file_of(coro_worker_self()->sched, fd);
    bool last;

    if (!file)
        return -EBADF;
    worker = coro_enter_sure();
    coro_spin_lock(&file->lock);
    if (file->closing) {
        coro_spin_unlock(&file->lock);
        coro_leave_worker(worker);
        return -EBADF;
    }
    last = !file->users;
    file->closing = !last;
    if (last)
        file_forget(file);
    else
        for (struct coro_link *at = file->waiting.next; at != &file->waiting; at = at->next) {
            struct coro_io *io =
                (struct coro_io *)((char *)at - offsetof(struct coro_io, link));

            if (coro_claim(io->wait.flow, io->wait.claim, NULL, -EBADF))
                coro_wake_back(worker, io->wait.flow);
        }
    coro_spin_unlock(&file->lock);
    coro_leave_worker(worker);
    return last && close(fd) ? -errno : 0;
}

/* ---- waiting ------------------------------------------------------------------------ */

/* In the idle flow, once the flow has been saved. After the unlock it may be gone. */
static void parked(void *arg)
{
    struct coro_io *io = arg;

    if (io->deadline_ns != UINT64_MAX)
        coro_timer_add(coro_worker_self()->sched, io->wait.flow, io->wait.claim,
                       io->deadline_ns);
    coro_spin_unlock(&io->file->lock);
}

int coro_io_park(struct coro_worker *worker, struct coro_io *io)
{
    static const char *const why[] = {"reading", "writing", "accepting", "connecting"};
    struct coro_link nobody = {.next = &nobody, .prev = &nobody};
    struct coro_flow *self = worker->current;
    struct coro_link *last = io->file->waiting.prev;

    io->link = (struct coro_link){.next = &io->file->waiting, .prev = last};
    last->next = io->file->waiting.prev = &io->link;
    coro_wait_begin(worker, &io->wait, NULL, &nobody, NULL, why[io->kind]);
    io->wait.claim = coro_claim_open(self);
    worker->after = parked;
    worker->after_arg = io;
    coro_switch_park(worker, &worker->idle);
    if (io->deadline_ns != UINT64_MAX)
        coro_timer_remove(coro_worker_self()->sched, self);
    coro_spin_lock(&io->file->lock);
    coro_link_remove(&io->link);
    coro_spin_unlock(&io->file->lock);
    return self->won ? 0 : self->wake_result;
}

/* ---- the poller of the run ---------------------------------------------------------- */

/* Under io.lock. The kernel may lack io_uring, or forbid it. */
static int poller_open(struct coro_sched *sched, const struct coro_poller **poller)
{
    int error = -ENOSYS;

#if HAVE_LIBURING
    if (sched->io.wanted != CORO_IO_EPOLL) {
        *poller = &coro_io_uring;
        error = coro_io_uring.open(sched);
    }
#endif
    if (error && sched->io.wanted != CORO_IO_URING) {
        *poller = &coro_epoll;
        error = coro_epoll.open(sched);
    }
    return error;
}

static int poller_of(struct coro_sched *sched, const struct coro_poller **poller)
{
    int error = 0;

    *poller = atomic_load_explicit(&sched->io.poller, memory_order_acquire);
    if (coro_likely(*poller))
        return 0;
    coro_spin_lock(&sched->io.lock);
    *poller = atomic_load_explicit(&sched->io.poller, memory_order_relaxed);
    if (!*poller && !(error = poller_open(sched, poller)))
        /* Release: all that open() made. */
        atomic_store_explicit(&sched->io.poller, *poller, memory_order_release);
    coro_spin_unlock(&sched->io.lock);
    return error;
}

int coro_io_prepare(struct coro_sched *sched, enum coro_io_choice wanted)
{
    const char *asked = getenv("CORO_IO");

    if (wanted == CORO_IO_BEST && asked && *asked) {
        if (!strcmp(asked, "epoll"))
            wanted = CORO_IO_EPOLL;
        else if (!strcmp(asked, "io_uring"))
            wanted = CORO_IO_URING;
        else
            return -EINVAL;
    }
    sched->io.wanted = (uint8_t)wanted;
    return 0;
}

void coro_io_end(struct coro_sched *sched)
{
    const struct coro_poller *poller = atomic_load(&sched->io.poller);

    if (poller)
        poller->close(sched);
    for (unsigned i = 0; i < CORO_FILE_CHUNKS; i++)
        free(atomic_load(&sched->io.chunks[i]));
}

void coro_io_chore(struct coro_worker *worker)
{
    const struct coro_poller *poller =
        atomic_load_explicit(&worker->sched->io.poller, memory_order_acquire);
    uint64_t now_ns = coro_now_ns();

    if (now_ns - worker->polled_at_ns < POLL_NS)
        return;
    worker->polled_at_ns = now_ns;
    poller->poll(worker);
}

const char *coro_io_name(void)
{
    const struct coro_poller *poller;

    return poller_of(coro_worker_self()->sched, &poller) ? NULL : poller->name;
}

/* ---- operations --------------------------------------------------------------------- */

/* Others reach into the operation while its flow waits: a copied flow's frames are not there
 * then. */
static int may_run(void)
{
    const struct coro_flow *self = coro_worker_self()->current;
    uint32_t flags = atomic_load_explicit(&self->flags, memory_order_relaxed);

    return flags & CORO_FLOW_CANCELLED             ? -ECANCELED
           : self->policy == CORO_STACK_COPIED ? -ENOTSUP
                                               : 0;
}

static ssize_t run(struct coro_io *io)
{
    struct coro_sched *sched = coro_worker_self()->sched;
    const struct coro_poller *poller;
    ssize_t result = may_run();

    if (result || (result = poller_of(sched, &poller)))
        return result;
    io->file = coro_file_of(sched, io->fd);
    if (!io->file)
        return -EBADF;
    result = file_begin(io);
    if (result)
        return result;
    result = poller->run(io);
    file_end(io);
    return result;
}

ssize_t coro_read_until(int fd, void *buffer, size_t bytes, uint64_t deadline_ns)
{
    struct coro_io io = {.kind = CORO_IO_READ,
                         .fd = fd,
                         .buffer = buffer,
                         .bytes = bytes < BYTES_MAX ? bytes : BYTES_MAX,
                         .deadline_ns = deadline_ns};

    return run(&io);
}

ssize_t coro_write_until(int fd, const void *buffer, size_t bytes, uint64_t deadline_ns)
{
    struct coro_io io = {.kind = CORO_IO_WRITE,
                         .fd = fd,
                         .buffer = (void *)buffer,
                         .bytes = bytes < BYTES_MAX ? bytes : BYTES_MAX,
                         .deadline_ns = deadline_ns};

    return run(&io);
}

int coro_accept_until(int fd, struct sockaddr *address, socklen_t *address_bytes,
                      uint64_t deadline_ns)
{
    struct coro_io io = {.kind = CORO_IO_ACCEPT,
                         .fd = fd,
                         .address = address,
                         .address_bytes = address_bytes,
                         .deadline_ns = deadline_ns};
    int accepted = (int)run(&io);

    if (accepted >= 0)
        file_is_new(coro_worker_self()->sched, accepted);
    return accepted;
}

int coro_connect_until(int fd, const struct sockaddr *address, socklen_t address_bytes,
                       uint64_t deadline_ns)
{
    struct coro_io io = {.kind = CORO_IO_CONNECT,
                         .fd = fd,
                         .address = (struct sockaddr *)address,
                         .address_bytes = &address_bytes,
                         .deadline_ns = deadline_ns};

    file_is_new(coro_worker_self()->sched, fd); /* no harm if it is not */
    return (int)run(&io);
}

ssize_t coro_read(int fd, void *buffer, size_t bytes)
{
    return coro_read_until(fd, buffer, bytes, UINT64_MAX);
}

ssize_t coro_write(int fd, const void *buffer, size_t bytes)
{
    return coro_write_until(fd, buffer, bytes, UINT64_MAX);
}

int coro_accept(int fd, struct sockaddr *address, socklen_t *address_bytes)
{
    return coro_accept_until(fd, address, address_bytes, UINT64_MAX);
}

int coro_connect(int fd, const struct sockaddr *address, socklen_t address_bytes)
{
    return coro_connect_until(fd, address, address_bytes, UINT64_MAX);
}

/* ---- what no poller can do ----------------------------------------------------------- */

static void *block(void *arg)
{
    struct coro_io *io = arg;

    do {
        io->result = io->kind == CORO_IO_READ ? read(io->fd, io->buffer, io->bytes)
                                              : write(io->fd, io->buffer, io->bytes);
        if (io->result < 0)
            io->result = -errno;
    } while (io->result == -EINTR);
    return NULL;
}

ssize_t coro_io_block(struct coro_io *io)
{
    int error = coro_blocking(block, io, NULL);

    if (error == -ECANCELED)
        return error;
    if (error) /* no helper to be had: then all wait */
        block(io);
    return io->result;
}
