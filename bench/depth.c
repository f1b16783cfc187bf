/* SPDX-License-Identifier: MIT
 *
 * depth.c: does a switch cost more when much stack is live below it?
 *
 * The claim under test is that nothing is copied and only the stack pointer changes. Each flow
 * has depth_bytes of its stack live, written before the first switch and read after the
 * last, and switches from there at a site of its own (`diff` of switch_sites.h). What a
 * switch touches is the same few words at any depth, so the cost should be level.
 *
 * The control copies: two flows take turns on one stack, and a third, the copier on the main
 * thread's, saves the live bytes of the one that leaves and puts back those of the one that
 * comes, at the same addresses, as libraries with a shared stack do. One op there is one
 * hand-over from flow to flow: two raw switches and two copies.
 *
 * A flow that finds its live bytes changed withdraws its count, and so fails the trial.
 */
#include "experiments.h"
#include "switch.h"
#include "switch_contract.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <ucontext.h>

enum { FRAMES_BYTES = 256 * 1024, LINE_BYTES = 64 };

static size_t live_bytes; /* of each flow; set by setup() */
static bool damaged;      /* a flow's live bytes were not as it had left them */

/* Calls loop() with live_bytes of stack live: one word in each cache line is written, and
 * found again. */
static SWITCH_FRAME void within_live_stack(void (*loop)(void))
{
    volatile char *low = __builtin_alloca(live_bytes + LINE_BYTES);
    uintptr_t salt = (uintptr_t)loop >> 6;

    for (size_t at = 0; at < live_bytes; at += LINE_BYTES)
        low[at] = (char)(at / LINE_BYTES + salt);
    loop();
    for (size_t at = 0; at < live_bytes; at += LINE_BYTES)
        if (low[at] != (char)(at / LINE_BYTES + salt))
            damaged = true;
}

/* ping's live bytes are on the main thread's stack. */
static int check_main_stack(struct bench_trial *t)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit))
        return -errno;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < live_bytes + 2 * FRAMES_BYTES)
        return bench_skip(t, "RLIMIT_STACK is %llu bytes, too few for %zu live ones",
                          (unsigned long long)limit.rlim_cur, live_bytes);
    return 0;
}

static int depth_setup(struct bench_trial *t)
{
    live_bytes = *(const size_t *)bench_case_of(t)->arg;
    damaged = false;
    int err = check_main_stack(t);
    return err ? err : switch_stack_setup_bytes(t, live_bytes + FRAMES_BYTES);
}

/* The first touch of a live stack's pages takes longer than an epoch: it is done here, so that
 * calibration sees switches. */
static int uncopied_setup(struct bench_trial *t)
{
    int err = depth_setup(t);
    if (!err)
        bench_case_of(t)->run(t, 2);
    return err;
}

#define SWITCH_WITHIN(loop) within_live_stack(loop)

#define CORO_BEGIN(name) static struct coro_context *name(void *arg)
#define CORO_END(from, to) \
    (void)arg; \
    return to
#define CORO_PREPARE(c, stack, entry) coro_context_make(c, stack, entry, NULL)

#define SUBJECT deep_inline
#define CONTEXT struct coro_context
#define SWITCH  coro_switch_inline
#define PREPARE CORO_PREPARE
#define BEGIN   CORO_BEGIN
#define END     CORO_END
#include "switch_sites.h"

#define SUBJECT deep_abi
#define CONTEXT struct coro_context
#define SWITCH  coro_switch
#define PREPARE CORO_PREPARE
#define BEGIN   CORO_BEGIN
#define END     CORO_END
#include "switch_sites.h"

static void ucontext_prepare(ucontext_t *context, const struct coro_stack *stack,
                             void (*entry)(void))
{
    getcontext(context);
    context->uc_stack.ss_sp = stack->low;
    context->uc_stack.ss_size = (size_t)(stack->top - stack->low);
    context->uc_link = NULL;
    makecontext(context, entry, 0);
}

#define SUBJECT       deep_ucontext
#define CONTEXT       ucontext_t
#define SWITCH        swapcontext
#define PREPARE       ucontext_prepare
#define BEGIN(name)   static void name(void)
#define END(from, to) swapcontext(from, to)
#include "switch_sites.h"

static uint64_t unless_damaged(uint64_t count)
{
    return damaged ? 0 : count;
}

static uint64_t inline_run(struct bench_trial *t, uint64_t ops)
{
    return unless_damaged(deep_inline_diff(t, ops));
}

static uint64_t abi_run(struct bench_trial *t, uint64_t ops)
{
    return unless_damaged(deep_abi_diff(t, ops));
}

static uint64_t ucontext_run(struct bench_trial *t, uint64_t ops)
{
    return unless_damaged(deep_ucontext_diff(t, ops));
}

/* --------------------------------------------- the control: one stack for two flows */

enum { RED_ZONE_BYTES = 128 }; /* live below SP, by the x86-64 ABI; harmless elsewhere */

struct sharing_flow {
    struct coro_context context;
    uint64_t left;
    bool done;
    char *saved; /* its live bytes while the other has the stack */
    size_t saved_bytes;
};

static struct sharing_flow sharing_ping, sharing_pong;
static struct coro_context copier;

#define SHARING_LOOP(name, align, self) \
    static SWITCH_FRAME void name(void) \
    { \
        align; \
        while ((self).left) { \
            coro_switch_inline(&(self).context, &copier); \
            (self).left--; \
        } \
    }
SHARING_LOOP(sharing_ping_loop, SWITCH_ALIGN, sharing_ping)
SHARING_LOOP(sharing_pong_loop, SWITCH_ALIGN_SECOND, sharing_pong)

