/* SPDX-License-Identifier: MIT
 *
 * facts_kernel.c: what the kernel does to every process, and what it permits this one.
 *
 * What is permitted is tried (a counter opened, a child traced, a guard installed) rather
 * than concluded from settings: containers forbid in more ways than settings tell.
 */
#include "facts.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counters.h"
#include "sysfile.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

static void kernel(struct bench_fact *fact, const struct bench_facts_context *context)
{
    struct utsname name;
    if (uname(&name) != 0)
        bench_fact_unavailable(fact, "uname: %s", strerror(errno));
    else
        bench_fact_ok(fact, "%s %s, %s", name.sysname, name.release, name.version);
}

/* The words of the kernel's command line that switch mitigations; no other is looked at.
 */
static void mitigation_words(char *words, size_t bytes)
{
    static const char *const switches[] = {"mitigations=", "nospectre", "spectre_v2",
                                           "retbleed=",    "nopti",     "pti="};
    char *line = bench_sysfile_text("/proc/cmdline"), *rest = NULL;
    size_t length = 0;
    words[0] = '\0';
    for (char *word = line ? strtok_r(line, " \n", &rest) : NULL; word;
         word = strtok_r(NULL, " \n", &rest))
        for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
            if (strncmp(word, switches[i], strlen(switches[i])) == 0 &&
                length + strlen(word) + 3 < bytes)
                length += (size_t)snprintf(words + length, bytes - length, "%s%s",
                                           length ? " " : "; ", word);
    free(line);
}

/* Files of one folder in /sys; a kernel has those that it knows of. */
static const char *const vulnerabilities[] = {"gather_data_sampling",
                                              "indirect_target_selection",
                                              "itlb_multihit",
                                              "l1tf",
                                              "mds",
                                              "meltdown",
                                              "mmio_stale_data",
                                              "reg_file_data_sampling",
                                              "retbleed",
                                              "spec_rstack_overflow",
                                              "spec_store_bypass",
                                              "spectre_v1",
                                              "spectre_v2",
                                              "srbds",
                                              "tsa",
                                              "tsx_async_abort",
                                              "vmscape"};

static void mitigations(struct bench_fact *fact,
                        const struct bench_facts_context *context)
{
    char active[160] = "", words[64];
    size_t length = 0;
    int known = 0, vulnerable = 0;
    for (size_t i = 0; i < sizeof vulnerabilities / sizeof *vulnerabilities; i++) {
        char path[128], line[16];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/vulnerabilities/%s",
                 vulnerabilities[i]);
        if (bench_sysfile_line(path, line, sizeof line) != 0)
            continue;
        known++;
        vulnerable += strncmp(line, "Vulnerable", 10) == 0;
        if (strncmp(line, "Mitigation", 10) == 0 && length < sizeof active)
            length += (size_t)snprintf(active + length, sizeof active - length, "%s%s",
                                       length ? " " : "", vulnerabilities[i]);
    }
    mitigation_words(words, sizeof words);
    if (!known)
        bench_fact_unavailable(fact,
                               "the kernel doesn't tell its mitigations, which slow "
                               "system calls and indirect branches");
    else
        bench_fact_ok(fact, "active: %s; left vulnerable: %d%s", length ? active : "none",
                      vulnerable, words);
}

/* "always [madvise] never" -> "madvise" */
static int bracketed_word(const char *path, char *word, size_t bytes)
{
    char line[128];
    int error = bench_sysfile_line(path, line, sizeof line);
    char *open = error ? NULL : strchr(line, '['),
         *close = open ? strchr(open, ']') : NULL;
    if (!close)
        return error ? error : -EINVAL;
    *close = '\0';
    snprintf(word, bytes, "%s", open + 1);
    return 0;
}

static void huge_pages(struct bench_fact *fact, const struct bench_facts_context *context)
{
    char word[32];
    if (bracketed_word("/sys/kernel/mm/transparent_hugepage/enabled", word, sizeof word))
        bench_fact_unavailable(fact,
                               "the kernel has no transparent huge pages, or hides it");
    else if (strcmp(word, "always") == 0)
        bench_fact_warn(fact,
                        "stacks that lie side by side may share a huge page, which makes "
                        "resident bytes jump: echo madvise to "
                        "/sys/kernel/mm/transparent_hugepage/enabled",
                        "%s", word);
    else
        bench_fact_ok(fact, "%s", word);
}

