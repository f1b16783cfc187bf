/* SPDX-License-Identifier: MIT
 *
 * copied.c: many flows on one stack, and nobody notices. Where copying does not work (sanitizers)
 * the same flows have stacks of their own, and the same must hold.
 */
#include "run.h"

#include <malloc.h>
#include <string.h>

#include "child.h"
#include "copied.h"

enum { FLOWS = 64 };

static const struct coro_spawn_options copied = {.policy = CORO_STACK_COPIED};

static struct coro_handle spawn_copied(coro_body *body, void *arg)
{
    struct coro_handle handle = coro_spawn_with(&copied, body, arg);

    cr_expect_not_null(handle.flow);
    return handle;
}

/* Fills `bytes` or so of stack, calls, and looks whether all is as it was. */
static __attribute__((noinline)) int deep(size_t bytes, uint64_t seed, int (*call)(void *),
                                          void *arg)
{
    volatile uint64_t frame[8];
    int result;

    for (size_t i = 0; i < 8; i++)
        frame[i] = seed * 8 + i;
    result = bytes > 128 ? deep(bytes - 128, seed + 1, call, arg) : call(arg);
    for (size_t i = 0; i < 8; i++)
        if (frame[i] != seed * 8 + i)
            return -1000;
    return result;
}

/* ---- what is sent and received lies on a stack that others use meanwhile -------------- */

struct exchange {
    struct coro_chan *chan, *back;
    size_t bytes, depth;
    uint64_t seed;
    int wrong;
};

static void fill(unsigned char *bytes, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(seed * 31 + i * 7 + 1);
}

static int receive_one(void *arg)
{
    struct exchange *x = arg;
    unsigned char got[256] = {0}, want[256];

    fill(want, x->bytes, x->seed);
    if (coro_chan_recv(x->chan, got))
        return -1;
    return memcmp(got, want, x->bytes);
}

static int send_one(void *arg)
{
    struct exchange *x = arg;
    unsigned char value[256];

    fill(value, x->bytes, x->seed);
    return coro_chan_send(x->chan, value);
}

static void *receiver(void *arg)
{
    struct exchange *x = arg;

    x->wrong = deep(x->depth, x->seed, receive_one, x);
    return (void *)(uintptr_t)(x->seed + 1);
}

static void *sender(void *arg)
{
    struct exchange *x = arg;

    x->wrong = deep(x->depth, x->seed, send_one, x);
    return (void *)(uintptr_t)(x->seed + 1);
}

/* FLOWS flows, each at a channel of its own; then each is answered, last first. */
static void meet(size_t bytes, size_t depth, coro_body *body, int (*answer)(void *))
{
    struct exchange x[FLOWS];
    struct coro_handle handle[FLOWS];

    for (size_t i = 0; i < FLOWS; i++) {
        x[i] = (struct exchange){.chan = coro_chan_new(bytes, 0),
                                 .bytes = bytes,
                                 .depth = depth * (i % 3),
                                 .seed = i,
                                 .wrong = 1};
        handle[i] = spawn_copied(body, &x[i]);
    }
    for (size_t i = 0; i < FLOWS; i++)
        UNTIL_PARKED(handle[i]);
    for (size_t i = FLOWS; i-- > 0;)
        cr_expect_eq(answer(&x[i]), 0, "%zu bytes, flow %zu: another value", bytes, i);
    for (size_t i = 0; i < FLOWS; i++) {
        void *result;

        cr_expect_eq(coro_join(handle[i], &result), 0);
        cr_expect_eq((uintptr_t)result, i + 1);
        cr_expect_eq(x[i].wrong, 0, "%zu bytes, %zu deep, flow %zu", bytes, x[i].depth, i);
        coro_chan_free(x[i].chan);
    }
}

IN_FLOWS(copied, values_are_received_into_frames_that_are_away)
{
    static const size_t sizes[] = {0, 1, 8, 24, 200};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        meet(sizes[i], 0, receiver, send_one);
        meet(sizes[i], 600, receiver, send_one);
        meet(sizes[i], 600, sender, receive_one);
    }
    return NULL;
}

