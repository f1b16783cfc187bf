/* SPDX-License-Identifier: MIT
 *
 * facts.h: how a fact about the machine is read (private to environment.c and facts_*.c).
 *
 * One small function reads one fact and always says one of three things: it is well, it is a
 * warning with advice, or it can't be had and why. The functions stand in tables, one a
 * file, in the order in which they are printed.
 *
 * No fact tells who owns the machine: no host name, user name or path.
 */
#ifndef FACTS_H
#define FACTS_H

#include "environment.h"
#include "topology.h"

/* What several facts are read from, taken once. Texts may be NULL: could not be read. */
struct bench_facts_context {
    struct bench_topology topology;
    int topology_error; /* 0 or -errno */
    char *cpuinfo;
    char *stat_before, *stat_after; /* /proc/stat, SAMPLE_MS apart, while we sleep */
};

enum { BENCH_FACTS_SAMPLE_MS = 100 };

struct bench_fact_reader {
    const char *name;
    void (*read)(struct bench_fact *fact, const struct bench_facts_context *context);
};

/* Each table ends with a NULL name. */
extern const struct bench_fact_reader bench_facts_cpu[];
extern const struct bench_fact_reader bench_facts_noise[];
extern const struct bench_fact_reader bench_facts_kernel[];
extern const struct bench_fact_reader bench_facts_limits[];

void bench_fact_ok(struct bench_fact *fact, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bench_fact_warn(struct bench_fact *fact, const char *advice, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void bench_fact_unavailable(struct bench_fact *fact, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Logical CPUs online, by /sys, else by the C library; at least 1. */
int bench_cpus_online(void);

#endif
