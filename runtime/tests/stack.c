/* SPDX-License-Identifier: MIT
 *
 * stack.c: the arena's promises: sizes, guards, colour, free list, refusals.
 */
#include "stack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "annotate.h"
#include "child.h"
#include "emulated.h"
#include "rlimit.h"

enum { KB = 1024, MB = 1024 * KB };

static const enum coro_guard guards[] = {CORO_GUARD_NONE, CORO_GUARD_MADVISE,
                                         CORO_GUARD_MPROTECT};

static struct coro_stack_arena *create(size_t stack_bytes, size_t stacks_max,
                                       enum coro_guard guard)
{
    struct coro_stack_arena *arena =
        coro_stack_arena_create(stack_bytes, stacks_max, guard);

    cr_assert_not_null(arena, "%s", strerror(errno));
    return arena;
}

static void refuse(size_t stack_bytes, size_t stacks_max, int error)
{
    errno = 0;
    cr_expect_null(coro_stack_arena_create(stack_bytes, stacks_max, CORO_GUARD_MADVISE));
    cr_expect_eq(errno, error, "%zu x %zu: errno %d", stack_bytes, stacks_max, errno);
}

Test(stack, every_size_is_usable_to_its_last_byte)
{
    for (size_t bytes = KB; bytes <= MB; bytes = bytes * 3 / 2) {
        for (size_t g = 0; g < sizeof guards / sizeof *guards; g++) {
            struct coro_stack_arena *arena = create(bytes, 8, guards[g]);
            struct coro_stack stacks[8];

            for (int i = 0; i < 8; i++) {
                cr_assert_eq(coro_stack_alloc(arena, &stacks[i]), 0);
                cr_assert_geq(stacks[i].top - stacks[i].low, (ptrdiff_t)bytes);
                cr_assert_eq((uintptr_t)stacks[i].top % 16, 0);
                memset(stacks[i].low, i, (size_t)(stacks[i].top - stacks[i].low));
            }
            for (int i = 0; i < 8; i++) {
                cr_assert_eq(*stacks[i].low, i, "stacks overlap");
                cr_assert_eq(stacks[i].top[-1], i, "stacks overlap");
                coro_stack_free(arena, &stacks[i]);
            }
            coro_stack_arena_destroy(arena);
        }
    }
}

static void touch_below(void *arg)
{
    struct coro_stack *stack = arg;

    *(volatile char *)(stack->low - 1) = 1;
}

Test(stack, what_lies_below_a_guarded_stack_faults)
{
    for (size_t g = 1; g < sizeof guards / sizeof *guards; g++) {
        struct coro_stack_arena *arena = create(16 * KB, 4, guards[g]);
        struct coro_stack stack;

        for (int i = 0; i < 4; i++) {
            struct child child;

            cr_assert_eq(coro_stack_alloc(arena, &stack), 0);
            child = run_child(touch_below, &stack);
#if CORO_ANNOTATED /* whose own handler reports and exits */
            cr_expect(child.signal || child.code, "guard %d, stack %d", guards[g], i);
#else
            cr_expect_eq(child.signal, SIGSEGV, "guard %d, stack %d", guards[g], i);
#endif
        }
        coro_stack_arena_destroy(arena);
    }
}

Test(stack, the_guard_is_the_best_that_was_wanted_and_can_be_had)
{
    struct coro_stack_arena *arena = create(4 * KB, 1, CORO_GUARD_MPROTECT);

    cr_expect_eq(coro_stack_arena_guard(arena), CORO_GUARD_MPROTECT);
    coro_stack_arena_destroy(arena);
    arena = create(4 * KB, 1, CORO_GUARD_NONE);
    cr_expect_eq(coro_stack_arena_guard(arena), CORO_GUARD_NONE);
    coro_stack_arena_destroy(arena);
    arena = create(2 * KB, 1, CORO_GUARD_MADVISE);
    cr_expect_eq(coro_stack_arena_guard(arena), CORO_GUARD_NONE,
                 "stacks that share pages");
    coro_stack_arena_destroy(arena);
}

static size_t mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    size_t lines = 0;
    int c;

    cr_assert_not_null(maps);
    while ((c = getc(maps)) != EOF)
        lines += c == '\n';
    fclose(maps);
    return lines;
}

