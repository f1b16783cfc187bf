/* SPDX-License-Identifier: MIT
 *
 * stack.c: the arena; stack.h says what it promises.
 *
 * The arena is one mapping of equal slots. A slot is carved the first time a stack is
 * needed (its guard is made then) and goes to and fro over the free list afterwards.
 *
 *   a page or more:  | guard | stack pages ............. top | colour |
 *   less than a page:| canary | stack ........................ top |
 *
 * Colour: slots of whole pages would put every top, which every flow touches, into the
 * same few cache sets. Tops step down by a cache line from slot to slot. The steps stop
 * at COLOURS so that a flow which uses less than a KB touches only one page; the room for
 * them is added, not taken from the stack. Slots smaller than a page have an odd number
 * of lines instead, which visits every set.
 *
 * Canary: a word below the stack, checked when it is freed. It costs a cache line
 * in a page that is touched anyhow; larger stacks have none, as it would make their
 * lowest page resident.
 *
 * The free list holds indexes in memory of its own: links inside the freed stacks would
 * make each allocation wait for a cold line of the stack it is about to hand out.
 *
 * Arenas are found by the overflow watch from a signal handler, so they stay on a list
 * that only grows; a destroyed one is used again.
 */
#include "stack.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fatal.h"
#include "stack_annotate.h"
#include "stack_find.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

enum { LINE_BYTES = 64, COLOURS = 48, CANARY_BYTES = 16 };

struct coro_stack_arena {
    struct coro_stack_arena *next; /* older arena; constant once listed */
    _Atomic(char *) base; /* NULL: idle. Release publishes the geometry to find_guard() */

    char *memory; /* base, for the arena's own thread */
    size_t slot_bytes;
    size_t below_bytes; /* guard or canary, at the low end of a slot */
    size_t stack_bytes; /* asked for, rounded */
    size_t stacks_max;
    enum coro_guard guard;
    bool packed; /* stacks smaller than a page: canary, no guard, no colour */

    size_t carved; /* slots below this one have been handed out before */
    size_t free_count;
    uint32_t *free_indexes; /* stack: the last is the next to go */
    unsigned *valgrind_ids; /* of carved slots; NULL outside Valgrind */
};

static _Atomic(struct coro_stack_arena *) arenas; /* release push, acquire walk */
static pthread_mutex_t arenas_lock = PTHREAD_MUTEX_INITIALIZER; /* create and destroy */

static size_t arena_bytes(const struct coro_stack_arena *arena)
{
    return arena->slot_bytes * arena->stacks_max; /* create() checked the product */
}

static char *slot_of(const struct coro_stack_arena *arena, size_t index)
{
    return arena->memory + index * arena->slot_bytes;
}

static uint64_t *canary_of(const struct coro_stack_arena *arena, size_t index)
{
    return (uint64_t *)slot_of(arena, index);
}

static uint64_t canary_value(const uint64_t *canary)
{
    return (uintptr_t)canary ^ UINT64_C(0x9e3779b97f4a7c15);
}

static char *low_of(const struct coro_stack_arena *arena, size_t index)
{
    return slot_of(arena, index) + arena->below_bytes;
}

static size_t colour_bytes(const struct coro_stack_arena *arena, size_t index)
{
    return arena->packed ? 0 : (uint32_t)index % COLOURS * LINE_BYTES;
}

/* Field by field into *stack: a struct returned by value is written in words and copied
 * in vectors, which stalls on the store buffer. */
static inline void describe(const struct coro_stack_arena *arena, size_t index,
                            struct coro_stack *stack)
{
    stack->low = low_of(arena, index);
    stack->top = slot_of(arena, index + 1) - colour_bytes(arena, index);
    stack->id = arena->valgrind_ids ? arena->valgrind_ids[index] : 0;
    stack->index = (unsigned)index;
}

