/* SPDX-License-Identifier: MIT
 *
 * facts_limits.c: what bounds the number of flows and the time that they get: the
 * kernel's counts, this process's resource limits, its control groups.
 *
 * A control group's limit is that of the tightest group on the way up to the root. Groups
 * are looked for in both hierarchies, as machines mount either or both; what lies above a
 * container's own root can't be seen, and no fact names a group (a group's name may hold
 * a user's).
 */
#include "facts.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "sysfile.h"

static void overcommit(struct bench_fact *fact, const struct bench_facts_context *context)
{
    long long mode;
    if (bench_sysfile_number("/proc/sys/vm/overcommit_memory", &mode) != 0)
        bench_fact_unavailable(fact, "/proc/sys/vm/overcommit_memory can't be read");
    else if (mode == 2)
        bench_fact_warn(
            fact,
            "reserved stacks count as memory used, so that far fewer flows fit: "
            "write 0 or 1 to /proc/sys/vm/overcommit_memory",
            "2: never");
    else
        bench_fact_ok(fact, mode == 1 ? "1: always" : "0: heuristic");
}

static void mappings(struct bench_fact *fact, const struct bench_facts_context *context)
{
    long long maps;
    if (bench_sysfile_number("/proc/sys/vm/max_map_count", &maps) != 0)
        bench_fact_unavailable(fact, "/proc/sys/vm/max_map_count can't be read");
    else
        bench_fact_ok(fact, "%lld", maps);
}

static void threads(struct bench_fact *fact, const struct bench_facts_context *context)
{
    long long pids, tasks;
    if (bench_sysfile_number("/proc/sys/kernel/pid_max", &pids) != 0 ||
        bench_sysfile_number("/proc/sys/kernel/threads-max", &tasks) != 0)
        bench_fact_unavailable(fact,
                               "/proc/sys/kernel/pid_max or threads-max can't be read");
    else
        bench_fact_ok(fact, "pid_max %lld, threads-max %lld", pids, tasks);
}

/* The soft limit: fine when it is at least `enough`. */
static void limit_fact(struct bench_fact *fact, int which, rlim_t enough,
                       const char *advice)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)which, &limit) != 0)
        bench_fact_unavailable(fact, "getrlimit: %s", strerror(errno));
    else if (limit.rlim_cur == RLIM_INFINITY)
        bench_fact_ok(fact, "unlimited");
    else if (limit.rlim_cur < enough)
        bench_fact_warn(fact, advice, "%llu", (unsigned long long)limit.rlim_cur);
    else
        bench_fact_ok(fact, "%llu", (unsigned long long)limit.rlim_cur);
}

static void processes_limit(struct bench_fact *fact,
                            const struct bench_facts_context *context)
{
    limit_fact(fact, RLIMIT_NPROC, 1000,
               "creation of threads and processes stops here: raise it (ulimit -u)");
}

static void address_space_limit(struct bench_fact *fact,
                                const struct bench_facts_context *context)
{
    limit_fact(fact, RLIMIT_AS, (rlim_t)64 << 30,
               "bytes of address space: reserving many stacks will fail here; lift it "
               "(ulimit -v unlimited)");
}

static void stack_limit(struct bench_fact *fact,
                        const struct bench_facts_context *context)
{
    limit_fact(
        fact, RLIMIT_STACK, 1 << 20,
        "bytes: a thread's default stack is this large, and depth needs 1 MiB: raise "
        "it (ulimit -s)");
}

/* Calls visit(directory, arg) for the group of `controller` and each group above it. */
typedef void visit_fn(const char *directory, void *arg);

static void visit_upwards(const char *mount, const char *group, visit_fn *visit,
                          void *arg)
{
    char directory[PATH_MAX];
    size_t mount_bytes = strlen(mount);
    if (strstr(group, "..")) /* outside of this namespace's root: begin at the root */
        group = "/";
    if ((size_t)snprintf(directory, sizeof directory, "%s%s", mount, group) >=
        sizeof directory)
        return;
    for (;;) {
        visit(directory, arg);
        char *slash = strrchr(directory, '/');
        if (!slash || (size_t)(slash - directory) < mount_bytes)
            return;
        *slash = '\0';
    }
}

static int names_controller(const char *list, const char *controller)
{
    size_t bytes = strlen(controller);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, controller, bytes) == 0 && (at[bytes] == ',' || !at[bytes]))
            return 1;
    return 0;
}

