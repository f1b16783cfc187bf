/* SPDX-License-Identifier: MIT
 *
 * singlestep.c: `corobench count`: step a trial, then print what one op is made of.
 *
 * stepper.c runs the program, opmix.c makes sums of its instructions, symbols.c names
 * places; here they are put together and printed, as text or JSON. The figures are exact
 * fractions: an integer is printed as one, never rounded to one.
 */
#include "singlestep.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "opmix.h"
#include "stepper.h"
#include "symbols.h"

enum { LINES_MAX = 512, RATIO_TEXT_BYTES = 80 };

struct counting {
    struct bench_opmix mix;
    struct bench_symbols *symbols;
    const char *case_name, *op;
    const struct bench_count_options *options;
    struct bench_step_result result;
};

static int on_step(void *context, const struct bench_step *step)
{
    struct counting *c = context;
    return bench_opmix_step(&c->mix, step);
}

static void on_mark(void *context, pid_t pid, int mark)
{
    struct counting *c = context;
    c->mix.repeating_pc = 0;
    if (mark == BENCH_MARKS - 1)
        c->symbols = bench_symbols_load(pid);
}

/* ---- text ---- */

static void print_ratio(const char *label, struct bench_ratio ratio)
{
    char text[RATIO_TEXT_BYTES];
    bench_ratio_text(ratio, text, sizeof(text));
    printf("  %-22s %s\n", label, text);
}

static void print_totals(const struct counting *c)
{
    struct bench_sums totals[2];
    struct bench_per_op per_op;
    bench_opmix_totals(&c->mix, totals);
    bench_opmix_per_op(&c->mix, &per_op);
    printf("%s\none op: %s\n", c->case_name, c->op);
    print_ratio("instructions per op:", per_op.instructions);
    if (bench_decode_absent() == NULL) {
        print_ratio("bytes stored per op:", per_op.bytes_stored);
        print_ratio("bytes loaded per op:", per_op.bytes_loaded);
        if (per_op.repeats.numerator != 0)
            print_ratio("rep iterations per op:", per_op.repeats);
        if (per_op.system_calls.numerator != 0)
            print_ratio("system calls per op:", per_op.system_calls);
    } else {
        printf("  bytes and opcodes: absent: %s\n", bench_decode_absent());
    }
    printf("  from %llu instructions in %llu ops and %llu in %llu\n",
           (unsigned long long)totals[0].executed, (unsigned long long)c->mix.ops,
           (unsigned long long)totals[1].executed, 2 * (unsigned long long)c->mix.ops);
}

static void print_opcodes(const struct counting *c)
{
    size_t count;
    struct bench_opcode *opcodes = bench_opmix_opcodes(&c->mix, &count);
    char text[RATIO_TEXT_BYTES];
    printf("\nopcodes per op\n");
    for (size_t i = 0; opcodes != NULL && i < count; i++) {
        bench_ratio_text(opcodes[i].per_op, text, sizeof(text));
        printf("  %-14s %s\n", opcodes[i].mnemonic, text);
    }
    free(opcodes);
}

static void print_instruction(struct counting *c, const struct bench_site *site)
{
    struct bench_symbol symbol = bench_symbols_find(c->symbols, site->pc);
    char place[96], moved[48] = "", text[BENCH_INSTRUCTION_TEXT_BYTES];
    bench_decode_text(&site->instruction, symbol.address, text, sizeof(text));
    if (symbol.function != NULL)
        snprintf(place, sizeof(place), "%s+0x%llx", symbol.function,
                 (unsigned long long)symbol.offset);
    else
        snprintf(place, sizeof(place), "%s", symbol.module);
    if (site->instruction.bytes_stored != 0)
        snprintf(moved, sizeof(moved), "stores %u", site->instruction.bytes_stored);
    if (site->instruction.bytes_loaded != 0)
        snprintf(moved + strlen(moved), sizeof(moved) - strlen(moved), "%sloads %u",
                 moved[0] != '\0' ? ", " : "", site->instruction.bytes_loaded);
    int width =
        printf("  %8llx  %-28s %s", (unsigned long long)symbol.address, place, text);
    printf(moved[0] != '\0' ? "%*s; %s\n" : "%*s%s\n",
           moved[0] == '\0' ? 0
           : width < 76     ? 76 - width
                            : 1,
           "", moved);
}

