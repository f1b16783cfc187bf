/* SPDX-License-Identifier: MIT
 *
 * switch.S: the ABI switch of x86-64, and where a new flow begins. SysV ABI.
 *
 *     void coro_switch(struct coro_context *from, struct coro_context *to);
 *
 *     rdi from   rsi to   rax where the caller goes on   rcx rdx r8 to's SP, PC, FP
 *
 * Kept: rbx r12-r15 and the caller's PC on the flow's stack, below the caller's red zone;
 * rsp, rbp and where to restore the rest in the context.
 *
 *     caller's rsp -> +----------+ +176
 *                     | red zone |
 *                     +----------+ +48
 *                     | PC       |
 *                     | rbx      |
 *                     | r12..r15 |
 *     SP in context-> +----------+
 *
 * Not kept: MXCSR and x87 control word, signal mask, TLS base (context.h says why), nor a
 * shadow stack: the property note never claims one. Everything else is the caller's.
 *
 * There is no `call` on the way in from C (coro_switch_jump()) and no `ret` on the way
 * out: the flow that goes on is not the one that called, so the return-address stack
 * would be wrong both ways. arch_switch.h says how the other ways did.
 *
 * A flow that was suspended here as well goes on without the jump to its PC: a comparison
 * that is nearly always right costs less than a second indirect jump in a row (at sixteen
 * sites and at both deep ones; elsewhere it is level).
 *
 * CFI is true at each instruction. From the load of SP on, the caller is the flow that is
 * about to go on: its SP is ours, its PC in rdx.
 */
#include "annotate.h"
#include "asm.h"
#include "offsets.h"

#if !CORO_ANNOTATED /* else in context.c, around coro_switch_jump() */
FUNC coro_switch
    LANDING
    leaq 1f(%rip), %rax
    jmp coro_arch_switch
1:  LANDING
    ret
ENDFUNC coro_switch
#endif

FUNC coro_arch_switch
    .cfi_def_cfa rsp, 0
    .cfi_register rip, rax
    movq CORO_CONTEXT_SP(%rsi), %rcx
    movq CORO_CONTEXT_PC(%rsi), %rdx
    movq CORO_CONTEXT_FP(%rsi), %r8
    leaq -128(%rsp), %rsp
    .cfi_adjust_cfa_offset 128
    pushq %rax
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rip, 0
    PUSH rbx
    PUSH r12
    PUSH r13
    PUSH r14
    PUSH r15
    leaq 1f(%rip), %rax
    movq %rsp, CORO_CONTEXT_SP(%rdi)
    movq %rbp, CORO_CONTEXT_FP(%rdi)
    movq %rax, CORO_CONTEXT_PC(%rdi)
    cmpq %rax, %rdx
    .cfi_remember_state
    jne 2f
    movq %rcx, %rsp
    .cfi_register rbp, r8
    movq %r8, %rbp
    .cfi_same_value rbp
1:  LANDING
    POP r15
    POP r14
    POP r13
    POP r12
    POP rbx
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    leaq 128(%rsp), %rsp
    .cfi_adjust_cfa_offset -128
    jmpq *%rcx
    nop /* unwinders look up PC - 1, which must not be the jump */
2:  .cfi_restore_state
    RESUME
ENDFUNC coro_arch_switch

/* PC of a new flow. Calls entry(arg), which lie at SP, and goes on with the context
 * that it returns. Has no caller: unwinding ends here. */
FUNC coro_arch_entry
    .cfi_undefined rip
    .cfi_def_cfa rsp, CORO_START_BYTES
    nop /* as above */
LABEL coro_arch_start
    LANDING
    movq CORO_START_ARG(%rsp), %rdi
    callq *CORO_START_ENTRY(%rsp)
    movq %rax, %rdi
/* _Noreturn void coro_arch_jump(struct coro_context *to): the switch that keeps
 * nothing. */
LABEL coro_arch_jump
    movq CORO_CONTEXT_SP(%rdi), %rcx
    movq CORO_CONTEXT_PC(%rdi), %rdx
    movq CORO_CONTEXT_FP(%rdi), %r8
    RESUME
ENDFUNC coro_arch_entry

#if !CORO_ANNOTATED
/* PC of a new flow of the scheduler, which is in rbp: calls its body, and ends it. SP is the top of
 * its stack, and nothing is there yet. Unwinding ends here. */
FUNC coro_arch_flow
    .cfi_undefined rip
    .cfi_def_cfa rsp, 0
    nop /* as above */
LABEL coro_arch_flow_start
    LANDING
    movq %rbp, %rbx
    movq CORO_FLOW_VALUE(%rbp), %rdi
    movq CORO_FLOW_BODY(%rbp), %rax
    xorl %ebp, %ebp
    callq *%rax
    movq %rbx, %rdi
    movq %rax, %rsi
    pushq $0 /* not a call: nothing returns, and the returns to come would be mispredicted */
    .cfi_adjust_cfa_offset 8
    jmp coro_flow_finish
ENDFUNC coro_arch_flow
#endif
