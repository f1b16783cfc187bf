/* SPDX-License-Identifier: MIT
 *
 * spawn: what it costs to create a flow, run it to its end, and join it.
 *
 * One op is one flow. `batch` flows are created, then run, then joined: batch=1 is the
 * latency of a single flow; batch=1000 needs a thousand stacks at once, which no longer
 * fit the first-level caches. (A thread or process runs when the kernel likes, so that
 * "created, then run" is only a wish there.) A flow counts itself and ends: nothing else,
 * so what is measured is the mechanism alone.
 *
 * All of coro, ucontext and pthread take their stacks from the same arena, of STACK_BYTES
 * each, so that the subjects differ in the mechanism and not in the allocator:
 *
 *  - stacks=pooled: from the arena's free list; every page has been touched before.
 *  - stacks=cold: an arena is made before each batch and destroyed after it. A flow pays
 *    its share of mmap and munmap, its guard (one madvise or mprotect), and the
 *    first-touch faults of the pages it uses.
 *  - stacks=default (pthread): glibc's own 8 MB stacks (or what `ulimit -s` says). Of
 *    these it caches 40 MB, so that a flow at a time finds its stack there, and a batch
 *    mostly does not.
 *
 * All flows stay on one CPU. A thread made there must wait for its creator to block or be
 * preempted; on a second CPU it would start sooner or later, depending on how deep
 * that CPU sleeps, which is the subject of the `switch` experiment's other placements.
 *
 * Rejected: vfork and posix_spawn, which start another program and make no flow of this.
 */
#include "experiments.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include "context.h"
#include "spawn_coro.h"

enum { STACK_BYTES = 16384, BATCH_MAX = 1000 };
enum stacks { POOLED, COLD, BY_GLIBC, NO_STACKS };

struct spawn_state;
typedef int batch_fn(struct spawn_state *s, size_t flows);

struct spawn_config {
    batch_fn *batch;
    size_t flows; /* per batch */
    enum stacks stacks;
};

struct spawn_state {
    const struct spawn_config *config;
    const char *failed_call; /* what returned the error of a batch */
    struct coro_stack_arena *arena;
    uint64_t ran; /* by user-level flows, which share their creator's thread */
    _Atomic uint64_t *ran_elsewhere; /* by threads and processes; read after the join */
    struct coro_context main_coro;
    ucontext_t main_ucontext;
    struct coro_stack stack[BATCH_MAX];
    union { /* each kind's handles lie as dense as they can */
        struct coro_context coro[BATCH_MAX];
        ucontext_t ucontext[BATCH_MAX];
        pthread_t thread[BATCH_MAX];
        pid_t process[BATCH_MAX];
    };
};

/* ------------------------------------------------------------------ stacks */

static __attribute__((noinline)) int arena_make(struct spawn_state *s, size_t flows)
{
    s->arena = coro_stack_arena_create(STACK_BYTES, flows, CORO_GUARD_MADVISE);
    if (s->arena)
        return 0;
    s->failed_call = "reserving stacks";
    return -errno;
}

/* Inlined, as all on the way of a pooled coroutine is: a call more would show. */
static inline __attribute__((always_inline)) int stacks_take(struct spawn_state *s,
                                                             size_t flows)
{
    int err = s->config->stacks == COLD ? arena_make(s, flows) : 0;
    for (size_t i = 0; !err && i < flows; i++) {
        err = coro_stack_alloc(s->arena, &s->stack[i]);
        if (err)
            s->failed_call = "a stack's guard";
    }
    return err;
}

static inline __attribute__((always_inline)) void stacks_give_back(struct spawn_state *s,
                                                                   size_t flows)
{
    for (size_t i = 0; i < flows; i++)
        coro_stack_free(s->arena, &s->stack[i]);
    if (s->config->stacks == COLD) {
        coro_stack_arena_destroy(s->arena);
        s->arena = NULL;
    }
}

/* -------------------------------------------------------------------- coro */

static struct coro_context *coro_body(void *arg)
{
    struct spawn_state *s = arg;
    s->ran++;
    return &s->main_coro;
}

static inline __attribute__((always_inline)) int coro_batch(struct spawn_state *s,
                                                            size_t flows)
{
    int err = stacks_take(s, flows);
    if (err)
        return err;
    for (size_t i = 0; i < flows; i++)
        coro_context_make(&s->coro[i], &s->stack[i], coro_body, s);
    for (size_t i = 0; i < flows; i++)
        coro_switch_inline(&s->main_coro, &s->coro[i]);
    stacks_give_back(s, flows);
    return 0;
}

/* ---------------------------------------------------------------- ucontext */

/* makecontext() passes ints: a pointer goes through in two halves. */
static void ucontext_body(unsigned high, unsigned low)
{
    struct spawn_state *s = (struct spawn_state *)(uintptr_t)((uint64_t)high << 32 | low);
    s->ran++;
}

