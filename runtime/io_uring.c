/* SPDX-License-Identifier: MIT
 *
 * io_uring.c: the poller by completion: each operation goes to the kernel, which does it.
 *
 * A ring per worker, made by its first operation. Operations are queued in the
 * domain and submitted together, by one system call, when the worker polls or goes to sleep: with
 * many connections a request costs a small part of one. The completion wakes the flow on the worker
 * whose ring it is.
 *
 * While the kernel has an operation, it has the flow's buffer. A flow whose wait was claimed
 * by somebody else (deadline, cancellation, close) therefore withdraws the operation, and waits
 * for the completion of that. It does so on the ring's own worker, where it stays pinned meanwhile: so nothing here
 * is touched from two sides. If the operation had happened after all, that is its result.
 *
 * Alone in its run, a worker defers the kernel's part of a completion until it asks for it
 * (DEFER_TASKRUN), and submits and waits with one call. Among several it does neither.
 *
 * An idle worker with operations in its ring sleeps in it; another one interrupts it through an
 * eventfd that the ring polls, edge-triggered and never read.
 *
 * Rejected: io_uring only to learn of readiness (no better than epoll); a multishot receive
 * with the kernel's buffers (a copy to the caller's, since read() has one).
 */
#include "io.h"

#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fatal.h"

#if HAVE_VALGRIND
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(address, bytes) ((void)0)
#endif

enum { ENTRIES = 512, COMPLETIONS = 4096 };

struct uring {
    struct io_uring ring;
    unsigned in_flight; /* operations; in the domain, or all asleep */
    int event;
    bool alone;
};

/* ---- a ring -------------------------------------------------------------------------- */

static int ring_init(struct uring *uring)
{
    struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE, .cq_entries = COMPLETIONS};
    int error = -EINVAL;

    if (uring->alone) {
        params.flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
        error = io_uring_queue_init_params(ENTRIES, &uring->ring, &params);
    }
    if (error == -EINVAL) { /* several workers, or a kernel before 6.1 */
        params = (struct io_uring_params){.flags = IORING_SETUP_CQSIZE,
                                          .cq_entries = COMPLETIONS};
        error = io_uring_queue_init_params(ENTRIES, &uring->ring, &params);
    }
    if (!error && !(params.features & IORING_FEAT_EXT_ARG)) { /* before 5.11 */
        io_uring_queue_exit(&uring->ring);
        error = -ENOSYS;
    }
    return error;
}

static void uring_free(struct uring *uring)
{
    io_uring_queue_exit(&uring->ring);
    close(uring->event);
    free(uring);
}

static void reap(struct coro_worker *worker);

static struct io_uring_sqe *next_sqe(struct coro_worker *worker)
{
    struct uring *uring = worker->io;
    struct io_uring_sqe *sqe;

    while (!(sqe = io_uring_get_sqe(&uring->ring))) {
        int error = io_uring_submit(&uring->ring);

        if (error < 0 && error != -EINTR && error != -EAGAIN && error != -EBUSY)
            coro_fatal("io_uring: the kernel refuses submissions");
        if (error == -EBUSY)
            reap(worker);
    }
    return sqe;
}

static void watch_event(struct coro_worker *worker)
{
    struct uring *uring = worker->io;
    struct io_uring_sqe *sqe = next_sqe(worker);

    io_uring_prep_poll_multishot(sqe, uring->event, POLLIN);
    io_uring_sqe_set_data(sqe, uring);
}

/* By the worker's own thread, in the domain. */
static int ring_of(struct coro_worker *worker)
{
    struct uring *uring;
    int error;

    if (coro_likely(worker->io != NULL))
        return 0;
    uring = calloc(1, sizeof *uring);
    if (!uring)
        return -ENOMEM;
    uring->alone = worker->sched->workers_count == 1;
    uring->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    error = uring->event < 0 ? -errno : ring_init(uring);
    if (error) {
        if (uring->event >= 0)
            close(uring->event);
        free(uring);
        return error;
    }
    worker->io = uring;
    watch_event(worker);
    return 0;
}

