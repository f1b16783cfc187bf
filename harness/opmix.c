/* SPDX-License-Identifier: MIT
 *
 * opmix.c: sites, sums, slopes and the period of the steady state.
 *
 * The period is found in the middle of the longer stretch, where neither waking the flows
 * nor ending them is near. The smallest period of a whole window is its length less its
 * longest border, which the failure function of Knuth, Morris and Pratt gives in linear
 * time. A window that is a whole number of inner loops can't deceive it, as the window
 * spans many ops. Only when the large window has no period (a ring wraps round now and
 * then) are smaller ones tried, and the result is then called inexact.
 */
#include "opmix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 1024, FIRST_TRACE = 1 << 16, SMALLEST_WINDOW = 32 };

/* ---- sites ---- */

static size_t slot_of(const struct bench_opmix *mix, uint64_t pc)
{
    size_t slot = (pc * 0x9e3779b97f4a7c15u) >> 20 & (mix->table_slots - 1);
    while (mix->table[slot] != 0 && mix->sites[mix->table[slot] - 1].pc != pc)
        slot = (slot + 1) & (mix->table_slots - 1);
    return slot;
}

/* Keeps the table at most half full, so that slot_of() ends. */
static int grow_table(struct bench_opmix *mix)
{
    size_t slots = mix->table_slots == 0 ? FIRST_SLOTS : mix->table_slots * 2;
    struct bench_site *sites = realloc(mix->sites, slots / 2 * sizeof(*sites));
    if (sites == NULL)
        return -ENOMEM;
    mix->sites = sites;
    mix->site_capacity = slots / 2;
    uint32_t *table = calloc(slots, sizeof(*table));
    if (table == NULL)
        return -ENOMEM;
    free(mix->table);
    mix->table = table;
    mix->table_slots = slots;
    for (size_t i = 0; i < mix->site_count; i++)
        table[slot_of(mix, sites[i].pc)] = (uint32_t)i + 1;
    return 0;
}

static int site_index(struct bench_opmix *mix, const struct bench_step *step,
                      uint32_t *index)
{
    if (mix->table_slots == 0 || mix->site_count >= mix->table_slots / 2) {
        int error = grow_table(mix);
        if (error != 0)
            return error;
    }
    size_t slot = slot_of(mix, step->pc);
    if (mix->table[slot] == 0) {
        uint8_t code[BENCH_INSTRUCTION_MAX_BYTES];
        size_t code_bytes = bench_step_read(step->pid, step->pc, code, sizeof(code));
        struct bench_site *site = &mix->sites[mix->site_count];
        memset(site, 0, sizeof(*site));
        site->pc = step->pc;
        bench_decode(code, code_bytes, &site->instruction);
        mix->table[slot] = (uint32_t)++mix->site_count;
    }
    *index = mix->table[slot] - 1;
    return 0;
}

static int remember(struct bench_opmix *mix, uint32_t index)
{
    if (mix->trace_count == BENCH_TRACE_MAX)
        return 0;
    if (mix->trace_count == mix->trace_capacity) {
        size_t capacity =
            mix->trace_capacity == 0 ? FIRST_TRACE : mix->trace_capacity * 2;
        uint32_t *trace = realloc(mix->trace, capacity * sizeof(*trace));
        if (trace == NULL)
            return -ENOMEM;
        mix->trace = trace;
        mix->trace_capacity = capacity;
    }
    mix->trace[mix->trace_count++] = index;
    return 0;
}

static void add_bytes(struct bench_sums *sums,
                      const struct bench_instruction *instruction,
                      const struct bench_step *step)
{
    switch (instruction->kind) {
    case BENCH_XSAVE:
        sums->bytes_stored += bench_xstate_bytes(step->xstate_mask);
        return;
    case BENCH_XRSTOR:
        sums->bytes_loaded += bench_xstate_bytes(step->xstate_mask);
        return;
    case BENCH_REPEATED:
        if (step->repeats_left == 0)
            return;
        break;
    case BENCH_PLAIN:
        break;
    }
    sums->bytes_loaded += instruction->bytes_loaded;
    sums->bytes_stored += instruction->bytes_stored;
}

