/* SPDX-License-Identifier: MIT
 *
 * coro.h: flows on workers, and channels between them.
 *
 * A *flow* is a stackful coroutine. A *worker* is a thread that runs flows; coro_run() starts
 * some and returns when the last flow has finished. A flow runs until it blocks, yields or
 * ends; it is never interrupted. It may go on on another worker each time that it blocks.
 *
 * ## What is promised
 *  - A flow that yields lets every flow that was runnable on its worker run before it runs
 *    again. A flow just woken or spawned may overtake those, but only a bounded number of times
 *    in a row. A flow that never yields holds up its own worker only: what else is runnable
 *    there is stolen by an idle one.
 *  - Functions return 0 (or what they say) or -errno. Every function that may block says so
 *    and, once its flow was cancelled, returns -ECANCELED where it would have to wait, without having
 *    done anything; sleep, I/O and coro_blocking() do so in any case.
 *  - Unless stated otherwise, functions are called by flows only, never by foreign threads
 *    and never from signal handlers.
 *
 * ## errno and thread-locals
 * A flow's thread may change wherever it blocks. errno belongs to the thread, so its *value*
 * does not survive a blocking call (nothing here reports by errno). Its *address* may be kept
 * by compilers across what looks like straight code, because the C library
 * declares it constant: then a flow would write into another thread's errno. So this header
 * defines errno anew, through a function that no compiler sees through. For one's own
 * thread-locals, CORO_THREAD_LOCAL(type, name) defines name(), whose result must not be kept
 * across a blocking call either; in code that never blocks between two uses plain access is
 * right too. tests/migrate.c counts both.
 *
 * ## Channels
 * Go's semantics. The rules, and the tests of each in tests/chan.c and tests/select.c:
 *  - Values arrive in the order sent; waiting senders, and waiting receivers, are served in the
 *    order they came.
 *  - Capacity 0: a send ends when a receiver has the value. Capacity n: when it is in the buffer.
 *  - A closed channel's buffered values are received first; then receive returns -EPIPE and
 *    fills the element with zero bytes. Waiting receivers wake with -EPIPE.
 *  - Sending on a closed channel, or being closed while waiting to send, is -EPIPE, and the
 *    value is not sent (Go panics). Closing twice, or nil, is -EPIPE and -EINVAL (Go panics).
 *  - NULL is the nil channel: send and receive block for ever (and are reported when all is
 *    asleep); try_ forms return -EAGAIN; a select never chooses it.
 *  - select looks at one instant. If cases are ready, one is chosen uniformly at random; else
 *    the default if there is one, else it waits until one is. Exactly one case happens. A closed
 *    channel's cases are ready (send: with -EPIPE). A channel may be in several cases, sending
 *    and receiving: a select never meets itself. A losing case is withdrawn in O(1).
 *  - Differences from Go: no panics, so errors; a deadline or a cancellation ends any wait;
 *    coro_chan_free() is by hand, once nobody will use the channel any more: who received the
 *    last value, or learnt that it is closed, may free it at once.
 *
 * ## Bad input and faults
 * Misuse that can be told is an error, said at each function. The rest, tested in
 * tests/faults.c:
 *  - No memory: a spawn's handle has a NULL flow, a deadline that cannot be noted is -ENOMEM at
 *    once. A run queue that cannot grow goes on as it is, with turns that may be unfair.
 *  - No thread: a run has the workers that it could get, one at least. A run needs no file
 *    descriptor.
 *  - Signals: nothing returns -EINTR. A handler interrupts whatever flow its thread runs, and
 *    calls nothing of this header. With SA_ONSTACK it has the worker's signal stack, of
 *    32 KB; without, the flow's, which needs room for it: see README.md, "Stack size".
 *  - Stack overflow, found by guard, canary or a signal that did not fit, ends the process with a
 *    sentence that names the stack and the flow: what C code held at that moment cannot be undone.
 *  - fork() in a flow: the child may exec or exit. It has none of the other workers, so all
 *    else of this header aborts there, with a sentence. The parent notices nothing.
 *  - exit() in a flow ends the process as in any thread: other workers run on meanwhile,
 *    handlers run on the flow's stack, flows are not ended first.
 *  - pthread_exit() in a flow, or pthread_cancel() of a worker, aborts with a sentence.
 */
