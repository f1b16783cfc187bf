/* SPDX-License-Identifier: MIT
 *
 * cases.c: Go's goroutines, as a peer: the table of cases. What they do is in work.go, how
 * they get to do it in flows.go.
 *
 * Kernel switches are not bounded: Go's sysmon, a thread of its own, wakes as it pleases
 * (20 us to 10 ms), and with two workers an idle one sleeps in a futex. On two CPUs that is
 * no reason to reject a trial (BENCH_PREEMPTS).
 */
#include "bench.h"
#include "echo.h"
#include "flows.h"
#include "footprint.h"
#include "libflows.h"
#include "../../oslevel.h"
#include "process.h"
#include "ring.h"

#include <errno.h>
#include <string.h>

struct go_config {
    int kind, workers;
    uint64_t parameter; /* of the job: flows, capacity, batch, leaves */
};

static uint64_t run(struct bench_trial *t, uint64_t ops)
{
    const struct go_config *config = bench_case_of(t)->arg;
    return go_run(config->kind, ops, config->parameter);
}

/* Go's threads begin before main(), hence are pinned here; GOMAXPROCS bounds how many of them
 * run goroutines. */
static int start(struct bench_trial *t)
{
    const struct go_config *config = bench_case_of(t)->arg;
    int err = process_pin(t, 2);
    if (!err)
        go_start(config->workers);
    return err;
}

/* A first run has Go start the threads that it needs. */
static int setup(struct bench_trial *t)
{
    const struct go_config *config = bench_case_of(t)->arg;
    bool descends = config->kind == GO_DESCEND || config->kind == GO_DESCEND_ANEW;
    uint64_t warm_ops = descends ? 2 : 1000;
    int err = start(t);
    if (err)
        return err;
    if (run(t, warm_ops) != warm_ops)
        return bench_fail(t, "the first operations were not all done");
    return process_pin(t, 2);
}

static int ring_setup(struct bench_trial *t)
{
    const struct go_config *config = bench_case_of(t)->arg;
    int err = start(t);
    if (!err)
        err = ring_start(t, config->parameter);
    if (err)
        return err;
    ring_run(t, config->parameter); /* one lap: all have begun to yield */
    return process_pin(t, 2);
}

static void teardown(struct bench_trial *t)
{
    int strays = process_strays(t, 2);
    if (strays < 0)
        bench_fail(t, "reading the threads' CPUs: %s", strerror(-strays));
    else if (strays > 0)
        bench_fail(t, "%d threads could leave the placement's CPUs", strays);
}

static void ring_teardown(struct bench_trial *t)
{
    if (!ring_prove(t))
        teardown(t);
}

/* ----------------------------------------------------------------------- footprint */

enum { STEPS = 8 };

/* Reads /proc after each step of STEPS. 0, or what bench_fail() returns. */
static int grow(struct bench_trial *t, uint64_t flows, double *count,
                struct bench_process_memory *memory)
{
    for (int step = 0; step <= STEPS; step++) {
        uint64_t more = step ? flows / STEPS : 0;
        if (go_park(more) != more)
            return bench_fail(t, "not all of %llu goroutines began",
                              (unsigned long long)more);
        count[step] = (double)more * step;
        int err = bench_process_memory_read(0, &memory[step]);
        if (err)
            return err;
    }
    return 0;
}

static int measure_footprint(struct bench_trial *t)
{
    const struct go_config *config = bench_case_of(t)->arg;
    struct bench_process_memory memory[STEPS + 1];
    double count[STEPS + 1], resident[STEPS + 1], reserved[STEPS + 1], tables[STEPS + 1];
    int err = start(t);
    if (!err)
        err = grow(t, config->parameter / 10, count, memory); /* Go's own arenas first */
    if (!err)
        err = grow(t, config->parameter, count, memory);
    if (err)
        return err;
    for (int i = 0; i <= STEPS; i++) {
        resident[i] = (double)memory[i].resident_bytes;
        reserved[i] = (double)memory[i].reserved_bytes;
        tables[i] = (double)memory[i].page_table_bytes;
    }
    bench_metric(t, "resident_bytes", "B/flow", "smaps",
                 bench_slope(count, resident, STEPS + 1, NULL));
    bench_metric(t, "reserved_bytes", "B/flow", "status",
                 bench_slope(count, reserved, STEPS + 1, NULL));
    bench_metric(t, "page_table_bytes", "B/flow", "status",
                 bench_slope(count, tables, STEPS + 1, NULL));
    bench_note(t, "flows", "%llu, in %d steps", (unsigned long long)config->parameter, STEPS);
    return 0;
}

