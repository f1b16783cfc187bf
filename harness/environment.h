/* SPDX-License-Identifier: MIT
 *
 * environment.h: the facts about machine and kernel that decide what a figure means.
 *
 * One list serves twice: `corobench doctor` prints it, and every run's environment record
 * carries it. A fact is a name, a value, a status and what to do about it.
 */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <stddef.h>
#include <jansson.h>

enum bench_status { BENCH_OK, BENCH_WARNING, BENCH_UNAVAILABLE };

struct bench_fact {
    const char *name;  /* "governor", "turbo", "smt", "hypervisor", "steal", ... */
    char value[256];   /* "performance"; "" when unavailable */
    enum bench_status status;
    char advice[320];  /* what it means and what to do; "" when all is well */
};

/* Fills up to `capacity` facts and returns how many there are. Never fails: a fact that
 * can't be read is BENCH_UNAVAILABLE with the reason in `advice`. */
size_t bench_environment_read(struct bench_fact *facts, size_t capacity);
enum { BENCH_FACTS_MAX = 48 };

/* The facts as the record's array: [{"name","value","status","advice"}]. NULL: no memory. */
json_t *bench_environment_json(void);

/* A short name for this kind of machine, fit for a folder: lower-case letters, digits, '-'. */
void bench_machine_slug(char *slug, size_t slug_bytes);

/* Prints the facts as `corobench doctor` does; `json`: as a JSON array. Returns exit code. */
int bench_doctor(int json);

#endif
