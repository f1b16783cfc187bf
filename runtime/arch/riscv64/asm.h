/* SPDX-License-Identifier: MIT
 *
 * asm.h: what every assembly file of this CPU begins with.
 *
 * FUNC and ENDFUNC give a symbol its type, size, visibility and CFI; LABEL is a second
 * way into a function. STORE and LOAD keep a register at an offset from SP and say so. No
 * property note: landing pads (Zicfilp) and shadow stacks (Zicfiss) are not claimed.
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

.macro STORE register, offset
    sd \register, \offset(sp)
    .cfi_rel_offset \register, \offset
.endm

.macro LOAD register, offset
    ld \register, \offset(sp)
    .cfi_restore \register
.endm

.macro FSTORE register, offset
    fsd \register, \offset(sp)
    .cfi_rel_offset \register, \offset
.endm

.macro FLOAD register, offset
    fld \register, \offset(sp)
    .cfi_restore \register
.endm

/* Goes on with the flow whose SP, PC and FP are in a3, a4 and a5. The caller's PC is said
 * to be in the column `pc`. */
.macro RESUME pc
    mv sp, a3
    CORO_CFI_CFA_IS_SP
    .cfi_register \pc, a4
    .cfi_register s0, a5
    .irp kept, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    .cfi_same_value \kept
    .endr
    .irp kept, fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7, fs8, fs9, fs10, fs11
    .cfi_same_value \kept
    .endr
    mv s0, a5
    .cfi_same_value s0
    jr a4
.endm


    .section .note.GNU-stack, "", %progbits
    .text

#endif
