/* SPDX-License-Identifier: MIT
 *
 * stepper.h: runs a program under ptrace and steps it between its marks.
 *
 * A mark is bench_mark() (singlestep.h). Marks come in pairs: stretch 0 lies between mark
 * 0 and mark 1, stretch 1 between mark 2 and mark 3. Within a stretch each instruction
 * that the main thread executes is reported once, after it has executed; outside of the
 * stretches the program runs at full speed. Instructions of the kernel, and of other
 * threads or children, are not seen.
 *
 * The program runs with address randomisation off and a fixed environment, so that a
 * count that depends on addresses or on the environment is the same in each run.
 *
 * Blocks until the program has ended or the time is up. For one thread at a time: it waits
 * for its own child, and has the process's ITIMER_REAL and SIGALRM meanwhile.
 */
#ifndef STEPPER_H
#define STEPPER_H

#include <stdint.h>
#include <sys/types.h>

enum { BENCH_STRETCHES = 2, BENCH_MARKS = 2 * BENCH_STRETCHES };

/* One executed instruction. */
struct bench_step {
    pid_t pid;
    int stretch;
    uint64_t pc;
    uint64_t pc_after;     /* where the next instruction is: pc itself in a `rep` */
    uint64_t repeats_left; /* x86: rcx before the instruction; 0 elsewhere */
    uint64_t xstate_mask;  /* x86: edx:eax before the instruction; 0 elsewhere */
};

struct bench_step_hooks {
    int (*step)(void *context,
                const struct bench_step *step);       /* 0, or -errno to give up */
    void (*mark)(void *context, pid_t pid, int mark); /* at marks 0 to 3; or NULL */
    void *context;
    uint64_t steps_max; /* per stretch: a longer one is given up, with a sentence */
    double timeout_s;   /* for the whole program, blocked in a system call or not */
};

struct bench_step_result {
    int exit_code; /* 0: four marks seen and the program exited with 0; else 1, 2 or 77 */
    char error[256];  /* a sentence when exit_code is not 0 */
    uint64_t signals; /* how many reached the program within the stretches; a pause by
                         SIGSTOP and SIGCONT is none */
    int last_signal;
    int randomised; /* ASLR could not be turned off */
};

void bench_step_program(char *const argv[], const struct bench_step_hooks *hooks,
                        struct bench_step_result *result);

/* Reads `bytes` of the stopped program's memory at `address`; how many could be read. */
size_t bench_step_read(pid_t pid, uint64_t address, void *buffer, size_t bytes);

#endif
