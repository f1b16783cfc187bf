/* SPDX-License-Identifier: MIT
 *
 * abi.S: poisons what a function must keep, switches away and back, and records what came
 * back; and switches that break one register each. Used by tests/abi.c.
 *
 *     void abi_poisoned_call(abi_switch_fn *function, struct coro_context *from,
 *                            struct coro_context *to, struct abi_registers *after);
 *
 * The stack pointer is found again through a variable, not trusted, as a faulty switch
 * may have moved it. `after` has the order of abi_register_names; rsp as its distance.
 */
#include "asm.h"
#include "abi_arch.h"

    .local saved_rsp
    .comm saved_rsp, 8, 8
    .local saved_after
    .comm saved_after, 8, 8

FUNC abi_poisoned_call
    LANDING
    PUSH rbx
    PUSH rbp
    PUSH r12
    PUSH r13
    PUSH r14
    PUSH r15
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    movq %rsp, saved_rsp(%rip)
    movq %rcx, saved_after(%rip)
    movq %rdi, %rax
    movq %rsi, %rdi
    movq %rdx, %rsi
    movq $ABI_POISON + 0, %rbx
    movq $ABI_POISON + 1, %rbp
    movq $ABI_POISON + 2, %r12
    movq $ABI_POISON + 3, %r13
    movq $ABI_POISON + 4, %r14
    movq $ABI_POISON + 5, %r15
    callq *%rax
    movq saved_after(%rip), %rcx
    movq %rbx, 0(%rcx)
    movq %rbp, 8(%rcx)
    movq %r12, 16(%rcx)
    movq %r13, 24(%rcx)
    movq %r14, 32(%rcx)
    movq %r15, 40(%rcx)
    subq saved_rsp(%rip), %rsp
    movq %rsp, 48(%rcx)
    movq saved_rsp(%rip), %rsp
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    POP r15
    POP r14
    POP r13
    POP r12
    POP rbp
    POP rbx
    ret
ENDFUNC abi_poisoned_call

/* void abi_trash_and_call(function, from, to): what the other flow does to every
 * register that a switch must keep, except rsp. Being a function, it keeps them itself. */
FUNC abi_trash_and_call
    LANDING
    PUSH rbx
    PUSH rbp
    PUSH r12
    PUSH r13
    PUSH r14
    PUSH r15
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    movq %rdi, %rax
    movq %rsi, %rdi
    movq %rdx, %rsi
    movq $-1, %rbx
    movq %rbx, %rbp
    movq %rbx, %r12
    movq %rbx, %r13
    movq %rbx, %r14
    movq %rbx, %r15
    callq *%rax
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    POP r15
    POP r14
    POP r13
    POP r12
    POP rbp
    POP rbx
    ret
ENDFUNC abi_trash_and_call

.macro FAULTY register
FUNC abi_faulty_\register
    LANDING
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    callq coro_switch
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    notq %\register
    ret
ENDFUNC abi_faulty_\register
.endm

FAULTY rbx
FAULTY rbp
FAULTY r12
FAULTY r13
FAULTY r14
FAULTY r15

/* Comes back with SP two words too low. */
FUNC abi_faulty_rsp
    LANDING
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    callq coro_switch
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    movq (%rsp), %rcx
    .cfi_register rip, rcx
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    jmpq *%rcx
ENDFUNC abi_faulty_rsp

/* int abi_red_zone(struct coro_context *from, struct coro_context *to): fills the 128
 * bytes below its SP, switches by jumping, and returns how many of the 16 words
 * changed. */
FUNC abi_red_zone
    LANDING
    movq $-128, %rcx
1:  movq %rcx, (%rsp, %rcx)
    addq $8, %rcx
    jnz 1b
    leaq 2f(%rip), %rax
    jmp coro_arch_switch
2:  LANDING
    xorl %eax, %eax
    movq $-128, %rcx
3:  cmpq %rcx, (%rsp, %rcx)
    je 4f
    incl %eax
4:  addq $8, %rcx
    jnz 3b
    ret
ENDFUNC abi_red_zone
