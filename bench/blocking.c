/* SPDX-License-Identifier: MIT
 *
 * blocking: who waits while a flow waits for I/O?
 *
 *  - op=empty-pipe: each read finds the pipe empty: the byte comes 100 us after it was asked for,
 *    from a thread that may run anywhere.
 *  - op=cached-file: each read finds its page in the page cache.
 *  - pthread: the reader is a thread, and so is its sibling, which counts on the same CPU.
 *  - coro: the reader is a flow among siblings that count and yield, all on one worker.
 *    via=read: it calls read(2), and its worker waits with it. via=poller: coro_read().
 *    via=helper: read(2) by coro_blocking(), in another thread.
 *
 * What is reported: the voluntary kernel switches of the reader's thread per read; the time
 * per read; and for the pipe sibling_stall, the share of their progress that the siblings lose
 * while the reader reads, against when it sleeps.
 *
 * The proof: every byte that was written was read; the siblings count themselves.
 */
#include "experiments.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "coro.h"

enum { SLICES = 10, SLICE_READS = 20, READS = SLICES * SLICE_READS };
enum { PAUSE_NS = 100000, SIBLINGS = 4, PAGE = 4096, PAGES = 64 };

enum via { BY_READ, BY_POLLER, BY_HELPER };

struct blocking_config {
    bool flows, pipe;
    enum via via;
};

/* What the siblings did in some time. */
struct phase {
    uint64_t progress, ns;
};

struct blocking {
    struct bench_trial *trial;
    const struct blocking_config *config;
    int in, out;
    sem_t wanted; /* posted for each byte, and to stop */
    _Atomic uint64_t progress; /* by siblings; alone in its meaning: orders nothing */
    _Atomic bool stop;
    const char *poller;
    uint64_t reads;
    struct phase alone, beside; /* while the reader sleeps; while it reads */
    uint64_t switches;
};

static uint64_t progress(struct blocking *b)
{
    return atomic_load_explicit(&b->progress, memory_order_relaxed);
}

static uint64_t voluntary_switches(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return (uint64_t)usage.ru_nvcsw;
}

/* ---- the writer ---------------------------------------------------------------------- */

static void *write_bytes(void *arg)
{
    struct blocking *b = arg;
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    cpu_set_t anywhere;

    memset(&anywhere, 0xff, sizeof anywhere);
    sched_setaffinity(0, sizeof anywhere, &anywhere);
    for (;;) {
        while (sem_wait(&b->wanted) != 0)
            continue;
        if (atomic_load_explicit(&b->stop, memory_order_acquire))
            return NULL;
        nanosleep(&pause, NULL);
        if (write(b->out, "", 1) != 1)
            return NULL;
    }
}

/* ---- the reader ---------------------------------------------------------------------- */

struct request {
    struct blocking *b;
    ssize_t result;
};

static ssize_t read_now(struct blocking *b)
{
    char page[PAGE];

    if (b->config->pipe)
        return read(b->in, page, 1);
    return pread(b->in, page, sizeof page, (off_t)(b->reads % PAGES * PAGE));
}

static void *read_for(void *arg)
{
    struct request *request = arg;

    request->result = read_now(request->b);
    return NULL;
}

static ssize_t read_once(struct blocking *b)
{
    struct request request = {.b = b};
    char byte;

    if (b->config->pipe)
        sem_post(&b->wanted);
    if (b->config->via == BY_POLLER)
        return coro_read(b->in, &byte, 1);
    if (b->config->via == BY_READ)
        return read_now(b);
    int err = coro_blocking(read_for, &request, NULL);
    return err ? err : request.result;
}

