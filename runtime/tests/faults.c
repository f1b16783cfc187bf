/* SPDX-License-Identifier: MIT
 *
 * faults.c: what the system refuses or does to a run: no memory, no thread, no descriptor,
 * signals, fork, exit. coro.h says what happens then ("Bad input and faults").
 */
#include "run.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "child.h"
#include "emulated.h"

static void *nothing(void *arg)
{
    return arg;
}

static int run(unsigned workers, coro_body *body, void *arg)
{
    const struct coro_options options = {.workers = workers, .quiet = true};

    return coro_run(&options, body, arg);
}

#if CORO_ANNOTATED
#define SKIP_UNDER_SANITIZERS() cr_skip("a sanitizer needs more memory than is left")
#else
#define SKIP_UNDER_SANITIZERS()                                                          \
    do {                                                                                 \
        if (is_emulated())                                                               \
            cr_skip("an emulator ignores limits of memory, and sets up signals itself"); \
    } while (0)
#endif

/* ---- memory ------------------------------------------------------------------------ */

/* The process may have so much more writable memory than it has now. (A limit of all its
 * address space would leave what malloc() has reserved for threads.) */
static void limit_memory(size_t more_bytes)
{
    struct rlimit limit;
    char text[4096] = {0};
    int file = open("/proc/self/status", O_RDONLY);
    const char *data;

    if (file < 0 || read(file, text, sizeof text - 1) <= 0 ||
        !(data = strstr(text, "VmData:")))
        _exit(1);
    close(file);
    limit.rlim_cur = limit.rlim_max =
        strtoull(data + strlen("VmData:"), NULL, 10) * 1024 + more_bytes;
    if (setrlimit(RLIMIT_DATA, &limit))
        _exit(1);
}

enum { SPAWNS = 100000 };

static void *spawns_without_memory(void *arg)
{
    static struct coro_handle flows[SPAWNS];
    const struct coro_spawn_options large = {.stack_bytes = 256 * 1024};
    unsigned got = 0;

    limit_memory(64 * 1024 * 1024);
    while (got < SPAWNS && (flows[got] = coro_spawn_with(&large, nothing, arg)).flow)
        got++;
    for (unsigned i = 0; i < got; i++)
        if (coro_join(flows[i], NULL))
            _exit(2);
    /* And when some have ended there is room again. */
    if (got < 64 || got == SPAWNS ||
        coro_join(coro_spawn_with(&large, nothing, arg), NULL))
        _exit(3);
    return NULL;
}

static void run_without_memory_to_spawn(void *arg)
{
    _exit(run(1, spawns_without_memory, NULL) ? 4 : 42);
}

Test(faults, spawn_without_memory, .timeout = 60)
{
    SKIP_UNDER_SANITIZERS();
    cr_expect_eq(run_child(run_without_memory_to_spawn, NULL).code, 42);
}

static void run_without_memory(void *arg)
{
    limit_memory(0);
    _exit(run(1, nothing, NULL) == -ENOMEM ? 42 : 1);
}

Test(faults, run_without_memory)
{
    SKIP_UNDER_SANITIZERS();
    cr_expect_eq(run_child(run_without_memory, NULL).code, 42);
}

/* ---- memory that ends at each step in turn ------------------------------------------------ */

static size_t mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    size_t lines = 0;

    for (int c; maps && (c = fgetc(maps)) != EOF;)
        lines += c == '\n';
    if (maps)
        fclose(maps);
    return lines;
}

static void *one_of_each(void *arg)
{
    static const struct coro_spawn_options each[] = {
        {.policy = CORO_STACK_GUARDED},
        {.policy = CORO_STACK_SLAB, .stack_bytes = 1024},
        {.policy = CORO_STACK_SLAB, .stack_bytes = 8192},
        {.policy = CORO_STACK_COPIED},
    };
    unsigned *got = arg;

    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        struct coro_handle flow = coro_spawn_with(&each[i], nothing, NULL);

        *got += flow.flow && coro_join(flow, NULL) == 0;
    }
    return NULL;
}