Test(stack, a_guard_by_madvise_costs_no_mapping)
{
    enum { STACKS = 1000 };
    struct coro_stack_arena *arena = create(16 * KB, STACKS, CORO_GUARD_MADVISE);
    struct coro_stack stack;
    size_t before = mappings();

    if (coro_stack_arena_guard(arena) != CORO_GUARD_MADVISE)
        cr_skip_test("this kernel lacks MADV_GUARD_INSTALL (Linux 6.13)");
    for (int i = 0; i < STACKS; i++)
        cr_assert_eq(coro_stack_alloc(arena, &stack), 0);
    cr_expect_leq(mappings(), before + 10);
    coro_stack_arena_destroy(arena);
}

Test(stack, tops_are_spread_over_the_cache_sets)
{
    enum { STACKS = 64, SETS = 64, LINE_BYTES = 64 };
    static const size_t sizes[] = {KB, 2 * KB, 4 * KB, 16 * KB, 64 * KB};

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct coro_stack_arena *arena = create(sizes[s], STACKS, CORO_GUARD_MADVISE);
        unsigned in_set[SETS] = {0};

        for (int i = 0; i < STACKS; i++) {
            struct coro_stack stack;

            cr_assert_eq(coro_stack_alloc(arena, &stack), 0);
            in_set[((uintptr_t)stack.top - 1) / LINE_BYTES % SETS]++;
        }
        for (int i = 0; i < SETS; i++)
            cr_expect_leq(in_set[i], 2, "%zu bytes: %u tops in one set", sizes[s],
                          in_set[i]);
        coro_stack_arena_destroy(arena);
    }
}

Test(stack, the_last_freed_is_the_first_to_go)
{
    struct coro_stack_arena *arena = create(4 * KB, 3, CORO_GUARD_MADVISE);
    struct coro_stack a, b, again;

    cr_assert_eq(coro_stack_alloc(arena, &a), 0);
    cr_assert_eq(coro_stack_alloc(arena, &b), 0);
    coro_stack_free(arena, &b);
    coro_stack_free(arena, &a);
    cr_assert_eq(coro_stack_alloc(arena, &again), 0);
    cr_expect_eq(again.low, a.low);
    cr_expect_eq(again.top, a.top);
    cr_assert_eq(coro_stack_alloc(arena, &again), 0);
    cr_expect_eq(again.low, b.low);
    coro_stack_arena_destroy(arena);
}

/* Allocated and freed without a touch, a stack has no page. */
Test(stack, the_arena_touches_no_stack)
{
    enum { STACKS = 64 };
    struct coro_stack_arena *arena = create(16 * KB, STACKS, CORO_GUARD_MADVISE);
    struct coro_stack stacks[STACKS];

    for (int i = 0; i < STACKS; i++)
        cr_assert_eq(coro_stack_alloc(arena, &stacks[i]), 0);
    for (int i = 0; i < STACKS; i++)
        coro_stack_free(arena, &stacks[i]);
    for (int i = 0; i < STACKS; i++) {
        unsigned char resident[4] = {0};

        cr_assert_eq(mincore(stacks[i].low, sizeof resident * 4 * KB, resident), 0);
        for (size_t page = 0; page < sizeof resident; page++)
            cr_expect_eq(resident[page] & 1, 0, "stack %d, page %zu", i, page);
    }
    coro_stack_arena_destroy(arena);
}

Test(stack, exhaustion_is_enomem_until_one_is_freed)
{
    struct coro_stack_arena *arena = create(KB, 2, CORO_GUARD_MADVISE);
    struct coro_stack a, b, c;

    cr_assert_eq(coro_stack_alloc(arena, &a), 0);
    cr_assert_eq(coro_stack_alloc(arena, &b), 0);
    cr_expect_eq(coro_stack_alloc(arena, &c), -ENOMEM);
    coro_stack_free(arena, &a);
    cr_expect_eq(coro_stack_alloc(arena, &c), 0);
    coro_stack_arena_destroy(arena);
}

