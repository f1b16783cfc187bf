/* SPDX-License-Identifier: MIT
 *
 * probe.h: the registers that probe.S fills and reads. Read by C and by assembly.
 */
#ifndef PROBE_H
#define PROBE_H

#define PROBE_GPR      0   /* 15 words: rbx rbp r12 r13 r14 r15 rax rcx rdx rsi rdi r8-r11 */
#define PROBE_MXCSR    120
#define PROBE_X87CW    124
#define PROBE_VECTOR   128 /* 16 of 32 bytes; the upper halves only where there is AVX */
#define PROBE_BYTES    640

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

enum { PROBE_GPRS = 15, PROBE_VECTORS = 16, PROBE_CALLEE_SAVED = 6 };

struct probe_registers {
    uint64_t gpr[PROBE_GPRS];
    uint32_t mxcsr;
    uint16_t x87cw;
    uint8_t vector[PROBE_VECTORS][32] __attribute__((aligned(32)));
};

_Static_assert(offsetof(struct probe_registers, mxcsr) == PROBE_MXCSR, "as assembly has it");
_Static_assert(offsetof(struct probe_registers, x87cw) == PROBE_X87CW, "as assembly has it");
_Static_assert(offsetof(struct probe_registers, vector) == PROBE_VECTOR, "as assembly has it");
_Static_assert(sizeof(struct probe_registers) == PROBE_BYTES, "as assembly has it");

/* What the probe reads: what each flow has in its registers as it switches, how it
 * switches (a function, or a body of ablation.S), and between which contexts. */
extern struct probe_registers probe_mine, probe_theirs;
extern const char *probe_switch;
extern void *probe_from, *probe_to;

/* Fills the registers from probe_mine, switches away, and says what they held when they
 * were resumed. rdi and rsi are the switch's arguments, and rax its PC in the second. */
void probe_by_call(struct probe_registers *after);
void probe_by_jump(struct probe_registers *after);

/* PCs of the other flow, which fills its registers from probe_theirs and switches back. */
extern const char probe_call_peer[], probe_jump_peer[];
/* Where probe_by_jump is resumed: what it has in rax as it switches. */
extern const char probe_jump_resumed[];

/* study-ret, but that a register is lost each. */
extern const char probe_faulty_rbx[], probe_faulty_r13[], probe_faulty_mxcsr[];
#endif
#endif
