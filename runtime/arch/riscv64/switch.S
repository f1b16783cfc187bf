/* SPDX-License-Identifier: MIT
 *
 * switch.S: the ABI switch of riscv64, and where a new flow begins. The lp64d ABI.
 *
 *     void coro_switch(struct coro_context *from, struct coro_context *to);
 *
 *     a0 from   a1 to   a2 where the caller goes on   a3 a4 a5 to's SP, PC, FP
 *
 * Kept: ra, s1-s11, fs0-fs11 and the caller's PC on the flow's stack; sp, s0 and where to
 * restore the rest in the context. The ABI has no red zone, and keeps no vector register.
 *
 *     caller's SP -> +-----------+ +208
 *                    | fs0..fs11 | (and a word unused: SP is a multiple of 16)
 *                    | s1..s11   |
 *                    | ra        |
 *                    | PC        |
 *     SP in context->+-----------+
 *
 * Not kept: fcsr, signal mask, TLS base (context.h says why), nor a shadow stack. gp and tp
 * are the thread's. Everything else is the caller's.
 *
 * The caller's PC is not in ra, so that a caller who jumps here (coro_switch_jump()) and one
 * who calls go the same way; and no jump to a flow is by ra or t0, which predictors take for
 * calls and returns.
 *
 * A flow that was suspended here as well goes on without the jump to its PC; x86-64's
 * switch.S says what that is worth there. On this CPU it has not been timed.
 *
 * CFI is true at each instruction. In coro_arch_switch the column of the return address is
 * a2, as ra is the caller's own there.
 */
#include "annotate.h"
#include "asm.h"
#include "offsets.h"

#ifndef __riscv_float_abi_double
#error "the frame of coro_switch() is that of the lp64d ABI"
#endif

#if !CORO_ANNOTATED /* else in context.c, around coro_switch_jump() */
FUNC coro_switch
    lla a2, 1f
    tail coro_arch_switch
1:  ret
ENDFUNC coro_switch
#endif

.macro EACH_INTEGER what
    \what s1, 16
    \what s2, 24
    \what s3, 32
    \what s4, 40
    \what s5, 48
    \what s6, 56
    \what s7, 64
    \what s8, 72
    \what s9, 80
    \what s10, 88
    \what s11, 96
.endm

.macro EACH_FLOAT what
    \what fs0, 104
    \what fs1, 112
    \what fs2, 120
    \what fs3, 128
    \what fs4, 136
    \what fs5, 144
    \what fs6, 152
    \what fs7, 160
    \what fs8, 168
    \what fs9, 176
    \what fs10, 184
    \what fs11, 192
.endm

FUNC coro_arch_switch
    .cfi_return_column a2
    ld a3, CORO_CONTEXT_SP(a1)
    ld a4, CORO_CONTEXT_PC(a1)
    ld a5, CORO_CONTEXT_FP(a1)
    addi sp, sp, -208
    .cfi_adjust_cfa_offset 208
    STORE a2, 0
    STORE ra, 8
    EACH_INTEGER STORE
    EACH_FLOAT FSTORE
    lla a6, 1f
    sd sp, CORO_CONTEXT_SP(a0)
    sd s0, CORO_CONTEXT_FP(a0)
    sd a6, CORO_CONTEXT_PC(a0)
    .cfi_remember_state
    bne a4, a6, 2f
    mv sp, a3
    .cfi_register s0, a5
    mv s0, a5
    .cfi_same_value s0
1:  EACH_FLOAT FLOAD
    EACH_INTEGER LOAD
    LOAD ra, 8
    LOAD a2, 0
    addi sp, sp, 208
    .cfi_adjust_cfa_offset -208
    jr a2
    nop /* unwinders look up PC - 1, which must not be the jump */
2:  .cfi_restore_state
    RESUME a2
ENDFUNC coro_arch_switch

/* PC of a new flow. Calls entry(arg), which lie at SP, and goes on with the context
 * that it returns. Has no caller: unwinding ends here. */
FUNC coro_arch_entry
    .cfi_undefined ra
    .cfi_def_cfa sp, CORO_START_BYTES
    nop /* as above */
LABEL coro_arch_start
    ld a0, CORO_START_ARG(sp)
    ld a1, CORO_START_ENTRY(sp)
    jalr a1
/* _Noreturn void coro_arch_jump(struct coro_context *to): the switch that keeps
 * nothing. */
LABEL coro_arch_jump
    ld a3, CORO_CONTEXT_SP(a0)
    ld a4, CORO_CONTEXT_PC(a0)
    ld a5, CORO_CONTEXT_FP(a0)
    RESUME ra
ENDFUNC coro_arch_entry
