/* SPDX-License-Identifier: MIT
 *
 * overflow.c: names a stack overflow instead of letting it be a segmentation fault.
 *
 * The handler runs on an alternate signal stack (the flow's own is what ran out), one per
 * thread. A thread that already has one keeps it: sanitizers and language runtimes
 * install theirs and unmap at thread exit whatever they find installed.
 *
 * The handler only reads what is published for it, formats into its own buffer and writes
 * once, so it is async-signal-safe. Faults of all other kinds go to whoever handled
 * them before, as if we were not here.
 */
#include "stack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch_fault.h"
#include "fatal.h"
#include "stack_find.h"

enum { HANDLER_ROOM_BYTES = 32 * 1024, FRAME_STEP_BYTES = 1024 };

static struct sigaction previous_segv; /* written before our handler is in place */
static struct sigaction previous_bus;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t alternate_key; /* its destructor frees a thread's alternate stack */
static int once_error;
static _Atomic(coro_overflow_namer *) namer; /* relaxed: a constant function, once there */

static _Noreturn void report(const struct coro_guard_hit *hit, const siginfo_t *info,
                             const ucontext_t *at)
{
    uintptr_t sp = coro_arch_fault_sp(at);
    struct coro_text text = {0};

    coro_text_string(&text, "stack overflow: flow on stack ");
    coro_text_decimal(&text, hit->index);
    coro_text_string(&text, " of ");
    coro_text_decimal(&text, hit->stack_bytes);
    coro_text_string(&text, " bytes (");
    coro_text_hex(&text, hit->low);
    coro_text_string(&text, " to ");
    coro_text_hex(&text, hit->top);
    coro_text_string(&text, "), at pc ");
    coro_text_hex(&text, coro_arch_fault_pc(at));
    coro_text_string(&text, ", sp ");
    coro_text_hex(&text, sp);
    if (info->si_code == SI_KERNEL)
        coro_text_string(&text, ", by a signal: its handler wants SA_ONSTACK");
    else if (sp > hit->top || hit->low - sp > hit->stack_bytes + HANDLER_ROOM_BYTES)
        coro_text_string(&text, ", which is not on this stack: a stray pointer?");
    if (atomic_load_explicit(&namer, memory_order_relaxed))
        atomic_load_explicit(&namer, memory_order_relaxed)(&text);
    coro_fatal_text(&text);
}

/* As the kernel would have done it, had we never come. */
static void pass_on(const struct sigaction *previous, int signal, siginfo_t *info,
                    void *context)
{
    if (previous->sa_flags & SA_SIGINFO) {
        /* Until this handler returns. */
        pthread_sigmask(SIG_BLOCK, &previous->sa_mask, NULL);
        previous->sa_sigaction(signal, info, context);
    } else if (previous->sa_handler == SIG_IGN && info->si_code <= 0) {
        return; /* sent by a process, and ignored; a true fault can't be */
    } else if (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN) {
        struct sigaction fall = {.sa_handler = SIG_DFL};

        sigaction(signal, &fall, NULL);
        if (info->si_code <= 0)
            raise(signal); /* pending until we return; a fault happens again by itself */
    } else {
        pthread_sigmask(SIG_BLOCK, &previous->sa_mask, NULL);
        previous->sa_handler(signal);
    }
}

/* A guard that was touched, or that the frame of another signal would have touched: then
 * the kernel gives no address. */
static bool find_hit(const siginfo_t *info, const ucontext_t *at, struct coro_guard_hit *hit)
{
    size_t frame_bytes = getauxval(AT_MINSIGSTKSZ);

    if (info->si_code <= 0)
        return false;
    if (info->si_code != SI_KERNEL)
        return coro_stack_find_guard((uintptr_t)info->si_addr, hit);
    for (size_t below = 0; below <= frame_bytes; below += FRAME_STEP_BYTES)
        if (coro_stack_find_guard(coro_arch_fault_sp(at) - below, hit))
            return true;
    return false;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    struct coro_guard_hit hit;

    if (find_hit(info, context, &hit))
        report(&hit, info, context);
    pass_on(signal == SIGBUS ? &previous_bus : &previous_segv, signal, info, context);
    errno = saved_errno;
}

static size_t alternate_bytes(void)
{
    size_t frame = getauxval(AT_MINSIGSTKSZ); /* grows with the CPU's vector registers */

    return frame + HANDLER_ROOM_BYTES;
}

static void free_alternate(void *memory)
{
    stack_t off = {.ss_flags = SS_DISABLE};
    stack_t now;

    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == memory)
        sigaltstack(&off, NULL);
    munmap(memory, alternate_bytes());
}

static void watch_process(void)
{
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};

    once_error = pthread_key_create(&alternate_key, free_alternate);
    if (once_error)
        return;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, NULL, &previous_segv) ||
        sigaction(SIGBUS, NULL, &previous_bus) || sigaction(SIGSEGV, &action, NULL) ||
        sigaction(SIGBUS, &action, NULL))
        once_error = errno;
}

static int give_thread_alternate_stack(void)
{
    stack_t stack;
    void *memory;
    int error;

    if (sigaltstack(NULL, &stack))
        return -errno;
    if (!(stack.ss_flags & SS_DISABLE))
        return 0;
    memory = mmap(NULL, alternate_bytes(), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    stack = (stack_t){.ss_sp = memory, .ss_size = alternate_bytes()};
    error =
        sigaltstack(&stack, NULL) ? errno : pthread_setspecific(alternate_key, memory);
    if (error)
        free_alternate(memory);
    return -error;
}

void coro_stack_overflow_named_by(coro_overflow_namer *by)
{
    atomic_store_explicit(&namer, by, memory_order_relaxed);
}

int coro_stack_overflow_watch(void)
{
    pthread_once(&once, watch_process);
    if (once_error)
        return -once_error;
    return give_thread_alternate_stack();
}
