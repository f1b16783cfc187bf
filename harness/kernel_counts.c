/* SPDX-License-Identifier: MIT */
#include "kernel_counts.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "clock.h"

double kernel_cpu_ns(pid_t process)
{
    clockid_t clock;
    struct timespec t;
    if (process == 0)
        return (double)bench_cpu_ns();
    if (clock_getcpuclockid(process, &clock) || clock_gettime(clock, &t))
        return NAN;
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct kernel_counts own_counts(void)
{
    struct rusage self;
    getrusage(RUSAGE_SELF, &self);
    return (struct kernel_counts){.voluntary = (double)self.ru_nvcsw,
                                  .involuntary = (double)self.ru_nivcsw,
                                  .faults_minor = (double)self.ru_minflt,
                                  .cpu_ns = kernel_cpu_ns(0)};
}

/* The threads of a process, one call of visit() each. -errno when there is no such process. */
static int each_thread(pid_t process, void (*visit)(pid_t process, pid_t thread, void *arg),
                       void *arg)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    DIR *tasks = opendir(path);
    if (!tasks)
        return -errno;
    for (struct dirent *entry; (entry = readdir(tasks));) {
        pid_t thread = (pid_t)atoi(entry->d_name);
        if (thread > 0)
            visit(process, thread, arg);
    }
    closedir(tasks);
    return 0;
}

static void add_thread(pid_t process, pid_t thread, void *arg)
{
    struct kernel_counts *counts = arg;
    char path[96], line[256];
    unsigned long long n;
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)process, (int)thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return; /* it has just ended, which its absence from the hash tells */
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1)
            counts->voluntary += (double)n;
        else if (sscanf(line, "nonvoluntary_ctxt_switches: %llu", &n) == 1)
            counts->involuntary += (double)n;
    }
    counts->threads += (uint64_t)thread * UINT64_C(0x9e3779b97f4a7c15);
    fclose(file);
}

/* Minor faults: the tenth field of /proc/PID/stat, counted from behind the name, which may hold
 * anything, blanks and parentheses too. */
static double faults_of(pid_t process)
{
    char path[64], text[1024] = "";
    unsigned long long faults;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "re");
    if (!file)
        return NAN;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *rest = strrchr(text, ')');
    return rest && sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %llu", &faults) == 1
               ? (double)faults
               : NAN;
}

struct kernel_counts kernel_counts_read(pid_t process)
{
    if (process == 0)
        return own_counts();
    struct kernel_counts counts = {.faults_minor = faults_of(process),
                                   .cpu_ns = kernel_cpu_ns(process)};
    each_thread(process, add_thread, &counts);
    return counts;
}

struct kernel_counts kernel_counts_since(const struct kernel_counts *before,
                                         const struct kernel_counts *after)
{
    bool same = before->threads == after->threads;
    return (struct kernel_counts){
        .voluntary = same ? after->voluntary - before->voluntary : NAN,
        .involuntary = same ? after->involuntary - before->involuntary : NAN,
        .faults_minor = after->faults_minor - before->faults_minor,
        .cpu_ns = after->cpu_ns - before->cpu_ns,
        .threads = after->threads};
}

/* ------------------------------------------------------------------ strays */

struct stray_search {
    cpu_set_t home;
    int found;
};

static void add_stray(pid_t process, pid_t thread, void *arg)
{
    struct stray_search *search = arg;
    cpu_set_t allowed, both;
    (void)process;
    if (sched_getaffinity(thread, sizeof allowed, &allowed))
        return; /* it has ended */
    CPU_AND(&both, &allowed, &search->home);
    search->found += !CPU_EQUAL(&both, &allowed);
}

int kernel_strays(pid_t process, const int cpu[2])
{
    struct stray_search search = {.found = 0};
    CPU_ZERO(&search.home);
    for (int i = 0; i < 2; i++)
        if (cpu[i] >= 0 && cpu[i] < CPU_SETSIZE)
            CPU_SET(cpu[i], &search.home);
    int err = each_thread(process, add_stray, &search);
    return err ? err : search.found;
}
