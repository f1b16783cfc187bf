/* SPDX-License-Identifier: MIT
 *
 * Tests of topology.c on described machines; the directory of the XML ones comes from the
 * build as TOPOLOGIES_DIR.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "topology.h"

#define ABSENT                                                                           \
    {                                                                                    \
        -1, -1                                                                           \
    }

/* hwloc 2.9 leaks the object that it was reading when an XML file ends early. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:hwloc_alloc_setup_object\n";
}

/* The pair that each placement is expected to get. */
struct expectation {
    int same_cpu, smt[2], same_llc[2], cross_llc[2], cross_numa[2];
};

static void expect_pair(const struct bench_topology *topology, enum bench_place place,
                        const int cpu[2], const char *description)
{
    const struct bench_placement *got = &topology->place[place];
    cr_expect(got->cpu[0] == cpu[0] && got->cpu[1] == cpu[1],
              "%s: %s is %d,%d and not %d,%d", description, bench_place_name(place),
              got->cpu[0], got->cpu[1], cpu[0], cpu[1]);
    cr_expect((got->reason[0] != '\0') == (cpu[0] < 0), "%s: %s has reason \"%s\"",
              description, bench_place_name(place), got->reason);
}

static struct bench_topology load(const char *description)
{
    struct bench_topology topology;
    int error = bench_topology_load(&topology, description);
    cr_assert_eq(error, 0, "%s: %s", description ? description : "machine",
                 strerror(-error));
    return topology;
}

static void expect(const char *description, struct expectation want)
{
    struct bench_topology topology = load(description);
    int same_cpu[2] = {want.same_cpu, want.same_cpu};
    expect_pair(&topology, BENCH_SAME_CPU, same_cpu, description);
    expect_pair(&topology, BENCH_SMT, want.smt, description);
    expect_pair(&topology, BENCH_SAME_LLC, want.same_llc, description);
    expect_pair(&topology, BENCH_CROSS_LLC, want.cross_llc, description);
    expect_pair(&topology, BENCH_CROSS_NUMA, want.cross_numa, description);
}

static void expect_counts(const char *description, int cpus, int cores, int llcs,
                          int nodes)
{
    struct bench_topology topology = load(description);
    cr_expect_eq(topology.cpus_allowed, cpus, "%s: %d CPUs", description,
                 topology.cpus_allowed);
    cr_expect_eq(topology.cores, cores, "%s: %d cores", description, topology.cores);
    cr_expect_eq(topology.llcs, llcs, "%s: %d LLCs", description, topology.llcs);
    cr_expect_eq(topology.numa_nodes, nodes, "%s: %d nodes", description,
                 topology.numa_nodes);
}

Test(topology, one_cpu_has_only_itself)
{
    expect("pack:1 l3:1 core:1 pu:1",
           (struct expectation){0, ABSENT, ABSENT, ABSENT, ABSENT});
    struct bench_topology topology = load("pack:1 l3:1 core:1 pu:1");
    cr_expect(strstr(topology.place[BENCH_SMT].reason, "one CPU"));
}

Test(topology, two_cores_share_one_cache)
{
    expect("pack:1 l3:1 core:2 pu:1",
           (struct expectation){1, ABSENT, {1, 0}, ABSENT, ABSENT});
    expect_counts("pack:1 l3:1 core:2 pu:1", 2, 2, 1, 1);
}

Test(topology, one_core_of_two_threads_has_smt_alone)
{
    expect("pack:1 l3:1 core:1 pu:2",
           (struct expectation){1, {1, 0}, ABSENT, ABSENT, ABSENT});
}

Test(topology, smt_siblings_are_no_cores)
{
    expect("pack:1 l3:1 core:2 pu:2",
           (struct expectation){3, {3, 2}, {3, 1}, ABSENT, ABSENT});
    expect_counts("pack:1 l3:1 core:2 pu:2", 4, 2, 1, 1);
}

Test(topology, two_caches_in_one_node)
{
    expect("pack:1 l3:2 core:2 pu:2",
           (struct expectation){7, {7, 6}, {7, 5}, {7, 3}, ABSENT});
    expect_counts("pack:1 l3:2 core:2 pu:2", 8, 4, 2, 1);
}

