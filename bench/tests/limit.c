/* SPDX-License-Identifier: MIT */
#include "../limit.c"

#include <criterion/criterion.h>

#include "rlimit.h"

static enum stop stopped_by(const struct limit_config *config, struct course *course)
{
    struct parked *parked = parked_new(&config->flow);
    cr_assert_not_null(parked);
    make_until_stopped(config, parked, course);
    parked_destroy(parked);
    return course->stop;
}

Test(limit, each_bound_of_the_experiment_stops_it)
{
    const struct parked_config flow = {PARKED_CORO, 4096, CORO_GUARD_NONE, 0};
    const struct limit_config by_flows = {flow, 100, 64, 60},
                              by_time = {flow, 100000, 64, 0};
    struct course course = {0};
    cr_assert_eq(stopped_by(&by_flows, &course), BOUND_FLOWS);
    cr_assert_eq(stopped_by(&by_time, &course), BOUND_SECONDS);
    course.memory_at_start_bytes =
        UINT64_MAX; /* nearly all of which must be gone by now */
    cr_assert_eq(stopped_by(&by_flows, &course), BOUND_MEMORY);
}

Test(limit, a_refusal_is_approached_stack_by_stack)
{
    const struct limit_config config = {
        {PARKED_CORO, 1 << 20, CORO_GUARD_NONE, 0}, 4096, 512, 60};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip_test("sanitizers need more address space than RLIMIT_AS would leave");
#endif
    struct course course = {0};
    struct parked *parked = parked_new(&config.flow);
    rlimit_or_skip(RLIMIT_AS, 1 << 30);
    make_until_stopped(&config, parked, &course);
    cr_assert_eq(course.stop, REFUSED);
    cr_assert_eq(course.err, -ENOMEM);
    cr_assert_gt(parked_count(parked), 512 + 256, "only whole steps were made");
    struct refusal refusal;
    refusal_explain(&refusal, &config.flow, course.err);
    cr_assert_eq(strncmp(refusal.limit, "RLIMIT_AS: ", 11), 0, "%s", refusal.limit);
    cr_assert_str_eq(refusal.error, "ENOMEM (of address space)");
    parked_destroy(parked);
}