struct step {
    size_t more_bytes;
};

/* Exit codes: 100 and how many flows there were; 99 for a run without memory. */
static void run_with_little_memory(void *arg)
{
    const struct step *step = arg;
    struct mallinfo2 before = {0};
    size_t maps = 0;
    unsigned got = 0;
    int result = 0;

    limit_memory(step->more_bytes);
    for (int turn = 0; turn < 16; turn++) { /* the first ones pay for what stays */
        if (turn == 8) {
            before = mallinfo2();
            maps = mappings();
        }
        got = 0;
        result = run(1, one_of_each, &got);
        if (result && result != -ENOMEM)
            _exit(1);
    }
    fprintf(stderr, "heap %zu, then %zu; %zu mappings, then %zu", before.uordblks,
            mallinfo2().uordblks, maps, mappings());
    if (mallinfo2().uordblks != before.uordblks || mappings() > maps)
        _exit(2);
    _exit(result ? 99 : 100 + (int)got);
}

Test(faults, memory_that_ends_at_any_step_is_an_error_and_leaks_nothing, .timeout = 60)
{
    bool seen[105] = {0};

    SKIP_UNDER_SANITIZERS();
    for (size_t power = 12; power < 32; power++)
        for (size_t quarters = 4; quarters < 8; quarters += 2) {
            struct step step = {.more_bytes = quarters << power >> 2};
            struct child child = run_child(run_with_little_memory, &step);

            cr_assert(child.code >= 99 && child.code <= 104, "%zu bytes: signal %d, code %d: %s",
                      step.more_bytes, child.signal, child.code, child.text);
            seen[child.code] = true;
        }
    cr_expect(seen[99], "never too little for a run");
    cr_expect(seen[104], "never enough for all");
    cr_expect(seen[100] || seen[101] || seen[102] || seen[103], "never in between");
}

enum { SLEEPERS = 20000 };

struct sleepers {
    struct coro_chan *gate;
    unsigned slept, refused;
};

static void *sleeps_behind_gate(void *arg)
{
    struct sleepers *all = arg;
    uint64_t value;
    int result;

    if (coro_chan_recv(all->gate, &value) != -EPIPE)
        _exit(2);
    result = coro_sleep_ns(300 * 1000 * 1000);
    if (result == 0)
        all->slept++;
    else if (result == -ENOMEM)
        all->refused++;
    else
        _exit(3);
    return NULL;
}

/* More timers, and a longer run queue, than there is memory for. */
static void *sleep_without_memory(void *arg)
{
    static struct coro_handle flows[SLEEPERS];
    struct sleepers *all = arg;

    all->gate = coro_chan_new(8, 0);
    for (unsigned i = 0; i < SLEEPERS; i++) {
        flows[i] = coro_spawn(sleeps_behind_gate, all);
        if (i % 100 == 0)
            coro_yield();
    }
    coro_yield();
    limit_memory(0);
    coro_chan_close(all->gate);
    for (unsigned i = 0; i < SLEEPERS; i++)
        if (coro_join(flows[i], NULL))
            _exit(4);
    return NULL;
}

static void run_without_memory_to_sleep(void *arg)
{
    struct sleepers all = {0};

    if (run(1, sleep_without_memory, &all))
        _exit(5);
    fprintf(stderr, "%u slept, %u refused", all.slept, all.refused);
    _exit(all.slept + all.refused == SLEEPERS && all.slept >= 63 && all.refused ? 42 : 6);
}

Test(faults, timers_and_run_queues_without_memory, .timeout = 60)
{
    struct child child;

    SKIP_UNDER_SANITIZERS();
    child = run_child(run_without_memory_to_sleep, NULL);
    cr_expect_eq(child.code, 42, "signal %d, code %d: %s", child.signal, child.code,
                 child.text);
}

/* ---- threads, descriptors ------------------------------------------------------------- */

