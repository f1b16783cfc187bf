/* SPDX-License-Identifier: MIT
 *
 * stepper.c: fork, exec and PTRACE_SINGLESTEP.
 *
 * Every stop of the program is first given a meaning (classify), then acted upon. The
 * meaning comes from the signal's si_code, for a SIGTRAP can be four things: a finished
 * step, a mark, a remark by the kernel that ptrace is concerned (a signal handler was set
 * up: nothing was executed), or a SIGTRAP that somebody sent.
 *
 * The tracer moves to the CPUs of the program at each mark. Every step is two context
 * switches; on one CPU they cost a few microseconds, across two they cost a wake-up each.
 *
 * Rejected: PTRACE_SEIZE (its gain, telling group stops apart, is one errno here); block
 * stepping (it skips what is to be counted); emulation (the count would be the
 * emulator's).
 */
#include "stepper.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum meaning { STEPPED, MARKED, SIGNALLED, REMARK, ENDED, LATE };

/* What the child tells through its pipe before exec() closes it. */
enum stage { STAGE_PTRACE = 1, STAGE_EXEC, STAGE_RANDOMISED };
struct complaint {
    enum stage stage;
    int error;
};

struct stepper {
    const struct bench_step_hooks *hooks;
    struct bench_step_result *result;
    pid_t pid; /* -1 once it is no more */
    int marks;
    int signal;      /* to deliver with the next resume */
    int wait_status; /* once ENDED */
};

/* ---- the time limit ---- */

/* A program that sleeps in the kernel never stops again: only a signal ends the wait for it. The
 * timer repeats, so that one which comes just before waitpid() is not the last. */
static volatile sig_atomic_t out_of_time;

static void on_alarm(int signal)
{
    out_of_time = signal;
}

struct limit {
    struct sigaction action;
    struct itimerval timer;
};

static void limit_begin(struct limit *before, double timeout_s)
{
    struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
    long whole_s = (long)timeout_s;
    struct itimerval timer = {
        .it_interval = {.tv_usec = 100000},
        .it_value = {whole_s, (long)((timeout_s - (double)whole_s) * 1e6) + 1}};
    sigemptyset(&action.sa_mask);
    out_of_time = 0;
    sigaction(SIGALRM, &action, &before->action);
    setitimer(ITIMER_REAL, &timer, &before->timer);
}

static void limit_end(const struct limit *before)
{
    setitimer(ITIMER_REAL, &before->timer, NULL);
    sigaction(SIGALRM, &before->action, NULL);
}

static int fail(struct stepper *s, int exit_code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct stepper *s, int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->result->error, sizeof(s->result->error), format, arguments);
    va_end(arguments);
    s->result->exit_code = exit_code;
    return -1;
}

/* ---- the CPU's own part ---- */

#if defined(__x86_64__)
static int read_registers(const struct stepper *s, struct bench_step *step)
{
    struct user_regs_struct r;
    if (ptrace(PTRACE_GETREGS, s->pid, NULL, &r) != 0)
        return -errno;
    step->pc = r.rip;
    step->repeats_left = r.rcx;
    step->xstate_mask = (r.rdx << 32) | (r.rax & 0xffffffff);
    return 0;
}

/* int3 is trapped with SI_KERNEL after it has executed. */
static bool is_mark(const struct stepper *s, int si_code)
{
    struct bench_step now;
    uint8_t byte = 0;
    return si_code == SI_KERNEL && read_registers(s, &now) == 0 &&
           bench_step_read(s->pid, now.pc - 1, &byte, 1) == 1 && byte == 0xcc;
}

static int pass_mark(const struct stepper *s)
{
    (void)s;
    return 0;
}
#elif defined(__aarch64__) || defined(__riscv)
#if defined(__riscv)
#include <asm/ptrace.h> /* glibc's sys/user.h leaves the structure to the kernel's header */
#endif

static int move_registers(const struct stepper *s, int request,
                          struct user_regs_struct *r)
{
    struct iovec io = {r, sizeof(*r)};
    return ptrace(request, s->pid, (void *)NT_PRSTATUS, &io) == 0 ? 0 : -errno;
}

