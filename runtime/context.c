/* SPDX-License-Identifier: MIT
 *
 * context.c: a new flow's first context.
 *
 * A new flow looks like a suspended one whose PC is the entry trampoline
 * (arch/<cpu>/switch.S), which calls entry(arg) and then resumes what that returned. The
 * trampoline finds both on the new stack, at SP:
 *
 *          top -> +---------------+
 *                 | arg           |
 *           SP -> | entry         |   16-byte aligned, as a call wants it
 *                 +---------------+
 *                 | grows down    |
 *
 * Kept on the stack and not in the context, which stays three words.
 */
#include "context.h"

#include "offsets.h"

_Static_assert(offsetof(struct coro_context, sp) == CORO_CONTEXT_SP,
               "SP as assembly has it");
_Static_assert(offsetof(struct coro_context, pc) == CORO_CONTEXT_PC,
               "PC as assembly has it");
_Static_assert(offsetof(struct coro_context, fp) == CORO_CONTEXT_FP,
               "FP as assembly has it");

struct start {
    coro_entry_fn *entry;
    void *arg;
};

_Static_assert(offsetof(struct start, entry) == CORO_START_ENTRY,
               "entry as assembly has it");
_Static_assert(offsetof(struct start, arg) == CORO_START_ARG, "arg as assembly has it");
_Static_assert(sizeof(struct start) == CORO_START_BYTES, "SP of a new flow is aligned");

extern const char coro_arch_start[] __attribute__((visibility("hidden")));

static void begin_at_trampoline(struct coro_context *context,
                                const struct coro_stack *stack, coro_entry_fn *entry,
                                void *arg)
{
    struct start *start = (struct start *)stack->top - 1;

    *start = (struct start){.entry = entry, .arg = arg};
    context->sp = start;
    context->pc = (void *)coro_arch_start;
    context->fp = NULL;
}

#if CORO_ANNOTATED

_Static_assert(offsetof(struct coro_context, annotation) == CORO_CONTEXT_ANNOTATION,
               "annotation as annotate.h has it");

_Noreturn void coro_arch_jump(struct coro_context *to)
    __attribute__((visibility("hidden")));

void (coro_switch)(struct coro_context *from, struct coro_context *to)
{
    coro_switch_jump(from, to);
}

/* Never returns to the trampoline: TSan would see a return on the wrong fiber. */
static struct coro_context *annotated_entry(void *arg)
{
    struct coro_context *self = arg;
    struct coro_context *to;

    coro_annotate_arrive(self);
    to = self->annotation.entry(self->annotation.arg);
    coro_annotate_finish(self, to);
    coro_arch_jump(to);
}

void coro_context_make(struct coro_context *context, const struct coro_stack *stack,
                       coro_entry_fn *entry, void *arg)
{
    coro_annotate_make(context, stack->low, stack->top);
    context->annotation.entry = entry;
    context->annotation.arg = arg;
    begin_at_trampoline(context, stack, annotated_entry, context);
}

#else

_Static_assert(sizeof(struct coro_context) == 3 * sizeof(void *), "three words");

void coro_context_make(struct coro_context *context, const struct coro_stack *stack,
                       coro_entry_fn *entry, void *arg)
{
    begin_at_trampoline(context, stack, entry, arg);
}

#endif