/* --------------------------------------------------------------------------- cases */

/* gobuf in runtime/runtime2.go has sp, pc, g, ctxt, ret, lr and bp; how many of them a switch
 * writes, and what the compiler spilled before the call, is not documented. */
static const struct bench_contract contract = {
    .saves = "gobuf: sp pc bp g; the rest is spilled by the compiler", .bytes_saved = -1,
    .stack = "its own, from 2 KB", .growth = "copied to a larger one",
    .preemption = "by a signal, asynchronously", .threads = "M:N",
    .cancellation = "none: by a channel that the flow asks"};

#define ONE_CPU BENCH_AT(BENCH_SAME_CPU)
#define TWO_CPUS (BENCH_AT_ANY & ~BENCH_AT(BENCH_SAME_CPU))
#define FLAGS_OF(workers) (BENCH_THREADS | ((workers) > 1 ? BENCH_PREEMPTS : 0))

/* Followed by the functions and ops_multiple: an epoch of a millisecond or so, beside which it
 * is little what the main thread, the driver and the first goroutine cost to wake. */
#define CASE(experiment_, subject_, params_, op_, workers, kind, parameter, profile_, ...)   \
    {                                                                                        \
        .experiment = experiment_, .subject = subject_, .params = params_, .op = op_,        \
        .places = (workers) > 1 ? TWO_CPUS : ONE_CPU, .profile = profile_,                   \
        .flags = FLAGS_OF(workers), .contract = &contract,                                   \
        .arg = &(const struct go_config){kind, workers, parameter}, __VA_ARGS__              \
    }
#define JOB(multiple)                                                                        \
    .setup = setup, .run = run, .teardown = teardown, .ops_multiple = multiple
#define RING .setup = ring_setup, .run = ring_run, .teardown = ring_teardown

/* Up to 1,000 goroutines are made anew in each run: 20 laps at least make that small. */
#define YIELD(flows, workers, profile)                                                       \
    CASE("yield", "go", "flows=" #flows ",workers=" #workers, "one yield", workers,          \
         GO_YIELD, flows, profile, JOB((flows) < 1000 ? 20000 : 20 * (flows)))
#define YIELD_RING(flows, workers, profile)                                                  \
    CASE("yield", "go", "flows=" #flows ",workers=" #workers, "one yield", workers,          \
         GO_YIELD, flows, profile, RING)

static const struct bench_case yield_cases[] = {
    YIELD(2, 1, BENCH_DEFAULT),
    YIELD(2, 2, BENCH_FULL),
    YIELD(1000, 1, BENCH_DEFAULT),
    YIELD(1000, 2, BENCH_FULL),
    YIELD_RING(100000, 1, BENCH_DEFAULT),
    YIELD_RING(100000, 2, BENCH_FULL),
    YIELD_RING(1000000, 1, BENCH_DEFAULT),
    YIELD_RING(1000000, 2, BENCH_FULL),
};

#define SPAWN(batch, workers, profile)                                                       \
    CASE("spawn", "go", "batch=" #batch ",workers=" #workers,                                \
         "one flow created, run and joined", workers, GO_SPAWN, batch, profile, JOB(5000))

static const struct bench_case spawn_cases[] = {
    SPAWN(1, 1, BENCH_DEFAULT),
    SPAWN(1000, 1, BENCH_DEFAULT),
    SPAWN(1, 2, BENCH_FULL),
    SPAWN(1000, 2, BENCH_FULL),
};

#define STREAM(capacity, workers, profile)                                                   \
    CASE("message", "go-chan", "mode=stream,capacity=" #capacity ",workers=" #workers,       \
         "one item passed", workers, GO_STREAM, capacity, profile, JOB(128 * 150))
#define ROUNDTRIP(capacity, workers, profile)                                                \
    CASE("message", "go-chan", "mode=roundtrip,capacity=" #capacity ",workers=" #workers,    \
         "one round trip: request and reply", workers, GO_ROUNDTRIP, capacity, profile,      \
         JOB(5000))