static void print_period_heading(const struct bench_period *period)
{
    char ops[RATIO_TEXT_BYTES];
    bench_ratio_text(period->ops, ops, sizeof(ops));
    if (period->exact)
        printf("\nthe steady state: %zu instructions, %s op%s, over and over\n",
               period->length, ops, period->ops.numerator == 1 ? "" : "s");
    else
        printf("\na typical stretch: %zu instructions (%s of the mean op; "
               "something rarer happens too)\n",
               period->length, ops);
}

static void print_disassembly(struct counting *c)
{
    struct bench_period period;
    if (!bench_opmix_period(&c->mix, &period)) {
        printf(
            "\nno disassembly: the instructions do not repeat within what was traced\n");
        return;
    }
    print_period_heading(&period);
    const struct bench_site *last = NULL;
    for (size_t i = 0; i < period.length && i < LINES_MAX; i++) {
        const struct bench_site *site = &c->mix.sites[c->mix.trace[period.start + i]];
        if (last != NULL && site->pc != last->pc + last->instruction.length_bytes)
            printf("      ----\n"); /* control went elsewhere */
        print_instruction(c, site);
        last = site;
    }
    if (period.length > LINES_MAX)
        printf("  and %zu more\n", period.length - LINES_MAX);
}

static void print_text(struct counting *c)
{
    print_totals(c);
    if (bench_decode_absent() != NULL)
        return;
    print_opcodes(c);
    if (c->options->disassembly)
        print_disassembly(c);
}

/* ---- JSON ---- */

/* {"exact": "41/2", "value": 20.5} */
static json_t *ratio_json(struct bench_ratio ratio)
{
    char exact[RATIO_TEXT_BYTES];
    if (ratio.denominator == 1)
        snprintf(exact, sizeof(exact), "%lld", (long long)ratio.numerator);
    else
        snprintf(exact, sizeof(exact), "%lld/%lld", (long long)ratio.numerator,
                 (long long)ratio.denominator);
    return json_pack("{s:s, s:f}", "exact", exact, "value", bench_ratio_value(ratio));
}

static json_t *stretches_json(const struct counting *c)
{
    struct bench_sums totals[2];
    json_t *list = json_array();
    bench_opmix_totals(&c->mix, totals);
    for (int i = 0; i < BENCH_STRETCHES; i++)
        json_array_append_new(
            list,
            json_pack("{s:I, s:I, s:I, s:I}", "ops", (json_int_t)c->mix.ops * (i + 1),
                      "instructions", (json_int_t)totals[i].executed, "bytes_stored",
                      (json_int_t)totals[i].bytes_stored, "bytes_loaded",
                      (json_int_t)totals[i].bytes_loaded));
    return list;
}

static json_t *per_op_json(const struct counting *c)
{
    struct bench_per_op per_op;
    bench_opmix_per_op(&c->mix, &per_op);
    json_t *object = json_pack("{s:o}", "instructions", ratio_json(per_op.instructions));
    bool known = bench_decode_absent() == NULL;
    json_object_set_new(object, "bytes_stored",
                        known ? ratio_json(per_op.bytes_stored) : json_null());
    json_object_set_new(object, "bytes_loaded",
                        known ? ratio_json(per_op.bytes_loaded) : json_null());
    json_object_set_new(object, "rep_iterations",
                        known ? ratio_json(per_op.repeats) : json_null());
    json_object_set_new(object, "system_calls",
                        known ? ratio_json(per_op.system_calls) : json_null());
    return object;
}

static json_t *opcodes_json(const struct counting *c)
{
    size_t count;
    struct bench_opcode *opcodes = bench_opmix_opcodes(&c->mix, &count);
    json_t *list = json_array();
    for (size_t i = 0; opcodes != NULL && i < count; i++) {
        json_t *opcode = ratio_json(opcodes[i].per_op);
        json_object_set_new(opcode, "mnemonic", json_string(opcodes[i].mnemonic));
        json_array_append_new(list, opcode);
    }
    free(opcodes);
    return list;
}

