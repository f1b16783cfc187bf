/* SPDX-License-Identifier: MIT
 *
 * message_many_threads.c: see message_many.h. Threads: a mutex and two condition variables, a
 * bounded lock-free ring (D. Vyukov's: each cell says whose turn it is), a pipe, an eventfd.
 *
 * There are more threads than processors: who finds the lock-free ring full or empty yields at once.
 */
#include "message_many.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- mutex and condition variables ----------------------------------------------------- */

MANY_INLINE void condvar_send(struct many_lane *lane, uint64_t item)
{
    pthread_mutex_lock(&lane->mutex);
    while (lane->tail - lane->head == lane->capacity)
        pthread_cond_wait(&lane->not_full, &lane->mutex);
    lane->items[lane->tail++ & (lane->capacity - 1)] = item;
    pthread_mutex_unlock(&lane->mutex);
    pthread_cond_signal(&lane->not_empty);
}

MANY_INLINE uint64_t condvar_receive(struct many_lane *lane)
{
    uint64_t item;

    pthread_mutex_lock(&lane->mutex);
    while (lane->tail == lane->head)
        pthread_cond_wait(&lane->not_empty, &lane->mutex);
    item = lane->items[lane->head++ & (lane->capacity - 1)];
    pthread_mutex_unlock(&lane->mutex);
    pthread_cond_signal(&lane->not_full);
    return item;
}

static int condvar_open(struct many_lane *lane)
{
    pthread_mutex_init(&lane->mutex, NULL);
    pthread_cond_init(&lane->not_empty, NULL);
    pthread_cond_init(&lane->not_full, NULL);
    lane->items = calloc(lane->capacity, sizeof *lane->items);
    return lane->items ? 0 : -ENOMEM;
}

static void condvar_close(struct many_lane *lane)
{
    free(lane->items);
}

/* ---- lock-free ring --------------------------------------------------------------------- */

MANY_INLINE void mpmc_send(struct many_lane *lane, uint64_t item)
{
    size_t at = atomic_load_explicit(&lane->send_at, memory_order_relaxed);
    struct many_cell *cell;

    for (;;) {
        cell = &lane->cells[at & (lane->capacity - 1)];
        size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
        if (turn == at) {
            if (atomic_compare_exchange_weak_explicit(&lane->send_at, &at, at + 1,
                                                      memory_order_relaxed,
                                                      memory_order_relaxed))
                break;
            continue;
        }
        if ((intptr_t)(turn - at) < 0)
            sched_yield();
        at = atomic_load_explicit(&lane->send_at, memory_order_relaxed);
    }
    cell->item = item;
    atomic_store_explicit(&cell->turn, at + 1, memory_order_release);
}

MANY_INLINE uint64_t mpmc_receive(struct many_lane *lane)
{
    size_t at = atomic_load_explicit(&lane->receive_at, memory_order_relaxed);
    struct many_cell *cell;
    uint64_t item;

    for (;;) {
        cell = &lane->cells[at & (lane->capacity - 1)];
        size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
        if (turn == at + 1) {
            if (atomic_compare_exchange_weak_explicit(&lane->receive_at, &at, at + 1,
                                                      memory_order_relaxed,
                                                      memory_order_relaxed))
                break;
            continue;
        }
        if ((intptr_t)(turn - (at + 1)) < 0)
            sched_yield();
        at = atomic_load_explicit(&lane->receive_at, memory_order_relaxed);
    }
    item = cell->item;
    atomic_store_explicit(&cell->turn, at + lane->capacity, memory_order_release);
    return item;
}

static int mpmc_open(struct many_lane *lane)
{
    lane->cells = calloc(lane->capacity, sizeof *lane->cells);
    for (size_t i = 0; lane->cells && i < lane->capacity; i++)
        atomic_init(&lane->cells[i].turn, i);
    return lane->cells ? 0 : -ENOMEM;
}

static void mpmc_close(struct many_lane *lane)
{
    free(lane->cells);
}

/* ---- pipe, eventfd ---------------------------------------------------------------------- */

/* 8 bytes go through a pipe whole. An error shows in the count. */
MANY_INLINE void fd_send(struct many_lane *lane, uint64_t item)
{
    while (write(lane->write_fd, &item, sizeof item) < 0 && errno == EINTR)
        continue;
}

MANY_INLINE uint64_t fd_receive(struct many_lane *lane)
{
    uint64_t item = 0;

    while (read(lane->read_fd, &item, sizeof item) < 0 && errno == EINTR)
        continue;
    return item;
}

/* One item from each that poll() found ready, then poll() again. */
MANY_INLINE uint64_t fd_receive_any(struct many_state *s, struct many_consumer *self)
{
    for (;;) {
        for (; self->look_at < s->lanes; self->look_at++)
            if (self->ready[self->look_at].revents & POLLIN)
                return fd_receive(&s->lane[self->look_at++]);
        for (size_t i = 0; i < s->lanes; i++)
            self->ready[i] = (struct pollfd){.fd = s->lane[i].read_fd, .events = POLLIN};
        if (poll(self->ready, s->lanes, -1) > 0)
            self->look_at = 0;
    }
}

static int pipe_open(struct many_lane *lane)
{
    int fd[2], bytes = (int)(lane->capacity * sizeof(uint64_t));

    if (pipe2(fd, O_CLOEXEC))
        return -errno;
    lane->read_fd = fd[0];
    lane->write_fd = fd[1];
    return fcntl(fd[1], F_SETPIPE_SZ, bytes) == bytes ? 0 : -ENOTSUP;
}

/* A counter: it holds one item, whose number is its value. */
static int eventfd_open(struct many_lane *lane)
{
    lane->read_fd = eventfd(0, EFD_CLOEXEC);
    lane->write_fd = dup(lane->read_fd);
    return lane->write_fd < 0 ? -errno : 0;
}

static void fd_close(struct many_lane *lane)
{
    if (lane->read_fd >= 0)
        close(lane->read_fd);
    if (lane->write_fd >= 0)
        close(lane->write_fd);
}

#define WORK(name, send, receive, any)                           \
    static uint64_t name(void *arg, size_t index)                \
    {                                                            \
        return many_work(arg, index, send, receive, any);        \
    }
WORK(condvar_work, condvar_send, condvar_receive, NULL)
WORK(mpmc_work, mpmc_send, mpmc_receive, NULL)
WORK(fd_work, fd_send, fd_receive, fd_receive_any)

const struct many_subject many_condvar = {condvar_open, condvar_close, condvar_work};
const struct many_subject many_mpmc = {mpmc_open, mpmc_close, mpmc_work};
const struct many_subject many_pipe = {pipe_open, fd_close, fd_work};
const struct many_subject many_eventfd = {eventfd_open, fd_close, fd_work};