#ifndef CORO_H
#define CORO_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "worker.h"

/* ---- errno, thread-locals ---------------------------------------------------------- */

int *coro_errno_location(void);
#undef errno
#define errno (*coro_errno_location())

/* Defines a thread-local, zero at first, and name(), which is where the calling thread has it. An
 * address found before a call that blocks is another thread's after it, and compilers keep it in
 * a register: so no compiler looks into name(), and each call finds it anew. */
#define CORO_THREAD_LOCAL(type, name)                                           \
    static __thread __typeof__(type) name##_of_thread;                          \
    static __attribute__((noinline, unused)) __typeof__(type) *name(void)       \
    {                                                                           \
        __asm__ volatile("");                                                   \
        return &name##_of_thread;                                               \
    }                                                                           \
    _Static_assert(1, "so that a semicolon may follow")

/* ---- running ----------------------------------------------------------------------- */

/* What waits for I/O. The environment variable CORO_IO ("io_uring", "epoll") decides for
 * CORO_IO_BEST, which else is io_uring where the kernel lets us have it. */
enum coro_io_choice { CORO_IO_BEST, CORO_IO_URING, CORO_IO_EPOLL };

struct coro_options {
    unsigned workers;        /* 0: as many as CPUs are allowed */
    bool pin;                /* worker i stays on the i-th allowed CPU */
    enum coro_stack_policy policy; /* of flows: guarded or slab, else -EINVAL */
    size_t stack_bytes;      /* of a flow; 0: 64 KB of addresses, used as touched; 2 KB slabs */
    size_t copied_bytes;     /* of a worker's copied flows' shared stack; 0: 256 KB of addresses */
    bool no_membarrier;      /* as on a kernel without: fences in place of it */
    bool quiet;              /* a deadlock is returned but not reported on stderr */
    enum coro_guard guard;   /* CORO_GUARD_NONE is the zero; see guard_set */
    bool guard_set;          /* false: the best the kernel has */
    enum coro_guard group_guard; /* of 64 slab stacks each */
    enum coro_io_choice io;
    bool watch_stacks; /* notes how deep each flow uses its stack, and warns of those that come near
                          the end: see coro_stack_used(). Such a run takes slow paths only */
    FILE *trace; /* NULL: none. As the run ends, who ran where and when is written here, as JSON
                    for chrome://tracing and ui.perfetto.dev. A traced run takes slow paths only */
};

typedef void *coro_body(void *arg);

/* Runs body(arg) as the first flow, and whatever it spawns, on the calling thread and on
 * workers - 1 new ones (fewer if the system refuses threads). Returns when all flows have
 * ended: 0; or when all are asleep with nothing left to wake one: -EDEADLK, after a
 * report on stderr that lists them (their stacks are dropped, unfinished). -ENOMEM; -EINVAL (also
 * for a CORO_IO that is neither); -EBUSY for a caller that is a worker. options may be NULL. */
int coro_run(const struct coro_options *options, coro_body *body, void *arg);

/* The workers of the run, and the one that the caller is on just now. */
unsigned coro_workers(void);
unsigned coro_worker_index(void);

/* ---- flows ------------------------------------------------------------------------- */

/* Names one flow, also after it has ended. flow is NULL when it could not be had. */
struct coro_handle {
    struct coro_flow *flow;
    uint64_t generation;
};

struct coro_spawn_options {
    enum coro_stack_policy policy; /* where its frames lie: see stack.h */
    size_t stack_bytes; /* 0: the run's if it is of that policy; else 64 KB, 2 KB in slabs,
                           8 KB of a segment (64 KB at most) */
    const char *name;   /* kept by pointer; for reports. Copied flows have none */
    bool detached;      /* nobody will join it */
    bool pinned;        /* runs on `worker` and nowhere else */
    unsigned worker;
};

/* Whether spawn knows a policy here: 0; -ENOTSUP: segmented, of a CPU other than x86-64 or under a
 * sanitizer; -EINVAL. Any thread. */
int coro_policy_check(enum coro_stack_policy policy);

/* Starts a flow, which runs when the caller blocks or yields, or on another worker. flow is NULL
 * without memory. Each flow that is not detached must be joined or detached once. */
