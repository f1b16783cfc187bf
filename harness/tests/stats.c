/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>

Test(stats, median_of_odd_even_and_none)
{
    double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};
    cr_assert_eq(bench_median(odd, 3), 2);
    cr_assert_eq(bench_median(even, 4), 2.5);
    cr_assert(isnan(bench_median(NULL, 0)));
}

Test(stats, quantiles_are_linear_between_neighbours)
{
    double values[] = {40, 10, 30, 20, 50};
    cr_expect_eq(bench_quantile(values, 5, 0), 10);
    cr_expect_eq(bench_quantile(values, 5, 0.25), 20);
    cr_expect_float_eq(bench_quantile(values, 5, 0.3), 22, 1e-9);
    cr_expect_eq(bench_quantile(values, 5, 1), 50);
    cr_expect_eq(bench_quantile(values, 1, 0.25), 10);
}

/* The published table of ranks (1-based) for a 95 % interval of the median: e.g. Conover,
 * Practical Nonparametric Statistics, table A3: n = 6: 1..6, 10: 2..9, 20: 6..15, 100: 40..61. */
Test(stats, ranks_are_those_of_the_binomial_table)
{
    static const struct {
        size_t n, lo, hi;
    } rows[] = {{6, 1, 6}, {8, 1, 8}, {9, 2, 8}, {10, 2, 9}, {20, 6, 15}, {100, 40, 61}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t lo, hi;
        cr_assert_eq(bench_median_ranks(rows[i].n, &lo, &hi), 0);
        cr_expect_eq(lo + 1, rows[i].lo, "n = %zu: low rank %zu", rows[i].n, lo + 1);
        cr_expect_eq(hi + 1, rows[i].hi, "n = %zu: high rank %zu", rows[i].n, hi + 1);
    }
}

Test(stats, too_few_values_have_no_interval)
{
    size_t lo, hi;
    double five[] = {1, 2, 3, 4, 5};
    for (size_t n = 0; n < 6; n++)
        cr_expect_eq(bench_median_ranks(n, &lo, &hi), -1);
    cr_assert(isnan(bench_median_rel_halfwidth(five, 5)));
}

/* A skewed distribution with a known median: the interval must cover it at least as often as
 * it says. 4000 draws: the standard error of the coverage is 0.35 %. */
Test(stats, the_interval_covers_the_true_median)
{
    enum { DRAWS = 4000, N = 12 };
    uint64_t state = 0x5eed;
    int covered = 0;
    for (int d = 0; d < DRAWS; d++) {
        double values[N];
        size_t lo, hi;
        for (int i = 0; i < N; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            values[i] = -log(((double)(state >> 11) + 0.5) / 9007199254740992.0);
        }
        bench_median(values, N); /* sorts */
        bench_median_ranks(N, &lo, &hi);
        covered += values[lo] <= M_LN2 && M_LN2 <= values[hi];
    }
    cr_assert_geq(covered, (int)(0.94 * DRAWS), "covered %d of %d", covered, DRAWS);
    cr_assert_lt(covered, DRAWS);
}
