/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/corobench-record-XXXXXX";
static char path[128], error[400];

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/machine/run.jsonl", folder);
}

static void remove_folder(void)
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    rmdir(folder);
}

TestSuite(record, .init = make_folder, .fini = remove_folder);

static void write_text(const char *text)
{
    int fd = bench_record_create(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void append_one(int fd, int number)
{
    json_t *record = json_pack("{s:i, s:i}", "schema", BENCH_SCHEMA, "n", number);
    cr_assert_eq(bench_record_append(fd, record), 0);
    json_decref(record);
}

Test(record, what_is_appended_is_read_back)
{
    int fd = bench_record_create(path);
    for (int i = 0; i < 3; i++)
        append_one(fd, i);
    close(fd);
    json_t *records = bench_record_read(path, error, sizeof error);
    cr_assert_eq(json_array_size(records), 3);
    cr_expect_eq(json_integer_value(json_object_get(json_array_get(records, 2), "n")), 2);
    json_decref(records);
}

Test(record, an_existing_file_is_never_created_again)
{
    write_text("x\n");
    cr_assert_eq(bench_record_create(path), -EEXIST);
}

Test(record, two_writers_are_refused)
{
    int fd = bench_record_create(path);
    cr_assert_eq(bench_record_open_append(path), -EWOULDBLOCK);
    close(fd);
}

Test(record, a_torn_last_line_is_ignored_then_cut_off)
{
    write_text("{\"schema\":1,\"n\":0}\n{\"schema\":1,\"n\"");
    json_t *records = bench_record_read(path, error, sizeof error);
    cr_assert_eq(json_array_size(records), 1);
    json_decref(records);
    int fd = bench_record_open_append(path);
    append_one(fd, 1);
    close(fd);
    records = bench_record_read(path, error, sizeof error);
    cr_assert_eq(json_array_size(records), 2, "%s", error);
    json_decref(records);
}

Test(record, a_corrupt_line_is_named)
{
    write_text("{\"schema\":1}\nnot json\n{\"schema\":1}\n");
    cr_assert_null(bench_record_read(path, error, sizeof error));
    cr_expect_not_null(strstr(error, "run.jsonl:2: not a record"), "%s", error);
}

Test(record, another_schema_is_refused)
{
    write_text("{\"schema\":99}\n");
    cr_assert_null(bench_record_read(path, error, sizeof error));
    cr_expect_not_null(strstr(error, ":1: not a record of schema 1"), "%s", error);
}

Test(record, nan_and_duplicate_keys_are_refused)
{
    write_text("{\"schema\":1,\"schema\":1}\n");
    cr_assert_null(bench_record_read(path, error, sizeof error));
    cr_assert_eq(unlink(path), 0);
    write_text("{\"schema\":1,\"x\":NaN}\n");
    cr_assert_null(bench_record_read(path, error, sizeof error));
}

Test(record, hostile_text_becomes_plain)
{
    json_t *text = bench_json_text("a\033[31mb\nc\xff");
    cr_expect_str_eq(json_string_value(text), "a?[31mb c?");
    json_decref(text);
    text = bench_json_text("größe");
    cr_expect_str_eq(json_string_value(text), "größe");
    json_decref(text);
}
