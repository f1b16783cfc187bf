/* SPDX-License-Identifier: MIT
 *
 * parked.c: five ways of making a flow that waits.
 *
 * Flows come in chunks, one per parked_grow(), because a chunk has one arena: address
 * space is then reserved as flows are made, not all at the start, and its slope means
 * something.
 *
 * User-level flows are resumed before they are freed: each returns from its body, so that
 * sanitizers and debuggers see a flow that ended.
 */
#include "parked.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include "context.h"
#include "parked_flows.h"

/* Page shared with child processes. */
struct shared {
    _Atomic uint64_t parked; /* release by the flow, acquire by parked_count() */
    _Atomic uint32_t gate;   /* threads wait for it to become 1 */
};

struct coro_flow {
    struct coro_context context;
    struct coro_stack stack;
    struct parked *parked;
};

struct ucontext_flow {
    ucontext_t context;
    void *stack;
};

struct chunk {
    struct chunk *next; /* made before this one */
    size_t made;
    struct coro_stack_arena *arena;
    union {
        struct coro_flow *coro;
        struct ucontext_flow *ucontext;
        pthread_t *thread;
        pid_t *process;
        void *memory;
    } flows;
};

struct kind {
    size_t flow_bytes;
    int (*make)(struct parked *parked, struct chunk *chunk, size_t flows);
    void (*end)(struct parked *parked, struct chunk *chunk);
};

struct parked {
    struct parked_config config;
    const struct kind *kind;
    struct chunk *newest;
    size_t made;
    struct shared *shared;
    struct parked_flows *flows; /* of PARKED_FLOW, all chunks' */
    size_t ended;
    struct coro_context main_coro;
    ucontext_t main_ucontext;
    struct ucontext_flow *running; /* what a ucontext flow finds itself by */
};

/* A little stack, as a flow that does something uses. */
static __attribute__((noinline)) void use_stack(void)
{
    volatile char used[256];
    for (size_t i = 0; i < sizeof used; i += 16)
        used[i] = (char)i;
}

static void count_in(struct parked *parked)
{
    use_stack();
    atomic_fetch_add_explicit(&parked->shared->parked, 1, memory_order_release);
}

/* ------------------------------------------------------------------- coro */

static struct coro_context *coro_body(void *arg)
{
    struct coro_flow *flow = arg;
    count_in(flow->parked);
    coro_switch_inline(&flow->context, &flow->parked->main_coro);
    return &flow->parked->main_coro;
}

static int coro_make(struct parked *parked, struct chunk *chunk, size_t flows)
{
    const struct parked_config *config = &parked->config;
    chunk->arena = coro_stack_arena_create(config->stack_bytes, flows, config->guard);
    if (!chunk->arena)
        return -errno;
    if (coro_stack_arena_guard(chunk->arena) != config->guard)
        return -ENOTSUP;
    for (size_t i = 0; i < flows; i++) {
        struct coro_flow *flow = &chunk->flows.coro[i];
        int err = coro_stack_alloc(chunk->arena, &flow->stack);
        if (err)
            return err;
        flow->parked = parked;
        coro_context_make(&flow->context, &flow->stack, coro_body, flow);
        coro_switch_inline(&parked->main_coro, &flow->context);
        chunk->made++;
    }
    return 0;
}

static void coro_end(struct parked *parked, struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->made; i++) {
        struct coro_flow *flow = &chunk->flows.coro[i];
        coro_switch_inline(&parked->main_coro, &flow->context);
        coro_stack_free(chunk->arena, &flow->stack);
    }
    if (chunk->arena)
        coro_stack_arena_destroy(chunk->arena);
}

/* --------------------------------------------------------------- ucontext */

/* makecontext() passes ints: a pointer goes through in two halves. */
static void ucontext_body(unsigned high, unsigned low)
{
    struct parked *parked = (struct parked *)(uintptr_t)((uint64_t)high << 32 | low);
    struct ucontext_flow *self = parked->running;
    count_in(parked);
    swapcontext(&self->context, &parked->main_ucontext);
}

static void ucontext_start(struct parked *parked, struct ucontext_flow *flow)
{
    uint64_t self = (uintptr_t)parked;
    getcontext(&flow->context);
    flow->context.uc_stack.ss_sp = flow->stack;
    flow->context.uc_stack.ss_size = parked->config.stack_bytes;
    flow->context.uc_link = &parked->main_ucontext;
    makecontext(&flow->context, (void (*)(void))ucontext_body, 2, (unsigned)(self >> 32),
                (unsigned)self);
    parked->running = flow;
    swapcontext(&parked->main_ucontext, &flow->context);
}

static int ucontext_make(struct parked *parked, struct chunk *chunk, size_t flows)
{
    while (chunk->made < flows) {
        struct ucontext_flow *flow = &chunk->flows.ucontext[chunk->made];
        flow->stack = malloc(parked->config.stack_bytes);
        if (!flow->stack)
            return -ENOMEM;
        ucontext_start(parked, flow);
        chunk->made++;
    }
    return 0;
}

static void ucontext_end(struct parked *parked, struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->made; i++) {
        struct ucontext_flow *flow = &chunk->flows.ucontext[i];
        swapcontext(&parked->main_ucontext, &flow->context);
        free(flow->stack);
    }
}

/* ---------------------------------------------------------------- pthread */

