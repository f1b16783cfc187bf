/* SPDX-License-Identifier: MIT
 *
 * switch.S: the ABI switch of aarch64, and where a new flow begins. AAPCS64.
 *
 *     void coro_switch(struct coro_context *from, struct coro_context *to);
 *
 *     x0 from   x1 to   x9 where the caller goes on   x10 x11 x12 to's SP, PC, FP
 *
 * Kept: x19-x28, x30, d8-d15 and the caller's PC on the flow's stack; sp, x29 and where to
 * restore the rest in the context. AAPCS64 has no red zone.
 *
 *     caller's SP -> +----------+ +160
 *                    | d8..d15  |
 *                    | x19..x28 |
 *                    | x30      |
 *                    | PC       |
 *     SP in context->+----------+
 *
 * Not kept: FPCR and FPSR, signal mask, TLS base (context.h says why), nor a guarded control
 * stack. Everything else is the caller's; of v8-v15 the ABI keeps only the lower halves.
 *
 * The caller's PC is not in x30, so that a caller who jumps here (coro_switch_jump()) and one
 * who calls go the same way: there is no `bl` on the way in from C and no `ret` on the way
 * out, as the flow that goes on is not the one that called. With pointer authentication a
 * return address on the stack is signed with its SP, which a flow has again when it goes on;
 * the PCs of contexts are not signed, as no `ret` uses them.
 *
 * A flow that was suspended here as well goes on without the jump to its PC; x86-64's
 * switch.S says what that is worth there. On this CPU it has not been timed.
 *
 * CFI is true at each instruction. In coro_arch_switch the column of the return address is
 * x9, as x30 is the caller's own there.
 */
#include "annotate.h"
#include "asm.h"
#include "offsets.h"

#if !CORO_ANNOTATED /* else in context.c, around coro_switch_jump() */
FUNC coro_switch
#ifdef __ARM_FEATURE_PAC_DEFAULT
    paciasp
    .cfi_negate_ra_state
#else
    LANDING_CALL
#endif
    adr x9, 1f
    b coro_arch_switch
1:  LANDING_JUMP
#ifdef __ARM_FEATURE_PAC_DEFAULT
    autiasp
    .cfi_negate_ra_state
#endif
    ret
ENDFUNC coro_switch
#endif

FUNC coro_arch_switch
    .cfi_return_column x9
    ldp x10, x11, [x1, #CORO_CONTEXT_SP]
    ldr x12, [x1, #CORO_CONTEXT_FP]
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    STORE_PAIR x9, x30, 0
    STORE_PAIR x19, x20, 16
    STORE_PAIR x21, x22, 32
    STORE_PAIR x23, x24, 48
    STORE_PAIR x25, x26, 64
    STORE_PAIR x27, x28, 80
    STORE_PAIR d8, d9, 96
    STORE_PAIR d10, d11, 112
    STORE_PAIR d12, d13, 128
    STORE_PAIR d14, d15, 144
    adr x14, 1f
    mov x13, sp
    stp x13, x14, [x0, #CORO_CONTEXT_SP]
    str x29, [x0, #CORO_CONTEXT_FP]
    cmp x11, x14
    .cfi_remember_state
    b.ne 2f
    mov sp, x10
    .cfi_register x29, x12
    mov x29, x12
    .cfi_same_value x29
1:  LANDING_JUMP
    LOAD_PAIR d14, d15, 144
    LOAD_PAIR d12, d13, 128
    LOAD_PAIR d10, d11, 112
    LOAD_PAIR d8, d9, 96
    LOAD_PAIR x27, x28, 80
    LOAD_PAIR x25, x26, 64
    LOAD_PAIR x23, x24, 48
    LOAD_PAIR x21, x22, 32
    LOAD_PAIR x19, x20, 16
    LOAD_PAIR x9, x30, 0
    add sp, sp, #160
    .cfi_adjust_cfa_offset -160
    br x9
    nop /* unwinders look up PC - 1, which must not be the jump */
2:  .cfi_restore_state
    RESUME x9
ENDFUNC coro_arch_switch

/* PC of a new flow. Calls entry(arg), which lie at SP, and goes on with the context
 * that it returns. Has no caller: unwinding ends here. */
FUNC coro_arch_entry
    .cfi_undefined x30
    .cfi_def_cfa sp, CORO_START_BYTES
    nop /* as above */
LABEL coro_arch_start
    LANDING_JUMP
    ldp x9, x0, [sp, #CORO_START_ENTRY]
    blr x9
/* _Noreturn void coro_arch_jump(struct coro_context *to): the switch that keeps
 * nothing. */
LABEL coro_arch_jump
    ldp x10, x11, [x0, #CORO_CONTEXT_SP]
    ldr x12, [x0, #CORO_CONTEXT_FP]
    RESUME x30
ENDFUNC coro_arch_entry
