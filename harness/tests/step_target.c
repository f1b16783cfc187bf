/* SPDX-License-Identifier: MIT
 *
 * step_target.c: a program with marks whose every instruction is known, for the tests of
 * the single-stepper: step_target LOOP N.
 *
 * The loops are written in assembly, so that what one op is can be counted by eye.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include "singlestep.h"

typedef void loop_fn(uint64_t ops);

#define LOOP __attribute__((noinline, aligned(64)))

#if defined(__x86_64__)
static char area[8192] __attribute__((aligned(64)));

/* The body once per op: %0 is the ops left, %1 the area. */
#define REPEAT(body)                                                                     \
    __asm__ volatile("1:\n\t" body "dec %0\n\t"                                          \
                     "jnz 1b\n\t"                                                        \
                     : "+r"(ops)                                                         \
                     : "r"(area)                                                         \
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r11", "memory", "cc")

/* 5 instructions, 8 bytes stored, 8 loaded */
static LOOP void loop_five(uint64_t ops)
{
    REPEAT("mov %%rax, (%1)\n\t"
           "mov (%1), %%rcx\n\t"
           "lea 8(%1), %%rax\n\t");
}

/* loop_five and a nop */
static LOOP void loop_six(uint64_t ops)
{
    REPEAT("mov %%rax, (%1)\n\t"
           "mov (%1), %%rcx\n\t"
           "lea 8(%1), %%rax\n\t"
           "nop\n\t");
}

/* 5 instructions, and one more in every other op: 11/2 */
static LOOP void loop_half(uint64_t ops)
{
    REPEAT("test $1, %%r8\n\t"
           "jnz 2f\n\t"
           "nop\n"
           "2: lea 1(%%r8), %%r8\n\t");
}

/* 6 instructions, one of them `rep` with 16 repetitions of 1 byte */
static LOOP void loop_rep(uint64_t ops)
{
    REPEAT("lea (%1), %%rsi\n\t"
           "lea 64(%1), %%rdi\n\t"
           "mov $16, %%ecx\n\t"
           "rep movsb\n\t");
}

/* 4 instructions, one of them a `rep` that does nothing */
static LOOP void loop_rep_none(uint64_t ops)
{
    REPEAT("xor %%ecx, %%ecx\n\t"
           "rep stosb\n\t");
}

/* 6 instructions; x87 and SSE state: 512 + 64 bytes each way */
static LOOP void loop_xsave(uint64_t ops)
{
    REPEAT("mov $3, %%eax\n\t"
           "xor %%edx, %%edx\n\t"
           "xsave (%1)\n\t"
           "xrstor (%1)\n\t");
}

/* 7 instructions: 8 bytes pushed, 8 popped */
static LOOP void loop_call(uint64_t ops)
{
    REPEAT("lea -128(%%rsp), %%rsp\n\t"
           "call 3f\n\t"
           "jmp 4f\n"
           "3: ret\n"
           "4: lea 128(%%rsp), %%rsp\n\t");
}

/* 4 instructions, one of them a system call */
static LOOP void loop_syscall(uint64_t ops)
{
    REPEAT("mov $39, %%eax\n\t" /* getpid */
           "syscall\n\t");
}
#else
static LOOP void loop_five(uint64_t ops)
{
    for (volatile uint64_t left = ops; left != 0;)
        left = left - 1;
}
#endif

static volatile sig_atomic_t ticks;

static void on_tick(int signal)
{
    (void)signal;
    ticks = ticks + 1;
}

static LOOP void loop_signals(uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++) {
        sig_atomic_t before = ticks;
        raise(SIGUSR1);
        if (ticks != before + 1)
            _exit(1);
    }
}

static LOOP void loop_paused(uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++)
        raise(SIGSTOP);
}

static LOOP void loop_terminated(uint64_t ops)
{
    (void)ops;
    raise(SIGTERM);
}

static LOOP void loop_trap(uint64_t ops)
{
    (void)ops;
    raise(SIGTRAP);
}

static LOOP void loop_exit_3(uint64_t ops)
{
    (void)ops;
    _exit(3);
}

static LOOP void loop_endless(uint64_t ops)
{
    while (ops != 0)
        __asm__ volatile("" : "+r"(ops));
}

static LOOP void loop_asleep(uint64_t ops)
{
    while (ops != 0)
        pause();
}

static const struct {
    const char *name;
    loop_fn *loop;
} loops[] = {
    {"five", loop_five},
#if defined(__x86_64__)
    {"six", loop_six},           {"half", loop_half},     {"rep", loop_rep},
    {"rep-none", loop_rep_none}, {"xsave", loop_xsave},   {"call", loop_call},
    {"syscall", loop_syscall},
#endif
    {"signals", loop_signals},   {"paused", loop_paused}, {"terminated", loop_terminated},
    {"trap", loop_trap},         {"exit-3", loop_exit_3}, {"endless", loop_endless},
    {"asleep", loop_asleep},
};

/* One function for both stretches, so that what stands around the call is the same code.
 */
static LOOP void run_marked(loop_fn *loop, uint64_t ops)
{
    bench_mark();
    loop(ops);
    bench_mark();
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    uint64_t ops = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    signal(SIGUSR1, on_tick);
    if (strcmp(name, "skip") == 0)
        return 77;
    if (strcmp(name, "no-marks") == 0)
        return 0;
    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        if (strcmp(loops[i].name, name) != 0)
            continue;
        for (uint64_t factor = 1; factor <= 2; factor++)
            run_marked(loops[i].loop, ops * factor);
        if (argc > 3 && strcmp(argv[3], "mark-again") == 0)
            bench_mark();
        return argc > 3 && strcmp(argv[3], "fail") == 0 ? 1 : 0;
    }
    fprintf(stderr, "step_target: no loop '%s'\n", name);
    return 2;
}
