/* SPDX-License-Identifier: MIT
 *
 * fake_trial.h: a trial without a harness: enough of bench.h's functions for a test to call
 * a case's setup(), run() and teardown() itself. Flow 0 and 1 both run where the test does.
 */
#ifndef FAKE_TRIAL_H
#define FAKE_TRIAL_H

#include "bench.h"

struct bench_trial {
    const struct bench_case *spec;
    void *state;
    char skipped[256], failed[256]; /* what bench_skip() and bench_fail() said */
};

#endif
