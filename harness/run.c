/* SPDX-License-Identifier: MIT */
#include "runner.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "emulator.h"
#include "handover.h"
#include "progress.h"
#include "record.h"
#include "stats.h"
#include "trial.h"

enum { ATTEMPTS_MAX = 3 };
static const double contaminated_share = 0.2;

/* What a profile means. The budget is for the rounds alone: building the report adds a
 * minute. Six rounds are the fewest that have an exact 95 % interval: with many other systems
 * installed the default profile takes the time that they need. */
static const struct bench_run_options profile_options[BENCH_PROFILES] = {
    [BENCH_QUICK] = {.max_rel_ci = 0.02, .time_budget_s = 30, .epoch_ms = 0.25, .triples = 5,
                     .rounds_min = 6, .rounds_max = 40},
    [BENCH_DEFAULT] = {.max_rel_ci = 0.01, .time_budget_s = 660, .epoch_ms = 0.25,
                       .triples = 9, .rounds_min = 6, .rounds_max = 60, .rounds_sure = 6},
    [BENCH_FULL] = {.max_rel_ci = 0.01, .time_budget_s = 0, .epoch_ms = 0.5, .triples = 15,
                    .rounds_min = 10, .rounds_max = 60},
};

void bench_run_options_init(struct bench_run_options *options, enum bench_profile profile)
{
    *options = profile_options[profile];
    options->profile = profile;
    options->results = "results";
    options->trial_timeout_s = 120;
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The order of a round depends on seed and round alone: a resumed run goes on with it. */
static void shuffle(size_t *order, size_t n, uint64_t seed, int round)
{
    uint64_t state = seed ^ ((uint64_t)round * 0xd1342543de82ef95u);
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)(splitmix64(&state) % i), swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}

static double elapsed_s(const struct runner *r)
{
    return (double)(bench_now_ns() - r->started_ns) / 1e9;
}

/* ------------------------------------------------------------------ trials */

/* The CPU of flow 0, as a key; false where the case has none. */
static bool first_cpu(const json_t *what, char *key, size_t key_bytes)
{
    const json_t *cpu = json_array_get(json_object_get(what, "cpus"), 0);
    snprintf(key, key_bytes, "%lld", (long long)json_integer_value(cpu));
    return json_is_integer(cpu);
}

/* A trial alone cannot tell a core that is shared all along from a narrow one: the runner
 * remembers the widest that each CPU has shown. The third-widest, as one may be a fluke. */
static double known_width(const struct runner *r, const char *cpu)
{
    return json_number_value(json_array_get(json_object_get(r->widths, cpu), 2));
}

static void remember_width(struct runner *r, const json_t *record)
{
    char cpu[24];
    double width = json_number_value(
        json_object_get(json_object_get(record, "checks"), "core_width"));
    if (!first_cpu(record, cpu, sizeof cpu) || width <= 0)
        return;
    json_t *widest = json_object_get(r->widths, cpu);
    if (!widest) {
        widest = json_array();
        json_object_set_new(r->widths, cpu, widest);
    }
    size_t i = 0;
    while (i < json_array_size(widest) &&
           json_number_value(json_array_get(widest, i)) >= width)
        i++;
    json_array_insert_new(widest, i, json_real(width));
    json_array_remove(widest, 3);
}

static json_t *make_trial(struct runner *r, struct subject *s,
                          const struct bench_program *program)
{
    char epoch[32], triples[16], width[32], cpu[24] = "", error[600];
    first_cpu(s->selected->what, cpu, sizeof cpu);
    snprintf(epoch, sizeof epoch, "%.6g", r->options->epoch_ms);
    snprintf(triples, sizeof triples, "%d", r->options->triples);
    snprintf(width, sizeof width, "%.4g", known_width(r, cpu));
    const char *arguments[] = {"--epoch-ms", epoch, "--triples", triples, "--core-width",
                               width, r->options->events ? "--events" : NULL,
                               r->options->events, NULL};
    json_t *record = bench_program_trial(program, s->selected->name, arguments,
                                         r->options->trial_timeout_s, error, sizeof error);
    if (record)
        remember_width(r, record);
    else if (!bench_interrupted)
        record = runner_bare_trial(s, NULL, error);
    return record;
}

static bool has_flag(const json_t *record, const char *flag)
{
    size_t i;
    json_t *word;
    json_array_foreach (json_object_get(record, "flags"), i, word)
        if (strcmp(json_string_value(word) ?: "", flag) == 0)
            return true;
    return false;
}

