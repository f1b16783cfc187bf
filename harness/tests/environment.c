/* SPDX-License-Identifier: MIT
 *
 * Tests of environment.c and its tables of facts, on made-up machines: what each setting
 * is said to mean, and that neither a missing nor a hostile file does harm.
 */
#include "environment.h"

#include <ctype.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tree.h"

TestSuite(environment, .init = tree_begin, .fini = tree_end);

static struct bench_fact facts[BENCH_FACTS_MAX];
static size_t fact_count;

static void read_facts(void)
{
    memset(facts, 0x7f, sizeof facts);
    fact_count = bench_environment_read(facts, BENCH_FACTS_MAX);
}

static const struct bench_fact *fact(const char *name)
{
    for (size_t i = 0; i < fact_count; i++)
        if (strcmp(facts[i].name, name) == 0)
            return &facts[i];
    cr_assert_fail("there is no fact named %s", name);
    return NULL;
}

static void expect(const char *name, enum bench_status status, const char *value_part)
{
    const struct bench_fact *got = fact(name);
    cr_expect_eq(got->status, status, "%s has status %d, value \"%s\", advice \"%s\"",
                 name, got->status, got->value, got->advice);
    cr_expect(strstr(got->value, value_part), "%s is \"%s\", without \"%s\"", name,
              got->value, value_part);
}

/* What holds of every fact, whatever the machine says. */
static void expect_well_formed(void)
{
    cr_assert(fact_count > 30 && fact_count < BENCH_FACTS_MAX, "%zu facts", fact_count);
    for (size_t i = 0; i < fact_count; i++) {
        const struct bench_fact *f = &facts[i];
        cr_assert(memchr(f->value, 0, sizeof f->value) &&
                  memchr(f->advice, 0, sizeof f->advice));
        for (const char *at = f->value; *at; at++)
            cr_expect(*at >= 0x20 && *at < 0x7f, "%s holds byte %d", f->name, *at);
        for (const char *at = f->advice; *at; at++)
            cr_expect(*at >= 0x20 && *at < 0x7f, "%s advises byte %d", f->name, *at);
        cr_expect((f->value[0] == '\0') == (f->status == BENCH_UNAVAILABLE),
                  "%s: status %d, value \"%s\"", f->name, f->status, f->value);
        cr_expect((f->advice[0] == '\0') == (f->status == BENCH_OK),
                  "%s: status %d, advice \"%s\"", f->name, f->status, f->advice);
        cr_expect_lt(strlen(f->advice), sizeof f->advice - 1, "%s: advice is cut",
                     f->name);
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(f->name, facts[j].name);
    }
}

Test(environment, a_machine_that_tells_nothing)
{
    read_facts();
    expect_well_formed();
    static const char *const silent[] = {
        "cpu",           "memory",      "governor",  "turbo",       "frequency",
        "smt",           "steal",       "load",      "clocksource", "mitigations",
        "huge-pages",    "aslr",        "rdpmc",     "confinement", "overcommit",
        "max-map-count", "threads-max", "cgroup-cpu"};
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        expect(silent[i], BENCH_UNAVAILABLE, "");
}

Test(environment, this_machine)
{
    bench_sysfile_set_root(NULL);
    read_facts();
    expect_well_formed();
    expect("kernel", BENCH_OK, "Linux");
    expect("page-size", BENCH_OK, "bytes");
    cr_expect_neq(fact("compiler")->status, BENCH_UNAVAILABLE);
}

Test(environment, no_more_facts_than_there_is_room)
{
    struct bench_fact few[4];
    memset(few, 0x7f, sizeof few);
    cr_expect_eq(bench_environment_read(few, 3), 3);
    cr_expect_eq(few[3].value[0], 0x7f);
    cr_expect_eq(bench_environment_read(NULL, 0), 0);
}

