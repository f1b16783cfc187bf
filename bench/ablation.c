/* SPDX-License-Identifier: MIT */
#include "experiments.h"
const struct bench_case ablation_cases[] = {};
const size_t ablation_case_count = 0;
