/* SPDX-License-Identifier: MIT
 *
 * handover.h: the verbs that judge are scripts, as git's helpers are.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

/* Replaces this process by the helper script `verb` ("report", "compare") with `arguments`
 * (NULL-terminated, may be NULL). The script finds this program's own file in the environment
 * variable COROBENCH_PROGRAM. Returns only on failure: the exit code. */
int bench_hand_over(const char *verb, const char *const *arguments);

#endif
