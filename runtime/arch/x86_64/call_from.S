/* SPDX-License-Identifier: MIT
 *
 * call_from.S: a call that looks, to unwinders, as if a suspended flow had made it.
 *
 *     void coro_arch_call_from(const struct coro_context *from, void (*body)(void *arg),
 *                              void *arg);
 *
 * CFI says that the caller of body(arg) is where `from` goes on. So the unwinder of this process
 * walks a flow that does not run; returning is another matter, and goes home.
 */
#include "asm.h"
#include "offsets.h"

FUNC coro_arch_call_from
    PUSH rbx
    PUSH r12
    PUSH r13
    movq CORO_CONTEXT_SP(%rdi), %rbx
    movq CORO_CONTEXT_PC(%rdi), %r12
    movq CORO_CONTEXT_FP(%rdi), %r13
    .cfi_remember_state
    .cfi_escape 0x0c, 3, 0 /* .cfi_def_cfa rbx, 0 */
    .cfi_register rip, r12
    .cfi_register rbp, r13
    .cfi_undefined rbx
    .cfi_undefined r12
    .cfi_undefined r13
    movq %rdx, %rdi
    callq *%rsi
    nop
    .cfi_restore_state
    POP r13
    POP r12
    POP rbx
    retq
ENDFUNC coro_arch_call_from
