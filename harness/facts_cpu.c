/* SPDX-License-Identifier: MIT
 *
 * facts_cpu.c: what the machine is: processor, topology, hypervisor, memory, toolchain.
 */
#include "emulator.h"
#include "facts.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "sysfile.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static void cpu(struct bench_fact *fact, const struct bench_facts_context *context)
{
    const char *info = context->cpuinfo;
    char name[128], family[16], model[16], stepping[16];
    if (bench_sysfile_field(info, "model name", name, sizeof name) == 0) {
        bench_sysfile_field(info, "cpu family", family, sizeof family);
        bench_sysfile_field(info, "model", model, sizeof model);
        bench_sysfile_field(info, "stepping", stepping, sizeof stepping);
        bench_fact_ok(fact, "%s, family %s model %s stepping %s", name, family, model,
                      stepping);
    } else if (bench_sysfile_field(info, "CPU implementer", family, sizeof family) == 0) {
        bench_sysfile_field(info, "CPU part", model, sizeof model);
        bench_sysfile_field(info, "CPU revision", stepping, sizeof stepping);
        bench_fact_ok(fact, "implementer %s part %s revision %s", family, model,
                      stepping);
    } else if (bench_sysfile_field(info, "uarch", name, sizeof name) == 0 ||
               bench_sysfile_field(info, "isa", name, sizeof name) == 0) {
        bench_fact_ok(fact, "%s", name);
    } else {
        bench_fact_unavailable(fact, "/proc/cpuinfo names no processor; say in your own "
                                     "notes what the figures were measured on");
    }
}

static void architecture(struct bench_fact *fact,
                         const struct bench_facts_context *context)
{
    struct utsname name;
    if (uname(&name) != 0)
        bench_fact_unavailable(fact, "uname: %s", strerror(errno));
    else
        bench_fact_ok(fact, "%s", name.machine);
}

static void microcode(struct bench_fact *fact, const struct bench_facts_context *context)
{
    char version[32];
    if (bench_sysfile_field(context->cpuinfo, "microcode", version, sizeof version) == 0)
        bench_fact_ok(fact, "%s", version);
    else
        bench_fact_unavailable(fact, "/proc/cpuinfo tells no microcode version");
}

static void cpus_allowed(struct bench_fact *fact,
                         const struct bench_facts_context *context)
{
    int online = bench_cpus_online(), allowed = context->topology.cpus_allowed;
    if (context->topology_error)
        bench_fact_unavailable(fact, "hwloc can't read the topology: %s",
                               strerror(-context->topology_error));
    else if (allowed == 1)
        bench_fact_warn(fact,
                        "one CPU: there is no placement across CPUs, and all else that "
                        "runs disturbs the measurement; allow two (taskset, cpuset)",
                        "1 of %d online", online);
    else
        bench_fact_ok(fact, "%d of %d online", allowed, online);
}

static void topology(struct bench_fact *fact, const struct bench_facts_context *context)
{
    const struct bench_topology *t = &context->topology;
    if (context->topology_error)
        bench_fact_unavailable(fact, "hwloc can't read the topology: %s",
                               strerror(-context->topology_error));
    else
        bench_fact_ok(fact, "%d %s, %d last-level %s, %d NUMA %s", t->cores,
                      t->cores == 1 ? "core" : "cores", t->llcs,
                      t->llcs == 1 ? "cache" : "caches", t->numa_nodes,
                      t->numa_nodes == 1 ? "node" : "nodes");
}

static void placements(struct bench_fact *fact, const struct bench_facts_context *context)
{
    char list[160] = "";
    size_t length = 0;
    for (int i = 0; i < BENCH_PLACES; i++) {
        const int *pair = context->topology.place[i].cpu;
        if (!context->topology_error && pair[0] >= 0)
            length += (size_t)snprintf(list + length, sizeof list - length, "%s%s %d,%d",
                                       length ? "; " : "", bench_place_name(i), pair[0],
                                       pair[1]);
    }
    if (length == 0)
        bench_fact_unavailable(fact, "no placement: hwloc can't read the topology");
    else
        bench_fact_ok(fact, "%s", list);
}

/* Only x86 has a flag that every hypervisor sets. */
#if defined(__x86_64__)
enum { FLAGS_TELL_HYPERVISOR = 1 };
#else
enum { FLAGS_TELL_HYPERVISOR = 0 };
#endif

/* The name that the hypervisor gives itself in CPUID leaf 0x40000000; 0: there is none.
 */
static int hypervisor_by_cpuid(char *name, size_t bytes)
{
#if defined(__x86_64__)
    unsigned a, b, c, d, id[4] = {0};
    if (!bench_sysfile_is_machine() || !__get_cpuid(1, &a, &b, &c, &d) || !(c >> 31))
        return 0;
    __cpuid(0x40000000, a, id[0], id[1], id[2]);
    snprintf(name, bytes, "%s", (const char *)id);
    return 1;
#else
    (void)name;
    (void)bytes;
    return 0;
#endif
}

