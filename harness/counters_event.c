/* SPDX-License-Identifier: MIT
 *
 * counters_event.c: libpfm4's names, perf_event_open(), and why it was refused.
 *
 * A reason is a sentence that says what to change, for it is printed in the place of a
 * figure. errno alone does not tell: EPERM is a filter's answer as well as the kernel's,
 * and ENOENT means another thing on a machine without a PMU than on one that lacks an
 * event.
 */
#include "counters_event.h"

#include <ctype.h>
#include <errno.h>
#include <perfmon/pfmlib.h>
#include <perfmon/pfmlib_perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "counters.h"

const struct bench_wanted bench_wanted_default[] = {
    {"cycles",
     {"UNHALTED_CORE_CYCLES", "CYCLES_NOT_IN_HALT", "CPU_CYCLES", "perf::CYCLES", NULL}},
    {"instructions",
     {"INSTRUCTION_RETIRED", "RETIRED_INSTRUCTIONS", "INST_RETIRED", "perf::INSTRUCTIONS",
      NULL}},
    {"branch_misses",
     {"MISPREDICTED_BRANCH_RETIRED", "RETIRED_BRANCH_INSTRUCTIONS_MISPREDICTED",
      "BR_MIS_PRED_RETIRED", "perf::BRANCH-MISSES", NULL}},
    {"l1d_misses", {"perf::L1-DCACHE-LOAD-MISSES", "L1D_CACHE_REFILL", NULL}},
    {"llc_misses",
     {"perf::LLC-LOAD-MISSES", "LAST_LEVEL_CACHE_MISSES", "perf::CACHE-MISSES", NULL}},
    {"dtlb_misses", {"perf::DTLB-LOAD-MISSES", "L1D_TLB_REFILL", NULL}},
};
const size_t bench_wanted_default_count =
    sizeof(bench_wanted_default) / sizeof(bench_wanted_default[0]);

static int initialised(char *reason)
{
    static int status = PFM_ERR_NOINIT;
    if (status == PFM_ERR_NOINIT)
        status = pfm_initialize();
    if (status != PFM_SUCCESS)
        snprintf(reason, BENCH_REASON_BYTES, "libpfm4 does not start: %s",
                 pfm_strerror(status));
    return status == PFM_SUCCESS ? 0 : -1;
}

int bench_event_encode(const char *name, struct perf_event_attr *attr, char *reason)
{
    pfm_perf_encode_arg_t argument = {.attr = attr, .size = sizeof(argument)};
    if (initialised(reason) != 0)
        return -1;
    memset(attr, 0, sizeof(*attr));
    attr->size = sizeof(*attr);
    int status = pfm_get_os_event_encoding(name, PFM_PLM3, PFM_OS_PERF_EVENT, &argument);
    if (status == PFM_SUCCESS)
        return 0;
    snprintf(reason, BENCH_REASON_BYTES, "libpfm4 does not know the event '%.60s' (%s)",
             name, pfm_strerror(status));
    return -1;
}

/* ---- refusals ---- */

static long number_in_file(const char *path, const char *key)
{
    char line[256];
    long number = -1;
    FILE *file = fopen(path, "re");
    while (file != NULL && number < 0 && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), "%ld", &number);
    if (file != NULL)
        fclose(file);
    return number;
}

static int open_raw(struct perf_event_attr *attr, int leader_fd)
{
    return (int)syscall(SYS_perf_event_open, attr, 0, -1, leader_fd,
                        PERF_FLAG_FD_CLOEXEC);
}

