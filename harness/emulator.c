/* SPDX-License-Identifier: MIT
 *
 * emulator.c: what an emulator forgets to hide.
 *
 * A user-mode emulator answers for /proc/self/exe as the program expects, but not for the
 * same link by way of the thread. A machine that is emulated by QEMU says so in CPUID; on
 * aarch64 its CPU `max` has implementer 0, which is reserved for software.
 */
#include "emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfile.h"

#if defined(__x86_64__)
#include <cpuid.h>

static int machine_is_emulated(void)
{
    unsigned a, b, c, d, id[3];
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 31))
        return 0;
    __cpuid(0x40000000, a, id[0], id[1], id[2]);
    return memcmp(id, "TCGTCGTCGTCG", sizeof id) == 0;
}
#else
static int machine_is_emulated(void)
{
    char *cpuinfo = bench_sysfile_text("/proc/cpuinfo"), implementer[16] = "";
    bench_sysfile_field(cpuinfo, "CPU implementer", implementer, sizeof implementer);
    free(cpuinfo);
    return strcmp(implementer, "0x00") == 0;
}
#endif

const char *bench_emulator(void)
{
    static char name[64];
    char path[512];
    ssize_t length = readlink("/proc/thread-self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    const char *slash = strrchr(path, '/');
    if (slash && strncmp(slash + 1, "qemu-", 5) == 0)
        snprintf(name, sizeof name, "%.40s, user mode", slash + 1);
    else if (machine_is_emulated())
        snprintf(name, sizeof name, "QEMU, system mode");
    return name[0] ? name : NULL;
}
