/* SPDX-License-Identifier: MIT
 *
 * stats.h: the little statistics that the measuring side needs to know when to stop. The
 * judging side is scripts/.
 */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>

/* Sorts `values` in place and returns the quantile at share `q`, linear between neighbours
 * (type 7 of Hyndman & Fan 1996, numpy's default); NaN when n is 0. */
double bench_quantile(double *values, size_t n, double q);
/* The quantile at 0.5. */
double bench_median(double *values, size_t n);

/* The exact 95 % confidence interval of the median, from order statistics (no assumption
 * about the distribution; e.g. David & Nagaraja, Order Statistics, 7.1): the ranks
 * lo < hi (0-based) such that P(X(lo) <= median <= X(hi)) >= 0.95 by the binomial
 * distribution. Returns 0, or -1 where n is too small for any (n < 6). */
int bench_median_ranks(size_t n, size_t *lo, size_t *hi);

/* Half the width of that interval over the median, as a share (0.02 is 2 %); sorts in
 * place. NaN where there is no interval or the median is 0. */
double bench_median_rel_halfwidth(double *values, size_t n);

#endif
