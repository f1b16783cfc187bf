/* SPDX-License-Identifier: MIT
 *
 * topology.c: five placements, each a pair of logical CPUs, chosen by relation.
 *
 * Every allowed CPU becomes a `struct unit` that knows its core, last-level cache,
 * package and NUMA node. A placement is then a relation between two units, and its pair
 * is the first that fits in one fixed order of preference: fastest kind of core first
 * (hybrid CPUs), then the highest CPU number. So the choice is the same every time, CPU
 * 0, which serves most interrupts, comes last, and flow 0 sits on one and the same CPU in
 * every placement that this CPU can take part in: placements then differ in their partner
 * alone.
 *
 * Allowed is what both the thread's affinity and the cpuset name. The whole machine is
 * read all the same, disallowed CPUs too, as a cache shared by two cores stays shared
 * when only one of them may be used.
 *
 * The last-level cache of a CPU is the outermost cache above it, when that is an L3 or
 * further out, or spans several cores (an L2 per cluster). Many virtual machines report
 * only private caches or none; then the package (without one, the machine) stands in for
 * the cache, as nearly every package shares one, and a reason that rests on it says so. A
 * virtual machine's topology is its hypervisor's word in any case.
 *
 * cross-llc prefers one NUMA node and takes one package else: firmware that declares each
 * L3 a NUMA node changes the label, not the way that a cache line travels. cross-numa
 * prefers two packages.
 *
 * Rejected: hwloc_distrib(), which spreads flows but can't be asked for a relation; and
 * the first CPU as flow 0's, which shares CPU 0 with interrupts.
 */
#include "topology.h"

#include <errno.h>
#include <hwloc.h>
#include <hwloc/linux.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const place_names[BENCH_PLACES] = {
    [BENCH_SAME_CPU] = "same-cpu",     [BENCH_SMT] = "smt",
    [BENCH_SAME_LLC] = "same-llc",     [BENCH_CROSS_LLC] = "cross-llc",
    [BENCH_CROSS_NUMA] = "cross-numa",
};

/* One allowed CPU and what it is part of. */
struct unit {
    int cpu;
    int kind; /* rank among hybrid kinds, higher is faster; 0 where all are alike */
    hwloc_obj_t core, llc, package;
    int node; /* nearest NUMA node, -1 for a CPU without local memory */
};

struct machine {
    struct unit *units; /* in order of preference */
    int count;
    int llc_guessed; /* the package stands in for a cache that is not reported */
};

static int negative_errno(void)
{
    return errno > 0 ? -errno : -EINVAL;
}

/* hwloc explains malformed input on stderr; the caller has the error code instead. */
static int load_quietly(hwloc_topology_t topology)
{
    static const char variable[] = "HWLOC_HIDE_ERRORS";
    int ours = getenv(variable) == NULL;
    if (ours)
        setenv(variable, "2", 0);
    errno = 0;
    int error = hwloc_topology_load(topology) == 0 ? 0 : negative_errno();
    if (ours)
        unsetenv(variable);
    return error;
}

static int is_path(const char *description)
{
    size_t length = strlen(description);
    return description[0] == '/' || description[0] == '.' ||
           (length >= 4 && strcmp(description + length - 4, ".xml") == 0);
}

static int describe(hwloc_topology_t topology, const char *description)
{
    errno = 0;
    if (!description)
        return 0;
    if (!is_path(description))
        return hwloc_topology_set_synthetic(topology, description) == 0
                   ? 0
                   : negative_errno();
    if (access(description, R_OK) != 0) /* hwloc says EINVAL of a missing file too */
        return -errno;
    return hwloc_topology_set_xml(topology, description) == 0 ? 0 : negative_errno();
}

/* A cache is the last level that cores share, or is called L3 and up. */
static int is_last_level(hwloc_topology_t topology, hwloc_obj_t cache)
{
    if (cache->attr->cache.depth >= 3)
        return 1;
    return hwloc_get_nbobjs_inside_cpuset_by_type(topology, cache->cpuset,
                                                  HWLOC_OBJ_CORE) > 1;
}

static hwloc_obj_t outermost_cache(hwloc_obj_t pu)
{
    hwloc_obj_t found = NULL;
    for (hwloc_obj_t above = pu->parent; above; above = above->parent)
        if (hwloc_obj_type_is_dcache(above->type))
            found = above;
    return found;
}

