/* SPDX-License-Identifier: MIT
 *
 * message: one 8-byte item from a producer thread to a consumer thread.
 *
 * The baseline that channels stand beside: what message passing costs when
 * it is built by hand over shared memory, or lent by the kernel.
 *
 *  - pthread-condvar: the textbook bounded queue, a mutex and two condition variables.
 *  - spinlock: the same queue under a test-and-test-and-set lock, polling.
 *  - spsc-ring: no lock, one producer and one consumer, each with its own index and a
 *    remembered copy of the other's (Lamport's queue, with the copies to spare the line).
 *  - mailbox: one word, empty or not: the least that two CPUs can do.
 *  - pipe: the kernel's queue, 8 bytes a write, which copies them in and out.
 *  - eventfd: a ring in shared memory whose items and free places two eventfds count, as
 *    semaphores that can be polled.
 *
 * mode=stream: one op is one item; the producer waits only when the queue is full.
 * mode=roundtrip: one op is a request and its reply over two queues of capacity 1, so
 * two items and, where the sides block, two wake-ups.
 *
 * The proof: items are numbered, across all runs of the trial. The receiver counts an
 * item only when it is the next number: a lost, doubled or overtaking item stops the
 * count, and the trial fails. The received count is what run() returns.
 *
 * On one CPU it is the scheduler's choice how many items go over between two switches,
 * anything from one to the capacity, and it may change its mind from trial to trial: the
 * kernel switches per op, beside the figure, tell which it was.
 *
 * A spinner there yields at once, or its partner never runs: such a case (spinlock
 * at place=same-cpu) measures sched_yield() as much as its queue. The main thread
 * produces (flow 0); a mate consumes (flow 1).
 *
 * Each subject is a pair send/receive that the loops below inline. A new one is such a pair, a
 * LOOPS() line and its cases. Flows and channels of the runtime, which need it around them,
 * are in message_coro.c.
 */
#include "experiments.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "crew.h"
#include "message_bulk.h"
#include "message_coro.h"
#include "message_many.h"

enum { CAPACITY_MAX = 1024, LINE_BYTES = 64 };
#define OWN_LINE _Alignas(LINE_BYTES)

struct message_config {
    size_t capacity; /* a power of two */
    uint64_t (*produce)(struct bench_trial *t, uint64_t ops);
    uint64_t (*consume)(void *state, uint64_t ops);
};

/* One direction. Only the fields of its subject are used. */
struct queue {
    size_t capacity;
    bool one_cpu;
    int read_fd, write_fd;

    OWN_LINE pthread_mutex_t mutex; /* or `locked`: guards head, tail and items */
    _Atomic int locked;             /* the unlocking store publishes what they guard */
    size_t head, tail;              /* items ever received, ever sent */
    OWN_LINE pthread_cond_t not_empty;
    OWN_LINE pthread_cond_t not_full;

    OWN_LINE _Atomic size_t ring_tail; /* release by the sender, after the item */
    size_t head_seen;                  /* the sender's copy of ring_head */
    OWN_LINE _Atomic size_t ring_head; /* release by the receiver, after the item is out */
    size_t tail_seen;                  /* the receiver's copy of ring_tail */

    OWN_LINE _Atomic uint64_t word; /* the mailbox; 0: empty. It is its own message */

    OWN_LINE uint64_t items[CAPACITY_MAX];
};

struct message_state {
    const struct message_config *config;
    uint64_t sent, received; /* numbers of the last items; one side's each */
    struct queue *request, *reply;
    struct crew_mate mate;
};

/* --------------------------------------------------- mutex and condition variables
 *
 * They signal after they unlock: a waiter that is woken before may take the CPU, only to
 * block on the mutex, which on one CPU nearly doubles the kernel switches. */

static inline void condvar_send(struct queue *q, uint64_t item)
{
    pthread_mutex_lock(&q->mutex);
    while (q->tail - q->head == q->capacity)
        pthread_cond_wait(&q->not_full, &q->mutex);
    q->items[q->tail++ & (q->capacity - 1)] = item;
    pthread_mutex_unlock(&q->mutex);
    pthread_cond_signal(&q->not_empty);
}