static void address_randomisation(struct bench_fact *fact,
                                  const struct bench_facts_context *context)
{
    long long value;
    if (bench_sysfile_number("/proc/sys/kernel/randomize_va_space", &value) != 0)
        bench_fact_unavailable(fact, "/proc/sys/kernel/randomize_va_space can't be read");
    else if (value < 2)
        bench_fact_warn(fact,
                        "one address layout for all trials hides the luck of layout from "
                        "the intervals: write 2 to /proc/sys/kernel/randomize_va_space",
                        "%lld", value);
    else
        bench_fact_ok(fact, "%lld: full", value);
}

static void perf_paranoid(struct bench_fact *fact,
                          const struct bench_facts_context *context)
{
    long long value;
    if (bench_sysfile_number("/proc/sys/kernel/perf_event_paranoid", &value) != 0)
        bench_fact_unavailable(fact, "this kernel has no perf_event_open, or hides it");
    else if (value > 2 && geteuid() != 0)
        bench_fact_warn(fact,
                        "counters are refused without privilege: write 2 or less to "
                        "/proc/sys/kernel/perf_event_paranoid",
                        "%lld", value);
    else
        bench_fact_ok(fact, "%lld", value);
}

static void user_rdpmc(struct bench_fact *fact, const struct bench_facts_context *context)
{
    static const char *const files[] = {"/sys/bus/event_source/devices/cpu/rdpmc",
                                        "/sys/bus/event_source/devices/cpu_core/rdpmc",
                                        "/proc/sys/kernel/perf_user_access"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        long long value;
        if (bench_sysfile_number(files[i], &value) != 0)
            continue;
        if (value == 0)
            bench_fact_warn(
                fact,
                "counters are read by system calls, at some hundred ns each; "
                "write 1 to the PMU's rdpmc in /sys to read them in user space",
                "off");
        else
            bench_fact_ok(fact, "%lld", value);
        return;
    }
    bench_fact_unavailable(fact, "no PMU that user space could read");
}

/* Opens a counter of this process's cycles; 0 or -errno. */
static int try_cycles(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof attr,
                                   .config = PERF_COUNT_HW_CPU_CYCLES,
                                   .disabled = 1,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    long file = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0ul);
    if (file < 0)
        return -errno;
    close((int)file);
    return 0;
}

static void pmu(struct bench_fact *fact, const struct bench_facts_context *context)
{
    int error = try_cycles();
    if (!error)
        bench_fact_ok(fact, "%s", bench_counters_pmu_name());
    else if (error == -EACCES || error == -EPERM)
        bench_fact_unavailable(fact,
                               "perf_event_open is refused (%s): by "
                               "perf_event_paranoid, or a container's filter; times, "
                               "estimated cycles and `count` need none",
                               strerror(-error));
    else
        bench_fact_unavailable(fact,
                               "no hardware counters (%s), as is usual in a virtual "
                               "machine; times, estimated cycles and `count` need "
                               "none",
                               strerror(-error));
}

static void nmi_watchdog(struct bench_fact *fact,
                         const struct bench_facts_context *context)
{
    long long value;
    if (bench_sysfile_number("/proc/sys/kernel/nmi_watchdog", &value) != 0)
        bench_fact_unavailable(fact, "this kernel has none, or hides it");
    else if (value != 0)
        bench_fact_warn(fact,
                        "it holds one hardware counter: write 0 to "
                        "/proc/sys/kernel/nmi_watchdog to have all",
                        "on");
    else
        bench_fact_ok(fact, "off");
}

