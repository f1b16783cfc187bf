/* SPDX-License-Identifier: MIT
 *
 * echo.c: Go's echo server under a trial. Go has one P; its threads, sysmon too, stay on the
 * CPU of flow 0, where the main thread sleeps in a read meanwhile.
 */
#include "echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "echo_load.h"
#include "libflows.h"
#include "process.h"

struct echo_config {
    int family;
    unsigned connections;
};

struct echo_state {
    struct echo_load load;
    uint64_t bytes; /* Go's goroutines add to it, atomically */
};

static void teardown(struct bench_trial *t)
{
    struct echo_state *s = bench_state(t);
    int strays = process_strays(t, 1);

    if (strays)
        bench_fail(t, strays < 0 ? "reading the threads' CPUs failed"
                                 : "Go's threads could leave the server's CPU");
    if (s) /* not freed: goroutines may still be at their end */
        echo_load_close(&s->load, t);
}

static int setup(struct bench_trial *t)
{
    const struct echo_config *config = bench_case_of(t)->arg;
    struct echo_state *s = calloc(1, sizeof *s);
    int err = s ? process_pin(t, 1) : -ENOMEM;

    bench_set_state(t, s);
    if (err)
        return err;
    go_start(1);
    err = echo_load_open(&s->load, t, config->family, config->connections);
    if (err)
        return err;
    if (go_listen(dup(s->load.listener), &s->bytes))
        return bench_fail(t, "net.FileListener refused the listener");
    err = echo_load_ready(&s->load);
    return err ? err : process_pin(t, 1);
}

static uint64_t run(struct bench_trial *t, uint64_t ops)
{
    struct echo_state *s = bench_state(t);
    uint64_t before = __atomic_load_n(&s->bytes, __ATOMIC_ACQUIRE);
    uint64_t answered = echo_load_ask(&s->load, ops);
    uint64_t after = __atomic_load_n(&s->bytes, __ATOMIC_ACQUIRE);

    return answered == ops ? (after - before) / ECHO_BYTES : answered;
}

#define ECHO(socket_, family_, n, profile_)                                                  \
    {                                                                                        \
        .experiment = "io", .subject = "go-net",                                             \
        .params = "echo=" socket_ ",connections=" #n, .op = "one request answered",          \
        .places = BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU), .profile = profile_,             \
        .flags = BENCH_THREADS | BENCH_PREEMPTS, .setup = setup, .run = run,                 \
        .teardown = teardown, .ops_multiple = (n) < 50 ? 50 : 5 * (n),                       \
        .arg = &(const struct echo_config){family_, n},                                      \
    }

const struct bench_case io_cases[] = {
    ECHO("tcp", AF_INET, 1, BENCH_FULL),       ECHO("tcp", AF_INET, 100, BENCH_FULL),
    ECHO("tcp", AF_INET, 1000, BENCH_DEFAULT), ECHO("tcp", AF_INET, 10000, BENCH_FULL),
    ECHO("unix", AF_UNIX, 1, BENCH_FULL),      ECHO("unix", AF_UNIX, 100, BENCH_FULL),
    ECHO("unix", AF_UNIX, 1000, BENCH_DEFAULT), ECHO("unix", AF_UNIX, 10000, BENCH_FULL),
};
const size_t io_case_count = sizeof io_cases / sizeof *io_cases;
