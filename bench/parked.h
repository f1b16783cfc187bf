/* SPDX-License-Identifier: MIT
 *
 * parked.h: flows that have run once and now wait, of any kind and in any number.
 *
 * `footprint` weighs them and `limit` makes them until that fails. Each flow is started,
 * uses a few hundred bytes of its stack (as any flow that does something would), counts
 * itself, and parks: a user-level flow by switching back, a thread in a futex wait, a
 * process in pause(). A flow that has not counted itself is not one: parked_count() is
 * the flows' own.
 *
 * Its memory is touched for the first time by the flow itself, never before.
 *
 * Processes are told to die with the trial (PR_SET_PDEATHSIG), so that a killed trial
 * leaves none.
 *
 * Threads: the trial's main thread only.
 */
#ifndef PARKED_H
#define PARKED_H

#include <stddef.h>
#include <sys/types.h>
#include "stack.h"

enum parked_kind {
    PARKED_CORO,     /* stacks of a coro_stack_arena, one arena per parked_grow() */
    PARKED_UCONTEXT, /* stacks from malloc */
    PARKED_PTHREAD,  /* stacks by glibc, as pthread_attr_setstacksize asks */
    PARKED_PROCESS,  /* fork */
    PARKED_FLOW,     /* flows of the scheduler, by stack policy (parked_flows.h) */
};

struct parked_config {
    enum parked_kind kind;
    size_t stack_bytes;    /* no meaning for processes */
    enum coro_guard guard; /* of PARKED_CORO */
    enum coro_stack_policy policy; /* of PARKED_FLOW */
};

struct parked;

/* Why flows of this build weigh what no other build's do (and run into limits that no
 * other build's have), or NULL. */
const char *parked_distorted(void);

/* NULL without memory. */
struct parked *parked_new(const struct parked_config *config);

/* Makes `flows` more and returns when each has parked. 0, or the -errno of what failed;
 * flows made before the failure stay, parked. -ENOTSUP: the kernel has no such guard.
 * -ETIMEDOUT: flows were made and did not run. */
int parked_grow(struct parked *parked, size_t flows);

/* How many flows counted themselves. */
size_t parked_count(const struct parked *parked);

/* Only PARKED_FLOW: each flow runs and parks again. How many did. */
size_t parked_again(struct parked *parked);

/* The i-th process of PARKED_PROCESS, 0 <= i < parked_count(). */
pid_t parked_process(const struct parked *parked, size_t i);

/* Ends and joins every flow and frees all. NULL is allowed. How many ended by themselves: of
 * PARKED_FLOW, as they counted; 0 for the other kinds. */
size_t parked_destroy(struct parked *parked);

#endif
