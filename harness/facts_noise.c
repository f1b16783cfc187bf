/* SPDX-License-Identifier: MIT
 *
 * facts_noise.c: what makes the same code take different times: clock frequency, other
 * work, the hypervisor's steal, clocks, idle states.
 *
 * How busy the machine is comes from two readings of /proc/stat while this process
 * sleeps, so that it does not count itself.
 */
#include "facts.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sysfile.h"

#define CPUFREQ "/sys/devices/system/cpu/cpu%d/cpufreq/"

/* The CPU whose settings stand for all: flow 0's. */
static int home_cpu(const struct bench_facts_context *context)
{
    return context->topology_error ? 0 : context->topology.place[BENCH_SAME_CPU].cpu[0];
}

static int cpu_file(const struct bench_facts_context *context, const char *format,
                    char *line, size_t bytes)
{
    char path[160];
    snprintf(path, sizeof path, format, home_cpu(context));
    return bench_sysfile_line(path, line, bytes);
}

static void governor(struct bench_fact *fact, const struct bench_facts_context *context)
{
    char word[32];
    if (cpu_file(context, CPUFREQ "scaling_governor", word, sizeof word) != 0)
        bench_fact_unavailable(fact,
                               "the kernel does not set the clock frequency here, as "
                               "is usual in a virtual machine; watch the canary");
    else if (strcmp(word, "performance") != 0)
        bench_fact_warn(fact,
                        "the clock follows the load, and short trials run slow: "
                        "`cpupower frequency-set -g performance`",
                        "%s", word);
    else
        bench_fact_ok(fact, "%s", word);
}

static void turbo(struct bench_fact *fact, const struct bench_facts_context *context)
{
    static const char advice[] = "the clock depends on heat and on what other cores do: "
                                 "read cycles rather than ns, "
                                 "or write %d to %s";
    static const struct {
        const char *path;
        int off; /* what the file holds when turbo is off */
    } files[] = {
        {"/sys/devices/system/cpu/intel_pstate/no_turbo", 1},
        {"/sys/devices/system/cpu/cpufreq/boost", 0},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        long long value;
        if (bench_sysfile_number(files[i].path, &value) != 0)
            continue;
        if (value == files[i].off) {
            bench_fact_ok(fact, "off");
            return;
        }
        char text[256];
        snprintf(text, sizeof text, advice, files[i].off, files[i].path);
        bench_fact_warn(fact, text, "on");
        return;
    }
    bench_fact_unavailable(fact,
                           "the kernel shows no turbo or boost switch; watch the canary");
}

static void frequency(struct bench_fact *fact, const struct bench_facts_context *context)
{
    char now[32], low[32], high[32];
    if (cpu_file(context, CPUFREQ "scaling_cur_freq", now, sizeof now) == 0 &&
        cpu_file(context, CPUFREQ "cpuinfo_min_freq", low, sizeof low) == 0 &&
        cpu_file(context, CPUFREQ "cpuinfo_max_freq", high, sizeof high) == 0)
        bench_fact_ok(fact, "%lld MHz now, %lld to %lld", strtoll(now, NULL, 10) / 1000,
                      strtoll(low, NULL, 10) / 1000, strtoll(high, NULL, 10) / 1000);
    else if (bench_sysfile_field(context->cpuinfo, "cpu MHz", now, sizeof now) == 0)
        bench_fact_ok(fact, "%s MHz by /proc/cpuinfo; the canary tells the true one",
                      now);
    else
        bench_fact_unavailable(fact,
                               "neither cpufreq nor /proc/cpuinfo tells; see the canary");
}

/* Time of one CPU, or of all, in ticks. */
struct ticks {
    unsigned long long total, idle, steal;
};

