/* SPDX-License-Identifier: MIT
 *
 * hotsplit: does a call cost more where a segment of the stack ends?
 *
 * One op is a call, in a loop, of a function with a frame of 512 bytes. Where on the
 * stack the loop is, is swept in steps of 16 bytes, the smallest that SP knows:
 * depth_bytes of the flow's stack are in use there. On a segmented stack there is a
 * window: the loop still fits in the segment, and what it calls does not. There each call
 * goes to the next segment and comes back. The segment is there already (segmented.c):
 * the window shows what two changes of stack cost. In Go up to 1.2 the segment was also
 * had and given back each time.
 *
 * The same on stacks that have no such place: guarded, slab, copied.
 */
#include "experiments.h"

#include <stdlib.h>

#include "solo.h"

struct hotsplit_config {
    struct coro_spawn_options options;
    size_t depth_bytes;
};

/* Calls loop(ops) with `pad_bytes` or so in use below here. How deep the loop is,
 * exactly. */
static CALLS_OPAQUE size_t at_depth(const struct solo *solo, size_t pad_bytes,
                                              uint64_t ops, uint64_t *entered)
{
    char *low = __builtin_alloca(pad_bytes);

    __asm__ volatile("" : : "r"(low) : "memory");
    *entered = ops ? solo->calls->loop(ops) : 0;
    return (size_t)(solo->top - low);
}

/* An alloca() is rounded: two tries without a call find what to ask for. */
static uint64_t hotsplit_work(struct solo *solo, uint64_t ops)
{
    const struct hotsplit_config *config = solo->arg;
    size_t pad_bytes = 16, depth_bytes;
    uint64_t entered;

    for (unsigned i = 0; i < 2; i++)
        pad_bytes += config->depth_bytes - at_depth(solo, pad_bytes, 0, &entered);
    depth_bytes = at_depth(solo, pad_bytes, ops, &entered);
    if (depth_bytes == config->depth_bytes)
        return entered;
    bench_fail(solo->stage.trial, "the loop was %zu bytes deep", depth_bytes);
    return 0;
}

static int hotsplit_setup(struct bench_trial *t)
{
    const struct hotsplit_config *config = bench_case_of(t)->arg;
    struct solo *solo = calloc(1, sizeof *solo);

    if (!solo)
        return -ENOMEM;
    bench_set_state(t, solo);
    solo->work = hotsplit_work;
    solo->arg = config;
    return solo_open(solo, t, &config->options);
}

static uint64_t hotsplit_run(struct bench_trial *t, uint64_t ops)
{
    return solo_run(bench_state(t), ops);
}

static void hotsplit_teardown(struct bench_trial *t)
{
    struct solo *solo = bench_state(t);

    if (solo)
        solo_close(solo, t);
    free(solo);
}

/* ------------------------------------------------------------------- the table */

#define HOTSPLIT(subject_, params_, depth, profile_, ...)                                \
    {                                                                                    \
        .experiment = "hotsplit", .subject = subject_,                                   \
        .params = params_ "depth_bytes=" #depth, .op = "one call",                       \
        .places = BENCH_AT(BENCH_SAME_CPU), .profile = profile_,                         \
        .kernel_switches_max = 0.01, .setup = hotsplit_setup, .run = hotsplit_run,       \
        .teardown = hotsplit_teardown,                                                   \
        .arg = &(const struct hotsplit_config){{__VA_ARGS__}, depth},                    \
    }
#define SEGMENTED(bytes, depth, profile)                                                 \
    HOTSPLIT("segmented", "segment_bytes=" #bytes ",", depth, profile,                   \
             .policy = CORO_STACK_SEGMENTED, .stack_bytes = bytes)
#define GUARDED(depth, profile)                                                          \
    HOTSPLIT("guarded", "", depth, profile, .policy = CORO_STACK_GUARDED)
#define OTHER(subject, policy_, bytes, depth)                                            \
    HOTSPLIT(subject, "", depth, BENCH_FULL, .policy = policy_, .stack_bytes = bytes)

#define FULL_4K(depth)      SEGMENTED(4096, depth, BENCH_FULL)
#define FULL_8K(depth)      SEGMENTED(8192, depth, BENCH_FULL)
#define FULL_GUARDED(depth) GUARDED(depth, BENCH_FULL)
#define FULL_SLAB(depth)    OTHER("slab", CORO_STACK_SLAB, 8192, depth)
#define FULL_COPIED(depth)  OTHER("copied", CORO_STACK_COPIED, 0, depth)

/* By steps of 16 where the window opens and closes. */
#define EDGES_4K(ROW)                                                                    \
    ROW(3504), ROW(3520), ROW(3536), ROW(3552), ROW(3568), ROW(3584), ROW(3600),         \
        ROW(4032), ROW(4048), ROW(4064), ROW(4080), ROW(4096), ROW(4112), ROW(4128)
#define EDGES_8K(ROW)                                                                    \
    ROW(7600), ROW(7616), ROW(7632), ROW(7648), ROW(7664), ROW(7680), ROW(7696),         \
        ROW(8128), ROW(8144), ROW(8160), ROW(8176), ROW(8192), ROW(8208), ROW(8224)
/* Near 4 KB and 8 KB; without 2048, 3840 and 4352, which the default profile has of some.
 */
#define NEAR_4K(ROW)                                                                     \
    ROW(2560), ROW(3072), ROW(3328), ROW(3456), ROW(3648), ROW(3712), ROW(3776),         \
        ROW(3904), ROW(3968), ROW(4224), ROW(4480), ROW(4608)
#define NEAR_8K(ROW)                                                                     \
    ROW(5120), ROW(6144), ROW(6656), ROW(7168), ROW(7424), ROW(7552), ROW(7744),         \
        ROW(7808), ROW(7936), ROW(8064), ROW(8320), ROW(8448), ROW(8704)

const struct bench_case hotsplit_cases[] = {
    SEGMENTED(4096, 2048, BENCH_DEFAULT),
    SEGMENTED(4096, 3840, BENCH_DEFAULT),
    SEGMENTED(4096, 4352, BENCH_DEFAULT),
    SEGMENTED(8192, 3840, BENCH_DEFAULT),
    GUARDED(2048, BENCH_DEFAULT),
    GUARDED(3840, BENCH_DEFAULT),
    NEAR_4K(FULL_4K),
    EDGES_4K(FULL_4K),
    FULL_8K(2048),
    FULL_8K(4352),
    NEAR_4K(FULL_8K),
    NEAR_8K(FULL_8K),
    EDGES_8K(FULL_8K),
    FULL_GUARDED(4352),
    NEAR_4K(FULL_GUARDED),
    NEAR_8K(FULL_GUARDED),
    FULL_SLAB(2048),
    FULL_SLAB(3840),
    FULL_SLAB(4352),
    NEAR_4K(FULL_SLAB),
    FULL_COPIED(2048),
    FULL_COPIED(3840),
    FULL_COPIED(4352),
    NEAR_4K(FULL_COPIED),
    NEAR_8K(FULL_COPIED),
};
const size_t hotsplit_case_count = sizeof hotsplit_cases / sizeof *hotsplit_cases;
