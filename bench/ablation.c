/* SPDX-License-Identifier: MIT
 *
 * ablation.c: is a switch cheap because it saves few registers?
 *
 * Two questions. The first: one switch whose contract grows step by step, from SP and PC to
 * all that a thread has (ablation/coro/contract=...): cost against bytes saved. It is
 * assembly throughout, ablation.S. Up to xmm16 each contract holds the one before; XSAVE
 * takes the place of MXCSR, x87 and XMM; fsbase and sigmask are each xsave-clean and that
 * one thing more. gpr16-no-fpctl is beside the row: with gpr16 and fpctl it tells the price of a
 * register from that of loading the control words.
 */
#include "ablation.h"
#include "experiments.h"
#include "switch.h"
#include "switch_contract.h"

/* ------------------------------------------------------- what a contract costs */

#if defined(__x86_64__)

enum { XMM_WORDS = 32, CALLEE_SAVED = 6, GPR_BUT_SP = 15 };

static int contract_setup(struct bench_trial *t)
{
    struct ablation *a = (struct ablation *)bench_case_of(t)->arg;
    const char *lacks = ablation_lacks(a);
    if (lacks)
        return bench_skip(t, "%s", lacks);
    if (a->area != ABLATION_STACK) {
        int words = GPR_BUT_SP + 2 + a->fs_base + a->contract.signal_mask;
        int area_bytes = ablation_area_bytes(a);
        a->contract.bytes_saved = words * 8 + area_bytes;
        bench_note(t, "xsave_bytes", "%d", area_bytes);
        bench_note(t, "widest_vector_bits", "%d", ablation_widest);
    }
    return switch_stack_setup(t);
}

static uint64_t contract_run(struct bench_trial *t, uint64_t ops)
{
    const struct ablation *a = bench_case_of(t)->arg;
    const struct switch_stacks *stacks = bench_state(t);
    ablation_ping.left = ops - ops / 2;
    ablation_pong.left = ops / 2;
    ablation_prepare(&ablation_pong, a, &stacks->pong, a->pong);
    a->ping(ops % 2 == 0);
    return ops - ablation_ping.left - ablation_pong.left;
}

#define CONTRACT(name, ...) \
    void ablation_##name##_ping(long again); \
    extern const char ablation_##name##_pong[] HIDDEN; \
    static struct ablation name = { \
        .ping = ablation_##name##_ping, .pong = ablation_##name##_pong, \
        __VA_ARGS__}

CONTRACT(sp_pc, .contract = {.saves = "sp pc", .bytes_saved = 16});
CONTRACT(bp, .contract = {.saves = "sp pc bp", .bytes_saved = 24}, .frame_words = 1);
CONTRACT(callee_saved, .contract = {.saves = "sp pc bp rbx r12-r15", .bytes_saved = 64},
         .frame_words = CALLEE_SAVED);
#define FP_CONTROL .fp_control = true
CONTRACT(fpctl, .frame_words = CALLEE_SAVED + 1, .fpctl_word = 0,
         .contract = {.saves = "sp pc bp rbx r12-r15 mxcsr x87cw", .bytes_saved = 70,
                      FP_CONTROL});
CONTRACT(gpr16, .frame_words = GPR_BUT_SP + 1, .fpctl_word = 0,
         .contract = {.saves = "pc 16gpr mxcsr x87cw", .bytes_saved = 142, FP_CONTROL});
CONTRACT(gpr16_alone, .frame_words = GPR_BUT_SP,
         .contract = {.saves = "pc 16gpr", .bytes_saved = 136});
CONTRACT(xmm16, .frame_words = XMM_WORDS + GPR_BUT_SP + 1, .fpctl_word = XMM_WORDS,
         .contract = {.saves = "pc 16gpr mxcsr x87cw xmm0-15", .bytes_saved = 398,
                      FP_CONTROL});

/* bytes_saved: 136 for PC and registers, and what XSAVE writes, which setup() adds. */
#define WITH_XSAVE(what) \
    {.saves = "pc 16gpr " what, .bytes_saved = -1, FP_CONTROL}
CONTRACT(xsave, .frame_words = GPR_BUT_SP, .area = ABLATION_XSAVE,
         .contract = WITH_XSAVE("xsave(wide vectors clean)"));
CONTRACT(xsave_dirty, .frame_words = GPR_BUT_SP, .area = ABLATION_XSAVE, .dirty = true,
         .contract = WITH_XSAVE("xsave(wide vectors dirty)"));
CONTRACT(xsavec, .frame_words = GPR_BUT_SP, .area = ABLATION_XSAVEC,
         .contract = WITH_XSAVE("xsavec(wide vectors clean)"));
CONTRACT(xsavec_dirty, .frame_words = GPR_BUT_SP, .area = ABLATION_XSAVEC, .dirty = true,
         .contract = WITH_XSAVE("xsavec(wide vectors dirty)"));
CONTRACT(fs_base, .frame_words = GPR_BUT_SP, .area = ABLATION_XSAVE, .fs_base = true,
         .contract = {.saves = "pc 16gpr xsave(wide vectors clean) fsbase",
                      .bytes_saved = -1, FP_CONTROL, .tls_base = true});
CONTRACT(signal_mask, .frame_words = GPR_BUT_SP, .area = ABLATION_XSAVE,
         .contract = {.saves = "pc 16gpr xsave(wide vectors clean) sigmask",
                      .bytes_saved = -1, FP_CONTROL, .signal_mask = true,
                      .kernel_entry = true});

