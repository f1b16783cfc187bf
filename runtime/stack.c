/* SPDX-License-Identifier: MIT
 *
 * stack.c: the arena; stack.h says what it promises, stack_arena.h how it is laid out.
 *
 * The arena is one mapping of equal slots. A slot is carved the first time a stack is
 * needed (its guard or canary is made then) and goes to and fro over the free list afterwards.
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
#include "stack_arena.h"
#include "stack_annotate.h"
#include "stack_canary.h"
#include "stack_find.h"

static _Atomic(struct coro_stack_arena *) arenas; /* release push, acquire walk */
static pthread_mutex_t arenas_lock = PTHREAD_MUTEX_INITIALIZER; /* create and destroy */

static size_t groups(const struct coro_stack_arena *arena)
{
    return ((arena->stacks_max - 1) >> arena->group_shift) + 1;
}

static size_t arena_bytes(const struct coro_stack_arena *arena)
{
    return arena->group_bytes * groups(arena); /* create() checked the product */
}

static char *group_of(const struct coro_stack_arena *arena, size_t index)
{
    return arena->memory + (index >> arena->group_shift) * arena->group_bytes;
}

static size_t place_mask(const struct coro_stack_arena *arena)
{
    return ((size_t)1 << arena->group_shift) - 1;
}

static char *slot_of(const struct coro_stack_arena *arena, size_t index)
{
    return group_of(arena, index) + arena->guard_bytes +
           (index & place_mask(arena)) * arena->slot_bytes;
}

static char *low_of(const struct coro_stack_arena *arena, size_t index)
{
    return slot_of(arena, index) + arena->below_bytes;
}

/* Field by field into *stack: a struct returned by value is written in words and copied
 * in vectors, which stalls on the store buffer. */
static inline void describe(const struct coro_stack_arena *arena, size_t index,
                            struct coro_stack *stack)
{
    char *slot = slot_of(arena, index);

    stack->low = slot + arena->below_bytes;
    stack->top =
        slot + arena->slot_bytes - (uint32_t)index % arena->colours * CORO_COLOUR_BYTES;
    stack->id = arena->valgrind_ids ? arena->valgrind_ids[index] : 0;
    stack->index = (unsigned)index;
}

/* Sizes and layout, before any memory is had. 0 or -errno. */
static int plan(struct coro_stack_arena *arena)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t total;

    if (arena->stack_bytes < CORO_STACK_MIN_BYTES || arena->stacks_max == 0)
        return -EINVAL;
    if (arena->stack_bytes > PTRDIFF_MAX / 256 || arena->stacks_max > UINT32_MAX)
        return -ENOMEM;
    if (arena->slab)
        coro_stack_plan_slab(arena, page);
    else
        coro_stack_plan_guarded(arena, page);
    arena->group_bytes = arena->guard_bytes + (arena->slot_bytes << arena->group_shift);
    if (arena->guard_bytes)
        arena->group_bytes = coro_round_up(arena->group_bytes, page);
    if (__builtin_mul_overflow(arena->group_bytes, groups(arena), &total) ||
        total > PTRDIFF_MAX - arena->base_guard_bytes)
        return -ENOMEM;
    return 0;
}