/* The first operation's worker tries whether the kernel has io_uring for us at all. */
static int uring_open(struct coro_sched *sched)
{
    struct coro_worker *worker = coro_enter_sure();
    int error = ring_of(worker);

    coro_leave_worker(worker);
    return error;
}

static void uring_close(struct coro_sched *sched)
{
    for (unsigned i = 0; i < sched->workers_count; i++)
        if (sched->workers[i]->io) {
            uring_free(sched->workers[i]->io);
            sched->workers[i]->io = NULL;
        }
}

/* ---- completions --------------------------------------------------------------------- */

/* The flow goes on, unless its wait was claimed by somebody else: then it will look. */
static void complete(struct coro_worker *worker, struct coro_io *io, int result)
{
    struct coro_flow *flow = io->wait.flow;

    io->result = result;
    io->done = true;
    if (io->kind == CORO_IO_READ && result > 0)
        VALGRIND_MAKE_MEM_DEFINED(io->buffer, (size_t)result);
    if (coro_claim(flow, io->wait.claim, &io->wait, 0))
        coro_wake_back(worker, flow);
}

/* In the domain. Data: an operation; the ring itself for its event; NULL for a withdrawal. */
static void reap(struct coro_worker *worker)
{
    struct uring *uring = worker->io;
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    bool unwatched = false;

    io_uring_for_each_cqe(&uring->ring, head, cqe)
    {
        void *data = io_uring_cqe_get_data(cqe);

        count++;
        if (data == uring) {
            unwatched |= !(cqe->flags & IORING_CQE_F_MORE);
        } else if (data) {
            uring->in_flight--;
            complete(worker, data, cqe->res);
        }
    }
    io_uring_cq_advance(&uring->ring, count);
    if (unwatched)
        watch_event(worker);
}

static void uring_poll(struct coro_worker *worker)
{
    struct uring *uring = worker->io;

    if (!uring)
        return;
    if (uring->alone ? uring->in_flight > 0 : io_uring_sq_ready(&uring->ring) > 0)
        io_uring_submit_and_get_events(&uring->ring);
    reap(worker);
}

/* ---- operations ---------------------------------------------------------------------- */

static void prepare(struct io_uring_sqe *sqe, struct coro_io *io, bool poll_only)
{
    unsigned bytes = (unsigned)io->bytes;
    bool is_socket = io->file->kind != CORO_FILE_OTHER;

    if (poll_only)
        io_uring_prep_poll_add(sqe, io->fd, coro_io_is_out(io) ? POLLOUT : POLLIN);
    else if (io->kind == CORO_IO_ACCEPT)
        io_uring_prep_accept(sqe, io->fd, io->address, io->address_bytes, SOCK_CLOEXEC);
    else if (io->kind == CORO_IO_CONNECT)
        io_uring_prep_connect(sqe, io->fd, io->address, *io->address_bytes);
    else if (io->kind == CORO_IO_READ && is_socket)
        io_uring_prep_recv(sqe, io->fd, io->buffer, bytes, 0);
    else if (io->kind == CORO_IO_READ)
        io_uring_prep_read(sqe, io->fd, io->buffer, bytes, (uint64_t)-1);
    else if (is_socket)
        io_uring_prep_send(sqe, io->fd, io->buffer, bytes, MSG_NOSIGNAL);
    else
        io_uring_prep_write(sqe, io->fd, io->buffer, bytes, (uint64_t)-1);
    io_uring_sqe_set_data(sqe, io);
}

static void send_home(void *arg)
{
    struct coro_flow *flow = arg;

    coro_inbox_push(coro_worker_self()->sched->workers[flow->home], flow);
}

/* To the worker whose ring it is; comes back in its domain, pinned. */
static struct coro_worker *go_to(struct coro_worker *there)
{
    struct coro_worker *here = coro_enter_sure();
    struct coro_flow *self = here->current;

    /* Not by a store, here and below: somebody may be detaching it. */
    atomic_fetch_or_explicit(&self->flags, CORO_FLOW_PINNED, memory_order_relaxed);
    self->home = there->index;
    if (here == there)
        return here;
    here->after = send_home;
    here->after_arg = self;
    coro_switch_park(here, &here->idle);
    return coro_enter_sure();
}

