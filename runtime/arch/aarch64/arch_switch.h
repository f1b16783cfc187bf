/* SPDX-License-Identifier: MIT
 *
 * arch_switch.h: the switches of aarch64 as C sees them; context.h includes it.
 *
 * They have the shape of x86-64's, whose arch_switch.h says which other shapes lost there:
 * `to` is read before `from` is written, PC and FP are in registers when SP changes, and
 * nothing is called or returned from. None of this has been timed on a machine of this CPU;
 * the `switch` experiment does it.
 *
 * The contexts' addresses are in x0 and x1 on the way in, whatever the caller had them in: a
 * constant address is then never kept in x29, the one register that survives, whose load
 * the next store would wait for.
 */
#ifndef CORO_ARCH_SWITCH_H
#define CORO_ARCH_SWITCH_H

#include "annotate.h"
#include "cfi.h"
#include "offsets.h"

_Static_assert(CORO_CONTEXT_PC == CORO_CONTEXT_SP + 8, "SP and PC move as a pair");
_Static_assert(CORO_START_ARG == CORO_START_ENTRY + 8, "entry and arg move as a pair");

#ifdef __ARM_FEATURE_BTI_DEFAULT
#define CORO_LANDING "bti j\n\t"
#else
#define CORO_LANDING
#endif

/* The vector registers of SVE contain those of Advanced SIMD, by the same numbers. */
#ifdef __ARM_FEATURE_SVE
#define CORO_LOST_SVE                                                                    \
    , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12",   \
        "p13", "p14", "p15", "ffr"
#else
#define CORO_LOST_SVE
#endif

/* What any function call loses, besides the two arguments' registers and x30. */
#define CORO_LOST_BY_CALL                                                                \
    "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",   \
        "x15", "x16", "x17", "x18", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",      \
        "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26",     \
        "v27", "v28", "v29", "v30", "v31", "memory", "cc" CORO_LOST_SVE

/* What the inlined switch loses too. */
#define CORO_LOST_BY_SWITCH                                                              \
    "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "v8",   \
        "v9", "v10", "v11", "v12", "v13", "v14", "v15"

/* The inlined switch makes the surrounding function's CFI true while SP is already the
 * other flow's: its caller is then that flow, whose PC is not signed. Only where the compiler
 * writes CFI the assembler's way. The nop is never run: unwinders look up PC - 1, which must
 * not be the jump. */
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#ifdef __ARM_FEATURE_PAC_DEFAULT
#define CORO_CFI_NOT_SIGNED ".cfi_negate_ra_state\n\t"
#else
#define CORO_CFI_NOT_SIGNED
#endif
#define CORO_CFI_RESUMING                                                                \
    ".cfi_remember_state\n\t" CORO_CFI_NOT_SIGNED CORO_CFI_CFA_IS_SP "\n\t"              \
    ".cfi_register x30, x11\n\t"                                                         \
    ".cfi_register x29, x12\n\t"                                                         \
    ".irp kept, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28\n\t"                    \
    ".cfi_same_value \\kept\n\t"                                                         \
    ".endr\n\t"                                                                          \
    ".irp kept, d8, d9, d10, d11, d12, d13, d14, d15\n\t"                                \
    ".cfi_same_value \\kept\n\t"                                                         \
    ".endr\n\t"
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
    {
        register struct coro_context *from_x0 __asm__("x0") = from;
        register struct coro_context *to_x1 __asm__("x1") = to;

        __asm__ volatile("ldp x10, x11, [x1, %[sp]]\n\t"
                         "ldr x12, [x1, %[fp]]\n\t"
                         "adr x14, 1f\n\t"
                         "mov x13, sp\n\t"
                         "stp x13, x14, [x0, %[sp]]\n\t"
                         "str x29, [x0, %[fp]]\n\t"
                         "mov sp, x10\n\t" CORO_CFI_RESUMING
                         "mov x29, x12\n\t"
                         "br x11\n" CORO_CFI_RESUMED
                         "1:\t" CORO_LANDING
                         : "+r"(from_x0), "+r"(to_x1)
                         : [sp] "i"(CORO_CONTEXT_SP), [fp] "i"(CORO_CONTEXT_FP)
                         : CORO_LOST_BY_SWITCH, CORO_LOST_BY_CALL);
    }
    coro_annotate_arrive(self);
}

static inline __attribute__((always_inline)) void
coro_switch_jump(struct coro_context *from, struct coro_context *to)
{
    struct coro_context *self = from;

    coro_annotate_leave(from, to);
    {
        register struct coro_context *from_x0 __asm__("x0") = from;
        register struct coro_context *to_x1 __asm__("x1") = to;

        __asm__ volatile("adr x9, 1f\n\t"
                         "b coro_arch_switch\n"
                         "1:\t" CORO_LANDING
                         : "+r"(from_x0), "+r"(to_x1)
                         :
                         : CORO_LOST_BY_CALL);
    }
    coro_annotate_arrive(self);
}

#endif