static void *counts_workers(void *arg)
{
    *(unsigned *)arg = coro_workers();
    for (unsigned i = 0; i < 100; i++)
        if (coro_join(coro_spawn(nothing, NULL), NULL))
            _exit(2);
    return NULL;
}

static void run_without_threads(void *arg)
{
    const struct rlimit none = {0};
    unsigned workers = 0;

    if (geteuid() == 0 && setresuid(65534, 65534, 65534)) /* root may always have a thread */
        _exit(77);
    if (setrlimit(RLIMIT_NPROC, &none) || run(4, counts_workers, &workers))
        _exit(3);
    _exit(workers == 1 ? 42 : 4);
}

Test(faults, threads_refused_are_workers_fewer)
{
    struct child child = run_child(run_without_threads, NULL);

    if (child.code == 77)
        cr_skip("no other user to be");
    cr_expect_eq(child.code, 42);
}

static void run_without_descriptors(void *arg)
{
    const struct rlimit none = {0};
    unsigned workers = 0;

    if (setrlimit(RLIMIT_NOFILE, &none) || open("/dev/null", O_RDONLY) >= 0 ||
        errno != EMFILE)
        _exit(2);
    _exit(run(2, counts_workers, &workers) || workers != 2 ? 3 : 42);
}

Test(faults, a_run_needs_no_descriptor)
{
    cr_expect_eq(run_child(run_without_descriptors, NULL).code, 42);
}

/* ---- signals ------------------------------------------------------------------------ */

static _Atomic(unsigned) alarms;

static void on_alarm(int signal)
{
    alarms++;
}

static void start_alarms(int flags, long period_us)
{
    const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
    const struct itimerval every = {{0, period_us}, {0, period_us}};

    alarms = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
}

static void stop_alarms(void)
{
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
}

static void *naps(void *arg)
{
    for (unsigned i = 0; i < 40; i++) {
        uint64_t until_ns = coro_now_ns() + 2000000;

        cr_expect_eq(coro_sleep_until(until_ns), 0);
        cr_expect_geq(coro_now_ns(), until_ns);
    }
    return NULL;
}

/* Handlers that restart nothing: each futex wait of a sleeping worker ends with EINTR. */
static void *many_nap(void *arg)
{
    struct coro_handle flows[50];

    for (unsigned i = 0; i < 50; i++)
        flows[i] = coro_spawn(naps, NULL);
    for (unsigned i = 0; i < 50; i++)
        cr_expect_eq(coro_join(flows[i], NULL), 0);
    return NULL;
}

Test(faults, a_storm_of_eintr_is_not_noticed, .timeout = 60)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        start_alarms(SA_ONSTACK, 200);
        cr_expect_eq(run_in(workers, false, many_nap), 0);
        stop_alarms();
        cr_expect_gt(alarms, 50);
    }
}

/* Far less stack than a signal's frame takes. */
static void *spins_on_small_stack(void *arg)
{
    const uint64_t end_ns = coro_now_ns() + 50 * 1000 * 1000;
    unsigned before = alarms;

    while (alarms < before + 5 || coro_now_ns() < end_ns)
        coro_yield();
    return arg;
}

static void *signals_on_small_stacks(void *arg)
{
    const struct coro_spawn_options options = {
        .policy = CORO_STACK_SLAB, .stack_bytes = CORO_ANNOTATED ? 4096 : 1024};
    struct coro_handle flows[20];

    for (unsigned i = 0; i < 20; i++)
        flows[i] = coro_spawn_with(&options, spins_on_small_stack, &flows[i]);
    for (unsigned i = 0; i < 20; i++) {
        void *result;

        cr_expect_eq(coro_join(flows[i], &result), 0);
        cr_expect_eq(result, &flows[i]);
    }
    return NULL;
}

