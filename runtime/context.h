/* SPDX-License-Identifier: MIT
 *
 * context.h: make a flow on a stack, switch to it, finish it.
 *
 * A context is where a suspended flow goes on: three words, SP, PC and FP. There is one
 * resume protocol for every kind of switch: load SP and FP, jump to PC. Whatever else a
 * flow must keep is kept by the side that suspends:
 *
 *  - coro_switch_inline(), the three-register switch, is always inlined and tells the
 *    compiler that every other register is lost, so the compiler saves just what is live;
 *  - coro_switch(), the ABI switch, keeps the callee-saved registers on the flow's own
 *    stack, as the ABI asks of a function, and so may be called through a pointer or from
 *    another language.
 *
 * As both resume alike, a flow suspended by one may be resumed by the other.
 *
 * Not kept per flow, by either: MXCSR and x87 control word, signal mask, TLS base. A flow
 * that changes one of these changes it for its thread. Why, and what keeping them costs:
 * the `ablation` experiment.
 *
 * Threads: a context may be resumed by any thread, by one at a time; a context that is
 * being suspended may be resumed once coro_switch*() has stored it, which the caller must
 * order (release/acquire) when that happens on another thread.
 */
#ifndef CORO_CONTEXT_H
#define CORO_CONTEXT_H

#include "annotate.h"
#include "stack.h"

struct coro_context {
    void *sp;
    void *pc;
    void *fp;
    CORO_ANNOTATION /* nothing, except under sanitizers: see annotate.h */
};

/* A flow's body. It returns the context to switch to when the flow is done; the flow's
 * stack may be freed or used again as soon as that context runs. */
typedef struct coro_context *coro_entry_fn(void *arg);

/* Makes `context` a flow that will run entry(arg) on `stack` when first switched to.
 * Never fails; `context` must live until the flow has finished. */
void coro_context_make(struct coro_context *context, const struct coro_stack *stack,
                       coro_entry_fn *entry, void *arg);

/* Suspends the caller in `from` and resumes `to`. Returns when something resumes
 * `from`. */
void coro_switch(struct coro_context *from, struct coro_context *to);

/* coro_switch() by name, from C, gets there by a jump in place of a call; its address,
 * or (coro_switch)(from, to), is an ordinary function. What is kept, and where, is the
 * same. */
#define coro_switch(from, to) coro_switch_jump(from, to)

/* static inline __attribute__((always_inline))
 * void coro_switch_jump(struct coro_context *from, struct coro_context *to);
 * void coro_switch_inline(struct coro_context *from, struct coro_context *to); */
#include "arch_switch.h" /* runtime/arch/<cpu>/, picked by the build */

#endif