/* The shallowest: a word, straight in the body. */
static void *word_receiver(void *arg)
{
    uint64_t value = 0, sum = 0;

    while (!coro_chan_recv(arg, &value))
        sum += value;
    return (void *)(uintptr_t)sum;
}

IN_FLOWS(copied, shallow_flows_are_packed_into_their_slots)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    struct coro_handle handle[FLOWS];
    uint64_t sum = 0;

    for (size_t i = 0; i < FLOWS; i++)
        handle[i] = spawn_copied(word_receiver, chan);
    for (size_t i = 0; i < FLOWS; i++)
        UNTIL_PARKED(handle[i]);
#if defined(__riscv) /* the frames differ in more words than a slot keeps */
    cr_skip_test("on riscv64 shallow flows need an image");
#endif
    for (size_t i = 0; i < FLOWS && coro_copied_works(); i++)
        cr_expect_neq((uintptr_t)handle[i].flow->context.fp, 1, "flow %zu has an image", i);
    for (uint64_t i = 0; i < 10 * FLOWS; i++) {
        coro_chan_send(chan, &i);
        if (i % 7 == 0)
            coro_yield();
        sum += i;
    }
    coro_chan_close(chan);
    for (size_t i = 0; i < FLOWS; i++) {
        void *result = NULL;

        cr_expect_eq(coro_join(handle[i], &result), 0);
        sum -= (uintptr_t)result;
    }
    cr_expect_eq(sum, 0, "every value arrived once");
    coro_chan_free(chan);
    return NULL;
}

/* ---- every way of waiting -------------------------------------------------------------- */

static void *yielder(void *arg)
{
    uint64_t local = (uintptr_t)arg, *at = &local;

    for (int i = 0; i < 100; i++) {
        coro_yield();
        __asm__ volatile("" : "+r"(at)); /* no compiler knows that it is still the same */
        if (at != &local || *at != (uintptr_t)arg + (unsigned)i)
            return NULL;
        ++*at;
    }
    return (void *)(uintptr_t)local;
}

IN_FLOWS(copied, frames_and_their_addresses_survive_yields)
{
    struct coro_handle handle[FLOWS];

    for (size_t i = 0; i < FLOWS; i++)
        handle[i] = spawn_copied(yielder, (void *)(1000 * i));
    for (size_t i = 0; i < FLOWS; i++) {
        void *result = NULL;

        cr_expect_eq(coro_join(handle[i], &result), 0);
        cr_expect_eq((uintptr_t)result, 1000 * i + 100);
    }
    return NULL;
}

struct several {
    struct coro_chan *chan[3];
    struct coro_mutex mutex;
    struct coro_semaphore semaphore;
    struct coro_wait_group group;
    uint64_t counter;
};

static int select_one(void *arg)
{
    struct several *s = arg;
    uint64_t value[2] = {0, 0}, sent = 7;
    struct coro_case cases[] = {
        {.chan = s->chan[0], .kind = CORO_RECV, .element = &value[0]},
        {.chan = s->chan[1], .kind = CORO_RECV, .element = &value[1]},
        {.chan = s->chan[2], .kind = CORO_SEND, .element = &sent},
    };
    int index = coro_select(cases, 3);

    if (index < 0 || cases[index].result)
        return -1;
    return (int)(index == 2 ? sent : value[index]);
}

static void *selecter(void *arg)
{
    uint64_t sum = 0;

    for (int i = 0; i < 30; i++) {
        int got = deep(i % 5 * 100, (uint64_t)i, select_one, arg);

        if (got < 0)
            return NULL;
        sum += (unsigned)got;
    }
    return (void *)(uintptr_t)sum;
}

