/* SPDX-License-Identifier: MIT
 *
 * flows.c: GNU Pth's threads, as a peer: one kernel thread, Pth's own scheduler.
 *
 * Each flow counts in memory of its own; run() returns their sum. Few flows are made anew in each
 * run, as one would.
 */
#include <pth.h>

#include "../dialogue.h"

enum { STACK_BYTES = 64 * 1024, FLOWS_MAX = 100000 };

static uint64_t parameter; /* flows, a batch, a capacity */
static pth_attr_t attributes;

struct flow {
    pth_t thread;
    uint64_t share, counted;
};
static struct flow flow[FLOWS_MAX];

static pth_t spawn(void *(*entry)(void *), void *arg)
{
    pth_t thread = pth_spawn(attributes, entry, arg);
    if (!thread) {
        printf("{\"error\": \"pth_spawn() failed\"}\n");
        exit(1);
    }
    return thread;
}

/* ------------------------------------------------------------------ yield, spawn */

static void *yielder(void *arg)
{
    struct flow *self = arg;
    for (; self->counted < self->share; self->counted++)
        pth_yield(NULL);
    return NULL;
}

static uint64_t yield_run(uint64_t ops)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < parameter; i++) {
        flow[i].share = dialogue_share(ops, parameter, i);
        flow[i].counted = 0;
        flow[i].thread = spawn(yielder, &flow[i]);
    }
    for (uint64_t i = 0; i < parameter; i++) {
        pth_join(flow[i].thread, NULL);
        total += flow[i].counted;
    }
    return total;
}

static void *counts_itself(void *arg)
{
    ((struct flow *)arg)->counted++;
    return NULL;
}

static uint64_t spawn_run(uint64_t ops)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < parameter; i++)
        flow[i].counted = 0;
    for (uint64_t left = ops; left > 0;) {
        uint64_t batch = left < parameter ? left : parameter;
        for (uint64_t i = 0; i < batch; i++)
            flow[i].thread = spawn(counts_itself, &flow[i]);
        for (uint64_t i = 0; i < batch; i++)
            pth_join(flow[i].thread, NULL);
        left -= batch;
    }
    for (uint64_t i = 0; i < parameter; i++)
        total += flow[i].counted;
    return total;
}

/* ----------------------------------------------------------------------- message */

/* A slot under Pth's mutex and condition: its message ports are queues without a bound, of memory
 * that the sender owns, and have no rendezvous. */
struct slot {
    pth_mutex_t lock;
    pth_cond_t changed;
    int full;
    uint64_t item;
};
static struct slot request = {PTH_MUTEX_INIT, PTH_COND_INIT, 0, 0};
static struct slot reply = {PTH_MUTEX_INIT, PTH_COND_INIT, 0, 0};

static void put(struct slot *slot, uint64_t item)
{
    pth_mutex_acquire(&slot->lock, FALSE, NULL);
    while (slot->full)
        pth_cond_await(&slot->changed, &slot->lock, NULL);
    slot->item = item;
    slot->full = 1;
    pth_cond_notify(&slot->changed, FALSE);
    pth_mutex_release(&slot->lock);
}

static uint64_t take(struct slot *slot)
{
    pth_mutex_acquire(&slot->lock, FALSE, NULL);
    while (!slot->full)
        pth_cond_await(&slot->changed, &slot->lock, NULL);
    uint64_t item = slot->item;
    slot->full = 0;
    pth_cond_notify(&slot->changed, FALSE);
    pth_mutex_release(&slot->lock);
    return item;
}

static void *replier(void *arg)
{
    (void)arg;
    for (;;)
        put(&reply, take(&request));
    return NULL;
}

static uint64_t message_run(uint64_t ops)
{
    uint64_t counted = 0;
    for (uint64_t i = 0; i < ops; i++) {
        put(&request, i);
        counted += take(&reply) == i;
    }
    return counted;
}

/* --------------------------------------------------------------------- footprint */

static uint64_t begun;

static void *parks(void *arg)
{
    (void)arg;
    begun++;
    for (;;)
        pth_yield(NULL);
    return NULL;
}

/* Suspended, as one that waits for an event is asked about it at each turn of the scheduler. */
static uint64_t footprint_run(uint64_t ops)
{
    begun = 0;
    for (uint64_t i = 0; i < ops; i++) {
        pth_t thread = spawn(parks, NULL);
        while (begun == i)
            pth_yield(thread);
        pth_suspend(thread);
    }
    return begun;
}

int main(int argc, char **argv)
{
    pth_init();
    attributes = pth_attr_new();
    pth_attr_set(attributes, PTH_ATTR_STACK_SIZE, STACK_BYTES);
    parameter = dialogue_number(argc, argv, "flows", dialogue_number(argc, argv, "batch", 1));
    uint64_t (*run)(uint64_t) = strcmp(argv[1], "yield") == 0     ? yield_run
                                : strcmp(argv[1], "spawn") == 0   ? spawn_run
                                : strcmp(argv[1], "message") == 0 ? message_run
                                                                  : footprint_run;
    if (run == message_run)
        spawn(replier, NULL);
    char version[64];
    snprintf(version, sizeof version, "GNU Pth %lx", (unsigned long)pth_version());
    return dialogue_hold(version, run);
}
