/* SPDX-License-Identifier: MIT
 *
 * emulator.h: whether this program's instructions are emulated. Counts are then right, and times
 * are the emulator's: `corobench run` records none.
 */
#ifndef EMULATOR_H
#define EMULATOR_H

/* The emulator's name, or NULL. QEMU is known: its user mode on every CPU, its system mode on
 * x86-64 and, with the CPU called `max`, on aarch64. */
const char *bench_emulator(void);

#endif
