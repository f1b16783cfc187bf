/* SPDX-License-Identifier: MIT
 *
 * refusal.h: which limit said no to one more flow.
 *
 * The kernel's answer is an errno, and EAGAIN or ENOMEM say little. So the limit is found
 * by looking: for each that could give this errno, how much of it is used; the one that
 * is used up (but for 2 %, as usage moves while one looks) is named, with both figures.
 * Call it while the flows that used it up still exist. Threads: the trial's main thread
 * only.
 */
#ifndef REFUSAL_H
#define REFUSAL_H

#include "parked.h"

struct refusal {
    char error[64];  /* "EAGAIN (of a task)" */
    char limit[160]; /* "RLIMIT_NPROC: 300 of 300 used", or that none is known */
};

void refusal_explain(struct refusal *refusal, const struct parked_config *flow, int err);

#endif
