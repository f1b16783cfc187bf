/* SPDX-License-Identifier: MIT
 *
 * ablation.c: each switch under study keeps what its contract says, and no more.
 *
 * One flow fills its registers and switches away; the other fills all of them with something
 * else and switches back. What the first then finds must be its own where the contract says
 * so, and the other's where it does not: a switch that kept more would cost more than the
 * contract beside its figure explains. The probe itself is tried on switches that lose one
 * register.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ablation.h"
#include "../switch_variants.h"
#include "x86_64/probe.h"

struct probe_registers probe_mine, probe_theirs;
const char *probe_switch;
void *probe_from, *probe_to;

static const char *const gpr_names[PROBE_GPRS] = {
    "rbx", "rbp", "r12", "r13", "r14", "r15", "rax", "rcx", "rdx",
    "rsi", "rdi", "r8",  "r9",  "r10", "r11"};

/* What a contract keeps, each register of a kind. */
struct kept {
    bool bp, callee_saved, gpr, fp_control, xmm, ymm;
};

static _Alignas(64) char memory[64 * 1024];
static const struct coro_stack stack = {.low = memory, .top = memory + sizeof memory};

static void fill(struct probe_registers *registers, unsigned char byte, uint32_t mxcsr,
                 uint16_t x87cw)
{
    memset(registers, byte, sizeof *registers);
    for (int i = 0; i < PROBE_GPRS; i++)
        registers->gpr[i] += (uint64_t)i;
    for (int i = 0; i < PROBE_VECTORS; i++)
        registers->vector[i][0] = registers->vector[i][31] = (unsigned char)(byte + i);
    registers->mxcsr = mxcsr;
    registers->x87cw = x87cw;
}

/* All exceptions masked in both; they differ in rounding and precision. */
static void fill_both(void)
{
    fill(&probe_mine, 0x11, 0x1f80, 0x037f);
    fill(&probe_theirs, 0xaa, 0x3f80, 0x077f);
}

static char wrong[1024]; /* names of the registers that were not as the contract says */

static void note(const char *what, int n, const char *how)
{
    size_t used = strlen(wrong);
    if (n < 0)
        snprintf(wrong + used, sizeof wrong - used, " %s %s", what, how);
    else
        snprintf(wrong + used, sizeof wrong - used, " %s%d %s", what, n, how);
}

static void compare(const char *what, int n, bool kept, const void *after, const void *mine,
                    const void *theirs, size_t bytes)
{
    if (kept && memcmp(after, mine, bytes))
        note(what, n, "lost");
    if (!kept && memcmp(after, theirs, bytes))
        note(what, n, "kept");
}

/* rdi, rsi, rax: not told apart where the contract leaves them out, as both flows have
 * addresses of the experiment's in them. */
static bool is_argument(int gpr)
{
    return !strcmp(gpr_names[gpr], "rdi") || !strcmp(gpr_names[gpr], "rsi") ||
           !strcmp(gpr_names[gpr], "rax");
}

static bool gpr_is_kept(const struct kept *kept, int gpr)
{
    if (!strcmp(gpr_names[gpr], "rbp"))
        return kept->bp || kept->callee_saved || kept->gpr;
    return kept->gpr || (kept->callee_saved && gpr < PROBE_CALLEE_SAVED);
}

static const char *difference(const struct probe_registers *after, const struct kept *kept,
                              int gprs_told_apart)
{
    const struct probe_registers *mine = &probe_mine, *theirs = &probe_theirs;
    wrong[0] = 0;
    for (int i = 0; i < gprs_told_apart; i++)
        if (gpr_is_kept(kept, i) || !is_argument(i))
            compare(gpr_names[i], -1, gpr_is_kept(kept, i), &after->gpr[i], &mine->gpr[i],
                    &theirs->gpr[i], sizeof mine->gpr[i]);
    compare("mxcsr", -1, kept->fp_control, &after->mxcsr, &mine->mxcsr, &theirs->mxcsr, 4);
    compare("x87cw", -1, kept->fp_control, &after->x87cw, &mine->x87cw, &theirs->x87cw, 2);
    for (int i = 0; i < PROBE_VECTORS; i++) {
        compare("xmm", i, kept->xmm, after->vector[i], mine->vector[i], theirs->vector[i], 16);
        if (ablation_widest)
            compare("upper half of ymm", i, kept->ymm, after->vector[i] + 16,
                    mine->vector[i] + 16, theirs->vector[i] + 16, 16);
    }
    return wrong;
}

/* --------------------------------------------------- variants called as functions */

