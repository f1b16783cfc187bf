/* SPDX-License-Identifier: MIT */
#include "annotate.h"
#include "asm.h"
#include "offsets.h"

#if CORO_ANNOTATED
#define SWITCH coro_arch_switch
#else
#define SWITCH coro_switch
#endif

FUNC SWITCH
    LANDING
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    leaq 1f(%rip), %rax
    movq %rsp, CORO_CONTEXT_SP(%rdi)
    movq %rbp, CORO_CONTEXT_FP(%rdi)
    movq %rax, CORO_CONTEXT_PC(%rdi)
    movq CORO_CONTEXT_SP(%rsi), %rsp
    movq CORO_CONTEXT_FP(%rsi), %rbp
    jmpq *CORO_CONTEXT_PC(%rsi)
1:  LANDING
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    ret
ENDFUNC SWITCH

FUNC coro_arch_entry
    .cfi_undefined rip
    LANDING
    movq CORO_START_ENTRY(%rsp), %rax
    movq CORO_START_ARG(%rsp), %rdi
    callq *%rax
    movq %rax, %rdi
    jmp coro_arch_jump
ENDFUNC coro_arch_entry

FUNC coro_arch_jump
    LANDING
    movq CORO_CONTEXT_SP(%rdi), %rsp
    movq CORO_CONTEXT_FP(%rdi), %rbp
    jmpq *CORO_CONTEXT_PC(%rdi)
ENDFUNC coro_arch_jump
