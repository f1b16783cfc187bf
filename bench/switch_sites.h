/* SPDX-License-Identifier: MIT
 *
 * switch_sites.h: the ping-pong of two user-level flows, once for every subject and site.
 *
 * Included once per subject (no include guard), after these macros say how it switches:
 *
 *     SUBJECT               prefix of everything defined here
 *     CONTEXT               the type that keeps a suspended flow
 *     SWITCH(from, to)      suspends the caller in *from, resumes *to
 *     PREPARE(c, stack, entry)  makes *c a flow that runs entry, a function by BEGIN/END
 *     BEGIN(name), END(from, to) the entry function's first line, and how it leaves for good
 *
 * A site is the pair of places where the two flows wait for each other:
 *
 *     same       one loop for both: they resume at the same instruction
 *     diff       a loop for each, with the contexts' addresses folded in
 *     deep-same  five calls, the switch, five returns per op; one chain for both
 *     deep-diff  the same with a chain for each
 *     sixteen    sixteen places in turn for each flow
 *
 * Published figures nearly all are of `same`, where nothing can be mispredicted.
 *
 * The count is exact and is the flows' own: each flow has a quota and takes one off, in its
 * own memory, after each of its switches has come back. With N ops ping has the quota
 * (N+1)/2 and pong N/2. pong is made afresh in each run and leaves through END when its
 * quota is spent. For odd N ping's last switch lets it do so; for even N ping switches once
 * more, uncounted. Both are costs per run, which fall out of the slope.
 *
 * Rejected: a loop counter in a register (the three-register switch keeps none, so each
 * subject would count in another way); counting up to a quota (one more load per op); a
 * function pointer per op (its own prediction would be measured too).
 */
#include "switch.h"

#define NAME(suffix) SWITCH_PASTE(SUBJECT, suffix)

struct NAME(flow) {
    CONTEXT context;
    uint64_t left; /* switches still to make */
} __attribute__((aligned(64)));

static struct NAME(flow) NAME(ping), NAME(pong);

/* One op at the site that the next line is. */
#define HOP(self, peer) \
    SWITCH(&(self)->context, &(peer)->context); \
    (self)->left--

#define LOOP(name, align, parameters, self, peer) \
    static SWITCH_FRAME void NAME(name) parameters \
    { \
        if (!(self)->left) \
            return; \
        align; \
        do { \
            HOP(self, peer); \
        } while ((self)->left); \
    }

#define LINK(name, callee, parameters, arguments) \
    static SWITCH_FRAME void NAME(name) parameters \
    { \
        NAME(callee) arguments; \
        SWITCH_KEEP_FRAME; \
    }

/* Five frames, the innermost of which switches, and the loop around them. */
#define CHAIN(name, align, parameters, arguments, self, peer) \
    static SWITCH_FRAME void NAME(name##_1) parameters \
    { \
        SWITCH(&(self)->context, &(peer)->context); \
        SWITCH_KEEP_FRAME; \
    } \
    LINK(name##_2, name##_1, parameters, arguments) \
    LINK(name##_3, name##_2, parameters, arguments) \
    LINK(name##_4, name##_3, parameters, arguments) \
    LINK(name##_5, name##_4, parameters, arguments) \
    static SWITCH_FRAME void NAME(name) parameters \
    { \
        if (!(self)->left) \
            return; \
        align; \
        do { \
            NAME(name##_5) arguments; \
            (self)->left--; \
        } while ((self)->left); \
    }

#define HOP_OR_LEAVE(self, peer) \
    HOP(self, peer); \
    if (!(self)->left) \
        return
#define FOUR_HOPS(self, peer) \
    HOP_OR_LEAVE(self, peer); \
    HOP_OR_LEAVE(self, peer); \
    HOP_OR_LEAVE(self, peer); \
    HOP_OR_LEAVE(self, peer)

#define SIXTEEN(name, align, self, peer) \
    static SWITCH_FRAME void NAME(name)(void) \
    { \
        if (!(self)->left) \
            return; \
        align; \
        for (;;) { \
            FOUR_HOPS(self, peer); \
            FOUR_HOPS(self, peer); \
            FOUR_HOPS(self, peer); \
            FOUR_HOPS(self, peer); \
        } \
    }

/* The entry of pong for one site, and the run() that measures it. */
#define RUN(site, ping_loop, pong_loop) \
    BEGIN(NAME(site##_entry)) \
    { \
        pong_loop; \
        END(&NAME(pong).context, &NAME(ping).context); \
    } \
    static uint64_t NAME(site)(struct bench_trial *t, uint64_t ops) \
    { \
        struct switch_stacks *stacks = bench_state(t); \
        NAME(ping).left = ops - ops / 2; \
        NAME(pong).left = ops / 2; \
        PREPARE(&NAME(pong).context, &stacks->pong, NAME(site##_entry)); \
        ping_loop; \
        if (ops % 2 == 0) \
            SWITCH(&NAME(ping).context, &NAME(pong).context); \
        return ops - NAME(ping).left - NAME(pong).left; \
    }

/* depth.c wants `diff` alone, with its own frames between a flow's entry and its loop. */
#ifdef SWITCH_WITHIN
LOOP(ping_loop, SWITCH_ALIGN, (void), &NAME(ping), &NAME(pong))
LOOP(pong_loop, SWITCH_ALIGN_SECOND, (void), &NAME(pong), &NAME(ping))
RUN(diff, SWITCH_WITHIN(NAME(ping_loop)), SWITCH_WITHIN(NAME(pong_loop)))
#else
#define FLOWS (struct NAME(flow) *self, struct NAME(flow) *peer)
LOOP(loop, SWITCH_ALIGN, FLOWS, self, peer)
LOOP(ping_loop, SWITCH_ALIGN, (void), &NAME(ping), &NAME(pong))
LOOP(pong_loop, SWITCH_ALIGN_SECOND, (void), &NAME(pong), &NAME(ping))
RUN(same, NAME(loop)(&NAME(ping), &NAME(pong)), NAME(loop)(&NAME(pong), &NAME(ping)))
RUN(diff, NAME(ping_loop)(), NAME(pong_loop)())

CHAIN(deep, SWITCH_ALIGN, FLOWS, (self, peer), self, peer)
CHAIN(ping_deep, SWITCH_ALIGN, (void), (), &NAME(ping), &NAME(pong))
CHAIN(pong_deep, SWITCH_ALIGN_SECOND, (void), (), &NAME(pong), &NAME(ping))
RUN(deep_same, NAME(deep)(&NAME(ping), &NAME(pong)), NAME(deep)(&NAME(pong), &NAME(ping)))
RUN(deep_diff, NAME(ping_deep)(), NAME(pong_deep)())

SIXTEEN(ping_sixteen, SWITCH_ALIGN, &NAME(ping), &NAME(pong))
SIXTEEN(pong_sixteen, SWITCH_ALIGN_SECOND, &NAME(pong), &NAME(ping))
RUN(sixteen, NAME(ping_sixteen)(), NAME(pong_sixteen)())
#endif

#undef FLOWS
#undef RUN
#undef SIXTEEN
#undef FOUR_HOPS
#undef HOP_OR_LEAVE
#undef CHAIN
#undef LINK
#undef LOOP
#undef HOP
#undef NAME
#undef SUBJECT
#undef CONTEXT
#undef SWITCH
#undef PREPARE
#undef BEGIN
#undef END
