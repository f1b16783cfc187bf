/* SPDX-License-Identifier: MIT
 *
 * counters.c: events in groups that the PMU can schedule together.
 *
 * An event joins the current group if the kernel accepts it there and a trial reading
 * shows the whole group on counters all of the time; else it begins the next group. The
 * trial reading matters: the kernel's own check does not know of a counter that the NMI
 * watchdog or another user holds.
 *
 * All groups but the one that is started stand still, so nothing competes. Values are
 * differences of two readings made while the group runs; what start and stop themselves
 * execute is the same each time, and falls out of a slope.
 *
 * Rejected: PERF_FORMAT_GROUP (refused with inherit by kernels before 6.13, and reading
 * one by one is outside of what is measured); pinned leaders (an event that can't be had
 * then reads as end of file and not as a multiplexed value, which says less).
 */
#include "counters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "counters_event.h"
#include "counters_page.h"

struct event {
    struct bench_counter counter;
    char *metric, *name;               /* what counter's pointers point to */
    int fd;                            /* -1 when absent */
    struct perf_event_mmap_page *page; /* NULL: read(2) */
    struct bench_reading start;
};

struct bench_counters {
    struct event *events;
    size_t count;
    int groups;
    int leader_fd; /* of the group that is being filled */
    bool inherit;
};

/* ---- reading ---- */

static int read_file(const struct event *e, struct bench_reading *reading)
{
    uint64_t words[3]; /* count, time enabled, time running: read_format */
    ssize_t bytes = read(e->fd, words, sizeof(words));
    if (bytes != (ssize_t)sizeof(words))
        return bytes < 0 ? -errno : -EIO;
    *reading = (struct bench_reading){words[0], words[1], words[2]};
    return 0;
}

static int read_event(const struct event *e, struct bench_reading *reading)
{
    if (e->page != NULL && bench_page_read(e->page, &bench_pmc_cpu, reading))
        return 0;
    return read_file(e, reading);
}

static int leader_of(const struct bench_counters *c, int group)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->events[i].counter.group == group)
            return c->events[i].fd;
    return -1;
}

int bench_counters_start(struct bench_counters *c, int group)
{
    int leader_fd = leader_of(c, group);
    int error = 0;
    if (group < 0 || leader_fd < 0)
        return -EINVAL;
    if (ioctl(leader_fd, PERF_EVENT_IOC_ENABLE, 0) != 0)
        return -errno;
    for (size_t i = 0; i < c->count && error == 0; i++)
        if (c->events[i].counter.group == group)
            error = read_event(&c->events[i], &c->events[i].start);
    if (error != 0)
        ioctl(leader_fd, PERF_EVENT_IOC_DISABLE, 0);
    return error;
}

int bench_counters_stop(struct bench_counters *c, int group, uint64_t *values)
{
    int leader_fd = leader_of(c, group);
    int worst = 0;
    if (group < 0 || leader_fd < 0)
        return -EINVAL;
    for (size_t i = 0; i < c->count; i++) {
        struct bench_reading stop;
        if (c->events[i].counter.group != group)
            continue;
        int error = read_event(&c->events[i], &stop);
        if (error == 0)
            error = bench_reading_difference(&c->events[i].start, &stop, &values[i]);
        if (worst == 0 || worst == -EAGAIN)
            worst = error != 0 ? error : worst;
    }
    if (ioctl(leader_fd, PERF_EVENT_IOC_DISABLE, 0) != 0 && worst == 0)
        worst = -errno;
    return worst;
}

/* ---- groups ---- */

/* Long enough for the kernel's clock to see a group that is off its counters. */
static void work_a_little(void)
{
    for (unsigned i = 0; i < 100000; i++)
        __asm__ volatile("" : "+r"(i));
}

/* Whether all of the group was on counters all of the time. */
static bool fits(struct bench_counters *c, int group)
{
    uint64_t *values = calloc(c->count, sizeof(*values));
    bool all = values != NULL && bench_counters_start(c, group) == 0;
    if (all) {
        work_a_little();
        all = bench_counters_stop(c, group, values) == 0;
    }
    free(values);
    return all;
}