static void withdraw(struct coro_io *io, bool was_pinned)
{
    struct coro_worker *worker = go_to(io->worker);
    struct coro_flow *self = worker->current;
    bool asked = false;

    while (!io->done) {
        struct coro_link nobody = {.next = &nobody, .prev = &nobody};

        if (!asked) {
            struct io_uring_sqe *sqe = next_sqe(worker);

            io_uring_prep_cancel(sqe, io, 0);
            io_uring_sqe_set_data(sqe, NULL);
            asked = true;
            if (io->done) /* next_sqe() may have reaped it */
                break;
        }
        coro_wait_begin(worker, &io->wait, NULL, &nobody, NULL, "withdrawing from I/O");
        io->wait.claim = coro_claim_open(self);
        coro_switch_park(worker, coro_park(worker, NULL, false));
        worker = coro_enter_sure();
    }
    if (!was_pinned)
        atomic_fetch_and_explicit(&self->flags, ~(uint32_t)CORO_FLOW_PINNED,
                                  memory_order_relaxed);
    coro_leave_worker(worker);
}

/* In the domain, with the file's lock. */
static int may_begin(struct coro_worker *worker, const struct coro_io *io)
{
    if (io->file->closing)
        return -EBADF;
    if (coro_is_cancelled(worker))
        return -ECANCELED;
    return ring_of(worker);
}

static ssize_t run_once(struct coro_io *io, bool poll_only)
{
    struct coro_worker *worker = coro_enter_sure();
    struct uring *uring;
    bool was_pinned;
    int error;

    coro_spin_lock(&io->file->lock);
    error = may_begin(worker, io);
    if (error) {
        coro_spin_unlock(&io->file->lock);
        coro_leave_worker(worker);
        return error;
    }
    was_pinned = atomic_load_explicit(&worker->current->flags, memory_order_relaxed) &
                 CORO_FLOW_PINNED;
    uring = worker->io;
    prepare(next_sqe(worker), io, poll_only);
    uring->in_flight++;
    io->worker = worker;
    io->done = false;
    error = coro_io_park(worker, io);
    if (!error)
        return io->result;
    withdraw(io, was_pinned);
    return io->result == -ECANCELED || io->result == -EINTR ? error : io->result;
}

/* A descriptor that is non-blocking by itself makes the kernel answer EAGAIN. */
static ssize_t uring_run(struct coro_io *io)
{
    ssize_t result;

    do {
        result = run_once(io, false);
        if (result == -EAGAIN && (result = run_once(io, true)) >= 0)
            result = -EAGAIN;
    } while (result == -EAGAIN || result == -EINTR);
    return result;
}

/* ---- sleeping ------------------------------------------------------------------------ */

static bool uring_pending(struct coro_sched *sched)
{
    for (unsigned i = 0; i < sched->workers_count; i++) {
        const struct uring *uring = sched->workers[i]->io;

        if (uring && uring->in_flight)
            return true;
    }
    return false;
}

static bool uring_sleeps(struct coro_worker *worker)
{
    const struct uring *uring = worker->io;

    return uring && uring->in_flight;
}

static void uring_wakes(struct coro_worker *worker)
{
}

static void uring_sleep(struct coro_worker *worker, uint64_t until_ns)
{
    struct uring *uring = worker->io;
    uint64_t now_ns = coro_now_ns(), left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct __kernel_timespec left = {.tv_sec = (int64_t)(left_ns / 1000000000),
                                     .tv_nsec = (int64_t)(left_ns % 1000000000)};
    struct io_uring_cqe *cqe;

    io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1,
                                     until_ns == UINT64_MAX ? NULL : &left, NULL);
}

static void uring_interrupt(struct coro_worker *worker)
{
    struct uring *uring = worker->io;
    uint64_t one = 1;

    (void)!write(uring->event, &one, sizeof one);
}

const struct coro_poller coro_io_uring = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .run = uring_run,
    .poll = uring_poll,
    .pending = uring_pending,
    .sleeps = uring_sleeps,
    .sleep = uring_sleep,
    .wakes = uring_wakes,
    .interrupt = uring_interrupt,
};
