/* SPDX-License-Identifier: MIT
 *
 * arch_copied.h: what copied.c must know of riscv64's calls.
 */
#ifndef CORO_ARCH_COPIED_H
#define CORO_ARCH_COPIED_H

/* In a function that calls: the same all through its body. */
static inline __attribute__((always_inline)) char *coro_arch_sp(void)
{
    char *sp;

    __asm__ volatile("mv %0, sp" : "=r"(sp));
    return sp;
}

/* The registers that the next function called will save become zero, which packs well. */
static inline __attribute__((always_inline)) void coro_arch_clear_kept(void)
{
    __asm__ volatile("mv s1, zero\n\t"
                     "mv s2, zero\n\t"
                     "mv s3, zero\n\t"
                     "mv s4, zero\n\t"
                     "mv s5, zero\n\t"
                     "mv s6, zero\n\t"
                     "mv s7, zero\n\t"
                     "mv s8, zero\n\t"
                     "mv s9, zero\n\t"
                     "mv s10, zero\n\t"
                     "mv s11, zero"
                     :
                     :
                     : "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10",
                       "s11");
}

#endif