Test(stack, absurd_sizes_are_refused)
{
    refuse(0, 1, EINVAL);
    refuse(CORO_STACK_MIN_BYTES - 1, 1, EINVAL);
    refuse(16 * KB, 0, EINVAL);
    refuse(SIZE_MAX, 1, ENOMEM);
    refuse(SIZE_MAX - 4096, 1, ENOMEM);
    refuse(16 * KB, SIZE_MAX, ENOMEM);
    refuse(16 * KB, SIZE_MAX / (16 * KB), ENOMEM);
    refuse((size_t)1 << 40, (size_t)1 << 30, ENOMEM);
}

Test(stack, an_address_space_limit_is_enomem)
{
#if CORO_ANNOTATED
    cr_skip_test("sanitizers reserve more address space than any useful limit");
#else
    struct coro_stack_arena *arena;

    rlimit_or_skip(RLIMIT_AS, 1 << 30);
    refuse(MB, 4096, ENOMEM);
    arena = create(MB, 16, CORO_GUARD_MADVISE);
    coro_stack_arena_destroy(arena);
#endif
}

Test(stack, destroy_takes_null_and_stacks_in_use)
{
    struct coro_stack stack;

    coro_stack_arena_destroy(NULL);
    for (int i = 0; i < 100; i++) {
        struct coro_stack_arena *arena =
            create(i % 2 ? KB : 64 * KB, 1000, guards[i % 3]);

        cr_assert_eq(coro_stack_alloc(arena, &stack), 0);
        memset(stack.low, 1, (size_t)(stack.top - stack.low));
        coro_stack_arena_destroy(arena);
    }
}

struct misuse {
    struct coro_stack_arena *arena;
    struct coro_stack stack;
};

static void free_twice(void *arg)
{
    struct misuse *misuse = arg;

    coro_stack_free(misuse->arena, &misuse->stack);
    coro_stack_free(misuse->arena, &misuse->stack);
}

Test(stack, slabs_of_every_size_share_pages_and_groups_are_guarded)
{
    for (size_t bytes = KB; bytes <= 8 * KB; bytes *= 2) {
        struct coro_stack_arena *arena = coro_stack_slab_create(bytes, 200, CORO_GUARD_MADVISE);
        struct coro_stack stacks[200];
        unsigned guards_met = 0;

        cr_assert_not_null(arena, "%s", strerror(errno));
        for (int i = 0; i < 200; i++) {
            cr_assert_eq(coro_stack_alloc(arena, &stacks[i]), 0);
            cr_assert_geq(stacks[i].top - stacks[i].low, (ptrdiff_t)bytes);
            memset(stacks[i].low, i, (size_t)(stacks[i].top - stacks[i].low));
            guards_met += i > 0 && stacks[i].low - stacks[i - 1].top > 1024;
        }
        cr_expect_eq(guards_met, 3, "a guard below each 64, not %u", guards_met);
        for (int i = 0; i < 200; i++) {
            cr_assert_eq((unsigned char)stacks[i].top[-1], i, "stacks overlap");
            coro_stack_free(arena, &stacks[i]);
        }
        coro_stack_arena_destroy(arena);
    }
}

static void overrun_group(void *arg)
{
    struct coro_stack *stack = arg;

    coro_stack_overflow_watch();
    for (volatile char *at = stack->low - 1;; at -= 16)
        *at = 1;
}

/* Whether the mapping of `address` asks for huge pages; -1: the kernel does not say. */
static int asks_for_huge_pages(const char *address)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    char line[512];
    uintptr_t low, high;
    bool here = false;
    int asks = -1;

    while (file && asks < 0 && fgets(line, sizeof line, file)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &low, &high) == 2)
            here = low <= (uintptr_t)address && (uintptr_t)address < high;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            asks = strstr(line, " hg") != NULL;
    }
    if (file)
        fclose(file);
    return asks;
}