static int install_guard(struct coro_stack_arena *arena, size_t index)
{
    char *guard = slot_of(arena, index);

    if (arena->guard == CORO_GUARD_MADVISE)
        return madvise(guard, arena->below_bytes, MADV_GUARD_INSTALL) ? -ENOMEM : 0;
    if (arena->guard == CORO_GUARD_MPROTECT)
        return mprotect(guard, arena->below_bytes, PROT_NONE) ? -ENOMEM : 0;
    return 0;
}

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* Sizes and layout, before any memory is had. 0 or -errno. */
static int plan(struct coro_stack_arena *arena, size_t stack_bytes, size_t stacks_max)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t total;

    if (stack_bytes < CORO_STACK_MIN_BYTES || stacks_max == 0)
        return -EINVAL;
    if (stack_bytes > PTRDIFF_MAX / 2 || stacks_max > UINT32_MAX)
        return -ENOMEM;
    arena->packed = stack_bytes < page;
    arena->stacks_max = stacks_max;
    if (arena->packed) {
        arena->guard = CORO_GUARD_NONE;
        arena->below_bytes = CANARY_BYTES;
        arena->stack_bytes = round_up(stack_bytes, LINE_BYTES);
        arena->slot_bytes = round_up(arena->stack_bytes + CANARY_BYTES, LINE_BYTES);
        arena->slot_bytes |= LINE_BYTES; /* an odd number of lines */
    } else {
        arena->below_bytes = arena->guard == CORO_GUARD_NONE ? 0 : page;
        arena->stack_bytes = round_up(stack_bytes, page);
        arena->slot_bytes = arena->below_bytes + arena->stack_bytes +
                            round_up(COLOURS * LINE_BYTES, page);
    }
    if (__builtin_mul_overflow(arena->slot_bytes, stacks_max, &total) ||
        total > PTRDIFF_MAX)
        return -ENOMEM;
    return 0;
}

