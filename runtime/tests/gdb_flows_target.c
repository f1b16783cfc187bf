/* SPDX-License-Identifier: MIT
 *
 * gdb_flows_target.c: what tests/gdb_flows.py debugs: a flow in each state. Its debug information
 * describes the runtime's types, so that it does for a library without any.
 */
#include "segmented.h"

#include <stdlib.h>

static struct coro_sched *volatile sched; /* of its types gdb is to know */
static struct coro_segmented *volatile segmented;
static struct coro_mutex mutex;
static _Atomic(bool) spinning, over;

__attribute__((noinline)) static void stop_here(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) static int receive_deep(struct coro_chan *chan, unsigned depth)
{
    volatile unsigned my_depth = depth;
    uint64_t value;
    int result = my_depth ? receive_deep(chan, depth - 1) : coro_chan_recv(chan, &value);

    __asm__ volatile("" : : "r"(my_depth));
    return result;
}

static void *receiver(void *chan)
{
    return (void *)(intptr_t)receive_deep(chan, 2);
}

static void *locker(void *arg)
{
    coro_mutex_lock(&mutex);
    coro_mutex_unlock(&mutex);
    return arg;
}

static void *ender(void *arg)
{
    return arg;
}

static void *sleeper(void *arg)
{
    coro_sleep_ns(UINT64_C(3600) * 1000000000);
    return arg;
}

static void *spinner(void *arg)
{
    spinning = true;
    while (!over)
        ;
    return arg;
}

static struct coro_handle spawn(const char *name, unsigned worker, coro_body *body, void *arg)
{
    const struct coro_spawn_options options = {
        .name = name, .pinned = true, .worker = worker};

    return coro_spawn_with(&options, body, arg);
}

static void *play(void *arg)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    const struct coro_spawn_options in_segments = {.name = "the-segmented",
                                                    .policy = CORO_STACK_SEGMENTED};
    struct coro_handle flows[7];

    coro_mutex_init(&mutex);
    coro_mutex_lock(&mutex);
    flows[0] = spawn("the-receiver", 0, receiver, chan);
    flows[1] = spawn("the-locker", 0, locker, NULL);
    flows[2] = spawn("the-ended", 0, ender, NULL);
    flows[3] = spawn("the-sleeper", 0, sleeper, NULL);
    flows[4] = spawn("the-spinner", 1, spinner, NULL);
    flows[6] = coro_spawn_with(&in_segments, receiver, chan);
    while (!spinning)
        coro_yield();
    coro_sleep_ns(1000000); /* until the others are where they wait */
    flows[5] = spawn("the-runnable", 0, ender, NULL);
    sched = coro_sched_self();
    segmented = coro_segmented_of(flows[6].flow);
    if (sched->workers_count != 2)
        exit(1);
    stop_here();
    over = true;
    coro_cancel(flows[3]);
    coro_mutex_unlock(&mutex);
    coro_chan_close(chan);
    for (unsigned i = 0; i < 7; i++)
        coro_join(flows[i], NULL);
    return arg;
}

int main(void)
{
    /* gdb's generate-core-file leaves out what lies behind a guard that is no mapping of its own;
     * the kernel's core files do not. */
    const struct coro_options options = {
        .workers = 2, .guard = CORO_GUARD_MPROTECT, .guard_set = true};

    return coro_run(&options, play, NULL) ? EXIT_FAILURE : EXIT_SUCCESS;
}
