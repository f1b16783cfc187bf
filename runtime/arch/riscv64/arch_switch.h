/* SPDX-License-Identifier: MIT
 *
 * arch_switch.h: the switches of riscv64 as C sees them; context.h includes it.
 *
 * They have the shape of x86-64's, whose arch_switch.h says which other shapes lost there:
 * `to` is read before `from` is written, PC and FP are in registers when SP changes, and
 * nothing is called or returned from. None of this has been timed on a machine of this CPU;
 * the `switch` experiment does it.
 *
 * The contexts' addresses are in a0 and a1 on the way in, whatever the caller had them in: a
 * constant address is then never kept in s0, the one register that survives, whose load the
 * next store would wait for.
 */
#ifndef CORO_ARCH_SWITCH_H
#define CORO_ARCH_SWITCH_H

#include "annotate.h"
#include "cfi.h"
#include "offsets.h"

#ifdef __riscv_vector
#define CORO_LOST_VECTOR                                                                 \
    , "vl", "vtype", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10",  \
        "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",     \
        "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"
#else
#define CORO_LOST_VECTOR
#endif

/* What any function call loses, besides the two arguments' registers and ra. */
#define CORO_LOST_BY_CALL                                                                \
    "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a2", "a3", "a4", "a5", "a6", "a7", "ft0", \
        "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "ft8", "ft9", "ft10", "ft11",   \
        "fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7", "memory" CORO_LOST_VECTOR

/* What the inlined switch loses too. */
#define CORO_LOST_BY_SWITCH                                                              \
    "ra", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "fs0",     \
        "fs1", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11"

/* The inlined switch makes the surrounding function's CFI true while SP is already the
 * other flow's: its caller is then that flow. Only where the compiler writes CFI the
 * assembler's way. The nop is never run: unwinders look up PC - 1, which must not be
 * the jump. */
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#define CORO_CFI_RESUMING                                                                \
    ".cfi_remember_state\n\t" CORO_CFI_CFA_IS_SP "\n\t"                                  \
    ".cfi_register ra, a4\n\t"                                                           \
    ".cfi_register s0, a5\n\t"                                                           \
    ".irp kept, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11\n\t"                        \
    ".cfi_same_value \\kept\n\t"                                                         \
    ".endr\n\t"                                                                          \
    ".irp kept, fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7, fs8, fs9, fs10, fs11\n\t"        \
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
        register struct coro_context *from_a0 __asm__("a0") = from;
        register struct coro_context *to_a1 __asm__("a1") = to;

        __asm__ volatile("ld a3, %[sp](a1)\n\t"
                         "ld a4, %[pc](a1)\n\t"
                         "ld a5, %[fp](a1)\n\t"
                         "lla a6, 1f\n\t"
                         "sd sp, %[sp](a0)\n\t"
                         "sd s0, %[fp](a0)\n\t"
                         "sd a6, %[pc](a0)\n\t"
                         "mv sp, a3\n\t" CORO_CFI_RESUMING
                         "mv s0, a5\n\t"
                         "jr a4\n" CORO_CFI_RESUMED
                         "1:"
                         : "+r"(from_a0), "+r"(to_a1)
                         : [sp] "i"(CORO_CONTEXT_SP), [pc] "i"(CORO_CONTEXT_PC),
                           [fp] "i"(CORO_CONTEXT_FP)
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
        register struct coro_context *from_a0 __asm__("a0") = from;
        register struct coro_context *to_a1 __asm__("a1") = to;

        __asm__ volatile("lla a2, 1f\n\t"
                         "tail coro_arch_switch\n"
                         "1:"
                         : "+r"(from_a0), "+r"(to_a1)
                         :
                         : CORO_LOST_BY_CALL);
    }
    coro_annotate_arrive(self);
}

#endif
