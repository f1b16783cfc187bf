/* SPDX-License-Identifier: MIT
 *
 * io.h: what io.c, the two pollers and idle.c share. Private.
 *
 * A poller makes an operation happen (`run`), and lets a worker with nothing to do wait for
 * operations instead of on a futex (`sleep`, ended by `interrupt`). Of both pollers, what
 * they found is turned into woken flows in a worker's domain only (`poll`).
 */
#ifndef CORO_IO_H
#define CORO_IO_H

#include <sys/socket.h>
#include <sys/types.h>

#include "internal.h"

enum coro_io_kind { CORO_IO_READ, CORO_IO_WRITE, CORO_IO_ACCEPT, CORO_IO_CONNECT };

enum coro_file_kind { CORO_FILE_UNKNOWN, CORO_FILE_STREAM, CORO_FILE_SOCKET, CORO_FILE_OTHER };

enum { CORO_IO_IN = 1, CORO_IO_OUT = 2 };

/* What is known of one descriptor's number. `lock` is a leaf, but for the timers' lock. */
struct coro_file {
    _Atomic(uint32_t) lock; /* guards all of it */
    uint32_t users;         /* operations that have it, waiting or not */
    struct coro_link waiting; /* of coro_io.link; head.next NULL: none ever was */
    uint8_t kind;
    uint8_t ready; /* epoll: edges that came while nobody waited for them */
    bool closing;  /* the last user closes it */
    bool watched;  /* epoll: in its set */
    bool drained;  /* epoll: a stream's last read got all there was; an edge will come */
    bool hung_up;  /* epoll: no more edges will come; never drained again */
};

/* One operation; lives on the stack of its flow, which waits until it is over. */
struct coro_io {
    struct coro_wait wait; /* first */
    struct coro_link link; /* in file->waiting */
    struct coro_file *file;
    enum coro_io_kind kind;
    int fd;
    void *buffer;
    size_t bytes;
    struct sockaddr *address;
    socklen_t *address_bytes;
    uint64_t deadline_ns; /* UINT64_MAX: none */
    struct coro_worker *worker; /* io_uring: whose ring has it */
    bool done;                  /* io_uring: its completion came, */
    ssize_t result;             /* and this was in it */
};

struct coro_poller {
    const char *name;
    int (*open)(struct coro_sched *sched);   /* by the first operation of a run */
    void (*close)(struct coro_sched *sched); /* when no thread runs any more */
    ssize_t (*run)(struct coro_io *io);
    /* In the domain. Wakes the flows whose operations are over, without waiting. */
    void (*poll)(struct coro_worker *worker);
    /* Under idle_lock, all asleep: could an operation still end? */
    bool (*pending)(struct coro_sched *sched);
    /* Under idle_lock: is `worker`, which falls asleep, to do that in sleep()? */
    bool (*sleeps)(struct coro_worker *worker);
    void (*sleep)(struct coro_worker *worker, uint64_t until_ns);
    void (*wakes)(struct coro_worker *worker); /* under idle_lock: it does no more */
    void (*interrupt)(struct coro_worker *worker); /* any thread: sleep() returns */
};

extern const struct coro_poller coro_epoll;
#if HAVE_LIBURING
extern const struct coro_poller coro_io_uring;
#endif

static inline bool coro_io_is_out(const struct coro_io *io)
{
    return io->kind == CORO_IO_WRITE || io->kind == CORO_IO_CONNECT;
}

/* In the domain, with the file's lock: waits until the operation is claimed, and comes back
 * with neither. 0: by the poller; else -ETIMEDOUT, -ECANCELED, -EBADF (closed meanwhile). */
int coro_io_park(struct coro_worker *worker, struct coro_io *io);

/* The plain system call, in a helper thread: for what no poller can do. */
ssize_t coro_io_block(struct coro_io *io);

/* NULL: a negative number, or one too large, or no memory. */
struct coro_file *coro_file_of(struct coro_sched *sched, int fd);

#endif
