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
.macro EACH integer, float
    \integer ra, 0
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \integer s\n, 8 + 8 * \n
    \float fs\n, 104 + 8 * \n
    .endr
.endm

.macro KEEP_ALL
    addi sp, sp, -208
    .cfi_adjust_cfa_offset 208
    EACH STORE, FSTORE
.endm

.macro RETURN_WITH_ALL
    EACH LOAD, FLOAD
    addi sp, sp, 208
    .cfi_adjust_cfa_offset -208
    ret
.endm

FUNC abi_poisoned_call
    KEEP_ALL
    sd sp, saved_sp, t0
    sd a3, saved_after, t0
    mv t1, a0
    mv a0, a1
    mv a1, a2
    li t0, ABI_POISON
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    addi s\n, t0, \n
    addi t2, t0, 12 + \n
    fmv.d.x fs\n, t2
    .endr
    jalr t1
    ld t0, saved_after
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    sd s\n, 8 * \n(t0)
    fsd fs\n, 96 + 8 * \n(t0)
    .endr
    ld t1, saved_sp
    sub t2, sp, t1
    sd t2, 192(t0)
    mv sp, t1
    RETURN_WITH_ALL
ENDFUNC abi_poisoned_call

/* void abi_trash_and_call(function, from, to): what the other flow does to every
 * register that a switch must keep, except sp. Being a function, it keeps them itself. */
FUNC abi_trash_and_call
    KEEP_ALL
    mv t1, a0
    mv a0, a1
    mv a1, a2
    li t0, -1
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    mv s\n, t0
    fmv.d.x fs\n, t0
    .endr
    jalr t1
    RETURN_WITH_ALL
ENDFUNC abi_trash_and_call

/* Calls coro_switch() and returns with one register spoilt by the instruction that follows
 * in `spoil`. */
.macro FAULTY register, spoil:vararg
FUNC abi_faulty_\register
    addi sp, sp, -16
    .cfi_adjust_cfa_offset 16
    STORE ra, 0
    call coro_switch
    LOAD ra, 0
    addi sp, sp, 16
    .cfi_adjust_cfa_offset -16
    \spoil
    ret
ENDFUNC abi_faulty_\register
.endm

.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
FAULTY s\n, not s\n, s\n
FAULTY fs\n, fneg.d fs\n, fs\n
.endr
/* Comes back with SP two words too low. */
FAULTY sp, addi sp, sp, -16