IN_FLOWS(copied, a_select_waits_at_several_channels)
{
    struct several s = {.chan = {coro_chan_new(8, 0), coro_chan_new(8, 0), coro_chan_new(8, 0)}};
    struct coro_handle handle[8];
    uint64_t sum = 0, value;

    for (size_t i = 0; i < 8; i++)
        handle[i] = spawn_copied(selecter, &s);
    for (uint64_t i = 0; i < 8 * 30; i++) {
        if (i % 3 < 2) {
            value = i;
            cr_expect_eq(coro_chan_send(s.chan[i % 3], &value), 0);
        } else {
            cr_expect_eq(coro_chan_recv(s.chan[2], &value), 0);
            cr_expect_eq(value, 7);
        }
        sum += value;
    }
    for (size_t i = 0; i < 8; i++) {
        void *result = NULL;

        cr_expect_eq(coro_join(handle[i], &result), 0);
        sum -= (uintptr_t)result;
    }
    cr_expect_eq(sum, 0, "every value arrived once");
    for (int i = 0; i < 3; i++)
        coro_chan_free(s.chan[i]);
    return NULL;
}

static void *waiter_of_all_kinds(void *arg)
{
    struct several *s = arg;
    uint64_t value = 0;

    for (int i = 0; i < 20; i++) {
        if (coro_mutex_lock(&s->mutex))
            return NULL;
        value = s->counter;
        coro_yield();
        s->counter = value + 1;
        coro_mutex_unlock(&s->mutex);
        if (coro_semaphore_acquire(&s->semaphore))
            return NULL;
        coro_sleep_ns(1000);
        coro_semaphore_release(&s->semaphore);
        if (coro_chan_recv_until(s->chan[0], &value, coro_now_ns() + 1000) != -ETIMEDOUT)
            return NULL;
    }
    coro_wait_group_done(&s->group);
    return coro_wait_group_wait(&s->group) ? NULL : (void *)1;
}

IN_FLOWS(copied, every_kind_of_waiting)
{
    struct several s = {.chan = {coro_chan_new(8, 0)}};
    struct coro_handle handle[16];

    coro_mutex_init(&s.mutex);
    coro_semaphore_init(&s.semaphore, 2);
    coro_wait_group_init(&s.group);
    coro_wait_group_add(&s.group, 16);
    for (size_t i = 0; i < 16; i++)
        handle[i] = spawn_copied(waiter_of_all_kinds, &s);
    for (size_t i = 0; i < 16; i++) {
        void *result = NULL;

        cr_expect_eq(coro_join(handle[i], &result), 0);
        cr_expect_eq((uintptr_t)result, 1);
    }
    cr_expect_eq(s.counter, 16 * 20);
    coro_chan_free(s.chan[0]);
    return NULL;
}

/* A copied flow waits for copied flows: results are written into frames that are away. */
static void *tree(void *arg)
{
    uintptr_t left = (uintptr_t)arg;
    void *one = NULL, *other = NULL;
    struct coro_handle a, b;

    if (left == 0)
        return (void *)1;
    a = coro_spawn_with(&copied, tree, (void *)(left - 1));
    b = coro_spawn_with(&copied, tree, (void *)(left - 1));
    if (!a.flow || !b.flow || coro_join(a, &one) || coro_join(b, &other))
        return NULL;
    return (void *)((uintptr_t)one + (uintptr_t)other);
}

IN_FLOWS(copied, a_tree_of_joins)
{
    void *result = NULL;

    cr_expect_eq(coro_join(spawn_copied(tree, (void *)8), &result), 0);
    cr_expect_eq((uintptr_t)result, 256);
    return NULL;
}

static void *until_cancelled(void *arg)
{
    uint64_t value;
    int error;

    if ((uintptr_t)arg % 3 == 0)
        error = coro_chan_recv(NULL, &value); /* for ever: a list of its own, in its frames */
    else if ((uintptr_t)arg % 3 == 1)
        error = coro_sleep_ns(UINT64_C(1) << 50);
    else
        error = coro_select(NULL, 0);
    if ((uintptr_t)arg % 2)
        coro_exit((void *)(intptr_t)error);
    return (void *)(intptr_t)error;
}

IN_FLOWS(copied, cancelled_wherever_they_wait)
{
    struct coro_handle handle[FLOWS];

    for (size_t i = 0; i < FLOWS; i++)
        handle[i] = spawn_copied(until_cancelled, (void *)i);
    for (size_t i = 0; i < FLOWS; i++)
        UNTIL_PARKED(handle[i]);
    for (size_t i = 0; i < FLOWS; i++)
        cr_expect_eq(coro_cancel(handle[i]), 0);
    for (size_t i = 0; i < FLOWS; i++) {
        void *result = NULL;

        cr_expect_eq(coro_join(handle[i], &result), 0);
        cr_expect_eq((intptr_t)result, -ECANCELED);
    }
    return NULL;
}

