/* SPDX-License-Identifier: MIT
 *
 * annotate.h: tells the sanitizers which stack, and which flow, runs.
 *
 * Under AddressSanitizer and ThreadSanitizer a context carries more fields, and every
 * switch is wrapped: coro_annotate_leave() before it, coro_annotate_arrive() where the
 * flow goes on. A flow that has finished leaves by coro_annotate_finish(). Without them
 * all of this is empty. Every object of a program must agree, as the layout of struct
 * coro_context differs.
 *
 * The one who arrives finishes what the one who left could not: ASan tells the bounds of
 * the stack just left (the only way to learn a thread's own), and a finished flow's TSan
 * fiber can be destroyed only from another. So the leaver leaves word in `to`.
 *
 * All are always inlined: TSan keeps a call stack per fiber, and a function entered on
 * one and left on another would unbalance both.
 *
 * Known: a flow that is abandoned, never finished, leaks its TSan fiber (of about 8,000).
 */
#ifndef CORO_ANNOTATE_H
#define CORO_ANNOTATE_H

#if defined(__SANITIZE_ADDRESS__)
#define CORO_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define CORO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORO_ASAN 1
#elif __has_feature(thread_sanitizer)
#define CORO_TSAN 1
#endif
#endif

#if defined(CORO_ASAN) || defined(CORO_TSAN)
#define CORO_ANNOTATED 1
#else
#define CORO_ANNOTATED 0
#endif

#ifndef __ASSEMBLER__

#include <stddef.h>

#include "offsets.h"

#define CORO_ALWAYS_INLINE static inline __attribute__((always_inline))

struct coro_context;

#if CORO_ANNOTATED
/* What struct coro_context has besides its three words. */
struct coro_annotation {
    struct coro_context *(*entry)(void *arg);
    void *arg;
    struct coro_context *left; /* who switched here, when it goes on later; else NULL */
    const void *stack_low;     /* ASan: this flow's stack, */
    size_t stack_bytes;
    void *fake_stack;     /* and its place for variables that outlive their scope */
    void *fiber;          /* TSan: this flow */
    void *finished_fiber; /* TSan: of the finished flow that switched here, else NULL */
};
#define CORO_ANNOTATION struct coro_annotation annotation;

CORO_ALWAYS_INLINE struct coro_annotation *
coro_annotation_of(struct coro_context *context)
{
    return (void *)((char *)context + CORO_CONTEXT_ANNOTATION);
}
#else
#define CORO_ANNOTATION
#endif

#if defined(CORO_ASAN)
#include <sanitizer/common_interface_defs.h>

CORO_ALWAYS_INLINE void coro_annotate_leave(struct coro_context *from,
                                            struct coro_context *to)
{
    struct coro_annotation *next = coro_annotation_of(to);

    next->left = from;
    __sanitizer_start_switch_fiber(&coro_annotation_of(from)->fake_stack, next->stack_low,
                                   next->stack_bytes);
}

CORO_ALWAYS_INLINE void coro_annotate_arrive(struct coro_context *self)
{
    const void *low;
    size_t bytes;
    struct coro_annotation *here = coro_annotation_of(self);

    __sanitizer_finish_switch_fiber(here->fake_stack, &low, &bytes);
    if (here->left) {
        coro_annotation_of(here->left)->stack_low = low;
        coro_annotation_of(here->left)->stack_bytes = bytes;
    }
}

CORO_ALWAYS_INLINE void coro_annotate_finish(struct coro_context *self,
                                             struct coro_context *to)
{
    struct coro_annotation *next = coro_annotation_of(to);

    next->left = NULL;
    __sanitizer_start_switch_fiber(NULL, next->stack_low, next->stack_bytes);
}

CORO_ALWAYS_INLINE void coro_annotate_make(struct coro_context *context, const char *low,
                                           const char *top)
{
    struct coro_annotation *self = coro_annotation_of(context);

    self->stack_low = low;
    self->stack_bytes = (size_t)(top - low);
    self->fake_stack = NULL;
}
#elif defined(CORO_TSAN)
#include <sanitizer/tsan_interface.h>

CORO_ALWAYS_INLINE void coro_annotate_leave(struct coro_context *from,
                                            struct coro_context *to)
{
    struct coro_annotation *next = coro_annotation_of(to);

    coro_annotation_of(from)->fiber = __tsan_get_current_fiber();
    next->finished_fiber = NULL;
    __tsan_switch_to_fiber(next->fiber, 0);
}

CORO_ALWAYS_INLINE void coro_annotate_arrive(struct coro_context *self)
{
    void *finished = coro_annotation_of(self)->finished_fiber;

    if (finished)
        __tsan_destroy_fiber(finished);
}

CORO_ALWAYS_INLINE void coro_annotate_finish(struct coro_context *self,
                                             struct coro_context *to)
{
    struct coro_annotation *next = coro_annotation_of(to);

    next->finished_fiber = coro_annotation_of(self)->fiber;
    __tsan_switch_to_fiber(next->fiber, 0);
}

CORO_ALWAYS_INLINE void coro_annotate_make(struct coro_context *context, const char *low,
                                           const char *top)
{
    coro_annotation_of(context)->fiber = __tsan_create_fiber(0);
}
#else
CORO_ALWAYS_INLINE void coro_annotate_leave(struct coro_context *from,
                                            struct coro_context *to)
{
}

CORO_ALWAYS_INLINE void coro_annotate_arrive(struct coro_context *self)
{
}
#endif

#endif
#endif
