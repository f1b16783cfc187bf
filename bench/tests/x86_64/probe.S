/* SPDX-License-Identifier: MIT
 *
 * probe.S: what survives a switch, register by register. probe.h has the prototypes.
 *
 * Everything goes through static memory, as no register can be relied upon; SP too is found
 * again and not trusted.
 */
#include "asm.h"
#include "probe.h"

    .local saved_sp
    .comm saved_sp, 8, 8
    .local saved_control
    .comm saved_control, 8, 8

/* registers: a macro that is applied to (name, offset) of each. */
.macro EACH_GPR apply where
    .irp pair, "rbx,0", "rbp,8", "r12,16", "r13,24", "r14,32", "r15,40", "rax,48", "rcx,56", "rdx,64", "rsi,72", "rdi,80", "r8,88", "r9,96", "r10,104", "r11,112"
    \apply \where, \pair
    .endr
.endm

.macro FILL_GPR where register offset
    movq \where + \offset(%rip), %\register
.endm

.macro READ_GPR where register offset
    movq %\register, \where + \offset(%rip)
.endm

.macro EACH_VECTOR instruction apply prefix where
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    .ifc \apply, fill
    \instruction \where + PROBE_VECTOR + 32 * \n(%rip), %\prefix\n
    .else
    \instruction %\prefix\n, \where + PROBE_VECTOR + 32 * \n(%rip)
    .endif
    .endr
.endm

.macro FILL where
    ldmxcsr \where + PROBE_MXCSR(%rip)
    fldcw \where + PROBE_X87CW(%rip)
    cmpl $0, ablation_widest(%rip)
    je 1f
    EACH_VECTOR vmovups, fill, ymm, \where
    jmp 2f
1:  EACH_VECTOR movups, fill, xmm, \where
2:  EACH_GPR FILL_GPR, \where
.endm

.macro READ where
    EACH_GPR READ_GPR, \where
    stmxcsr \where + PROBE_MXCSR(%rip)
    fnstcw \where + PROBE_X87CW(%rip)
    cmpl $0, ablation_widest(%rip)
    je 1f
    EACH_VECTOR vmovups, read, ymm, \where
    vzeroupper
    jmp 2f
1:  EACH_VECTOR movups, read, xmm, \where
2:
.endm

.macro PROBE name how
FUNC \name
    LANDING
    PUSH rbx
    PUSH rbp
    PUSH r12
    PUSH r13
    PUSH r14
    PUSH r15
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    stmxcsr saved_control(%rip)
    fnstcw saved_control + 4(%rip)
    movq %rsp, saved_sp(%rip)
    FILL probe_mine
    movq probe_from(%rip), %rdi
    movq probe_to(%rip), %rsi
    .ifc \how, call
    call *probe_switch(%rip)
    .else
    leaq probe_jump_resumed(%rip), %rax
    jmp *probe_switch(%rip)
LABEL probe_jump_resumed
    LANDING
    .endif
    READ probe_after
    movq saved_sp(%rip), %rsp
    ldmxcsr saved_control(%rip)
    fldcw saved_control + 4(%rip)
    popq %rdi
    .cfi_adjust_cfa_offset -8
    leaq probe_after(%rip), %rsi
    movl $PROBE_BYTES, %ecx
    rep movsb
    POP r15
    POP r14
    POP r13
    POP r12
    POP rbp
    POP rbx
    ret
ENDFUNC \name
.endm

    .local probe_after
    .comm probe_after, PROBE_BYTES, 64

PROBE probe_by_call, call
PROBE probe_by_jump, jump

FUNC probe_call_peer
    .cfi_undefined rip
    LANDING
    FILL probe_theirs
    movq probe_to(%rip), %rdi
    movq probe_from(%rip), %rsi
    call *probe_switch(%rip)
    ud2
ENDFUNC probe_call_peer

FUNC probe_jump_peer
    .cfi_undefined rip
    LANDING
    FILL probe_theirs
    movq probe_to(%rip), %rdi
    movq probe_from(%rip), %rsi
    leaq 1f(%rip), %rax
    jmp *probe_switch(%rip)
1:  ud2
ENDFUNC probe_jump_peer

.macro FAULTY name instruction:vararg
FUNC probe_faulty_\name
    LANDING
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call switch_variant_ret_fpctl
    \instruction
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    ret
ENDFUNC probe_faulty_\name
.endm

FAULTY rbx, notq %rbx
FAULTY r13, notq %r13
FAULTY mxcsr, ldmxcsr probe_theirs + PROBE_MXCSR(%rip)