Test(faults, signals_find_their_stack_beside_small_ones, .timeout = 60)
{
    start_alarms(SA_ONSTACK, 300);
    cr_expect_eq(run_in(1, false, signals_on_small_stacks), 0);
    cr_expect_eq(run_in(2, false, signals_on_small_stacks), 0);
    stop_alarms();
}

static void *raises_with_no_room(void *arg)
{
    /* All but less than what the frame of a signal takes with any registers at all. */
    char *low = coro_self().flow->stack.low;
    size_t taken_bytes = (size_t)((char *)__builtin_frame_address(0) - low) - 600;
    volatile char *taken = __builtin_alloca(taken_bytes);

    taken[0] = 1;
    raise(SIGALRM);
    return NULL;
}

static void *raises(void *arg)
{
    const struct coro_spawn_options small = {.policy = CORO_STACK_GUARDED,
                                             .stack_bytes = 4096};

    coro_join(coro_spawn_with(&small, raises_with_no_room, NULL), NULL);
    return NULL;
}

static void signal_where_no_room_is(void *arg)
{
    const struct sigaction action = {.sa_handler = on_alarm};

    sigaction(SIGALRM, &action, NULL);
    run(1, raises, NULL);
}

Test(faults, a_signal_that_does_not_fit_is_named)
{
    struct child child;

    SKIP_UNDER_SANITIZERS();
    child = run_child(signal_where_no_room_is, NULL);
    cr_expect_eq(child.signal, SIGABRT, "signal %d, code %d", child.signal, child.code);
    cr_expect_not_null(strstr(child.text, "stack overflow: flow on stack "), "text: %s",
                       child.text);
    cr_expect_not_null(strstr(child.text, "by a signal"), "%s", child.text);
}

/* ---- one of a million -------------------------------------------------------------------- */

#if CORO_ANNOTATED
enum { MILLION = 20000 };
#else
enum { MILLION = 1000000 };
#endif

static __attribute__((noinline)) int recurse(int depth)
{
    volatile char frame[512];

    frame[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + frame[0];
}

static void *waits_then_overflows(void *arg)
{
    uint64_t value;

    if (coro_chan_recv(arg, &value) == 0)
        recurse(0);
    return NULL;
}

static void *one_overflows(void *arg)
{
    const struct coro_spawn_options options = {.policy = CORO_STACK_GUARDED,
                                               .stack_bytes = 4096};
    struct coro_chan *crowd = coro_chan_new(8, 0), *alone = coro_chan_new(8, 0);
    uint64_t value = 1;

    for (unsigned i = 0; i < MILLION; i++) {
        struct coro_handle flow = coro_spawn_with(
            &options, waits_then_overflows, i == MILLION / 3 ? alone : crowd);

        if (!flow.flow)
            _exit(77);
        if (i == MILLION / 3)
            fprintf(stderr, "stack %u.", flow.flow->stack.index);
        if (i % 64 == 0)
            coro_yield();
    }
    coro_chan_send(alone, &value);
    coro_yield();
    _exit(2);
}

static void million(void *arg)
{
    run(1, one_overflows, NULL);
}

static bool has_memory(size_t bytes)
{
    return (size_t)sysconf(_SC_AVPHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) > bytes;
}

Test(faults, the_one_of_a_million_that_overflows_is_named, .timeout = 120)
{
    struct child child;
    char sentence[100];

    if (!has_memory((size_t)MILLION * 2 * 4096))
        cr_skip("too little memory for so many stacks");
    child = run_child(million, NULL);
    if (child.code == 77)
        cr_skip("the system refused so many guards");
    cr_expect_eq(child.signal, SIGABRT, "signal %d, code %d", child.signal, child.code);
    snprintf(sentence, sizeof sentence, "coro: stack overflow: flow on stack %lu of 4096",
             strtoul(child.text + strlen("stack "), NULL, 10));
    cr_expect_not_null(strstr(child.text, sentence), "%s, not: %s", child.text, sentence);
}

/* ---- fork, exit ------------------------------------------------------------------------ */

static void *blocks(void *arg)
{
    coro_yield();
    return NULL;
}

static void *spawns(void *arg)
{
    coro_spawn(nothing, NULL);
    return NULL;
}

static void *ends(void *arg)
{
    coro_exit(arg);
}

static void *cancels(void *arg)
{
    coro_cancel(coro_self());
    return NULL;
}

struct forker {
    coro_body *then; /* of the child */
    struct child child;
};

static void child_of_flow(void *arg)
{
    struct forker *forker = arg;

    forker->then(NULL);
}

static void *forks(void *arg)
{
    struct forker *forker = arg;
    struct coro_handle other = coro_spawn(blocks, NULL);

    forker->child = run_child(child_of_flow, forker);
    /* All is well here. */
    cr_expect_eq(coro_join(other, NULL), 0);
    return NULL;
}

static struct child fork_in_flow(unsigned workers, bool no_membarrier, coro_body *body)
{
    const struct coro_options options = {.workers = workers,
                                         .stack_bytes = TEST_STACK_BYTES,
                                         .no_membarrier = no_membarrier};
    struct forker forker = {.then = body};

    cr_expect_eq(coro_run(&options, forks, &forker), 0);
    return forker.child;
}

Test(faults, the_child_of_a_flow_may_exit_but_not_use_the_run, .timeout = 60)
{
    coro_body *const bodies[] = {blocks, spawns, ends, cancels};

    for (unsigned workers = 1; workers <= 2; workers++)
        for (unsigned no_membarrier = 0; no_membarrier < 2; no_membarrier++) {
            cr_expect_eq(fork_in_flow(workers, no_membarrier, nothing).code, 0);
            for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
                struct child child = fork_in_flow(workers, no_membarrier, bodies[i]);

                cr_expect_eq(child.signal, SIGABRT, "body %zu: signal %d, code %d", i,
                             child.signal, child.code);
                cr_expect_not_null(strstr(child.text, "coro: fork: "), "%s", child.text);
            }
        }
}