static void *reserve(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static void release(struct coro_stack_arena *arena)
{
    /* Idle first: find_guard() must not claim what is mapped here next. */
    atomic_store_explicit(&arena->base, NULL, memory_order_release);
    if (arena->memory) {
        ASAN_UNPOISON_MEMORY_REGION(arena->memory, arena_bytes(arena));
        munmap(arena->memory, arena_bytes(arena));
    }
    if (arena->free_indexes)
        munmap(arena->free_indexes, arena->stacks_max * sizeof *arena->free_indexes);
    free(arena->valgrind_ids);
    arena->memory = NULL;
    arena->free_indexes = NULL;
    arena->valgrind_ids = NULL;
}

/* Memory for the planned arena, and the guard that works. 0 or -ENOMEM. */
static int obtain(struct coro_stack_arena *arena)
{
    arena->memory = reserve(arena_bytes(arena));
    arena->carved = 0;
    arena->free_count = 0;
    arena->free_indexes = reserve(arena->stacks_max * sizeof *arena->free_indexes);
    arena->valgrind_ids = RUNNING_ON_VALGRIND
                              ? calloc(arena->stacks_max, sizeof *arena->valgrind_ids)
                              : NULL;
    atomic_store_explicit(&arena->base, arena->memory, memory_order_release);
    if (!arena->memory || !arena->free_indexes ||
        (RUNNING_ON_VALGRIND && !arena->valgrind_ids)) {
        release(arena);
        return -ENOMEM;
    }
    if (arena->packed)
        return 0;
    /* A huge page would make 2 MB resident for one flow's first touch. Kernels without
     * huge pages refuse, and need not be told. */
    (void)madvise(arena->memory, arena_bytes(arena), MADV_NOHUGEPAGE);
    if (arena->guard == CORO_GUARD_MADVISE && install_guard(arena, 0))
        arena->guard = CORO_GUARD_MPROTECT;
    return 0;
}

/* Under arenas_lock: one that was destroyed, or a new one, not yet listed. */
static struct coro_stack_arena *take_idle_arena(void)
{
    struct coro_stack_arena *arena = atomic_load_explicit(&arenas, memory_order_relaxed);

    while (arena && atomic_load_explicit(&arena->base, memory_order_relaxed))
        arena = arena->next;
    if (arena)
        return arena;
    arena = calloc(1, sizeof *arena);
    if (!arena)
        return NULL;
    arena->next = atomic_load_explicit(&arenas, memory_order_relaxed);
    /* Pairs with the acquire in coro_stack_find_guard(): `next` and an idle base. */
    atomic_store_explicit(&arenas, arena, memory_order_release);
    return arena;
}

struct coro_stack_arena *coro_stack_arena_create(size_t stack_bytes, size_t stacks_max,
                                                 enum coro_guard guard_wanted)
{
    struct coro_stack_arena *arena;
    int error = -ENOMEM;

    pthread_mutex_lock(&arenas_lock);
    arena = take_idle_arena();
    if (arena) {
        arena->guard = guard_wanted;
        error = plan(arena, stack_bytes, stacks_max);
        if (!error)
            error = obtain(arena);
    }
    pthread_mutex_unlock(&arenas_lock);
    if (!error)
        return arena;
    errno = -error;
    return NULL;
}

void coro_stack_arena_destroy(struct coro_stack_arena *arena)
{
    if (!arena)
        return;
    for (size_t i = 0; arena->valgrind_ids && i < arena->carved; i++)
        VALGRIND_STACK_DEREGISTER(arena->valgrind_ids[i]);
    pthread_mutex_lock(&arenas_lock);
    release(arena);
    pthread_mutex_unlock(&arenas_lock);
}

enum coro_guard coro_stack_arena_guard(const struct coro_stack_arena *arena)
{
    return arena->guard;
}

/* The first time that the next slot is handed out. 0 or -ENOMEM. */
static __attribute__((noinline)) int carve(struct coro_stack_arena *arena)
{
    size_t index = arena->carved;
    struct coro_stack stack;

    if (install_guard(arena, index))
        return -ENOMEM;
    if (arena->packed)
        *canary_of(arena, index) = canary_value(canary_of(arena, index));
    if (arena->valgrind_ids) {
        describe(arena, index, &stack);
        arena->valgrind_ids[index] = VALGRIND_STACK_REGISTER(stack.low, stack.top);
    }
    arena->carved++;
    return 0;
}

int coro_stack_alloc(struct coro_stack_arena *arena, struct coro_stack *stack)
{
    size_t index;

    if (arena->free_count > 0) {
        index = arena->free_indexes[--arena->free_count];
    } else {
        index = arena->carved;
        if (index == arena->stacks_max || carve(arena))
            return -ENOMEM;
    }
    describe(arena, index, stack);
    coro_stack_annotate_alloc(arena->valgrind_ids, stack->low, stack->top);
    return 0;
}

static _Noreturn __attribute__((noinline)) void
fatal_ran_over(const struct coro_stack_arena *arena, size_t index)
{
    struct coro_text text = {0};

    coro_text_string(&text, "stack overflow: the flow on stack ");
    coro_text_decimal(&text, index);
    coro_text_string(&text, " of ");
    coro_text_decimal(&text, arena->stack_bytes);
    coro_text_string(&text, " bytes wrote below its low end (found when it was freed)");
    coro_fatal_text(&text);
}

void coro_stack_free(struct coro_stack_arena *arena, const struct coro_stack *stack)
{
    size_t index = stack->index;

    if (index >= arena->carved || stack->low != low_of(arena, index))
        coro_fatal("stack: freed to an arena that it is not from");
    if (arena->free_count == arena->carved ||
        (arena->free_count > 0 && arena->free_indexes[arena->free_count - 1] == index))
        coro_fatal("stack: freed twice");
    if (arena->packed &&
        *canary_of(arena, index) != canary_value(canary_of(arena, index)))
        fatal_ran_over(arena, index);
    coro_stack_annotate_free(arena->valgrind_ids, stack->low, stack->top);
    arena->free_indexes[arena->free_count++] = (uint32_t)index;
}

static bool find_guard_in(struct coro_stack_arena *arena, uintptr_t address,
                          struct coro_guard_hit *hit)
{
    /* Acquire: pairs with the release in obtain(), so the geometry belongs to this
     * base. */
    char *base = atomic_load_explicit(&arena->base, memory_order_acquire);
    size_t offset = address - (uintptr_t)base;
    struct coro_stack stack;

    if (!base || arena->guard == CORO_GUARD_NONE || offset >= arena_bytes(arena) ||
        offset % arena->slot_bytes >= arena->below_bytes)
        return false;
    describe(arena, offset / arena->slot_bytes, &stack);
    *hit = (struct coro_guard_hit){
        .index = stack.index,
        .stack_bytes = arena->stack_bytes,
        .low = (uintptr_t)stack.low,
        .top = (uintptr_t)stack.top,
    };
    return true;
}

bool coro_stack_find_guard(uintptr_t address, struct coro_guard_hit *hit)
{
    struct coro_stack_arena *arena = atomic_load_explicit(&arenas, memory_order_acquire);

    for (; arena; arena = arena->next)
        if (find_guard_in(arena, address, hit))
            return true;
    return false;
}
