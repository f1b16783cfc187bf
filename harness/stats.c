/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(double *values, size_t n, double q)
{
    if (n == 0)
        return NAN;
    qsort(values, n, sizeof *values, by_value);
    double at = q * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n)
        return values[n - 1];
    return values[below] + (at - (double)below) * (values[below + 1] - values[below]);
}

double bench_median(double *values, size_t n)
{
    return bench_quantile(values, n, 0.5);
}

/* The interval [X(lo), X(n-1-lo)] misses the median when at most `lo` of the n values lie on
 * one side: probability 2 * P(Binomial(n, 1/2) <= lo). Take the largest lo with <= 5 %. */
int bench_median_ranks(size_t n, size_t *lo, size_t *hi)
{
    double term = exp2(-(double)n), tail = 0;
    size_t covered = 0;
    for (size_t k = 0; k < n / 2; k++) {
        tail += term;
        if (2 * tail > 0.05)
            break;
        covered = k + 1;
        term *= (double)(n - k) / (double)(k + 1);
    }
    if (covered == 0)
        return -1;
    *lo = covered - 1;
    *hi = n - covered;
    return 0;
}

double bench_median_rel_halfwidth(double *values, size_t n)
{
    size_t lo, hi;
    double median = bench_median(values, n);
    if (bench_median_ranks(n, &lo, &hi) || median == 0)
        return NAN;
    return fabs((values[hi] - values[lo]) / 2 / median);
}
