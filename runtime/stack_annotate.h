/* SPDX-License-Identifier: MIT
 *
 * stack_annotate.h: tells Valgrind and AddressSanitizer about stacks; private to stack.c.
 *
 * Valgrind: each stack is registered when it is carved, so that a switch to it is not
 * taken for a huge move of one stack, and stays so until its arena goes. A free stack's
 * memory is out of bounds under both. Cost elsewhere: none with ASan's header absent from
 * the build, and for Valgrind a test of a pointer that the arena holds.
 */
#ifndef CORO_STACK_ANNOTATE_H
#define CORO_STACK_ANNOTATE_H

#include <stdbool.h>
#include <stddef.h>

#include "annotate.h"

#if HAVE_VALGRIND
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND                     0
#define VALGRIND_STACK_REGISTER(low, high)      0
#define VALGRIND_STACK_DEREGISTER(id)           ((void)(id))
#define VALGRIND_MAKE_MEM_UNDEFINED(low, bytes) ((void)(low))
#define VALGRIND_MAKE_MEM_NOACCESS(low, bytes)  ((void)(low))
#endif

#ifdef CORO_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(low, bytes)   ((void)(low))
#define ASAN_UNPOISON_MEMORY_REGION(low, bytes) ((void)(low))
#endif

/* Out of line, so that they do not fill the callers' frames without Valgrind. */
static __attribute__((noinline)) void tell_valgrind_undefined(char *low, char *top)
{
    VALGRIND_MAKE_MEM_UNDEFINED(low, (size_t)(top - low));
}

static __attribute__((noinline)) void tell_valgrind_no_access(char *low, char *top)
{
    VALGRIND_MAKE_MEM_NOACCESS(low, (size_t)(top - low));
}

static inline void coro_stack_annotate_alloc(bool valgrind, char *low, char *top)
{
    /* What a finished flow's frames left poisoned goes too. */
    ASAN_UNPOISON_MEMORY_REGION(low, (size_t)(top - low));
    if (valgrind)
        tell_valgrind_undefined(low, top);
}

static inline void coro_stack_annotate_free(bool valgrind, char *low, char *top)
{
    ASAN_POISON_MEMORY_REGION(low, (size_t)(top - low));
    if (valgrind)
        tell_valgrind_no_access(low, top);
}

#endif