static int read_registers(const struct stepper *s, struct bench_step *step)
{
    struct user_regs_struct r;
    int error = move_registers(s, PTRACE_GETREGSET, &r);
    step->pc = r.pc;
    step->repeats_left = step->xstate_mask = 0;
    return error;
}

static bool is_mark(const struct stepper *s, int si_code)
{
    (void)s;
    return si_code == TRAP_BRKPT;
}

/* The breakpoint instruction is trapped before it executes: go past it. */
static int pass_mark(const struct stepper *s)
{
    struct user_regs_struct r;
    uint8_t low = 3;
    int error = move_registers(s, PTRACE_GETREGSET, &r);
    if (error != 0)
        return error;
#if defined(__riscv)
    bench_step_read(s->pid, r.pc, &low, 1);
#endif
    r.pc += (low & 3) == 3 ? 4 : 2;
    return move_registers(s, PTRACE_SETREGSET, &r);
}
#endif

/* ---- the child, up to exec() ---- */

static void complain(int pipe_fd, enum stage stage)
{
    struct complaint c = {stage, errno};
    ssize_t written = write(pipe_fd, &c, sizeof(c));
    (void)written;
}

/* A leak check can't run under ptrace; a build with AddressSanitizer must not try to. glibc's
 * copies of memory come in a version for each CPU: all take the one that every CPU has, so that a
 * count is one of this program, and not of the machine that it is made on. */
static char *const fixed_environment[] = {
    "COROBENCH_COUNT=1", "ASAN_OPTIONS=detect_leaks=0",
#if defined(__x86_64__)
    "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX_Fast_Unaligned_Load,"
    "-AVX2,-SSSE3,-ERMS,-FSRM",
#endif
    NULL};

static void run_child(char *const argv[], int pipe_fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);   /* until PTRACE_O_EXITKILL is set */
    dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout is for the tracer's figures */
    if (personality(ADDR_NO_RANDOMIZE) == -1)
        complain(pipe_fd, STAGE_RANDOMISED);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        complain(pipe_fd, STAGE_PTRACE);
        _exit(1);
    }
    raise(SIGSTOP);
    execvpe(argv[0], argv, fixed_environment);
    complain(pipe_fd, STAGE_EXEC);
    _exit(1);
}

static int explain_complaints(struct stepper *s, const char *program, int pipe_fd)
{
    struct complaint c;
    while (read(pipe_fd, &c, sizeof(c)) == (ssize_t)sizeof(c)) {
        if (c.stage == STAGE_RANDOMISED)
            s->result->randomised = 1;
        else if (c.stage == STAGE_EXEC)
            return fail(s, 1, "can't run %s: %s", program, strerror(c.error));
        else
            return fail(
                s, 77,
                "the kernel refuses ptrace (%s): a seccomp filter, "
                "kernel.yama.ptrace_scope of 2 or 3, or another tracer (strace, gdb)",
                strerror(c.error));
    }
    return 0;
}

/* ---- stops ---- */

static enum meaning classify_trap(struct stepper *s)
{
    siginfo_t info;
    if (ptrace(PTRACE_GETSIGINFO, s->pid, NULL, &info) != 0)
        return REMARK;
    if (is_mark(s, info.si_code))
        return MARKED;
    if (info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT)
        return STEPPED;
    /* ptrace_notify() in the kernel: si_code is the signal's own number */
    if (info.si_code == SIGTRAP)
        return REMARK;
    s->signal = SIGTRAP;
    return SIGNALLED;
}

static enum meaning classify(struct stepper *s, int status)
{
    siginfo_t info;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        s->wait_status = status;
        s->pid = -1;
        return ENDED;
    }
    if (status >> 16 != 0)
        return REMARK; /* a PTRACE_EVENT, such as exec */
    if (WSTOPSIG(status) == SIGTRAP)
        return classify_trap(s);
    if (ptrace(PTRACE_GETSIGINFO, s->pid, NULL, &info) != 0 && errno == EINVAL)
        return REMARK; /* a group stop: the signal has been delivered before */
    s->signal = WSTOPSIG(status);
    return SIGNALLED;
}