static hwloc_obj_t ancestor_or(hwloc_topology_t topology, hwloc_obj_type_t type,
                               hwloc_obj_t pu, hwloc_obj_t otherwise)
{
    hwloc_obj_t above = hwloc_get_ancestor_obj_by_type(topology, type, pu);
    return above ? above : otherwise;
}

static int kind_of(hwloc_topology_t topology, hwloc_obj_t pu)
{
    int kind = hwloc_cpukinds_get_by_cpuset(topology, pu->cpuset, 0);
    int efficiency = -1;
    if (kind < 0 || hwloc_cpukinds_get_info(topology, (unsigned)kind, NULL, &efficiency,
                                            NULL, NULL, 0) != 0)
        return 0;
    return efficiency < 0 ? 0 : efficiency;
}

static struct unit unit_of(hwloc_topology_t topology, hwloc_obj_t pu, int *llc_guessed)
{
    hwloc_obj_t root = hwloc_get_root_obj(topology);
    struct unit unit = {
        .cpu = (int)pu->os_index,
        .kind = kind_of(topology, pu),
        .core = ancestor_or(topology, HWLOC_OBJ_CORE, pu, pu),
        .package = ancestor_or(topology, HWLOC_OBJ_PACKAGE, pu, root),
        .llc = outermost_cache(pu),
        .node = pu->nodeset ? hwloc_bitmap_first(pu->nodeset) : -1,
    };
    if (!unit.llc || !is_last_level(topology, unit.llc)) {
        unit.llc = unit.package;
        *llc_guessed = 1;
    }
    return unit;
}

static int by_preference(const void *left, const void *right)
{
    const struct unit *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind > b->kind ? -1 : 1;
    return a->cpu > b->cpu ? -1 : a->cpu < b->cpu;
}

static int collect(struct machine *machine, hwloc_topology_t topology,
                   hwloc_const_cpuset_t allowed)
{
    int pus = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    machine->units = calloc(pus > 0 ? (size_t)pus : 1, sizeof *machine->units);
    if (!machine->units)
        return -ENOMEM;
    for (int i = 0; i < pus; i++) {
        hwloc_obj_t pu = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, (unsigned)i);
        if (hwloc_bitmap_isset(allowed, pu->os_index))
            machine->units[machine->count++] =
                unit_of(topology, pu, &machine->llc_guessed);
    }
    qsort(machine->units, (size_t)machine->count, sizeof *machine->units, by_preference);
    return machine->count > 0 ? 0 : -ENODEV;
}

/* The relations, asked of two different units. */
typedef int relation_fn(const struct unit *a, const struct unit *b);

static int one_core(const struct unit *a, const struct unit *b)
{
    return a->core == b->core;
}

static int cores_of_one_llc(const struct unit *a, const struct unit *b)
{
    return a->core != b->core && a->llc == b->llc && a->node == b->node;
}

static int cores_of_one_llc_any_node(const struct unit *a, const struct unit *b)
{
    return a->core != b->core && a->llc == b->llc;
}

static int llcs_of_one_node(const struct unit *a, const struct unit *b)
{
    return a->llc != b->llc && a->node == b->node;
}

static int llcs_of_one_package(const struct unit *a, const struct unit *b)
{
    return a->llc != b->llc && a->package == b->package &&
           a->package->type == HWLOC_OBJ_PACKAGE;
}

static int nodes_and_packages(const struct unit *a, const struct unit *b)
{
    return a->node != b->node && a->package != b->package;
}

static int nodes(const struct unit *a, const struct unit *b)
{
    return a->node != b->node;
}

struct rule {
    relation_fn *best, *second; /* second: where no pair has the best; may be NULL */
    const char *lack;
};

static const struct rule rules[BENCH_PLACES] = {
    [BENCH_SMT] = {one_core, NULL,
                   "no core has two hardware threads that this process may use"},
    [BENCH_SAME_LLC] =
        {cores_of_one_llc, cores_of_one_llc_any_node,
         "no two cores that this process may use share a last-level cache"},
    [BENCH_CROSS_LLC] = {llcs_of_one_node, llcs_of_one_package,
                         "no NUMA node or package has two last-level caches that this "
                         "process may use"},
    [BENCH_CROSS_NUMA] = {nodes_and_packages, nodes,
                          "all CPUs that this process may use are in one NUMA node"},
};