static void *reserve(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static char *reserve_stacks(const struct coro_stack_arena *arena)
{
    size_t guard_bytes = arena->base_guard_bytes;
    char *memory = reserve(arena_bytes(arena) + guard_bytes);

    if (!memory)
        return NULL;
    if (guard_bytes && mprotect(memory, guard_bytes, PROT_NONE)) {
        munmap(memory, arena_bytes(arena) + guard_bytes);
        return NULL;
    }
    return memory + guard_bytes;
}

static void release(struct coro_stack_arena *arena)
{
    /* Idle first: find_guard() must not claim what is mapped here next. */
    atomic_store_explicit(&arena->base, NULL, memory_order_release);
    if (arena->memory) {
        ASAN_UNPOISON_MEMORY_REGION(arena->memory, arena_bytes(arena));
        munmap(arena->memory - arena->base_guard_bytes,
               arena_bytes(arena) + arena->base_guard_bytes);
    }
    if (arena->free_indexes)
        munmap(arena->free_indexes, arena->stacks_max * sizeof *arena->free_indexes);
    free(arena->valgrind_ids);
    arena->memory = NULL;
    arena->free_indexes = NULL;
    arena->valgrind_ids = NULL;
}

/* Emulators and sandboxes may say yes to any advice, and do nothing. */
static bool takes_any_advice(char *page)
{
    enum { NO_SUCH_ADVICE = 0x7fffffff };

    return madvise(page, 1, NO_SUCH_ADVICE) == 0;
}

/* Memory for the planned arena, and the guard that works. 0 or -ENOMEM. */
static int obtain(struct coro_stack_arena *arena)
{
    arena->memory = reserve_stacks(arena);
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
    if (!arena->slab)
        /* A huge page would make 2 MB resident for one flow's first touch. Kernels without
         * huge pages refuse, and need not be told. */
        (void)madvise(arena->memory, arena_bytes(arena), MADV_NOHUGEPAGE);
    if (arena->guard == CORO_GUARD_MADVISE &&
        (takes_any_advice(arena->memory) || coro_stack_guard_install(arena, arena->memory)))
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

static struct coro_stack_arena *create(size_t stack_bytes, size_t stacks_max,
                                       enum coro_guard guard, bool slab)
{
    struct coro_stack_arena *arena;
    int error = -ENOMEM;

    pthread_mutex_lock(&arenas_lock);
    arena = take_idle_arena();
    if (arena) {
        arena->stack_bytes = stack_bytes;
        arena->stacks_max = stacks_max;
        arena->guard = guard;
        arena->slab = slab;
        error = plan(arena);
        if (!error)
            error = obtain(arena);
    }
    pthread_mutex_unlock(&arenas_lock);
    if (!error)
        return arena;
    errno = -error;
    return NULL;
}

struct coro_stack_arena *coro_stack_arena_create(size_t stack_bytes, size_t stacks_max,
                                                 enum coro_guard guard_wanted)
{
    if (stack_bytes < (size_t)sysconf(_SC_PAGESIZE))
        return create(stack_bytes, stacks_max, CORO_GUARD_NONE, true);
    return create(stack_bytes, stacks_max, guard_wanted, false);
}

struct coro_stack_arena *coro_stack_slab_create(size_t stack_bytes, size_t stacks_max,
                                                enum coro_guard group_guard)
{
    return create(stack_bytes, stacks_max, group_guard, true);
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

void coro_stack_arena_huge(struct coro_stack_arena *arena)
{
    /* Kernels that have none refuse, and all works as well. */
    if (arena->slab && arena->guard == CORO_GUARD_NONE)
        (void)madvise(arena->memory, arena_bytes(arena), MADV_HUGEPAGE);
}

/* The first time that the next slot is handed out. 0 or -ENOMEM. */
static __attribute__((noinline)) int carve(struct coro_stack_arena *arena)
{
    size_t index = arena->carved;
    struct coro_stack stack;

    if (arena->guard != CORO_GUARD_NONE && (index & place_mask(arena)) == 0 &&
        coro_stack_guard_install(arena, group_of(arena, index)))
        return -ENOMEM;
    if (arena->slab)
        coro_canary_set(low_of(arena, index));
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
    if (arena->slab && !coro_canary_is_intact(stack->low))
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

    if (!base)
        return false;
    if (address < (uintptr_t)base && (uintptr_t)base - address <= arena->base_guard_bytes)
        offset = 0; /* of the first stack, whoever ran down to here */
    else if (arena->guard == CORO_GUARD_NONE || offset >= arena_bytes(arena) ||
             offset % arena->group_bytes >= arena->guard_bytes)
        return false;
    describe(arena, offset / arena->group_bytes << arena->group_shift, &stack);
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