static inline uint64_t condvar_receive(struct queue *q)
{
    pthread_mutex_lock(&q->mutex);
    while (q->tail == q->head)
        pthread_cond_wait(&q->not_empty, &q->mutex);
    uint64_t item = q->items[q->head++ & (q->capacity - 1)];
    pthread_mutex_unlock(&q->mutex);
    pthread_cond_signal(&q->not_full);
    return item;
}

/* ------------------------------------------------------------------------ spinlock */

static inline void spin_lock(struct queue *q)
{
    unsigned spins = 0;
    while (atomic_exchange_explicit(&q->locked, 1, memory_order_acquire))
        while (atomic_load_explicit(&q->locked, memory_order_relaxed))
            crew_relax(q->one_cpu, &spins);
}

static inline void spin_unlock(struct queue *q)
{
    atomic_store_explicit(&q->locked, 0, memory_order_release);
}

static inline void spinlock_send(struct queue *q, uint64_t item)
{
    unsigned spins = 0;
    spin_lock(q);
    while (q->tail - q->head == q->capacity) {
        spin_unlock(q);
        crew_relax(q->one_cpu, &spins);
        spin_lock(q);
    }
    q->items[q->tail++ & (q->capacity - 1)] = item;
    spin_unlock(q);
}

static inline uint64_t spinlock_receive(struct queue *q)
{
    unsigned spins = 0;
    spin_lock(q);
    while (q->tail == q->head) {
        spin_unlock(q);
        crew_relax(q->one_cpu, &spins);
        spin_lock(q);
    }
    uint64_t item = q->items[q->head++ & (q->capacity - 1)];
    spin_unlock(q);
    return item;
}

/* ----------------------------------------------------------------------- lock-free */

static inline void ring_send(struct queue *q, uint64_t item)
{
    unsigned spins = 0;
    size_t tail = atomic_load_explicit(&q->ring_tail, memory_order_relaxed); /* ours */
    while (tail - q->head_seen == q->capacity) {
        q->head_seen = atomic_load_explicit(&q->ring_head, memory_order_acquire);
        if (tail - q->head_seen == q->capacity)
            crew_relax(q->one_cpu, &spins);
    }
    q->items[tail & (q->capacity - 1)] = item;
    atomic_store_explicit(&q->ring_tail, tail + 1, memory_order_release);
}

static inline uint64_t ring_receive(struct queue *q)
{
    unsigned spins = 0;
    size_t head = atomic_load_explicit(&q->ring_head, memory_order_relaxed); /* ours */
    while (head == q->tail_seen) {
        q->tail_seen = atomic_load_explicit(&q->ring_tail, memory_order_acquire);
        if (head == q->tail_seen)
            crew_relax(q->one_cpu, &spins);
    }
    uint64_t item = q->items[head & (q->capacity - 1)];
    atomic_store_explicit(&q->ring_head, head + 1, memory_order_release);
    return item;
}

static inline void mailbox_send(struct queue *q, uint64_t item)
{
    unsigned spins = 0;
    while (atomic_load_explicit(&q->word, memory_order_acquire) != 0)
        crew_relax(q->one_cpu, &spins);
    atomic_store_explicit(&q->word, item, memory_order_release);
}

static inline uint64_t mailbox_receive(struct queue *q)
{
    unsigned spins = 0;
    uint64_t item;
    while ((item = atomic_load_explicit(&q->word, memory_order_acquire)) == 0)
        crew_relax(q->one_cpu, &spins);
    atomic_store_explicit(&q->word, 0, memory_order_release);
    return item;
}

/* ---------------------------------------------------------------------------- pipe */

/* 8 bytes go through a pipe whole (PIPE_BUF). An error shows as a number out of order. */
static inline void pipe_send(struct queue *q, uint64_t item)
{
    while (write(q->write_fd, &item, sizeof item) < 0 && errno == EINTR)
        continue;
}

