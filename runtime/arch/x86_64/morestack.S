/* SPDX-License-Identifier: MIT
 *
 * morestack.S: how the code of a segmented flow gets from one segment to the next, on x86-64.
 * segmented.c has the rest.
 *
 * What gcc -fsplit-stack puts before a function whose frame may not fit:
 *
 *     lea -frame(%rsp), %r11           # or rsp itself, of a small frame
 *     cmp %fs:0x70, %r11; jb 1f
 * 2:  ...the function...
 * 1:  mov $frame, %r10d; mov $bytes of arguments on the stack, %r11d
 *     call __morestack; ret; jmp 2b
 *
 * So __morestack() calls what is one byte after its return address, on the new segment, and
 * returns when that returns. Where the function finds its arguments on the old stack, if it
 * has a va_list, is said by rbp: our frame, which must be the plain one.
 *
 *      | arguments            |
 *      | caller's PC          |  +16
 *      | the function's `ret` |  +8
 * rbp->| rbp                  |
 *      | rbx                  |  -8     rbx: the flow; 0 if it has no segments
 *      | rax                  |  -16    vectors of a variadic call, or the static chain
 *
 * Calls and returns are paired, so none of the returns is mispredicted. Kept: all argument
 * registers, of vectors 128 bits.
 */
#include "annotate.h"
#include "asm.h"
#include "offsets.h"

#define STACK_LIMIT %fs:0x70 /* of the thread: where the compiler's check looks */
#define SEGMENT     (CORO_FLOW_BYTES + CORO_SEGMENTED_CURRENT)

#if !CORO_ANNOTATED
FUNC __morestack
    PUSH rbp
    movq %rsp, %rbp
    .cfi_def_cfa_register rbp
    pushq %rbx
    .cfi_offset rbx, -24
    pushq %rax
    addq %r11, %r10
    movq coro_worker_tls@gottpoff(%rip), %rbx
    movq %fs:(%rbx), %rbx
    testq %rbx, %rbx
    je 5f
    movq CORO_WORKER_CURRENT(%rbx), %rbx
    cmpb $CORO_POLICY_SEGMENTED, CORO_FLOW_POLICY(%rbx)
    jne 5f
    movq SEGMENT(%rbx), %rax
    movq CORO_SEGMENT_NEXT(%rax), %rax
    testq %rax, %rax
    je 6f
    cmpq %r10, CORO_SEGMENT_ROOM(%rax)
    jb 6f
1:  movq %rax, SEGMENT(%rbx)
    movq CORO_SEGMENT_LIMIT(%rax), %r10
    movq %r10, STACK_LIMIT
    movq %rax, %rsp
2:  testq %r11, %r11
    jne 4f
3:  movq -16(%rbp), %rax
    movq 8(%rbp), %r10
    incq %r10
    notrack callq *%r10
    testq %rbx, %rbx /* perhaps on another thread, but still of this flow */
    je 9f
    movq SEGMENT(%rbx), %rcx
    movq CORO_SEGMENT_PREV(%rcx), %rcx
    movq %rcx, SEGMENT(%rbx)
    movq CORO_SEGMENT_LIMIT(%rcx), %rcx
    movq %rcx, STACK_LIMIT
9:  movq -8(%rbp), %rbx
    .cfi_remember_state
    .cfi_restore rbx
    leave
    .cfi_def_cfa rsp, 8
    .cfi_restore rbp
    ret
4:  .cfi_restore_state /* arguments on the stack */
    subq %r11, %rsp
    andq $-16, %rsp
7:  movq 16(%rbp, %r11), %r10
    movq %r10, -8(%rsp, %r11)
    subq $8, %r11
    jne 7b
    jmp 3b
5:  xorl %ebx, %ebx /* not a segmented flow: goes on where it is, and asks no more */
    movq %rbx, STACK_LIMIT
    andq $-16, %rsp
    jmp 2b
6:  pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %r8
    pushq %r9
    pushq %r11
    subq $128, %rsp
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    movaps %xmm\n, 16 * \n(%rsp)
    .endr
    movq %rbx, %rdi
    movq %r10, %rsi
    callq coro_segmented_grow
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    movaps 16 * \n(%rsp), %xmm\n
    .endr
    addq $128, %rsp
    popq %r11
    popq %r9
    popq %r8
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    jmp 1b
ENDFUNC __morestack

/* PC of a segmented flow that is away. The flow is in rbp, SP is its own. */
FUNC coro_arch_segmented_flow
    .cfi_undefined rip
    nop /* unwinders look up PC - 1 */
LABEL coro_arch_segmented
    LANDING
    movq coro_worker_tls@gottpoff(%rip), %rcx
    movq %fs:(%rcx), %rcx
    xorl %eax, %eax
    movq %rax, CORO_WORKER_SLOT_LIMIT(%rcx) /* it will yield by the slow half */
    movq %rbp, CORO_WORKER_SEGMENTED(%rcx)
    movq SEGMENT(%rbp), %rax
    movq CORO_SEGMENT_LIMIT(%rax), %rax
    movq %rax, STACK_LIMIT
    movq CORO_FLOW_BYTES + CORO_SEGMENTED_PC(%rbp), %rdx
    movq CORO_FLOW_BYTES + CORO_SEGMENTED_FP(%rbp), %rbp
    jmpq *%rdx
ENDFUNC coro_arch_segmented_flow
#endif
