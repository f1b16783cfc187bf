/* SPDX-License-Identifier: MIT
 *
 * environment.c: puts the facts together, for `doctor` and for a run's record, and names
 * the kind of machine.
 *
 * The facts themselves are in the tables of facts_cpu.c (what the machine is),
 * facts_noise.c (what disturbs a measurement), facts_kernel.c (what the kernel does and
 * permits) and facts_limits.c (what bounds the number of flows). A fact is cleaned here
 * once more, after its reader, as the last door to terminals and records.
 */
#include "environment.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "facts.h"
#include "sysfile.h"

void bench_fact_ok(struct bench_fact *fact, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fact->value, sizeof fact->value, format, args);
    va_end(args);
    fact->status = BENCH_OK;
}

void bench_fact_warn(struct bench_fact *fact, const char *advice, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fact->value, sizeof fact->value, format, args);
    va_end(args);
    snprintf(fact->advice, sizeof fact->advice, "%s", advice);
    fact->status = BENCH_WARNING;
}

void bench_fact_unavailable(struct bench_fact *fact, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fact->advice, sizeof fact->advice, format, args);
    va_end(args);
    fact->value[0] = '\0';
    fact->status = BENCH_UNAVAILABLE;
}

int bench_cpus_online(void)
{
    char list[256];
    int count = 0;
    if (bench_sysfile_line("/sys/devices/system/cpu/online", list, sizeof list) == 0) {
        for (char *at = list; *at;) { /* "0-3,8,10-11" */
            char *end;
            long first = strtol(at, &end, 10), last = first;
            if (end == at)
                break;
            if (*end == '-')
                last = strtol(end + 1, &end, 10);
            if (first < 0 || last < first || last - first > 1 << 16)
                break;
            count += (int)(last - first) + 1;
            at = *end == ',' ? end + 1 : end;
        }
    }
    if (count <= 0)
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? count : 1;
}

static void context_take(struct bench_facts_context *context)
{
    context->topology_error = bench_topology_load(&context->topology, NULL);
    context->cpuinfo = bench_sysfile_text("/proc/cpuinfo");
    context->stat_before = bench_sysfile_text("/proc/stat");
    struct timespec left = {.tv_nsec = BENCH_FACTS_SAMPLE_MS * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    context->stat_after = bench_sysfile_text("/proc/stat");
}

static void context_drop(struct bench_facts_context *context)
{
    free(context->cpuinfo);
    free(context->stat_before);
    free(context->stat_after);
}

static void read_fact(struct bench_fact *fact, const struct bench_fact_reader *reader,
                      const struct bench_facts_context *context)
{
    memset(fact, 0, sizeof *fact);
    fact->name = reader->name;
    reader->read(fact, context);
    bench_sanitise(fact->value);
    bench_sanitise(fact->advice);
}

size_t bench_environment_read(struct bench_fact *facts, size_t capacity)
{
    static const struct bench_fact_reader *const tables[] = {
        bench_facts_cpu, bench_facts_noise, bench_facts_kernel, bench_facts_limits};
    struct bench_facts_context context = {0};
    context_take(&context);
    size_t count = 0;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct bench_fact_reader *r = tables[t]; r->name; r++)
            if (count < capacity)
                read_fact(&facts[count++], r, &context);
    context_drop(&context);
    return count;
}

static const char *status_name(enum bench_status status)
{
    static const char *const names[] = {"ok", "warning", "unavailable"};
    return names[status];
}

