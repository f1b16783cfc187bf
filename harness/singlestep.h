/* SPDX-License-Identifier: MIT
 *
 * singlestep.h: exact instruction counts by ptrace, on any machine.
 *
 * The traced process is `corobench trial CASE --count-ops N` (see trial.h): it executes a
 * breakpoint instruction (bench_mark()) before and after each of two calls of run(), with
 * N and with 2N ops. The tracer steps it between the marks, one instruction a time, and
 * decodes what it steps over. Cost per op is the difference of the two, divided by N.
 */
#ifndef SINGLESTEP_H
#define SINGLESTEP_H

#include <stdint.h>

/* Executed by the traced trial: one breakpoint instruction, seen by the tracer as SIGTRAP. */
static inline void bench_mark(void)
{
#if defined(__x86_64__)
    __asm__ volatile("int3" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("brk #0" ::: "memory");
#elif defined(__riscv)
    __asm__ volatile("ebreak" ::: "memory");
#else
#error "no breakpoint instruction known for this CPU"
#endif
}

struct bench_count_options {
    uint64_t ops;      /* N */
    uint64_t steps_max; /* per stretch: a longer one is given up */
    double timeout_s;   /* of the whole count, wherever the time goes */
    int json;          /* print JSON in place of text */
    int disassembly;   /* print one op's instructions */
};

/* Runs argv (the trial's command line) stepped, with ASLR off and a fixed environment, and
 * prints what one op is made of. `case_name` and `op` are for the headings. Returns the exit
 * code: 0, 1, or 77 when ptrace is refused (with a clear line). */
int bench_count(const char *case_name, const char *op, char *const argv[],
                const struct bench_count_options *options);

#endif