Test(environment, a_processor_is_named)
{
    tree_write("/proc/cpuinfo",
               "processor\t: 0\nvendor_id\t: GenuineIntel\n"
               "cpu family\t: 6\nmodel\t\t: 106\nmodel name\t: A Name\n"
               "stepping\t: 3\nmicrocode\t: 0x1f\ncpu MHz\t\t: 2900.1\n");
    read_facts();
    expect("cpu", BENCH_OK, "A Name, family 6 model 106 stepping 3");
    expect("microcode", BENCH_OK, "0x1f");
    expect("frequency", BENCH_OK, "2900.1 MHz");
}

Test(environment, an_arm_processor_is_named)
{
    tree_write("/proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\n"
                                "CPU part\t: 0xd0c\nCPU revision\t: 1\n");
    read_facts();
    expect("cpu", BENCH_OK, "implementer 0x41 part 0xd0c revision 1");
}

Test(environment, the_hypervisor_flag_is_a_word)
{
    tree_write("/proc/cpuinfo", "model name : A\nflags\t\t: fpu nohypervisor sse\n");
    read_facts();
    cr_expect_neq(fact("hypervisor")->status, BENCH_WARNING);
    tree_write("/proc/cpuinfo", "model name : A\nflags\t\t: fpu hypervisor sse\n");
    read_facts();
    expect("hypervisor", BENCH_WARNING, "without a name");
    tree_write("/sys/hypervisor/type", "xen\n");
    read_facts();
    expect("hypervisor", BENCH_WARNING, "xen");
}

static void write_for_every_cpu(const char *file, const char *text)
{
    char path[160];
    for (int cpu = 0; cpu < 256; cpu++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
        tree_write(path, text);
    }
}