static int find_pair(const struct machine *machine, relation_fn *fits, int cpu[2])
{
    for (int i = 0; fits && i < machine->count; i++) {
        for (int j = 0; j < machine->count; j++) {
            if (i == j || !fits(&machine->units[i], &machine->units[j]))
                continue;
            cpu[0] = machine->units[i].cpu;
            cpu[1] = machine->units[j].cpu;
            return 1;
        }
    }
    return 0;
}

static void choose(const struct machine *machine, enum bench_place place,
                   struct bench_placement *placement)
{
    const struct rule *rule = &rules[place];
    if (place == BENCH_SAME_CPU) {
        placement->cpu[0] = placement->cpu[1] = machine->units[0].cpu;
        return;
    }
    if (find_pair(machine, rule->best, placement->cpu) ||
        find_pair(machine, rule->second, placement->cpu))
        return;
    placement->cpu[0] = placement->cpu[1] = -1;
    int about_llc = place == BENCH_SAME_LLC || place == BENCH_CROSS_LLC;
    if (machine->count == 1)
        snprintf(placement->reason, sizeof placement->reason,
                 "this process may use one CPU, number %d", machine->units[0].cpu);
    else
        snprintf(placement->reason, sizeof placement->reason, "%s%s", rule->lack,
                 about_llc && machine->llc_guessed
                     ? " (no shared cache is reported: a package counts as one)"
                     : "");
}

static int differs_from_all(const struct machine *machine, int index, relation_fn *same)
{
    for (int i = 0; i < index; i++)
        if (same(&machine->units[i], &machine->units[index]))
            return 0;
    return 1;
}

static int one_llc(const struct unit *a, const struct unit *b)
{
    return a->llc == b->llc;
}

static int one_node(const struct unit *a, const struct unit *b)
{
    return a->node == b->node;
}

static void summarise(struct bench_topology *topology, const struct machine *machine)
{
    topology->cpus_allowed = machine->count;
    for (int i = 0; i < machine->count; i++) {
        topology->cores += differs_from_all(machine, i, one_core);
        topology->llcs += differs_from_all(machine, i, one_llc);
        topology->numa_nodes += differs_from_all(machine, i, one_node);
    }
    for (int place = 0; place < BENCH_PLACES; place++)
        choose(machine, place, &topology->place[place]);
}

/* The CPUs of the topology that are in the cpuset and, for the machine, in the calling
 * thread's affinity. NULL without memory. */
static hwloc_cpuset_t allowed_cpus(hwloc_topology_t topology, int is_this_machine)
{
    hwloc_cpuset_t allowed =
        hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(topology));
    hwloc_cpuset_t affinity = hwloc_bitmap_alloc();
    if (allowed && affinity && is_this_machine &&
        hwloc_linux_get_tid_cpubind(topology, 0, affinity) == 0)
        hwloc_bitmap_and(allowed, allowed, affinity);
    hwloc_bitmap_free(affinity);
    return allowed;
}

static int read_machine(struct machine *machine, hwloc_topology_t topology,
                        const char *description)
{
    int error = describe(topology, description);
    if (!error &&
        hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) != 0)
        error = negative_errno();
    if (!error)
        error = load_quietly(topology);
    if (error)
        return error;
    hwloc_cpuset_t allowed = allowed_cpus(topology, description == NULL);
    error = allowed ? collect(machine, topology, allowed) : -ENOMEM;
    hwloc_bitmap_free(allowed);
    return error;
}

int bench_topology_load(struct bench_topology *topology, const char *description)
{
    memset(topology, 0, sizeof *topology);
    hwloc_topology_t hwloc;
    if (hwloc_topology_init(&hwloc) != 0)
        return -ENOMEM;
    struct machine machine = {0};
    int error = read_machine(&machine, hwloc, description);
    if (!error)
        summarise(topology, &machine);
    free(machine.units);
    hwloc_topology_destroy(hwloc);
    return error;
}

const char *bench_place_name(enum bench_place place)
{
    return (unsigned)place < BENCH_PLACES ? place_names[place] : "unknown";
}

int bench_place_parse(const char *name, enum bench_place *place)
{
    for (int i = 0; name && i < BENCH_PLACES; i++) {
        if (strcmp(name, place_names[i]) == 0) {
            *place = i;
            return 0;
        }
    }
    return -EINVAL;
}
