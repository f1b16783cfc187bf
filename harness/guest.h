/* SPDX-License-Identifier: MIT
 *
 * guest.h: a peer in any language, by a program that links nothing of this.
 *
 * A guest is a command and a file of cases (bench/peers/README.md has both, and the dialogue).
 * bench_guest_main() makes of them a program that speaks the trial protocol like any other
 * (program.h): its cases are timed by the harness from outside, as its own are.
 *
 *     trial: pin, start the guest on the placement's CPUs, wait until it is ready (setup)
 *            write "N\n", read {"counted": N}                                       (run)
 *            close its input, wait for its exit code 0                           (teardown)
 *
 * The guest reads no clock. What the dialogue costs, two pipes and two kernel switches per
 * run, is the same for every N and falls out of the slope. Kernel counts, CPU time and memory
 * are the guest's, read from /proc. This process is SCHED_BATCH meanwhile, so that it
 * does not preempt the guest whose answer has woken it, and sleeps while the guest works.
 *
 * Rejected: a guest that times itself (each language's clock differs, and a clock in the hand
 * of who is measured proves nothing); one process per epoch (a JVM would never be warm).
 */
#ifndef GUEST_H
#define GUEST_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

/* main() of a guest's program: `cases_path` is its file of cases, `command` its argv (NULL at
 * the end), to which a case's experiment and parameters are added. An exit code. */
int bench_guest_main(int argc, char **argv, const char *cases_path, char *const command[]);

#ifdef __cplusplus
}
#endif
#endif
