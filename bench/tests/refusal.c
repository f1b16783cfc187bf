/* SPDX-License-Identifier: MIT */
#include "../refusal.c"

#include <criterion/criterion.h>

#include "rlimit.h"

Test(refusal, the_limit_that_is_used_up_is_named)
{
    const struct candidate candidates[] = {{"roomy", 1000, 500},
                                           {"none", -1, 0},
                                           {"nearly", 1000, 985},
                                           {"full", 65530, 65532}};
    cr_assert_str_eq(fullest_of(candidates, 4)->name, "full");
    cr_assert_str_eq(fullest_of(candidates, 3)->name, "nearly");
}

Test(refusal, no_limit_is_named_where_all_have_room)
{
    const struct candidate candidates[] = {{"roomy", 1000, 900}, {"none", -1, 77}};
    cr_assert_null(fullest_of(candidates, 2));
    cr_assert_null(fullest_of(candidates, 0));
}

Test(refusal, mappings_are_counted)
{
    double before = mappings_used();
    cr_assert_gt(before, 5);
    char *map = mmap(NULL, 3 << 12, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(map, MAP_FAILED);
    cr_assert_eq(mprotect(map + (1 << 12), 1 << 12, PROT_NONE), 0);
    cr_assert_geq(mappings_used(), before + 2);
}

Test(refusal, the_probe_tells_a_refused_mapping)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip_test("sanitizers need more address space than RLIMIT_AS would leave");
#endif
    cr_assert_eq(probe_stack(65536), 0);
    rlimit_or_skip(RLIMIT_AS, 1 << 30);
    cr_assert_eq(probe_stack(65536), 0);
    cr_assert_eq(probe_stack((size_t)2 << 30), -ENOMEM);
}

/* Tasks that began since boot, anywhere. */
static unsigned long long tasks_begun(void)
{
    char line[256];
    unsigned long long begun = 0;
    FILE *file = fopen("/proc/stat", "re");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "processes %llu", &begun) != 1)
        continue;
    if (file)
        fclose(file);
    return begun;
}

/* Where none began meanwhile, each of the user's was one of the system's before. */
Test(refusal, tasks_of_this_user_are_some_of_the_systems)
{
    for (int i = 0; i < 1000; i++) {
        unsigned long long begun = tasks_begun();
        double of_system = tasks_of_system(), of_user = tasks_of_user();

        cr_assert_geq(of_user, 1);
        if (tasks_begun() != begun)
            continue;
        cr_assert_leq(of_user, of_system);
        return;
    }
    cr_skip_test("other programs never stop beginning tasks");
}

Test(refusal, one_that_nothing_explains_is_called_unknown)
{
    const struct parked_config flow = {PARKED_CORO, 4096, CORO_GUARD_NONE, 0};
    struct refusal refusal;
    refusal_explain(&refusal, &flow, -ENOMEM);
    cr_assert_eq(strncmp(refusal.limit, "unknown", 7), 0, "%s", refusal.limit);
}
