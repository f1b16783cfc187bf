/* SPDX-License-Identifier: MIT
 *
 * asm.h: what every assembly file of this CPU begins with.
 *
 * FUNC and ENDFUNC give a symbol its type, size, visibility and CFI; LABEL is a second
 * way into a function. PUSH and POP move SP and say so. The property note claims IBT
 * (indirect jumps land on endbr64), and only when the build asks for it, so that note and
 * code agree. It never claims SHSTK: a switch that leaves by `jmp` does not keep a shadow
 * stack in step, and the linker turns SHSTK off for a program when one object lacks it.
 */
#ifndef CORO_ASM_H
#define CORO_ASM_H

#include "cfi.h"

.macro FUNC name
    .text
    .globl \name
    .hidden \name
    .type \name, @function
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

.macro PUSH register
    pushq %\register
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset \register, 0
.endm

.macro POP register
    popq %\register
    .cfi_adjust_cfa_offset -8
    .cfi_restore \register
.endm

/* Goes on with the flow whose SP, PC and FP are in rcx, rdx and r8. */
.macro RESUME
    movq %rcx, %rsp
    CORO_CFI_CFA_IS_SP
    .cfi_register rip, rdx
    .cfi_register rbp, r8
    .cfi_same_value rbx
    .cfi_same_value r12
    .cfi_same_value r13
    .cfi_same_value r14
    .cfi_same_value r15
    movq %r8, %rbp
    .cfi_same_value rbp
    jmpq *%rdx
.endm

#if defined(__CET__) && (__CET__ & 1)
#define LANDING endbr64
    .pushsection .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5 /* name size, descriptor size, NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long 0xc0000002, 4, 1, 0 /* X86_FEATURE_1_AND, size, IBT, padding */
    .popsection
#else
#define LANDING
#endif

    .section .note.GNU-stack, "", @progbits
    .text

#endif