static const char *probe_variant(const void *function, unsigned frame_words,
                                 const struct kept *kept)
{
    struct switch_variant from, to;
    struct probe_registers after;
    const struct ablation none = {0};

    ablation_lacks(&none); /* for ablation_widest */
    fill_both();
    switch_variant_prepare(&to, &stack, (void (*)(void))probe_call_peer, frame_words);
    probe_switch = function;
    probe_from = &from;
    probe_to = &to;
    probe_by_call(&after);
    return difference(&after, kept, PROBE_CALLEE_SAVED); /* the rest is free to change */
}

#define EXPECT_RIGHT(said) cr_expect_str_eq(said, "", "%s", said)

Test(variants, keep_the_callee_saved)
{
    const struct kept six = {.callee_saved = true};
    EXPECT_RIGHT(probe_variant(switch_variant_ret, SWITCH_FRAME_WORDS, &six));
    EXPECT_RIGHT(probe_variant(switch_variant_jmp, SWITCH_FRAME_WORDS, &six));
}

Test(variants, keep_the_floating_point_control)
{
    const struct kept more = {.callee_saved = true, .fp_control = true};
    unsigned words = SWITCH_FRAME_WORDS_FPCTL;
    EXPECT_RIGHT(probe_variant(switch_variant_ret_fpctl, words, &more));
    EXPECT_RIGHT(probe_variant(switch_variant_jmp_fpctl, words, &more));
}

Test(probe, names_what_a_faulty_switch_loses)
{
    const struct kept more = {.callee_saved = true, .fp_control = true};
    unsigned words = SWITCH_FRAME_WORDS_FPCTL;
    cr_expect_str_eq(probe_variant(probe_faulty_rbx, words, &more), " rbx lost");
    cr_expect_str_eq(probe_variant(probe_faulty_r13, words, &more), " r13 lost");
    cr_expect_str_eq(probe_variant(probe_faulty_mxcsr, words, &more), " mxcsr lost");
}

Test(probe, names_what_a_switch_keeps_unasked)
{
    const struct kept five = {.bp = true, .fp_control = true};
    cr_expect_str_eq(
        probe_variant(switch_variant_ret_fpctl, SWITCH_FRAME_WORDS_FPCTL, &five),
        " rbx kept r12 kept r13 kept r14 kept r15 kept");
}

/* ------------------------------------------------------------- ablation's contracts */

#define BODY(name) extern const char ablation_##name##_body[] HIDDEN;
BODY(sp_pc) BODY(bp) BODY(callee_saved) BODY(fpctl) BODY(gpr16) BODY(gpr16_alone) BODY(xmm16)
BODY(xsave) BODY(xsavec) BODY(fs_base) BODY(signal_mask)

/* A contract by the same name as its body. */
static const struct contract_case {
    const char *name, *body;
    struct ablation how;
    struct kept kept;
} contracts[] = {
    {"sp-pc", ablation_sp_pc_body, {.frame_words = 0}, {0}},
    {"bp", ablation_bp_body, {.frame_words = 1}, {.bp = true}},
    {"callee-saved", ablation_callee_saved_body, {.frame_words = 6}, {.callee_saved = true}},
    {"fpctl", ablation_fpctl_body, {.frame_words = 7, .contract = {.fp_control = true}},
     {.callee_saved = true, .fp_control = true}},
    {"gpr16", ablation_gpr16_body, {.frame_words = 16, .contract = {.fp_control = true}},
     {.gpr = true, .fp_control = true}},
    {"gpr16-no-fpctl", ablation_gpr16_alone_body, {.frame_words = 15}, {.gpr = true}},
    {"xmm16", ablation_xmm16_body,
     {.frame_words = 48, .fpctl_word = 32, .contract = {.fp_control = true}},
     {.gpr = true, .fp_control = true, .xmm = true}},
    {"xsave", ablation_xsave_body, {.frame_words = 15, .area = ABLATION_XSAVE},
     {.gpr = true, .fp_control = true, .xmm = true, .ymm = true}},
    {"xsavec", ablation_xsavec_body, {.frame_words = 15, .area = ABLATION_XSAVEC},
     {.gpr = true, .fp_control = true, .xmm = true, .ymm = true}},
    {"fsbase", ablation_fs_base_body,
     {.frame_words = 15, .area = ABLATION_XSAVE, .fs_base = true},
     {.gpr = true, .fp_control = true, .xmm = true, .ymm = true}},
    {"sigmask", ablation_signal_mask_body,
     {.frame_words = 15, .area = ABLATION_XSAVE, .contract = {.signal_mask = true}},
     {.gpr = true, .fp_control = true, .xmm = true, .ymm = true}},
};

