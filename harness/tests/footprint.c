/* SPDX-License-Identifier: MIT */
#include "footprint.h"

#include "emulator.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char meminfo[] = "MemTotal:       24683520 kB\n"
                              "KernelStack:        1460 kB\n"
                              "Slab:             161408 kB\n"
                              "SUnreclaim:        25272 kB\n"
                              "HugePages_Total:       0\n"
                              "Torn:";

Test(footprint, field_is_found_whole_and_in_bytes)
{
    cr_assert_eq(bench_memory_field(meminfo, "KernelStack"), 1460 * 1024);
    cr_assert_eq(bench_memory_field(meminfo, "MemTotal"), INT64_C(24683520) * 1024);
    cr_assert_eq(bench_memory_field(meminfo, "Kernel"), -1, "a leading part is no match");
    cr_assert_eq(bench_memory_field(meminfo, "Stack"), -1, "a trailing part is no match");
    cr_assert_eq(bench_memory_field(meminfo, "Torn"), -1);
    cr_assert_eq(bench_memory_field("", "MemTotal"), -1);
}

Test(footprint, slab_counts_live_objects_but_not_the_files)
{
    const char text[] =
        "slabinfo - version: 2.1\n"
        "# name <active_objs> <num_objs> <objsize>\n"
        "ext4_inode_cache 1000 1000 1024 15 4 : tunables 0 0 0 : slabdata 1 1 0\n"
        "task_struct 106 120 5888 5 8 : tunables 0 0 0 : slabdata 24 24 0\n"
        "dentry 500 500 192 21 1 : tunables 0 0 0 : slabdata 24 24 0\n"
        "kmalloc-64 10 64 64 64 1 : tunables 0 0 0 : slabdata 1 1 0\n"
        "torn 7\n";
    cr_assert_eq(bench_slab_live_bytes(text), 106 * 5888 + 10 * 64);
    cr_assert_eq(bench_slab_live_bytes("slabinfo - version: 3.0\n"), -1);
    cr_assert_eq(bench_slab_live_bytes(""), -1);
}

Test(footprint, slope_of_a_line_is_exact)
{
    double x[] = {0, 256, 512, 1024}, y[4], spread;
    for (int i = 0; i < 4; i++)
        y[i] = 1e6 + 4224 * x[i];
    cr_assert_float_eq(bench_slope(x, y, 4, &spread), 4224, 1e-9);
    cr_assert_float_eq(spread, 0, 1e-9);
}

Test(footprint, slope_shrugs_off_one_wild_point_where_least_squares_would_not)
{
    double x[] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, y[9], spread;
    for (int i = 0; i < 9; i++)
        y[i] = 10 * x[i];
    y[8] = 100000;
    cr_assert_float_eq(bench_slope(x, y, 9, &spread), 10, 1e-9);
    y[2] = -5000;
    cr_assert_float_eq(bench_slope(x, y, 9, &spread), 10, 1e-9);
    cr_assert_gt(spread, 0);
}

Test(footprint, slope_of_nothing_is_nan)
{
    double x[] = {3, 3}, y[] = {1, 2}, spread = 7;
    cr_assert(isnan(bench_slope(x, y, 1, &spread)));
    cr_assert(isnan(spread));
    cr_assert(isnan(bench_slope(x, y, 2, NULL)));
}

static struct bench_process_memory read_or_abort(pid_t pid)
{
    struct bench_process_memory memory;
    int err = bench_process_memory_read(pid, &memory);
    if (err == -ENOENT || err == -EACCES)
        cr_skip_test("no /proc/PID/smaps_rollup here: %s", strerror(-err));
    cr_assert_eq(err, 0, "%s", strerror(-err));
    return memory;
}

Test(footprint, a_mapping_is_reserved_at_once_and_resident_when_touched)
{
    const size_t bytes = 8 << 20;
    if (bench_emulator())
        cr_skip_test("the memory of %s is in the figures", bench_emulator());
    (void)read_or_abort(0);
    struct bench_process_memory before = read_or_abort(0);
    char *map =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(map, MAP_FAILED);
    struct bench_process_memory mapped = read_or_abort(0);
    memset(map, 1, bytes);
    struct bench_process_memory touched = read_or_abort(0);
    cr_assert_eq(mapped.reserved_bytes - before.reserved_bytes, bytes);
    cr_assert_lt(mapped.resident_bytes - before.resident_bytes, 64 * 1024);
    cr_assert_geq(touched.resident_bytes - mapped.resident_bytes, bytes);
    /* less than all: a page of a library may become shared with another process meanwhile
     */
    cr_assert_geq(touched.private_bytes, mapped.private_bytes + bytes * 3 / 4);
    cr_assert_gt(touched.page_table_bytes, 0);
    munmap(map, bytes);
}

Test(footprint, another_process_is_read_and_a_missing_one_is_an_error)
{
    int gate[2];
    cr_assert_eq(pipe(gate), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
    cr_assert_gt(child, 0);
    struct bench_process_memory memory = read_or_abort(child);
    cr_assert_gt(memory.resident_bytes, memory.private_bytes);
    cr_assert_gt(memory.page_table_bytes, 0);
    close(gate[1]);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert_lt(bench_process_memory_read(child, &memory), 0);
}

Test(footprint, kernel_memory_is_there_and_of_a_known_kind)
{
    struct bench_kernel_memory memory;
    cr_assert_eq(bench_kernel_memory_read(&memory), 0);
    cr_assert_gt(memory.stack_bytes, 0);
    cr_assert_gt(memory.object_bytes, 0);
    if (geteuid() != 0)
        cr_assert(!memory.by_object, "slabinfo is root's");
}

Test(footprint, memory_available_is_less_than_a_petabyte)
{
    uint64_t bytes = bench_memory_available_bytes();
    cr_assert_gt(bytes, 1 << 20);
    cr_assert_lt(bytes, UINT64_C(1) << 50);
}
