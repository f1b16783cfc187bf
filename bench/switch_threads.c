/* SPDX-License-Identifier: MIT
 *
 * switch_threads.c: two threads, or two processes, that hand a turn to each other, by each means
 * there is.
 *
 * ping is the trial's main thread on flow 0's CPU, pong a thread on flow 1's, made in
 * setup() and waiting for its turn between runs. One op is one hand-over: from "it is my
 * turn" in one thread to the same in the other. N ops are (N+1)/2 hand-overs by ping and
 * N/2 by pong; each counts its own. pong hands back in any case, as ping must get its turn
 * to return: when N is odd that last one is not counted, and falls out as a cost per run.
 *
 * A means is give(turns, to) and await(turns, me). The turn is one word, but for pipe and
 * eventfd, where what is read is the turn.
 *
 * Two processes are the same with a fork() in place of a thread, and the turns in memory that
 * both have: what is added is the other address space, and a futex that is known by its page.
 * The kernel counts the switches of ping's process alone then: half of them.
 *
 * All threads pair release (give) with acquire (await) on the turn; counts and quotas are
 * plain, owned by the thread whose turn it is.
 */
#include "switch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum flow { PING, PONG, FLOWS };

struct turns {
    const struct switch_handover *by;
    struct bench_trial *trial;
    pthread_t pong;
    pid_t process; /* pong's, where it is one */
    bool pong_started;
    int futex_flag; /* of threads: private to their process */
    bool stop;              /* this turn is pong's last */
    int pin_error;          /* of pong */
    uint64_t left;          /* hand-overs that pong still counts */
    uint64_t count[FLOWS];  /* made by each, in this run */
    int read_fd[FLOWS], write_fd[FLOWS]; /* pipe, eventfd: where each is given its turn */
    pthread_mutex_t lock;   /* condvar: guards turn */
    pthread_cond_t given[FLOWS];
    uint32_t turn __attribute__((aligned(64))); /* a flow; written by whose turn it was */
    char pad[60];
};

struct switch_handover {
    int (*open)(struct turns *turns); /* its file descriptors; NULL: it needs none */
    void *(*pong)(void *turns);
    uint64_t (*run)(struct turns *turns, uint64_t ops); /* ping's side */
};

/* A means to hand over, of NAME_give() and NAME_await(). */
#define HANDOVER(name, open_function) \
    static void *name##_pong(void *arg) \
    { \
        return pong_loop(arg, name##_give, name##_await); \
    } \
    static uint64_t name##_run(struct turns *turns, uint64_t ops) \
    { \
        return ping_loop(turns, ops, name##_give, name##_await); \
    } \
    const struct switch_handover switch_##name = {open_function, name##_pong, name##_run}

typedef void give_fn(struct turns *turns, enum flow to);
typedef void await_fn(struct turns *turns, enum flow me);

/* Inlined into each means' own two functions, so that no op calls through a pointer. */
static inline __attribute__((always_inline)) void *pong_loop(struct turns *turns,
                                                             give_fn *give, await_fn *await)
{
    turns->pin_error = bench_pin(turns->trial, PONG);
    for (;;) {
        await(turns, PONG);
        bool stop = turns->stop;
        if (turns->left) {
            turns->left--;
            turns->count[PONG]++;
        }
        give(turns, PING);
        if (stop)
            return NULL;
    }
}

static inline __attribute__((always_inline)) uint64_t
ping_loop(struct turns *turns, uint64_t ops, give_fn *give, await_fn *await)
{
    for (uint64_t left = ops - ops / 2; left; left--) {
        turns->count[PING]++;
        give(turns, PONG);
        await(turns, PING);
    }
    return turns->count[PING] + turns->count[PONG];
}

static bool my_turn(struct turns *turns, enum flow me)
{
    return __atomic_load_n(&turns->turn, __ATOMIC_ACQUIRE) == me;
}

static void set_turn(struct turns *turns, enum flow to)
{
    __atomic_store_n(&turns->turn, to, __ATOMIC_RELEASE);
}

/* --------------------------------------------------------------------- futex */

static void futex_give(struct turns *turns, enum flow to)
{
    set_turn(turns, to);
    syscall(SYS_futex, &turns->turn, FUTEX_WAKE | turns->futex_flag, 1, NULL, NULL, 0);
}

static void futex_await(struct turns *turns, enum flow me)
{
    while (!my_turn(turns, me)) /* asleep while it is the other's; EAGAIN when no longer */
        syscall(SYS_futex, &turns->turn, FUTEX_WAIT | turns->futex_flag, !me, NULL, NULL, 0);
}

HANDOVER(futex, NULL);

/* ------------------------------------------------------------------- condvar */

static void condvar_give(struct turns *turns, enum flow to)
{
    pthread_mutex_lock(&turns->lock);
    turns->turn = to;
    pthread_mutex_unlock(&turns->lock);
    /* After the unlock: woken with the lock held, the other would only go back to sleep. */
    pthread_cond_signal(&turns->given[to]);
}

static void condvar_await(struct turns *turns, enum flow me)
{
    pthread_mutex_lock(&turns->lock);
    while (turns->turn != me)
        pthread_cond_wait(&turns->given[me], &turns->lock);
    pthread_mutex_unlock(&turns->lock);
}

HANDOVER(condvar, NULL);

/* ------------------------------------------------------------- pipe, eventfd */

/* A turn that can't be given or taken would hang the trial; abort says so at once. */
static void pipe_give(struct turns *turns, enum flow to)
{
    if (write(turns->write_fd[to], "", 1) != 1)
        abort();
}

static void pipe_await(struct turns *turns, enum flow me)
{
    char byte;
    while (read(turns->read_fd[me], &byte, 1) != 1)
        if (errno != EINTR)
            abort();
}

static int pipe_open(struct turns *turns)
{
    for (int flow = PING; flow < FLOWS; flow++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC))
            return -errno;
        turns->read_fd[flow] = ends[0];
        turns->write_fd[flow] = ends[1];
    }
    return 0;
}

