/* SPDX-License-Identifier: MIT
 *
 * arch_worker.h: what a worker asks of x86-64: which worker this thread is, and a turn of a
 * spin loop; for worker.h.
 *
 * A volatile assembly load: a flow may be suspended on one thread and go on on another, and
 * compilers keep the addresses of thread-locals in registers across what looks to them like
 * straight code (llvm#47179). In a program its place is a constant; in a shared library that
 * is loaded with the program, the GOT has it.
 */
#ifndef CORO_ARCH_WORKER_H
#define CORO_ARCH_WORKER_H

extern __thread struct coro_worker *coro_worker_tls
    __attribute__((tls_model("initial-exec")));

static inline __attribute__((always_inline)) struct coro_worker *coro_worker_self(void)
{
    struct coro_worker *self;

#if defined(__PIC__) && !defined(__PIE__)
    __asm__ volatile("movq coro_worker_tls@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(self));
#else
    __asm__ volatile("movq %%fs:coro_worker_tls@tpoff, %0" : "=r"(self));
#endif
    return self;
}

static inline void coro_arch_pause(void)
{
    __asm__ volatile("pause");
}

#if !CORO_ANNOTATED
#define CORO_ARCH_LEAVES 1
#define CORO_ARCH_FLOW_START 1
#define CORO_ARCH_SEGMENTED 1 /* morestack.S */
/* PC of a new flow whose FP is the flow: switch.S. */
extern const char coro_arch_flow_start[] __attribute__((visibility("hidden")));
/* The inlined switch of arch_switch.h, with the scheduler's stores in the right place: when
 * `self` has been saved and its stack left. Other processors see stores in this order
 * (Intel SDM vol. 3A, 9.2.2), so whoever finds the domain left finds `self` ready to go on
 * elsewhere. Stores to one line stand together: two of them may then take one cycle. */
#define CORO_SWITCH_SAVED                        \
    "leaq 1f(%%rip), %%r9\n\t"                   \
    "movq %c[pc](%%rsi), %%rdx\n\t"              \
    "movq %c[sp](%%rsi), %%r8\n\t"               \
    "movq %c[fp](%%rsi), %%rbx\n\t"              \
    "movq %%rsp, %c[sp](%%rdi)\n\t"              \
    "movq %%r9, %c[pc](%%rdi)\n\t"               \
    "movq %%rbp, %c[fp](%%rdi)\n\t"              \
    "movq %%r8, %%rsp\n\t" CORO_CFI_RESUMING    \
    "movq %%rsi, %c[current](%%rcx)\n\t"
#define CORO_SWITCH_GO                           \
    "movq %%rbx, %%rbp\n\t"                      \
    "jmpq *%%rdx\n" CORO_CFI_RESUMED             \
    "1:\t" CORO_LANDING "\n\t"
#define CORO_SWITCH_OFFSETS                                   \
    [current] "i"(offsetof(struct coro_worker, current)),     \
        [slot] "i"(offsetof(struct coro_worker, slot)),       \
        [critical] "i"(offsetof(struct coro_worker, critical)), \
        [sp] "i"(CORO_CONTEXT_SP), [pc] "i"(CORO_CONTEXT_PC), [fp] "i"(CORO_CONTEXT_FP)

static inline __attribute__((always_inline)) void
coro_arch_switch_flow(struct coro_worker *worker, struct coro_flow *self,
                      struct coro_flow *next, uintptr_t stay)
{
    uintptr_t lost;

    __asm__ volatile(CORO_SWITCH_SAVED "movq %[stay], %c[critical](%%rcx)\n\t" CORO_SWITCH_GO
                     : "+D"(self), "+S"(next), "+c"(worker), "=a"(lost)
                     : [stay] "ia"(stay), CORO_SWITCH_OFFSETS
                     : "rbx", "r12", "r13", "r14", "r15", CORO_LOST_BUT_A_AND_C);
}

/* The same where a flow parks, which keeps rbx and r12 too: most calls that might park do not, and
 * where all is lost compilers keep a loop's variables in memory, around the calls that do
 * not park as well. With two registers more a loop of sends has what it needs. They lie just
 * below SP, where nothing else does: a function with this in it calls a slow half as well, so it
 * has no red zone of its own, and signal handlers leave those bytes alone. */
#define CORO_ARCH_PARK_BYTES 16
static inline __attribute__((always_inline)) void
coro_arch_switch_park(struct coro_worker *worker, struct coro_flow *self,
                      struct coro_flow *next, uintptr_t stay)
{
    uintptr_t lost;

    __asm__ volatile("movq %%rbx, -8(%%rsp)\n\t"
                     "movq %%r12, -16(%%rsp)\n\t" CORO_SWITCH_SAVED
                     "movq %[stay], %c[critical](%%rcx)\n\t" CORO_SWITCH_GO
                     "movq -8(%%rsp), %%rbx\n\t"
                     "movq -16(%%rsp), %%r12"
                     : "+D"(self), "+S"(next), "+c"(worker), "=a"(lost)
                     : [stay] "ia"(stay), CORO_SWITCH_OFFSETS
                     : "r13", "r14", "r15", CORO_LOST_BUT_A_AND_C);
}

/* From the current flow to that in *slot, which is taken from the ring. */
static inline __attribute__((always_inline)) void
coro_arch_switch_yield(struct coro_worker *worker, struct coro_flow **slot)
{
    __asm__ volatile("movq %c[current](%%rcx), %%rdi\n\t"
                     "movq (%%rax), %%rsi\n\t"
                     "addq $8, %%rax\n\t" CORO_SWITCH_SAVED
                     "movq %%rax, %c[slot](%%rcx)\n\t" CORO_SWITCH_GO
                     : "+c"(worker), "+a"(slot)
                     : CORO_SWITCH_OFFSETS
                     : "rdi", "rsi", "rbx", "r12", "r13", "r14", "r15",
                       CORO_LOST_BUT_A_AND_C);
}

/* The same for a flow that has ended: nothing is saved. */
static inline _Noreturn __attribute__((always_inline)) void
coro_arch_switch_last(struct coro_worker *worker, struct coro_flow *next, uintptr_t stay)
{
    __asm__ volatile("movq %c[pc](%%rsi), %%rdx\n\t"
                     "movq %c[fp](%%rsi), %%rbp\n\t"
                     "movq %c[sp](%%rsi), %%rsp\n\t"
                     "movq %%rsi, %c[current](%%rcx)\n\t"
                     "movq %%rax, %c[critical](%%rcx)\n\t"
                     "jmpq *%%rdx"
                     :
                     : "S"(next), "c"(worker), "a"(stay), CORO_SWITCH_OFFSETS
                     : "rdx", "memory");
    __builtin_unreachable();
}
#endif

#endif
