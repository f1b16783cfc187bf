/* SPDX-License-Identifier: MIT
 *
 * trace_target.c: a traced run for tests/trace.py, which gets the trace on stdout.
 */
#include "coro.h"

#include <stdlib.h>

enum { PASSES = 200, NAP_NS = 5 * 1000 * 1000, CROWD = 40, BUSY_NS = 200 * 1000 };

static void *ping(void *arg)
{
    struct coro_chan **chans = arg;

    for (uint64_t i = 0; i < PASSES; i++) {
        coro_chan_send(chans[0], &i);
        coro_chan_recv(chans[1], &i);
    }
    return NULL;
}

static void *pong(void *arg)
{
    struct coro_chan **chans = arg;
    uint64_t value;

    for (uint64_t i = 0; i < PASSES; i++) {
        coro_chan_recv(chans[0], &value);
        coro_chan_send(chans[1], &value);
    }
    return NULL;
}

static void *sleeper(void *arg)
{
    coro_sleep_ns(NAP_NS);
    return arg;
}

static void *busy(void *arg)
{
    uint64_t end_ns = coro_now_ns() + BUSY_NS;

    while (coro_now_ns() < end_ns)
        ;
    return arg;
}

static struct coro_handle spawn(const char *name, coro_body *body, void *arg)
{
    const struct coro_spawn_options options = {.name = name};

    return coro_spawn_with(&options, body, arg);
}

static void *play(void *arg)
{
    struct coro_chan *chans[2] = {coro_chan_new(8, 0), coro_chan_new(8, 0)};
    struct coro_handle flows[CROWD];

    flows[0] = spawn("ping", ping, chans);
    flows[1] = spawn("pong", pong, chans);
    for (unsigned i = 0; i < 2; i++)
        coro_join(flows[i], NULL);
    for (unsigned i = 0; i < CROWD; i++) /* for the other worker to take */
        flows[i] = spawn("crowd", busy, NULL);
    for (unsigned i = 0; i < CROWD; i++)
        coro_join(flows[i], NULL);
    coro_join(spawn("a \"strange\"\n\\name", sleeper, NULL), NULL);
    coro_chan_free(chans[0]);
    coro_chan_free(chans[1]);
    return arg;
}

int main(void)
{
    const struct coro_options options = {.workers = 2, .trace = stdout};

    return coro_run(&options, play, NULL) ? EXIT_FAILURE : EXIT_SUCCESS;
}