static void rest(struct blocking *b, uint64_t ns)
{
    if (b->config->flows)
        coro_sleep_ns(ns);
    else
        nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

static void read_slice(struct blocking *b)
{
    uint64_t before = voluntary_switches();

    for (int i = 0; i < SLICE_READS && read_once(b) > 0; i++, b->reads++)
        if (b->config->flows)
            coro_yield();
    b->switches += voluntary_switches() - before;
}

/* Adds what the siblings do while the reader does `act`. */
static void watch(struct blocking *b, struct phase *phase, void (*act)(struct blocking *))
{
    uint64_t counted = progress(b), start_ns = bench_now_ns();

    act(b);
    phase->progress += progress(b) - counted;
    phase->ns += bench_now_ns() - start_ns;
}

static void sleep_slice(struct blocking *b)
{
    rest(b, SLICE_READS * PAUSE_NS);
}

/* What the reader does, as a thread or as a flow: in slices by turns, so that what disturbs the
 * machine disturbs both alike. */
static void observe(struct blocking *b)
{
    while (b->config->pipe && !progress(b)) /* not before the siblings run */
        rest(b, PAUSE_NS);
    for (int i = 0; i < SLICES; i++) {
        watch(b, &b->alone, sleep_slice);
        watch(b, &b->beside, read_slice);
    }
    atomic_store_explicit(&b->stop, true, memory_order_release);
}

static void count_one(struct blocking *b)
{
    atomic_fetch_add_explicit(&b->progress, 1, memory_order_relaxed);
}

static void *count_as_flow(void *arg)
{
    struct blocking *b = arg;

    while (!atomic_load_explicit(&b->stop, memory_order_acquire)) {
        count_one(b);
        coro_yield();
    }
    return NULL;
}

static void *count_as_thread(void *arg)
{
    struct blocking *b = arg;

    bench_pin(b->trial, 0);
    while (!atomic_load_explicit(&b->stop, memory_order_acquire))
        count_one(b);
    return NULL;
}

static void *read_among_flows(void *arg)
{
    struct blocking *b = arg;
    struct coro_handle sibling[SIBLINGS];

    for (size_t i = 0; i < SIBLINGS; i++)
        sibling[i] = coro_spawn(count_as_flow, b);
    observe(b);
    if (b->config->via == BY_POLLER)
        b->poller = coro_io_name();
    for (size_t i = 0; i < SIBLINGS; i++)
        coro_join(sibling[i], NULL);
    return NULL;
}

static int read_among_threads(struct blocking *b)
{
    pthread_t sibling;
    int err = pthread_create(&sibling, NULL, count_as_thread, b);

    if (err)
        return -err;
    observe(b);
    pthread_join(sibling, NULL);
    return 0;
}

/* ---- the trial ----------------------------------------------------------------------- */

static int open_file(struct blocking *b)
{
    static const char page[PAGE];

    b->in = memfd_create("corobench-cached", MFD_CLOEXEC);
    if (b->in < 0)
        return -errno;
    for (int i = 0; i < PAGES; i++)
        if (write(b->in, page, PAGE) != PAGE)
            return -EIO;
    return 0;
}

static int open_source(struct blocking *b)
{
    int ends[2];

    if (!b->config->pipe)
        return open_file(b);
    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    b->in = ends[0];
    b->out = ends[1];
    return 0;
}

static int run_reader(struct blocking *b)
{
    struct coro_options options = {.workers = 1};

    return b->config->flows ? coro_run(&options, read_among_flows, b) : read_among_threads(b);
}

static int read_beside_a_writer(struct blocking *b)
{
    pthread_t writer;
    sem_init(&b->wanted, 0, 0);
    int err = pthread_create(&writer, NULL, write_bytes, b);

    if (err)
        return -err;
    err = run_reader(b);
    atomic_store_explicit(&b->stop, true, memory_order_release);
    sem_post(&b->wanted);
    pthread_join(writer, NULL);
    sem_destroy(&b->wanted);
    return err;
}

static double rate(const struct phase *phase)
{
    return (double)phase->progress / (double)phase->ns;
}

static void report(struct bench_trial *t, const struct blocking *b)
{
    bench_metric(t, "read_ns", "ns/read", "clock", (double)b->beside.ns / READS);
    bench_metric(t, "kernel_switches_voluntary", "switches/read", "rusage",
                 (double)b->switches / READS);
    if (b->config->pipe)
        bench_metric(t, "sibling_stall", "share", "flows",
                     1 - rate(&b->beside) / rate(&b->alone));
    if (b->poller)
        bench_note(t, "poller", "%s", b->poller);
}

static int blocking_measure(struct bench_trial *t)
{
    struct blocking b = {.trial = t, .config = bench_case_of(t)->arg, .in = -1, .out = -1};
    int err = open_source(&b);

    if (!err)
        err = b.config->pipe ? read_beside_a_writer(&b) : run_reader(&b);
    if (b.in >= 0)
        close(b.in);
    if (b.out >= 0)
        close(b.out);
    if (err)
        return err;
    if (b.reads != READS)
        return bench_fail(t, "%llu reads of %d", (unsigned long long)b.reads, READS);
    report(t, &b);
    return 0;
}

#define BLOCKING(subject_, params_, flows_, pipe_, via_)                                      \
    {                                                                                         \
        .experiment = "blocking", .subject = subject_, .params = params_, .op = "one read",   \
        .places = BENCH_AT(BENCH_SAME_CPU), .profile = BENCH_DEFAULT,                         \
        .flags = BENCH_THREADS | BENCH_PREEMPTS, .measure = blocking_measure,                 \
        .arg = &(const struct blocking_config){flows_, pipe_, via_},                          \
    }

const struct bench_case blocking_cases[] = {
    BLOCKING("pthread", "op=empty-pipe", false, true, BY_READ),
    BLOCKING("pthread", "op=cached-file", false, false, BY_READ),
    BLOCKING("coro", "op=empty-pipe,via=read", true, true, BY_READ),
    BLOCKING("coro", "op=empty-pipe,via=poller", true, true, BY_POLLER),
    BLOCKING("coro", "op=empty-pipe,via=helper", true, true, BY_HELPER),
    BLOCKING("coro", "op=cached-file,via=read", true, false, BY_READ),
};
const size_t blocking_case_count = sizeof blocking_cases / sizeof *blocking_cases;
