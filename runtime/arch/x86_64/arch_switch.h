/* SPDX-License-Identifier: MIT
 *
 * arch_switch.h: the switches of x86-64 as C sees them; context.h includes it.
 *
 * How the inlined switch came to be as it is. Sites are: same (both flows resume at one
 * instruction), diff (at two), deep same and deep diff (from five nested calls, of one
 * chain or of two). The figures are the business of the `switch` experiment; here is
 * which column won.
 *
 *  - `to` is read before `from` is written. The other way round costs about three times
 *    as much at the same site, and the same elsewhere: the loads wait for the stores
 *    just before them.
 *  - Of the orders that read first, the one below is as fast as any in all columns.
 *    PC and FP are in registers when SP changes, so CFI can be true at every instruction.
 *  - The contexts are memory operands, whose addresses are taken inside. As register operands,
 *    those that are constants were kept by the compiler in rbp, the one register that survives:
 *    each store's address then waited for the load of rbp, at twice the cost with many sites.
 *  - Reading PC late, as the jump's own operand, is a little slower at the same site and
 *    no faster elsewhere; so is reading FP late.
 *  - `call` and `ret` lose in all columns, most at different sites: each `ret` is
 *    mispredicted.
 *
 * And the switch in switch.S, in the same columns:
 *
 *  - called, and left by `ret`: mispredicted whenever the flow that goes on was suspended
 *    at another site, and then again in each function that it returns from;
 *  - called, and left by pop and jump: cures the first, but leaves the return-address
 *    stack one entry too deep each time, so that all outer returns are mispredicted, at
 *    the same site too. By far the worst at deep same;
 *  - no call: the caller's PC goes in a register, the function is jumped to and leaves by
 *    a jump (coro_switch_jump()). Ahead of both in three columns, and level with `ret`
 *    at deep same.
 */
#ifndef CORO_ARCH_SWITCH_H
#define CORO_ARCH_SWITCH_H

#include "annotate.h"
#include "cfi.h"
#include "offsets.h"

#if defined(__CET__) && (__CET__ & 1)
#define CORO_LANDING "endbr64\n\t"
#else
#define CORO_LANDING
#endif

/* Inside a function that only by attribute has AVX-512 this is not defined: build whole
 * files for it. */
#ifdef __AVX512F__
#define CORO_LOST_AVX512                                                                 \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24",   \
        "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", \
        "k3", "k4", "k5", "k6", "k7"
#else
#define CORO_LOST_AVX512
#endif

#ifdef __APX_F__
#define CORO_LOST_APX                                                                    \
    , "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26",       \
        "r27", "r28", "r29", "r30", "r31"
#else
#define CORO_LOST_APX
#endif

/* What any function call loses, besides the two arguments' registers. */
#define CORO_LOST_BY_CALL "rax", "rcx", CORO_LOST_BUT_A_AND_C
#define CORO_LOST_BUT_A_AND_C                                                            \
    "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3",       \
        "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",       \
        "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",    \
        "st(6)", "st(7)", "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7",        \
        "memory", "cc" CORO_LOST_AVX512 CORO_LOST_APX

/* The inlined switch makes the surrounding function's CFI true while SP is already the
 * other flow's: its caller is then that flow. Only where the compiler writes CFI the
 * assembler's way. The nop is never run: unwinders look up PC - 1, which must not be
 * the jump. */
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#define CORO_CFI_RESUMING                                                                \
    ".cfi_remember_state\n\t"                                                            \
    CORO_CFI_CFA_IS_SP "\n\t"                                                            \
    ".cfi_register rip, rdx\n\t"                                                         \
    ".cfi_register rbp, rbx\n\t"                                                         \
    ".cfi_same_value rbx\n\t"                                                            \
    ".cfi_same_value r12\n\t"                                                            \
    ".cfi_same_value r13\n\t"                                                            \
    ".cfi_same_value r14\n\t"                                                            \
    ".cfi_same_value r15\n\t"
#define CORO_CFI_RESUMED "\t.cfi_restore_state\n\tnop\n"
#else
#define CORO_CFI_RESUMING
#define CORO_CFI_RESUMED
#endif

static inline __attribute__((always_inline)) void
coro_switch_inline(struct coro_context *from, struct coro_context *to)
{
    struct coro_context *self = from; /* both registers are lost in the switch */

    coro_annotate_leave(from, to);
    __asm__ volatile("leaq %[to_context], %%r8\n\t"
                     "leaq %[from_context], %%r9\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "movq %c[pc](%%r8), %%rdx\n\t"
                     "movq %c[sp](%%r8), %%rcx\n\t"
                     "movq %c[fp](%%r8), %%rbx\n\t"
                     "movq %%rsp, %c[sp](%%r9)\n\t"
                     "movq %%rbp, %c[fp](%%r9)\n\t"
                     "movq %%rax, %c[pc](%%r9)\n\t"
                     "movq %%rcx, %%rsp\n\t" CORO_CFI_RESUMING
                     "movq %%rbx, %%rbp\n\t"
                     "jmpq *%%rdx\n" CORO_CFI_RESUMED
                     "1:\t" CORO_LANDING
                     : "=D"(from), "=S"(to)
                     : [from_context] "m"(*from), [to_context] "m"(*to),
                       [sp] "i"(CORO_CONTEXT_SP), [pc] "i"(CORO_CONTEXT_PC),
                       [fp] "i"(CORO_CONTEXT_FP)
                     : "rbx", "r12", "r13", "r14", "r15", CORO_LOST_BY_CALL);
    coro_annotate_arrive(self);
}

static inline __attribute__((always_inline)) void
coro_switch_jump(struct coro_context *from, struct coro_context *to)
{
    struct coro_context *self = from;

    coro_annotate_leave(from, to);
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "jmp coro_arch_switch\n"
                     "1:\t" CORO_LANDING
                     : [from] "+D"(from), [to] "+S"(to)
                     :
                     : CORO_LOST_BY_CALL);
    coro_annotate_arrive(self);
}

#endif
