/* SPDX-License-Identifier: MIT
 *
 * limit: how many flows there can be, and what says no.
 *
 * Flows are made, each runs and parks (parked.h), until the kernel refuses one or a bound of
 * the experiment's own is reached. The bounds keep the machine healthy: so many flows, so many
 * seconds, 60 % of the memory that was available at the start.
 *
 * A refusal is an errno, and EAGAIN or ENOMEM say little. So the limit is found by looking: for
 * each that could give this errno, how much of it is used; the one that is used up is
 * named, with both figures. Threads fail with EAGAIN both when a task and when its stack is
 * refused; a probe (the mappings that one more stack would take) tells these apart. It comes first and
 * fast, as other programs of this machine can't make tasks either while we hold them all.
 *
 * Everything is ended and joined before the trial ends. Processes die with the trial.
 */
#include "experiments.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "clock.h"
#include "footprint.h"
#include "parked.h"

struct limit_config {
    struct parked_config flow;
    size_t flows_max;
    size_t step; /* made between two looks at the bounds */
    double seconds_max;
};

static const double memory_share_max = 0.6;

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
    if (getrlimit((__rlimit_resource_t)resource, &limit) || limit.rlim_cur == RLIM_INFINITY)
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
        if (limit >= 0 && (fullest.limit < 0 || limit - used < fullest.limit - fullest.used))
            fullest = (struct candidate){"cgroup pids.max", limit, used};
    }
    return fullest;
}

/* The one with the least left, as a share of it, if that is nearly nothing. */
static const struct candidate *fullest_of(const struct candidate *candidates, size_t count)
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

/* ------------------------------------------------------------ what said no */

/* What one more stack takes of the address space: a mapping, and a guard that splits it. */
static int probe_stack(size_t stack_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, stack_bytes + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -errno;
    int err = mprotect(map + page, stack_bytes, PROT_READ | PROT_WRITE) ? -errno : 0;
    munmap(map, stack_bytes + page);
    return err;
}

struct refusal {
    int err;
    bool address_space; /* refused a mapping, not a task */
    struct candidate candidates[4];
    size_t candidate_count;
};

static void look_at_address_space(struct refusal *refusal, size_t stack_bytes)
{
    struct bench_process_memory memory = {0};
    struct candidate *c = refusal->candidates;
    bench_process_memory_read(0, &memory);
    /* Limits in bytes are hit when the next piece does not fit: it counts as used. */
    double reserved = (double)(memory.reserved_bytes + stack_bytes);
    c[0] = (struct candidate){"vm.max_map_count", number_in("/proc/sys/vm/max_map_count"),
                              mappings_used()};
    c[1] = (struct candidate){"RLIMIT_AS", rlimit_of(RLIMIT_AS), reserved};
    c[2] = (struct candidate){"RLIMIT_DATA", rlimit_of(RLIMIT_DATA), reserved};
    refusal->candidate_count = 3;
}

/* pids below 300 are not given out again once they have been passed (RESERVED_PIDS). */
static void look_at_tasks(struct refusal *refusal)
{
    struct candidate *c = refusal->candidates;
    double tasks = tasks_of_system();
    c[0] = (struct candidate){"kernel.pid_max", number_in("/proc/sys/kernel/pid_max") - 300,
                              tasks};
    c[1] = (struct candidate){"kernel.threads-max",
                              number_in("/proc/sys/kernel/threads-max"), tasks};
    c[2] = tasks_of_cgroup();
    c[3] = (struct candidate){"RLIMIT_NPROC", rlimit_of(RLIMIT_NPROC), 0};
    refusal->candidate_count = 4;
}

/* Called while the flows still exist. The user's tasks are counted only where a limit on them could
 * apply: that reads every process's status. */
static struct refusal look(const struct parked_config *flow, int err)
{
    struct refusal refusal = {.err = err};
    bool tasks = flow->kind == PARKED_PTHREAD || flow->kind == PARKED_PROCESS;
    refusal.address_space = !tasks || (flow->kind == PARKED_PTHREAD &&
                                       probe_stack(flow->stack_bytes) != 0);
    if (refusal.address_space) {
        look_at_address_space(&refusal, flow->stack_bytes);
        return refusal;
    }
    look_at_tasks(&refusal);
    if (refusal.candidates[3].limit >= 0 && getuid() != 0)
        refusal.candidates[3].used = tasks_of_user();
    return refusal;
}

static void note_refusal(struct bench_trial *t, const struct refusal *refusal)
{
    const struct candidate *c = fullest_of(refusal->candidates, refusal->candidate_count);
    bench_note(t, "errno", "%s (%s)", strerrorname_np(-refusal->err),
               refusal->address_space ? "of address space" : "of a task");
    if (c)
        bench_note(t, "limit", "%s: %.0f of %.0f used", c->name, c->used, c->limit);
    else
        bench_note(t, "limit", "unknown: no limit that could give this errno is used up");
}

/* ------------------------------------------------------------------- measuring */

enum stop { REFUSED, BOUND_FLOWS, BOUND_SECONDS, BOUND_MEMORY };

struct course {
    enum stop stop;
    int err;
    double seconds;
    uint64_t memory_at_start_bytes;
};

/* In steps; after a refusal in smaller ones, as a step's arena may be refused where a single
 * stack still fits. */
