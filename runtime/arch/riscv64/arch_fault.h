/* SPDX-License-Identifier: MIT
 *
 * arch_fault.h: where a signal interrupted riscv64; for overflow.c.
 */
#ifndef CORO_ARCH_FAULT_H
#define CORO_ARCH_FAULT_H

#include <stdint.h>
#include <ucontext.h>

static inline uintptr_t coro_arch_fault_pc(const ucontext_t *at)
{
    return (uintptr_t)at->uc_mcontext.__gregs[REG_PC];
}

static inline uintptr_t coro_arch_fault_sp(const ucontext_t *at)
{
    return (uintptr_t)at->uc_mcontext.__gregs[REG_SP];
}

#endif
