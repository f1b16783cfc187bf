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
#include "flows.h"
#include "libflows.h"
#include "process.h"

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

/* Go's threads begin before main(), hence are pinned here; GOMAXPROCS is what bounds how many
 * run goroutines. A first run has it start those that it needs. */
static int setup(struct bench_trial *t)
{
    enum { WARM_OPS = 1000 };
    const struct go_config *config = bench_case_of(t)->arg;
    int err = process_pin(t);
    if (err)
        return err;
    go_start(config->workers);
    if (run(t, WARM_OPS) != WARM_OPS)
        return bench_fail(t, "the first %d operations were not all done", WARM_OPS);
    return process_pin(t);
}

static void teardown(struct bench_trial *t)
{
    int strays = process_strays(t);
    if (strays < 0)
        bench_fail(t, "reading the threads' CPUs: %s", strerror(-strays));
    else if (strays > 0)
        bench_fail(t, "%d threads could leave the placement's CPUs", strays);
}

/* gobuf of runtime/runtime2.go: sp, pc, g, ctxt, ret, lr, bp, 8 bytes each on 64 bits; Gosched
 * is an ordinary call, before which the compiler has spilled all that lives. */
static const struct bench_contract contract = {
    .saves = "gobuf: sp pc bp (g ctxt ret lr); the rest spilled by the compiler",
    .bytes_saved = -1};

#define ONE_CPU  BENCH_AT(BENCH_SAME_CPU)
#define TWO_CPUS (BENCH_AT(BENCH_SMT) | BENCH_AT(BENCH_SAME_LLC))

#define CASE(experiment_, subject_, params_, op_, workers_, kind_, parameter_, multiple_,  \
             profile_)                                                                     \
    {                                                                                      \
        .experiment = experiment_, .subject = subject_, .params = params_ "workers=" #workers_,  \
        .op = op_, .places = (workers_) == 1 ? ONE_CPU : TWO_CPUS,                         \
        .profile = profile_,                                                               \
        .flags = BENCH_THREADS | ((workers_) > 1 ? BENCH_PREEMPTS : 0),                    \
        .contract = &contract, .setup = setup, .run = run, .teardown = teardown,           \
        .arg = &(const struct go_config){kind_, workers_, parameter_},                     \
        .ops_multiple = multiple_,                                                         \
    }

#define YIELD(flows, workers, multiple, profile)                                           \
    CASE("yield", "go", "flows=" #flows ",", "one yield", workers, GO_YIELD, flows,        \
         multiple, profile)

static const struct bench_case yield_cases[] = {
    YIELD(2, 1, 0, BENCH_DEFAULT),
};

#define COUNT(cases) (sizeof (cases) / sizeof *(cases))

int main(int argc, char **argv)
{
    const struct bench_experiment experiments[] = {
        {"yield", "what does runtime.Gosched() cost?", yield_cases, COUNT(yield_cases)},
    };
    return bench_main(argc, argv, experiments, COUNT(experiments));
}
