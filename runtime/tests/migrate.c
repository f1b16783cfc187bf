/* SPDX-License-Identifier: MIT
 *
 * migrate.c: errno and thread-locals of a flow that goes on on another thread; a plain program, so
 * that it is built at each level of optimization, with and without optimization across
 * files, and by ThreadSanitizer.
 *
 *     migrate [moves]
 *
 * Flows receive from one channel, and each worker has a *tug*, pinned to it, that sends: who
 * receives goes on there. Before and after that it uses errno and a thread-local by
 * coro.h's means, in one function and with nothing in between that would tell a compiler that
 * the thread is another one. As a control it counts how often the C library's own errno, used
 * the same way, was still the old thread's: 0 says that this compiler keeps no such address.
 */
#include "coro.h"

#include <stdlib.h>

enum { WORKERS = 3, FLOWS = 8 };

CORO_THREAD_LOCAL(int, local);
static _Atomic(unsigned) moves, moves_wanted, wrong, control_wrong;

/* No compiler sees into these two: each call finds the address anew. */
static __attribute__((noinline)) int *own_errno(void)
{
    __asm__ volatile("");
    return __errno_location();
}

static __attribute__((noinline)) int *own_local(void)
{
    __asm__ volatile("");
    return &local_of_thread;
}

static void check(bool right, const char *what)
{
    if (!right) {
        fprintf(stderr, "migrate: %s is another thread's\n", what);
        wrong++;
    }
}

/* Waits until a tug of some worker brings it along. Whether there is still one. */
static __attribute__((noinline)) bool move_once(struct coro_chan *harbour)
{
    unsigned from = coro_worker_index();
    int *control = __errno_location();
    uint64_t value;

    errno = (int)from + 1;
    *local() = (int)from + 1;
    *control = (int)from + 1;
    if (coro_chan_recv(harbour, &value))
        return false;
    errno = 100;
    *local() = 100;
    check(*own_errno() == 100 && &errno == own_errno(), "errno");
    check(*own_local() == 100 && local() == own_local(), "a thread-local");
    control_wrong += __errno_location() != own_errno();
    moves += coro_worker_index() != from;
    return true;
}

static void *flow(void *harbour)
{
    while (move_once(harbour))
        ;
    return NULL;
}

static void *tug(void *harbour)
{
    uint64_t value = 1;

    while (moves < moves_wanted && coro_chan_send(harbour, &value) == 0)
        coro_yield();
    return NULL;
}

static void *play(void *arg)
{
    struct coro_chan *harbour = coro_chan_new(8, 0);
    struct coro_handle flows[FLOWS], tugs[WORKERS];

    for (unsigned i = 0; i < FLOWS; i++)
        flows[i] = coro_spawn(flow, harbour);
    for (unsigned i = 0; i < WORKERS; i++) {
        const struct coro_spawn_options options = {.pinned = true, .worker = i};

        tugs[i] = coro_spawn_with(&options, tug, harbour);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        coro_join(tugs[i], NULL);
    coro_chan_close(harbour);
    for (unsigned i = 0; i < FLOWS; i++)
        coro_join(flows[i], NULL);
    coro_chan_free(harbour);
    return arg;
}

int main(int argc, char **argv)
{
    const struct coro_options options = {.workers = WORKERS};

    moves_wanted = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
    if (coro_run(&options, play, NULL))
        return 1;
    printf("migrate: %u moves, %u times wrong; the C library's errno: %u times the old thread's\n",
           moves, wrong, control_wrong);
    return wrong ? 1 : 0;
}