static enum meaning wait_for_stop(struct stepper *s)
{
    int status;
    while (waitpid(s->pid, &status, __WALL) < 0) {
        if (errno == EINTR && out_of_time)
            return LATE;
        if (errno != EINTR)
            return classify(s, W_EXITCODE(1, 0)); /* somebody else has waited for it */
    }
    return out_of_time ? LATE : classify(s, status);
}

static int fail_late(struct stepper *s)
{
    return fail(s, 1, "gave up after %g s: it is blocked in a system call, or fewer ops are "
                      "needed (--ops)", s->hooks->timeout_s);
}

/* A program that a SIGKILL has just ended answers ESRCH; the next wait tells. */
static int resume(struct stepper *s, int request)
{
    long signal = s->signal;
    s->signal = 0;
    if (ptrace(request, s->pid, NULL, (void *)signal) == 0 || errno == ESRCH)
        return 0;
    if (request == PTRACE_SINGLESTEP && (errno == EIO || errno == EINVAL))
        return fail(s, 77, "the kernel can't single-step on this CPU (%s)",
                    strerror(errno));
    return fail(s, 1, "ptrace: %s", strerror(errno));
}

static void follow_cpus(const struct stepper *s)
{
    cpu_set_t cpus;
    if (sched_getaffinity(s->pid, sizeof(cpus), &cpus) == 0)
        sched_setaffinity(0, sizeof(cpus), &cpus);
}

static int reached_mark(struct stepper *s)
{
    int error = pass_mark(s);
    if (error != 0)
        return fail(s, 1, "can't move the program past a mark: %s", strerror(-error));
    follow_cpus(s);
    if (s->marks < BENCH_MARKS && s->hooks->mark != NULL)
        s->hooks->mark(s->hooks->context, s->pid, s->marks);
    s->marks++;
    if (s->marks > BENCH_MARKS)
        return fail(s, 1, "the program has more than %d marks", (int)BENCH_MARKS);
    return 0;
}

/* Runs to the next mark: 1; to the end: 0; -1 with the error told. */
static int run_to_mark(struct stepper *s)
{
    for (;;) {
        if (resume(s, PTRACE_CONT) != 0)
            return -1;
        enum meaning meaning = wait_for_stop(s);
        if (meaning == ENDED)
            return 0;
        if (meaning == LATE)
            return fail_late(s);
        if (meaning == MARKED)
            return reached_mark(s) == 0 ? 1 : -1;
    }
}

static int report_step(struct stepper *s, struct bench_step *now, uint64_t steps)
{
    struct bench_step next = *now;
    int error = read_registers(s, &next);
    if (error != 0)
        return fail(s, 1, "can't read the program's registers: %s", strerror(-error));
    if (steps > s->hooks->steps_max)
        return fail(s, 1, "gave up after %llu steps: fewer ops are needed (--ops)",
                    (unsigned long long)s->hooks->steps_max);
    now->pc_after = next.pc;
    error = steps > 0 ? s->hooks->step(s->hooks->context, now) : 0;
    *now = next;
    return error == 0 ? 0 : fail(s, 1, "can't keep the trace: %s", strerror(-error));
}

/* Steps to the mark that ends the stretch: 1; to the program's end: 0; -1: error told. */
static int step_to_mark(struct stepper *s, int stretch)
{
    struct bench_step now = {.pid = s->pid, .stretch = stretch};
    uint64_t steps = 0;
    if (report_step(s, &now, 0) != 0)
        return -1;
    for (;;) {
        if (resume(s, PTRACE_SINGLESTEP) != 0)
            return -1;
        switch (wait_for_stop(s)) {
        case STEPPED:
            if (report_step(s, &now, ++steps) != 0)
                return -1;
            break;
        case MARKED:
            return reached_mark(s) == 0 ? 1 : -1;
        case SIGNALLED:
            if (s->signal != SIGSTOP && s->signal != SIGCONT) {
                s->result->signals++;
                s->result->last_signal = s->signal;
            }
            break;
        case REMARK: /* a handler was set up: go on from its first instruction */
            if (report_step(s, &now, 0) != 0)
                return -1;
            break;
        case ENDED:
            return 0;
        case LATE:
            return fail_late(s);
        }
    }
}