static void ucontext_make(struct spawn_state *s, ucontext_t *flow,
                          const struct coro_stack *stack)
{
    uint64_t self = (uintptr_t)s;
    getcontext(flow);
    flow->uc_stack.ss_sp = stack->low;
    flow->uc_stack.ss_size = (size_t)(stack->top - stack->low);
    flow->uc_link = &s->main_ucontext;
    makecontext(flow, (void (*)(void))ucontext_body, 2, (unsigned)(self >> 32),
                (unsigned)self);
}

static int ucontext_batch(struct spawn_state *s, size_t flows)
{
    int err = stacks_take(s, flows);
    if (err)
        return err;
    for (size_t i = 0; i < flows; i++)
        ucontext_make(s, &s->ucontext[i], &s->stack[i]);
    for (size_t i = 0; i < flows; i++)
        swapcontext(&s->main_ucontext, &s->ucontext[i]);
    stacks_give_back(s, flows);
    return 0;
}

/* ----------------------------------------------------------------- pthread */

static void *thread_body(void *arg)
{
    struct spawn_state *s = arg;
    atomic_fetch_add_explicit(s->ran_elsewhere, 1, memory_order_relaxed);
    return NULL;
}

static int thread_make(struct spawn_state *s, size_t i)
{
    const struct coro_stack *stack = &s->stack[i];
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    if (s->config->stacks != BY_GLIBC)
        pthread_attr_setstack(&attr, stack->low, (size_t)(stack->top - stack->low));
    int err = -pthread_create(&s->thread[i], &attr, thread_body, s);
    pthread_attr_destroy(&attr);
    return err;
}

static int thread_batch(struct spawn_state *s, size_t flows)
{
    int err = s->config->stacks == BY_GLIBC ? 0 : stacks_take(s, flows);
    if (err)
        return err;
    size_t made = 0;
    s->failed_call = "pthread_create";
    while (made < flows && !(err = thread_make(s, made)))
        made++;
    for (size_t i = 0; i < made; i++)
        pthread_join(s->thread[i], NULL);
    if (s->config->stacks != BY_GLIBC)
        stacks_give_back(s, flows);
    return err;
}

/* -------------------------------------------------------------------- fork */

static int fork_make(struct spawn_state *s, pid_t *child)
{
    *child = fork();
    if (*child < 0)
        return -errno;
    if (*child == 0) {
        atomic_fetch_add_explicit(s->ran_elsewhere, 1, memory_order_relaxed);
        _exit(0);
    }
    return 0;
}

static int fork_batch(struct spawn_state *s, size_t flows)
{
    size_t made = 0;
    int err = 0;
    s->failed_call = "fork";
    while (made < flows && !(err = fork_make(s, &s->process[made])))
        made++;
    for (size_t i = 0; i < made; i++)
        while (waitpid(s->process[i], NULL, 0) < 0 && errno == EINTR)
            continue;
    return err;
}

/* --------------------------------------------------------------- all alike */

static uint64_t ran_in_all(const struct spawn_state *s)
{
    return s->ran + atomic_load_explicit(s->ran_elsewhere, memory_order_relaxed);
}

/* ", NAME is N" where there is such a limit. */
static void append_limit(char *text, size_t text_bytes, const char *name,
                         __rlimit_resource_t resource)
{
    struct rlimit limit;
    size_t used = strlen(text);
    if (!getrlimit(resource, &limit) && limit.rlim_cur != RLIM_INFINITY)
        snprintf(text + used, text_bytes - used, ", %s is %llu", name,
                 (unsigned long long)limit.rlim_cur);
}

/* The first batch: it shows whether this machine lets us, and warms what is pooled. */
static int spawn_setup(struct bench_trial *t)
{
    struct spawn_state *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    bench_set_state(t, s);
    s->config = bench_case_of(t)->arg;
    s->ran_elsewhere = mmap(NULL, sizeof *s->ran_elsewhere, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->ran_elsewhere == MAP_FAILED) {
        s->ran_elsewhere = NULL;
        return -ENOMEM;
    }
    if (s->config->stacks == POOLED) {
        s->arena =
            coro_stack_arena_create(STACK_BYTES, s->config->flows, CORO_GUARD_MADVISE);
        if (!s->arena)
            return bench_skip(t, "reserving %zu stacks of %d bytes: %s", s->config->flows,
                              STACK_BYTES, strerror(errno));
    }
    int err = s->config->batch(s, s->config->flows);
    if (!err)
        return 0;
    char limits[128] = "";
    append_limit(limits, sizeof limits, "RLIMIT_NPROC", RLIMIT_NPROC);
    append_limit(limits, sizeof limits, "RLIMIT_AS", RLIMIT_AS);
    return bench_skip(t, "%s, flow %llu of %zu: %s%s", s->failed_call,
                      (unsigned long long)ran_in_all(s) + 1, s->config->flows,
                      strerror(-err), limits);
}

static void spawn_teardown(struct bench_trial *t)
{
    struct spawn_state *s = bench_state(t);
    if (!s)
        return;
    if (s->arena)
        coro_stack_arena_destroy(s->arena);
    if (s->ran_elsewhere)
        munmap(s->ran_elsewhere, sizeof *s->ran_elsewhere);
    free(s);
}

/* Inlined into each subject's run(), so that the batch is too: a call by pointer would be
 * a fifth of what a pooled coroutine costs. */