static void *says_where(void *arg)
{
    uintptr_t *where = arg;

    where[1] = coro_worker_index();
    where[0] = (uintptr_t)__builtin_frame_address(0);
    coro_yield();
    return NULL;
}

/* Pinned elsewhere, it is at home there; else where it was spawned. */
IN_FLOWS(copied, each_worker_has_one_stack_for_all_its_copied_flows)
{
    uintptr_t where[8][2] = {{0}};
    struct coro_handle handle[8];

    for (unsigned i = 0; i < 8; i++) {
        const struct coro_spawn_options options = {
            .policy = CORO_STACK_COPIED, .pinned = true, .worker = i % coro_workers()};

        handle[i] = coro_spawn_with(&options, says_where, where[i]);
    }
    for (unsigned i = 0; i < 8; i++)
        cr_expect_eq(coro_join(handle[i], NULL), 0);
    for (unsigned i = 0; i < 8; i++) {
        cr_expect_eq(where[i][1], i % coro_workers());
        if (coro_copied_works())
            cr_expect_eq(where[i][0], where[i % coro_workers()][0]);
    }
    return NULL;
}

/* ---- refusals, faults, leaks ------------------------------------------------------------ */

static void *nothing(void *arg)
{
    return arg;
}

IN_FLOWS(copied, more_than_the_shared_stack_is_refused)
{
    const struct coro_spawn_options large = {.policy = CORO_STACK_COPIED,
                                             .stack_bytes = (size_t)1 << 40};

    cr_expect_null(coro_spawn_with(&large, nothing, NULL).flow);
    return NULL;
}

static int receive_for_ever(void *arg)
{
    uint64_t value;

    return coro_chan_recv(arg, &value);
}

static void *deep_for_ever(void *arg)
{
    return (void *)(intptr_t)deep(2000, 1, receive_for_ever, arg);
}

static void *left_behind(void *arg)
{
    for (int i = 0; i < 100; i++)
        coro_spawn_with(&copied, deep_for_ever, arg);
    return NULL;
}

/* Images too: the run that was here before has paid for what the C library keeps. */
Test(copied, a_deadlock_leaks_nothing)
{
    const struct coro_options options = {.workers = 1, .quiet = true};
    size_t before = 0, after;

    for (int i = 0; i < 3; i++) {
        struct coro_chan *chan;

        before = mallinfo2().uordblks;
        chan = coro_chan_new(8, 0);
        cr_expect_eq(coro_run(&options, left_behind, chan), -EDEADLK);
        coro_chan_free(chan); /* though a flow waited for it to the end */
    }
    after = mallinfo2().uordblks;
    cr_expect_leq(after, before + 1000, "%zu bytes more", after - before);
}

#if !CORO_ANNOTATED
static uint64_t endless(volatile uint64_t *depth)
{
    volatile uint64_t frame[32];

    frame[*depth % 32] = ++*depth;
    return *depth ? endless(depth) + frame[*depth % 32] : 0;
}

static void *overflow(void *arg)
{
    volatile uint64_t depth = (uintptr_t)arg + 1;

    return (void *)(uintptr_t)endless(&depth);
}

static void *spawn_overflow(void *arg)
{
    coro_join(coro_spawn_with(&copied, overflow, arg), NULL);
    return NULL;
}

static void run_overflow(void *arg)
{
    coro_run(&(struct coro_options){.workers = 1}, spawn_overflow, arg);
}

Test(copied, an_overflow_of_the_shared_stack_is_named)
{
    struct child child = run_child(run_overflow, NULL);

    cr_expect_eq(child.signal, SIGABRT, "signal %d", child.signal);
    cr_expect_not_null(strstr(child.text, "stack overflow: flow"), "%s", child.text);
}
#endif