static const char *probe_contract(const struct contract_case *c)
{
    struct probe_registers after;

    fill_both();
    ablation_prepare(&ablation_pong, &c->how, &stack, probe_jump_peer);
    probe_switch = c->body;
    probe_from = &ablation_ping;
    probe_to = &ablation_pong;
    /* What these hold as it switches, whatever was filled in. */
    probe_mine.gpr[6] = (uintptr_t)probe_jump_resumed;
    probe_mine.gpr[9] = (uintptr_t)probe_to;
    probe_mine.gpr[10] = (uintptr_t)probe_from;
    probe_by_jump(&after);
    /* XSAVE's mask is in rax and rdx, FS base in rcx: lost where they are not kept. */
    return difference(&after, &c->kept, PROBE_GPRS);
}

Test(contracts, keep_what_they_say_and_no_more)
{
    for (size_t i = 0; i < sizeof contracts / sizeof *contracts; i++) {
        const char *lacks = ablation_lacks(&contracts[i].how);
        if (lacks) {
            fprintf(stderr, "contract=%s skipped: %s\n", contracts[i].name, lacks);
            continue;
        }
        const char *said = probe_contract(&contracts[i]);
        cr_expect_str_eq(said, "", "contract=%s:%s", contracts[i].name, said);
    }
}

static const struct contract_case *contract_named(const char *name)
{
    for (size_t i = 0; i < sizeof contracts / sizeof *contracts; i++)
        if (!strcmp(contracts[i].name, name))
            return &contracts[i];
    cr_assert_fail("no contract %s", name);
    return NULL;
}

/* The other flow runs with another FS base and signal mask; both are then kept for it. */
Test(contracts, fsbase_keeps_both_flows_own)
{
    const struct contract_case *c = contract_named("fsbase");
    if (ablation_lacks(&c->how))
        cr_skip_test("%s", ablation_lacks(&c->how));
    uint64_t theirs = 0x123456789000, mine = (uintptr_t)__builtin_thread_pointer();

    fill_both();
    ablation_prepare(&ablation_pong, &c->how, &stack, probe_jump_peer);
    ablation_pong.fs_base = theirs;
    struct probe_registers after;
    probe_switch = c->body;
    probe_from = &ablation_ping;
    probe_to = &ablation_pong;
    probe_by_jump(&after);
    cr_expect_eq((uintptr_t)__builtin_thread_pointer(), mine);
    cr_expect_eq(ablation_ping.fs_base, mine);
    cr_expect_eq(ablation_pong.fs_base, theirs);
}

static uint64_t signal_mask_now(void)
{
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, sizeof mask);
    return mask;
}

Test(contracts, sigmask_keeps_both_flows_own)
{
    const struct contract_case *c = contract_named("sigmask");
    if (ablation_lacks(&c->how))
        cr_skip_test("%s", ablation_lacks(&c->how));
    uint64_t mine = 1u << (SIGUSR1 - 1), theirs = 1u << (SIGUSR2 - 1);

    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mine, NULL, sizeof mine);
    fill_both();
    ablation_prepare(&ablation_pong, &c->how, &stack, probe_jump_peer);
    ablation_pong.signal_mask = theirs;
    struct probe_registers after;
    probe_switch = c->body;
    probe_from = &ablation_ping;
    probe_to = &ablation_pong;
    probe_by_jump(&after);
    cr_expect_eq(signal_mask_now(), mine);
    cr_expect_eq(ablation_ping.signal_mask, mine);
    cr_expect_eq(ablation_pong.signal_mask, theirs);
}

/* ------------------------------------------------------------------ XSAVE's bytes */

Test(area, dirty_vectors_are_more_bytes_for_xsavec)
{
    struct ablation clean = {.area = ABLATION_XSAVEC}, dirty = clean;
    dirty.dirty = true;
    if (ablation_lacks(&dirty))
        cr_skip_test("%s", ablation_lacks(&dirty));
    ablation_lacks(&dirty);
    /* At least the upper halves of 16 ymm registers. */
    cr_expect_geq(ablation_area_bytes(&dirty), ablation_area_bytes(&clean) + 256);
}

Test(area, xsave_writes_at_least_x87_and_xmm_and_no_more_than_the_area)
{
    struct ablation dirty = {.area = ABLATION_XSAVE, .dirty = true};
    if (ablation_lacks(&dirty))
        cr_skip_test("%s", ablation_lacks(&dirty));
    int bytes = ablation_area_bytes(&dirty);
    cr_expect_geq(bytes, 256 + 256, "%d", bytes);
    cr_expect_leq(bytes, ABLATION_AREA_BYTES);
}

Test(area, none_without_xsave)
{
    struct ablation none = {.area = ABLATION_STACK};
    cr_expect_eq(ablation_area_bytes(&none), 0);
}
