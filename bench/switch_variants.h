/* SPDX-License-Identifier: MIT
 *
 * switch_variants.h: switches of x86-64 that are studied and not shipped.
 *
 * Each is a function of switch_variants.S. All but one keep the flow's PC on its own stack
 * and are called as functions:
 *
 *     ret          six callee-saved registers; leaves by `ret`
 *     jmp          the same; leaves by `pop` and an indirect `jmp`
 *     ret_fpctl    six callee-saved, MXCSR and x87 control word; `ret`
 *     jmp_fpctl    the same; `jmp`
 *     lea_jmp      the three-register switch out of line: entered by `lea` and `jmp`, without
 *                  a `call`, so that the return-address stack stays in step
 *
 * switch_variant_from is the three-register switch inlined, which also says who resumed:
 * `self` and `peer` come back in registers, and no pointer is read from the stack.
 */
#ifndef SWITCH_VARIANTS_H
#define SWITCH_VARIANTS_H

#include <stdint.h>
#include "context.h"

struct switch_variant {
    void *sp; /* of a suspended flow; what lies there is the variant's own */
};

typedef void switch_variant_fn(struct switch_variant *from, struct switch_variant *to);
switch_variant_fn switch_variant_ret, switch_variant_jmp, switch_variant_ret_fpctl,
    switch_variant_jmp_fpctl;

/* Makes a flow of one of the four above; frame_words: the 8-byte words that the variant
 * pops before the PC; the lowest holds the FP control words where it keeps them. */
enum { SWITCH_FRAME_WORDS = 6, SWITCH_FRAME_WORDS_FPCTL = 7 };
void switch_variant_prepare(struct switch_variant *context, const struct coro_stack *stack,
                            void (*entry)(void), unsigned frame_words);

#if defined(__x86_64__)

#define SWITCH_CLOBBERS \
    "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", \
        "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
        "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc"

/* The three-register switch, out of line and without a call. */
static inline __attribute__((always_inline)) void
switch_variant_lea_jmp(struct coro_context *from, struct coro_context *to)
{
    struct coro_context *self = from;
    coro_annotate_leave(from, to);
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "jmp switch_variant_lea_jmp_body\n"
                     "1:\t" CORO_LANDING
                     : "+D"(from), "+S"(to)
                     :
                     : SWITCH_CLOBBERS);
    coro_annotate_arrive(self);
}

/* The three-register switch, inlined; *self and *peer come back as the resumer left them:
 * whoever resumed this flow is its peer. */
static inline __attribute__((always_inline)) void
switch_variant_from(struct coro_context **self, struct coro_context **peer)
{
    struct coro_context *from = *self, *to = *peer;
    coro_annotate_leave(from, to);
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, %c[sp](%%rdi)\n\t"
                     "movq %%rbp, %c[fp](%%rdi)\n\t"
                     "movq %%rax, %c[pc](%%rdi)\n\t"
                     "movq %c[sp](%%rsi), %%rsp\n\t"
                     "movq %c[fp](%%rsi), %%rbp\n\t"
                     "jmpq *%c[pc](%%rsi)\n"
                     "1:\t" CORO_LANDING
                     : "+D"(from), "+S"(to)
                     : [sp] "i"(CORO_CONTEXT_SP), [pc] "i"(CORO_CONTEXT_PC),
                       [fp] "i"(CORO_CONTEXT_FP)
                     : SWITCH_CLOBBERS);
    coro_annotate_arrive(to);
    *self = to;
    *peer = from;
}

#endif
#endif
