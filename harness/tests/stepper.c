/* SPDX-License-Identifier: MIT
 *
 * Tests of stepper.c: how a traced program may end, and what reaches it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include "no_syscall.h"
#include "stepper.h"

struct seen {
    uint64_t steps[BENCH_STRETCHES];
    int marks;
    int error; /* what the step hook answers */
};

static int on_step(void *context, const struct bench_step *step)
{
    struct seen *seen = context;
    seen->steps[step->stretch]++;
    return seen->error;
}

static void on_mark(void *context, pid_t pid, int mark)
{
    struct seen *seen = context;
    cr_assert(pid > 0);
    cr_assert_eq(mark, seen->marks);
    seen->marks++;
}

static struct bench_step_result step(const char *loop, const char *ops, const char *more,
                                     struct seen *seen, uint64_t steps_max)
{
    char *argv[] = {(char *)STEP_TARGET, (char *)loop, (char *)ops, (char *)more, NULL};
    const struct bench_step_hooks hooks = {on_step, on_mark, seen, steps_max, 60};
    struct bench_step_result result;
    bench_step_program(argv, &hooks, &result);
    if (strstr(result.error, "refuses ptrace") != NULL)
        cr_skip("%s", result.error);
    return result;
}

Test(stepper, steps_only_between_the_marks)
{
    struct seen seen = {0};
    struct bench_step_result result = step("five", "100", NULL, &seen, 100000);
    cr_assert_eq(result.exit_code, 0, "%s", result.error);
    cr_assert_eq(seen.marks, BENCH_MARKS);
    cr_assert_eq(result.signals, 0);
#if defined(__x86_64__)
    cr_assert_eq(seen.steps[1] - seen.steps[0], 500);
    cr_assert_lt(seen.steps[0], 520, "the program around the marks was stepped as well");
#endif
}

Test(stepper, passes_signals_on_and_counts_them)
{
    struct seen seen = {0};
    struct bench_step_result result = step("signals", "3", NULL, &seen, 100000);
    cr_assert_eq(result.exit_code, 0, "%s", result.error);
    cr_assert_eq(result.signals, 9);
    cr_assert_eq(result.last_signal, SIGUSR1);
}

Test(stepper, goes_on_after_a_pause)
{
    struct seen seen = {0};
    struct bench_step_result result = step("paused", "2", NULL, &seen, 100000);
    cr_assert_eq(result.exit_code, 0, "%s", result.error);
    cr_assert_eq(seen.marks, BENCH_MARKS);
    cr_assert_eq(result.signals, 0);
}

Test(stepper, tells_a_fatal_signal)
{
    struct seen seen = {0};
    struct bench_step_result result = step("terminated", "1", NULL, &seen, 100000);
    cr_assert_eq(result.exit_code, 1);
    cr_assert(strstr(result.error, "killed by signal 15") != NULL, "%s", result.error);
}

Test(stepper, does_not_take_a_sent_sigtrap_for_a_mark)
{
    struct seen seen = {0};
    struct bench_step_result result = step("trap", "1", NULL, &seen, 100000);
    cr_assert_eq(result.exit_code, 1);
    cr_assert_eq(seen.marks, 1);
    cr_assert(strstr(result.error, "killed by signal 5") != NULL, "%s", result.error);
}

Test(stepper, tells_exit_codes)
{
    struct seen seen = {0};
    cr_assert_eq(step("exit-3", "1", NULL, &seen, 100000).exit_code, 1);
    seen = (struct seen){0};
    cr_assert_eq(step("five", "1", "fail", &seen, 100000).exit_code, 1);
    seen = (struct seen){0};
    cr_assert_eq(step("skip", "1", NULL, &seen, 100000).exit_code, 77);
    seen = (struct seen){0};
    cr_assert_eq(step("no such loop", "1", NULL, &seen, 100000).exit_code, 2);
}

Test(stepper, wants_exactly_four_marks)
{
    struct seen seen = {0};
    struct bench_step_result result = step("no-marks", "1", NULL, &seen, 100000);
    cr_assert_eq(result.exit_code, 1);
    cr_assert(strstr(result.error, "after 0 of 4 marks") != NULL, "%s", result.error);
    result = step("five", "1", "mark-again", &seen, 100000);
    cr_assert_eq(result.exit_code, 1);
    cr_assert(strstr(result.error, "more than 4 marks") != NULL, "%s", result.error);
}

Test(stepper, gives_up_on_a_runaway)
{
    struct seen seen = {0};
    struct bench_step_result result = step("endless", "1", NULL, &seen, 1000);
    cr_assert_eq(result.exit_code, 1);
    cr_assert(strstr(result.error, "gave up after 1000 steps") != NULL, "%s",
              result.error);
    cr_assert_eq(seen.steps[0], 1000);
    cr_assert_eq(waitpid(-1, NULL, 0), -1, "the program was left behind");
    cr_assert_eq(errno, ECHILD);
}

Test(stepper, gives_up_when_the_hook_does)
{
    struct seen seen = {.error = -ENOMEM};
    struct bench_step_result result = step("five", "10", NULL, &seen, 1000);
    cr_assert_eq(result.exit_code, 1);
    cr_assert_eq(seen.steps[0], 1);
}

Test(stepper, gives_up_on_a_program_that_sleeps_in_the_kernel)
{
    char *argv[] = {(char *)STEP_TARGET, (char *)"asleep", (char *)"1", NULL};
    const struct bench_step_hooks hooks = {on_step, NULL, &(struct seen){{0}, 0, 0}, 100000, 0.3};
    struct bench_step_result result;
    bench_step_program(argv, &hooks, &result);
    if (strstr(result.error, "refuses ptrace") != NULL)
        cr_skip("%s", result.error);
    cr_assert_eq(result.exit_code, 1);
    cr_assert(strstr(result.error, "gave up after 0.3 s") != NULL, "%s", result.error);
    cr_assert_eq(waitpid(-1, NULL, __WALL), -1, "the program is still there");
}

Test(stepper, says_that_a_program_is_missing)
{
    char *argv[] = {(char *)"/nowhere/at/all", NULL};
    const struct bench_step_hooks hooks = {on_step, NULL, NULL, 10, 60};
    struct bench_step_result result;
    bench_step_program(argv, &hooks, &result);
    if (strstr(result.error, "refuses ptrace") != NULL)
        cr_skip("%s", result.error);
    cr_assert_eq(result.exit_code, 1);
    cr_assert(strstr(result.error, "can't run /nowhere/at/all") != NULL, "%s",
              result.error);
}

Test(stepper, skips_where_ptrace_is_refused)
{
    int refused = no_syscall(SYS_ptrace, EPERM);
    if (refused != 0)
        cr_skip("no seccomp filter: %s", strerror(-refused));
    char *argv[] = {(char *)STEP_TARGET, (char *)"five", (char *)"1", NULL};
    const struct bench_step_hooks hooks = {on_step, NULL, NULL, 10, 60};
    struct bench_step_result result;
    bench_step_program(argv, &hooks, &result);
    cr_assert_eq(result.exit_code, 77);
    cr_assert(strstr(result.error, "the kernel refuses ptrace") != NULL, "%s",
              result.error);
}

Test(stepper, goes_on_where_aslr_stays)
{
    int refused = no_syscall(SYS_personality, EPERM);
    if (refused != 0)
        cr_skip("no seccomp filter: %s", strerror(-refused));
    struct seen seen = {0};
    struct bench_step_result result = step("five", "10", NULL, &seen, 1000);
    cr_assert_eq(result.exit_code, 0, "%s", result.error);
    cr_assert_eq(result.randomised, 1);
}