int bench_opmix_step(struct bench_opmix *mix, const struct bench_step *step)
{
    uint32_t index;
    int error = site_index(mix, step, &index);
    if (error != 0)
        return error;
    struct bench_site *site = &mix->sites[index];
    struct bench_sums *sums = &site->sums[step->stretch];
    bool repeated = site->instruction.kind == BENCH_REPEATED;
    bool goes_on_from_last = repeated && mix->repeating_pc == step->pc;
    mix->repeating_pc = repeated && step->pc_after == step->pc ? step->pc : 0;
    add_bytes(sums, &site->instruction, step);
    if (repeated && step->repeats_left != 0)
        sums->repeats++;
    if (goes_on_from_last)
        return 0;
    sums->executed++;
    return step->stretch == 1 ? remember(mix, index) : 0;
}

void bench_opmix_free(struct bench_opmix *mix)
{
    free(mix->sites);
    free(mix->table);
    free(mix->trace);
    memset(mix, 0, sizeof(*mix));
}

/* ---- fractions ---- */

struct bench_ratio bench_ratio(int64_t numerator, int64_t denominator)
{
    int64_t a = numerator < 0 ? -numerator : numerator, b = denominator;
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return (struct bench_ratio){numerator / a, denominator / a};
}

double bench_ratio_value(struct bench_ratio ratio)
{
    return (double)ratio.numerator / (double)ratio.denominator;
}

void bench_ratio_text(struct bench_ratio ratio, char *text, size_t text_bytes)
{
    char decimals[32];
    snprintf(decimals, sizeof(decimals), "%.6g", bench_ratio_value(ratio));
    if (ratio.denominator == 1) {
        snprintf(text, text_bytes, "%lld", (long long)ratio.numerator);
        return;
    }
    bool exact =
        strtod(decimals, NULL) * (double)ratio.denominator == (double)ratio.numerator;
    snprintf(text, text_bytes, "%lld/%lld %c %s", (long long)ratio.numerator,
             (long long)ratio.denominator, exact ? '=' : '~', decimals);
}

/* ---- per op ---- */

void bench_opmix_totals(const struct bench_opmix *mix, struct bench_sums totals[2])
{
    memset(totals, 0, 2 * sizeof(*totals));
    for (size_t i = 0; i < mix->site_count; i++) {
        for (int stretch = 0; stretch < BENCH_STRETCHES; stretch++) {
            const struct bench_sums *sums = &mix->sites[i].sums[stretch];
            totals[stretch].executed += sums->executed;
            totals[stretch].bytes_loaded += sums->bytes_loaded;
            totals[stretch].bytes_stored += sums->bytes_stored;
            totals[stretch].repeats += sums->repeats;
            if (strcmp(mix->sites[i].instruction.mnemonic, "syscall") == 0)
                totals[stretch].system_calls += sums->executed;
        }
    }
}

static struct bench_ratio slope(uint64_t shorter, uint64_t longer, uint64_t ops)
{
    return bench_ratio((int64_t)(longer - shorter), (int64_t)ops);
}

void bench_opmix_per_op(const struct bench_opmix *mix, struct bench_per_op *per_op)
{
    struct bench_sums t[2];
    bench_opmix_totals(mix, t);
    per_op->instructions = slope(t[0].executed, t[1].executed, mix->ops);
    per_op->bytes_loaded = slope(t[0].bytes_loaded, t[1].bytes_loaded, mix->ops);
    per_op->bytes_stored = slope(t[0].bytes_stored, t[1].bytes_stored, mix->ops);
    per_op->repeats = slope(t[0].repeats, t[1].repeats, mix->ops);
    per_op->system_calls = slope(t[0].system_calls, t[1].system_calls, mix->ops);
}

/* A mnemonic's executions in both stretches, before they become a fraction. */
struct tally {
    const char *mnemonic;
    uint64_t executed[BENCH_STRETCHES];
};