/* A trial that failed is never one: what did not do its work did not, on a busy machine too. */
static bool is_contaminated(const json_t *record)
{
    return !json_is_string(json_object_get(record, "error")) &&
           has_flag(record, "contaminated");
}

static json_t *rejection_reasons(const json_t *record)
{
    const json_t *checks = json_object_get(record, "checks");
    static const struct {
        const char *check, *words;
    } causes[] = {{"kernel_switches_involuntary", "involuntary switches"},
                  {"others_ns", "ns that others had of its CPU"},
                  {"steal_ticks", "ticks stolen by the hypervisor"},
                  {"migrations", "migrations"},
                  {"triples_crowded", "triples beside a busy sibling thread"}};
    /* Threads that share a CPU switch each other away: there it is no reason (trial.h). */
    size_t first = json_is_number(json_object_get(checks, "others_ns"));
    json_t *reasons = json_array();
    for (size_t i = first; i < sizeof causes / sizeof *causes; i++) {
        double n = json_number_value(json_object_get(checks, causes[i].check));
        if (n > 0)
            json_array_append_new(reasons, json_sprintf("%s: %.0f", causes[i].words, n));
    }
    if (has_flag(record, "negative"))
        json_array_append_new(reasons, json_string("its cost came out below zero"));
    if (!is_contaminated(record))
        json_array_insert_new(reasons, 0, json_string("another trial of its block was not fit"));
    return reasons;
}

/* Counts are exact, so that one trial of each case, in the first round, has them. */
static void add_counts(const struct subject *s, json_t *record)
{
    static const struct {
        const char *key, *metric, *unit;
    } counts[] = {{"instructions", "instructions_stepped", "instructions/op"},
                  {"bytes_stored", "bytes_stored", "B/op"},
                  {"bytes_loaded", "bytes_loaded", "B/op"}};
    char error[600] = "";
    json_t *per_op = bench_program_count(s->selected->program, s->selected->name, error,
                                         sizeof error);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_t *value = json_object_get(json_object_get(per_op, counts[i].key), "value");
        json_t *metric = json_pack("{s:s, s:s}", "unit", counts[i].unit, "source",
                                   json_is_number(value) ? "singlestep" : "none");
        json_object_set(metric, "value", json_is_number(value) ? value : json_null());
        if (!json_is_number(value))
            json_object_set_new(metric, "reason", bench_json_text(
                error[0] ? error : "what an instruction stores is not decoded on this CPU"));
        json_object_set_new(json_object_get(record, "metrics"), counts[i].metric, metric);
    }
    json_decref(per_op);
}

static bool wants_counts(const struct runner *r, const struct subject *s,
                         const json_t *record)
{
    return r->round == 0 && s->selected->countable && r->options->arm_count == 0 &&
           json_is_null(json_object_get(record, "error")) &&
           json_is_null(json_object_get(record, "skipped"));
}

/* One trial of a block: which program, and its arm's name in the record. */
struct turn {
    const struct bench_program *program;
    char arm[64];
    json_t *record;
};

enum { TURNS_MAX = 2 * BENCH_ARMS_MAX };

/* Without arms a block is one trial. */
static size_t plan_block(const struct runner *r, const struct subject *s, int attempt,
                         struct turn *turns)
{
    size_t arms = r->options->arm_count, order[BENCH_ARMS_MAX];
    size_t place = (size_t)(s - r->subjects);
    memset(turns, 0, TURNS_MAX * sizeof *turns);
    if (arms == 0) {
        turns[0].program = s->selected->program;
        snprintf(turns[0].arm, sizeof turns[0].arm, "main");
        return 1;
    }
    shuffle(order, arms, r->options->seed + 0x9e37u * place, r->round * ATTEMPTS_MAX + attempt);
    for (size_t i = 0; i < 2 * arms; i++) {
        size_t arm = order[i < arms ? i : 2 * arms - 1 - i];
        turns[i].program = &r->selection.programs[arm];
        snprintf(turns[i].arm, sizeof turns[i].arm, "%s%s", r->options->arms[arm].name,
                 i < arms ? "" : "-again");
    }
    return 2 * arms;
}

