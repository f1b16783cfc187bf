/* SPDX-License-Identifier: MIT
 *
 * Tests of opmix.c: sums and periods of traces that are made up here.
 *
 * The traced process is the test itself: its "instructions" are one byte each, in an
 * array.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "opmix.h"

/* Indices are pcs: 0 is at the lowest address. */
static const uint8_t code[64] = {
    0x90, /* nop */
    0x55, /* push %rbp */
    0x5d, /* pop %rbp */
    0xf3, /* rep movsb, with the next one */
    0xa4, [5 ... 63] = 0x90,
};
enum { NOP, PUSH, POP, REP };

static void step_at(struct bench_opmix *mix, int stretch, unsigned at, unsigned after,
                    uint64_t repeats_left)
{
    const struct bench_step step = {.pid = getpid(),
                                    .stretch = stretch,
                                    .pc = (uintptr_t)&code[at],
                                    .pc_after = (uintptr_t)&code[after],
                                    .repeats_left = repeats_left};
    cr_assert_eq(bench_opmix_step(mix, &step), 0);
}

static void steps(struct bench_opmix *mix, int stretch, const unsigned *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        step_at(mix, stretch, at[i], at[i] + 1, 0);
}

#define STEPS(mix, stretch, ...)                                                         \
    steps(mix, stretch, (const unsigned[]){__VA_ARGS__},                                 \
          sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

static void need_decoder(void)
{
    if (bench_decode_absent() != NULL)
        cr_skip("%s", bench_decode_absent());
}

Test(opmix, reduces_fractions)
{
    struct bench_ratio r = bench_ratio(6, 4);
    cr_assert_eq(r.numerator, 3);
    cr_assert_eq(r.denominator, 2);
    r = bench_ratio(-10, 5);
    cr_assert_eq(r.numerator, -2);
    cr_assert_eq(r.denominator, 1);
    r = bench_ratio(0, 7);
    cr_assert_eq(r.numerator, 0);
    cr_assert_eq(r.denominator, 1);
}

Test(opmix, prints_integers_as_integers)
{
    char text[64];
    bench_ratio_text(bench_ratio(21000, 1000), text, sizeof(text));
    cr_assert_str_eq(text, "21");
    bench_ratio_text(bench_ratio(41, 2), text, sizeof(text));
    cr_assert_str_eq(text, "41/2 = 20.5");
    bench_ratio_text(bench_ratio(64, 3), text, sizeof(text));
    cr_assert_str_eq(text, "64/3 ~ 21.3333");
    bench_ratio_text(bench_ratio(20999999999, 1000000000), text, sizeof(text));
    cr_assert_str_eq(text, "20999999999/1000000000 ~ 21");
    bench_ratio_text(bench_ratio(-1, 2), text, sizeof(text));
    cr_assert_str_eq(text, "-1/2 = -0.5");
}

Test(opmix, takes_the_slope_and_drops_what_is_constant)
{
    need_decoder();
    struct bench_opmix mix = {.ops = 2};
    struct bench_per_op per_op;
    STEPS(&mix, 0, 9, 10, NOP, PUSH, POP, NOP, PUSH, POP, 11);
    STEPS(&mix, 1, 9, 10, NOP, PUSH, POP, NOP, PUSH, POP, NOP, PUSH, POP, NOP, PUSH, POP,
          11);
    bench_opmix_per_op(&mix, &per_op);
    cr_assert_eq(per_op.instructions.numerator, 3);
    cr_assert_eq(per_op.instructions.denominator, 1);
    cr_assert_eq(per_op.bytes_stored.numerator, 8);
    cr_assert_eq(per_op.bytes_loaded.numerator, 8);
    bench_opmix_free(&mix);
}

Test(opmix, sorts_opcodes_and_leaves_out_the_constant)
{
    need_decoder();
    struct bench_opmix mix = {.ops = 1};
    size_t count;
    STEPS(&mix, 0, PUSH, POP, NOP);
    STEPS(&mix, 1, PUSH, POP, POP, NOP, NOP, NOP);
    struct bench_opcode *opcodes = bench_opmix_opcodes(&mix, &count);
    cr_assert_not_null(opcodes);
    cr_assert_eq(count, 2);
    cr_assert_str_eq(opcodes[0].mnemonic, "nop");
    cr_assert_eq(opcodes[0].per_op.numerator, 2);
    cr_assert_str_eq(opcodes[1].mnemonic, "pop");
    free(opcodes);
    bench_opmix_free(&mix);
}

Test(opmix, counts_a_rep_once_and_its_bytes_each_time)
{
    need_decoder();
    struct bench_opmix mix = {.ops = 1};
    struct bench_sums totals[2];
    /* three repetitions, then at once the same instruction again, then one with none */
    step_at(&mix, 0, REP, REP, 3);
    step_at(&mix, 0, REP, REP, 2);
    step_at(&mix, 0, REP, REP + 2, 1);
    step_at(&mix, 0, REP, REP + 2, 1);
    step_at(&mix, 0, REP, REP + 2, 0);
    bench_opmix_totals(&mix, totals);
    cr_assert_eq(totals[0].executed, 3);
    cr_assert_eq(totals[0].repeats, 4);
    cr_assert_eq(totals[0].bytes_loaded, 4);
    cr_assert_eq(totals[0].bytes_stored, 4);
    bench_opmix_free(&mix);
}

Test(opmix, keeps_apart_more_sites_than_its_first_table)
{
    static uint8_t many[5000];
    struct bench_opmix mix = {.ops = 1};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(many); i++) {
            const struct bench_step step = {.pid = getpid(), .pc = (uintptr_t)&many[i]};
            cr_assert_eq(bench_opmix_step(&mix, &step), 0);
        }
    }
    cr_assert_eq(mix.site_count, sizeof(many));
    for (size_t i = 0; i < sizeof(many); i++)
        cr_assert_eq(mix.sites[i].sums[0].executed, 2);
    bench_opmix_free(&mix);
}