CORO_INLINE struct coro_handle coro_spawn(coro_body *body, void *arg);
/* The same for a flow that nobody will join: Go's `go`. 0, -ENOMEM. */
CORO_INLINE int coro_spawn_detached(coro_body *body, void *arg);
/* As coro_spawn(); options NULL for none. -EINVAL as NULL too: errno is not used. */
struct coro_handle coro_spawn_with(const struct coro_spawn_options *options,
                                   coro_body *body, void *arg);

/* From any thread, worker or foreign, into a run that is sure to last: as long as a flow lives
 * in it or someone holds it. The flow is detached. 0, -ENOMEM. */
struct coro_sched *coro_sched_self(void);
int coro_spawn_into(struct coro_sched *sched, coro_body *body, void *arg);
void coro_sched_hold(struct coro_sched *sched);    /* any thread, under the same condition */
void coro_sched_release(struct coro_sched *sched); /* any thread */

/* Waits for the flow to end, and lets go of it. *result (if not NULL) is what its body returned.
 * 0; -ESRCH if it was joined before (or detached and has ended); -EINVAL if someone else waits
 * for it, or it is detached; -EDEADLK for oneself; -ECANCELED. */
int coro_join_slow(struct coro_handle handle, void **result, struct coro_wait *wait,
                   struct coro_flow **next);
CORO_INLINE int coro_join(struct coro_handle handle, void **result);
int coro_detach(struct coro_handle handle); /* 0, -ESRCH, -EINVAL */

struct coro_handle coro_self(void);
_Noreturn void coro_exit(void *result); /* ends the calling flow, however deep */

/* Asks a flow to end: the blocking call that it is in, and all later ones that would have to wait,
 * return -ECANCELED.
 * 0, or -ESRCH when it has ended. Stops the other workers for microseconds. */
int coro_cancel(struct coro_handle handle);

/* ---- channels ---------------------------------------------------------------------- */

struct coro_chan {
    /* One line: all that passes to and fro when a flow meets one whose idle worker attends
     * the channel (handoff.c). */
    struct coro_object object;
    struct coro_link receivers; /* rings of coro_wait, this and `senders` */
    _Atomic(struct coro_wait *) attended; /* changed with the channel; its worker looks without */
    uint64_t handed; /* the value that passes between it and who meets it */
    uint32_t element_bytes;
    uint32_t capacity;
    uint32_t word_open; /* 1: elements of 8 bytes, and not closed: what is inlined */
    bool closed;

    struct coro_link senders;
    /* Where the next element goes and comes from, and how far that is so without more ado: see
     * chan.c. Meant for elements of 8 bytes; for others the limits are never ahead. */
    char *put, *put_limit;
    char *get, *get_limit;
    char *buffer, *buffer_end; /* room for one more than the capacity: put == get is empty */

    uint32_t stride;
    uint32_t in_selects; /* cases that wait for it, or have yet to be withdrawn */
    bool freed;          /* by the last of these, then */
    struct coro_worker *attendant; /* who attended it last, or NULL. With the channel */
    void *memory; /* the whole of it, as malloc() gave it */
};

/* NULL on ENOMEM. element_bytes may be 0: only the meeting counts; below 4 GB. Any thread. */
struct coro_chan *coro_chan_new(size_t element_bytes, size_t capacity);
/* NULL is fine. Aborts if a flow waits. Flows; and any thread when the run is over, also by a
 * deadlock: who waited then is no more. */
void coro_chan_free(struct coro_chan *chan);
int coro_chan_close(struct coro_chan *chan); /* 0, -EPIPE, -EINVAL; never blocks */
size_t coro_chan_count(struct coro_chan *chan); /* elements buffered, at some instant */

/* Block. 0, -EPIPE when closed, -ECANCELED. */
CORO_INLINE int coro_chan_send(struct coro_chan *chan, const void *element);
CORO_INLINE int coro_chan_recv(struct coro_chan *chan, void *element);
/* Never block: -EAGAIN instead. */
int coro_chan_try_send(struct coro_chan *chan, const void *element);
int coro_chan_try_recv(struct coro_chan *chan, void *element);
/* Block until coro_now_ns() reaches deadline_ns: -ETIMEDOUT; -ENOMEM. */
CORO_INLINE int coro_chan_send_until(struct coro_chan *chan, const void *element,
                                     uint64_t deadline_ns);
