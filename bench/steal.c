/* SPDX-License-Identifier: MIT
 *
 * steal: do idle workers take over, and what does a flow hold up that never yields?
 *
 *  - work=parts: one flow spawns PARTS others, each with some 20 us of work, all on its
 * own worker. `taken` is the share of them that another worker ran: nothing but stealing
 * brings them there.
 *  - work=hog: one flow spawns SIBLINGS others, who take a few turns and end, and
 * computes without ever yielding until all have ended or HOG_NS have passed. `beside` is
 * the share that ended meanwhile. With workers=1 it must be none: that is the control.
 *
 * Both are counts: a busy machine makes them slower, not other, as long as the second
 * worker runs at all. The proof: every flow says where it ran, and all are joined.
 */
#include "experiments.h"

#include <stdatomic.h>
#include <string.h>
#include "clock.h"
#include "stage.h"

enum { PARTS = 2000, PART_STEPS = 20000, SIBLINGS = 64, SIBLING_TURNS = 100 };
enum { HOG_NS = 100000000 };

struct steal_config {
    unsigned workers;
    bool hog;
};

struct steal {
    const struct steal_config *config;
    struct stage stage;
    struct coro_handle other[PARTS];
    _Atomic uint64_t ended, elsewhere; /* counts alone: they order nothing */
    uint64_t beside, joined;
};

static void count_one(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint64_t count_of(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void *part(void *arg)
{
    struct steal *s = arg;

    for (int i = 0; i < PART_STEPS; i++)
        __asm__ volatile("");
    if (coro_worker_index() != 0)
        count_one(&s->elsewhere);
    count_one(&s->ended);
    return NULL;
}

static void *sibling(void *arg)
{
    struct steal *s = arg;

    for (int i = 0; i < SIBLING_TURNS; i++)
        coro_yield();
    count_one(&s->ended);
    return NULL;
}

static void never_yield(struct steal *s)
{
    uint64_t start_ns = bench_now_ns();

    while (count_of(&s->ended) < SIBLINGS && bench_now_ns() - start_ns < HOG_NS)
        ;
    s->beside = count_of(&s->ended);
}

/* The flow that spawns all others; on the first worker, from beginning to end. */
static void steal_lead(void *arg)
{
    struct steal *s = arg;
    size_t flows = s->config->hog ? SIBLINGS : PARTS;

    stage_leave(&s->stage);
    for (size_t i = 0; i < flows; i++)
        s->other[i] = coro_spawn(s->config->hog ? sibling : part, s);
    if (s->config->hog)
        never_yield(s);
    for (size_t i = 0; i < flows; i++)
        s->joined += s->other[i].flow && !coro_join(s->other[i], NULL);
    stage_leave(&s->stage);
}

static int steal_report(struct bench_trial *t, struct steal *s)
{
    uint64_t flows = s->config->hog ? SIBLINGS : PARTS;

    if (s->joined != flows || count_of(&s->ended) != flows)
        return bench_fail(t, "%llu flows of %llu ended, %llu were joined",
                          (unsigned long long)count_of(&s->ended),
                          (unsigned long long)flows, (unsigned long long)s->joined);
    if (s->config->hog)
        bench_metric(t, "beside", "share", "flows", (double)s->beside / (double)flows);
    else
        bench_metric(t, "taken", "share", "flows",
                     (double)count_of(&s->elsewhere) / (double)flows);
    return 0;
}

static int steal_measure(struct bench_trial *t)
{
    struct steal s = {.config = bench_case_of(t)->arg};
    int error = stage_open(&s.stage, t, s.config->workers, steal_lead, &s);

    if (error)
        return bench_skip(t, "no %u workers: %s", s.config->workers, strerror(-error));
    stage_enter(&s.stage);
    error = stage_close(&s.stage);
    return error ? error : steal_report(t, &s);
}

#define HERE      BENCH_AT(BENCH_SAME_CPU)
#define ELSEWHERE (BENCH_AT_ANY & ~HERE)

#define STEAL(work, workers_, places_, op_, hog_)                                        \
    {                                                                                    \
        .experiment = "steal", .subject = "coro",                                        \
        .params = "work=" work ",workers=" #workers_, .op = op_, .places = places_,      \
        .profile = BENCH_DEFAULT, .flags = BENCH_THREADS | BENCH_PREEMPTS,               \
        .measure = steal_measure, .arg = &(const struct steal_config){workers_, hog_},   \
    }

const struct bench_case steal_cases[] = {
    STEAL("parts", 2, ELSEWHERE, "2,000 flows, all spawned by one", false),
    STEAL("hog", 1, HERE, "64 flows beside one that never yields", true),
    STEAL("hog", 2, ELSEWHERE, "64 flows beside one that never yields", true),
};
const size_t steal_case_count = sizeof steal_cases / sizeof *steal_cases;
