/* SPDX-License-Identifier: MIT
 *
 * switch.h: what the experiments about switches (switch, ablation, depth) share.
 */
#ifndef SWITCH_H
#define SWITCH_H

#include "bench.h"
#include "context.h"
#include "stack.h"

#define SWITCH_PASTE_(a, b) a##_##b
#define SWITCH_PASTE(a, b)  SWITCH_PASTE_(a, b)

/* A frame that stays a frame: two call sites stay two, and a call stays a call. gcc aligns no
 * loop in it, which SWITCH_ALIGN does. */
#if defined(__has_attribute) && __has_attribute(noclone)
#define SWITCH_FRAME __attribute__((noinline, noclone, optimize("align-loops=1")))
#else
#define SWITCH_FRAME __attribute__((noinline))
#endif
#define SWITCH_KEEP_FRAME __asm__ volatile("" ::: "memory")

/* Before a hot loop: where it starts must not depend on the code above it. The second flow's
 * loop starts 8 bytes past a line. With both at the start of one, subjects that leave by a
 * shared indirect jump were dearer or cheaper by half from build to build on Zen 4. That is
 * consistent with a branch predictor that tells sites apart by the lower bits of their addresses;
 * no misprediction was counted, as that machine has no PMU. The 8 was chosen after seeing
 * results, as the smallest shift that cured it, and holds for every subject, peers included:
 * it helps most of them, and not the inlined switch. Neither layout is the true one. */
#if defined(__x86_64__)
#define SWITCH_ALIGN        __asm__ volatile(".p2align 6")
#define SWITCH_ALIGN_SECOND __asm__ volatile(".p2align 6\n\t.skip 8, 0x90")
#else
#define SWITCH_ALIGN        __asm__ volatile("")
#define SWITCH_ALIGN_SECOND __asm__ volatile("")
#endif

/* A user-level case's stack: ping is the trial's main thread, pong has this. */
struct switch_stacks {
    struct coro_stack_arena *arena;
    struct coro_stack pong;
};

enum { SWITCH_STACK_BYTES = 64 * 1024 };

/* setup() and teardown() of user-level cases: one stack of SWITCH_STACK_BYTES. */
int switch_stack_setup(struct bench_trial *t);
void switch_stack_teardown(struct bench_trial *t);
/* The same with another size. */
int switch_stack_setup_bytes(struct bench_trial *t, size_t stack_bytes);

/* switch_threads.c: two threads, or processes, that hand over to each other; run() and teardown() are
 * common to all of them, case.arg is the kind. */
struct switch_handover;
extern const struct switch_handover switch_condvar, switch_futex, switch_pipe,
    switch_eventfd, switch_yield, switch_spin;
int switch_thread_setup(struct bench_trial *t);
int switch_process_setup(struct bench_trial *t); /* for futex, pipe, eventfd, yield, spin */
uint64_t switch_thread_run(struct bench_trial *t, uint64_t ops);
void switch_thread_teardown(struct bench_trial *t);

#endif
