/* SPDX-License-Identifier: MIT
 *
 * abi.S: poisons what a function must keep, switches away and back, and records what came
 * back; and switches that break one register each. Used by tests/abi.c.
 *
 *     void abi_poisoned_call(abi_switch_fn *function, struct coro_context *from,
 *                            struct coro_context *to, struct abi_registers *after);
 *
 * The stack pointer is found again through a variable, not trusted, as a faulty switch
 * may have moved it. `after` has the order of abi_register_names; sp as its distance.
 */
#include "asm.h"
#include "abi_arch.h"

    .local saved_sp
    .comm saved_sp, 8, 8
    .local saved_after
    .comm saved_after, 8, 8

/* All that a function must keep, and where it returns to. */
.macro KEEP_ALL
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    STORE_PAIR x29, x30, 0
    STORE_PAIR x19, x20, 16
    STORE_PAIR x21, x22, 32
    STORE_PAIR x23, x24, 48
    STORE_PAIR x25, x26, 64
    STORE_PAIR x27, x28, 80
    STORE_PAIR d8, d9, 96
    STORE_PAIR d10, d11, 112
    STORE_PAIR d12, d13, 128
    STORE_PAIR d14, d15, 144
.endm

.macro RETURN_WITH_ALL
    LOAD_PAIR d14, d15, 144
    LOAD_PAIR d12, d13, 128
    LOAD_PAIR d10, d11, 112
    LOAD_PAIR d8, d9, 96
    LOAD_PAIR x27, x28, 80
    LOAD_PAIR x25, x26, 64
    LOAD_PAIR x23, x24, 48
    LOAD_PAIR x21, x22, 32
    LOAD_PAIR x19, x20, 16
    LOAD_PAIR x29, x30, 0
    add sp, sp, #160
    .cfi_adjust_cfa_offset -160
    ret
.endm

.macro VARIABLE_ADDRESS register, name
    adrp \register, \name
    add \register, \register, :lo12:\name
.endm

FUNC abi_poisoned_call
    LANDING_CALL
    KEEP_ALL
    VARIABLE_ADDRESS x9, saved_sp
    mov x10, sp
    str x10, [x9]
    VARIABLE_ADDRESS x9, saved_after
    str x3, [x9]
    mov x9, x0
    mov x0, x1
    mov x1, x2
    ldr x10, =ABI_POISON
    .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    add x\n, x10, #\n - 19
    .endr
    .irp n, 8, 9, 10, 11, 12, 13, 14, 15
    add x11, x10, #\n + 3
    fmov d\n, x11
    .endr
    blr x9
    VARIABLE_ADDRESS x9, saved_after
    ldr x9, [x9]
    .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    str x\n, [x9], #8
    .endr
    .irp n, 8, 9, 10, 11, 12, 13, 14, 15
    str d\n, [x9], #8
    .endr
    VARIABLE_ADDRESS x10, saved_sp
    ldr x10, [x10]
    mov x11, sp
    sub x11, x11, x10
    str x11, [x9]
    mov sp, x10
    RETURN_WITH_ALL
ENDFUNC abi_poisoned_call

/* void abi_trash_and_call(function, from, to): what the other flow does to every
 * register that a switch must keep, except sp. Being a function, it keeps them itself. */
FUNC abi_trash_and_call
    LANDING_CALL
    KEEP_ALL
    mov x9, x0
    mov x0, x1
    mov x1, x2
    mov x10, #-1
    .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    mov x\n, x10
    .endr
    .irp n, 8, 9, 10, 11, 12, 13, 14, 15
    fmov d\n, x10
    .endr
    blr x9
    RETURN_WITH_ALL
ENDFUNC abi_trash_and_call

/* Calls coro_switch() and returns with one register spoilt by the instructions that follow
 * in `spoil`. */
.macro FAULTY register, spoil:vararg
FUNC abi_faulty_\register
    LANDING_CALL
    str x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x30, 0
    bl coro_switch
    ldr x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_restore x30
    \spoil
    ret
ENDFUNC abi_faulty_\register
.endm

.irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
FAULTY x\n, mvn x\n, x\n
.endr
.irp n, 8, 9, 10, 11, 12, 13, 14, 15
FAULTY d\n, fneg d\n, d\n
.endr
/* Comes back with SP two words too low. */
FAULTY sp, sub sp, sp, #16