static inline uint64_t pipe_receive(struct queue *q)
{
    uint64_t item = 0;
    while (read(q->read_fd, &item, sizeof item) < 0 && errno == EINTR)
        continue;
    return item;
}

/* ------------------------------------------------------------------------- eventfd */

/* read_fd counts items, write_fd free places; one sender and one receiver. */
static inline void eventfd_take(int fd)
{
    eventfd_t one;
    while (eventfd_read(fd, &one) < 0 && errno == EINTR)
        continue;
}

static inline void eventfd_send(struct queue *q, uint64_t item)
{
    eventfd_take(q->write_fd);
    q->items[q->tail++ & (q->capacity - 1)] = item;
    eventfd_write(q->read_fd, 1);
}

static inline uint64_t eventfd_receive(struct queue *q)
{
    eventfd_take(q->read_fd);
    uint64_t item = q->items[q->head++ & (q->capacity - 1)];
    eventfd_write(q->write_fd, 1);
    return item;
}

/* --------------------------------------------------------------------------- loops */

typedef void send_fn(struct queue *q, uint64_t item);
typedef uint64_t receive_fn(struct queue *q);
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Receives all, counts those that were the next. */
ALWAYS_INLINE uint64_t consume_stream(struct message_state *s, uint64_t ops,
                                      receive_fn *receive)
{
    uint64_t in_order = 0;
    for (uint64_t i = 0; i < ops; i++)
        in_order += receive(s->request) == ++s->received;
    return in_order;
}

ALWAYS_INLINE uint64_t produce_stream(struct bench_trial *t, uint64_t ops, send_fn *send)
{
    struct message_state *s = bench_state(t);
    crew_start(&s->mate, ops, s->request->one_cpu);
    for (uint64_t i = 0; i < ops; i++)
        send(s->request, ++s->sent);
    return crew_finish(&s->mate);
}

/* The answer to n is n, if n was the next; else a number that nobody waits for. */
ALWAYS_INLINE uint64_t consume_requests(struct message_state *s, uint64_t ops,
                                        receive_fn *receive, send_fn *send)
{
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t item = receive(s->request);
        send(s->reply, item == ++s->received ? item : UINT64_MAX);
    }
    return ops;
}

ALWAYS_INLINE uint64_t produce_requests(struct bench_trial *t, uint64_t ops,
                                        send_fn *send, receive_fn *receive)
{
    struct message_state *s = bench_state(t);
    uint64_t answered = 0;
    crew_start(&s->mate, ops, s->request->one_cpu);
    for (uint64_t i = 0; i < ops; i++) {
        send(s->request, ++s->sent);
        answered += receive(s->reply) == s->sent;
    }
    crew_finish(&s->mate);
    return answered;
}

