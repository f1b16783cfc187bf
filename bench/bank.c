/* SPDX-License-Identifier: MIT
 *
 * bank: the document's example program. Ten flows share one balance; each, again and again, looks
 * at it, adds 1000, sleeps, subtracts 1000. What is lost without protection, what protection
 * costs, and what it does not cure.
 *
 *  - protection=none: a read and a write. mutex: a pthread mutex, also for flows of the
 *    runtime. coro-mutex, spinlock, atomic. chan-lock: a channel of capacity 1 as a lock.
 *    chan-owner: the updates are sent to a flow that alone has the account. chan-reply: the
 *    same, but unbuffered, and each update waits for its answer.
 *  - scheduling: one worker, where an update is never interrupted; inside=yield, where it always
 *    is, between its read and its write; two workers; threads.
 *  - sleep=0 lets the others run in place of sleeping. held=across: the lock is kept from the
 *    deposit to the withdrawal.
 *
 * One op is one transaction: two updates. Its cost is that of all ten flows together: wall time
 * by transactions.
 *
 * What is reported beside the cost, over all of a trial: lost_updates per 10^6 updates;
 * negative, what the document's program would stop at, and occupied, a balance that is not 0
 * before a deposit, per 10^6 transactions. An atomic loses nothing, and is occupied all the
 * same: it is no lock over two updates.
 *
 * The proof: flows count their transactions; with any protection at all, a lost update fails the
 * trial. Where a flow parks while it holds a lock that blocks threads, everybody may wait for
 * ever: one that does not come to a flow in 200 ms is such a deadlock, and the trial is skipped with
 * it as its reason.
 */
#include "bank.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "experiments.h"

enum { STALLED_NS = 200 * 1000 * 1000, PROBE_OPS = 200, OWNER_CAPACITY = 16 };

/* ---- locks that block threads ---------------------------------------------------------- */

/* A thread that sleeps with the lock wakes and unlocks it: to wait for long is no deadlock. */
static bool may_deadlock(const struct bank *bank)
{
    return bank->config->workers;
}

