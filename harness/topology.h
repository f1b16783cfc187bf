/* SPDX-License-Identifier: MIT
 *
 * topology.h: placements, chosen by hwloc from the CPUs that this process may use.
 */
#ifndef TOPOLOGY_H
#define TOPOLOGY_H

#include <stddef.h>
#include "bench.h"

enum { BENCH_PLACEMENT_CPUS = 2 };

struct bench_placement {
    int cpu[BENCH_PLACEMENT_CPUS]; /* logical (OS) CPU of flow 0 and flow 1; -1 when absent */
    char reason[160];              /* why the machine lacks it; empty when present */
};

struct bench_topology {
    struct bench_placement place[BENCH_PLACES];
    int cpus_allowed; /* how many CPUs this process may run on */
    int cores, llcs, numa_nodes; /* among the allowed ones */
};

/* Reads the machine's topology and this process's allowed CPUs. `description`: NULL for the
 * machine, else an hwloc synthetic string ("pack:1 l3:2 core:2 pu:2") or the path of an
 * hwloc XML file (it begins with '/' or '.', or ends with .xml), for tests. 0 or -errno. */
int bench_topology_load(struct bench_topology *topology, const char *description);

/* "same-cpu", "smt", ...; and back, -EINVAL for another word. */
const char *bench_place_name(enum bench_place place);
int bench_place_parse(const char *name, enum bench_place *place);

/* How many CPUs flow indices may take: flow f of a placement runs on cpu[f % 2]. */

#endif
