/* SPDX-License-Identifier: MIT */
#include "case.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const struct bench_contract contract = {.saves = "sp", .bytes_saved = 8};
static const struct bench_case cases[] = {
    {.experiment = "switch", .subject = "a", .params = "site=diff,flows=2", .op = "switch",
     .places = BENCH_AT(BENCH_SAME_CPU) | BENCH_AT(BENCH_SAME_LLC), .contract = &contract},
    {.experiment = "switch", .subject = "b", .params = "", .op = "switch",
     .places = BENCH_AT(BENCH_SAME_CPU)},
};
static const struct bench_experiment experiment = {"switch", "?", cases, 2};

static struct bench_table table_here(void)
{
    static struct bench_topology topology = {
        .place = {[BENCH_SAME_CPU] = {{1, 1}, ""},
                  [BENCH_SAME_LLC] = {{-1, -1}, "there is one CPU"}}};
    struct bench_table table;
    cr_assert_eq(bench_table_build(&table, &experiment, 1, &topology), 0);
    return table;
}

Test(table, a_case_is_expanded_at_every_placement_it_names)
{
    struct bench_table table = table_here();
    cr_assert_eq(table.count, 3);
    cr_expect_str_eq(table.entries[0].name, "switch/a/site=diff/flows=2/place=same-cpu");
    cr_expect_str_eq(table.entries[1].name, "switch/a/site=diff/flows=2/place=same-llc");
    cr_expect_str_eq(table.entries[2].name, "switch/b/place=same-cpu");
    cr_expect_str_eq(table.entries[1].skipped, "there is one CPU");
    cr_expect_null(table.entries[0].skipped);
    cr_expect_eq(bench_table_find(&table, "switch/b/place=same-cpu"), &table.entries[2]);
    cr_expect_null(bench_table_find(&table, "switch/b"));
    bench_table_free(&table);
}

Test(table, json_has_params_contract_and_cpus)
{
    struct bench_table table = table_here();
    json_t *what = bench_entry_json(&table.entries[0]);
    json_t *params = json_object_get(what, "params");
    cr_expect_str_eq(json_string_value(json_object_get(params, "site")), "diff");
    cr_expect_str_eq(json_string_value(json_object_get(params, "flows")), "2");
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(what, "contract"),
                                                    "bytes_saved")), 8);
    cr_expect_eq(json_array_size(json_object_get(what, "cpus")), 2);
    json_decref(what);
    what = bench_entry_json(&table.entries[2]);
    cr_expect(json_is_null(json_object_get(what, "contract")));
    json_decref(what);
    bench_table_free(&table);
}

static bool glob_matches(const char *glob, const char *name)
{
    char error[200];
    struct bench_filter *filter = bench_filter_new();
    cr_assert_eq(bench_filter_glob(filter, glob, error, sizeof error), 0);
    bool matches = bench_filter_match(filter, name);
    bench_filter_free(filter);
    return matches;
}

Test(filter, globs_match_names_or_their_leading_part)
{
    const char *name = "switch/a/site=diff/place=same-cpu";
    cr_expect(glob_matches("switch", name));
    cr_expect(glob_matches("switch/", name));
    cr_expect(glob_matches("switch/a", name));
    cr_expect(glob_matches(name, name));
    cr_expect(glob_matches("*/site=diff/*", name));
    cr_expect(glob_matches("switch/[ab]/*", name));
    cr_expect_not(glob_matches("swi", name));
    cr_expect_not(glob_matches("switch/ab", name));
    cr_expect_not(glob_matches("spawn*", name));
}

Test(filter, patterns_are_ored_and_none_matches_all)
{
    char error[200];
    struct bench_filter *filter = bench_filter_new();
    cr_expect(bench_filter_match(filter, "anything"));
    bench_filter_glob(filter, "a", error, sizeof error);
    bench_filter_regex(filter, "^b.*z$", false, error, sizeof error);
    cr_expect(bench_filter_match(filter, "a/x"));
    cr_expect(bench_filter_match(filter, "buzz"));
    cr_expect_not(bench_filter_match(filter, "c"));
    bench_filter_free(filter);
}

Test(filter, a_negated_regex_excludes)
{
    char error[200];
    struct bench_filter *filter = bench_filter_new();
    bench_filter_regex(filter, "ucontext", true, error, sizeof error);
    cr_expect(bench_filter_match(filter, "switch/coro"));
    cr_expect_not(bench_filter_match(filter, "switch/ucontext"));
    bench_filter_free(filter);
}

Test(filter, malformed_patterns_are_refused_with_a_sentence)
{
    char error[200] = "";
    struct bench_filter *filter = bench_filter_new();
    cr_expect_eq(bench_filter_glob(filter, "a[b", error, sizeof error), -EINVAL);
    cr_expect_not_null(strstr(error, "a[b"));
    cr_expect_eq(bench_filter_glob(filter, "", error, sizeof error), -EINVAL);
    cr_expect_eq(bench_filter_regex(filter, "a(b", false, error, sizeof error), -EINVAL);
    cr_expect_not_null(strstr(error, "a(b"));
    cr_expect(bench_filter_match(filter, "still usable"));
    bench_filter_free(filter);
}
