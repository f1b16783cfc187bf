/* SPDX-License-Identifier: MIT
 *
 * dump.c: the deadlock report and coro_dump() name flows, states and places.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

#include "child.h"

void *receives(void *arg);
int receive_deep(struct coro_chan *chan, unsigned depth);

static int (*volatile deeper)(struct coro_chan *chan, unsigned depth) = receive_deep;

/* As it says, whatever the compiler knows of inlining, cloning and tail calls. */
int receive_deep(struct coro_chan *chan, unsigned depth)
{
    uint64_t value;
    int result = depth ? deeper(chan, depth - 1) : coro_chan_recv(chan, &value);

    __asm__ volatile("");
    return result;
}

void *receives(void *arg)
{
    int result = deeper(arg, 3);

    __asm__ volatile("");
    return (void *)(intptr_t)result;
}

static void *nothing(void *arg)
{
    return arg;
}

static struct coro_handle named(const char *name, coro_body *body, void *arg)
{
    const struct coro_spawn_options options = {.name = name};

    return coro_spawn_with(&options, body, arg);
}

static void *deadlocks(void *arg)
{
    struct coro_chan *chan = coro_chan_new(8, 0);

    named("reader", receives, chan);
    coro_join(named("joiner's", receives, NULL), NULL);
    return NULL;
}

static void die_of_deadlock(void *arg)
{
    const struct coro_options options = {.workers = *(unsigned *)arg};

    _exit(coro_run(&options, deadlocks, NULL) == -EDEADLK ? 7 : 1);
}

Test(dump, deadlock_report_lists_flows_and_places, .timeout = 60)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct child child = run_child(die_of_deadlock, &workers);

        cr_expect_eq(child.code, 7);
        cr_expect_not_null(strstr(child.text, "deadlock"), "%s", child.text);
        cr_expect_not_null(strstr(child.text, "reader"), "%s", child.text);
        cr_expect_not_null(strstr(child.text, "receiving from a channel"), "%s", child.text);
        cr_expect_not_null(strstr(child.text, "receiving from a nil channel"), "%s",
                           child.text);
        cr_expect_not_null(strstr(child.text, "main, stack 0: joining a flow"), "%s",
                           child.text);
    }
}

#ifdef CORO_ARCH_FLOW_START
enum { FIRST_FRAMES = 1 }; /* with which each flow begins */
#else
enum { FIRST_FRAMES = 2 + (CORO_ANNOTATED ? 1 : 0) };
#endif

/* After the line at `from` come these frames, and those. */
static void expect_frames(const char *from, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char start[80];

        from = from ? strstr(from, "\n") : NULL;
        from = from ? from + 1 : NULL;
        snprintf(start, sizeof start, "      #%u %s+0x", i, names[i]);
        cr_expect(from && strncmp(from, start, strlen(start)) == 0, "%s, not: %s", start,
                  from);
    }
    for (unsigned i = 0; i <= FIRST_FRAMES; i++) {
        from = from ? strstr(from + 1, "\n") : NULL;
        cr_expect_eq(from && strncmp(from + 1, "      #", 7) == 0, i < FIRST_FRAMES, "%s",
                     from);
    }
}

static const char *const deep[] = {"receive_deep", "receive_deep", "receive_deep",
                                   "receive_deep", "receives"};

IN_FLOWS(dump, lists_every_state)
{
    struct coro_chan *chan = coro_chan_new(8, 0);
    struct coro_handle parked = named("parked", receives, chan);
    struct coro_handle ended = named("ended", nothing, NULL);
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);

    UNTIL_PARKED(parked);
    EVENTUALLY(atomic_load(&ended.flow->flags) & CORO_FLOW_DONE);
    coro_dump(file);
    fclose(file);
    cr_expect_not_null(strstr(text, "main, stack 0: running on worker"), "%s", text);
    cr_expect_not_null(strstr(text, "receiving from a channel"), "%s", text);
    expect_frames(strstr(text, "parked, stack"), deep, 5);
    cr_expect_not_null(strstr(text, "ended, not joined"), "%s", text);
    cr_expect_not_null(strstr(text, "coro: 3 flows"), "%s", text);
    free(text);
    coro_chan_close(chan);
    cr_expect_eq(coro_join(parked, NULL), 0);
    cr_expect_eq(coro_join(ended, NULL), 0);
    coro_chan_free(chan);
    return NULL;
}
