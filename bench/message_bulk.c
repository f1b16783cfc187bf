/* SPDX-License-Identifier: MIT
 *
 * message_bulk.c: see message_bulk.h. What it costs to pass what does not fit in a register: each
 * subject copies an element in and out (a channel without a buffer: once).
 *
 *  - coro-chan: two flows, free to move. pthread-condvar: a mutex and two condition variables,
 *    the copy made with the lock held, as a bounded queue of values does.
 *  - spsc-ring: a lock-free ring of one producer and one consumer. pipe: the kernel's copy.
 *
 * The proof: an element has its number in its first and in its last word, and is counted if both
 * are the next. Its other words are copied unseen. An element is built in place by its sender, two
 * words only: copying is what is timed, and not computing.
 */
#include "message_bulk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "crew.h"

enum { PRODUCER, CONSUMER };

struct bulk_state {
    const struct bulk_config *config;
    struct stage_crew crew; /* of flows, or */
    struct crew_mate mate;  /* a consumer thread */
    bool one_cpu;
    uint64_t ops;
    struct coro_chan *chan;
    int read_fd, write_fd;
    pthread_mutex_t mutex; /* guards head, tail and slots */
    pthread_cond_t not_empty, not_full;
    size_t head, tail;
    char *slots;
    _Atomic size_t ring_tail __attribute__((aligned(64))); /* release, after the element */
    uint64_t sent;
    char *sending;
    _Atomic size_t ring_head __attribute__((aligned(64))); /* release, after it is out */
    uint64_t received;
    char *receiving;
};

#define BULK_INLINE static inline __attribute__((always_inline))
typedef void bulk_send(struct bulk_state *s, const char *element);
typedef void bulk_receive(struct bulk_state *s, char *element);

/* ---- the means ------------------------------------------------------------------------- */

BULK_INLINE void chan_send(struct bulk_state *s, const char *element)
{
    coro_chan_send(s->chan, element);
}

BULK_INLINE void chan_receive(struct bulk_state *s, char *element)
{
    coro_chan_recv(s->chan, element);
}

static char *slot(struct bulk_state *s, size_t at)
{
    return s->slots + at % s->config->capacity * s->config->element_bytes;
}

BULK_INLINE void condvar_send(struct bulk_state *s, const char *element)
{
    pthread_mutex_lock(&s->mutex);
    while (s->tail - s->head == s->config->capacity)
        pthread_cond_wait(&s->not_full, &s->mutex);
    memcpy(slot(s, s->tail++), element, s->config->element_bytes);
    pthread_mutex_unlock(&s->mutex);
    pthread_cond_signal(&s->not_empty);
}

BULK_INLINE void condvar_receive(struct bulk_state *s, char *element)
{
    pthread_mutex_lock(&s->mutex);
    while (s->tail == s->head)
        pthread_cond_wait(&s->not_empty, &s->mutex);
    memcpy(element, slot(s, s->head++), s->config->element_bytes);
    pthread_mutex_unlock(&s->mutex);
    pthread_cond_signal(&s->not_full);
}

BULK_INLINE void ring_send(struct bulk_state *s, const char *element)
{
    size_t tail = atomic_load_explicit(&s->ring_tail, memory_order_relaxed); /* ours */
    unsigned spins = 0;

    while (tail - atomic_load_explicit(&s->ring_head, memory_order_acquire) ==
           s->config->capacity)
        crew_relax(s->one_cpu, &spins);
    memcpy(slot(s, tail), element, s->config->element_bytes);
    atomic_store_explicit(&s->ring_tail, tail + 1, memory_order_release);
}

BULK_INLINE void ring_receive(struct bulk_state *s, char *element)
{
    size_t head = atomic_load_explicit(&s->ring_head, memory_order_relaxed); /* ours */
    unsigned spins = 0;

    while (atomic_load_explicit(&s->ring_tail, memory_order_acquire) == head)
        crew_relax(s->one_cpu, &spins);
    memcpy(element, slot(s, head), s->config->element_bytes);
    atomic_store_explicit(&s->ring_head, head + 1, memory_order_release);
}

/* More than PIPE_BUF may go in parts. An error shows in the count. */
BULK_INLINE void pipe_send(struct bulk_state *s, const char *element)
{
    for (size_t done = 0; done < s->config->element_bytes;) {
        ssize_t part = write(s->write_fd, element + done, s->config->element_bytes - done);
        if (part < 0 && errno != EINTR)
            return;
        done += part > 0 ? (size_t)part : 0;
    }
}

BULK_INLINE void pipe_receive(struct bulk_state *s, char *element)
{
    for (size_t done = 0; done < s->config->element_bytes;) {
        ssize_t part = read(s->read_fd, element + done, s->config->element_bytes - done);
        if (part < 0 && errno != EINTR)
            return;
        done += part > 0 ? (size_t)part : 0;
    }
}

