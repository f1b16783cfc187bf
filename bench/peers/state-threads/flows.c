/* SPDX-License-Identifier: MIT
 *
 * flows.c: the State Threads library, as a peer: one kernel thread, a scheduler that switches by
 * setjmp() and its own longjmp.
 *
 * Each flow counts in memory of its own; run() returns their sum. Few flows are made anew in each
 * run, as one would.
 */
#include <st.h>

#include "../dialogue.h"

enum { STACK_BYTES = 64 * 1024, FLOWS_MAX = 100000 };

static uint64_t parameter; /* flows, a batch */

struct flow {
    st_thread_t thread;
    uint64_t share, counted;
};
static struct flow flow[FLOWS_MAX];

static st_thread_t spawn(void *(*entry)(void *), void *arg)
{
    st_thread_t thread = st_thread_create(entry, arg, 1, STACK_BYTES);
    if (!thread) {
        printf("{\"error\": \"st_thread_create() failed\"}\n");
        exit(1);
    }
    return thread;
}

/* ------------------------------------------------------------------ yield, spawn */

/* st_usleep(0) is the documented way to yield: this version has no other. */
static void *yielder(void *arg)
{
    struct flow *self = arg;
    for (; self->counted < self->share; self->counted++)
        st_usleep(0);
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
        st_thread_join(flow[i].thread, NULL);
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
            st_thread_join(flow[i].thread, NULL);
        left -= batch;
    }
    for (uint64_t i = 0; i < parameter; i++)
        total += flow[i].counted;
    return total;
}

/* ----------------------------------------------------------------------- message */

/* A slot and a condition: the library has no channels, and its mutex is not needed where nothing
 * is preempted. */
struct slot {
    st_cond_t changed;
    int full;
    uint64_t item;
};
static struct slot request, reply;

static void put(struct slot *slot, uint64_t item)
{
    while (slot->full)
        st_cond_wait(slot->changed);
    slot->item = item;
    slot->full = 1;
    st_cond_signal(slot->changed);
}

static uint64_t take(struct slot *slot)
{
    while (!slot->full)
        st_cond_wait(slot->changed);
    slot->full = 0;
    st_cond_signal(slot->changed);
    return slot->item;
}

static void *replier(void *arg)
{
    for (;;)
        put(&reply, take(&request));
    return arg;
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
static st_cond_t never;

static void *parks(void *arg)
{
    begun++;
    st_cond_wait(never);
    return arg;
}

static uint64_t footprint_run(uint64_t ops)
{
    begun = 0;
    for (uint64_t i = 0; i < ops; i++)
        spawn(parks, NULL);
    while (begun < ops)
        st_usleep(0);
    return begun;
}

int main(int argc, char **argv)
{
    if (st_init())
        return dialogue_skip("st_init() failed");
    parameter = dialogue_number(argc, argv, "flows", dialogue_number(argc, argv, "batch", 1));
    request.changed = st_cond_new();
    reply.changed = st_cond_new();
    never = st_cond_new();
    uint64_t (*run)(uint64_t) = strcmp(argv[1], "yield") == 0     ? yield_run
                                : strcmp(argv[1], "spawn") == 0   ? spawn_run
                                : strcmp(argv[1], "message") == 0 ? message_run
                                                                  : footprint_run;
    if (run == message_run)
        spawn(replier, NULL);
    return dialogue_hold("State Threads", run);
}