Test(environment, clock_frequency)
{
    write_for_every_cpu("cpufreq/scaling_governor", "powersave\n");
    write_for_every_cpu("cpufreq/scaling_cur_freq", "1400000\n");
    write_for_every_cpu("cpufreq/cpuinfo_min_freq", "800000\n");
    write_for_every_cpu("cpufreq/cpuinfo_max_freq", "3400000\n");
    tree_write("/sys/devices/system/cpu/cpufreq/boost", "1\n");
    read_facts();
    expect("governor", BENCH_WARNING, "powersave");
    expect("turbo", BENCH_WARNING, "on");
    expect("frequency", BENCH_OK, "1400 MHz now, 800 to 3400");
    write_for_every_cpu("cpufreq/scaling_governor", "performance\n");
    tree_write("/sys/devices/system/cpu/cpufreq/boost", "0\n");
    read_facts();
    expect("governor", BENCH_OK, "performance");
    expect("turbo", BENCH_OK, "off");
    tree_write("/sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
    read_facts();
    expect("turbo", BENCH_WARNING, "on");
}

Test(environment, steal_and_load)
{
    tree_write("/proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1\n");
    tree_write("/proc/loadavg", "0.01 0.02 0.03 1/100 1234\n");
    read_facts();
    expect("steal", BENCH_OK, "0.00 %");
    expect("load", BENCH_OK, "0.01");
    tree_write("/proc/stat", "cpu  100 0 100 700 0 0 0 100 0 0\n");
    tree_write("/proc/loadavg", "9000.5 0.02 0.03 1/100 1234\n");
    read_facts();
    expect("steal", BENCH_WARNING, "10.00 %");
    expect("load", BENCH_WARNING, "9000.50");
}

Test(environment, kernel_settings)
{
    tree_write("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    tree_write("/proc/sys/kernel/randomize_va_space", "0\n");
    tree_write("/sys/bus/event_source/devices/cpu/rdpmc", "0\n");
    tree_write("/proc/sys/kernel/nmi_watchdog", "1\n");
    tree_write("/proc/sys/vm/overcommit_memory", "2\n");
    tree_write("/proc/self/status", "Name:\tx\nNoNewPrivs:\t1\nSeccomp:\t2\n");
    tree_write("/sys/devices/system/clocksource/clocksource0/current_clocksource",
               "hpet\n");
    read_facts();
    expect("huge-pages", BENCH_WARNING, "always");
    expect("aslr", BENCH_WARNING, "0");
    expect("rdpmc", BENCH_WARNING, "off");
    expect("nmi-watchdog", BENCH_WARNING, "on");
    expect("overcommit", BENCH_WARNING, "2");
    expect("confinement", BENCH_WARNING, "seccomp mode 2, no new privileges");
    expect("clocksource", BENCH_WARNING, "hpet");
    tree_write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    tree_write("/proc/sys/kernel/randomize_va_space", "2\n");
    tree_write("/proc/self/status", "NoNewPrivs:\t0\nSeccomp:\t0\n");
    read_facts();
    expect("huge-pages", BENCH_OK, "madvise");
    expect("aslr", BENCH_OK, "2");
    expect("confinement", BENCH_OK, "no seccomp filter");
}

Test(environment, mitigations_and_no_other_word_of_the_command_line)
{
    tree_write("/sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: X\n");
    tree_write("/sys/devices/system/cpu/vulnerabilities/mds",
               "Vulnerable: no microcode\n");
    tree_write("/sys/devices/system/cpu/vulnerabilities/l1tf", "Not affected\n");
    tree_write("/proc/cmdline", "root=/dev/sda1 mitigations=off password=secret\n");
    read_facts();
    expect("mitigations", BENCH_OK,
           "active: spectre_v2; left vulnerable: 1; mitigations=off");
    for (size_t i = 0; i < fact_count; i++)
        cr_expect_not(strstr(facts[i].value, "secret"), "%s", facts[i].name);
}

Test(environment, the_tightest_group_on_the_way_up_counts)
{
    tree_write("/proc/self/cgroup", "0::/user.slice/job\n");
    tree_write("/sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
    tree_write("/sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n");
    tree_write("/sys/fs/cgroup/user.slice/job/memory.max", "1073741824\n");
    tree_write("/sys/fs/cgroup/user.slice/memory.max", "67108864\n");
    tree_write("/sys/fs/cgroup/user.slice/job/pids.max", "max\n");
    read_facts();
    expect("cgroup-cpu", BENCH_WARNING, "1.50 CPUs");
    expect("cgroup-memory", BENCH_WARNING, "64 MiB");
    expect("cgroup-pids", BENCH_OK, "no limit");
}

Test(environment, groups_of_the_older_hierarchy)
{
    tree_write("/proc/self/cgroup", "5:pids:/a\n4:cpu,cpuacct:/a/b\n3:memory:/a\n0::/\n");
    tree_write("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n");
    tree_write("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    tree_write("/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n");
    tree_write("/sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n");
    tree_write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
    tree_write("/sys/fs/cgroup/pids/a/pids.max", "20\n");
    read_facts();
    expect("cgroup-cpu", BENCH_WARNING, "0.50 CPUs");
    expect("cgroup-memory", BENCH_OK, "no limit");
    expect("cgroup-pids", BENCH_WARNING, "20 ");
}

/* A container that sees the host's group names, but only its own group's files. */
Test(environment, a_group_outside_of_the_namespace_begins_at_the_root)
{
    tree_write("/proc/self/cgroup", "0::/../../other\n");
    tree_write("/sys/fs/cgroup/cpu.max", "25000 100000\n");
    read_facts();
    expect("cgroup-cpu", BENCH_WARNING, "0.25 CPUs");
    tree_write("/proc/self/cgroup", "0::/docker/0123\n");
    read_facts();
    expect("cgroup-cpu", BENCH_WARNING, "0.25 CPUs");
}

Test(environment, resource_limits)
{
    struct rlimit limit = {.rlim_cur = 64 << 10, .rlim_max = 8 << 20};
    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);
    cr_assert_eq(getrlimit(RLIMIT_STACK, &limit), 0);
    if (limit.rlim_cur != 64 << 10)
        cr_skip_test("this kernel takes a limit of memory and ignores it: an emulator");
    read_facts();
    expect("rlimit-stack", BENCH_WARNING, "65536");
}

/* LeakSanitizer looks for leaks by ptrace, and can't once that is refused. */
static int no_leak_check;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return no_leak_check;
}

/* As a container does: `call` fails with EPERM from here on. */
static int refuse_call(unsigned call)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0
               ? 0
               : -errno;
}

Test(environment, calls_that_a_filter_refuses_are_said_to_be)
{
    int error = refuse_call(SYS_perf_event_open);
    if (error)
        cr_skip_test("this kernel takes no seccomp filter: %s", strerror(-error));
    no_leak_check = 1;
    cr_assert_eq(refuse_call(SYS_ptrace), 0);
    cr_assert_eq(refuse_call(SYS_io_uring_setup), 0);
    bench_sysfile_set_root(NULL);
    read_facts();
    static const char *const refused[] = {"pmu", "io-uring", "ptrace"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        expect(refused[i], BENCH_UNAVAILABLE, "");
        cr_expect(strstr(fact(refused[i])->advice, "Operation not permitted"), "%s: %s",
                  refused[i], fact(refused[i])->advice);
    }
    expect("confinement", BENCH_WARNING, "seccomp mode 2, no new privileges");
    expect_well_formed();
}

/* Every file that a fact is read from, filled with the same bytes. */
static void fill_all(const void *bytes, size_t count)
{
    static const char *const files[] = {
        "/proc/cpuinfo",
        "/proc/stat",
        "/proc/loadavg",
        "/proc/meminfo",
        "/proc/cmdline",
        "/proc/self/status",
        "/proc/self/cgroup",
        "/proc/sys/kernel/randomize_va_space",
        "/proc/sys/kernel/perf_event_paranoid",
        "/proc/sys/kernel/nmi_watchdog",
        "/proc/sys/kernel/numa_balancing",
        "/proc/sys/kernel/yama/ptrace_scope",
        "/proc/sys/kernel/pid_max",
        "/proc/sys/kernel/threads-max",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/vm/max_map_count",
        "/sys/devices/system/cpu/online",
        "/sys/devices/system/cpu/isolated",
        "/sys/devices/system/cpu/nohz_full",
        "/sys/devices/system/cpu/smt/active",
        "/sys/devices/system/cpu/cpufreq/boost",
        "/sys/hypervisor/type",
        "/sys/devices/system/cpu/intel_pstate/no_turbo",
        "/sys/devices/system/cpu/cpuidle/current_driver",
        "/sys/devices/system/cpu/cpuidle/current_governor",
        "/sys/devices/system/cpu/vulnerabilities/spectre_v2",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/bus/event_source/devices/cpu/rdpmc",
        "/sys/fs/cgroup/cpu.max",
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/pids.max"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        tree_write_bytes(files[i], bytes, count);
    for (int cpu = 0; cpu < 4; cpu++) {
        static const char *const per_cpu[] = {
            "cpufreq/scaling_governor", "cpufreq/scaling_cur_freq",
            "cpufreq/cpuinfo_min_freq", "cpufreq/cpuinfo_max_freq",
            "topology/thread_siblings_list"};
        for (size_t i = 0; i < sizeof per_cpu / sizeof *per_cpu; i++) {
            char path[160];
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu,
                     per_cpu[i]);
            tree_write_bytes(path, bytes, count);
        }
    }
}

static void expect_harmless(void)
{
    char slug[64];
    read_facts();
    cr_assert(fact_count > 30);
    for (size_t i = 0; i < fact_count; i++) {
        cr_assert(memchr(facts[i].value, 0, sizeof facts[i].value));
        for (const char *at = facts[i].value; *at; at++)
            cr_expect(*at >= 0x20 && *at < 0x7f, "%s holds byte %d", facts[i].name, *at);
    }
    bench_machine_slug(slug, sizeof slug);
    cr_expect(slug[0]);
}

Test(environment, hostile_files_do_no_harm)
{
    char bytes[65536];
    srand(1);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)rand();
    fill_all(bytes, sizeof bytes);
    expect_harmless();
    memset(bytes, 'A', sizeof bytes);
    fill_all(bytes, sizeof bytes);
    expect_harmless();
    static const char *const texts[] = {
        "",
        "\n\n\n",
        ":",
        "0::",
        "a:b:c:d",
        "\033[31mred\033[0m\a\r",
        "%s%n%d %99999d",
        "99999999999999999999999999",
        "-9223372036854775808",
        "0-99999999999,5-1,-",
        "[[[]",
        "cpu  18446744073709551615 18446744073709551615 1 1 1 1 1 18446744073709551615\n",
        "0::/\xe2\x80\xae/../x\n1:cpu,:/\n",
        "MemTotal: -5 kB\nMemAvailable: x\n",
        "flags :\nmodel name :\nvendor_id :\n",
        "1 0\n",
        "1000000 -1\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fill_all(texts[i], strlen(texts[i]));
        expect_harmless();
    }
}

