/* SPDX-License-Identifier: MIT */
#include "footprint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A slabinfo of 300 caches is 40 KB. */
static char text_buffer[256 * 1024];

/* The whole of a small /proc file in text_buffer. 0 or -errno. */
static int text_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t used = 0;
    ssize_t got;
    while ((got = read(fd, text_buffer + used, sizeof text_buffer - 1 - used)) > 0)
        used += (size_t)got;
    int err = got < 0 ? -errno : used == sizeof text_buffer - 1 ? -EFBIG : 0;
    text_buffer[used] = '\0';
    close(fd);
    return err;
}

int64_t bench_memory_field(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            unsigned long long kilobytes;
            if (sscanf(line + length + 1, "%llu kB", &kilobytes) != 1)
                return -1;
            return (int64_t)kilobytes * 1024;
        }
    }
    return -1;
}

/* Adds nothing where a field is missing, and says so by false. */
static bool field_take(const char *name, uint64_t *bytes)
{
    int64_t value = bench_memory_field(text_buffer, name);
    *bytes = value < 0 ? 0 : (uint64_t)value;
    return value >= 0;
}

static int proc_read(pid_t pid, const char *file)
{
    char path[64];
    if (pid == 0)
        snprintf(path, sizeof path, "/proc/self/%s", file);
    else
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    return text_read(path);
}

int bench_process_memory_read(pid_t pid, struct bench_process_memory *memory)
{
    int err = proc_read(pid, "status");
    if (err)
        return err;
    if (!field_take("VmSize", &memory->reserved_bytes) ||
        !field_take("VmPTE", &memory->page_table_bytes))
        return -ENODATA;
    err = proc_read(pid, "smaps_rollup");
    if (err)
        return err;
    uint64_t clean, dirty;
    if (!field_take("Rss", &memory->resident_bytes) ||
        !field_take("Private_Clean", &clean) || !field_take("Private_Dirty", &dirty))
        return -ENODATA;
    memory->private_bytes = clean + dirty;
    return 0;
}

/* Caches that follow what other processes do with files, not how many flows there are. */
static bool cache_is_about_files(const char *name)
{
    static const char *const parts[] = {"inode",  "dentry", "buffer_head", "radix_tree",
                                        "bio",    "ext4_",  "btrfs_",      "xfs_",
                                        "kernfs", "skbuff", "names_cache"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(name, parts[i]))
            return true;
    return false;
}

int64_t bench_slab_live_bytes(const char *slabinfo)
{
    if (strncmp(slabinfo, "slabinfo - version: 2.", 22) != 0)
        return -1;
    uint64_t bytes = 0;
    for (const char *line = strchr(slabinfo, '\n'); line; line = strchr(line + 1, '\n')) {
        char name[64];
        unsigned long long live_objects, all_objects, object_bytes;
        if (line[1] != '#' &&
            sscanf(line + 1, "%63s %llu %llu %llu", name, &live_objects, &all_objects,
                   &object_bytes) == 4 &&
            !cache_is_about_files(name))
            bytes += live_objects * object_bytes;
    }
    return (int64_t)bytes;
}

int bench_kernel_memory_read(struct bench_kernel_memory *memory)
{
    int err = text_read("/proc/meminfo");
    if (err)
        return err;
    if (!field_take("KernelStack", &memory->stack_bytes) ||
        !field_take("SUnreclaim", &memory->object_bytes))
        return -ENODATA;
    int64_t live_bytes =
        text_read("/proc/slabinfo") ? -1 : bench_slab_live_bytes(text_buffer);
    memory->by_object = live_bytes >= 0;
    if (live_bytes >= 0)
        memory->object_bytes = (uint64_t)live_bytes;
    return 0;
}

/* Tasks and mappings are freed after an RCU grace period, which MEMBARRIER_CMD_GLOBAL
 * happens to wait for. Where it is refused (isolated CPUs), the polling has to do. */
void bench_kernel_memory_settle(void)
{
    enum { POLLS_MAX = 25, STILL_POLLS = 2 };
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    const uint64_t still_bytes = 32 * 1024;
    struct bench_kernel_memory memory;
    uint64_t before = 0;
    for (int i = 0; i < 2; i++)
        syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
    for (int poll = 0, still = 0; poll < POLLS_MAX && still < STILL_POLLS; poll++) {
        if (bench_kernel_memory_read(&memory))
            return;
        uint64_t now = memory.stack_bytes + memory.object_bytes;
        uint64_t change = now > before ? now - before : before - now;
        still = change < still_bytes ? still + 1 : 0;
        before = now;
        nanosleep(&pause, NULL);
    }
}

/* A file with one number, which may be "max". */
static bool number_read(const char *folder, const char *file, uint64_t *value)
{
    char path[512];
    unsigned long long number;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (text_read(path) || sscanf(text_buffer, "%llu", &number) != 1)
        return false;
    *value = number;
    return true;
}

static void room_in(const char *folder, const char *limit_file, const char *used_file,
                    uint64_t *room_bytes)
{
    uint64_t limit, used;
    if (!number_read(folder, limit_file, &limit) ||
        !number_read(folder, used_file, &used))
        return;
    uint64_t room = limit > used ? limit - used : 0;
    if (room < *room_bytes)
        *room_bytes = room;
}

/* The least room in the cgroup "/a/b", "/a" and "" under `mount`. */
static void cgroup_room(const char *mount, char *path, const char *limit_file,
                        const char *used_file, uint64_t *room_bytes)
{
    for (;;) {
        char folder[400];
        snprintf(folder, sizeof folder, "%s%s", mount, path);
        room_in(folder, limit_file, used_file, room_bytes);
        char *slash = strrchr(path, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

static void cgroups_room(uint64_t *room_bytes)
{
    FILE *list = fopen("/proc/self/cgroup", "re");
    char line[400], path[300];
    while (list && fgets(line, sizeof line, list)) {
        if (sscanf(line, "0::%299s", path) == 1)
            cgroup_room("/sys/fs/cgroup", path, "memory.max", "memory.current",
                        room_bytes);
        else if (sscanf(line, "%*[0-9]:memory:%299s", path) == 1)
            cgroup_room("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes",
                        "memory.usage_in_bytes", room_bytes);
    }
    if (list)
        fclose(list);
}

uint64_t bench_memory_available_bytes(void)
{
    uint64_t available_bytes;
    if (text_read("/proc/meminfo") || !field_take("MemAvailable", &available_bytes))
        return 0;
    cgroups_room(&available_bytes);
    return available_bytes;
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between the order statistics of a sorted array. */
static double quantile(const double *sorted, size_t n, double share)
{
    double at = share * (double)(n - 1);
    size_t below = (size_t)at;
    size_t above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

double bench_slope(const double *x, const double *y, size_t n, double *spread)
{
    if (spread)
        *spread = NAN;
    double *slopes = n < 2 ? NULL : malloc(n * (n - 1) / 2 * sizeof *slopes);
    if (!slopes)
        return NAN;
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (x[i] != x[j])
                slopes[count++] = (y[j] - y[i]) / (x[j] - x[i]);
    double slope = NAN;
    if (count) {
        qsort(slopes, count, sizeof *slopes, double_compare);
        slope = quantile(slopes, count, 0.5);
        if (spread)
            *spread = quantile(slopes, count, 0.75) - quantile(slopes, count, 0.25);
    }
    free(slopes);
    return slope;
}
