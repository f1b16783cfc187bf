/* SPDX-License-Identifier: MIT
 *
 * overflow.c: a flow that runs out of stack is named; other faults go where they went
 * before.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "annotate.h"
#include "child.h"
#include "context.h"

enum { STACK_BYTES = 64 * 1024 };

static struct coro_context home;
static struct coro_context flow;

/* Frames smaller than the guard, so that one of them must touch it. */
static __attribute__((noinline)) int recurse(int depth)
{
    volatile char frame[512];

    frame[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + frame[0];
}

static struct coro_context *run_out(void *arg)
{
    recurse(0);
    return &home;
}

static void overflow_third_stack(enum coro_guard guard)
{
    struct coro_stack_arena *other = coro_stack_arena_create(1024, 10, guard);
    struct coro_stack_arena *arena = coro_stack_arena_create(STACK_BYTES, 10, guard);
    struct coro_stack stack;

    if (!other || !arena || coro_stack_overflow_watch())
        _exit(1);
    for (int i = 0; i < 3; i++)
        if (coro_stack_alloc(arena, &stack))
            _exit(1);
    coro_context_make(&flow, &stack, run_out, NULL);
    coro_switch_inline(&home, &flow);
}

static void overflow_once(void *arg)
{
    overflow_third_stack(*(enum coro_guard *)arg);
}

Test(overflow, is_reported_with_the_stack_that_ran_out)
{
    static const enum coro_guard guards[] = {CORO_GUARD_MADVISE, CORO_GUARD_MPROTECT};

    for (size_t i = 0; i < 2; i++) {
        struct child child = run_child(overflow_once, (void *)&guards[i]);

        cr_expect_eq(child.signal, SIGABRT, "signal %d, code %d", child.signal,
                     child.code);
        cr_expect_not_null(
            strstr(child.text,
                   "coro: stack overflow: flow on stack 2 of 65536 bytes (0x"),
            "%s", child.text);
        cr_expect_not_null(strstr(child.text, "), at pc 0x"), "%s", child.text);
        cr_expect_null(strstr(child.text, "stray"), "%s", child.text);
    }
}

static void *overflow_in_thread(void *arg)
{
    overflow_once(arg);
    return NULL;
}

static void overflow_elsewhere(void *arg)
{
    pthread_t thread;

    if (coro_stack_overflow_watch() ||
        pthread_create(&thread, NULL, overflow_in_thread, arg))
        _exit(1);
    pthread_join(thread, NULL);
}

Test(overflow, is_reported_in_any_thread_that_watches)
{
    enum coro_guard guard = CORO_GUARD_MADVISE;
    struct child child = run_child(overflow_elsewhere, &guard);

    cr_expect_eq(child.signal, SIGABRT);
    cr_expect_not_null(strstr(child.text, "coro: stack overflow: flow on stack 2"), "%s",
                       child.text);
}

static void stray_into_guard(void *arg)
{
    struct coro_stack_arena *arena =
        coro_stack_arena_create(STACK_BYTES, 1, CORO_GUARD_MADVISE);
    struct coro_stack stack;

    if (!arena || coro_stack_alloc(arena, &stack) || coro_stack_overflow_watch())
        _exit(1);
    *(volatile char *)(stack.low - 1) = 1;
}

Test(overflow, a_stray_pointer_into_a_guard_is_told_apart)
{
    struct child child = run_child(stray_into_guard, NULL);

    cr_expect_eq(child.signal, SIGABRT);
    cr_expect_not_null(strstr(child.text, "stray pointer?"), "%s", child.text);
}

static char *volatile nowhere = (char *)8;

static void fault_elsewhere(void *arg)
{
    if (coro_stack_overflow_watch())
        _exit(1);
    *nowhere = 1;
}

static void earlier_handler(int signal)
{
    static const char text[] = "the earlier handler";

    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(1);
    _exit(7);
}

static void earlier_info_handler(int signal, siginfo_t *info, void *context)
{
    if (info->si_addr == nowhere)
        earlier_handler(signal);
}

static void fault_with_handler(void *arg)
{
    struct sigaction action = {.sa_handler = earlier_handler};

    sigaction(SIGSEGV, &action, NULL);
    fault_elsewhere(arg);
}

static void fault_with_info_handler(void *arg)
{
    struct sigaction action = {.sa_sigaction = earlier_info_handler,
                               .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &action, NULL);
    fault_elsewhere(arg);
}

Test(overflow, another_fault_goes_to_the_earlier_handler)
{
    child_fn *const functions[] = {fault_with_handler, fault_with_info_handler};

    for (size_t i = 0; i < 2; i++) {
        struct child child = run_child(functions[i], NULL);

        cr_expect_eq(child.code, 7);
        cr_expect_str_eq(child.text, "the earlier handler");
    }
}

static void fault_by_default(void *arg)
{
    signal(SIGSEGV, SIG_DFL);
    fault_elsewhere(arg);
}

static void sent_and_ignored(void *arg)
{
    signal(SIGSEGV, SIG_IGN);
    if (coro_stack_overflow_watch())
        _exit(1);
    raise(SIGSEGV);
    _exit(9);
}

static void sent_by_default(void *arg)
{
    signal(SIGSEGV, SIG_DFL);
    if (coro_stack_overflow_watch())
        _exit(1);
    raise(SIGSEGV);
}

Test(overflow, without_an_earlier_handler_all_is_as_before)
{
    cr_expect_eq(run_child(fault_by_default, NULL).signal, SIGSEGV);
    cr_expect_eq(run_child(sent_by_default, NULL).signal, SIGSEGV);
    cr_expect_eq(run_child(sent_and_ignored, NULL).code, 9);
}

static void *watch_and_end(void *arg)
{
    return (void *)(intptr_t)coro_stack_overflow_watch();
}

Test(overflow, threads_give_their_alternate_stacks_back)
{
    for (int i = 0; i < 2000; i++) {
        pthread_t thread;
        void *error;

        cr_assert_eq(pthread_create(&thread, NULL, watch_and_end, NULL), 0);
        pthread_join(thread, &error);
        cr_assert_null(error);
    }
}

static void keep_own_alternate(void *arg)
{
    static char own[64 * 1024];
    stack_t stack = {.ss_sp = own, .ss_size = sizeof own};
    stack_t now;

    if (sigaltstack(&stack, NULL) || coro_stack_overflow_watch() ||
        sigaltstack(NULL, &now))
        _exit(1);
    _exit(now.ss_sp == own ? 8 : 1);
}

Test(overflow, a_thread_with_an_alternate_stack_keeps_it)
{
    cr_expect_eq(run_child(keep_own_alternate, NULL).code, 8);
}