static void map_page(const struct bench_counters *c, struct event *e)
{
    if (c->inherit || bench_pmc_cpu.pmc == NULL)
        return;
    void *page =
        mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, e->fd, 0);
    e->page = page != MAP_FAILED ? page : NULL;
}

static void unmap_page(struct event *e)
{
    if (e->page != NULL)
        munmap(e->page, (size_t)sysconf(_SC_PAGESIZE));
    e->page = NULL;
}

static void leave_group(struct event *e)
{
    unmap_page(e);
    close(e->fd);
    e->fd = -1;
    e->counter.group = -1;
}

/* ":u" is libpfm4's own modifier for user space alone. */
static void say_user_only(struct event *e)
{
    size_t length = strlen(e->name);
    char *renamed;
    if (length >= 2 && strcmp(e->name + length - 2, ":u") == 0)
        return;
    if (asprintf(&renamed, "%s:u", e->name) < 0)
        return;
    free(e->name);
    e->counter.event = e->name = renamed;
}

static int open_event(struct event *e, const struct perf_event_attr *wanted,
                      int leader_fd, bool inherit)
{
    struct perf_event_attr attr = *wanted;
    bool user_only;
    attr.inherit = inherit;
#if defined(__aarch64__)
    /* Bit 1 of config1 asks for reading in user space, which a sysctl may refuse. */
    if (!inherit && attr.type != PERF_TYPE_SOFTWARE) {
        attr.config1 |= 2;
        e->fd = bench_event_open(&attr, leader_fd, &user_only, e->counter.reason);
        if (e->fd >= 0)
            return 0;
        attr = *wanted;
    }
#endif
    e->fd = bench_event_open(&attr, leader_fd, &user_only, e->counter.reason);
    if (e->fd >= 0 && user_only)
        say_user_only(e);
    return e->fd >= 0 ? 0 : -1;
}

/* Opens the event in the group, and closes it again if it does not fit. */
static bool joins(struct bench_counters *c, struct event *e,
                  const struct perf_event_attr *attr, int group, int leader_fd)
{
    if (open_event(e, attr, leader_fd, c->inherit) != 0)
        return false;
    e->counter.group = group;
    e->counter.source = attr->type == PERF_TYPE_SOFTWARE || attr->type == PERF_TYPE_TRACEPOINT
                            ? "kernel"
                            : "pmu";
    map_page(c, e);
    if (fits(c, group))
        return true;
    leave_group(e);
    snprintf(e->counter.reason, sizeof(e->counter.reason),
             "the kernel never had a hardware counter free for it (the NMI watchdog or "
             "another "
             "user holds them?)");
    return false;
}

static bool place(struct bench_counters *c, struct event *e,
                  const struct perf_event_attr *attr)
{
    bool joined = c->groups > 0 && joins(c, e, attr, c->groups - 1, c->leader_fd);
    if (!joined && joins(c, e, attr, c->groups, -1)) {
        joined = true;
        c->leader_fd = e->fd;
        c->groups++;
    }
    if (joined)
        e->counter.reason[0] = '\0';
    return joined;
}

/* ---- the list of events ---- */

/* The next free element, or NULL without memory; room was made for all. */
static struct event *add(struct bench_counters *c, const char *metric, const char *name)
{
    struct event *e = &c->events[c->count];
    *e = (struct event){.fd = -1, .counter.group = -1};
    e->metric = strdup(metric);
    e->name = strdup(name);
    if (e->metric == NULL || e->name == NULL) {
        free(e->metric);
        free(e->name);
        return NULL;
    }
    e->counter.metric = e->metric;
    e->counter.event = e->name;
    c->count++;
    return e;
}