CORO_INLINE int coro_chan_recv_until(struct coro_chan *chan, void *element,
                                     uint64_t deadline_ns);

enum coro_case_kind { CORO_RECV, CORO_SEND };

struct coro_case {
    struct coro_chan *chan;
    enum coro_case_kind kind;
    void *element; /* to receive into, or to send from */
    int result;    /* of the chosen case: 0, -EPIPE */
    /* private to select */
    uint16_t order;
    struct coro_wait wait;
};

enum { CORO_CASES_MAX = 65535 };

/* Blocks. The index of the case that happened, or -ECANCELED, -EINVAL (too many cases), -ENOMEM
 * (of a copied flow).
 * No cases, or only nil channels: blocks for ever. */
CORO_INLINE int coro_select(struct coro_case *cases, size_t count);
/* Has a default: -EAGAIN when no case is ready. */
CORO_INLINE int coro_select_try(struct coro_case *cases, size_t count);
/* -ETIMEDOUT, -ENOMEM. */
CORO_INLINE int coro_select_until(struct coro_case *cases, size_t count, uint64_t deadline_ns);

/* ---- sync --------------------------------------------------------------------------- */

/* For flows, not threads; in memory of the caller's, initialised by any flow, and destroyed by
 * being forgotten once nobody waits: by who got the last unit of a semaphore or came back from
 * waiting for a group, at once. Uncontended and used by one worker they cost plain
 * stores. A holder may block, and go on on another worker. */
struct coro_mutex {
    struct coro_object object;
    bool locked;
    struct coro_link waiters;
};

void coro_mutex_init(struct coro_mutex *mutex);
/* Blocks. 0, -ECANCELED. Who runs may overtake who waits, but each waiter once only: after
 * that the mutex is handed to it. Not recursive: locking twice deadlocks, and is reported. */
CORO_INLINE int coro_mutex_lock(struct coro_mutex *mutex);
int coro_mutex_try_lock(struct coro_mutex *mutex); /* 0, -EAGAIN */
/* 0, or -EPERM when it is not locked. Any flow may unlock. */
CORO_INLINE int coro_mutex_unlock(struct coro_mutex *mutex);

struct coro_semaphore {
    struct coro_object object;
    uint64_t count;
    struct coro_link waiters;
};

void coro_semaphore_init(struct coro_semaphore *semaphore, uint64_t count);
int coro_semaphore_acquire(struct coro_semaphore *semaphore); /* blocks; in order of arrival */
int coro_semaphore_try_acquire(struct coro_semaphore *semaphore); /* 0, -EAGAIN */
int coro_semaphore_release(struct coro_semaphore *semaphore); /* 0, -EOVERFLOW */

struct coro_wait_group {
    struct coro_object object;
    int64_t count;
    struct coro_link waiters;
};

void coro_wait_group_init(struct coro_wait_group *group);
/* 0, or -EINVAL, and nothing done, if the count would become negative or overflow. Everyone
 * waiting wakes when it becomes 0. */
int coro_wait_group_add(struct coro_wait_group *group, int64_t count);
int coro_wait_group_done(struct coro_wait_group *group); /* add(-1) */
int coro_wait_group_wait(struct coro_wait_group *group); /* blocks. 0, -ECANCELED */

/* Zero-initialised; init needed as for the others. The first caller runs body(arg); all
 * others wait until it is done. 0; -ECANCELED for who waited. */
struct coro_once {
    struct coro_mutex mutex;
    bool done;
};

void coro_once_init(struct coro_once *once);
int coro_once(struct coro_once *once, void (*body)(void *arg), void *arg);

/* ---- time -------------------------------------------------------------------------- */

uint64_t coro_now_ns(void);                     /* CLOCK_MONOTONIC. Any thread */
int coro_sleep_until(uint64_t deadline_ns);     /* blocks. 0, -ECANCELED, -ENOMEM */
int coro_sleep_ns(uint64_t duration_ns);        /* the same, from now on */

/* ---- I/O ---------------------------------------------------------------------------- */