Test(stack, huge_pages_are_asked_for_where_stacks_share_pages_and_nowhere_else)
{
    if (is_emulated())
        cr_skip_test("an emulator shows its own mappings, not the program's");

    static const struct {
        size_t stack_bytes;
        bool slab, grouped;
        int asks;
    } cases[] = {{KB, true, false, 1}, {KB, true, true, 0}, {16 * KB, false, false, 0}};
    bool has_any = access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum coro_guard guard = cases[i].grouped ? CORO_GUARD_MPROTECT : CORO_GUARD_NONE;
        struct coro_stack_arena *arena =
            cases[i].slab ? coro_stack_slab_create(cases[i].stack_bytes, 8192, guard)
                          : create(cases[i].stack_bytes, 8192, CORO_GUARD_MADVISE);
        struct coro_stack stack;
        int asks;

        cr_assert_not_null(arena);
        coro_stack_arena_huge(arena);
        cr_assert_eq(coro_stack_alloc(arena, &stack), 0);
        memset(stack.low, 1, (size_t)(stack.top - stack.low));
        asks = asks_for_huge_pages(stack.low);
        if (has_any && asks >= 0)
            cr_expect_eq(asks, cases[i].asks, "case %zu", i);
        coro_stack_free(arena, &stack);
        coro_stack_arena_destroy(arena);
    }
}

Test(stack, a_run_through_a_group_of_slabs_ends_at_its_guard)
{
    struct coro_stack_arena *arena = coro_stack_slab_create(KB, 128, CORO_GUARD_MADVISE);
    struct coro_stack stacks[128];
    struct child child;

    for (int i = 0; i < 128; i++)
        cr_assert_eq(coro_stack_alloc(arena, &stacks[i]), 0);
    child = run_child(overrun_group, &stacks[70]);
    cr_expect_eq(child.signal, SIGABRT);
    cr_expect_not_null(strstr(child.text, "stack overflow: flow on stack 64 of 1024"), "%s",
                       child.text);
    coro_stack_arena_destroy(arena);
}

Test(stack, shrinking_gives_back_what_lies_below_sp_and_nothing_above)
{
    struct coro_stack_arena *arena = create(MB, 1, CORO_GUARD_MADVISE);
    struct coro_stack stack;
    size_t pages = MB / (size_t)sysconf(_SC_PAGESIZE);
    static unsigned char resident[MB / 4096];
    size_t count = 0;
    char *sp;

    cr_assert_eq(coro_stack_alloc(arena, &stack), 0);
    memset(stack.low, 1, (size_t)(stack.top - stack.low));
    sp = stack.top - 5000;
    cr_expect_eq(coro_stack_shrink(&stack, sp), 0);
    cr_assert_eq(mincore(stack.low, MB, resident), 0);
    for (size_t i = 0; i < pages; i++)
        count += resident[i] & 1;
    cr_expect_leq(count, 3, "%zu pages are left", count);
    for (char *at = sp - 128; at < stack.top; at++)
        cr_assert_eq(*at, 1);
    cr_expect_eq(coro_stack_shrink(&stack, stack.top + 1), 0, "no pages of others");
    coro_stack_arena_destroy(arena);
}

static void free_foreign(void *arg)
{
    struct misuse *misuse = arg;

    misuse->stack.low += 1 << 20;
    coro_stack_free(misuse->arena, &misuse->stack);
}

static void free_overrun(void *arg)
{
    struct misuse *misuse = arg;

#ifdef CORO_ASAN
    misuse->stack.low = misuse->stack.low; /* ASan does not watch the canary */
#endif
    misuse->stack.low[-9] = 'x';
    coro_stack_free(misuse->arena, &misuse->stack);
}

Test(stack, misuse_aborts_with_a_sentence)
{
    static const struct {
        child_fn *function;
        const char *sentence;
    } cases[] = {
        {free_twice, "coro: stack: freed twice\n"},
        {free_foreign, "coro: stack: freed to an arena that it is not from\n"},
        {free_overrun,
         "coro: stack overflow: the flow on stack 0 of 1024 bytes wrote below its "
         "low end (found when it was freed)\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct misuse misuse = {.arena = create(KB, 2, CORO_GUARD_NONE)};
        struct child child;

        cr_assert_eq(coro_stack_alloc(misuse.arena, &misuse.stack), 0);
        child = run_child(cases[i].function, &misuse);
        cr_expect_eq(child.signal, SIGABRT);
        cr_expect_str_eq(child.text, cases[i].sentence);
        coro_stack_arena_destroy(misuse.arena);
    }
}