/* ---- the loops ------------------------------------------------------------------------- */

BULK_INLINE void produce(struct bulk_state *s, uint64_t ops, bulk_send *send)
{
    size_t last = s->config->element_bytes - sizeof(uint64_t);

    for (uint64_t i = 0; i < ops; i++) {
        s->sent++;
        memcpy(s->sending, &s->sent, sizeof s->sent);
        memcpy(s->sending + last, &s->sent, sizeof s->sent);
        send(s, s->sending);
    }
}

BULK_INLINE uint64_t consume(struct bulk_state *s, uint64_t ops, bulk_receive *receive)
{
    size_t last = s->config->element_bytes - sizeof(uint64_t);
    uint64_t in_order = 0;

    for (uint64_t i = 0; i < ops; i++) {
        receive(s, s->receiving);
        s->received++;
        in_order += !memcmp(s->receiving, &s->received, sizeof s->received) &&
                    !memcmp(s->receiving + last, &s->received, sizeof s->received);
    }
    return in_order;
}

#define PAIR(name)                                               \
    void bulk_##name##_produce(struct bulk_state *s, uint64_t ops) \
    {                                                            \
        produce(s, ops, name##_send);                            \
    }                                                            \
    uint64_t bulk_##name##_consume(void *state, uint64_t ops)    \
    {                                                            \
        return consume(state, ops, name##_receive);              \
    }
PAIR(chan)
PAIR(condvar)
PAIR(ring)
PAIR(pipe)

static uint64_t member(void *arg, size_t index)
{
    struct bulk_state *s = arg;

    if (index == CONSUMER)
        return s->config->consume(s, s->ops);
    s->config->produce(s, s->ops);
    return 0;
}

uint64_t message_bulk_run(struct bench_trial *t, uint64_t ops)
{
    struct bulk_state *s = bench_state(t);

    s->ops = ops;
    if (s->config->channel)
        return stage_crew_run(&s->crew);
    crew_start(&s->mate, ops, s->one_cpu);
    s->config->produce(s, ops);
    return crew_finish(&s->mate);
}

/* ---- set-up ---------------------------------------------------------------------------- */

void message_bulk_teardown(struct bench_trial *t)
{
    struct bulk_state *s = bench_state(t);

    if (!s)
        return;
    if (s->config->channel)
        stage_crew_close(&s->crew);
    else if (s->mate.trial)
        crew_dismiss(&s->mate);
    if (s->crew.stage.run_error)
        return;
    coro_chan_free(s->chan);
    if (s->read_fd >= 0)
        close(s->read_fd);
    if (s->write_fd >= 0)
        close(s->write_fd);
    free(s->slots);
    free(s->sending);
    free(s->receiving);
    free(s);
}

static int open_pipe(struct bulk_state *s)
{
    int bytes = (int)(s->config->capacity * s->config->element_bytes), fd[2];

    if (pipe2(fd, O_CLOEXEC))
        return -errno;
    s->read_fd = fd[0];
    s->write_fd = fd[1];
    return fcntl(fd[1], F_SETPIPE_SZ, bytes) == bytes ? 0 : -ENOTSUP;
}

static int open_means(struct bulk_state *s)
{
    size_t bytes = s->config->element_bytes;

    s->sending = calloc(1, bytes);
    s->receiving = calloc(1, bytes);
    if (!s->sending || !s->receiving)
        return -ENOMEM;
    if (s->config->produce == bulk_pipe_produce)
        return open_pipe(s);
    if (s->config->channel) {
        s->chan = coro_chan_new(bytes, s->config->capacity);
        return s->chan ? 0 : -ENOMEM;
    }
    s->slots = calloc(s->config->capacity, bytes);
    return s->slots ? 0 : -ENOMEM;
}

static int open_sides(struct bulk_state *s, struct bench_trial *t)
{
    int error;

    if (s->config->channel) {
        s->crew.flows = 2;
        s->crew.work = member;
        s->crew.arg = s;
        return stage_crew_open(&s->crew, t, s->config->workers);
    }
    error = crew_hire(&s->mate, t, s->config->consume, s);
    if (error)
        s->mate.trial = NULL;
    return error;
}

int message_bulk_setup(struct bench_trial *t)
{
    struct bulk_state *s = aligned_alloc(64, sizeof *s);
    int error;

    if (!s)
        return -ENOMEM;
    memset(s, 0, sizeof *s);
    s->config = bench_case_of(t)->arg;
    s->one_cpu = crew_on_one_cpu(t);
    s->read_fd = s->write_fd = -1;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->not_empty, NULL);
    pthread_cond_init(&s->not_full, NULL);
    bench_set_state(t, s);
    error = open_means(s);
    if (!error)
        error = open_sides(s, t);
    return error ? bench_skip(t, "no queue of %zu elements of %zu bytes: %s",
                              s->config->capacity, s->config->element_bytes, strerror(-error))
                 : 0;
}
