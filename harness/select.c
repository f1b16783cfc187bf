/* SPDX-License-Identifier: MIT */
#include "select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

static bool in_profile(const json_t *what, enum bench_profile profile)
{
    enum bench_profile smallest;
    const char *word = json_string_value(json_object_get(what, "profile"));
    return bench_profile_parse(word, &smallest) == 0 && smallest <= profile;
}

static int keep(struct bench_selection *selection, const struct bench_program *program,
                json_t *what)
{
    size_t bytes = (selection->count + 1) * sizeof *selection->cases;
    struct bench_selected *grown = realloc(selection->cases, bytes);
    if (!grown)
        return -ENOMEM;
    selection->cases = grown;
    grown[selection->count++] = (struct bench_selected){
        .program = program,
        .what = json_incref(what),
        .name = json_string_value(json_object_get(what, "case")),
        .skipped = json_string_value(json_object_get(what, "skipped")),
        .timed = json_is_true(json_object_get(what, "timed")),
        .countable = json_is_true(json_object_get(what, "countable"))};
    return 0;
}

static void peer_failed(struct bench_selection *selection, const char *name,
                        const char *reason)
{
    size_t i;
    json_t *peer;
    json_array_foreach (selection->peers, i, peer) {
        if (strcmp(json_string_value(json_object_get(peer, "name")), name) == 0) {
            json_object_set_new(peer, "status", json_string("absent"));
            json_object_set_new(peer, "reason", bench_json_text(reason));
        }
    }
}

int bench_select(struct bench_selection *selection, const struct bench_filter *filter,
                 enum bench_profile profile, char *error, size_t error_bytes)
{
    size_t capacity = sizeof selection->programs / sizeof *selection->programs;
    memset(selection, 0, sizeof *selection);
    selection->program_count = bench_programs_find(selection->programs, capacity);
    selection->peers = bench_peers_json(selection->programs, selection->program_count);
    if (selection->program_count == 0) {
        snprintf(error, error_bytes, "cannot find this program's own file (is /proc there?)");
        return -ENOENT;
    }
    for (size_t p = 0; p < selection->program_count; p++) {
        const struct bench_program *program = &selection->programs[p];
        json_t *cases = bench_program_list(program, error, error_bytes), *what;
        size_t i;
        if (!cases && p == 0)
            return -EIO;
        if (!cases) {
            fprintf(stderr, "corobench: peer left out: %s\n", error);
            peer_failed(selection, program->name, error);
            continue;
        }
        json_array_foreach (cases, i, what) {
            const char *name = json_string_value(json_object_get(what, "case"));
            if (bench_filter_match(filter, name) && in_profile(what, profile) &&
                keep(selection, program, what)) {
                json_decref(cases);
                return -ENOMEM;
            }
        }
        json_decref(cases);
    }
    return 0;
}

static bool runs_in_all(json_t *const *lists, size_t count, const char *name)
{
    for (size_t p = 0; p < count; p++) {
        size_t i;
        json_t *what;
        bool runs = false;
        json_array_foreach (lists[p], i, what)
            if (strcmp(json_string_value(json_object_get(what, "case")), name) == 0)
                runs = json_is_null(json_object_get(what, "skipped"));
        if (!runs)
            return false;
    }
    return true;
}

int bench_select_common(struct bench_selection *selection, const struct bench_filter *filter,
                        enum bench_profile profile, const struct bench_program *programs,
                        size_t program_count, char *error, size_t error_bytes)
{
    json_t *lists[sizeof selection->programs / sizeof *selection->programs] = {NULL}, *what;
    size_t i, p;
    int err = 0;
    memset(selection, 0, sizeof *selection);
    selection->program_count = program_count;
    selection->peers = json_array();
    memcpy(selection->programs, programs, program_count * sizeof *programs);
    for (p = 0; p < program_count && !err; p++) {
        lists[p] = bench_program_list(&selection->programs[p], error, error_bytes);
        err = lists[p] ? 0 : -EIO;
    }
    json_array_foreach (err ? NULL : lists[0], i, what) {
        const char *name = json_string_value(json_object_get(what, "case"));
        if (!err && bench_filter_match(filter, name) && in_profile(what, profile) &&
            runs_in_all(lists, program_count, name))
            err = keep(selection, &selection->programs[0], what);
    }
    for (p = 0; p < program_count; p++)
        json_decref(lists[p]);
    return err;
}

void bench_selection_free(struct bench_selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        json_decref(selection->cases[i].what);
    free(selection->cases);
    json_decref(selection->peers);
}