Test(topology, two_nodes_with_two_caches_each_have_every_placement)
{
    expect("pack:2 numa:1 l3:2 core:2 pu:2",
           (struct expectation){15, {15, 14}, {15, 13}, {15, 11}, {15, 7}});
    expect_counts("pack:2 numa:1 l3:2 core:2 pu:2", 16, 8, 4, 2);
}

Test(topology, two_sockets_of_one_cache_have_no_cross_llc)
{
    expect("pack:2 numa:1 l3:1 core:2 pu:1",
           (struct expectation){3, ABSENT, {3, 2}, ABSENT, {3, 1}});
}

/* Each L3 declared a node: cross-llc stays in the package, cross-numa leaves it. */
Test(topology, nodes_within_a_package)
{
    expect("pack:2 numa:2 l3:1 core:2 pu:1",
           (struct expectation){7, ABSENT, {7, 6}, {7, 5}, {7, 3}});
    expect("pack:1 numa:2 l3:1 core:2 pu:1",
           (struct expectation){3, ABSENT, {3, 2}, {3, 1}, {3, 1}});
}

Test(topology, nodes_without_packages_are_cross_numa_only)
{
    expect("numa:2 l3:1 core:1 pu:1",
           (struct expectation){1, ABSENT, ABSENT, ABSENT, {1, 0}});
}

Test(topology, a_shared_l2_is_the_last_level_without_l3)
{
    expect("pack:1 l2:2 core:2 pu:1",
           (struct expectation){3, ABSENT, {3, 2}, {3, 1}, ABSENT});
}

Test(topology, private_caches_alone_leave_it_to_the_package)
{
    expect("pack:1 l2:4 core:1 pu:1",
           (struct expectation){3, ABSENT, {3, 2}, ABSENT, ABSENT});
    struct bench_topology topology = load("pack:1 l2:4 core:1 pu:1");
    cr_expect(
        strstr(topology.place[BENCH_CROSS_LLC].reason, "no shared cache is reported"));
    topology = load("pack:1 l3:1 core:4 pu:1");
    cr_expect_not(strstr(topology.place[BENCH_CROSS_LLC].reason, "no shared cache"));
}

Test(topology, a_virtual_machine_without_caches_and_packages)
{
    expect(TOPOLOGIES_DIR "/vm-no-caches.xml",
           (struct expectation){3, ABSENT, {3, 2}, ABSENT, ABSENT});
}

/* PU 3 is missing, 4 and 7 are disallowed: flow 0's core has no second thread, so that
 * smt goes to the one core that has two. */
Test(topology, missing_and_disallowed_cpus)
{
    expect(TOPOLOGIES_DIR "/asymmetric.xml",
           (struct expectation){6, {1, 0}, {6, 5}, {6, 2}, ABSENT});
    expect_counts(TOPOLOGIES_DIR "/asymmetric.xml", 5, 4, 2, 1);
}

/* One core allowed under each of two L2s shared by two: the caches stay two. */
Test(topology, a_shared_cache_with_one_allowed_core_stays_shared)
{
    expect(TOPOLOGIES_DIR "/one-core-per-cache.xml",
           (struct expectation){2, ABSENT, ABSENT, {2, 0}, ABSENT});
}

Test(topology, hybrid_machines_measure_their_fast_cores)
{
    expect(TOPOLOGIES_DIR "/hybrid.xml",
           (struct expectation){1, ABSENT, {1, 0}, ABSENT, ABSENT});
}

/* Machines that are sold, as Linux numbers their CPUs: where cores have two threads, all first
 * threads come before all second ones. */

/* Two sockets of 28 cores, each split in two NUMA nodes that share the socket's L3. */
Test(topology, a_xeon_with_sub_numa_clusters)
{
    static const char xeon[] = "pack:2 l3:1 numa:2 core:14 pu:2(indexes=2*56:1*2)";
    expect(xeon, (struct expectation){111, {111, 55}, {111, 110}, ABSENT, {111, 83}});
    expect_counts(xeon, 112, 56, 2, 4);
}

/* 64 cores, eight of them on each L3, all in one node. */
Test(topology, an_epyc_of_eight_caches)
{
    static const char epyc[] = "pack:1 numa:1 l3:8 core:8 pu:2(indexes=2*64:1*2)";
    expect(epyc, (struct expectation){127, {127, 63}, {127, 126}, {127, 119}, ABSENT});
    expect_counts(epyc, 128, 64, 8, 1);
}

