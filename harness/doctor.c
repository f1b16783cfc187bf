/* SPDX-License-Identifier: MIT
 *
 * doctor.c: `corobench doctor`: the facts, for a person or (as JSON) for a program.
 *
 * It exits 0 whatever it finds: a warning is for the reader to weigh, and a machine with
 * warnings is still measured. It exits 1 only when it can't print.
 */
#include "environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct look {
    const char *word, *colour;
};

static const struct look looks[] = {
    [BENCH_OK] = {"ok", "\033[32m"},
    [BENCH_WARNING] = {"warning", "\033[33m"},
    [BENCH_UNAVAILABLE] = {"unavailable", "\033[2m"},
};

/* Colour is for terminals, and for no one who asks for none (no-color.org). */
static int wants_colour(void)
{
    const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(none && none[0]) &&
           !(terminal && strcmp(terminal, "dumb") == 0);
}

static void print_fact(const struct bench_fact *fact, int colour)
{
    const struct look *look = &looks[fact->status];
    printf("%s%-11s%s  ", colour ? look->colour : "", look->word,
           colour ? "\033[0m" : "");
    if (fact->value[0])
        printf("%-19s  %s\n", fact->name, fact->value);
    else
        printf("%s\n", fact->name);
    if (fact->advice[0])
        printf("%15s%s\n", "", fact->advice);
}

static int print_text(void)
{
    struct bench_fact *facts = calloc(BENCH_FACTS_MAX, sizeof *facts);
    if (!facts)
        return 1;
    size_t count = bench_environment_read(facts, BENCH_FACTS_MAX);
    int of_status[3] = {0}, colour = wants_colour();
    for (size_t i = 0; i < count; i++) {
        of_status[facts[i].status]++;
        print_fact(&facts[i], colour);
    }
    int warnings = of_status[BENCH_WARNING];
    printf("%zu facts: %d ok, %d warning%s, %d unavailable\n", count, of_status[BENCH_OK],
           warnings, warnings == 1 ? "" : "s", of_status[BENCH_UNAVAILABLE]);
    free(facts);
    return 0;
}

static int print_json(void)
{
    json_t *facts = bench_environment_json();
    if (!facts)
        return 1;
    int error = json_dumpf(facts, stdout, JSON_INDENT(2)) != 0;
    putchar('\n');
    json_decref(facts);
    return error;
}

int bench_doctor(int json)
{
    int error = json ? print_json() : print_text();
    if (fflush(stdout) != 0 || ferror(stdout))
        error = 1;
    if (error)
        fprintf(stderr, "doctor: can't print the facts\n");
    return error;
}
