/* SPDX-License-Identifier: MIT
 *
 * arch_worker.h: what a worker asks of riscv64: which worker this thread is, and a turn of a
 * spin loop; for worker.h.
 *
 * A volatile assembly load: a flow may be suspended on one thread and go on on another, and
 * compilers keep the addresses of thread-locals in registers across what looks to them like
 * straight code (llvm#47179).
 */
#ifndef CORO_ARCH_WORKER_H
#define CORO_ARCH_WORKER_H

extern __thread struct coro_worker *coro_worker_tls
    __attribute__((tls_model("initial-exec")));

static inline __attribute__((always_inline)) struct coro_worker *coro_worker_self(void)
{
    struct coro_worker *self;

    __asm__ volatile("la.tls.ie %0, coro_worker_tls\n\t"
                     "add %0, %0, tp\n\t"
                     "ld %0, 0(%0)"
                     : "=&r"(self));
    return self;
}

/* `pause` of Zihintpause by its encoding, which is a fence of nothing on every older core;
 * the assembler knows the name only when told of the extension. */
static inline void coro_arch_pause(void)
{
    __asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x010");
}

#endif