static void visit_groups(const char *controller, visit_fn *visit, void *arg)
{
    char *text = bench_sysfile_text("/proc/self/cgroup"), *rest = NULL, mount[64];
    snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", controller);
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0'; /* "4:cpu,cpuacct:/group", or "0::/group" */
        list++;
        if (!*list) {
            visit_upwards("/sys/fs/cgroup", group, visit, arg);
            visit_upwards("/sys/fs/cgroup/unified", group, visit, arg);
        } else if (names_controller(list, controller)) {
            visit_upwards(mount, group, visit, arg);
        }
    }
    free(text);
}

/* The lowest limit seen so far; < 0: none. */
struct lowest {
    double limit;
    const char *const *files; /* of the unified and of the older hierarchy; NULL ends */
};

static void lower(struct lowest *lowest, double limit)
{
    if (limit >= 0 && (lowest->limit < 0 || limit < lowest->limit))
        lowest->limit = limit;
}

static void visit_number(const char *directory, void *arg)
{
    struct lowest *lowest = arg;
    for (const char *const *file = lowest->files; *file; file++) {
        char path[PATH_MAX + 64];
        long long
            limit; /* "max" is no number; the older hierarchy has a huge one for it */
        snprintf(path, sizeof path, "%s/%s", directory, *file);
        if (bench_sysfile_number(path, &limit) == 0 && limit < LLONG_MAX / 4)
            lower(lowest, (double)limit);
    }
}

/* CPUs' worth of time per period. */
static void visit_quota(const char *directory, void *arg)
{
    char path[PATH_MAX + 64], line[64];
    long long quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", directory);
    if (bench_sysfile_line(path, line, sizeof line) == 0 &&
        sscanf(line, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0)
        lower(arg, (double)quota / (double)period);
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
    int error = bench_sysfile_number(path, &quota);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    if (!error && bench_sysfile_number(path, &period) == 0 && quota > 0 && period > 0)
        lower(arg, (double)quota / (double)period);
}

static int has_groups(struct bench_fact *fact)
{
    char line[8];
    int error = bench_sysfile_line("/proc/self/cgroup", line, sizeof line);
    if (error)
        bench_fact_unavailable(fact, "/proc/self/cgroup can't be read: %s",
                               strerror(-error));
    return !error;
}

static void group_cpu(struct bench_fact *fact, const struct bench_facts_context *context)
{
    struct lowest lowest = {-1, NULL};
    if (!has_groups(fact))
        return;
    visit_groups("cpu", visit_quota, &lowest);
    if (lowest.limit < 0)
        bench_fact_ok(fact, "no quota");
    else
        bench_fact_warn(
            fact,
            "when the quota is spent, the kernel stops all threads for the rest "
            "of a period (100 ms as a rule): long outliers; lift cpu.max",
            "%.2f CPUs", lowest.limit);
}

static void group_number(struct bench_fact *fact, const char *controller,
                         const char *const *files, double enough, double unit,
                         const char *unit_name, const char *advice)
{
    struct lowest lowest = {-1, files};
    if (!has_groups(fact))
        return;
    visit_groups(controller, visit_number, &lowest);
    if (lowest.limit < 0)
        bench_fact_ok(fact, "no limit");
    else if (lowest.limit < enough)
        bench_fact_warn(fact, advice, "%.0f %s", lowest.limit / unit, unit_name);
    else
        bench_fact_ok(fact, "%.0f %s", lowest.limit / unit, unit_name);
}

static void group_memory(struct bench_fact *fact,
                         const struct bench_facts_context *context)
{
    static const char *const files[] = {"memory.max", "memory.limit_in_bytes", NULL};
    group_number(
        fact, "memory", files, 1 << 30, 1 << 20, "MiB",
        "a footprint above it ends in the out-of-memory killer: raise memory.max");
}

static void group_processes(struct bench_fact *fact,
                            const struct bench_facts_context *context)
{
    static const char *const files[] = {"pids.max", NULL};
    group_number(fact, "pids", files, 1000, 1, "threads and processes",
                 "creation of threads and processes stops here: raise pids.max");
}

const struct bench_fact_reader bench_facts_limits[] = {
    {"overcommit", overcommit},         {"max-map-count", mappings},
    {"threads-max", threads},           {"rlimit-nproc", processes_limit},
    {"rlimit-as", address_space_limit}, {"rlimit-stack", stack_limit},
    {"cgroup-cpu", group_cpu},          {"cgroup-memory", group_memory},
    {"cgroup-pids", group_processes},   {NULL, NULL},
};