/* Among many: the names and ops of bench/message_many.h. */
#define AMONG(mode, op, workers, kind, capacity, profile)                                    \
    CASE("message", "go-chan", mode ",workers=" #workers, op, workers, kind, capacity,       \
         profile, JOB(8000))
#define CROWD(capacity, workers, profile)                                                    \
    AMONG("mode=pxc,producers=4,consumers=4,capacity=" #capacity,                            \
          "one item passed, between many", workers, GO_CROWD, capacity, profile)
#define FAN_IN(capacity, workers, profile)                                                   \
    AMONG("mode=fan-in,producers=4,capacity=" #capacity, "one item passed, between many",    \
          workers, GO_FAN_IN, capacity, profile)
#define PASS(capacity, workers, profile)                                                     \
    AMONG("mode=ring,flows=100,capacity=" #capacity, "one hop of a token", workers, GO_PASS, \
          capacity, profile)

static const struct bench_case message_cases[] = {
    CROWD(64, 1, BENCH_DEFAULT),
    CROWD(64, 2, BENCH_DEFAULT),
    CROWD(0, 1, BENCH_FULL),
    CROWD(0, 2, BENCH_FULL),
    FAN_IN(0, 1, BENCH_DEFAULT),
    FAN_IN(0, 2, BENCH_DEFAULT),
    FAN_IN(64, 1, BENCH_FULL),
    FAN_IN(64, 2, BENCH_FULL),
    PASS(0, 1, BENCH_DEFAULT),
    PASS(0, 2, BENCH_DEFAULT),
    ROUNDTRIP(0, 1, BENCH_DEFAULT),
    ROUNDTRIP(0, 2, BENCH_DEFAULT),
    STREAM(0, 1, BENCH_FULL),
    STREAM(0, 2, BENCH_FULL),
    STREAM(1, 1, BENCH_DEFAULT),
    STREAM(1, 2, BENCH_FULL),
    STREAM(128, 1, BENCH_DEFAULT),
    STREAM(128, 2, BENCH_DEFAULT),
};

#define COUNTER(flows, workers, profile)                                                     \
    CASE("counter", "go-mutex", "flows=" #flows ",workers=" #workers,                        \
         "one increment of the shared number, by any flow", workers, GO_COUNTER, flows,      \
         profile, JOB(50000))

#define OWNER(capacity, workers, profile)                                                    \
    CASE("counter", "go-owner", "flows=2,workers=" #workers ",capacity=" #capacity,          \
         "one increment of the shared number, by any flow", workers, GO_OWNER, capacity,     \
         profile, JOB(20000))

static const struct bench_case counter_cases[] = {
    COUNTER(1, 1, BENCH_DEFAULT),
    COUNTER(2, 1, BENCH_DEFAULT),
    COUNTER(2, 2, BENCH_DEFAULT),
    OWNER(0, 1, BENCH_FULL),
    OWNER(128, 1, BENCH_DEFAULT),
    OWNER(128, 2, BENCH_DEFAULT),
};

/* As bench/scale.c names them. */
#define SCALE(program, size_word, op, kind, size, profile)                                   \
    CASE("scale", "go-" program, size_word ",workers=1", op, 1, kind, size, profile,         \
         JOB(size)),                                                                         \
        CASE("scale", "go-" program, size_word ",workers=2", op, 2, kind, size, profile,     \
             JOB(size))

#define LEAF_OP "one leaf of the tree, with its share of the flows above it"

static const struct bench_case scale_cases[] = {
    SCALE("skynet", "leaves=100000", LEAF_OP, GO_SKYNET, 100000, BENCH_DEFAULT),
    SCALE("skynet", "leaves=1000000", LEAF_OP, GO_SKYNET, 1000000, BENCH_FULL),
    SCALE("sieve", "primes=100", "one prime of the first 100", GO_SIEVE, 100, BENCH_DEFAULT),
    SCALE("sieve", "primes=1000", "one prime of the first 1,000", GO_SIEVE, 1000, BENCH_FULL),
    SCALE("ring", "flows=100000", "one flow of a ring: made, passed by, ended", GO_RING, 100000,
          BENCH_FULL),
    SCALE("sum", "parts=256", "one part of an array, of 8,192 numbers", GO_SUM, 256,
          BENCH_DEFAULT),
};

