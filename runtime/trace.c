/* SPDX-License-Identifier: MIT
 *
 * trace.c: who ran where and when, in Chrome's trace format (JSON), which Perfetto reads too.
 *
 * A trace costs nothing when it is off, since the fast paths know nothing of it: a traced run is
 * one without membarrier, in which all paths are slow ones, and they all enter the domain by
 * coro_enter_slow(), which tells us. A flow enters at least once before it leaves its worker. So
 * when another flow enters than the last time, there has been a switch: the former ran until
 * its last entry, the latter from then on. What a flow does alone between two entries
 * (some spawns, say) is one slice. A traced run is slower by the slow paths and the clock: its
 * order and proportions mean something, its nanoseconds do not.
 *
 * Events are kept in memory, EVENTS_MAX per worker; what does not fit is counted.
 */
#include "trace.h"

#include <inttypes.h>
#include <stdlib.h>

enum { EVENTS_FIRST = 1024, EVENTS_MAX = 4 * 1024 * 1024 };

enum kind { RAN, SLEPT, STOLE };

struct event {
    uint64_t from_ns, to_ns;
    const char *name;            /* RAN */
    const struct coro_flow *flow; /* RAN */
    uint64_t number;             /* RAN: the flow's life; STOLE: flows */
    enum kind kind;
};

struct coro_trace {
    uint64_t begun_ns;
    const struct coro_flow *flow; /* that entered last, */
    const char *name;
    uint64_t generation;
    uint64_t from_ns, to_ns; /* since when it has run, and when it entered last */
    struct event *events;
    size_t count, room;
    uint64_t dropped;
};

static void add(struct coro_trace *trace, struct event event)
{
    if (trace->count == trace->room) {
        size_t room = trace->room ? trace->room * 2 : EVENTS_FIRST;
        struct event *events =
            room > EVENTS_MAX ? NULL : realloc(trace->events, room * sizeof *events);

        if (!events) {
            trace->dropped++;
            return;
        }
        trace->events = events;
        trace->room = room;
    }
    trace->events[trace->count++] = event;
}

void coro_trace_entered(struct coro_worker *worker)
{
    struct coro_trace *trace = worker->trace;
    const struct coro_flow *flow = worker->current;
    uint64_t generation = atomic_load_explicit(&flow->generation, memory_order_relaxed);
    uint64_t now_ns = coro_now_ns();

    if (flow != trace->flow || generation != trace->generation) {
        if (trace->flow != &worker->idle)
            add(trace, (struct event){.kind = RAN,
                                      .from_ns = trace->from_ns,
                                      .to_ns = trace->to_ns,
                                      .name = trace->name,
                                      .flow = trace->flow,
                                      .number = trace->generation / 2 + 1});
        trace->flow = flow;
        trace->generation = generation;
        trace->name = flow == &worker->idle ? NULL : coro_flow_name(flow);
        trace->from_ns = trace->to_ns;
    }
    trace->to_ns = now_ns;
}

void coro_trace_slept(struct coro_worker *worker, uint64_t from_ns)
{
    add(worker->trace,
        (struct event){.kind = SLEPT, .from_ns = from_ns, .to_ns = coro_now_ns()});
}

void coro_trace_stole(struct coro_worker *worker, unsigned flows)
{
    add(worker->trace,
        (struct event){.kind = STOLE, .from_ns = coro_now_ns(), .number = flows});
}

int coro_trace_begin(struct coro_sched *sched)
{
    for (unsigned i = 0; i < sched->workers_count; i++) {
        struct coro_worker *worker = sched->workers[i];
        uint64_t now_ns = coro_now_ns();

        worker->trace = calloc(1, sizeof *worker->trace);
        if (!worker->trace)
            return -ENOMEM;
        *worker->trace = (struct coro_trace){
            .begun_ns = now_ns, .flow = &worker->idle, .from_ns = now_ns, .to_ns = now_ns};
    }
    return 0;
}

void coro_trace_free(struct coro_worker *worker)
{
    if (worker->trace)
        free(worker->trace->events);
    free(worker->trace);
    worker->trace = NULL;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void write_string(FILE *file, const char *string)
{
    fputc('"', file);
    for (; *string; string++)
        if (*string == '"' || *string == '\\')
            fprintf(file, "\\%c", *string);
        else if ((unsigned char)*string < ' ')
            fprintf(file, "\\u%04x", *string);
        else
            fputc(*string, file);
    fputc('"', file);
}

/* In us, as the format wants it. */
static void write_time(FILE *file, const char *key, uint64_t ns)
{
    fprintf(file, ",\"%s\":%" PRIu64 ".%03u", key, ns / 1000, (unsigned)(ns % 1000));
}

static void write_event(FILE *file, unsigned worker, uint64_t begun_ns,
                        const struct event *event)
{
    fprintf(file, ",\n{\"pid\":1,\"tid\":%u,\"ph\":\"%s\"", worker,
            event->kind == STOLE ? "i\",\"s\":\"t" : "X");
    write_time(file, "ts", event->from_ns - begun_ns);
    if (event->kind != STOLE)
        write_time(file, "dur", event->to_ns - event->from_ns);
    fputs(",\"name\":", file);
    switch (event->kind) {
    case RAN:
        write_string(file, event->name);
        fprintf(file, ",\"cat\":\"flow\",\"args\":{\"flow\":\"%p\",\"life\":%" PRIu64 "}}",
                (const void *)event->flow, event->number);
        break;
    case SLEPT: fputs("\"asleep\",\"cat\":\"worker\"}", file); break;
    case STOLE:
        fprintf(file, "\"steal\",\"cat\":\"worker\",\"args\":{\"flows\":%" PRIu64 "}}",
                event->number);
        break;
    }
}

/* The workers begin one after the other: the first one's beginning is time 0. */
void coro_trace_write(const struct coro_sched *sched, FILE *file)
{
    uint64_t begun_ns = sched->workers[0]->trace->begun_ns, dropped = 0;

    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
          "{\"pid\":1,\"ph\":\"M\",\"name\":\"process_name\",\"args\":{\"name\":\"coro_run\"}}",
          file);
    for (unsigned i = 0; i < sched->workers_count; i++) {
        const struct coro_trace *trace = sched->workers[i]->trace;

        fprintf(file,
                ",\n{\"pid\":1,\"tid\":%u,\"ph\":\"M\",\"name\":\"thread_name\","
                "\"args\":{\"name\":\"worker %u\"}}",
                i, i);
        for (size_t at = 0; at < trace->count; at++)
            write_event(file, i, begun_ns, &trace->events[at]);
        dropped += trace->dropped;
    }
    fprintf(file, "\n],\"otherData\":{\"dropped\":%" PRIu64 "}}\n", dropped);
}
