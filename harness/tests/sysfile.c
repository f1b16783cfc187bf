/* SPDX-License-Identifier: MIT
 *
 * Tests of sysfile.c: whatever a file holds, what comes out is bounded and printable.
 */
#include "tree.h"

TestSuite(sysfile, .init = tree_begin, .fini = tree_end);

Test(sysfile, a_line_is_trimmed_and_its_tail_dropped)
{
    char line[32];
    tree_write("/proc/x", " \t value with blanks \t\nsecond\n");
    cr_expect_eq(bench_sysfile_line("/proc/x", line, sizeof line), 0);
    cr_expect_str_eq(line, "value with blanks");
}

Test(sysfile, a_line_is_cut_to_the_room_there_is)
{
    char line[6] = "?????";
    tree_write("/proc/x", "0123456789");
    cr_expect_eq(bench_sysfile_line("/proc/x", line, sizeof line), 0);
    cr_expect_str_eq(line, "01234");
}

Test(sysfile, an_empty_file_is_an_empty_line_and_no_number)
{
    char line[8] = "x";
    long long number;
    tree_write("/proc/x", "");
    cr_expect_eq(bench_sysfile_line("/proc/x", line, sizeof line), 0);
    cr_expect_str_eq(line, "");
    cr_expect_eq(bench_sysfile_number("/proc/x", &number), -EINVAL);
}

Test(sysfile, what_is_no_file_is_an_error_and_no_hang)
{
    char line[8], pipe_path[128];
    tree_write("/proc/directory/x", "");
    cr_expect_eq(bench_sysfile_line("/proc/missing", line, sizeof line), -ENOENT);
    cr_expect_eq(bench_sysfile_line("/proc/directory", line, sizeof line), -EISDIR);
    snprintf(pipe_path, sizeof pipe_path, "%s/proc/pipe", tree_root);
    cr_assert_eq(mkfifo(pipe_path, 0600), 0);
    cr_expect_eq(bench_sysfile_line("/proc/pipe", line, sizeof line), 0);
    cr_expect_str_eq(line, "");
}

Test(sysfile, control_and_foreign_bytes_are_replaced)
{
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    tree_write_bytes("/proc/x", bytes, sizeof bytes);
    char *text = bench_sysfile_text("/proc/x");
    cr_assert(text);
    cr_assert_eq(strlen(text), sizeof bytes, "a NUL ended the text");
    for (size_t i = 0; i < sizeof bytes; i++)
        cr_expect((text[i] >= 0x20 && text[i] < 0x7f) || (i == '\n' && text[i] == '\n'),
                  "byte %zu became %d", i, text[i]);
    free(text);
}

Test(sysfile, a_text_is_bounded)
{
    size_t bytes = (size_t)3 << 20;
    char *large = malloc(bytes);
    cr_assert(large);
    memset(large, 'a', bytes);
    tree_write_bytes("/proc/x", large, bytes);
    char *text = bench_sysfile_text("/proc/x");
    cr_assert(text);
    cr_expect_eq(strlen(text), (size_t)1 << 20);
    free(text);
    free(large);
}

Test(sysfile, numbers)
{
    static const struct {
        const char *text;
        int error;
        long long number;
    } cases[] = {
        {"42\n", 0, 42},
        {"-1\n", 0, -1},
        {"100000 200000\n", 0, 100000},
        {"max\n", -EINVAL, 0},
        {"\n", -EINVAL, 0},
        {"99999999999999999999999\n", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long long number = 0;
        tree_write("/proc/x", cases[i].text);
        cr_expect_eq(bench_sysfile_number("/proc/x", &number), cases[i].error, "%s",
                     cases[i].text);
        cr_expect_eq(number, cases[i].number, "%s gave %lld", cases[i].text, number);
    }
}

Test(sysfile, fields_match_whole_keys)
{
    char value[16];
    const char *text = "model name : a name\nmodel    : 17\nempty :\nno colon\n: none\n";
    cr_expect_eq(bench_sysfile_field(text, "model", value, sizeof value), 0);
    cr_expect_str_eq(value, "17");
    cr_expect_eq(bench_sysfile_field(text, "model name", value, sizeof value), 0);
    cr_expect_str_eq(value, "a name");
    cr_expect_eq(bench_sysfile_field(text, "empty", value, sizeof value), 0);
    cr_expect_str_eq(value, "");
    cr_expect_eq(bench_sysfile_field(text, "no colon", value, sizeof value), -ENOENT);
    cr_expect_eq(bench_sysfile_field(text, "mod", value, sizeof value), -ENOENT);
    cr_expect_eq(bench_sysfile_field(NULL, "model", value, sizeof value), -ENOENT);
}