static inline __attribute__((always_inline)) uint64_t
spawn_all(struct bench_trial *t, uint64_t ops, batch_fn *batch, size_t flows)
{
    struct spawn_state *s = bench_state(t);
    uint64_t ran_before = ran_in_all(s);
    while (ops > 0) {
        size_t n = ops < flows ? (size_t)ops : flows;
        int err = batch(s, n);
        if (err) {
            bench_fail(t, "%s: %s", s->failed_call, strerror(-err));
            break;
        }
        ops -= n;
    }
    return ran_in_all(s) - ran_before;
}

static uint64_t coro_run_1(struct bench_trial *t, uint64_t ops)
{
    return spawn_all(t, ops, coro_batch, 1);
}
static uint64_t ucontext_run_1(struct bench_trial *t, uint64_t ops)
{
    return spawn_all(t, ops, ucontext_batch, 1);
}
static uint64_t pthread_run_1(struct bench_trial *t, uint64_t ops)
{
    return spawn_all(t, ops, thread_batch, 1);
}
static uint64_t fork_run_1(struct bench_trial *t, uint64_t ops)
{
    return spawn_all(t, ops, fork_batch, 1);
}
static uint64_t coro_run_1000(struct bench_trial *t, uint64_t ops)
{
    return spawn_all(t, ops, coro_batch, 1000);
}
static uint64_t ucontext_run_1000(struct bench_trial *t, uint64_t ops)
{
    return spawn_all(t, ops, ucontext_batch, 1000);
}
static uint64_t pthread_run_100(struct bench_trial *t, uint64_t ops)
{
    return spawn_all(t, ops, thread_batch, 100);
}
static uint64_t pthread_run_1000(struct bench_trial *t, uint64_t ops)
{
    return spawn_all(t, ops, thread_batch, 1000);
}
static uint64_t fork_run_100(struct bench_trial *t, uint64_t ops)
{
    return spawn_all(t, ops, fork_batch, 100);
}

/* On one CPU a thread's or child's turn costs its creator the CPU at least once. */
#define SPAWN(subject_, stacks_word, stacks_, batch_, n, run_, profile_, flags_, least,  \
              most)                                                                      \
    {                                                                                    \
        .experiment = "spawn", .subject = subject_, .params = stacks_word "batch=" #n,   \
        .op = "one flow created, run and joined", .places = BENCH_AT(BENCH_SAME_CPU),    \
        .profile = profile_, .flags = flags_, .kernel_switches_min = least,              \
        .kernel_switches_max = most, .setup = spawn_setup, .run = run_##_run_##n,        \
        .teardown = spawn_teardown,                                                      \
        .arg = &(const struct spawn_config){batch_, n, stacks_}, .ops_multiple = n,      \
    }
#define USER(subject, stacks_word, stacks, batch, n, run, profile)                       \
    SPAWN(subject, "stacks=" stacks_word ",", stacks, batch, n, run, profile, 0, 0, 0.01)
#define THREAD(stacks_word, stacks, n, profile, least)                                   \
    SPAWN("pthread", "stacks=" stacks_word ",", stacks, thread_batch, n, pthread,        \
          profile, BENCH_THREADS, least, 100)
#define FORK(n, profile, least)                                                          \
    SPAWN("fork", "", NO_STACKS, fork_batch, n, fork, profile,                           \
          BENCH_THREADS | BENCH_PREEMPTS, least, 100)

const struct bench_case spawn_cases[] = {
    USER("coro", "pooled", POOLED, coro_batch, 1, coro, BENCH_QUICK),
    USER("coro", "pooled", POOLED, coro_batch, 1000, coro, BENCH_DEFAULT),
    USER("coro", "cold", COLD, coro_batch, 1, coro, BENCH_DEFAULT),
    USER("coro", "cold", COLD, coro_batch, 1000, coro, BENCH_FULL),
    USER("ucontext", "pooled", POOLED, ucontext_batch, 1, ucontext, BENCH_DEFAULT),
    USER("ucontext", "pooled", POOLED, ucontext_batch, 1000, ucontext, BENCH_FULL),
    USER("ucontext", "cold", COLD, ucontext_batch, 1, ucontext, BENCH_FULL),
    USER("ucontext", "cold", COLD, ucontext_batch, 1000, ucontext, BENCH_FULL),
    THREAD("pooled", POOLED, 1, BENCH_FULL, 0.9),
    THREAD("pooled", POOLED, 1000, BENCH_FULL, 0),
    THREAD("cold", COLD, 1, BENCH_DEFAULT, 0.9),
    THREAD("cold", COLD, 1000, BENCH_FULL, 0),
    THREAD("default", BY_GLIBC, 1, BENCH_QUICK, 0.9),
    THREAD("default", BY_GLIBC, 100, BENCH_DEFAULT, 0),
    THREAD("default", BY_GLIBC, 1000, BENCH_FULL, 0),
    FORK(1, BENCH_DEFAULT, 0.9),
    FORK(100, BENCH_FULL, 0),
    SPAWN_CORO_CASES,
};
const size_t spawn_case_count = sizeof spawn_cases / sizeof *spawn_cases;
