/* SPDX-License-Identifier: MIT
 *
 * switch.c: the `switch` experiment with Boost.Context's jump_fcontext, the switch beneath
 * its fibers and coroutines; a program of its own.
 *
 * The ping-pong is that of bench/switch_sites.h, in the form that jump_fcontext wants. A
 * suspended flow is known by a handle that changes with each switch, and each switch says the
 * handle of who resumed. At `same` and `deep-same` a flow hands its peer's along in a register;
 * at `diff` and `deep-diff` it is kept in static memory that both flows have folded in, as
 * the other subjects keep theirs.
 *
 * Counting is as there: a flow takes one off its own quota after each switch that came back;
 * pong is made afresh in each run and leaves for good when its quota is spent, for which ping
 * switches once more, uncounted, when the number of ops is even.
 */
#include "bench.h"
#include "fcontext.h"

#include <errno.h>
#include <sys/mman.h>

enum { STACK_BYTES = 64 * 1024 };

struct flow {
    fcontext_t context;
    uint64_t left;
} __attribute__((aligned(64)));

static struct flow ping, pong;

#if defined(__has_attribute) && __has_attribute(noclone)
#define FRAME __attribute__((noinline, noclone, optimize("align-loops=1")))
#else
#define FRAME __attribute__((noinline))
#endif
#define KEEP_FRAME __asm__ volatile("" ::: "memory")
/* The second flow's 8 bytes further, as in bench/switch.h, which says why. */
#define ALIGN_LOOP   __asm__ volatile(".p2align 6")
#define ALIGN_SECOND __asm__ volatile(".p2align 6\n\t.skip 8, 0x90")

/* ---------------------------------------------------------------- same, deep-same */

/* Each returns the peer's handle after one switch to `peer` and back. */
static FRAME fcontext_t same_1(fcontext_t peer)
{
    peer = jump_fcontext(peer, NULL).from;
    KEEP_FRAME;
    return peer;
}

#define SAME_LINK(name, callee) \
    static FRAME fcontext_t name(fcontext_t peer) \
    { \
        peer = callee(peer); \
        KEEP_FRAME; \
        return peer; \
    }
SAME_LINK(same_2, same_1)
SAME_LINK(same_3, same_2)
SAME_LINK(same_4, same_3)
SAME_LINK(same_5, same_4)

static FRAME fcontext_t same_loop(struct flow *self, fcontext_t peer)
{
    ALIGN_LOOP;
    while (self->left) {
        peer = jump_fcontext(peer, NULL).from;
        self->left--;
    }
    return peer;
}

static FRAME fcontext_t deep_same_loop(struct flow *self, fcontext_t peer)
{
    ALIGN_LOOP;
    while (self->left) {
        peer = same_5(peer);
        self->left--;
    }
    return peer;
}

/* ---------------------------------------------------------------- diff, deep-diff */

#define HOP(peer) (peer).context = jump_fcontext((peer).context, NULL).from

#define DIFF_LINK(name, callee) \
    static FRAME void name(void) \
    { \
        callee(); \
        KEEP_FRAME; \
    }

#define DIFF(name, align, self, peer) \
    static FRAME void name##_loop(void) \
    { \
        if (!(self).left) \
            return; \
        align; \
        do { \
            HOP(peer); \
            (self).left--; \
        } while ((self).left); \
    } \
    static FRAME void name##_1(void) \
    { \
        HOP(peer); \
        KEEP_FRAME; \
    } \
    DIFF_LINK(name##_2, name##_1) \
    DIFF_LINK(name##_3, name##_2) \
    DIFF_LINK(name##_4, name##_3) \
    DIFF_LINK(name##_5, name##_4) \
    static FRAME void name##_deep_loop(void) \
    { \
        if (!(self).left) \
            return; \
        align; \
        do { \
            name##_5(); \
            (self).left--; \
        } while ((self).left); \
    }
DIFF(ping, ALIGN_LOOP, ping, pong)
DIFF(pong, ALIGN_SECOND, pong, ping)

/* ----------------------------------------------------------------------- the runs */

static void begin(struct bench_trial *t, uint64_t ops, void (*entry)(struct fcontext_transfer))
{
    char *stack = bench_state(t);
    ping.left = ops - ops / 2;
    pong.left = ops / 2;
    pong.context = make_fcontext(stack + STACK_BYTES, STACK_BYTES, entry);
}

static uint64_t end(uint64_t ops)
{
    if (ops % 2 == 0)
        jump_fcontext(pong.context, NULL);
    return ops - ping.left - pong.left;
}

#define SAME_RUN(name, loop) \
    static void name##_entry(struct fcontext_transfer by) \
    { \
        jump_fcontext(loop(&pong, by.from), NULL); \
        __builtin_unreachable(); \
    } \
    static uint64_t name##_run(struct bench_trial *t, uint64_t ops) \
    { \
        begin(t, ops, name##_entry); \
        pong.context = loop(&ping, pong.context); \
        return end(ops); \
    }
SAME_RUN(same, same_loop)
SAME_RUN(deep_same, deep_same_loop)

#define DIFF_RUN(name, ping_loop, pong_loop) \
    static void name##_entry(struct fcontext_transfer by) \
    { \
        ping.context = by.from; \
        pong_loop(); \
        jump_fcontext(ping.context, NULL); \
        __builtin_unreachable(); \
    } \
    static uint64_t name##_run(struct bench_trial *t, uint64_t ops) \
    { \
        begin(t, ops, name##_entry); \
        ping_loop(); \
        return end(ops); \
    }
DIFF_RUN(diff, ping_loop, pong_loop)
DIFF_RUN(deep_diff, ping_deep_loop, pong_deep_loop)

static int setup(struct bench_trial *t)
{
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return -errno;
    bench_set_state(t, stack);
    return 0;
}

static void teardown(struct bench_trial *t)
{
    if (bench_state(t))
        munmap(bench_state(t), STACK_BYTES);
}

/* Counted in 1.74's disassembly: six registers, SP and PC, MXCSR (4) and x87 CW (2). */
static const struct bench_contract contract = {
    .saves = "sp pc bp rbx r12-r15 mxcsr x87cw", .bytes_saved = 70, .fp_control = true,
    .stack = "its own, fixed size", .growth = "none", .preemption = "none",
    .threads = "one (it has no scheduler)", .cancellation = "none"};

#define CASE(site, run_function, smallest_profile) \
    { \
        .experiment = "switch", .subject = "boost-fcontext", .params = "site=" site, \
        .op = "one-way switch", .places = BENCH_AT(BENCH_SAME_CPU), \
        .profile = smallest_profile, .contract = &contract, .kernel_switches_max = 0.01, \
        .setup = setup, .run = run_function, .teardown = teardown, \
    }

static const struct bench_case cases[] = {
    CASE("same", same_run, BENCH_QUICK),
    CASE("diff", diff_run, BENCH_QUICK),
    CASE("deep-same", deep_same_run, BENCH_DEFAULT),
    CASE("deep-diff", deep_diff_run, BENCH_DEFAULT),
};

int main(int argc, char **argv)
{
    const struct bench_experiment experiments[] = {
        {"switch", "what does Boost.Context's jump_fcontext cost?", cases,
         sizeof cases / sizeof *cases},
    };
    return bench_main(argc, argv, experiments, 1);
}