static void *thread_body(void *arg)
{
    struct parked *parked = arg;
    _Atomic uint32_t *gate = &parked->shared->gate;
    count_in(parked);
    while (atomic_load_explicit(gate, memory_order_acquire) == 0)
        syscall(SYS_futex, gate, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

static int thread_make(struct parked *parked, struct chunk *chunk, size_t flows)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    int err = -pthread_attr_setstacksize(&attr, parked->config.stack_bytes);
    while (!err && chunk->made < flows) {
        err = -pthread_create(&chunk->flows.thread[chunk->made], &attr, thread_body,
                              parked);
        chunk->made += !err;
    }
    pthread_attr_destroy(&attr);
    return err;
}

static void thread_end(struct parked *parked, struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->made; i++)
        pthread_join(chunk->flows.thread[i], NULL);
}

/* ---------------------------------------------------------------- process */

static _Noreturn void process_body(struct parked *parked, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(1);
    count_in(parked);
    for (;;)
        pause();
}

static int process_make(struct parked *parked, struct chunk *chunk, size_t flows)
{
    pid_t parent = getpid();
    while (chunk->made < flows) {
        pid_t child = fork();
        if (child < 0)
            return -errno;
        if (child == 0)
            process_body(parked, parent);
        chunk->flows.process[chunk->made++] = child;
    }
    return 0;
}

/* All are killed before the first is waited for: their exits overlap. */
static void process_end(struct parked *parked, struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->made; i++)
        kill(chunk->flows.process[i], SIGKILL);
    for (size_t i = 0; i < chunk->made; i++)
        while (waitpid(chunk->flows.process[i], NULL, 0) < 0 && errno == EINTR)
            continue;
}

/* ------------------------------------------------- flows of the scheduler */

static int flow_make(struct parked *parked, struct chunk *chunk, size_t flows)
{
    const struct parked_config *config = &parked->config;
    size_t before = parked_count(parked);
    if (!parked->flows)
        parked->flows = parked_flows_new(config->policy, config->stack_bytes,
                                         &parked->shared->parked);
    int err = parked->flows ? parked_flows_grow(parked->flows, flows) : -ENOMEM;
    chunk->made = parked_count(parked) - before;
    return err;
}

/* All at once, with the first chunk. */
static void flow_end(struct parked *parked, struct chunk *chunk)
{
    (void)chunk;
    parked->ended += parked_flows_end(parked->flows);
    parked->flows = NULL;
}

/* -------------------------------------------------------------------- all */

static const struct kind kinds[] = {
    [PARKED_CORO] = {sizeof(struct coro_flow), coro_make, coro_end},
    [PARKED_UCONTEXT] = {sizeof(struct ucontext_flow), ucontext_make, ucontext_end},
    [PARKED_PTHREAD] = {sizeof(pthread_t), thread_make, thread_end},
    [PARKED_PROCESS] = {sizeof(pid_t), process_make, process_end},
    [PARKED_FLOW] = {0, flow_make, flow_end},
};

const char *parked_distorted(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* gcc */
#define SANITIZED 1
#elif defined(__has_feature) /* clang; sanitizer headers define it for gcc, as 0 */
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif
    return SANITIZED ? "a sanitizer adds memory of its own to every flow" : NULL;
}

struct parked *parked_new(const struct parked_config *config)
{
    struct parked *parked = calloc(1, sizeof *parked);
    if (!parked)
        return NULL;
    parked->config = *config;
    parked->kind = &kinds[config->kind];
    parked->shared = mmap(NULL, sizeof *parked->shared, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (parked->shared == MAP_FAILED) {
        free(parked);
        return NULL;
    }
    return parked;
}

/* Threads and processes run when the kernel likes. On one CPU the nap lets them. */
static int wait_until_parked(const struct parked *parked)
{
    const struct timespec nap = {.tv_nsec = 200 * 1000};
    for (int i = 0; parked_count(parked) < parked->made; i++) {
        if (i == 50 * 1000)
            return -ETIMEDOUT;
        nanosleep(&nap, NULL);
    }
    /* Counted is not yet parked: the last ones are on their way into the kernel. */
    if (parked->config.kind == PARKED_PTHREAD || parked->config.kind == PARKED_PROCESS)
        nanosleep(&nap, NULL);
    return 0;
}

int parked_grow(struct parked *parked, size_t flows)
{
    struct chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return -ENOMEM;
    chunk->flows.memory = calloc(flows, parked->kind->flow_bytes);
    if (!chunk->flows.memory) {
        free(chunk);
        return -ENOMEM;
    }
    chunk->next = parked->newest;
    parked->newest = chunk;
    int err = parked->kind->make(parked, chunk, flows);
    parked->made += chunk->made;
    int wait_err = wait_until_parked(parked);
    return err ? err : wait_err;
}

size_t parked_count(const struct parked *parked)
{
    return atomic_load_explicit(&parked->shared->parked, memory_order_acquire);
}

size_t parked_again(struct parked *parked)
{
    return parked->flows ? parked_flows_again(parked->flows) : 0;
}

pid_t parked_process(const struct parked *parked, size_t i)
{
    size_t end = parked->made; /* the newest chunk holds the last ones */
    for (const struct chunk *chunk = parked->newest; chunk; chunk = chunk->next) {
        end -= chunk->made;
        if (i >= end)
            return chunk->flows.process[i - end];
    }
    return -1;
}

size_t parked_destroy(struct parked *parked)
{
    if (!parked)
        return 0;
    atomic_store_explicit(&parked->shared->gate, 1, memory_order_release);
    syscall(SYS_futex, &parked->shared->gate, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL,
            0);
    while (parked->newest) {
        struct chunk *chunk = parked->newest;
        parked->newest = chunk->next;
        parked->kind->end(parked, chunk);
        free(chunk->flows.memory);
        free(chunk);
    }
    size_t ended = parked->ended;
    munmap(parked->shared, sizeof *parked->shared);
    free(parked);
    return ended;
}
