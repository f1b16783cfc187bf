/* SPDX-License-Identifier: MIT
 *
 * echo.h: the C side of net.go: the experiment `io` (bench/io.c), with the same client.
 */
#ifndef ECHO_H
#define ECHO_H

#include "bench.h"

extern const struct bench_case io_cases[];
extern const size_t io_case_count;

#endif