static void explain_end(struct stepper *s)
{
    int status = s->wait_status;
    if (WIFSIGNALED(status))
        fail(s, 1, "the program was killed by signal %d (%s)", WTERMSIG(status),
             strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 2)
        fail(s, WEXITSTATUS(status), "the program exited with %d%s", WEXITSTATUS(status),
             WEXITSTATUS(status) == 77 ? ": skipped, see above" : "");
    else if (WEXITSTATUS(status) != 0)
        fail(s, 1, "the program exited with %d, see above", WEXITSTATUS(status));
    else if (s->marks != BENCH_MARKS)
        fail(s, 1, "the program ended after %d of %d marks", s->marks, (int)BENCH_MARKS);
}

static int attach(struct stepper *s, char *const argv[], int pipe_fd)
{
    enum meaning first = wait_for_stop(s);
    if (first == LATE)
        return fail_late(s);
    if (first == ENDED)
        return explain_complaints(s, argv[0], pipe_fd) == 0
                   ? fail(s, 1, "the child ended before it could be traced")
                   : -1;
    s->signal = 0; /* its own SIGSTOP is not for it */
    long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC;
    if (ptrace(PTRACE_SETOPTIONS, s->pid, NULL, (void *)options) != 0)
        return fail(s, 77, "ptrace options refused: %s", strerror(errno));
    return 0;
}

static int step_stretches(struct stepper *s, char *const argv[], int pipe_fd)
{
    if (attach(s, argv, pipe_fd) != 0)
        return -1;
    int more = run_to_mark(s);
    if (explain_complaints(s, argv[0], pipe_fd) != 0)
        return -1;
    for (int stretch = 0; more == 1; stretch++) {
        more = step_to_mark(s, stretch);
        if (more == 1)
            more = run_to_mark(s);
    }
    if (more == 0)
        explain_end(s);
    return more;
}

void bench_step_program(char *const argv[], const struct bench_step_hooks *hooks,
                        struct bench_step_result *result)
{
    struct stepper s = {.hooks = hooks, .result = result};
    cpu_set_t own_cpus;
    struct limit before;
    int pipe_fds[2];
    memset(result, 0, sizeof(*result));
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        fail(&s, 1, "pipe: %s", strerror(errno));
        return;
    }
    bool restore = sched_getaffinity(0, sizeof(own_cpus), &own_cpus) == 0;
    fflush(NULL);
    s.pid = fork();
    if (s.pid == 0)
        run_child(argv, pipe_fds[1]);
    close(pipe_fds[1]);
    limit_begin(&before, hooks->timeout_s);
    if (s.pid < 0) {
        fail(&s, 1, "fork: %s", strerror(errno));
    } else if (step_stretches(&s, argv, pipe_fds[0]) != 0 && s.pid > 0) {
        kill(s.pid, SIGKILL);
        while (waitpid(s.pid, NULL, __WALL) < 0 && errno == EINTR)
            ;
    }
    limit_end(&before);
    close(pipe_fds[0]);
    if (restore)
        sched_setaffinity(0, sizeof(own_cpus), &own_cpus);
}

size_t bench_step_read(pid_t pid, uint64_t address, void *buffer, size_t bytes)
{
    struct iovec local = {buffer, bytes};
    struct iovec remote = {(void *)(uintptr_t)address, bytes};
    ssize_t done = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (done < 0) { /* a page border, or the call is refused: word by word */
        for (done = 0; (size_t)done < bytes; done += (ssize_t)sizeof(long)) {
            errno = 0;
            long word =
                ptrace(PTRACE_PEEKTEXT, pid, (void *)(uintptr_t)(address + done), NULL);
            size_t room = bytes - (size_t)done;
            if (errno != 0)
                break;
            memcpy((char *)buffer + done, &word,
                   room < sizeof(word) ? room : sizeof(word));
        }
    }
    return (size_t)done < bytes ? (size_t)done : bytes;
}