/* `ops` ops: each an inner loop of two passes; every `rare`th op has one step more. */
static void stretch_of_ops(struct bench_opmix *mix, int stretch, unsigned ops,
                           unsigned rare)
{
    STEPS(mix, stretch, 40, 41, 42);
    for (unsigned i = 0; i < ops; i++) {
        STEPS(mix, stretch, 12, 10, 11, 10, 11, 13);
        if (rare != 0 && i % rare == 0)
            STEPS(mix, stretch, 20);
    }
    STEPS(mix, stretch, 43, 44);
}

Test(opmix, finds_the_op_and_not_its_inner_loop)
{
    struct bench_opmix mix = {.ops = 100};
    struct bench_period period;
    stretch_of_ops(&mix, 0, 100, 0);
    stretch_of_ops(&mix, 1, 200, 0);
    cr_assert(bench_opmix_period(&mix, &period));
    cr_assert(period.exact);
    cr_assert_eq(period.length, 6);
    cr_assert_eq(period.ops.numerator, 1);
    cr_assert_eq(mix.sites[mix.trace[period.start]].pc, (uintptr_t)&code[10]);
    bench_opmix_free(&mix);
}

Test(opmix, finds_a_period_of_several_ops)
{
    struct bench_opmix mix = {.ops = 100};
    struct bench_period period;
    stretch_of_ops(&mix, 0, 100, 2);
    stretch_of_ops(&mix, 1, 200, 2);
    cr_assert(bench_opmix_period(&mix, &period));
    cr_assert(period.exact);
    cr_assert_eq(period.length, 13);
    cr_assert_eq(period.ops.numerator, 2);
    bench_opmix_free(&mix);
}

Test(opmix, calls_a_stretch_with_rare_events_inexact)
{
    struct bench_opmix mix = {.ops = 100};
    struct bench_period period;
    stretch_of_ops(&mix, 0, 100, 70);
    stretch_of_ops(&mix, 1, 200, 70);
    cr_assert(bench_opmix_period(&mix, &period));
    cr_assert_not(period.exact);
    cr_assert_eq(period.length, 6);
    bench_opmix_free(&mix);
}

Test(opmix, finds_no_period_where_there_is_none)
{
    struct bench_opmix mix = {.ops = 1};
    struct bench_period period;
    cr_assert_not(bench_opmix_period(&mix, &period), "an empty trace");
    unsigned random = 1;
    for (unsigned i = 0; i < 4000; i++) {
        random = random * 1103515245 + 12345;
        step_at(&mix, 1, random >> 16 & 31, 0, 0);
    }
    cr_assert_not(bench_opmix_period(&mix, &period));
    bench_opmix_free(&mix);
}
