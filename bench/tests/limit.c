/* SPDX-License-Identifier: MIT */
#include "../limit.c"

#include <criterion/criterion.h>

Test(limit, the_limit_that_is_used_up_is_named)
{
    const struct candidate candidates[] = {
        {"roomy", 1000, 500}, {"none", -1, 0}, {"nearly", 1000, 985}, {"full", 65530, 65532}};
    cr_assert_str_eq(fullest_of(candidates, 4)->name, "full");
    cr_assert_str_eq(fullest_of(candidates, 3)->name, "nearly");
}

Test(limit, no_limit_is_named_where_all_have_room)
{
    const struct candidate candidates[] = {{"roomy", 1000, 900}, {"none", -1, 77}};
    cr_assert_null(fullest_of(candidates, 2));
    cr_assert_null(fullest_of(candidates, 0));
}

Test(limit, mappings_are_counted)
{
    double before = mappings_used();
    cr_assert_gt(before, 5);
    char *map = mmap(NULL, 3 << 12, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(map, MAP_FAILED);
    cr_assert_eq(mprotect(map + (1 << 12), 1 << 12, PROT_NONE), 0);
    cr_assert_geq(mappings_used(), before + 2);
}

Test(limit, the_probe_tells_a_refused_mapping)
{
    const struct rlimit limit = {1 << 30, 1 << 30};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip_test("sanitizers need more address space than RLIMIT_AS would leave");
#endif
    cr_assert_eq(probe_stack(65536), 0);
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    cr_assert_eq(probe_stack(65536), 0);
    cr_assert_eq(probe_stack((size_t)2 << 30), -ENOMEM);
}

Test(limit, tasks_of_this_user_include_this_process)
{
    cr_assert_geq(tasks_of_user(), 1);
    cr_assert_geq(tasks_of_system(), tasks_of_user());
}

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
    const struct parked_config flow = {PARKED_CORO, 4096, CORO_GUARD_NONE};
    const struct limit_config by_flows = {flow, 100, 64, 60}, by_time = {flow, 100000, 64, 0};
    struct course course = {0};
    cr_assert_eq(stopped_by(&by_flows, &course), BOUND_FLOWS);
    cr_assert_eq(stopped_by(&by_time, &course), BOUND_SECONDS);
    course.memory_at_start_bytes = UINT64_MAX; /* nearly all of which must be gone by now */
    cr_assert_eq(stopped_by(&by_flows, &course), BOUND_MEMORY);
}

Test(limit, a_refusal_is_approached_stack_by_stack)
{
    const struct limit_config config = {{PARKED_CORO, 1 << 20, CORO_GUARD_NONE}, 4096, 512, 60};
    const struct rlimit limit = {1 << 30, 1 << 30};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip_test("sanitizers need more address space than RLIMIT_AS would leave");
#endif
    struct course course = {0};
    struct parked *parked = parked_new(&config.flow);
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    make_until_stopped(&config, parked, &course);
    cr_assert_eq(course.stop, REFUSED);
    cr_assert_eq(course.err, -ENOMEM);
    cr_assert_gt(parked_count(parked), 512 + 256, "only whole steps were made");
    struct refusal refusal = look(&config.flow, course.err);
    cr_assert_str_eq(fullest_of(refusal.candidates, refusal.candidate_count)->name,
                     "RLIMIT_AS");
    parked_destroy(parked);
}
