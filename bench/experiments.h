/* SPDX-License-Identifier: MIT
 *
 * experiments.h: the table of each experiment, one file per experiment. main.c lists them.
 */
#ifndef EXPERIMENTS_H
#define EXPERIMENTS_H

#include "bench.h"

extern const struct bench_case switch_cases[], ablation_cases[], depth_cases[],
    spawn_cases[], footprint_cases[], limit_cases[], message_cases[], counter_cases[],
    yield_cases[], scale_cases[], layers_cases[], oslevel_cases[], bank_cases[], io_cases[],
    csp_cases[], blocking_cases[], context_cases[],
    workingset_cases[], steal_cases[], hotsplit_cases[], growth_cases[], prologue_cases[];
extern const size_t switch_case_count, ablation_case_count, depth_case_count,
    spawn_case_count, footprint_case_count, limit_case_count, message_case_count,
    counter_case_count, yield_case_count,
    scale_case_count, layers_case_count, oslevel_case_count,
    bank_case_count, io_case_count, csp_case_count, blocking_case_count, workingset_case_count,
    steal_case_count, context_case_count, hotsplit_case_count, growth_case_count, prologue_case_count;

#endif
