/* SPDX-License-Identifier: MIT */
#include "experiments.h"
const struct bench_case depth_cases[] = {};
const size_t depth_case_count = 0;