HANDOVER(pipe, pipe_open);

static void eventfd_give(struct turns *turns, enum flow to)
{
    if (eventfd_write(turns->write_fd[to], 1))
        abort();
}

static void eventfd_await(struct turns *turns, enum flow me)
{
    eventfd_t value;
    while (eventfd_read(turns->read_fd[me], &value))
        if (errno != EINTR)
            abort();
}

static int eventfd_open(struct turns *turns)
{
    for (int flow = PING; flow < FLOWS; flow++) {
        turns->read_fd[flow] = turns->write_fd[flow] = eventfd(0, EFD_CLOEXEC);
        if (turns->read_fd[flow] < 0)
            return -errno;
    }
    return 0;
}

HANDOVER(eventfd, eventfd_open);

/* --------------------------------------------------------- sched_yield, spin */

static void yield_give(struct turns *turns, enum flow to)
{
    set_turn(turns, to);
}

static void yield_await(struct turns *turns, enum flow me)
{
    while (!my_turn(turns, me))
        sched_yield();
}

HANDOVER(yield, NULL);

static void spin_give(struct turns *turns, enum flow to)
{
    set_turn(turns, to);
}

static void spin_await(struct turns *turns, enum flow me)
{
    while (!my_turn(turns, me))
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        __asm__ volatile("" ::: "memory");
#endif
}

HANDOVER(spin, NULL);

/* ------------------------------------------------------------------ the cases */

uint64_t switch_thread_run(struct bench_trial *t, uint64_t ops)
{
    struct turns *turns = bench_state(t);
    turns->count[PING] = turns->count[PONG] = 0;
    turns->left = ops / 2;
    return turns->by->run(turns, ops);
}

static int start_thread(struct turns *turns)
{
    return -pthread_create(&turns->pong, NULL, turns->by->pong, turns);
}

static int start_process(struct turns *turns)
{
    turns->process = fork();
    if (turns->process < 0)
        return -errno;
    if (turns->process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a killed trial leaves nobody behind */
        turns->by->pong(turns);
        _exit(0);
    }
    return 0;
}

static int turns_setup(struct bench_trial *t, int futex_flag, int (*start)(struct turns *turns))
{
    struct turns *turns = mmap(NULL, sizeof *turns, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (turns == MAP_FAILED)
        return -errno;
    *turns = (struct turns){.by = bench_case_of(t)->arg, .trial = t, .turn = PING,
                            .futex_flag = futex_flag, .lock = PTHREAD_MUTEX_INITIALIZER,
                            .given = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER},
                            .read_fd = {-1, -1}, .write_fd = {-1, -1}};
    bench_set_state(t, turns);
    int err = turns->by->open ? turns->by->open(turns) : 0;
    if (!err)
        err = start(turns);
    if (err)
        return err;
    turns->pong_started = true;
    switch_thread_run(t, 1); /* returns when pong is pinned and has handed back */
    return turns->pin_error;
}

int switch_thread_setup(struct bench_trial *t)
{
    return turns_setup(t, FUTEX_PRIVATE_FLAG, start_thread);
}

int switch_process_setup(struct bench_trial *t)
{
    return turns_setup(t, 0, start_process);
}

static void close_fds(struct turns *turns)
{
    for (int flow = PING; flow < FLOWS; flow++) {
        if (turns->read_fd[flow] >= 0)
            close(turns->read_fd[flow]);
        if (turns->write_fd[flow] >= 0 && turns->write_fd[flow] != turns->read_fd[flow])
            close(turns->write_fd[flow]);
    }
}

static void dismiss(struct turns *turns)
{
    if (!turns->process)
        pthread_join(turns->pong, NULL);
    else
        while (waitpid(turns->process, NULL, 0) < 0 && errno == EINTR)
            continue;
}

void switch_thread_teardown(struct bench_trial *t)
{
    struct turns *turns = bench_state(t);
    if (!turns)
        return;
    if (turns->pong_started) {
        turns->stop = true;
        switch_thread_run(t, 1);
        dismiss(turns);
    }
    close_fds(turns);
    munmap(turns, sizeof *turns);
    bench_set_state(t, NULL);
}
