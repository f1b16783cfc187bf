/* SPDX-License-Identifier: MIT
 *
 * arch_copied.h: what copied.c must know of x86-64's calls.
 */
#ifndef CORO_ARCH_COPIED_H
#define CORO_ARCH_COPIED_H

/* In a function that calls: the same all through its body. */
static inline __attribute__((always_inline)) char *coro_arch_sp(void)
{
    char *sp;

    __asm__ volatile("movq %%rsp, %0" : "=r"(sp));
    return sp;
}

/* The registers that the next function called will save become zero, which packs well. */
static inline __attribute__((always_inline)) void coro_arch_clear_kept(void)
{
    __asm__ volatile("xorl %%ebx, %%ebx\n\t"
                     "xorl %%r12d, %%r12d\n\t"
                     "xorl %%r13d, %%r13d\n\t"
                     "xorl %%r14d, %%r14d\n\t"
                     "xorl %%r15d, %%r15d"
                     :
                     :
                     : "rbx", "r12", "r13", "r14", "r15", "cc");
}

#endif