/* As read(2), write(2), accept4(2) with SOCK_CLOEXEC, and connect(2), but only the calling flow
 * waits, and errors are returned: a count (a descriptor) or -errno. All block: -ECANCELED; with
 * a deadline -ETIMEDOUT, -ENOMEM; -EBADF also when the descriptor is closed meanwhile; when the
 * forced poller cannot be had, its error; -ENOTSUP of a copied flow. Whoever got one of these
 * got no byte and no connection. An interrupting signal is not noticed.
 *
 * Descriptors may be blocking or not; blocking is better. With epoll, accept and connect set
 * O_NONBLOCK; regular files that are not in the page cache, and terminals, are handed to a helper
 * thread as by coro_blocking(). Nothing raises SIGPIPE on a socket; a pipe does, as write(2).
 * After a connect that was given up the socket is good for coro_close() only. Several flows may
 * wait for one descriptor, in no promised order. Descriptors from 2^20 on are -EBADF.
 * With io_uring the worker that began an operation sees to it: behind a flow that never yields
 * there, it waits. */
ssize_t coro_read(int fd, void *buffer, size_t bytes);
ssize_t coro_read_until(int fd, void *buffer, size_t bytes, uint64_t deadline_ns);
ssize_t coro_write(int fd, const void *buffer, size_t bytes);
ssize_t coro_write_until(int fd, const void *buffer, size_t bytes, uint64_t deadline_ns);
int coro_accept(int fd, struct sockaddr *address, socklen_t *address_bytes);
int coro_accept_until(int fd, struct sockaddr *address, socklen_t *address_bytes,
                      uint64_t deadline_ns);
int coro_connect(int fd, const struct sockaddr *address, socklen_t address_bytes);
int coro_connect_until(int fd, const struct sockaddr *address, socklen_t address_bytes,
                       uint64_t deadline_ns);

/* Closes a descriptor that was used above; flows that wait for it wake with -EBADF, and the
 * last of them closes it. Never blocks. 0, -EBADF, or what close(2) says. After a plain close(2)
 * instead, a new file with the same number that was not accepted may be waited for in vain. */
int coro_close(int fd);

const char *coro_io_name(void); /* "io_uring", "epoll"; NULL: neither can be had */

/* Runs body(arg) in a helper thread, with all signals blocked, while only the calling flow
 * waits; *result (if not NULL) is what it returned. 0; -ECANCELED if it had not begun (once
 * begun it is waited for); -EAGAIN when the system refuses even a first helper; -ENOMEM;
 * -ENOTSUP of a copied flow. There are as many helpers as calls at once, up to 64, and they
 * leave after a second without work. */
int coro_blocking(coro_body *body, void *arg, void **result);

/* ---- diagnosis --------------------------------------------------------------------- */

struct coro_counters {
    uint64_t switches; /* flows dispatched */
    uint64_t steals, stolen; /* raids, and flows brought home */
    uint64_t parks;    /* nothing to run: into the idle loop */
    uint64_t sleeps, wakes; /* of the thread, by futex */
    uint64_t spawned, finished;
};
/* Of one worker, at some instant. 0 or -EINVAL. */
int coro_counters(unsigned worker, struct coro_counters *counters);

/* How much of its stack a flow has used, at most, since it was spawned, in a run with
 * coro_options.watch_stacks. Of guarded stacks to within a page; of a copied flow: of the stack
 * that it shares, by any. 0; -ESRCH when it was joined (not: when it has ended); -ENOTSUP in a run
 * that does not watch. A flow of which less than a tenth of the stack was left, and that ends, is
 * named on stderr, unless the run is quiet: the first 16, and how many more. */
struct coro_stack_use {
    size_t used_bytes, stack_bytes;
};
int coro_stack_used(struct coro_handle handle, struct coro_stack_use *use);

/* Gives memory back: the pages of guarded stacks below where their flows are parked, and those
 * of flows that have ended. Whoever parks many flows for long, after they were deep, calls it; the
 * faults when they are deep again are the price. Stops the other workers for about a microsecond
 * per stack. How many stacks it shrank. */
size_t coro_shrink(void);

/* Lists every flow: state, what it waits for, backtrace. Stops the other workers; what they
 * run has no backtrace, nor has a copied flow, of which the innermost frame is given. Takes some
 * 8 KB of stack. gdb/coro.py does the same from outside, and from a core file. */
void coro_dump(FILE *file);

/* ---- the inlined halves ------------------------------------------------------------ */

#include "fast.h"

#endif
