/* SPDX-License-Identifier: MIT
 *
 * prologue: what does a stack that can grow cost a program that never makes it grow?
 *
 * Before each function its code compares SP with the end of the stack (gcc -fsplit-stack:
 * two instructions, three for frames of 256 bytes and more; Go's has three). fib() does
 * little but call, and so does the loop: the worst cases. Both run on the trial's own
 * thread, where the end is never near. `corobench count` says how many instructions the
 * check has.
 */
#include "experiments.h"

#include "calls.h"
#include "context.h"

enum { FIB_OF = 20, FIB_IS = 6765 };

struct prologue_config {
    const struct calls *calls;
    uint64_t (*work)(const struct calls *calls, uint64_t ops);
    bool checked;
};

static uint64_t many_fibs(const struct calls *calls, uint64_t ops)
{
    uint64_t right = 0;

    for (; ops; ops--)
        right += calls->fib(FIB_OF) == FIB_IS;
    return right;
}

static uint64_t many_calls(const struct calls *calls, uint64_t ops)
{
    return calls->loop_bare(ops);
}

static int prologue_setup(struct bench_trial *t)
{
    const struct prologue_config *config = bench_case_of(t)->arg;

    if (CORO_ANNOTATED)
        return bench_skip(t, "under a sanitizer calls are another thing");
    if (config->checked && !config->calls->checked)
        return bench_skip(t, "the check needs gcc -fsplit-stack on x86-64");
    return 0;
}

static uint64_t prologue_run(struct bench_trial *t, uint64_t ops)
{
    const struct prologue_config *config = bench_case_of(t)->arg;

    return config->work(config->calls, ops);
}

#define PROLOGUE(subject_, op_, work, check, calls, checked)                             \
    {                                                                                    \
        .experiment = "prologue", .subject = subject_, .params = "check=" check,         \
        .op = op_, .places = BENCH_AT(BENCH_SAME_CPU), .profile = BENCH_DEFAULT,         \
        .kernel_switches_max = 0.01, .setup = prologue_setup, .run = prologue_run,       \
        .arg = &(const struct prologue_config){&calls, work, checked},                   \
    }

const struct bench_case prologue_cases[] = {
    PROLOGUE("fib", "fib(20)", many_fibs, "off", calls_plain, false),
    PROLOGUE("fib", "fib(20)", many_fibs, "on", calls_checked, true),
    PROLOGUE("loop", "one call", many_calls, "off", calls_plain, false),
    PROLOGUE("loop", "one call", many_calls, "on", calls_checked, true),
};
const size_t prologue_case_count = sizeof prologue_cases / sizeof *prologue_cases;
