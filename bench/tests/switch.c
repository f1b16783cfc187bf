/* SPDX-License-Identifier: MIT
 *
 * switch.c: run(n) makes exactly n one-way switches, whatever n, however often; for each
 * case of switch, ablation and depth that can run on one CPU.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../experiments.h"
#include "fake_trial.h"

static void name_of(const struct bench_case *c, char *name, size_t bytes)
{
    snprintf(name, bytes, "%s/%s/%s", c->experiment, c->subject, c->params);
}

static void expect_exact_counts(struct bench_trial *t, const char *name)
{
    const uint64_t counts[] = {1, 2, 3, 7, 1000, 1, 1000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint64_t counted = t->spec->run(t, counts[i]);
        cr_expect_eq(counted, counts[i], "%s: run(%lu) counted %lu", name,
                     (unsigned long)counts[i], (unsigned long)counted);
    }
}

static void check(const struct bench_case *cases, size_t count)
{
    cr_assert_gt(count, 0);
    for (size_t i = 0; i < count; i++) {
        struct bench_trial t = {.spec = &cases[i]};
        char name[128];
        name_of(&cases[i], name, sizeof name);
        if (!(cases[i].places & BENCH_AT(BENCH_SAME_CPU)))
            continue;
        int err = cases[i].setup(&t);
        if (!err)
            expect_exact_counts(&t, name);
        else if (t.skipped[0])
            fprintf(stderr, "%s skipped: %s\n", name, t.skipped);
        else
            cr_expect_fail("%s: setup failed with %d: %s", name, err, t.failed);
        cases[i].teardown(&t);
    }
}

Test(exact, every_case_of_switch)
{
    check(switch_cases, switch_case_count);
}

Test(exact, every_case_of_ablation)
{
    check(ablation_cases, ablation_case_count);
}

Test(exact, every_case_of_depth)
{
    check(depth_cases, depth_case_count);
}

Test(table, a_name_and_placement_are_there_once)
{
    for (size_t i = 0; i < switch_case_count; i++)
        for (size_t j = i + 1; j < switch_case_count; j++) {
            char a[128], b[128];
            name_of(&switch_cases[i], a, sizeof a);
            name_of(&switch_cases[j], b, sizeof b);
            cr_expect(strcmp(a, b) || !(switch_cases[i].places & switch_cases[j].places),
                      "%s is there twice", a);
        }
}
