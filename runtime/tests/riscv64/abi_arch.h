/* SPDX-License-Identifier: MIT
 *
 * abi_arch.h: what a function of riscv64 must keep, for tests/abi.c and abi.S.
 */
#ifndef ABI_ARCH_H
#define ABI_ARCH_H

#define ABI_POISON         0x5a5ac0de0000
#define ABI_RED_ZONE_BYTES 0 /* none */

#ifndef __ASSEMBLER__

#include <stdint.h>

/* The last one is the stack pointer, as a distance from where it should be. */
static const char *const abi_register_names[] = {
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "fs0",
    "fs1", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "sp",
};
enum { ABI_REGISTERS = 25, ABI_STACK_POINTER = 24 };

abi_switch_fn
    abi_faulty_s0, abi_faulty_s1, abi_faulty_s2, abi_faulty_s3, abi_faulty_s4,
    abi_faulty_s5, abi_faulty_s6, abi_faulty_s7, abi_faulty_s8, abi_faulty_s9,
    abi_faulty_s10, abi_faulty_s11, abi_faulty_fs0, abi_faulty_fs1, abi_faulty_fs2,
    abi_faulty_fs3, abi_faulty_fs4, abi_faulty_fs5, abi_faulty_fs6, abi_faulty_fs7,
    abi_faulty_fs8, abi_faulty_fs9, abi_faulty_fs10, abi_faulty_fs11, abi_faulty_sp;

static abi_switch_fn *const abi_faulty[ABI_REGISTERS] = {
    abi_faulty_s0, abi_faulty_s1, abi_faulty_s2, abi_faulty_s3, abi_faulty_s4,
    abi_faulty_s5, abi_faulty_s6, abi_faulty_s7, abi_faulty_s8, abi_faulty_s9,
    abi_faulty_s10, abi_faulty_s11, abi_faulty_fs0, abi_faulty_fs1, abi_faulty_fs2,
    abi_faulty_fs3, abi_faulty_fs4, abi_faulty_fs5, abi_faulty_fs6, abi_faulty_fs7,
    abi_faulty_fs8, abi_faulty_fs9, abi_faulty_fs10, abi_faulty_fs11, abi_faulty_sp,
};

/* Floating-point control, and a value that no program starts with. */
enum { ABI_CONTROLS = 1 };
static const struct {
    const char *name;
    uint64_t value;
} abi_controls[ABI_CONTROLS] = {{"frm", 2}}; /* round down */

static inline uint64_t abi_control_read(int control)
{
    uint64_t frm;

    (void)control;
    __asm__ volatile("frrm %0" : "=r"(frm));
    return frm;
}

static inline void abi_control_write(int control, uint64_t value)
{
    (void)control;
    __asm__ volatile("fsrm %0" : : "r"(value));
}

#endif
#endif
