/* SPDX-License-Identifier: MIT
 *
 * flow_stack.c: flows' memory: a stack of the policy and size asked for, with the flow at its
 * top.
 *
 * A *class* is one policy and size, with arenas of its own, each larger than the one before.
 */
#include "copied.h"
#include "segmented.h"

#include <stdlib.h>
#include <unistd.h>

#include "fatal.h"
#include "stack_canary.h"

enum {
    ARENA_STACKS_FIRST = 4096,
    ARENA_STACKS_FACTOR = 8, /* from one arena of a class to the next, */
    ARENA_STACKS_MAX = 16 * 1024 * 1024,
    ARENA_STACKS_MIN = 64, /* or fewer, where address space is short */
    FLOW_ALIGN = CORO_LINE_BYTES,
};

enum { COPIED_BYTES = 256 * 1024 }; /* that a worker's copied flows share */

/* Of the policies that have stacks of several sizes. */
static const size_t default_bytes[] = {[CORO_STACK_GUARDED] = 64 * 1024,
                                       [CORO_STACK_SLAB] = 2 * 1024,
                                       [CORO_STACK_SEGMENTED] = 8 * 1024};

struct arena_link {
    struct arena_link *next;
    struct coro_stack_arena *arena;
};

/* Under pool_lock. The next, larger arena of a class. */
static int arena_add(struct coro_sched *sched, struct coro_stack_class *class)
{
    struct arena_link *link = malloc(sizeof *link);
    size_t stacks = class->arena_stacks ? class->arena_stacks * ARENA_STACKS_FACTOR
                                        : ARENA_STACKS_FIRST;
    size_t bytes = class->stack_bytes;

    if (!link)
        return -ENOMEM;
    if (stacks > ARENA_STACKS_MAX)
        stacks = ARENA_STACKS_MAX;
    if (class->policy == CORO_STACK_SEGMENTED)
        bytes = coro_segmented_stack_bytes(bytes);
    do
        link->arena = class->policy == CORO_STACK_SLAB
                          ? coro_stack_slab_create(bytes, stacks, sched->group_guard)
                          : coro_stack_arena_create(bytes, stacks, sched->guard);
    while (!link->arena && (stacks /= 4) >= ARENA_STACKS_MIN);
    if (!link->arena) {
        free(link);
        return -ENOMEM;
    }
    if (class->arena)
        coro_stack_arena_huge(link->arena);
    link->next = sched->arenas;
    sched->arenas = link;
    class->arena = link->arena;
    class->arena_stacks = stacks;
    return 0;
}

int coro_class_stack(struct coro_sched *sched, unsigned stack_class, struct coro_stack *stack)
{
    struct coro_stack_class *class = &sched->classes[stack_class];

    if (class->arena && !coro_stack_alloc(class->arena, stack))
        return 0;
    return arena_add(sched, class) ? -ENOMEM : coro_stack_alloc(class->arena, stack);
}

struct coro_flow *coro_flow_make(struct coro_sched *sched, unsigned stack_class)
{
    struct coro_stack_class *class = &sched->classes[stack_class];
    struct coro_stack stack;
    struct coro_flow *flow;
    bool segmented = class->policy == CORO_STACK_SEGMENTED;
    size_t above = segmented ? sizeof(struct coro_segmented) : 0, low;

    if (class->policy == CORO_STACK_COPIED)
        return coro_copied_make(sched);
    if (coro_class_stack(sched, stack_class, &stack))
        return NULL;
    low = ((uintptr_t)stack.top - above - sizeof *flow) / FLOW_ALIGN * FLOW_ALIGN;
    flow = (struct coro_flow *)low;
    stack.top = (char *)flow;
    *flow = (struct coro_flow){.stack = stack,
                               .stack_class = (uint8_t)stack_class,
                               .policy = (uint8_t)class->policy,
                               .all_next = sched->all};
    coro_object_init(&flow->object, CORO_PATIENCE_NEVER);
    sched->all = flow;
    if (segmented)
        coro_segmented_make(flow, stack_class, class->stack_bytes);
    return flow;
}

struct coro_flow *coro_flow_new(struct coro_sched *sched, unsigned stack_class)
{
    struct coro_stack_class *class = &sched->classes[stack_class];
    struct coro_flow *flow;

    coro_spin_lock(&sched->pool_lock);
    flow = class->pool;
    if (flow)
        class->pool = flow->pool_next;
    else
        flow = coro_flow_make(sched, stack_class);
    coro_spin_unlock(&sched->pool_lock);
    return flow;
}

/* Less than a page can't be guarded. (Of segments there is more than is asked for.) */
static void class_init(struct coro_stack_class *class, enum coro_stack_policy policy,
                       size_t stack_bytes)
{
    bool small =
        policy != CORO_STACK_SEGMENTED && stack_bytes < (size_t)sysconf(_SC_PAGESIZE);

    class->policy = small ? CORO_STACK_SLAB : policy;
    class->stack_bytes =
        stack_bytes < CORO_STACK_MIN_BYTES ? CORO_STACK_MIN_BYTES : stack_bytes;
}

