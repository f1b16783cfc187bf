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
    LANDING_CALL
    sub sp, sp, #48
    .cfi_adjust_cfa_offset 48
    STORE_PAIR x29, x30, 0
    STORE_PAIR x19, x20, 16
    str x21, [sp, #32]
    .cfi_rel_offset x21, 32
    ldp x19, x20, [x0, #CORO_CONTEXT_SP]
    ldr x21, [x0, #CORO_CONTEXT_FP]
    .cfi_remember_state
    .cfi_escape 0x0c, 19, 0 /* .cfi_def_cfa x19, 0 */
    .cfi_register x30, x20
    .cfi_register x29, x21
    .cfi_undefined x19
    .cfi_undefined x20
    .cfi_undefined x21
    mov x0, x2
    blr x1
    nop
    .cfi_restore_state
    ldr x21, [sp, #32]
    .cfi_restore x21
    LOAD_PAIR x19, x20, 16
    LOAD_PAIR x29, x30, 0
    add sp, sp, #48
    .cfi_adjust_cfa_offset -48
    ret
ENDFUNC coro_arch_call_from