json_t *bench_environment_json(void)
{
    struct bench_fact *facts = calloc(BENCH_FACTS_MAX, sizeof *facts);
    json_t *array = json_array();
    size_t count = facts && array ? bench_environment_read(facts, BENCH_FACTS_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        json_t *fact = json_pack("{s:s, s:s, s:s, s:s}", "name", facts[i].name, "value",
                                 facts[i].value, "status", status_name(facts[i].status),
                                 "advice", facts[i].advice);
        if (!fact || json_array_append_new(array, fact) != 0)
            count = 0;
    }
    free(facts);
    if (count == 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

/* A slug under construction: only letters, digits and single hyphens between words. */
struct slug {
    char *text;
    size_t length, bytes;
};

static void slug_add(struct slug *slug, const char *text)
{
    int between_words = slug->length > 0;
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text)) {
            between_words = slug->length > 0;
            continue;
        }
        if (slug->length + 1 + (size_t)between_words >= slug->bytes)
            return;
        if (between_words)
            slug->text[slug->length++] = '-';
        between_words = 0;
        slug->text[slug->length++] = (char)tolower((unsigned char)*text);
        slug->text[slug->length] = '\0';
    }
}

/* Words of a model name that tell machines apart; the rest is trade marks and filling. */
static int is_telling(const char *word, const char *vendor)
{
    static const char *const filling[] = {"cpu", "processor", "core", "with", "r", "tm"};
    for (size_t i = 0; i < sizeof filling / sizeof *filling; i++)
        if (strcasecmp(word, filling[i]) == 0)
            return 0;
    return strcasecmp(word, vendor) != 0 && !strstr(word, "-Core");
}

static void slug_add_model(struct slug *slug, const char *model, const char *vendor)
{
    char words[64], *rest = NULL;
    snprintf(words, sizeof words, "%s", model);
    words[strcspn(words, "@")] = '\0'; /* "... @ 2.90GHz" */
    int kept = 0;
    for (char *word = strtok_r(words, " ()", &rest); word && kept < 4;
         word = strtok_r(NULL, " ()", &rest)) {
        if (!is_telling(word, vendor))
            continue;
        slug_add(slug, word);
        kept++;
    }
}

static const char *vendor_name(const char *id)
{
    static const char *const vendors[][2] = {{"AuthenticAMD", "amd"},
                                             {"GenuineIntel", "intel"},
                                             {"HygonGenuine", "hygon"},
                                             {"CentaurHauls", "centaur"}};
    for (size_t i = 0; i < sizeof vendors / sizeof *vendors; i++)
        if (strcmp(id, vendors[i][0]) == 0)
            return vendors[i][1];
    return id;
}

static void slug_add_number(struct slug *slug, const char *word, const char *cpuinfo,
                            const char *key)
{
    char value[16], text[40];
    if (bench_sysfile_field(cpuinfo, key, value, sizeof value) != 0)
        return;
    snprintf(text, sizeof text, "%s%s", word,
             strncmp(value, "0x", 2) == 0 ? value + 2 : value);
    slug_add(slug, text);
}

void bench_machine_slug(char *slug_text, size_t slug_bytes)
{
    char *cpuinfo = bench_sysfile_text("/proc/cpuinfo"), vendor[32], model[64], cpus[24];
    struct slug slug = {slug_text, 0, slug_bytes};
    struct utsname name = {0};
    if (slug_bytes > 0)
        slug_text[0] = '\0';
    if (bench_sysfile_field(cpuinfo, "vendor_id", vendor, sizeof vendor) == 0) {
        slug_add(&slug, vendor_name(vendor));
        if (bench_sysfile_field(cpuinfo, "model name", model, sizeof model) == 0)
            slug_add_model(&slug, model, vendor_name(vendor));
        slug_add_number(&slug, "family", cpuinfo, "cpu family");
        slug_add_number(&slug, "model", cpuinfo, "model");
    } else if (bench_sysfile_field(cpuinfo, "CPU implementer", model, sizeof model) ==
               0) {
        slug_add(&slug, "arm");
        slug_add_number(&slug, "implementer", cpuinfo, "CPU implementer");
        slug_add_number(&slug, "part", cpuinfo, "CPU part");
    }
    if (slug.length == 0) {
        uname(&name);
        slug_add(&slug, "unknown");
        slug_add(&slug, name.machine);
    }
    snprintf(cpus, sizeof cpus, "%dcpu", bench_cpus_online());
    slug_add(&slug, cpus);
    free(cpuinfo);
}