static const char *hypervisor_plain_name(const char *id)
{
    static const char *const names[][2] = {
        {"KVMKVMKVM", "KVM"},
        {"Microsoft Hv", "Hyper-V"},
        {"VMwareVMware", "VMware"},
        {"XenVMMXenVMM", "Xen"},
        {"TCGTCGTCGTCG", "QEMU, emulating"},
        {"bhyve bhyve ", "bhyve"},
        {" lrpepyh vr", "Parallels"},
        {"ACRNACRNACRN", "ACRN"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(id, names[i][0]) == 0)
            return names[i][1];
    return id[0] ? id : "one without a name";
}

static int has_flag(const struct bench_facts_context *context, const char *flag)
{
    char *flags = malloc(16384);
    int found = 0;
    if (flags && bench_sysfile_field(context->cpuinfo, "flags", flags, 16384) == 0) {
        char *rest = NULL;
        for (char *word = strtok_r(flags, " ", &rest); word && !found;
             word = strtok_r(NULL, " ", &rest))
            found = strcmp(word, flag) == 0;
    }
    free(flags);
    return found;
}

static void hypervisor(struct bench_fact *fact, const struct bench_facts_context *context)
{
    static const char advice[] =
        "times include what the hypervisor does (steal, exits, waking a halted virtual "
        "CPU): "
        "carry ratios to other machines, not times; hardware counters are often missing";
    char name[64] = "";
    if (bench_sysfile_is_machine() && bench_emulator())
        bench_fact_warn(fact, "counts are right here, and times mean nothing: `corobench run` "
                              "records none", "%s", bench_emulator());
    else if (hypervisor_by_cpuid(name, sizeof name) ||
        bench_sysfile_line("/sys/hypervisor/type", name, sizeof name) == 0 ||
        has_flag(context, "hypervisor"))
        bench_fact_warn(fact, advice, "%s", hypervisor_plain_name(name));
    else if (!context->cpuinfo)
        bench_fact_unavailable(fact, "neither CPUID nor /sys nor /proc/cpuinfo tells");
    else if (FLAGS_TELL_HYPERVISOR)
        bench_fact_ok(fact, "none seen");
    else
        bench_fact_unavailable(fact,
                               "none seen, but this architecture has no flag for it");
}

static void memory(struct bench_fact *fact, const struct bench_facts_context *context)
{
    char *text = bench_sysfile_text("/proc/meminfo"), total[32], available[32];
    int error = bench_sysfile_field(text, "MemTotal", total, sizeof total) ||
                bench_sysfile_field(text, "MemAvailable", available, sizeof available);
    free(text);
    long long total_mib = error ? 0 : strtoll(total, NULL, 10) / 1024;
    long long available_mib = error ? 0 : strtoll(available, NULL, 10) / 1024;
    if (error || total_mib <= 0)
        bench_fact_unavailable(fact, "/proc/meminfo can't be read");
    else if (available_mib < 512)
        bench_fact_warn(fact,
                        "footprint and creation until failure will stop early or swap: "
                        "free some memory first",
                        "%lld MiB, %lld MiB available", total_mib, available_mib);
    else
        bench_fact_ok(fact, "%lld MiB, %lld MiB available", total_mib, available_mib);
}

static void page_size(struct bench_fact *fact, const struct bench_facts_context *context)
{
    bench_fact_ok(fact, "%ld bytes", sysconf(_SC_PAGESIZE));
}

static void signal_frame(struct bench_fact *fact,
                         const struct bench_facts_context *context)
{
    unsigned long bytes = getauxval(AT_MINSIGSTKSZ);
    if (bytes == 0)
        bench_fact_unavailable(fact,
                               "the kernel doesn't tell AT_MINSIGSTKSZ (before 5.14)");
    else
        bench_fact_ok(fact, "%lu bytes: AT_MINSIGSTKSZ", bytes);
}

static void compiler(struct bench_fact *fact, const struct bench_facts_context *context)
{
#if defined(__clang__)
    bench_fact_ok(fact, "%s", __VERSION__);
#else
    bench_fact_ok(fact, "gcc %s", __VERSION__);
#endif
}

static void libc(struct bench_fact *fact, const struct bench_facts_context *context)
{
    bench_fact_ok(fact, "glibc %s", gnu_get_libc_version());
}

const struct bench_fact_reader bench_facts_cpu[] = {
    {"cpu", cpu},
    {"architecture", architecture},
    {"microcode", microcode},
    {"cpus", cpus_allowed},
    {"topology", topology},
    {"placements", placements},
    {"hypervisor", hypervisor},
    {"memory", memory},
    {"page-size", page_size},
    {"signal-frame", signal_frame},
    {"compiler", compiler},
    {"libc", libc},
    {NULL, NULL},
};
