/* SPDX-License-Identifier: MIT
 *
 * abi_arch.h: what a function of aarch64 must keep, for tests/abi.c and abi.S.
 */
#ifndef ABI_ARCH_H
#define ABI_ARCH_H

#define ABI_POISON         0x5a5ac0de0000
#define ABI_RED_ZONE_BYTES 0 /* none */

#ifndef __ASSEMBLER__

#include <stdint.h>

/* The last one is the stack pointer, as a distance from where it should be. */
static const char *const abi_register_names[] = {
    "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "d8",
    "d9", "d10", "d11", "d12", "d13", "d14", "d15", "sp",
};
enum { ABI_REGISTERS = 20, ABI_STACK_POINTER = 19 };

abi_switch_fn
    abi_faulty_x19, abi_faulty_x20, abi_faulty_x21, abi_faulty_x22, abi_faulty_x23,
    abi_faulty_x24, abi_faulty_x25, abi_faulty_x26, abi_faulty_x27, abi_faulty_x28,
    abi_faulty_x29, abi_faulty_d8, abi_faulty_d9, abi_faulty_d10, abi_faulty_d11,
    abi_faulty_d12, abi_faulty_d13, abi_faulty_d14, abi_faulty_d15, abi_faulty_sp;

static abi_switch_fn *const abi_faulty[ABI_REGISTERS] = {
    abi_faulty_x19, abi_faulty_x20, abi_faulty_x21, abi_faulty_x22, abi_faulty_x23,
    abi_faulty_x24, abi_faulty_x25, abi_faulty_x26, abi_faulty_x27, abi_faulty_x28,
    abi_faulty_x29, abi_faulty_d8, abi_faulty_d9, abi_faulty_d10, abi_faulty_d11,
    abi_faulty_d12, abi_faulty_d13, abi_faulty_d14, abi_faulty_d15, abi_faulty_sp,
};

/* Floating-point control, and a value that no program starts with. FPSR has only flags. */
enum { ABI_CONTROLS = 1 };
static const struct {
    const char *name;
    uint64_t value;
} abi_controls[ABI_CONTROLS] = {{"FPCR", 0x800000}}; /* round down */

static inline uint64_t abi_control_read(int control)
{
    uint64_t fpcr;

    (void)control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

static inline void abi_control_write(int control, uint64_t value)
{
    (void)control;
    __asm__ volatile("msr fpcr, %0" : : "r"(value));
}

#endif
#endif
