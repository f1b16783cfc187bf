/* SPDX-License-Identifier: MIT
 *
 * switch.c: what one one-way switch between two flows costs.
 *
 * Two flows hand control to each other and do nothing else. All subjects that switch at user
 * level run the same ping-pong, switch_sites.h, at the sites explained there; those that go
 * through the kernel are threads, switch_threads.c, and have no site: the kernel's switch is
 * one place whoever calls it.
 *
 * Each contract says what that subject keeps for a flow, as bytes written by one switch.
 * glibc's were counted in the disassembly of its 2.36: swapcontext stores 14 registers, a
 * pointer, the 28 bytes of fnstenv with MXCSR among them, and 8 of signal mask; _setjmp 8
 * registers and a flag.
 */
#include "experiments.h"
#include "switch.h"
#include "switch_contract.h"
#include "switch_variants.h"

#include <setjmp.h>
#include <ucontext.h>

static const struct bench_contract contract_setjmp = {
    .saves = "sp pc bp rbx r12-r15", .bytes_saved = 68};
static const struct bench_contract contract_ucontext = {
    .saves = "sp pc bp rbx r12-r15 rdi rsi rdx rcx r8 r9 x87env mxcsr sigmask",
    .bytes_saved = 156,
    .fp_control = true,
    .signal_mask = true,
    .kernel_entry = true,
    .stack = "its own, fixed size",
    .growth = "none",
    .preemption = "none",
    .threads = "one (it has no scheduler)",
    .cancellation = "none"};
static const struct bench_contract contract_kernel = {
    .saves = "all registers", .bytes_saved = -1, .fp_control = true, .signal_mask = true,
    .tls_base = true, .kernel_entry = true,
    .stack = "its own, fixed size, made real as it is touched", .growth = "none needed",
    .preemption = "by the kernel", .threads = "1:1",
    .cancellation = "at cancellation points"};

/* -------------------------------------------------------- the shipped switches */

#define CORO_BEGIN(name) static struct coro_context *name(void *arg)
#define CORO_END(from, to) \
    (void)arg; \
    return to
#define CORO_PREPARE(c, stack, entry) coro_context_make(c, stack, entry, NULL)

#define SUBJECT coro_inline
#define CONTEXT struct coro_context
#define SWITCH  coro_switch_inline
#define PREPARE CORO_PREPARE
#define BEGIN   CORO_BEGIN
#define END     CORO_END
#include "switch_sites.h"

#define SUBJECT coro_abi
#define CONTEXT struct coro_context
#define SWITCH  coro_switch
#define PREPARE CORO_PREPARE
#define BEGIN   CORO_BEGIN
#define END     CORO_END
#include "switch_sites.h"

/* ------------------------------------------------------------ study variants */

#define VOID_BEGIN(name) static void name(void)

#if defined(__x86_64__)

static const struct bench_contract contract_six = {
    .saves = "sp pc bp rbx r12-r15", .bytes_saved = 64};
static const struct bench_contract contract_six_fpctl = {
    .saves = "sp pc bp rbx r12-r15 mxcsr x87cw", .bytes_saved = 70, .fp_control = true};

#define SUBJECT lea_jmp
#define CONTEXT struct coro_context
#define SWITCH  switch_variant_lea_jmp
#define PREPARE CORO_PREPARE
#define BEGIN   CORO_BEGIN
#define END     CORO_END
#include "switch_sites.h"

/* Same site only: that it says who resumed helps where the peer isn't a constant. Flows that
 * know their peer from registers read no pointer from the stack they have just come to, and
 * so one switch needn't wait for the loads of the one before. */
struct from_flow {
    struct coro_context context; /* first: a context's address is its flow's */
    uint64_t left;
} __attribute__((aligned(64)));

static struct from_flow from_ping, from_pong;

static SWITCH_FRAME void from_loop(struct from_flow *self_flow, struct from_flow *peer_flow)
{
    struct coro_context *self = &self_flow->context, *peer = &peer_flow->context;
    SWITCH_ALIGN;
    while (((struct from_flow *)self)->left) {
        switch_variant_from(&self, &peer);
        ((struct from_flow *)self)->left--;
    }
}

/* Leaves by the same switch: another way to resume would not say who resumed. */
static struct coro_context *from_entry(void *arg)
{
    struct coro_context *self = &from_pong.context, *peer = &from_ping.context;
    from_loop(&from_pong, &from_ping);
    switch_variant_from(&self, &peer);
    __builtin_unreachable();
}