Test(environment, json_holds_the_facts)
{
    json_t *array = bench_environment_json();
    cr_assert(json_is_array(array));
    cr_expect_gt(json_array_size(array), 30);
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item)
    {
        const char *status = json_string_value(json_object_get(item, "status"));
        cr_assert(status);
        cr_expect(strcmp(status, "ok") == 0 || strcmp(status, "warning") == 0 ||
                  strcmp(status, "unavailable") == 0);
        cr_expect(json_is_string(json_object_get(item, "name")));
        cr_expect(json_is_string(json_object_get(item, "value")));
        cr_expect(json_is_string(json_object_get(item, "advice")));
        cr_expect_eq(json_object_size(item), 4);
    }
    json_decref(array);
}

static void expect_slug(const char *cpuinfo, const char *online, const char *want)
{
    char slug[64];
    tree_write("/proc/cpuinfo", cpuinfo);
    tree_write("/sys/devices/system/cpu/online", online);
    bench_machine_slug(slug, sizeof slug);
    cr_expect_str_eq(slug, want);
}

Test(environment, slugs)
{
    expect_slug("vendor_id : AuthenticAMD\ncpu family : 25\nmodel : 17\n"
                "model name : AMD EPYC\n",
                "0-1", "amd-epyc-family25-model17-2cpu");
    expect_slug("vendor_id : AuthenticAMD\ncpu family : 25\nmodel : 1\n"
                "model name : AMD EPYC 7763 64-Core Processor\n",
                "0-127", "amd-epyc-7763-family25-model1-128cpu");
    expect_slug("vendor_id : GenuineIntel\ncpu family : 6\nmodel : 106\n"
                "model name : Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz\n",
                "0-3,8,10-11", "intel-xeon-platinum-8375c-family6-model106-7cpu");
    expect_slug("CPU implementer : 0x41\nCPU part : 0xd0c\n", "0-3",
                "arm-implementer41-partd0c-4cpu");
}