/* One layout of the stack for all trials of the block, another for the next (DESIGN rule 8). */
static void draw_stack_offset(const struct runner *r, const struct subject *s, int attempt)
{
    uint64_t state = r->options->seed ^ (0xd1342543de82ef95u * (uint64_t)(s - r->subjects + 1));
    char offset[16];

    state += 0x9e3779b97f4a7c15u * (uint64_t)(r->round * ATTEMPTS_MAX + attempt + 1);
    snprintf(offset, sizeof offset, "%04u", (unsigned)(splitmix64(&state) % 256 * 16));
    setenv(BENCH_STACK_OFFSET, offset, 1);
}

/* Makes the block's trials; false when interrupted or without memory. */
static bool make_block(struct runner *r, struct subject *s, struct turn *turns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        turns[i].record = s->selected->skipped
                              ? runner_bare_trial(s, s->selected->skipped, NULL)
                              : make_trial(r, s, turns[i].program);
        if (!turns[i].record)
            return false;
    }
    return true;
}

static bool reject_block(struct runner *r, struct turn *turns, size_t count)
{
    bool kept = true;
    for (size_t i = 0; i < count; i++) {
        json_t *record = turns[i].record;
        json_object_set_new(record, "kind", json_string("rejection"));
        json_object_set_new(record, "reasons", rejection_reasons(record));
        r->rejected++;
        kept = runner_append(r, record) && kept;
    }
    return kept;
}

static bool keep_block(struct runner *r, struct subject *s, struct turn *turns, size_t count)
{
    bool kept = true;
    for (size_t i = 0; i < count; i++) {
        json_t *record = turns[i].record;
        const char *error = json_string_value(json_object_get(record, "error"));
        if (error)
            progress_line(r->progress, "failed: %s: %s", s->selected->name, error);
        if (wants_counts(r, s, record))
            add_counts(s, record);
        runner_tally(r, s, record);
        kept = runner_append(r, record) && kept;
    }
    return kept;
}

/* Makes one block of trials and writes it. Sets *again when it was rejected and may be
 * repeated. False when records can no longer be written. */
static bool run_one(struct runner *r, struct subject *s, int attempt, bool *again)
{
    struct turn turns[TURNS_MAX];
    size_t count = plan_block(r, s, attempt, turns);
    bool contaminated = false;
    *again = false;
    progress_case(r->progress, s->selected->name);
    draw_stack_offset(r, s, attempt);
    if (!make_block(r, s, turns, count)) {
        for (size_t i = 0; i < count; i++)
            json_decref(turns[i].record);
        return bench_interrupted; /* else no memory */
    }
    for (size_t i = 0; i < count; i++) {
        runner_stamp(r, turns[i].record, turns[i].arm, attempt);
        contaminated = contaminated || is_contaminated(turns[i].record);
    }
    if (!contaminated)
        return keep_block(r, s, turns, count);
    *again = attempt + 1 < ATTEMPTS_MAX;
    return reject_block(r, turns, count);
}

/* Every case that has no record of this round yet; the rejected again after the others. */
static bool run_round(struct runner *r)
{
    size_t *order = calloc(r->count + 1, sizeof *order), pending = r->count;
    if (!order)
        return false;
    shuffle(order, r->count, r->options->seed, r->round);
    for (int attempt = 0; attempt < ATTEMPTS_MAX && pending; attempt++) {
        size_t rejected = 0;
        for (size_t i = 0; i < pending; i++) {
            struct subject *s = &r->subjects[order[i]];
            bool again = false;
            if (s->over || s->done_round >= r->round)
                continue;
            if (!run_one(r, s, attempt, &again) || bench_interrupted) {
                free(order);
                return false;
            }
            progress_step(r->progress);
            if (again)
                order[rejected++] = order[i];
        }
        pending = rejected;
    }
    free(order);
    return true;
}

/* ------------------------------------------------------------------ rounds */

/* The widest interval among the timed cases; 1 (100 %) while one has too few trials. */
static double widest(const struct runner *r, const char **name)
{
    double worst = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct subject *s = &r->subjects[i];
        if (s->over || !s->selected->timed)
            continue;
        double width = bench_median_rel_halfwidth(s->ns, s->count);
        width = isnan(width) ? 1 : width;
        if (width >= worst) {
            worst = width;
            *name = s->selected->name;
        }
    }
    return worst;
}

static bool any_left(const struct runner *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (!r->subjects[i].over)
            return true;
    return false;
}

