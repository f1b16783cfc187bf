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
    addi sp, sp, -32
    .cfi_adjust_cfa_offset 32
    STORE ra, 0
    STORE s1, 8
    STORE s2, 16
    STORE s3, 24
    ld s1, CORO_CONTEXT_SP(a0)
    ld s2, CORO_CONTEXT_PC(a0)
    ld s3, CORO_CONTEXT_FP(a0)
    .cfi_remember_state
    .cfi_escape 0x0c, 9, 0 /* .cfi_def_cfa s1, 0 */
    .cfi_register ra, s2
    .cfi_register s0, s3
    .cfi_undefined s1
    .cfi_undefined s2
    .cfi_undefined s3
    mv a0, a2
    jalr a1
    nop
    .cfi_restore_state
    LOAD s3, 24
    LOAD s2, 16
    LOAD s1, 8
    LOAD ra, 0
    addi sp, sp, 32
    .cfi_adjust_cfa_offset -32
    ret
ENDFUNC coro_arch_call_from
