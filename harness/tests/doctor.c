/* SPDX-License-Identifier: MIT
 *
 * Tests of doctor.c: one line a fact, the same facts as JSON, and no colour in a pipe.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"

/* What bench_doctor(json) prints to a file, to be freed. */
static char *printed(int json, int *exit_code)
{
    FILE *out = tmpfile();
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    cr_assert(out && kept >= 0);
    dup2(fileno(out), STDOUT_FILENO);
    *exit_code = bench_doctor(json);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    long bytes = lseek(fileno(out), 0, SEEK_END);
    char *text = calloc(1, (size_t)bytes + 1);
    cr_assert(text);
    rewind(out);
    cr_assert_eq(fread(text, 1, (size_t)bytes, out), (size_t)bytes);
    fclose(out);
    return text;
}

Test(doctor, each_line_is_a_fact_its_advice_or_the_sum)
{
    int code, facts = 0, advice = 0, sums = 0;
    char *text = printed(0, &code), *rest = NULL;
    cr_expect_eq(code, 0);
    cr_expect_not(strchr(text, '\033'), "colour in a file");
    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        size_t length = strlen(line);
        cr_expect(length > 0 && line[length - 1] != ' ', "\"%s\"", line);
        if (strncmp(line, "ok           ", 13) == 0 ||
            strncmp(line, "warning      ", 13) == 0 ||
            strncmp(line, "unavailable  ", 13) == 0)
            facts++;
        else if (strncmp(line, "               ", 15) == 0)
            advice++;
        else
            sums += strstr(line, " facts: ") != NULL;
    }
    free(text);
    cr_expect_eq(sums, 1);
    cr_expect(facts > 30 && advice < facts, "%d facts, %d with advice", facts, advice);
}

Test(doctor, json_is_an_array_of_facts)
{
    int code;
    char *text = printed(1, &code);
    json_error_t error;
    json_t *array = json_loads(text, 0, &error);
    cr_expect_eq(code, 0);
    cr_assert(json_is_array(array), "%s", error.text);
    cr_expect_gt(json_array_size(array), 30);
    json_decref(array);
    free(text);
}

Test(doctor, a_full_device_is_an_error)
{
    if (access("/dev/full", W_OK) != 0)
        cr_skip_test("this machine has no /dev/full");
    FILE *full = fopen("/dev/full", "w");
    fflush(stdout);
    int kept_out = dup(STDOUT_FILENO), kept_err = dup(STDERR_FILENO);
    cr_assert(full && kept_out >= 0 && kept_err >= 0);
    dup2(fileno(full), STDOUT_FILENO);
    dup2(fileno(full), STDERR_FILENO);
    int code = bench_doctor(0);
    dup2(kept_out, STDOUT_FILENO);
    dup2(kept_err, STDERR_FILENO);
    clearerr(stdout);
    cr_expect_eq(code, 1);
}