Test(environment, a_slug_of_a_silent_machine_is_unknown)
{
    char slug[64];
    bench_machine_slug(slug, sizeof slug);
    cr_expect_eq(strncmp(slug, "unknown-", 8), 0, "%s", slug);
}

/* A folder's name: nothing but letters, digits and single hyphens within, however short.
 */
Test(environment, slugs_are_fit_for_a_folder)
{
    static const char *const hostile[] = {
        "vendor_id : ../../etc\nmodel name : $(reboot) `x` ; rm -rf / \n",
        "vendor_id : \xff\xfe\nmodel name : \xe2\x80\xae\n",
        "vendor_id : ---\nmodel name : - - -\nmodel : -\n",
        "vendor_id : AVERYLONGVENDORNAMEAVERYLONGVENDORNAMEAVERYLONGVENDORNAME\n"
        "model name : A B C D E F G H I J K L M N O P Q R S T U V W X Y Z\nmodel : 1\n"};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        tree_write("/proc/cpuinfo", hostile[i]);
        for (size_t bytes = 1; bytes <= 64; bytes++) {
            char slug[65];
            memset(slug, 0x7f, sizeof slug);
            bench_machine_slug(slug, bytes);
            cr_assert(memchr(slug, 0, bytes), "no end within %zu bytes", bytes);
            cr_expect_eq(slug[bytes], 0x7f);
            for (char *at = slug; *at; at++) {
                cr_expect(islower((unsigned char)*at) || isdigit((unsigned char)*at) ||
                              *at == '-',
                          "%s", slug);
                cr_expect(*at != '-' || (at > slug && at[1] && at[1] != '-'), "%s", slug);
            }
        }
    }
}
