/* SPDX-License-Identifier: MIT
 *
 * arch_copied.h: what copied.c must know of aarch64's calls.
 */
#ifndef CORO_ARCH_COPIED_H
#define CORO_ARCH_COPIED_H

/* In a function that calls: the same all through its body. */
static inline __attribute__((always_inline)) char *coro_arch_sp(void)
{
    char *sp;

    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

/* The registers that the next function called will save become zero, which packs well. */
static inline __attribute__((always_inline)) void coro_arch_clear_kept(void)
{
    __asm__ volatile("mov x19, xzr\n\t"
                     "mov x20, xzr\n\t"
                     "mov x21, xzr\n\t"
                     "mov x22, xzr\n\t"
                     "mov x23, xzr\n\t"
                     "mov x24, xzr\n\t"
                     "mov x25, xzr\n\t"
                     "mov x26, xzr\n\t"
                     "mov x27, xzr\n\t"
                     "mov x28, xzr"
                     :
                     :
                     : "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27",
                       "x28");
}

#endif