static void run_in_child(void *arg)
{
    unsigned workers;

    _exit(run(2, counts_workers, &workers) ? 1 : 42);
}

Test(faults, a_process_that_ran_and_forked_may_run_again)
{
    unsigned workers;

    cr_expect_eq(run(2, counts_workers, &workers), 0);
    cr_expect_eq(run_child(run_in_child, NULL).code, 42);
}

static void last_words(void)
{
    _exit(42);
}

static void *exits(void *arg)
{
    exit(1);
}

static void exit_in_flow(void *arg)
{
    atexit(last_words);
    run(*(unsigned *)arg, exits, NULL);
}

Test(faults, exit_in_a_flow_ends_the_process)
{
    for (unsigned workers = 1; workers <= 2; workers++)
        cr_expect_eq(run_child(exit_in_flow, &workers).code, 42);
}

static void *ends_thread(void *arg)
{
    pthread_exit(arg);
}

static void *spawns_pinned(void *arg)
{
    const struct coro_spawn_options options = {.pinned = true,
                                               .worker = coro_workers() - 1};

    coro_join(coro_spawn_with(&options, ends_thread, NULL), NULL);
    return NULL;
}

static void pthread_exit_in_flow(void *arg)
{
    run(*(unsigned *)arg, spawns_pinned, NULL);
}

Test(faults, pthread_exit_in_a_flow_is_named)
{
    if (CORO_ANNOTATED)
        cr_skip("AddressSanitizer takes the thread for a flow still");
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct child child = run_child(pthread_exit_in_flow, &workers);

        cr_expect_eq(child.signal, SIGABRT, "signal %d, code %d", child.signal, child.code);
        cr_expect_not_null(strstr(child.text, "a flow ends by coro_exit()"), "%s",
                           child.text);
    }
}

IN_FLOWS(faults, a_run_in_a_flow_is_refused)
{
    cr_expect_eq(coro_run(NULL, nothing, NULL), -EBUSY);
    return NULL;
}