static json_t *instruction_json(struct counting *c, const struct bench_site *site)
{
    struct bench_symbol symbol = bench_symbols_find(c->symbols, site->pc);
    char text[BENCH_INSTRUCTION_TEXT_BYTES];
    bench_decode_text(&site->instruction, symbol.address, text, sizeof(text));
    return json_pack("{s:s, s:I, s:s?, s:I, s:s, s:s, s:i, s:i}", "module", symbol.module,
                     "address", (json_int_t)symbol.address, "function", symbol.function,
                     "offset", (json_int_t)symbol.offset, "mnemonic",
                     site->instruction.mnemonic, "text", text, "bytes_stored",
                     (int)site->instruction.bytes_stored, "bytes_loaded",
                     (int)site->instruction.bytes_loaded);
}

static json_t *steady_state_json(struct counting *c)
{
    struct bench_period period;
    if (!bench_opmix_period(&c->mix, &period))
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < period.length; i++)
        json_array_append_new(
            list, instruction_json(c, &c->mix.sites[c->mix.trace[period.start + i]]));
    return json_pack("{s:I, s:o, s:b, s:o}", "instructions", (json_int_t)period.length,
                     "ops", ratio_json(period.ops), "exact", period.exact, "disassembly",
                     list);
}

static int print_json(struct counting *c)
{
    const char *absent = bench_decode_absent();
    json_t *all =
        json_pack("{s:s, s:s, s:I, s:o, s:o, s:s?}", "case", c->case_name, "op", c->op,
                  "ops", (json_int_t)c->mix.ops, "stretches", stretches_json(c), "per_op",
                  per_op_json(c), "decode_absent", absent);
    if (absent == NULL)
        json_object_set_new(all, "opcodes", opcodes_json(c));
    if (absent == NULL && c->options->disassembly)
        json_object_set_new(all, "steady_state", steady_state_json(c));
    int failed = all == NULL || json_dumpf(all, stdout, JSON_INDENT(2)) != 0;
    printf("\n");
    json_decref(all);
    return failed;
}

/* ---- */

static void warn(const struct counting *c)
{
    struct bench_sums totals[2];
    bench_opmix_totals(&c->mix, totals);
    if (c->result.randomised)
        fprintf(stderr, "count: address randomisation could not be turned off; "
                        "a count that depends on addresses may vary\n");
    if (c->result.signals != 0)
        fprintf(
            stderr,
            "count: %llu signals, the last of them %d (%s), reached the program while it "
            "was stepped; handlers are counted\n",
            (unsigned long long)c->result.signals, c->result.last_signal,
            strsignal(c->result.last_signal));
    if (totals[1].executed <= totals[0].executed)
        fprintf(stderr,
                "count: %llu ops took no fewer instructions than twice as many: "
                "the figures are no cost per op\n",
                (unsigned long long)c->mix.ops);
}

int bench_count(const char *case_name, const char *op, char *const argv[],
                const struct bench_count_options *options)
{
    struct counting c = {.mix = {.ops = options->ops},
                         .case_name = case_name,
                         .op = op,
                         .options = options};
    const struct bench_step_hooks hooks = {on_step, on_mark, &c, options->steps_max,
                                           options->timeout_s};
    if (options->ops == 0 || options->ops > INT64_MAX / 2) {
        fprintf(stderr, "count: --ops must be at least 1\n");
        return 2;
    }
    bench_step_program(argv, &hooks, &c.result);
    int exit_code = c.result.exit_code;
    if (exit_code != 0) {
        fprintf(stderr, "count: %s: %s\n", case_name, c.result.error);
    } else {
        warn(&c);
        if (options->json)
            exit_code = print_json(&c);
        else
            print_text(&c);
        if (fflush(stdout) != 0 || ferror(stdout)) {
            fprintf(stderr, "count: can't write the result\n");
            exit_code = 1;
        }
    }
    bench_symbols_free(c.symbols);
    bench_opmix_free(&c.mix);
    return exit_code;
}