void bank_mutex_wait(struct bank *bank)
{
    struct timespec deadline;

    if (!may_deadlock(bank)) {
        pthread_mutex_lock(&bank->mutex);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_nsec += STALLED_NS;
    deadline.tv_sec += deadline.tv_nsec / 1000000000;
    deadline.tv_nsec %= 1000000000;
    if (!bank->stalled && pthread_mutex_timedlock(&bank->mutex, &deadline))
        bank->stalled = true;
}

void bank_spin_wait(struct bank *bank)
{
    enum { SPINS_PER_LOOK = 4096 };
    uint64_t start_ns = coro_now_ns();

    for (unsigned spins = 1; !bank->stalled; spins++) {
        if (!atomic_load_explicit(&bank->spinlock, memory_order_relaxed) &&
            !atomic_exchange_explicit(&bank->spinlock, 1, memory_order_acquire))
            return;
        if (spins % SPINS_PER_LOOK == 0) {
            sched_yield(); /* a thread that was preempted as it held the lock */
            if (may_deadlock(bank) && coro_now_ns() - start_ns > STALLED_NS)
                bank->stalled = true;
        }
    }
}

/* ---- flows ----------------------------------------------------------------------------- */

BANK_INLINE void add(struct bank *bank, uint64_t what)
{
    uint64_t account = __atomic_load_n(&bank->account, __ATOMIC_RELAXED);

    if (bank->config->yields_inside)
        coro_yield();
    __atomic_store_n(&bank->account, account + what, __ATOMIC_RELAXED);
}

BANK_INLINE void pause_flow(struct bank *bank)
{
    if (bank->config->sleep_ns)
        coro_sleep_ns(bank->config->sleep_ns);
    else
        coro_yield();
}

BANK_INLINE void flow_lock(struct bank *bank)
{
    coro_mutex_lock(&bank->coro_mutex);
}

BANK_INLINE void flow_unlock(struct bank *bank)
{
    coro_mutex_unlock(&bank->coro_mutex);
}

BANK_INLINE void chan_lock(struct bank *bank)
{
    uint64_t token = 1;

    coro_chan_send(bank->lock, &token);
}

BANK_INLINE void chan_unlock(struct bank *bank)
{
    uint64_t token;

    coro_chan_recv(bank->lock, &token);
}

#define FLOW(name, lock, unlock, add)                                              \
    static uint64_t name(struct bank *bank, size_t index, uint64_t ops)            \
    {                                                                              \
        return bank_transactions(bank, index, ops, lock, unlock, add, pause_flow); \
    }
FLOW(flow_bare, bank_no_lock, bank_no_lock, add)
FLOW(flow_mutex, bank_mutex_lock, bank_mutex_unlock, add)
FLOW(flow_coro_mutex, flow_lock, flow_unlock, add)
FLOW(flow_spinlock, bank_spin_lock, bank_spin_unlock, add)
FLOW(flow_atomic, bank_no_lock, bank_no_lock, bank_add_atomic)
FLOW(flow_chan_lock, chan_lock, chan_unlock, add)

/* The account is the owner's; the others send what is to be done. */
BANK_INLINE uint64_t ask_owner(struct bank *bank, size_t index, uint64_t ops, bool reply)
{
    struct bank_request request = {.flow = (uint32_t)index};
    uint64_t own = 0, done;

    for (; own < ops; own++)
        for (request.withdraws = 0; request.withdraws < 2; request.withdraws++) {
            coro_chan_send(bank->request, &request);
            if (reply)
                coro_chan_recv(bank->reply[index], &done);
            if (!request.withdraws)
                pause_flow(bank);
        }
    return own;
}

BANK_INLINE uint64_t be_owner(struct bank *bank, uint64_t ops, bool reply)
{
    struct bank_request request;
    uint64_t done = 1;

    for (uint64_t i = 0; i < 2 * ops; i++) {
        coro_chan_recv(bank->request, &request);
        if (!request.withdraws)
            bank_look(bank, BANK_OWNER);
        add(bank, request.withdraws ? BANK_WITHDRAWAL : BANK_DEPOSIT);
        if (reply)
            coro_chan_send(bank->reply[request.flow], &done);
    }
    return 0;
}

#define OWNED(suffix, reply)                                                               \
    static uint64_t flow_##suffix(struct bank *bank, size_t index, uint64_t ops)           \
    {                                                                                      \
        return ask_owner(bank, index, ops, reply);                                         \
    }                                                                                      \
    static uint64_t owner_##suffix(struct bank *bank, size_t index, uint64_t ops)          \
    {                                                                                      \
        (void)index;                                                                       \
        return be_owner(bank, ops, reply);                                                 \
    }
OWNED(chan_owner, false)
OWNED(chan_reply, true)

static uint64_t member(void *arg, size_t index)
{
    struct bank *bank = arg;

    if (index == BANK_OWNER)
        return bank->config->owner(bank, index, bank->run_ops);
    return bank->config->flow(bank, index, stage_share(bank->run_ops, BANK_FLOWS, index));
}

/* ---- all alike ------------------------------------------------------------------------- */

static bool is_protected(const struct bank_config *config)
{
    return config->flow != flow_bare && config->flow != bank_thread_bare;
}

uint64_t bank_run(struct bench_trial *t, uint64_t ops)
{
    struct bank *bank = bench_state(t);
    uint64_t counted, lost;

    bank->run_ops = ops;
    bank->account = 0;
    counted = bank->config->workers ? stage_crew_run(&bank->crew) : thread_crew_run(&bank->threads);
    lost = (ops - (bank->account >> 32)) + (ops - (uint32_t)bank->account);
    bank->ops += ops;
    bank->lost += lost;
    if (bank->stalled)
        bench_skip(t, "deadlock: the lock's holder is parked, and every thread that could run "
                      "it waits for the lock");
    else if (lost && is_protected(bank->config))
        bench_fail(t, "%llu of %llu updates were lost in spite of the protection",
                   (unsigned long long)lost, 2 * (unsigned long long)ops);
    return counted;
}

static void report(struct bench_trial *t, const struct bank *bank)
{
    double ops_e6 = (double)bank->ops / 1e6, negative = 0, occupied = 0;

    for (size_t i = 0; i <= BANK_OWNER; i++) {
        negative += (double)bank->tally[i].negative;
        occupied += (double)bank->tally[i].occupied;
    }
    bench_metric(t, "lost_updates", "per 10^6", "flows", (double)bank->lost / (2 * ops_e6));
    bench_metric(t, "negative", "per 10^6", "flows", negative / ops_e6);
    bench_metric(t, "occupied", "per 10^6", "flows", occupied / ops_e6);
}

void bank_teardown(struct bench_trial *t)
{
    struct bank *bank = bench_state(t);

    if (!bank)
        return;
    if (bank->ops)
        report(t, bank);
    if (bank->config->workers)
        stage_crew_close(&bank->crew);
    if (bank->crew.stage.run_error || thread_crew_close(&bank->threads))
        return;
    coro_chan_free(bank->lock);
    coro_chan_free(bank->request);
    for (size_t i = 0; i < BANK_FLOWS; i++)
        coro_chan_free(bank->reply[i]);
    free(bank);
}

static int open_channels(struct bank *bank)
{
    bool replies = bank->config->owner == owner_chan_reply;

    coro_mutex_init(&bank->coro_mutex);
    bank->lock = coro_chan_new(sizeof(uint64_t), 1);
    bank->request = coro_chan_new(sizeof(struct bank_request), replies ? 0 : OWNER_CAPACITY);
    for (size_t i = 0; i < BANK_FLOWS; i++)
        if (!(bank->reply[i] = coro_chan_new(sizeof(uint64_t), 0)))
            return -ENOMEM;
    return bank->lock && bank->request ? 0 : -ENOMEM;
}

static int open_flows(struct bank *bank)
{
    if (!bank->config->workers) {
        bank->threads = (struct thread_crew){
            .trial = bank->trial, .threads = BANK_FLOWS, .work = member, .arg = bank};
        return thread_crew_open(&bank->threads);
    }
    bank->crew.flows = bank->config->owner ? BANK_FLOWS + 1 : BANK_FLOWS;
    bank->crew.work = member;
    bank->crew.arg = bank;
    return stage_crew_open(&bank->crew, bank->trial, bank->config->workers);
}

int bank_setup(struct bench_trial *t)
{
    struct bank *bank = aligned_alloc(64, sizeof *bank);
    int error;

    if (!bank)
        return -ENOMEM;
    memset(bank, 0, sizeof *bank);
    bank->config = bench_case_of(t)->arg;
    bank->trial = t;
    bench_set_state(t, bank);
    pthread_mutex_init(&bank->mutex, NULL);
    error = open_channels(bank);
    if (!error)
        error = open_flows(bank);
    if (error)
        return bench_skip(t, "no %d flows: %s", BANK_FLOWS, strerror(-error));
    if (bank->config->held || bank->config->yields_inside)
        bank_run(t, PROBE_OPS);
    return bank->stalled ? -ECANCELED : 0;
}

/* ---- the table ------------------------------------------------------------------------- */

#define HERE      BENCH_AT(BENCH_SAME_CPU)
#define ELSEWHERE (BENCH_AT_ANY & ~HERE)
#define MS        1000000

#define BANK(subject_, params_, places_, flags_, profile_, ...)                              \
    {                                                                                        \
        .experiment = "bank", .subject = subject_, .params = params_,                        \
        .op = "one transaction: deposit, pause, withdrawal", .places = places_,              \
        .profile = profile_, .flags = flags_, .setup = bank_setup, .run = bank_run,          \
        .teardown = bank_teardown, .ops_multiple = BANK_FLOWS,                               \
        .arg = &(const struct bank_config){__VA_ARGS__},                                     \
    }
/* Followed by the profiles of: one worker, one that yields inside, two. */
#define FLOWS(word, flow, owner, sleep_word, ns, held_word, held, one, inside, two)          \
    BANK("coro", "protection=" word ",sleep=" sleep_word held_word ",workers=1", HERE, 0,    \
         one, flow, owner, 1, false, held, ns),                                              \
        BANK("coro", "protection=" word ",sleep=" sleep_word held_word                       \
             ",workers=1,inside=yield", HERE, 0, inside, flow, owner, 1, true, held, ns),    \
        BANK("coro", "protection=" word ",sleep=" sleep_word held_word ",workers=2",         \
             ELSEWHERE, BENCH_THREADS, two, flow, owner, 2, false, held, ns)
#define FLOWS_FREE(word, flow, owner, one, inside, two, asleep)                              \
    FLOWS(word, flow, owner, "0", 0, "", false, one, inside, two),                           \
        FLOWS(word, flow, owner, "1ms", MS, "", false, asleep, asleep, asleep)
#define FLOWS_HELD(word, flow, asleep)                                                       \
    FLOWS(word, flow, NULL, "0", 0, ",held=across", true, FULL, FULL, FULL),                 \
        FLOWS(word, flow, NULL, "1ms", MS, ",held=across", true, asleep, FULL, FULL)
#define THREADS(word, flow, sleep_word, ns, held_word, held, here, elsewhere)                \
    BANK("pthread", "protection=" word ",sleep=" sleep_word held_word, HERE,                 \
         BENCH_THREADS | BENCH_PREEMPTS, here, flow, NULL, 0, false, held, ns),              \
        BANK("pthread", "protection=" word ",sleep=" sleep_word held_word, ELSEWHERE,        \
             BENCH_THREADS | BENCH_PREEMPTS, elsewhere, flow, NULL, 0, false, held, ns)
#define DEFAULT BENCH_DEFAULT
#define FULL    BENCH_FULL

const struct bench_case bank_cases[] = {
    FLOWS_FREE("none", flow_bare, NULL, DEFAULT, DEFAULT, DEFAULT, FULL),
    FLOWS_FREE("mutex", flow_mutex, NULL, FULL, DEFAULT, DEFAULT, FULL),
    FLOWS_FREE("coro-mutex", flow_coro_mutex, NULL, DEFAULT, DEFAULT, DEFAULT, FULL),
    FLOWS_FREE("spinlock", flow_spinlock, NULL, FULL, FULL, DEFAULT, FULL),
    FLOWS_FREE("atomic", flow_atomic, NULL, DEFAULT, FULL, DEFAULT, FULL),
    FLOWS_FREE("chan-lock", flow_chan_lock, NULL, DEFAULT, DEFAULT, DEFAULT, FULL),
    FLOWS_FREE("chan-owner", flow_chan_owner, owner_chan_owner, DEFAULT, DEFAULT, DEFAULT, FULL),
    FLOWS_FREE("chan-reply", flow_chan_reply, owner_chan_reply, DEFAULT, FULL, DEFAULT, FULL),
    FLOWS_HELD("mutex", flow_mutex, FULL),
    FLOWS_HELD("coro-mutex", flow_coro_mutex, DEFAULT),
    FLOWS_HELD("spinlock", flow_spinlock, FULL),
    FLOWS_HELD("chan-lock", flow_chan_lock, FULL),
    THREADS("none", bank_thread_bare, "0", 0, "", false, DEFAULT, DEFAULT),
    THREADS("mutex", bank_thread_mutex, "0", 0, "", false, FULL, DEFAULT),
    THREADS("spinlock", bank_thread_spinlock, "0", 0, "", false, FULL, DEFAULT),
    THREADS("atomic", bank_thread_atomic, "0", 0, "", false, FULL, DEFAULT),
    THREADS("none", bank_thread_bare, "1ms", MS, "", false, FULL, DEFAULT),
    THREADS("mutex", bank_thread_mutex, "1ms", MS, "", false, FULL, DEFAULT),
    THREADS("mutex", bank_thread_mutex, "0", 0, ",held=across", true, FULL, FULL),
    THREADS("mutex", bank_thread_mutex, "1ms", MS, ",held=across", true, FULL, DEFAULT),
    THREADS("atomic", bank_thread_atomic, "1ms", MS, "", false, FULL, FULL),
};
const size_t bank_case_count = sizeof bank_cases / sizeof *bank_cases;
