/* SPDX-License-Identifier: MIT
 *
 * opmix.h: from executed instructions to what one op is made of.
 *
 * Each distinct instruction is a site. Of every site the executions, bytes and
 * repetitions are summed for stretch 0 (N ops) and stretch 1 (2N ops); a figure per op is
 * the difference of the two divided by N, kept as an exact fraction. What is executed
 * once per stretch, the marks included, falls out.
 *
 * A `rep` instruction counts once however often it repeats, as hardware counters have it;
 * its bytes and repetitions are summed. (Valgrind counts it once and each repetition.)
 */
#ifndef OPMIX_H
#define OPMIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "decode.h"
#include "stepper.h"

struct bench_sums {
    uint64_t executed, bytes_loaded, bytes_stored;
    uint64_t repeats; /* iterations of `rep` instructions */
    uint64_t system_calls; /* in totals alone: a site is one or is none */
};

struct bench_site {
    uint64_t pc;
    struct bench_instruction instruction;
    struct bench_sums sums[BENCH_STRETCHES];
};

struct bench_opmix {
    uint64_t ops; /* N */
    struct bench_site *sites;
    size_t site_count, site_capacity;
    uint32_t *table; /* hash of pc to site index + 1 */
    size_t table_slots;
    uint32_t *trace; /* stretch 1: site indices in the order of execution */
    size_t trace_count, trace_capacity;
    uint64_t repeating_pc; /* the last step was this `rep`, and it goes on; else 0 */
};

/* Stretch 1 is remembered up to so many instructions. */
enum { BENCH_TRACE_MAX = 1 << 22 };

/* Accounts for one step; 0 or -ENOMEM. Reads the program's memory at each new site. */
int bench_opmix_step(struct bench_opmix *mix, const struct bench_step *step);
void bench_opmix_free(struct bench_opmix *mix);

/* Exact fraction in lowest terms; the denominator is positive. */
struct bench_ratio {
    int64_t numerator, denominator;
};
struct bench_ratio bench_ratio(int64_t numerator, int64_t denominator);
double bench_ratio_value(struct bench_ratio ratio);
/* "21", "41/2 = 20.5", "64/3 ~ 21.3333". */
void bench_ratio_text(struct bench_ratio ratio, char *text, size_t text_bytes);

/* What one op is: sums over all sites, as fractions. */
struct bench_per_op {
    struct bench_ratio instructions, bytes_loaded, bytes_stored, repeats, system_calls;
};
void bench_opmix_totals(const struct bench_opmix *mix, struct bench_sums totals[2]);
void bench_opmix_per_op(const struct bench_opmix *mix, struct bench_per_op *per_op);

/* Executions per op of each mnemonic, most frequent first, ties by name; those of 0 per
 * op are left out. Returns a new array (free() it) of *count elements, or NULL without
 * memory. */
struct bench_opcode {
    const char *mnemonic;
    struct bench_ratio per_op;
};
struct bench_opcode *bench_opmix_opcodes(const struct bench_opmix *mix, size_t *count);

/* The steady state of stretch 1: trace[start .. start + length) repeats. */
struct bench_period {
    size_t start, length;
    struct bench_ratio ops; /* how many ops it is; exact only */
    bool exact; /* it repeats through the whole middle half of the stretch, and its length
                   agrees with instructions per op: nothing rarer happens */
};
/* False when no repetition was found. */
bool bench_opmix_period(const struct bench_opmix *mix, struct bench_period *period);

#endif
