/* SPDX-License-Identifier: MIT
 *
 * asm.h: what every assembly file of this CPU begins with.
 *
 * FUNC and ENDFUNC give a symbol its type, size, visibility and CFI; LABEL is a second
 * way into a function. STORE_PAIR and LOAD_PAIR keep a pair of registers at an offset from SP
 * and say so. The property note claims BTI (indirect jumps land on `bti`), and only when the
 * build asks for it, so that note and code agree. It never claims a guarded control stack
 * (GCS): a switch that leaves by `br` does not keep one in step.
 */
#ifndef CORO_ASM_H
#define CORO_ASM_H

#include "cfi.h"

.macro FUNC name
    .text
    .globl \name
    .hidden \name
    .type \name, %function
    .p2align 6
\name:
    .cfi_startproc
.endm

.macro ENDFUNC name
    .cfi_endproc
    .size \name, . - \name
.endm

.macro LABEL name
    .globl \name
    .hidden \name
\name:
.endm

.macro STORE_PAIR first, second, offset
    stp \first, \second, [sp, #\offset]
    .cfi_rel_offset \first, \offset
    .cfi_rel_offset \second, \offset + 8
.endm

.macro LOAD_PAIR first, second, offset
    ldp \first, \second, [sp, #\offset]
    .cfi_restore \first
    .cfi_restore \second
.endm

/* Goes on with the flow whose SP, PC and FP are in x10, x11 and x12. The caller's PC is said
 * to be in the column `pc`. */
.macro RESUME pc
    mov sp, x10
    CORO_CFI_CFA_IS_SP
    .cfi_register \pc, x11
    .cfi_register x29, x12
    .irp kept, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28
    .cfi_same_value \kept
    .endr
    .irp kept, d8, d9, d10, d11, d12, d13, d14, d15
    .cfi_same_value \kept
    .endr
    mov x29, x12
    .cfi_same_value x29
    br x11
.endm

#ifdef __ARM_FEATURE_BTI_DEFAULT
#define LANDING_JUMP bti j
#define LANDING_CALL bti c
    .pushsection .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5 /* name size, descriptor size, NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long 0xc0000000, 4, 1, 0 /* AARCH64_FEATURE_1_AND, size, BTI, padding */
    .popsection
#else
#define LANDING_JUMP
#define LANDING_CALL
#endif

    .section .note.GNU-stack, "", %progbits
    .text

#endif
