/* SPDX-License-Identifier: MIT
 *
 * pmu_hog.c: pmu-hog MS EVENTS COMMAND...: runs the command, and MS later starts counters of CPU
 * 0, as many as EVENTS, so that the kernel multiplexes what the command counts. For
 * scripts/vm-test.
 */
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Until the command, which is the parent, has ended. */
static _Noreturn void hog(unsigned ms, int events)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE, .size = sizeof attr,
                                   .config = PERF_COUNT_HW_INSTRUCTIONS};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    usleep(ms * 1000);
    for (; events > 0; events--)
        if (syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0) < 0)
            perror("pmu-hog: perf_event_open");
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    if (fork() == 0)
        hog((unsigned)atoi(argv[1]), atoi(argv[2]));
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 1;
}