static bool try_name(struct bench_counters *c, struct event *e, const char *name)
{
    struct perf_event_attr attr;
    char *copy = strdup(name);
    if (copy == NULL)
        return false;
    free(e->name);
    e->counter.event = e->name = copy;
    return bench_event_encode(name, &attr, e->counter.reason) == 0 && place(c, e, &attr);
}

/* The first name that works; else the reason of the last, the kernel's generic one. */
static int add_wanted(struct bench_counters *c, const struct bench_wanted *wanted)
{
    struct event *e = add(c, wanted->metric, wanted->names[0]);
    if (e == NULL)
        return -ENOMEM;
    for (int pass = 0; wanted->names[pass] != NULL; pass++) {
        char before[BENCH_REASON_BYTES];
        memcpy(before, e->counter.reason, sizeof(before));
        if (try_name(c, e, wanted->names[pass]))
            return 0;
        /* "libpfm4 does not know" is the weaker reason */
        if (before[0] != '\0' && strncmp(before, "libpfm4", 7) != 0)
            memcpy(e->counter.reason, before, sizeof(before));
    }
    return 0;
}

static int add_default(struct bench_counters *c)
{
    c->events = calloc(bench_wanted_default_count, sizeof(*c->events));
    int error = c->events == NULL ? -ENOMEM : 0;
    for (size_t i = 0; i < bench_wanted_default_count && error == 0; i++)
        error = add_wanted(c, &bench_wanted_default[i]);
    return error;
}

/* Two events that differ in the PMU alone would have one metric name: number the second.
 */
static void make_unique(const struct bench_counters *c, char *metric, size_t metric_bytes)
{
    unsigned same = 1;
    size_t length = strlen(metric);
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->events[i].metric, metric) == 0) {
            snprintf(metric + length, metric_bytes - length, "_%u", ++same);
            i = (size_t)-1; /* from the first again, with the new name */
        }
}

static int add_named(struct bench_counters *c, const char *name)
{
    size_t metric_bytes = strlen(name) + 16;
    char *metric = malloc(metric_bytes);
    if (metric == NULL)
        return -ENOMEM;
    bench_event_metric(name, metric);
    make_unique(c, metric, metric_bytes);
    struct event *e = add(c, metric, name);
    free(metric);
    if (e == NULL)
        return -ENOMEM;
    try_name(c, e, name);
    return 0;
}

static int add_list(struct bench_counters *c, const char *events)
{
    size_t names = 1;
    for (const char *p = events; *p != '\0'; p++)
        names += *p == ',';
    c->events = calloc(names, sizeof(*c->events));
    char *list = strdup(events), *rest = list;
    int error = c->events == NULL || list == NULL ? -ENOMEM : 0;
    for (char *name; error == 0 && (name = strsep(&rest, ",")) != NULL;)
        if (name[0] != '\0')
            error = add_named(c, name);
    free(list);
    return error;
}

struct bench_counters *bench_counters_open(const char *events, bool inherit)
{
    struct bench_counters *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->leader_fd = -1;
    c->inherit = inherit;
    if ((events == NULL ? add_default(c) : add_list(c, events)) != 0) {
        bench_counters_close(c);
        return NULL;
    }
    return c;
}

void bench_counters_close(struct bench_counters *c)
{
    /* members before their leaders */
    for (size_t i = c == NULL ? 0 : c->count; i-- > 0;) {
        if (c->events[i].fd >= 0)
            leave_group(&c->events[i]);
        free(c->events[i].metric);
        free(c->events[i].name);
    }
    if (c != NULL)
        free(c->events);
    free(c);
}

size_t bench_counters_count(const struct bench_counters *c)
{
    return c->count;
}

const struct bench_counter *bench_counters_at(const struct bench_counters *c, size_t i)
{
    return i < c->count ? &c->events[i].counter : NULL;
}

int bench_counters_groups(const struct bench_counters *c)
{
    return c->groups;
}

const char *bench_counters_reading(const struct bench_counters *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->events[i].page != NULL && c->events[i].page->cap_user_rdpmc)
            return "rdpmc";
    return "read";
}