#define LOOPS(name)                                                                      \
    static uint64_t name##_produce(struct bench_trial *t, uint64_t ops)                  \
    {                                                                                    \
        return produce_stream(t, ops, name##_send);                                      \
    }                                                                                    \
    static uint64_t name##_consume(void *state, uint64_t ops)                            \
    {                                                                                    \
        return consume_stream(state, ops, name##_receive);                               \
    }
#define ROUNDTRIP_LOOPS(name)                                                            \
    static uint64_t name##_produce_requests(struct bench_trial *t, uint64_t ops)         \
    {                                                                                    \
        return produce_requests(t, ops, name##_send, name##_receive);                    \
    }                                                                                    \
    static uint64_t name##_consume_requests(void *state, uint64_t ops)                   \
    {                                                                                    \
        return consume_requests(state, ops, name##_receive, name##_send);                \
    }

LOOPS(condvar)
LOOPS(spinlock)
LOOPS(ring)
LOOPS(mailbox)
LOOPS(pipe)
LOOPS(eventfd)
ROUNDTRIP_LOOPS(condvar)
ROUNDTRIP_LOOPS(mailbox)
ROUNDTRIP_LOOPS(pipe)
ROUNDTRIP_LOOPS(eventfd)

/* ------------------------------------------------------------------- set-up, cases */

/* A pipe of one page, the least there is: 512 items. */
static int pipe_open(struct queue *q)
{
    int fd[2];
    if (pipe2(fd, O_CLOEXEC))
        return -errno;
    q->read_fd = fd[0];
    q->write_fd = fd[1];
    int bytes = fcntl(fd[1], F_SETPIPE_SZ, (int)(q->capacity * sizeof(uint64_t)));
    if (bytes < 0)
        return -errno;
    return (size_t)bytes == q->capacity * sizeof(uint64_t) ? 0 : -ENOTSUP;
}

static int eventfd_open(struct queue *q)
{
    q->read_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    q->write_fd = eventfd((unsigned)q->capacity, EFD_CLOEXEC | EFD_SEMAPHORE);
    return q->read_fd < 0 || q->write_fd < 0 ? -errno : 0;
}

static int files_open(const struct message_config *config, struct queue *q)
{
    if (config->produce == pipe_produce || config->produce == pipe_produce_requests)
        return pipe_open(q);
    if (config->produce == eventfd_produce || config->produce == eventfd_produce_requests)
        return eventfd_open(q);
    return 0;
}

static void queue_free(struct queue *q)
{
    if (!q)
        return;
    if (q->read_fd >= 0)
        close(q->read_fd);
    if (q->write_fd >= 0)
        close(q->write_fd);
    free(q);
}

static struct queue *queue_new(const struct bench_trial *t,
                               const struct message_config *config)
{
    struct queue *q = aligned_alloc(LINE_BYTES, sizeof *q);
    if (!q)
        return NULL;
    memset(q, 0, sizeof *q);
    q->capacity = config->capacity;
    q->one_cpu = crew_on_one_cpu(t);
    q->read_fd = q->write_fd = -1;
    pthread_mutex_init(&q->mutex, NULL);
    pthread_cond_init(&q->not_empty, NULL);
    pthread_cond_init(&q->not_full, NULL);
    int err = files_open(config, q);
    if (err) {
        queue_free(q);
        errno = -err;
        return NULL;
    }
    return q;
}

static void message_teardown(struct bench_trial *t)
{
    struct message_state *s = bench_state(t);
    if (!s)
        return;
    if (s->mate.trial)
        crew_dismiss(&s->mate);
    queue_free(s->request);
    queue_free(s->reply);
    free(s);
}

static int message_setup(struct bench_trial *t)
{
    struct message_state *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    s->request = queue_new(t, s->config);
    s->reply = s->request ? queue_new(t, s->config) : NULL;
    if (!s->reply)
        return bench_skip(t, "no queue of %zu items: %s", s->config->capacity,
                          strerror(errno));
    int err = crew_hire(&s->mate, t, s->config->consume, s);
    if (err) {
        s->mate.trial = NULL;
        return bench_skip(t, "no second thread: %s", strerror(-err));
    }
    return 0;
}

static uint64_t message_run(struct bench_trial *t, uint64_t ops)
{
    struct message_state *s = bench_state(t);
    return s->config->produce(t, ops);
}

#define HERE      BENCH_AT(BENCH_SAME_CPU)
#define ELSEWHERE (BENCH_AT_ANY & ~HERE)

#define MESSAGE(subject_, mode, op_, n, places_, profile_, least, produce_, consume_)    \
    {                                                                                    \
        .experiment = "message", .subject = subject_,                                    \
        .params = "mode=" mode ",capacity=" #n, .op = op_, .places = places_,            \
        .profile = profile_, .flags = BENCH_THREADS, .kernel_switches_min = least,       \
        .kernel_switches_max = (least) > 0 ? 100 : 0, .setup = message_setup,            \
        .run = message_run, .teardown = message_teardown,                                \
        .arg = &(const struct message_config){n, produce_, consume_},                    \
        .ops_multiple = 4 * (n),                                                         \
    }
#define STREAM(subject, name, n, places, profile, least)                                 \
    MESSAGE(subject, "stream", "one item passed", n, places, profile, least,             \
            name##_produce, name##_consume)
#define ROUNDTRIP(subject, name, n, places, profile, least)                              \
    MESSAGE(subject, "roundtrip", "one round trip: request and reply", n, places,        \
            profile, least, name##_produce_requests, name##_consume_requests)

/* Epochs of whole multiples of the capacity, several of it: an epoch that the queue could
 * hold would never make the producer wait. On one CPU a capacity of 1 makes the two sides
 * take turns: at least a kernel switch per item. */
const struct bench_case message_cases[] = {
    STREAM("pthread-condvar", condvar, 1, HERE, BENCH_DEFAULT, 0.9),
    STREAM("pthread-condvar", condvar, 1, ELSEWHERE, BENCH_DEFAULT, 0),
    STREAM("pthread-condvar", condvar, 64, HERE, BENCH_QUICK, 0),
    STREAM("pthread-condvar", condvar, 64, ELSEWHERE, BENCH_QUICK, 0),
    STREAM("pthread-condvar", condvar, 128, BENCH_AT_ANY, BENCH_FULL, 0),
    STREAM("pthread-condvar", condvar, 1024, HERE, BENCH_FULL, 0),
    STREAM("pthread-condvar", condvar, 1024, ELSEWHERE, BENCH_DEFAULT, 0),
    STREAM("spinlock", spinlock, 1, BENCH_AT_ANY, BENCH_FULL, 0),
    STREAM("spinlock", spinlock, 64, ELSEWHERE, BENCH_DEFAULT, 0),
    STREAM("spinlock", spinlock, 64, HERE, BENCH_FULL, 0),
    STREAM("spinlock", spinlock, 1024, BENCH_AT_ANY, BENCH_FULL, 0),
    STREAM("spsc-ring", ring, 64, ELSEWHERE, BENCH_DEFAULT, 0),
    STREAM("spsc-ring", ring, 1024, ELSEWHERE, BENCH_FULL, 0),
    STREAM("mailbox", mailbox, 1, ELSEWHERE, BENCH_DEFAULT, 0),
    STREAM("pipe", pipe, 512, HERE, BENCH_FULL, 0),
    STREAM("pipe", pipe, 512, ELSEWHERE, BENCH_DEFAULT, 0),
    ROUNDTRIP("pthread-condvar", condvar, 1, BENCH_AT_ANY, BENCH_DEFAULT, 0),
    ROUNDTRIP("mailbox", mailbox, 1, ELSEWHERE, BENCH_DEFAULT, 0),
    ROUNDTRIP("pipe", pipe, 512, BENCH_AT_ANY, BENCH_FULL, 0),
    STREAM("eventfd", eventfd, 1, HERE, BENCH_FULL, 0.9),
    STREAM("eventfd", eventfd, 1, ELSEWHERE, BENCH_FULL, 0),
    STREAM("eventfd", eventfd, 64, BENCH_AT_ANY, BENCH_DEFAULT, 0),
    STREAM("eventfd", eventfd, 128, BENCH_AT_ANY, BENCH_FULL, 0),
    STREAM("eventfd", eventfd, 1024, BENCH_AT_ANY, BENCH_FULL, 0),
    STREAM("spinlock", spinlock, 128, BENCH_AT_ANY, BENCH_FULL, 0),
    STREAM("spsc-ring", ring, 1, ELSEWHERE, BENCH_FULL, 0),
    STREAM("spsc-ring", ring, 128, ELSEWHERE, BENCH_FULL, 0),
    ROUNDTRIP("eventfd", eventfd, 1, BENCH_AT_ANY, BENCH_FULL, 0),
    MESSAGE_CORO_CASES,
    MESSAGE_MANY_CASES,
    MESSAGE_BULK_CASES,
};
const size_t message_case_count = sizeof message_cases / sizeof *message_cases;