/* As bench/growth.c names them: 16 MB in all, or so, per epoch. */
#define GROWTH(depth, profile)                                                               \
    CASE("growth", "go", "depth_bytes=" #depth ",when=steady", "one descent and the way back", \
         1, GO_DESCEND, depth, BENCH_FULL, JOB((depth) < 8388608 ? 16777216 / (depth) : 0)),  \
        CASE("growth", "go", "depth_bytes=" #depth ",when=regrown",                          \
             "one descent and the way back", 1, GO_DESCEND_ANEW, depth, profile,             \
             JOB((depth) < 8388608 ? 16777216 / (depth) : 0))

static const struct bench_case growth_cases[] = {
    GROWTH(65536, BENCH_DEFAULT),
    GROWTH(1024, BENCH_FULL),
    GROWTH(4096, BENCH_FULL),
    GROWTH(16384, BENCH_FULL),
    GROWTH(262144, BENCH_FULL),
    GROWTH(1048576, BENCH_FULL),
    GROWTH(4194304, BENCH_FULL),
    GROWTH(16777216, BENCH_FULL),
    GROWTH(67108864, BENCH_FULL),
};

/* ------------------------------------------------------------------------- oslevel */

/* A yield is one switch between goroutines, an unbuffered round trip two. */
static int measure_kernel_switches(struct bench_trial *t)
{
    enum { OPS = 500000 };
    const struct go_config *config = bench_case_of(t)->arg;
    struct oslevel kernel;
    oslevel_begin(&kernel);
    if (run(t, OPS) != OPS)
        return bench_fail(t, "not all of %d operations were done", OPS);
    oslevel_end(&kernel, t, config->kind == GO_YIELD ? OPS : 2.0 * OPS, "flows");
    return 0;
}

#define OSLEVEL(work, workers, kind, flows)                                                  \
    CASE("oslevel", "go", "work=" work ",workers=" #workers, "10^6 switches between flows",  \
         workers, kind, flows, BENCH_DEFAULT, .setup = setup,                                \
         .measure = measure_kernel_switches, .teardown = teardown)

static const struct bench_case oslevel_cases[] = {
    OSLEVEL("yield", 1, GO_YIELD, 16),
    OSLEVEL("yield", 2, GO_YIELD, 16),
    OSLEVEL("message", 1, GO_ROUNDTRIP, 0),
    OSLEVEL("message", 2, GO_ROUNDTRIP, 0),
};

#define FOOTPRINT(flows, profile)                                                            \
    CASE("footprint", "go", "flows=" #flows, "one parked flow", 1, 0, flows, profile,        \
         .measure = measure_footprint)

static const struct bench_case footprint_cases[] = {
    FOOTPRINT(100, BENCH_FULL),
    FOOTPRINT(1000, BENCH_FULL),
    FOOTPRINT(10000, BENCH_DEFAULT),
    FOOTPRINT(100000, BENCH_DEFAULT),
    FOOTPRINT(1000000, BENCH_FULL),
};

#define TABLE(name, question) {#name, question, name##_cases, \
                               sizeof name##_cases / sizeof *name##_cases}
#define IO_QUESTION "what does a request to an echo server over Go's net package cost?"

int main(int argc, char **argv)
{
    const struct bench_experiment experiments[] = {
        TABLE(yield, "what does runtime.Gosched() cost, by how many goroutines yield?"),
        TABLE(spawn, "what does it cost to create, run and join a goroutine?"),
        TABLE(message, "what does it cost to pass an item through a Go channel?"),
        TABLE(counter, "what does a counter under a sync.Mutex cost?"),
        TABLE(scale, "what do programs of very many goroutines cost?"),
        TABLE(growth, "what does it cost a goroutine's stack to grow?"),
        TABLE(oslevel, "how often does the kernel switch while goroutines do?"),
        TABLE(footprint, "what does a parked goroutine weigh?"),
        {"io", IO_QUESTION, io_cases, io_case_count},
    };
    return bench_main(argc, argv, experiments, sizeof experiments / sizeof *experiments);
}