static int tally_by_slope(const void *left, const void *right)
{
    const struct tally *l = left, *r = right;
    int64_t l_more = (int64_t)(l->executed[1] - l->executed[0]);
    int64_t r_more = (int64_t)(r->executed[1] - r->executed[0]);
    return l_more != r_more ? (l_more < r_more) - (l_more > r_more)
                            : strcmp(l->mnemonic, r->mnemonic);
}

static size_t tally_sites(const struct bench_opmix *mix, struct tally *tallies)
{
    size_t count = 0;
    for (size_t i = 0; i < mix->site_count; i++) {
        const struct bench_site *site = &mix->sites[i];
        size_t t = 0;
        while (t < count && strcmp(tallies[t].mnemonic, site->instruction.mnemonic) != 0)
            t++;
        if (t == count)
            tallies[count++] = (struct tally){.mnemonic = site->instruction.mnemonic};
        tallies[t].executed[0] += site->sums[0].executed;
        tallies[t].executed[1] += site->sums[1].executed;
    }
    return count;
}

struct bench_opcode *bench_opmix_opcodes(const struct bench_opmix *mix, size_t *count)
{
    struct tally *tallies = calloc(mix->site_count + 1, sizeof(*tallies));
    struct bench_opcode *opcodes = calloc(mix->site_count + 1, sizeof(*opcodes));
    *count = 0;
    if (tallies != NULL && opcodes != NULL) {
        size_t tally_count = tally_sites(mix, tallies);
        qsort(tallies, tally_count, sizeof(*tallies), tally_by_slope);
        for (size_t i = 0; i < tally_count; i++) {
            const uint64_t *executed = tallies[i].executed;
            if (executed[0] == executed[1])
                continue;
            opcodes[(*count)++] = (struct bench_opcode){
                tallies[i].mnemonic, slope(executed[0], executed[1], mix->ops)};
        }
    } else {
        free(opcodes);
        opcodes = NULL;
    }
    free(tallies);
    return opcodes;
}

/* ---- the period ---- */

/* Smallest p such that window[i] == window[i + p] throughout; `border` has room for
 * count. */
static size_t smallest_period(const uint32_t *window, size_t count, uint32_t *border)
{
    uint32_t length = 0;
    border[0] = 0;
    for (size_t i = 1; i < count; i++) {
        while (length > 0 && window[i] != window[length])
            length = border[length - 1];
        if (window[i] == window[length])
            length++;
        border[i] = length;
    }
    return count - border[count - 1];
}

/* Starts the period at its lowest address: most often a loop's head or a function's. */
static size_t period_start(const struct bench_opmix *mix, size_t start, size_t length)
{
    size_t lowest = start;
    for (size_t i = start; i < start + length; i++)
        if (mix->sites[mix->trace[i]].pc < mix->sites[mix->trace[lowest]].pc)
            lowest = i;
    return lowest;
}

/* How many ops so many instructions are; 0 where that has no meaning. */
static struct bench_ratio ops_of(const struct bench_opmix *mix, size_t instructions)
{
    struct bench_per_op per_op;
    bench_opmix_per_op(mix, &per_op);
    if (per_op.instructions.numerator <= 0)
        return (struct bench_ratio){0, 1};
    return bench_ratio((int64_t)instructions * per_op.instructions.denominator,
                       per_op.instructions.numerator);
}

bool bench_opmix_period(const struct bench_opmix *mix, struct bench_period *period)
{
    uint32_t *border = malloc((mix->trace_count + 1) * sizeof(*border));
    bool found = false;
    size_t widest = mix->trace_count / 2;
    for (size_t window = widest; border != NULL && window >= SMALLEST_WINDOW;
         window /= 2) {
        size_t start = (mix->trace_count - window) / 2;
        size_t length = smallest_period(mix->trace + start, window, border);
        if (length > window / 3)
            continue;
        period->start = period_start(mix, start, length);
        period->length = length;
        period->ops = ops_of(mix, length);
        period->exact =
            window == widest && period->ops.numerator > 0 && period->ops.denominator == 1;
        found = true;
        break;
    }
    free(border);
    return found;
}