/* Why to stop before the next round; NULL to go on. */
static const char *stop_reason(struct runner *r)
{
    const struct bench_run_options *o = r->options;
    const char *name = "";
    if (bench_interrupted)
        return "interrupted";
    if (!any_left(r) || r->round >= o->rounds_max)
        return "rounds";
    if (o->max_rel_ci > 0 && r->round >= o->rounds_min && widest(r, &name) <= o->max_rel_ci)
        return "tight";
    if (o->time_budget_s > 0 && r->round > 0 && r->round >= o->rounds_sure &&
        elapsed_s(r) + 1.1 * r->round_s > o->time_budget_s)
        return "budget";
    return NULL;
}

static const char *run_rounds(struct runner *r)
{
    const char *stop, *name = "";
    while (!(stop = stop_reason(r))) {
        double start_s = elapsed_s(r);
        progress_round(r->progress, r->round, r->count, r->options->time_budget_s,
                       elapsed_s(r));
        if (!run_round(r))
            return bench_interrupted ? "interrupted" : NULL;
        double took_s = elapsed_s(r) - start_s;
        r->round_s = took_s;
        r->round++;
        double width = widest(r, &name);
        progress_round_done(r->progress, r->round, took_s, r->rejected, width, name);
    }
    return stop;
}

static void on_signal(int signal)
{
    bench_interrupted = signal;
}

static void watch_signals(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Says how it went, on stderr; the path of the records, alone, on stdout. */
static int conclude(struct runner *r, const char *reason)
{
    const char *name = "";
    json_int_t made = r->trials - r->skipped + r->rejected;
    double share = made ? (double)r->rejected / (double)made : 0;
    double width = widest(r, &name);
    fprintf(stderr,
            "%d rounds, stopped by: %s; %lld trials, %lld rejected (%.1f %%), %lld skipped, "
            "%lld failed\n",
            r->round, reason, (long long)r->trials, (long long)r->rejected, 100 * share,
            (long long)r->skipped, (long long)r->failed);
    if (name[0])
        fprintf(stderr, "widest 95 %% interval: +-%.1f %% (%s)\n", 100 * width, name);
    printf("%s\n", r->path);
    fflush(stdout);
    if (r->failed)
        return 1;
    if (r->skipped == r->trials && r->rejected == 0)
        return runner_fault("nothing could run here: every case was skipped", 77);
    if (share > contaminated_share)
        return runner_fault("contaminated: over 20 % of the trials were rejected; "
                     "`corobench doctor` says what disturbs this machine",
                     4);
    return 0;
}

static void runner_free(struct runner *r)
{
    for (size_t i = 0; r->subjects && i < r->count; i++)
        free(r->subjects[i].ns);
    free(r->subjects);
    json_decref(r->widths);
    if (r->fd >= 0)
        close(r->fd);
    bench_selection_free(&r->selection);
}

static int write_report(const struct runner *r, int code)
{
    pid_t child = fork();
    if (child == 0) {
        const char *arguments[] = {r->path, NULL};
        _exit(bench_hand_over("report", arguments));
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return runner_fault("the report could not be written", 1);
    return WEXITSTATUS(status) ? WEXITSTATUS(status) : code;
}

/* Of this project's own tests, whose records nobody keeps. */
static bool times_may_be_emulated(void)
{
    const char *allowed = getenv("COROBENCH_EMULATED_TIMES");
    return allowed && strcmp(allowed, "1") == 0;
}

int bench_run(struct bench_run_options *options)
{
    if (bench_emulator() && !times_may_be_emulated())
        return runner_fault("an emulator runs this program: its times would be no measurement, "
                            "and none is recorded (`corobench count` works)", 77);
    struct runner r = {.options = options, .fd = -1, .widths = json_object()};
    int code = runner_start(&r);
    if (code) {
        runner_free(&r);
        return code;
    }
    watch_signals(on_signal);
    r.progress = progress_begin(r.path);
    const char *reason = run_rounds(&r);
    progress_end(r.progress);
    watch_signals(SIG_DFL);
    int signal = bench_interrupted;
    if (!reason || !runner_append(&r, runner_end_record(&r, reason))) {
        code = 1;
    } else if (signal) {
        fprintf(stderr, "interrupted: all finished trials are kept; go on with\n"
                        "    corobench run --resume %s\n", r.path);
    } else {
        code = conclude(&r, reason);
        if (options->report && code != 77)
            code = write_report(&r, code);
    }
    runner_free(&r);
    if (signal)
        raise(signal);
    return code;
}
