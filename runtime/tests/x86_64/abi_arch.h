/* SPDX-License-Identifier: MIT
 *
 * abi_arch.h: what a function of x86-64 must keep, for tests/abi.c and abi.S.
 */
#ifndef ABI_ARCH_H
#define ABI_ARCH_H

#define ABI_POISON         0x5a5ac0de0000
#define ABI_RED_ZONE_BYTES 128

#ifndef __ASSEMBLER__

#include <stdint.h>

/* The last one is the stack pointer, as a distance from where it should be. */
static const char *const abi_register_names[] = {"rbx", "rbp", "r12", "r13",
                                                 "r14", "r15", "rsp"};
enum { ABI_REGISTERS = 7, ABI_STACK_POINTER = 6 };

abi_switch_fn abi_faulty_rbx, abi_faulty_rbp, abi_faulty_r12, abi_faulty_r13,
    abi_faulty_r14, abi_faulty_r15, abi_faulty_rsp;

static abi_switch_fn *const abi_faulty[ABI_REGISTERS] = {
    abi_faulty_rbx, abi_faulty_rbp, abi_faulty_r12, abi_faulty_r13,
    abi_faulty_r14, abi_faulty_r15, abi_faulty_rsp,
};

/* Floating-point control, and values that no program starts with. The flags of MXCSR, which
 * any operation may raise, are left out. */
enum { ABI_MXCSR, ABI_X87, ABI_CONTROLS };
static const struct {
    const char *name;
    uint64_t value;
} abi_controls[ABI_CONTROLS] = {{"MXCSR", 0x3f80},    /* round down */
                                {"x87 CW", 0x0f7f}}; /* truncate */

static inline uint64_t abi_control_read(int control)
{
    uint32_t mxcsr;
    uint16_t x87;

    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return control == ABI_X87 ? x87 : mxcsr & ~0x3fu;
}

static inline void abi_control_write(int control, uint64_t value)
{
    uint32_t mxcsr = (uint32_t)value;
    uint16_t x87 = (uint16_t)value;

    if (control == ABI_X87)
        __asm__ volatile("fldcw %0" : : "m"(x87));
    else
        __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

#endif
#endif
