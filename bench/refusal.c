/* SPDX-License-Identifier: MIT
 *
 * refusal.c: each limit and how much of it is used, read from /proc, /sys and
 * getrlimit().
 *
 * Threads fail with EAGAIN both when a task and when its stack is refused; a probe (the
 * mappings that one more stack would take) tells these apart. It comes first and is fast:
 * where tasks have run out, other programs of this machine can't make any either while we
 * look.
 *
 * Rejected: the errno alone (EAGAIN has five causes), and asking the kernel's log, which
 * tells of pids cgroups only.
 */
#include "refusal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "footprint.h"

/* -------------------------------------------------------- limits and their use */

struct candidate {
    const char *name;
    double limit, used; /* limit < 0: there is none, or it can't be read */
};

static double number_in(const char *path)
{
    double number = -1;
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%lf", &number) != 1)
        number = -1; /* "max" */
    if (file)
        fclose(file);
    return number;
}

static double rlimit_of(int resource)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) ||
        limit.rlim_cur == RLIM_INFINITY)
        return -1;
    return (double)limit.rlim_cur;
}

/* Lines of /proc/self/maps, read without allocating: there may be no mapping left. */
static double mappings_used(void)
{
    static char block[65536];
    double lines = 0;
    ssize_t got;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (got = read(fd, block, sizeof block)) > 0)
        for (ssize_t i = 0; i < got; i++)
            lines += block[i] == '\n';
    if (fd >= 0)
        close(fd);
    return lines;
}

/* The system's: the fourth field of /proc/loadavg is "runnable/tasks". */
static double tasks_of_system(void)
{
    unsigned long tasks = 0;
    FILE *file = fopen("/proc/loadavg", "re");
    if (file && fscanf(file, "%*s %*s %*s %*u/%lu", &tasks) != 1)
        tasks = 0;
    if (file)
        fclose(file);
    return (double)tasks;
}

/* Threads of the process, if its real user is `user`. */
static double tasks_in_status(const char *path, uid_t user)
{
    char line[256];
    unsigned owner = ~user, threads = 0;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        sscanf(line, "Uid: %u", &owner);
        sscanf(line, "Threads: %u", &threads);
    }
    if (file)
        fclose(file);
    return owner == user ? threads : 0;
}

static double tasks_of_user(void)
{
    double tasks = 0;
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    while (proc && (entry = readdir(proc))) {
        char path[300];
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%s/status", entry->d_name);
        tasks += tasks_in_status(path, getuid());
    }
    if (proc)
        closedir(proc);
    return tasks;
}

/* The fullest of this process's pids cgroups, from its own up to the root. */
static struct candidate tasks_of_cgroup(void)
{
    struct candidate fullest = {"cgroup pids.max", -1, 0};
    char line[400], path[300] = "";
    const char *mount = "";
    FILE *list = fopen("/proc/self/cgroup", "re");
    while (list && !*mount && fgets(line, sizeof line, list)) {
        if (sscanf(line, "%*[0-9]:pids:%299s", path) == 1)
            mount = "/sys/fs/cgroup/pids";
        else if (sscanf(line, "0::%299s", path) == 1 &&
                 access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0)
            mount = "/sys/fs/cgroup";
    }
    if (list)
        fclose(list);
    for (char *end = path + strlen(path); *mount && end; end = strrchr(path, '/')) {
        char file[400];
        *end = '\0';
        snprintf(file, sizeof file, "%s%s/pids.max", mount, path);
        double limit = number_in(file);
        snprintf(file, sizeof file, "%s%s/pids.current", mount, path);
        double used = number_in(file);
        if (limit >= 0 &&
            (fullest.limit < 0 || limit - used < fullest.limit - fullest.used))
            fullest = (struct candidate){"cgroup pids.max", limit, used};
    }
    return fullest;
}