#define CONTRACT_CASE(contract_name, name) \
    { \
        .experiment = "ablation", .subject = "coro", .params = "contract=" contract_name, \
        .op = "one-way switch", .places = BENCH_AT(BENCH_SAME_CPU), \
        .profile = BENCH_DEFAULT, .contract = &(name).contract, \
        .kernel_switches_max = 0.01, .setup = contract_setup, .run = contract_run, \
        .teardown = switch_stack_teardown, .arg = &(name), \
    }

#endif

/* ------------------------------------------------ what live values cost the caller */

struct live_flow {
    struct coro_context context;
    uint64_t left;
} __attribute__((aligned(64)));

static struct live_flow live_ping, live_pong;

typedef void live_switch(struct coro_context *from, struct coro_context *to);

/* In a register here, and not what it was. */
#define CHANGE(value) __asm__ volatile("" : "+r"(value))

/* k values live across every switch: each is in a register before and after it. */
static inline __attribute__((always_inline)) void
live_loop(live_switch *switch_to, int k, struct live_flow *self, struct live_flow *peer)
{
    uint64_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0;
    if (!self->left)
        return;
    if (self == &live_ping)
        SWITCH_ALIGN;
    else
        SWITCH_ALIGN_SECOND;
    do {
        switch_to(&self->context, &peer->context);
        self->left--;
        if (k > 0)
            CHANGE(a);
        if (k > 1)
            CHANGE(b);
        if (k > 2)
            CHANGE(c);
        if (k > 3)
            CHANGE(d);
        if (k > 4)
            CHANGE(e);
        if (k > 5)
            CHANGE(f);
    } while (self->left);
}

static uint64_t live_run(struct bench_trial *t, uint64_t ops, coro_entry_fn *pong,
                         void (*ping)(void))
{
    const struct switch_stacks *stacks = bench_state(t);
    live_ping.left = ops - ops / 2;
    live_pong.left = ops / 2;
    coro_context_make(&live_pong.context, &stacks->pong, pong, NULL);
    ping();
    if (ops % 2 == 0)
        coro_switch(&live_ping.context, &live_pong.context);
    return ops - live_ping.left - live_pong.left;
}

#define LIVE(prefix, switch_to, k) \
    static SWITCH_FRAME void prefix##_ping_##k(void) \
    { \
        live_loop(switch_to, k, &live_ping, &live_pong); \
    } \
    static SWITCH_FRAME struct coro_context *prefix##_pong_##k(void *arg) \
    { \
        live_loop(switch_to, k, &live_pong, &live_ping); \
        return &live_ping.context; \
    } \
    static uint64_t prefix##_live_##k(struct bench_trial *t, uint64_t ops) \
    { \
        return live_run(t, ops, prefix##_pong_##k, prefix##_ping_##k); \
    }
#define LIVE_0_TO_6(prefix, switch_to) \
    LIVE(prefix, switch_to, 0) \
    LIVE(prefix, switch_to, 1) \
    LIVE(prefix, switch_to, 2) \
    LIVE(prefix, switch_to, 3) \
    LIVE(prefix, switch_to, 4) \
    LIVE(prefix, switch_to, 5) \
    LIVE(prefix, switch_to, 6)

/* By its name, as a caller writes it. */
static inline __attribute__((always_inline)) void abi_switch(struct coro_context *from,
                                                             struct coro_context *to)
{
    coro_switch(from, to);
}

LIVE_0_TO_6(inline, coro_switch_inline)
LIVE_0_TO_6(abi, abi_switch)

#define LIVE_CASE(subject_name, subject_contract, smallest_profile, k, run_function) \
    { \
        .experiment = "ablation", .subject = subject_name, .params = "live=" #k, \
        .op = "one-way switch", .places = BENCH_AT(BENCH_SAME_CPU), \
        .profile = smallest_profile, .contract = &subject_contract, \
        .kernel_switches_max = 0.01, .setup = switch_stack_setup, .run = run_function, \
        .teardown = switch_stack_teardown, \
    }
#define LIVE_CASES(name, contract, profile, prefix) \
    LIVE_CASE(name, contract, profile, 0, prefix##_live_0), \
        LIVE_CASE(name, contract, profile, 1, prefix##_live_1), \
        LIVE_CASE(name, contract, profile, 2, prefix##_live_2), \
        LIVE_CASE(name, contract, profile, 3, prefix##_live_3), \
        LIVE_CASE(name, contract, profile, 4, prefix##_live_4), \
        LIVE_CASE(name, contract, profile, 5, prefix##_live_5), \
        LIVE_CASE(name, contract, profile, 6, prefix##_live_6)

const struct bench_case ablation_cases[] = {
#if defined(__x86_64__)
    CONTRACT_CASE("sp-pc", sp_pc),
    CONTRACT_CASE("bp", bp),
    CONTRACT_CASE("callee-saved", callee_saved),
    CONTRACT_CASE("fpctl", fpctl),
    CONTRACT_CASE("gpr16", gpr16),
    CONTRACT_CASE("gpr16-no-fpctl", gpr16_alone),
    CONTRACT_CASE("xmm16", xmm16),
    CONTRACT_CASE("xsave-clean", xsave),
    CONTRACT_CASE("xsave-dirty", xsave_dirty),
    CONTRACT_CASE("xsavec-clean", xsavec),
    CONTRACT_CASE("xsavec-dirty", xsavec_dirty),
    CONTRACT_CASE("fsbase", fs_base),
    CONTRACT_CASE("sigmask", signal_mask),
#endif
    LIVE_CASES("coro-inline", contract_inline, BENCH_DEFAULT, inline),
    LIVE_CASES("coro-abi", contract_abi, BENCH_FULL, abi),
};
const size_t ablation_case_count = sizeof ablation_cases / sizeof *ablation_cases;