static uint64_t from_same(struct bench_trial *t, uint64_t ops)
{
    struct switch_stacks *stacks = bench_state(t);
    struct coro_context *self = &from_ping.context, *peer = &from_pong.context;
    from_ping.left = ops - ops / 2;
    from_pong.left = ops / 2;
    coro_context_make(peer, &stacks->pong, from_entry, NULL);
    from_loop(&from_ping, &from_pong);
    if (ops % 2 == 0)
        switch_variant_from(&self, &peer);
    return ops - from_ping.left - from_pong.left;
}

#define SUBJECT              variant_ret
#define CONTEXT              struct switch_variant
#define SWITCH               switch_variant_ret
#define PREPARE(c, s, entry) switch_variant_prepare(c, s, entry, SWITCH_FRAME_WORDS)
#define BEGIN                VOID_BEGIN
#define END                  switch_variant_ret
#include "switch_sites.h"

#define SUBJECT              variant_jmp
#define CONTEXT              struct switch_variant
#define SWITCH               switch_variant_jmp
#define PREPARE(c, s, entry) switch_variant_prepare(c, s, entry, SWITCH_FRAME_WORDS)
#define BEGIN                VOID_BEGIN
#define END                  switch_variant_jmp
#include "switch_sites.h"

#define SUBJECT              variant_ret_fpctl
#define CONTEXT              struct switch_variant
#define SWITCH               switch_variant_ret_fpctl
#define PREPARE(c, s, entry) switch_variant_prepare(c, s, entry, SWITCH_FRAME_WORDS_FPCTL)
#define BEGIN                VOID_BEGIN
#define END                  switch_variant_ret_fpctl
#include "switch_sites.h"

#define SUBJECT              variant_jmp_fpctl
#define CONTEXT              struct switch_variant
#define SWITCH               switch_variant_jmp_fpctl
#define PREPARE(c, s, entry) switch_variant_prepare(c, s, entry, SWITCH_FRAME_WORDS_FPCTL)
#define BEGIN                VOID_BEGIN
#define END                  switch_variant_jmp_fpctl
#include "switch_sites.h"

#endif

/* ------------------------------------------------------------------ ucontext */

static void ucontext_prepare(ucontext_t *context, const struct coro_stack *stack,
                             void (*entry)(void))
{
    getcontext(context);
    context->uc_stack.ss_sp = stack->low;
    context->uc_stack.ss_size = (size_t)(stack->top - stack->low);
    context->uc_link = NULL;
    makecontext(context, entry, 0);
}

#define SUBJECT ucontext
#define CONTEXT ucontext_t
#define SWITCH  swapcontext
#define PREPARE ucontext_prepare
#define BEGIN   VOID_BEGIN
#define END     swapcontext
#include "switch_sites.h"

/* ------------------------------------------------------------ setjmp, longjmp */

/* _setjmp leaves the signal mask alone. It can't make a flow on another stack, so the
 * runtime's switch makes the first step onto pong's: longjmp to a flow that has not begun
 * is that first step. */
struct jump_context {
    jmp_buf registers;
    struct coro_context origin, start;
    bool fresh; /* made, and never resumed */
};

/* A checked longjmp takes another stack for a mistake. */
static int jump_setup(struct bench_trial *t)
{
    if (CORO_ANNOTATED)
        return bench_skip(t, "sanitizers refuse a longjmp to another stack");
    return switch_stack_setup(t);
}

#define JUMP(from, to) \
    do { \
        if (!_setjmp((from)->registers)) { \
            if (__builtin_expect(!(to)->fresh, true)) \
                _longjmp((to)->registers, 1); \
            (to)->fresh = false; \
            coro_switch(&(to)->origin, &(to)->start); \
        } \
    } while (0)

static void jump_prepare(struct jump_context *context, const struct coro_stack *stack,
                         coro_entry_fn *entry)
{
    coro_context_make(&context->start, stack, entry, NULL);
    context->fresh = true;
}

#define SUBJECT jump
#define CONTEXT struct jump_context
#define SWITCH  JUMP
#define PREPARE jump_prepare
#define BEGIN   CORO_BEGIN
#define END(from, to) \
    (void)arg; \
    _longjmp((to)->registers, 1)
#include "switch_sites.h"

/* ------------------------------------------------------------------- the table */

#define ONE_SITE(subject_name, subject_contract, set_up, site_name, runs, smallest_profile) \
    { \
        .experiment = "switch", .subject = subject_name, .params = "site=" site_name, \
        .op = "one-way switch", .places = BENCH_AT(BENCH_SAME_CPU), \
        .profile = smallest_profile, .contract = &subject_contract, \
        .kernel_switches_max = 0.01, .setup = set_up, .run = runs, \
        .teardown = switch_stack_teardown, \
    }

