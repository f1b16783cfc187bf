/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

static cpu_set_t placement(const struct bench_trial *t, unsigned flows)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned flow = 0; flow < flows; flow++)
        if (bench_cpu(t, flow) < CPU_SETSIZE)
            CPU_SET(bench_cpu(t, flow), &set);
    return set;
}

static int pin(pid_t thread, const cpu_set_t *set)
{
    if (sched_setaffinity(thread, sizeof *set, set) && errno != ESRCH) /* it has ended */
        return -errno;
    return 0;
}

/* 1 when the thread may run on a CPU that isn't in the set. */
static int strays(pid_t thread, const cpu_set_t *set)
{
    cpu_set_t allowed, both;
    if (sched_getaffinity(thread, sizeof allowed, &allowed))
        return errno == ESRCH ? 0 : -errno;
    CPU_AND(&both, &allowed, set);
    return !CPU_EQUAL(&both, &allowed);
}

/* Sum of visit() over the threads, the main one left out; the first error ends it. */
static int each_thread(const struct bench_trial *t, unsigned flows,
                       int (*visit)(pid_t thread, const cpu_set_t *set))
{
    cpu_set_t set = placement(t, flows);
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return -errno;
    int sum = 0;
    for (struct dirent *entry; sum >= 0 && (entry = readdir(tasks));) {
        pid_t thread = (pid_t)atoi(entry->d_name);
        if (thread <= 0 || thread == getpid())
            continue;
        int result = visit(thread, &set);
        sum = result < 0 ? result : sum + result;
    }
    closedir(tasks);
    return sum;
}

int process_pin(const struct bench_trial *t, unsigned flows)
{
    int err = each_thread(t, flows, pin);
    /* Again: a thread may have been started by one that was not pinned yet. */
    return err ? err : each_thread(t, flows, pin);
}

int process_strays(const struct bench_trial *t, unsigned flows)
{
    return each_thread(t, flows, strays);
}