/* Whether the kernel counts anything in hardware at all: 0, or errno of the refusal. */
static int pmu_error(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_HW_CPU_CYCLES,
                                   .disabled = 1,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    int fd = open_raw(&attr, -1);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static void explain_permission(int error, const struct perf_event_attr *attr,
                               char *reason)
{
    int needed = attr->exclude_kernel ? 2 : 1; /* 2 forbids to look into the kernel */
    long paranoid = number_in_file("/proc/sys/kernel/perf_event_paranoid", "");
    if (error == EPERM && number_in_file("/proc/self/status", "Seccomp:") > 0)
        snprintf(reason, BENCH_REASON_BYTES,
                 "seccomp refuses perf_event_open (EPERM): allow "
                 "it in the container's profile");
    else
        snprintf(
            reason, BENCH_REASON_BYTES,
            "perf_event_open refused: %s: "
            "kernel.perf_event_paranoid is %ld; set %d or less, or grant CAP_PERFMON",
            error == EACCES ? "EACCES" : "EPERM", paranoid, needed);
}

static void explain(int error, const struct perf_event_attr *attr, char *reason)
{
    bool software =
        attr->type == PERF_TYPE_SOFTWARE || attr->type == PERF_TYPE_TRACEPOINT;
    switch (error) {
    case EACCES:
    case EPERM:
        explain_permission(error, attr, reason);
        return;
    case ENOSYS:
        snprintf(reason, BENCH_REASON_BYTES,
                 "perf_event_open is missing (ENOSYS): a kernel "
                 "without perf events, or a seccomp filter that hides it");
        return;
    case EMFILE:
    case ENFILE:
        snprintf(reason, BENCH_REASON_BYTES, "out of file descriptors: raise ulimit -n");
        return;
    case EBUSY:
        snprintf(reason, BENCH_REASON_BYTES, "the PMU is taken by somebody else (EBUSY)");
        return;
    default:
        break;
    }
    if (!software && pmu_error() != 0)
        snprintf(reason, BENCH_REASON_BYTES,
                 "no PMU: the kernel offers no hardware events (a "
                 "virtual machine without a virtual PMU?)");
    else
        snprintf(reason, BENCH_REASON_BYTES,
                 "this kernel or PMU does not offer the event (%s)", strerror(error));
}

/* ---- opening ---- */

/* What happens in the kernel alone: without the kernel's part they would read 0. */
static bool counts_in_kernel_only(const struct perf_event_attr *attr)
{
    return attr->type == PERF_TYPE_SOFTWARE &&
           (attr->config == PERF_COUNT_SW_CONTEXT_SWITCHES ||
            attr->config == PERF_COUNT_SW_CPU_MIGRATIONS);
}

int bench_event_open(struct perf_event_attr *attr, int leader_fd, bool *user_only,
                     char *reason)
{
    attr->disabled = leader_fd < 0;
    attr->read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    if (counts_in_kernel_only(attr))
        attr->exclude_kernel = 0;
    int fd = open_raw(attr, leader_fd);
    int error = errno;
    *user_only = false;
    if (fd < 0 && (error == EACCES || error == EPERM) && !attr->exclude_kernel &&
        !counts_in_kernel_only(attr)) {
        attr->exclude_kernel = attr->exclude_hv = 1;
        fd = open_raw(attr, leader_fd);
        *user_only = fd >= 0;
    }
    if (fd < 0)
        explain(error, attr, reason);
    errno = error;
    return fd;
}

void bench_event_metric(const char *name, char *metric)
{
    const char *event = strstr(name, "::") != NULL ? strstr(name, "::") + 2 : name;
    size_t i = 0;
    for (; event[i] != '\0'; i++)
        metric[i] = isalnum((unsigned char)event[i])
                        ? (char)tolower((unsigned char)event[i])
                        : '_';
    metric[i] = '\0';
}

/* ---- what doctor says ---- */

static const char *core_pmu_name(void)
{
    pfm_pmu_t pmu;
    pfm_for_all_pmus(pmu)
    {
        pfm_pmu_info_t info = {.size = sizeof(info)};
        if (pfm_get_pmu_info(pmu, &info) == PFM_SUCCESS && info.is_present &&
            info.type == PFM_PMU_TYPE_CORE)
            return info.name;
    }
    return NULL;
}

const char *bench_counters_pmu_name(void)
{
    static char text[BENCH_REASON_BYTES + 32];
    char reason[BENCH_REASON_BYTES];
    if (initialised(reason) != 0) {
        snprintf(text, sizeof(text), "none: %s", reason);
        return text;
    }
    const char *name = core_pmu_name();
    int error = pmu_error();
    if (error != 0) {
        const struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                             .exclude_kernel = 1};
        explain(error, &attr, reason);
        snprintf(text, sizeof(text), "none: %s", reason);
        return text;
    }
    return name != NULL ? name : "perf (generic events: libpfm4 does not know this CPU)";
}
