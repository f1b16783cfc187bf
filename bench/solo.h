/* SPDX-License-Identifier: MIT
 *
 * solo.h: one flow of a stack policy under a trial: what hotsplit and growth time runs on
 * it.
 */
#ifndef SOLO_H
#define SOLO_H

#include "calls.h"
#include "stage.h"

struct solo {
    struct stage stage; /* first */
    struct coro_spawn_options options;
    const struct calls *calls; /* the code that its policy wants */
    uint64_t (*work)(struct solo *solo,
                     uint64_t ops); /* on the flow: how many ops it did */
    /* By another flow, each time that work() yields; or NULL. */
    void (*between)(struct coro_flow *flow);
    const char *top; /* where its frames begin */
    const void *arg;
    uint64_t ops, counted;
    bool spawned, ended;
};

/* 0, -errno, or skipped: where the policy or its code is not to be had. */
int solo_open(struct solo *solo, struct bench_trial *t,
              const struct coro_spawn_options *options);
uint64_t solo_run(struct solo *solo, uint64_t ops);
void solo_close(struct solo *solo, struct bench_trial *t);

#endif
