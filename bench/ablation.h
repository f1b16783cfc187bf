/* SPDX-License-Identifier: MIT
 *
 * ablation.h: the flows and contracts of ablation.S, for ablation.c and its test.
 */
#ifndef ABLATION_H
#define ABLATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ablation_layout.h"
#include "bench.h"
#include "stack.h"

struct ablation_flow {
    void *sp;
    uint64_t left;
    uint64_t fs_base;
    uint64_t signal_mask; /* the kernel's sigset: 8 bytes */
    char area[ABLATION_AREA_BYTES] __attribute__((aligned(64)));
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct ablation_flow, sp) == ABLATION_SP, "as assembly has it");
_Static_assert(offsetof(struct ablation_flow, left) == ABLATION_LEFT, "as assembly has it");
_Static_assert(offsetof(struct ablation_flow, fs_base) == ABLATION_FS_BASE, "as assembly has it");
_Static_assert(offsetof(struct ablation_flow, signal_mask) == ABLATION_SIGNAL_MASK,
               "as assembly has it");
_Static_assert(offsetof(struct ablation_flow, area) == ABLATION_AREA, "as assembly has it");

#define HIDDEN __attribute__((visibility("hidden")))
extern struct ablation_flow ablation_ping HIDDEN, ablation_pong HIDDEN;
extern const unsigned char ablation_initial[ABLATION_AREA_BYTES] HIDDEN; /* XSAVE's initial state */
extern int ablation_widest HIDDEN; /* bits of the widest vector enabled; 0: XMM only */

/* One contract: how ablation.S keeps it, and what the reader is told. Not const, as what
 * XSAVE writes is known only on the machine. */
struct ablation {
    struct bench_contract contract;
    void (*ping)(long again);
    const char *pong;     /* its PC */
    unsigned frame_words; /* 8-byte words that the body pops before the PC */
    unsigned fpctl_word;  /* which of them has MXCSR and x87 CW, if not in the area */
    enum { ABLATION_STACK, ABLATION_XSAVE, ABLATION_XSAVEC } area;
    bool dirty;           /* the wide vectors are in use */
    bool fs_base;         /* needs the FSGSBASE instructions */
};

/* Makes `flow` one that goes on at `pc` with `a`'s body, with this thread's state. */
void ablation_prepare(struct ablation_flow *flow, const struct ablation *a,
                      const struct coro_stack *stack, const char *pc);

/* Why this machine can't run `a`, or NULL. Sets ablation_widest: call it before any body. */
const char *ablation_lacks(const struct ablation *a);

/* Bytes that one XSAVE or XSAVEC of `a` writes, counted by letting it write; 0: it has none. */
int ablation_area_bytes(const struct ablation *a);

#endif
