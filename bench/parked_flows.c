/* SPDX-License-Identifier: MIT
 *
 * parked_flows.c: see parked_flows.h. The runtime lives on a stage (stage.h) as long as the
 * flows do; its leading flow spawns, wakes and closes.
 */
#include "parked_flows.h"

#include <stdlib.h>
#include "stage.h"

enum { SPAWN_BATCH = 64 }; /* then they run, and park, while they are in cache */

struct parked_flows {
    struct stage stage;
    struct coro_spawn_options options;
    struct coro_chan *gate;
    _Atomic uint64_t *parked;
    size_t wanted, made, ran, ended;
};

/* As any flow that does something would use. */
static __attribute__((noinline)) void use_stack(void)
{
    volatile char used[256];
    for (size_t i = 0; i < sizeof used; i += 16)
        used[i] = (char)i;
}

static void *flow_body(void *arg)
{
    struct parked_flows *flows = arg;
    uint64_t value;
    use_stack();
    atomic_fetch_add_explicit(flows->parked, 1, memory_order_release);
    while (!coro_chan_recv(flows->gate, &value))
        flows->ran++;
    flows->ended++;
    return NULL;
}

static void spawn_wanted(struct parked_flows *flows)
{
    size_t before = flows->made;
    while (flows->made - before < flows->wanted &&
           coro_spawn_with(&flows->options, flow_body, flows).flow)
        if (++flows->made % SPAWN_BATCH == 0)
            coro_yield();
    while (atomic_load_explicit(flows->parked, memory_order_relaxed) < flows->made)
        coro_yield();
    coro_yield(); /* counted is not yet parked */
}

/* One value each: they wait in the order they came, so each gets one before any gets two. */
static void wake_each(struct parked_flows *flows)
{
    size_t before = flows->ran;
    for (uint64_t i = 0; i < flows->made; i++)
        coro_chan_send(flows->gate, &i);
    while (flows->ran - before < flows->made)
        coro_yield();
    coro_yield();
}

static void lead(void *arg)
{
    struct parked_flows *flows = arg;
    for (stage_leave(&flows->stage); !flows->stage.closing; stage_leave(&flows->stage)) {
        if (flows->wanted)
            spawn_wanted(flows);
        else
            wake_each(flows);
        flows->wanted = 0;
    }
    coro_chan_close(flows->gate);
}

struct parked_flows *parked_flows_new(enum coro_stack_policy policy, size_t stack_bytes,
                                      _Atomic uint64_t *parked)
{
    struct parked_flows *flows = calloc(1, sizeof *flows);
    if (!flows)
        return NULL;
    flows->options = (struct coro_spawn_options){
        .policy = policy, .stack_bytes = stack_bytes, .detached = true};
    flows->parked = parked;
    flows->gate = coro_chan_new(sizeof(uint64_t), 0);
    if (!flows->gate || stage_open(&flows->stage, NULL, 1, lead, flows)) {
        coro_chan_free(flows->gate);
        free(flows);
        return NULL;
    }
    return flows;
}

int parked_flows_grow(struct parked_flows *flows, size_t count)
{
    size_t before = flows->made;
    flows->wanted = count;
    if (count)
        stage_enter(&flows->stage);
    return flows->made - before == count ? 0 : -ENOMEM;
}

size_t parked_flows_again(struct parked_flows *flows)
{
    size_t before = flows->ran;
    stage_enter(&flows->stage);
    return flows->ran - before;
}

size_t parked_flows_end(struct parked_flows *flows)
{
    size_t ended;
    if (!flows)
        return 0;
    stage_close(&flows->stage);
    ended = flows->ended;
    coro_chan_free(flows->gate);
    free(flows);
    return ended;
}