static void make_until_stopped(const struct limit_config *config, struct parked *parked,
                               struct course *course)
{
    uint64_t start_ns = bench_now_ns();
    size_t step = config->step;
    course->stop = BOUND_FLOWS;
    for (size_t count; (count = parked_count(parked)) < config->flows_max;) {
        size_t left = config->flows_max - count;
        int err = parked_grow(parked, step < left ? step : left);
        course->seconds = (double)(bench_now_ns() - start_ns) * 1e-9;
        if (err) {
            course->stop = REFUSED;
            course->err = err;
            bool by_arena = config->flow.kind == PARKED_CORO && err == -ENOMEM;
            if (!by_arena || step == 1)
                return;
            step /= 2;
            continue;
        }
        if (course->seconds > config->seconds_max) {
            course->stop = BOUND_SECONDS;
            return;
        }
        if ((double)bench_memory_available_bytes() <
            (1 - memory_share_max) * (double)course->memory_at_start_bytes) {
            course->stop = BOUND_MEMORY;
            return;
        }
    }
    course->stop = BOUND_FLOWS;
}

static void note_bound(struct bench_trial *t, const struct limit_config *config,
                       enum stop stop)
{
    if (stop == BOUND_FLOWS)
        bench_note(t, "limit", "bound of this experiment: %zu flows", config->flows_max);
    else if (stop == BOUND_SECONDS)
        bench_note(t, "limit", "bound of this experiment: %.0f s", config->seconds_max);
    else
        bench_note(t, "limit", "bound of this experiment: %.0f %% of the available memory",
                   100 * memory_share_max);
}

static int limit_measure(struct bench_trial *t)
{
    const struct limit_config *config = bench_case_of(t)->arg;
    struct course course = {.memory_at_start_bytes = bench_memory_available_bytes()};
    struct parked *parked = parked_new(&config->flow);
    if (!parked)
        return -ENOMEM;
    make_until_stopped(config, parked, &course);
    struct refusal refusal = {0};
    if (course.stop == REFUSED)
        refusal = look(&config->flow, course.err);
    size_t flows = parked_count(parked);
    parked_destroy(parked);
    if (course.stop == REFUSED && (course.err == -ENOTSUP || course.err == -EINVAL))
        return bench_skip(t, "no such flows here: %s", strerror(-course.err));
    if (course.stop == REFUSED && course.err == -ETIMEDOUT)
        return bench_fail(t, "flows were made and did not run");
    bench_metric(t, "flows", "flows", "self", (double)flows);
    if (flows)
        bench_metric(t, "create_ns", "ns/flow", "clock", course.seconds * 1e9 / (double)flows);
    if (course.stop == REFUSED)
        note_refusal(t, &refusal);
    else
        note_bound(t, config, course.stop);
    return 0;
}

#define LIMIT(subject_, params_, profile_, flags_, max, step_, seconds, ...)                 \
    {                                                                                        \
        .experiment = "limit", .subject = subject_, .params = params_,                       \
        .op = "one flow made and parked", .places = BENCH_AT(BENCH_SAME_CPU),                \
        .profile = profile_, .flags = flags_, .measure = limit_measure,                      \
        .arg = &(const struct limit_config){{__VA_ARGS__}, max, step_, seconds},             \
    }

/* The bound is part of the name: with another bound the figure is another one. */
const struct bench_case limit_cases[] = {
    LIMIT("coro", "stack_bytes=4096,guard=madvise,bound=100000", BENCH_DEFAULT, 0, 100000,
          1024, 2, PARKED_CORO, 4096, CORO_GUARD_MADVISE),
    LIMIT("coro", "stack_bytes=4096,guard=mprotect,bound=100000", BENCH_DEFAULT, 0, 100000,
          1024, 2, PARKED_CORO, 4096, CORO_GUARD_MPROTECT),
    LIMIT("coro", "stack_bytes=1024,guard=none,bound=10000000", BENCH_FULL, 0, 10000000, 65536,
          120, PARKED_CORO, 1024, CORO_GUARD_NONE),
    LIMIT("coro", "stack_bytes=4096,guard=madvise,bound=10000000", BENCH_FULL, 0, 10000000,
          65536, 120, PARKED_CORO, 4096, CORO_GUARD_MADVISE),
    LIMIT("pthread", "stack_bytes=16384,bound=40000", BENCH_DEFAULT, BENCH_THREADS, 40000, 1024,
          2, PARKED_PTHREAD, 16384, CORO_GUARD_NONE),
    LIMIT("pthread", "stack_bytes=16384,bound=200000", BENCH_FULL, BENCH_THREADS, 200000, 1024,
          60, PARKED_PTHREAD, 16384, CORO_GUARD_NONE),
    LIMIT("pthread", "stack_bytes=8388608,bound=200000", BENCH_FULL, BENCH_THREADS, 200000,
          1024, 60, PARKED_PTHREAD, 8388608, CORO_GUARD_NONE),
    LIMIT("fork", "bound=2000", BENCH_DEFAULT, BENCH_THREADS, 2000, 100, 2, PARKED_PROCESS, 0,
          CORO_GUARD_NONE),
    LIMIT("fork", "bound=10000", BENCH_FULL, BENCH_THREADS, 10000, 500, 30, PARKED_PROCESS, 0,
          CORO_GUARD_NONE),
};
const size_t limit_case_count = sizeof limit_cases / sizeof *limit_cases;
