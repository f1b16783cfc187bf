/* SPDX-License-Identifier: MIT
 *
 * arch_switch.h: the three-register switch of x86-64; see context.h, which includes it.
 */
#ifndef CORO_ARCH_SWITCH_H
#define CORO_ARCH_SWITCH_H

#include "annotate.h"
#include "offsets.h"

#if defined(__CET__) && (__CET__ & 1)
#define CORO_LANDING "endbr64\n\t"
#else
#define CORO_LANDING
#endif

#ifdef __AVX512F__
#define CORO_CLOBBER_AVX512                                                              \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24",   \
        "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", \
        "k3", "k4", "k5", "k6", "k7"
#else
#define CORO_CLOBBER_AVX512
#endif

static inline __attribute__((always_inline)) void
coro_switch_inline(struct coro_context *from, struct coro_context *to)
{
    struct coro_context *self = from; /* both registers are lost in the switch */

    coro_annotate_leave(from, to);
    __asm__ volatile(
        "leaq 1f(%%rip), %%rax\n\t"
        "movq %%rsp, %c[sp](%[from])\n\t"
        "movq %%rbp, %c[fp](%[from])\n\t"
        "movq %%rax, %c[pc](%[from])\n\t"
        "movq %c[sp](%[to]), %%rsp\n\t"
        "movq %c[fp](%[to]), %%rbp\n\t"
        "jmpq *%c[pc](%[to])\n"
        "1:\t" CORO_LANDING
        : [from] "+D"(from), [to] "+S"(to)
        : [sp] "i"(CORO_CONTEXT_SP), [pc] "i"(CORO_CONTEXT_PC), [fp] "i"(CORO_CONTEXT_FP)
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
          "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
          "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)",
          "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "mm0", "mm1", "mm2", "mm3",
          "mm4", "mm5", "mm6", "mm7", "memory", "cc" CORO_CLOBBER_AVX512);
    coro_annotate_arrive(self);
}

#endif