void coro_classes_init(struct coro_sched *sched, const struct coro_options *options)
{
    enum coro_stack_policy own = options->policy ? options->policy : CORO_STACK_GUARDED;
    size_t bytes = options->stack_bytes, copied_bytes = options->copied_bytes;

    for (unsigned i = 0; i < CORO_CLASS_SLAB - CORO_CLASS_GUARDED; i++)
        class_init(&sched->classes[CORO_CLASS_GUARDED + i], CORO_STACK_GUARDED,
                   (size_t)CORO_STACK_MIN_BYTES << i);
    for (unsigned i = 0; i < CORO_CLASS_COPIED - CORO_CLASS_SLAB; i++)
        class_init(&sched->classes[CORO_CLASS_SLAB + i], CORO_STACK_SLAB,
                   (size_t)CORO_STACK_MIN_BYTES << i);
    class_init(&sched->classes[CORO_CLASS_COPIED], CORO_STACK_COPIED,
               copied_bytes ? copied_bytes : COPIED_BYTES);
    sched->classes[CORO_CLASS_COPIED].policy = CORO_STACK_COPIED;
    for (unsigned i = 0; i < CORO_CLASSES - CORO_CLASS_SEGMENTED; i++)
        class_init(&sched->classes[CORO_CLASS_SEGMENTED + i], CORO_STACK_SEGMENTED,
                   (size_t)CORO_STACK_MIN_BYTES << i);
    class_init(&sched->classes[0], own, bytes ? bytes : default_bytes[own]);
}

static unsigned first_class(enum coro_stack_policy policy)
{
    switch (policy) {
    case CORO_STACK_GUARDED:
        return CORO_CLASS_GUARDED;
    case CORO_STACK_SLAB:
        return CORO_CLASS_SLAB;
    case CORO_STACK_COPIED:
        return CORO_CLASS_COPIED;
    case CORO_STACK_SEGMENTED:
        return CORO_CLASS_SEGMENTED;
    default:
        return CORO_CLASSES;
    }
}

unsigned coro_class_of(const struct coro_sched *sched, enum coro_stack_policy policy,
                       size_t stack_bytes)
{
    const struct coro_stack_class *own = &sched->classes[0];
    unsigned class;

    if (policy == CORO_STACK_DEFAULT)
        policy = stack_bytes && stack_bytes != own->stack_bytes ? CORO_STACK_GUARDED : own->policy;
    if (policy == CORO_STACK_COPIED && !coro_copied_works())
        policy = CORO_STACK_GUARDED;
    if (coro_policy_check(policy))
        return CORO_CLASSES;
    if (policy == own->policy && (stack_bytes == 0 || stack_bytes == own->stack_bytes))
        return 0;
    class = first_class(policy);
    if (policy != CORO_STACK_COPIED && class < CORO_CLASSES && stack_bytes == 0)
        stack_bytes = default_bytes[policy];
    while (class < CORO_CLASSES && sched->classes[class].stack_bytes < stack_bytes)
        class++;
    /* Past the last of the policy? */
    return class < CORO_CLASSES && class < first_class(policy + 1) ? class : CORO_CLASSES;
}

static _Noreturn __attribute__((noinline)) void fatal_overrun(const struct coro_flow *flow,
                                                              const char *when)
{
    struct coro_text text = {0};

    coro_text_string(&text, "stack overflow: flow ");
    coro_text_hex(&text, (uintptr_t)flow);
    coro_text_string(&text, " ");
    coro_text_string(&text, coro_flow_name(flow));
    coro_text_string(&text, " wrote below its slab stack ");
    coro_text_decimal(&text, flow->stack.index);
    coro_text_string(&text, " of ");
    coro_text_decimal(&text, (uintptr_t)flow + sizeof *flow - (uintptr_t)flow->stack.low);
    coro_text_string(&text, " bytes (found when it ");
    coro_text_string(&text, when);
    coro_text_string(&text, ")");
    coro_fatal_text(&text);
}

void coro_name_overflow(struct coro_text *text)
{
    const struct coro_worker *worker = coro_worker_self();
    const struct coro_flow *flow = worker ? worker->current : NULL;

    if (!flow || flow == &worker->idle)
        return;
    coro_text_string(text, ", in flow ");
    coro_text_hex(text, (uintptr_t)flow);
    coro_text_string(text, " ");
    coro_text_string(text, coro_flow_name(flow));
}

void coro_canary_check(const struct coro_flow *flow, const char *when)
{
    if (coro_unlikely(!coro_canary_is_intact(flow->stack.low)))
        fatal_overrun(flow, when);
}

/* Where what the flow still needs of its stack begins; NULL: it may be running. */
static const void *needed_from(const struct coro_flow *flow)
{
    uint32_t flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);

    if (atomic_load_explicit(&flow->generation, memory_order_relaxed) % 2 == 0 ||
        (flags & CORO_FLOW_DONE))
        return flow;
    return atomic_load_explicit(&flow->waiting, memory_order_relaxed) ? flow->context.sp : NULL;
}

size_t coro_shrink(void)
{
    struct coro_sched *sched = coro_worker_self()->sched;
    size_t shrunk = 0;

    coro_world_stop(sched);
    coro_spin_lock(&sched->pool_lock);
    for (struct coro_flow *flow = sched->all; flow; flow = flow->all_next) {
        const void *sp = flow->policy == CORO_STACK_GUARDED ? needed_from(flow) : NULL;

        shrunk += sp && coro_stack_shrink(&flow->stack, sp) == 0;
    }
    coro_spin_unlock(&sched->pool_lock);
    coro_world_resume(sched);
    return shrunk;
}

void coro_flow_free_all(struct coro_sched *sched)
{
    struct arena_link *link = sched->arenas;

    coro_copied_free_all(sched);
    while (link) {
        struct arena_link *next = link->next;

        coro_stack_arena_destroy(link->arena);
        free(link);
        link = next;
    }
}
