/* SPDX-License-Identifier: MIT
 *
 * switch_variants.S: x86-64 switches under study; switch_variants.h has the prototypes.
 *
 *     void switch_variant_NAME(struct switch_variant *from, struct switch_variant *to)
 *                              rdi: where to keep SP         rsi: whose SP to load
 *
 * What lies on a suspended flow's stack, from SP upwards:
 *
 *     [ MXCSR | x87 CW ]  r15  r14  r13  r12  rbp  rbx  PC
 *      only _fpctl
 *
 * Not kept by any of them: signal mask, TLS base, shadow stack. As the frames are alike
 * there is one text for all, and the CFI is the same before and after SP is exchanged.
 */
#include "asm.h"
#include "offsets.h"

.macro SWITCH_FUNC name fpctl leave
FUNC \name
    LANDING
    PUSH rbx
    PUSH rbp
    PUSH r12
    PUSH r13
    PUSH r14
    PUSH r15
    .if \fpctl
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    .endif
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    .if \fpctl
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    .endif
    POP r15
    POP r14
    POP r13
    POP r12
    POP rbp
    POP rbx
    .ifc \leave, ret
    ret
    .else
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmpq *%rcx
    .endif
ENDFUNC \name
.endm

SWITCH_FUNC switch_variant_ret, 0, ret
SWITCH_FUNC switch_variant_jmp, 0, jmp
SWITCH_FUNC switch_variant_ret_fpctl, 1, ret
SWITCH_FUNC switch_variant_jmp_fpctl, 1, jmp

/* Not a function of the ABI: entered by `jmp` with the PC to resume at in rax, from in rdi,
 * to in rsi; every register but SP, BP and PC is lost. The fields are coro_context's. */
FUNC switch_variant_lea_jmp_body
    .cfi_def_cfa_offset 0
    .cfi_register rip, rax
    LANDING
    movq %rsp, CORO_CONTEXT_SP(%rdi)
    movq %rbp, CORO_CONTEXT_FP(%rdi)
    movq %rax, CORO_CONTEXT_PC(%rdi)
    movq CORO_CONTEXT_SP(%rsi), %rsp
    movq CORO_CONTEXT_FP(%rsi), %rbp
    jmpq *CORO_CONTEXT_PC(%rsi)
ENDFUNC switch_variant_lea_jmp_body

/* Where a new flow's entry would return to, which it never does: unwinders stop here. */
FUNC switch_variant_outermost
    .cfi_undefined rip
    ud2
ENDFUNC switch_variant_outermost