/* The one with the least left, as a share of it, if that is nearly nothing. */
static const struct candidate *fullest_of(const struct candidate *candidates,
                                          size_t count)
{
    const double nearly_nothing = 0.02;
    const struct candidate *fullest = NULL;
    double least_left = nearly_nothing;
    for (size_t i = 0; i < count; i++) {
        const struct candidate *c = &candidates[i];
        double left = c->limit > 0 ? (c->limit - c->used) / c->limit : 1;
        if (left <= least_left) {
            least_left = left;
            fullest = c;
        }
    }
    return fullest;
}

/* ------------------------------------------------------------- what said no */

/* What one more stack takes of the address space: a mapping, which a guard splits. */
static int probe_stack(size_t stack_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map =
        mmap(NULL, stack_bytes + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -errno;
    int err = mprotect(map + page, stack_bytes, PROT_READ | PROT_WRITE) ? -errno : 0;
    munmap(map, stack_bytes + page);
    return err;
}

struct look {
    bool address_space; /* refused a mapping, not a task */
    struct candidate candidates[4];
    size_t candidate_count;
};

static void look_at_address_space(struct look *look, size_t stack_bytes)
{
    struct bench_process_memory memory = {0};
    struct candidate *c = look->candidates;
    bench_process_memory_read(0, &memory);
    /* Limits in bytes are hit when the next piece does not fit: it counts as used. */
    double reserved = (double)(memory.reserved_bytes + stack_bytes);
    c[0] = (struct candidate){"vm.max_map_count", number_in("/proc/sys/vm/max_map_count"),
                              mappings_used()};
    c[1] = (struct candidate){"RLIMIT_AS", rlimit_of(RLIMIT_AS), reserved};
    c[2] = (struct candidate){"RLIMIT_DATA", rlimit_of(RLIMIT_DATA), reserved};
    look->candidate_count = 3;
}

/* A few hundred pids are never given out again (RESERVED_PIDS), so that pid_max is used
 * up a little below its figure: fullest_of() bears that. */
static void look_at_tasks(struct look *look)
{
    struct candidate *c = look->candidates;
    double tasks = tasks_of_system();
    c[0] = (struct candidate){"kernel.pid_max", number_in("/proc/sys/kernel/pid_max"),
                              tasks};
    c[1] = (struct candidate){"kernel.threads-max",
                              number_in("/proc/sys/kernel/threads-max"), tasks};
    c[2] = tasks_of_cgroup();
    c[3] = (struct candidate){"RLIMIT_NPROC", rlimit_of(RLIMIT_NPROC), 0};
    look->candidate_count = 4;
}

/* The user's tasks are counted only where a limit on them could apply: that reads every
 * process's status. */
static struct look look_around(const struct parked_config *flow)
{
    struct look look = {0};
    bool tasks = flow->kind == PARKED_PTHREAD || flow->kind == PARKED_PROCESS;
    look.address_space =
        !tasks || (flow->kind == PARKED_PTHREAD && probe_stack(flow->stack_bytes) != 0);
    if (look.address_space) {
        look_at_address_space(&look, flow->stack_bytes);
        return look;
    }
    look_at_tasks(&look);
    if (look.candidates[3].limit >= 0 && getuid() != 0)
        look.candidates[3].used = tasks_of_user();
    return look;
}

void refusal_explain(struct refusal *refusal, const struct parked_config *flow, int err)
{
    struct look look = look_around(flow);
    const struct candidate *c = fullest_of(look.candidates, look.candidate_count);
    const char *word = strerrorname_np(-err);
    snprintf(refusal->error, sizeof refusal->error, "%s (%s)", word ? word : "?",
             look.address_space ? "of address space" : "of a task");
    if (c)
        snprintf(refusal->limit, sizeof refusal->limit, "%s: %.0f of %.0f used", c->name,
                 c->used, c->limit);
    else
        snprintf(refusal->limit, sizeof refusal->limit,
                 "unknown: no limit that could give this errno is used up");
}
