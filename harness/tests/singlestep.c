/* SPDX-License-Identifier: MIT
 *
 * Tests of singlestep.c: exact figures of step_target's loops, end to end, in both
 * formats.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "decode.h"
#include "singlestep.h"

static char output[1 << 16];

/* Runs bench_count() and keeps what it wrote to stdout in `output`. */
static int count(const char *loop, unsigned ops, int json, int disassembly)
{
    char ops_text[16];
    snprintf(ops_text, sizeof(ops_text), "%u", ops);
    char *argv[] = {(char *)STEP_TARGET, (char *)loop, ops_text, NULL};
    const struct bench_count_options options = {
        .ops = ops, .steps_max = 1000000, .timeout_s = 60, .json = json,
        .disassembly = disassembly};
    FILE *kept = tmpfile();
    int stdout_fd = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fileno(kept), STDOUT_FILENO);
    int exit_code = bench_count("a/case", "one pass", argv, &options);
    dup2(stdout_fd, STDOUT_FILENO);
    close(stdout_fd);
    rewind(kept);
    output[fread(output, 1, sizeof(output) - 1, kept)] = '\0';
    fclose(kept);
    if (exit_code == 77)
        cr_skip("ptrace is refused here");
    return exit_code;
}

static void need_decoder(void)
{
    if (bench_decode_absent() != NULL)
        cr_skip("%s", bench_decode_absent());
}

/* A member of "per_op" as text: "5", "11/2". */
static const char *per_op(const char *loop, const char *member)
{
    static char exact[64];
    cr_assert_eq(count(loop, 100, 1, 0), 0);
    json_t *all = json_loads(output, 0, NULL);
    const char *text = NULL;
    cr_assert_eq(json_unpack(all, "{s:{s:{s:s}}}", "per_op", member, "exact", &text), 0);
    snprintf(exact, sizeof(exact), "%s", text);
    json_decref(all);
    return exact;
}

static void expect(const char *loop, const char *instructions, const char *loaded,
                   const char *stored)
{
    cr_expect_str_eq(per_op(loop, "instructions"), instructions, "%s", loop);
    cr_expect_str_eq(per_op(loop, "bytes_loaded"), loaded, "%s", loop);
    cr_expect_str_eq(per_op(loop, "bytes_stored"), stored, "%s", loop);
}

Test(singlestep, counts_known_loops_exactly)
{
    need_decoder();
    expect("five", "5", "8", "8");
    expect("half", "11/2", "0", "0");
    expect("rep", "6", "16", "16");
    cr_expect_str_eq(per_op("rep", "rep_iterations"), "16");
    expect("rep-none", "4", "0", "0");
    cr_expect_str_eq(per_op("rep-none", "rep_iterations"), "0");
    expect("xsave", "6", "576", "576");
    expect("call", "7", "8", "8");
    expect("syscall", "4", "0", "0");
    cr_expect_str_eq(per_op("syscall", "system_calls"), "1");
    cr_expect_str_eq(per_op("five", "system_calls"), "0");
}

Test(singlestep, one_nop_more_is_one_more)
{
    need_decoder();
    cr_assert_str_eq(per_op("five", "instructions"), "5");
    cr_assert_str_eq(per_op("six", "instructions"), "6");
}

Test(singlestep, repeats_itself_twenty_times_of_twenty)
{
    char first[sizeof(output)];
    cr_assert_eq(count("five", 50, 0, 1), 0);
    memcpy(first, output, sizeof(first));
    for (int i = 1; i < 20; i++) {
        cr_assert_eq(count("five", 50, 0, 1), 0);
        cr_assert_str_eq(output, first);
    }
}

Test(singlestep, prints_text_with_the_steady_state)
{
    need_decoder();
    cr_assert_eq(count("five", 100, 0, 1), 0);
    const char *wanted[] = {"a/case\n",
                            "one op: one pass\n",
                            "instructions per op:   5\n",
                            "bytes stored per op:   8\n",
                            "opcodes per op\n",
                            "  mov            2\n",
                            "steady state: 5 instructions, 1 op,",
                            "loop_five+0x"};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        cr_expect(strstr(output, wanted[i]) != NULL, "no '%s' in:\n%s", wanted[i],
                  output);
    cr_assert_eq(count("five", 100, 0, 0), 0);
    cr_expect(strstr(output, "steady state") == NULL, "disassembled, unasked");
}

Test(singlestep, prints_the_same_as_json)
{
    need_decoder();
    cr_assert_eq(count("half", 100, 1, 1), 0);
    json_error_t error;
    json_t *all = json_loads(output, 0, &error);
    cr_assert_not_null(all, "%s", error.text);
    const char *name, *exact;
    json_int_t ops, length;
    json_t *disassembly;
    cr_assert_eq(json_unpack(all, "{s:s, s:I, s:{s:I, s:{s:s}, s:o}}", "case", &name,
                             "ops", &ops, "steady_state", "instructions", &length, "ops",
                             "exact", &exact, "disassembly", &disassembly),
                 0);
    cr_assert_str_eq(name, "a/case");
    cr_assert_eq(ops, 100);
    cr_assert_eq(length, 11);
    cr_assert_str_eq(exact, "2");
    cr_assert_eq(json_array_size(disassembly), 11);
    json_decref(all);
}

Test(singlestep, prints_nothing_but_a_reason_when_it_fails)
{
    cr_assert_eq(count("exit-3", 1, 1, 1), 1);
    cr_assert_str_eq(output, "");
    cr_assert_eq(count("five", 0, 1, 1), 2);
    cr_assert_str_eq(output, "");
}