/* cpu < 0: the line of all CPUs. 0 or -ENOENT. */
static int ticks_of(const char *stat, int cpu, struct ticks *ticks)
{
    char key[24];
    unsigned long long v[8] = {0};
    int length = cpu < 0 ? snprintf(key, sizeof key, "cpu ")
                         : snprintf(key, sizeof key, "cpu%d ", cpu);
    const char *line = stat;
    while (line && strncmp(line, key, (size_t)length) != 0)
        line = (line = strchr(line, '\n')) ? line + 1 : NULL;
    /* user nice system idle iowait irq softirq steal; guests count within user */
    if (!line || sscanf(line + length, "%llu %llu %llu %llu %llu %llu %llu %llu", &v[0],
                        &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
        return -ENOENT;
    *ticks = (struct ticks){.idle = v[3] + v[4], .steal = v[7]};
    for (int i = 0; i < 8; i++)
        ticks->total += v[i];
    return 0;
}

static double percent(unsigned long long part, unsigned long long whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* Ticks between the two readings, of one CPU or (cpu < 0) of all. */
static int ticks_sampled(const struct bench_facts_context *context, int cpu,
                         struct ticks *ticks)
{
    struct ticks before;
    if (ticks_of(context->stat_before, cpu, &before) != 0 ||
        ticks_of(context->stat_after, cpu, ticks) != 0)
        return -ENOENT;
    /* Idle time may step back by a tick (proc_stat(5)): no time passed, then. */
    ticks->total -= ticks->total > before.total ? before.total : ticks->total;
    ticks->idle -= ticks->idle > before.idle ? before.idle : ticks->idle;
    ticks->steal -= ticks->steal > before.steal ? before.steal : ticks->steal;
    if (ticks->idle > ticks->total)
        ticks->idle = ticks->total;
    return 0;
}

static void steal(struct bench_fact *fact, const struct bench_facts_context *context)
{
    struct ticks boot, now;
    if (ticks_of(context->stat_after, -1, &boot) != 0 ||
        ticks_sampled(context, -1, &now) != 0) {
        bench_fact_unavailable(fact, "/proc/stat can't be read");
        return;
    }
    double since_boot = percent(boot.steal, boot.total);
    if (now.steal > 0 || since_boot >= 0.5)
        bench_fact_warn(
            fact,
            "the hypervisor gives this machine's CPUs to others at times: "
            "rounds with steal are rejected; a quieter host gives more of them",
            "%.2f %% since boot, %llu ticks in %d ms", since_boot, now.steal,
            BENCH_FACTS_SAMPLE_MS);
    else
        bench_fact_ok(fact, "%.2f %% since boot, none in %d ms", since_boot,
                      BENCH_FACTS_SAMPLE_MS);
}

static void load(struct bench_fact *fact, const struct bench_facts_context *context)
{
    static const char advice[] = "something else runs: involuntary switches will reject "
                                 "rounds; stop it, or wait";
    char line[64];
    struct ticks now;
    int error = bench_sysfile_line("/proc/loadavg", line, sizeof line);
    double average = strtod(line, NULL);
    if (error || ticks_sampled(context, -1, &now) != 0) {
        bench_fact_unavailable(fact, "/proc/loadavg or /proc/stat can't be read");
        return;
    }
    double busy = percent(now.total - now.idle, now.total);
    int cpus = bench_cpus_online();
    if (busy >= 10 || average >= 0.5 * cpus)
        bench_fact_warn(fact, advice, "%.2f on %d CPUs, %.0f %% busy while we slept",
                        average, cpus, busy);
    else
        bench_fact_ok(fact, "%.2f on %d CPUs, %.0f %% busy while we slept", average, cpus,
                      busy);
}

/* The busiest hardware thread that shares flow 0's core, in percent; -1: there is none.
 */
static double siblings_busy(const struct bench_facts_context *context)
{
    char list[64];
    int home = home_cpu(context);
    double busiest = -1;
    if (cpu_file(context, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                 list, sizeof list) != 0)
        return -1;
    for (char *at = list; *at;) { /* "1,5" or "2-3" */
        char *end;
        long first = strtol(at, &end, 10), last = first;
        if (end == at)
            break;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        if (first < 0 || last < first || last > 1 << 16)
            break;
        for (long cpu = first; cpu <= last; cpu++) {
            struct ticks now;
            if (cpu == home || ticks_sampled(context, (int)cpu, &now) != 0)
                continue;
            double busy = percent(now.total - now.idle, now.total);
            busiest = busy > busiest ? busy : busiest;
        }
        at = *end == ',' ? end + 1 : end;
        if (at == end && *at)
            break;
    }
    return busiest;
}

static void smt(struct bench_fact *fact, const struct bench_facts_context *context)
{
    long long active;
    double busy = siblings_busy(context);
    if (bench_sysfile_number("/sys/devices/system/cpu/smt/active", &active) != 0)
        bench_fact_unavailable(fact, "the kernel doesn't tell whether cores run several "
                                     "hardware threads");
    else if (!active || busy < 0)
        bench_fact_ok(fact, active ? "on, but not on the core measured" : "off");
    else if (busy >= 10)
        bench_fact_warn(fact,
                        "the other hardware thread of the core measured is busy, which "
                        "slows this one: stop what runs there",
                        "on, sibling %.0f %% busy", busy);
    else
        bench_fact_ok(fact, "on, sibling idle");
}

static void clocksource(struct bench_fact *fact,
                        const struct bench_facts_context *context)
{
    char name[32], flags[4096] = "";
    if (bench_sysfile_line(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource", name,
            sizeof name) != 0) {
        bench_fact_unavailable(fact, "the kernel doesn't tell its clock source");
        return;
    }
    bench_sysfile_field(context->cpuinfo, "flags", flags, sizeof flags);
    const char *constant = strstr(flags, "constant_tsc") ? ", constant_tsc" : "";
    const char *nonstop = strstr(flags, "nonstop_tsc") ? ", nonstop_tsc" : "";
    if (strcmp(name, "hpet") == 0 || strcmp(name, "acpi_pm") == 0 ||
        strcmp(name, "jiffies") == 0)
        bench_fact_warn(
            fact,
            "each clock reading leaves the CPU and costs about a microsecond: "
            "find in the kernel's log why it gave up the TSC",
            "%s%s%s", name, constant, nonstop);
    else
        bench_fact_ok(fact, "%s%s%s", name, constant, nonstop);
}

static void idle_states(struct bench_fact *fact,
                        const struct bench_facts_context *context)
{
    char driver[32], policy[32] = "";
    if (bench_sysfile_line("/sys/devices/system/cpu/cpuidle/current_driver", driver,
                           sizeof driver) != 0) {
        bench_fact_unavailable(fact,
                               "the kernel doesn't tell; waking an idle CPU may cost "
                               "much, which figures across CPUs contain");
        return;
    }
    if (bench_sysfile_line("/sys/devices/system/cpu/cpuidle/current_governor", policy,
                           sizeof policy) != 0)
        bench_sysfile_line("/sys/devices/system/cpu/cpuidle/current_governor_ro", policy,
                           sizeof policy);
    bench_fact_ok(fact, "driver %s, governor %s", driver, policy[0] ? policy : "unknown");
}

static void isolation(struct bench_fact *fact, const struct bench_facts_context *context)
{
    char isolated[96] = "", ticks[96] = "";
    if (bench_sysfile_line("/sys/devices/system/cpu/isolated", isolated,
                           sizeof isolated)) {
        bench_fact_unavailable(fact, "the kernel doesn't tell its isolated CPUs");
        return;
    }
    bench_sysfile_line("/sys/devices/system/cpu/nohz_full", ticks, sizeof ticks);
    if (ticks[0] == '(') /* "(null)" */
        ticks[0] = '\0';
    bench_fact_ok(fact, "isolated CPUs: %s; nohz_full: %s",
                  isolated[0] ? isolated : "none", ticks[0] ? ticks : "none");
}

const struct bench_fact_reader bench_facts_noise[] = {
    {"governor", governor},
    {"turbo", turbo},
    {"frequency", frequency},
    {"smt", smt},
    {"steal", steal},
    {"load", load},
    {"clocksource", clocksource},
    {"idle-states", idle_states},
    {"isolation", isolation},
    {NULL, NULL},
};