static void numa_balancing(struct bench_fact *fact,
                           const struct bench_facts_context *context)
{
    long long value;
    if (bench_sysfile_number("/proc/sys/kernel/numa_balancing", &value) != 0)
        bench_fact_unavailable(fact, "this kernel has none, or hides it");
    else if (value != 0 && context->topology.numa_nodes > 1)
        bench_fact_warn(
            fact,
            "the kernel unmaps pages to see who uses them, which adds faults: "
            "write 0 to /proc/sys/kernel/numa_balancing",
            "on");
    else
        bench_fact_ok(fact, value ? "on, with one node" : "off");
}

/* Whether a child that asks to be traced may be: 0 or -errno. */
static int try_ptrace(void)
{
    fflush(NULL); /* or the child would hold a second copy of what is buffered */
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : errno & 0xff);
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

static void tracing(struct bench_fact *fact, const struct bench_facts_context *context)
{
    long long scope = -1;
    bench_sysfile_number("/proc/sys/kernel/yama/ptrace_scope", &scope);
    int error = try_ptrace();
    if (error)
        bench_fact_unavailable(fact,
                               "a child can't be traced (%s), so `count` can't step: "
                               "look at kernel.yama.ptrace_scope (%lld, -1: not "
                               "there) and at the container's seccomp filter",
                               strerror(-error), scope);
    else if (scope >= 0)
        bench_fact_ok(fact, "allowed, yama ptrace_scope %lld", scope);
    else
        bench_fact_ok(fact, "allowed");
}

static void confinement(struct bench_fact *fact,
                        const struct bench_facts_context *context)
{
    char *text = bench_sysfile_text("/proc/self/status"), mode[8], no_new[8];
    int error = bench_sysfile_field(text, "Seccomp", mode, sizeof mode);
    bench_sysfile_field(text, "NoNewPrivs", no_new, sizeof no_new);
    free(text);
    const char *privileges = no_new[0] == '1' ? ", no new privileges" : "";
    if (error)
        bench_fact_unavailable(fact, "/proc/self/status tells no seccomp mode");
    else if (mode[0] != '0')
        bench_fact_warn(
            fact,
            "a filter runs on every system call, which makes threads, pipes and "
            "futexes look slower than they are: measure outside the container",
            "seccomp mode %s%s", mode, privileges);
    else
        bench_fact_ok(fact, "no seccomp filter%s", privileges);
}

static void guard_pages(struct bench_fact *fact,
                        const struct bench_facts_context *context)
{
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int error =
        page == MAP_FAILED || madvise(page, bytes, MADV_GUARD_INSTALL) != 0 ? errno : 0;
    if (page != MAP_FAILED)
        munmap(page, bytes);
    if (error)
        bench_fact_warn(fact,
                        "no MADV_GUARD_INSTALL (Linux 6.13): a guarded stack costs two "
                        "mappings, and vm.max_map_count bounds how many there can be",
                        "mprotect");
    else
        bench_fact_ok(fact, "MADV_GUARD_INSTALL");
}

static void io_uring(struct bench_fact *fact, const struct bench_facts_context *context)
{
    char parameters[256] = {0}; /* more than struct io_uring_params: 120 bytes */
    long file = syscall(SYS_io_uring_setup, 1, parameters);
    int error = file < 0 ? errno : 0;
    if (!error)
        close((int)file);
    if (error == ENOSYS)
        bench_fact_unavailable(fact,
                               "this kernel was built without io_uring, or before 5.1");
    else if (error)
        bench_fact_unavailable(fact,
                               "refused (%s): look at kernel.io_uring_disabled and at "
                               "the container's seccomp filter",
                               strerror(error));
    else
        bench_fact_ok(fact, "allowed");
}

const struct bench_fact_reader bench_facts_kernel[] = {
    {"kernel", kernel},
    {"mitigations", mitigations},
    {"huge-pages", huge_pages},
    {"aslr", address_randomisation},
    {"pmu", pmu},
    {"perf-event-paranoid", perf_paranoid},
    {"rdpmc", user_rdpmc},
    {"nmi-watchdog", nmi_watchdog},
    {"numa-balancing", numa_balancing},
    {"ptrace", tracing},
    {"confinement", confinement},
    {"guard-pages", guard_pages},
    {"io-uring", io_uring},
    {NULL, NULL},
};
