/* SPDX-License-Identifier: MIT
 *
 * abi_arch.h: what a function of x86-64 must keep, for tests/abi.c and abi.S.
 */
#ifndef ABI_ARCH_H
#define ABI_ARCH_H

#define ABI_POISON 0x5a5ac0de0000

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

/* Floating-point control: read, and set to what no program starts with. */
static inline uint32_t abi_mxcsr(void)
{
    uint32_t value;

    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static inline void abi_set_mxcsr(uint32_t value)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}

static inline uint16_t abi_x87_control(void)
{
    uint16_t value;

    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

static inline void abi_set_x87_control(uint16_t value)
{
    __asm__ volatile("fldcw %0" : : "m"(value));
}

#endif
#endif
