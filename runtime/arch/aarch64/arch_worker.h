/* SPDX-License-Identifier: MIT
 *
 * arch_worker.h: what a worker asks of aarch64: which worker this thread is, and a turn of a
 * spin loop; for worker.h.
 *
 * A volatile assembly load: a flow may be suspended on one thread and go on on another, and
 * compilers keep the addresses of thread-locals in registers across what looks to them like
 * straight code (llvm#47179). The linker turns the GOT load into an immediate in programs.
 */
#ifndef CORO_ARCH_WORKER_H
#define CORO_ARCH_WORKER_H

extern __thread struct coro_worker *coro_worker_tls
    __attribute__((tls_model("initial-exec")));

static inline __attribute__((always_inline)) struct coro_worker *coro_worker_self(void)
{
    struct coro_worker *self;
    void *thread;

    __asm__ volatile("adrp %0, :gottprel:coro_worker_tls\n\t"
                     "mrs %1, tpidr_el0\n\t"
                     "ldr %0, [%0, :gottprel_lo12:coro_worker_tls]\n\t"
                     "ldr %0, [%1, %0]"
                     : "=&r"(self), "=&r"(thread));
    return self;
}

/* Not `yield`, which is a no-operation on cores without hardware threads. */
static inline void coro_arch_pause(void)
{
    __asm__ volatile("isb");
}

#endif