static struct coro_context *sharing_ping_entry(void *arg)
{
    within_live_stack(sharing_ping_loop);
    sharing_ping.done = true;
    return &copier;
}

static struct coro_context *sharing_pong_entry(void *arg)
{
    within_live_stack(sharing_pong_loop);
    sharing_pong.done = true;
    return &copier;
}

static void save_live(struct sharing_flow *flow, const struct coro_stack *stack)
{
    char *low = (char *)flow->context.sp - RED_ZONE_BYTES;
    flow->saved_bytes = (size_t)(stack->top - low);
    memcpy(flow->saved, low, flow->saved_bytes);
}

static void restore_live(const struct sharing_flow *flow, const struct coro_stack *stack)
{
    memcpy(stack->top - flow->saved_bytes, flow->saved, flow->saved_bytes);
}

static void sharing_make(struct sharing_flow *flow, const struct coro_stack *stack,
                         coro_entry_fn *entry, uint64_t quota)
{
    coro_context_make(&flow->context, stack, entry, NULL);
    flow->left = quota;
    flow->done = false;
    save_live(flow, stack);
}

/* The copier: until both are done, lets one run till it leaves, and then the other. */
static uint64_t copy_run(struct bench_trial *t, uint64_t ops)
{
    const struct coro_stack *stack = &((struct switch_stacks *)bench_state(t))->pong;
    struct sharing_flow *flow = &sharing_ping, *other = &sharing_pong, *swap;

    sharing_make(&sharing_ping, stack, sharing_ping_entry, ops - ops / 2);
    sharing_make(&sharing_pong, stack, sharing_pong_entry, ops / 2);
    while (!flow->done) {
        restore_live(flow, stack);
        coro_switch_inline(&copier, &flow->context);
        if (!flow->done)
            save_live(flow, stack);
        swap = flow;
        flow = other;
        other = swap;
    }
    return unless_damaged(ops - sharing_ping.left - sharing_pong.left);
}

static int copy_setup(struct bench_trial *t)
{
    if (CORO_ANNOTATED)
        return bench_skip(t, "a sanitizer keeps its own notes on stacks, which are not copied");
    int err = depth_setup(t);
    sharing_ping.saved = malloc(live_bytes + FRAMES_BYTES);
    sharing_pong.saved = malloc(live_bytes + FRAMES_BYTES);
    if (!err && !(sharing_ping.saved && sharing_pong.saved))
        err = -ENOMEM;
    if (!err)
        copy_run(t, 2); /* as in uncopied_setup() */
    return err;
}

static void copy_teardown(struct bench_trial *t)
{
    bench_note(t, "copied_bytes", "%zu out, %zu in", sharing_ping.saved_bytes,
               sharing_pong.saved_bytes);
    free(sharing_ping.saved);
    free(sharing_pong.saved);
    sharing_ping.saved = sharing_pong.saved = NULL;
    switch_stack_teardown(t);
}

/* ------------------------------------------------------------------- the table */

static const struct bench_contract contract_ucontext = {
    .saves = "sp pc bp rbx r12-r15 rdi rsi rdx rcx r8 r9 x87env mxcsr sigmask",
    .bytes_saved = 156,
    .fp_control = true,
    .signal_mask = true,
    .kernel_entry = true};
/* The bytes depend on the depth; copied_bytes in the notes has them. */
static const struct bench_contract contract_copy = {
    .saves = "sp pc bp and the live stack", .bytes_saved = -1};

#define DEPTH(subject_name, depth, smallest_profile, subject_contract, set_up, runs, tear_down) \
    { \
        .experiment = "depth", .subject = subject_name, .params = "depth_bytes=" #depth, \
        .op = "one-way switch", .places = BENCH_AT(BENCH_SAME_CPU), \
        .profile = smallest_profile, .contract = &subject_contract, \
        .kernel_switches_max = 0.01, .setup = set_up, .run = runs, .teardown = tear_down, \
        .arg = &(const size_t){depth}, \
    }

#define DEPTHS(name, smallest, contract, set_up, runs, tear_down) \
    DEPTH(name, 0, smallest, contract, set_up, runs, tear_down), \
        DEPTH(name, 256, BENCH_FULL, contract, set_up, runs, tear_down), \
        DEPTH(name, 1024, smallest, contract, set_up, runs, tear_down), \
        DEPTH(name, 4096, BENCH_FULL, contract, set_up, runs, tear_down), \
        DEPTH(name, 16384, BENCH_FULL, contract, set_up, runs, tear_down), \
        DEPTH(name, 65536, smallest, contract, set_up, runs, tear_down), \
        DEPTH(name, 262144, BENCH_FULL, contract, set_up, runs, tear_down), \
        DEPTH(name, 1048576, smallest, contract, set_up, runs, tear_down)

const struct bench_case depth_cases[] = {
    DEPTHS("coro-inline", BENCH_DEFAULT, contract_inline, uncopied_setup, inline_run,
           switch_stack_teardown),
    DEPTHS("coro-abi", BENCH_FULL, contract_abi, uncopied_setup, abi_run,
           switch_stack_teardown),
    DEPTHS("ucontext", BENCH_DEFAULT, contract_ucontext, uncopied_setup, ucontext_run,
           switch_stack_teardown),
    DEPTHS("stack-copy", BENCH_DEFAULT, contract_copy, copy_setup, copy_run,
           copy_teardown),
};
const size_t depth_case_count = sizeof depth_cases / sizeof *depth_cases;
