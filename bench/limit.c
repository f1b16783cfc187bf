/* SPDX-License-Identifier: MIT
 *
 * limit: how many flows there can be, and what says no.
 *
 * Flows are made, each runs and parks (parked.h), until the kernel refuses one or a bound
 * of the experiment's own is reached. The bounds keep the machine healthy: so many flows,
 * so many seconds, 60 % of the memory that was available at the start.
 *
 * What refused is found by looking while the flows still exist (refusal.h).
 *
 * Everything is ended and joined before the trial ends. Processes die with the trial.
 */
#include "experiments.h"

#include <errno.h>
#include <string.h>
#include "clock.h"
#include "footprint.h"
#include "parked.h"
#include "refusal.h"

struct limit_config {
    struct parked_config flow;
    size_t flows_max;
    size_t step; /* made between two looks at the bounds */
    double seconds_max;
};

static const double memory_share_max = 0.6;

enum stop { REFUSED, BOUND_FLOWS, BOUND_SECONDS, BOUND_MEMORY };

struct course {
    enum stop stop;
    int err;
    double seconds;
    uint64_t memory_at_start_bytes;
};

/* In steps; after a refusal in smaller ones, as a step's arena may be refused where a
 * single stack still fits. */
static void make_until_stopped(const struct limit_config *config, struct parked *parked,
                               struct course *course)
{
    uint64_t start_ns = bench_now_ns();
    size_t step = config->step;
    course->stop = BOUND_FLOWS;
    for (size_t count; (count = parked_count(parked)) < config->flows_max;) {
        size_t left = config->flows_max - count;
        int err = parked_grow(parked, step < left ? step : left);
        course->seconds = (double)(bench_now_ns() - start_ns) * 1e-9;
        if (err) {
            course->stop = REFUSED;
            course->err = err;
            bool by_arena = config->flow.kind == PARKED_CORO && err == -ENOMEM;
            if (!by_arena || step == 1)
                return;
            step /= 2;
            continue;
        }
        if (course->seconds > config->seconds_max) {
            course->stop = BOUND_SECONDS;
            return;
        }
        if ((double)bench_memory_available_bytes() <
            (1 - memory_share_max) * (double)course->memory_at_start_bytes) {
            course->stop = BOUND_MEMORY;
            return;
        }
    }
    course->stop = BOUND_FLOWS;
}

static void note_bound(struct bench_trial *t, const struct limit_config *config,
                       enum stop stop)
{
    if (stop == BOUND_FLOWS)
        bench_note(t, "limit", "bound of this experiment: %zu flows", config->flows_max);
    else if (stop == BOUND_SECONDS)
        bench_note(t, "limit", "bound of this experiment: %g s", config->seconds_max);
    else
        bench_note(t, "limit",
                   "bound of this experiment: %.0f %% of the available memory",
                   100 * memory_share_max);
}

static int limit_measure(struct bench_trial *t)
{
    const struct limit_config *config = bench_case_of(t)->arg;
    if (parked_distorted())
        return bench_skip(t, "%s", parked_distorted());
    struct course course = {.memory_at_start_bytes = bench_memory_available_bytes()};
    struct parked *parked = parked_new(&config->flow);
    if (!parked)
        return -ENOMEM;
    make_until_stopped(config, parked, &course);
    struct refusal refusal = {0};
    if (course.stop == REFUSED)
        refusal_explain(&refusal, &config->flow, course.err);
    size_t flows = parked_count(parked);
    parked_destroy(parked);
    if (course.stop == REFUSED && (course.err == -ENOTSUP || course.err == -EINVAL))
        return bench_skip(t, "no such flows here: %s", strerror(-course.err));
    if (course.stop == REFUSED && course.err == -ETIMEDOUT)
        return bench_fail(t, "flows were made and did not run");
    bench_metric(t, "flows", "flows", "self", (double)flows);
    if (flows)
        bench_metric(t, "create_ns", "ns/flow", "clock",
                     course.seconds * 1e9 / (double)flows);
    if (course.stop == REFUSED) {
        bench_note(t, "errno", "%s", refusal.error);
        bench_note(t, "limit", "%s", refusal.limit);
    } else {
        note_bound(t, config, course.stop);
    }
    return 0;
}

#define LIMIT(subject_, params_, profile_, flags_, max, step_, seconds, ...)             \
    {                                                                                    \
        .experiment = "limit", .subject = subject_, .params = params_,                   \
        .op = "one flow made and parked", .places = BENCH_AT(BENCH_SAME_CPU),            \
        .profile = profile_, .flags = flags_, .measure = limit_measure,                  \
        .arg = &(const struct limit_config){{__VA_ARGS__, CORO_STACK_DEFAULT}, max, step_, seconds},         \
    }

/* The bound is part of the name: with another bound the figure is another one. */
const struct bench_case limit_cases[] = {
    LIMIT("coro", "stack_bytes=4096,guard=madvise,bound=100000", BENCH_FULL, 0, 100000,
          1024, 10, PARKED_CORO, 4096, CORO_GUARD_MADVISE),
    LIMIT("coro", "stack_bytes=4096,guard=mprotect,bound=100000", BENCH_DEFAULT, 0,
          100000, 1024, 10, PARKED_CORO, 4096, CORO_GUARD_MPROTECT),
    LIMIT("coro", "stack_bytes=1024,guard=none,bound=1000000", BENCH_DEFAULT, 0, 1000000,
          65536, 10, PARKED_CORO, 1024, CORO_GUARD_NONE),
    LIMIT("coro", "stack_bytes=1024,guard=none,bound=10000000", BENCH_FULL, 0, 10000000,
          65536, 60, PARKED_CORO, 1024, CORO_GUARD_NONE),
    LIMIT("coro", "stack_bytes=4096,guard=madvise,bound=10000000", BENCH_FULL, 0,
          10000000, 65536, 60, PARKED_CORO, 4096, CORO_GUARD_MADVISE),
    LIMIT("pthread", "stack_bytes=16384,bound=40000", BENCH_DEFAULT, BENCH_THREADS, 40000,
          1024, 10, PARKED_PTHREAD, 16384, CORO_GUARD_NONE),
    LIMIT("pthread", "stack_bytes=16384,bound=200000", BENCH_FULL, BENCH_THREADS, 200000,
          1024, 60, PARKED_PTHREAD, 16384, CORO_GUARD_NONE),
    LIMIT("pthread", "stack_bytes=8388608,bound=200000", BENCH_FULL, BENCH_THREADS,
          200000, 1024, 60, PARKED_PTHREAD, 8388608, CORO_GUARD_NONE),
    LIMIT("fork", "bound=2000", BENCH_FULL, BENCH_THREADS, 2000, 100, 2,
          PARKED_PROCESS, 0, CORO_GUARD_NONE),
    LIMIT("fork", "bound=10000", BENCH_FULL, BENCH_THREADS, 10000, 500, 30,
          PARKED_PROCESS, 0, CORO_GUARD_NONE),
};
const size_t limit_case_count = sizeof limit_cases / sizeof *limit_cases;