/* 80 cores of one thread; the system-level cache is not reported. */
Test(topology, an_altra_of_one_socket_and_of_two)
{
    expect("pack:1 numa:1 l2:80 core:1 pu:1",
           (struct expectation){79, ABSENT, {79, 78}, ABSENT, ABSENT});
    expect("pack:2 numa:1 l2:80 core:1 pu:1",
           (struct expectation){159, ABSENT, {159, 158}, ABSENT, {159, 79}});
}

Test(topology, malformed_descriptions_are_errors)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "core",
                                      "pu:0",
                                      "pu:-1",
                                      "nonsense:2 pu:1",
                                      "pack:1 core:",
                                      "core:2 pu:2 pack:2",
                                      "\xff\xfe"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bench_topology topology;
        cr_expect_lt(bench_topology_load(&topology, bad[i]), 0, "\"%s\" loads", bad[i]);
    }
}

Test(topology, bad_files_are_errors_and_hwloc_is_quiet)
{
    static const struct {
        const char *path;
        int error;
    } bad[] = {
        {"/nonexistent/topology.xml", -ENOENT},
        {"missing.xml", -ENOENT},
        {TOPOLOGIES_DIR, -EINVAL},
        {TOPOLOGIES_DIR "/truncated.xml", -EINVAL},
        {TOPOLOGIES_DIR "/no-cpus.xml", -EINVAL},
    };
    FILE *errors = tmpfile();
    int kept = dup(STDERR_FILENO);
    cr_assert(errors && kept >= 0);
    dup2(fileno(errors), STDERR_FILENO);
    int got[sizeof bad / sizeof *bad];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bench_topology topology;
        got[i] = bench_topology_load(&topology, bad[i].path);
    }
    long bytes_printed = lseek(fileno(errors), 0, SEEK_END);
    dup2(kept, STDERR_FILENO);
    close(kept);
    fclose(errors);
    cr_expect_eq(bytes_printed, 0, "hwloc printed %ld bytes", bytes_printed);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(got[i], bad[i].error, "%s: %s", bad[i].path, strerror(-got[i]));
}

Test(topology, the_machine_gives_allowed_cpus_only)
{
    struct bench_topology topology = load(NULL);
    cpu_set_t allowed;
    cr_assert_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    cr_expect_leq(topology.cpus_allowed, CPU_COUNT(&allowed));
    for (int place = 0; place < BENCH_PLACES; place++)
        for (int flow = 0; flow < BENCH_PLACEMENT_CPUS; flow++) {
            int cpu = topology.place[place].cpu[flow];
            cr_expect(cpu == -1 || CPU_ISSET((size_t)cpu, &allowed), "%s: CPU %d",
                      bench_place_name(place), cpu);
        }
}

Test(topology, affinity_to_one_cpu_leaves_same_cpu)
{
    struct bench_topology before = load(NULL);
    int cpu = before.place[BENCH_SAME_CPU].cpu[0];
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    struct bench_topology after = load(NULL);
    cr_expect_eq(after.cpus_allowed, 1);
    cr_expect_eq(after.place[BENCH_SAME_CPU].cpu[1], cpu);
    for (int place = BENCH_SMT; place < BENCH_PLACES; place++) {
        cr_expect_eq(after.place[place].cpu[0], -1);
        cr_expect(strstr(after.place[place].reason, "one CPU"));
    }
}

Test(topology, the_same_choice_every_time)
{
    struct bench_topology first = load("pack:2 numa:2 l3:2 core:4 pu:2");
    struct bench_topology again = load("pack:2 numa:2 l3:2 core:4 pu:2");
    cr_expect_eq(memcmp(&first, &again, sizeof first), 0);
}

Test(topology, place_names_round_trip)
{
    for (int i = 0; i < BENCH_PLACES; i++) {
        enum bench_place place = BENCH_PLACES;
        cr_expect_eq(bench_place_parse(bench_place_name(i), &place), 0);
        cr_expect_eq((int)place, i);
    }
    enum bench_place place;
    cr_expect_eq(bench_place_parse("same", &place), -EINVAL);
    cr_expect_eq(bench_place_parse("same-cpu ", &place), -EINVAL);
    cr_expect_eq(bench_place_parse("", &place), -EINVAL);
}