/* All sites of a subject: the profile of `same`, of `diff`, of the deep ones, of sixteen. */
#define ALL_SITES_BY(name, contract, set_up, prefix, same, diff, deep, sixteen) \
    ONE_SITE(name, contract, set_up, "same", prefix##_same, same), \
        ONE_SITE(name, contract, set_up, "diff", prefix##_diff, diff), \
        ONE_SITE(name, contract, set_up, "deep-same", prefix##_deep_same, deep), \
        ONE_SITE(name, contract, set_up, "deep-diff", prefix##_deep_diff, deep), \
        ONE_SITE(name, contract, set_up, "sixteen", prefix##_sixteen, sixteen)
#define ALL_SITES(name, contract, prefix, ...) \
    ALL_SITES_BY(name, contract, switch_stack_setup, prefix, __VA_ARGS__)

#define THREADS(subject_name, handover, subject_flags, where, least, most, smallest_profile) \
    { \
        .experiment = "switch", .subject = subject_name, .params = "", \
        .op = "one-way switch", .places = where, .profile = smallest_profile, \
        .flags = BENCH_THREADS | (subject_flags), .contract = &contract_kernel, \
        .kernel_switches_min = least, .kernel_switches_max = most, \
        .setup = switch_thread_setup, .run = switch_thread_run, \
        .teardown = switch_thread_teardown, .arg = &handover, \
    }

/* On one CPU every hand-over is a kernel switch; across CPUs a thread may see its turn come
 * before it sleeps, so there is no lower bound. */
#define SAME_CPU    BENCH_AT(BENCH_SAME_CPU)
#define ACROSS_CPUS (BENCH_AT_ANY & ~SAME_CPU)
#define BLOCKING(name, handover, same_cpu_profile) \
    THREADS(name, handover, 0, SAME_CPU, 0.9, 4, same_cpu_profile), \
        THREADS(name, handover, 0, ACROSS_CPUS, 0, 4, BENCH_DEFAULT)

const struct bench_case switch_cases[] = {
    ALL_SITES("coro-inline", contract_inline, coro_inline, BENCH_QUICK, BENCH_QUICK,
              BENCH_DEFAULT, BENCH_DEFAULT),
    ALL_SITES("coro-abi", contract_abi, coro_abi, BENCH_QUICK, BENCH_QUICK, BENCH_DEFAULT,
              BENCH_DEFAULT),
#if defined(__x86_64__)
    ALL_SITES("study-lea-jmp", contract_inline, lea_jmp, BENCH_DEFAULT, BENCH_DEFAULT,
              BENCH_DEFAULT, BENCH_FULL),
    ONE_SITE("study-inline-from", contract_inline, switch_stack_setup, "same", from_same,
             BENCH_DEFAULT),
    ALL_SITES("study-ret", contract_six, variant_ret, BENCH_DEFAULT, BENCH_DEFAULT,
              BENCH_FULL, BENCH_FULL),
    ALL_SITES("study-jmp", contract_six, variant_jmp, BENCH_DEFAULT, BENCH_DEFAULT,
              BENCH_FULL, BENCH_FULL),
    ALL_SITES("study-ret-fpctl", contract_six_fpctl, variant_ret_fpctl, BENCH_FULL,
              BENCH_FULL, BENCH_FULL, BENCH_FULL),
    ALL_SITES("study-jmp-fpctl", contract_six_fpctl, variant_jmp_fpctl, BENCH_DEFAULT,
              BENCH_DEFAULT, BENCH_FULL, BENCH_FULL),
#endif
    ALL_SITES("ucontext", contract_ucontext, ucontext, BENCH_DEFAULT, BENCH_QUICK,
              BENCH_DEFAULT, BENCH_FULL),
    ALL_SITES_BY("setjmp", contract_setjmp, jump_setup, jump, BENCH_DEFAULT, BENCH_DEFAULT,
                 BENCH_FULL, BENCH_FULL),
    BLOCKING("pthread-futex", switch_futex, BENCH_QUICK),
    BLOCKING("pthread-condvar", switch_condvar, BENCH_DEFAULT),
    BLOCKING("pthread-pipe", switch_pipe, BENCH_DEFAULT),
    BLOCKING("pthread-eventfd", switch_eventfd, BENCH_DEFAULT),
    THREADS("pthread-yield", switch_yield, BENCH_PREEMPTS, SAME_CPU, 0.9, 4, BENCH_DEFAULT),
    THREADS("pthread-yield", switch_yield, BENCH_PREEMPTS, ACROSS_CPUS, 0, 4, BENCH_FULL),
    /* Two spinning threads on one CPU would each burn a time slice per op. */
    THREADS("pthread-spin", switch_spin, 0, ACROSS_CPUS, 0, 0.01, BENCH_DEFAULT),
};
const size_t switch_case_count = sizeof switch_cases / sizeof *switch_cases;
