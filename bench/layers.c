/* SPDX-License-Identifier: MIT
 *
 * layers: what lies between a coroutine's switch and two processes that talk through a pipe.
 *
 * Most of the rungs are cases of other experiments, and are not measured twice: the bare switch
 * (`switch`), through the run queue (`yield`), through a channel, on one CPU and across two
 * (`message`), the kernel's scheduler and two threads by futex (`switch`). Here are those that
 * they lack:
 *
 *  - syscall: into the kernel and back, with nothing done there.
 *  - process-futex: `switch/pthread-futex` between two processes: another address space.
 *  - process-pipe: `switch/pthread-pipe` between two processes.
 *
 * The report puts them in order, as the cost of one hand-over, and says what each adds: a
 * channel's round trip is two hand-overs; a thread that hands over by futex enters the kernel
 * twice, to wake the other and to wait itself.
 *
 * Two processes are two kernel switches per two ops, of which each process is charged one.
 */
#include "experiments.h"

#include <sys/syscall.h>
#include <unistd.h>
#include "switch.h"

/* Not getppid(), which a C library may answer itself. -1 never: no process has that parent. */
static uint64_t syscall_run(struct bench_trial *t, uint64_t ops)
{
    uint64_t returned = 0;

    (void)t;
    for (uint64_t i = 0; i < ops; i++)
        returned += syscall(SYS_getppid) != -1;
    return returned;
}

static const struct bench_contract contract_process = {
    .saves = "all registers, on the kernel's stack; the address space", .bytes_saved = -1,
    .fp_control = true, .signal_mask = true, .tls_base = true, .kernel_entry = true};

/* On one CPU the other process has half of it, which its own clock tells alone. */
#define PROCESS(subject_, handover, where, least, profile_)                              \
    {                                                                                    \
        .experiment = "layers", .subject = subject_, .params = "",                       \
        .op = "one-way switch", .places = where, .profile = profile_,                    \
        .flags = BENCH_THREADS | ((where) == HERE ? BENCH_PREEMPTS : 0),                 \
        .contract = &contract_process,                                                   \
        .kernel_switches_min = least, .kernel_switches_max = 4,                          \
        .setup = switch_process_setup, .run = switch_thread_run,                         \
        .teardown = switch_thread_teardown, .arg = &handover,                            \
    }
#define HERE      BENCH_AT(BENCH_SAME_CPU)
#define ELSEWHERE (BENCH_AT_ANY & ~HERE)

const struct bench_case layers_cases[] = {
    {
        .experiment = "layers", .subject = "syscall", .params = "",
        .op = "one system call that does nothing", .places = HERE, .profile = BENCH_DEFAULT,
        .kernel_switches_max = 0.01, .run = syscall_run,
    },
    PROCESS("process-futex", switch_futex, HERE, 0.45, BENCH_DEFAULT),
    PROCESS("process-pipe", switch_pipe, HERE, 0.45, BENCH_DEFAULT),
    PROCESS("process-futex", switch_futex, ELSEWHERE, 0, BENCH_FULL),
    PROCESS("process-pipe", switch_pipe, ELSEWHERE, 0, BENCH_DEFAULT),
};
const size_t layers_case_count = sizeof layers_cases / sizeof *layers_cases;
