/* SPDX-License-Identifier: MIT
 *
 * abi.c: what a switch must keep, register by register.
 *
 * Every way to switch is called with each callee-saved register poisoned, while the other
 * flow overwrites all of them. The checker itself is checked: switches that break one
 * register each must be caught, by that register's name.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "context.h"

typedef void abi_switch_fn(struct coro_context *from, struct coro_context *to);

#include "abi_arch.h"

struct abi_registers {
    uint64_t value[ABI_REGISTERS];
};

void abi_poisoned_call(abi_switch_fn *function, struct coro_context *from,
                       struct coro_context *to, struct abi_registers *after);
void abi_trash_and_call(abi_switch_fn *function, struct coro_context *from,
                        struct coro_context *to);
int abi_red_zone(struct coro_context *from, struct coro_context *to);

static struct coro_context self;
static struct coro_context other;
static abi_switch_fn *other_switch;

static void by_inline(struct coro_context *from, struct coro_context *to)
{
    coro_switch_inline(from, to);
}

static void by_jump(struct coro_context *from, struct coro_context *to)
{
    coro_switch_jump(from, to);
}

static const struct {
    const char *name;
    abi_switch_fn *function;
} good[] = {
    {"coro_switch called", coro_switch}, {"jumped to", by_jump}, {"inlined", by_inline}};

static struct coro_context *trash(void *arg)
{
    abi_trash_and_call(other_switch, &other, &self);
    return &self;
}

enum { STACK_BYTES = 64 * 1024, EDGE_BYTES = 256 };

/* A flow's stack with canaries on both sides. */
static _Alignas(64) char memory[EDGE_BYTES + STACK_BYTES + EDGE_BYTES];

static struct coro_stack edged_stack(void)
{
    memset(memory, 0xa5, sizeof memory);
    return (struct coro_stack){.low = memory + EDGE_BYTES,
                               .top = memory + EDGE_BYTES + STACK_BYTES};
}

static int edges_changed(void)
{
    int changed = 0;

    for (int i = 0; i < EDGE_BYTES; i++) {
        changed += memory[i] != (char)0xa5;
        changed += memory[EDGE_BYTES + STACK_BYTES + i] != (char)0xa5;
    }
    return changed;
}

/* Switches away by `away`, back by `back`; the first register that changed, or NULL. */
static const char *register_changed(abi_switch_fn *away, abi_switch_fn *back)
{
    struct coro_stack stack = edged_stack();
    struct abi_registers after;

    other_switch = back;
    coro_context_make(&other, &stack, trash, NULL);
    abi_poisoned_call(away, &self, &other, &after);
    coro_switch(&self, &other); /* let it finish */
    for (int i = 0; i < ABI_REGISTERS; i++)
        if (after.value[i] != (i == ABI_STACK_POINTER ? 0 : ABI_POISON + (uint64_t)i))
            return abi_register_names[i];
    return NULL;
}

Test(abi, each_switch_keeps_each_register)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        for (size_t j = 0; j < sizeof good / sizeof *good; j++) {
            const char *name = register_changed(good[i].function, good[j].function);

            cr_expect_null(name, "%s changed (away: %s, back: %s)", name, good[i].name,
                           good[j].name);
            cr_expect_eq(edges_changed(), 0,
                         "wrote outside the stack (away: %s, back: %s)", good[i].name,
                         good[j].name);
        }
    }
}

Test(abi, a_faulty_switch_is_caught_by_name)
{
    for (int i = 0; i < ABI_REGISTERS; i++) {
        const char *name = register_changed(abi_faulty[i], coro_switch);

        cr_expect_str_eq(name ? name : "nothing", abi_register_names[i]);
    }
}

Test(abi, what_lies_below_the_caller_is_left_alone)
{
#if CORO_ANNOTATED
    cr_skip_test("the bare switch is not used under sanitizers");
#elif !ABI_RED_ZONE_BYTES
    cr_skip_test("this ABI has no red zone");
#else
    struct coro_stack stack = edged_stack();

    other_switch = coro_switch;
    coro_context_make(&other, &stack, trash, NULL);
    cr_assert_eq(abi_red_zone(&self, &other), 0);
#endif
}

static struct coro_context *change_control(void *arg)
{
    for (int i = 0; i < ABI_CONTROLS; i++)
        abi_control_write(i, abi_controls[i].value);
    coro_switch(&other, &self);
    return &self;
}

/* Documented in context.h: the thread's, not the flow's. */
Test(abi, floating_point_control_is_not_kept)
{
    struct coro_stack stack = edged_stack();
    uint64_t before[ABI_CONTROLS];
    uint64_t after[ABI_CONTROLS];

    for (int i = 0; i < ABI_CONTROLS; i++)
        before[i] = abi_control_read(i);
    coro_context_make(&other, &stack, change_control, NULL);
    coro_switch(&self, &other);
    for (int i = 0; i < ABI_CONTROLS; i++) {
        after[i] = abi_control_read(i);
        abi_control_write(i, before[i]);
    }
    for (int i = 0; i < ABI_CONTROLS; i++) {
        cr_expect_neq(before[i], abi_controls[i].value, "%s: nothing to see",
                      abi_controls[i].name);
        cr_expect_eq(after[i], abi_controls[i].value, "%s is %#lx", abi_controls[i].name,
                     (unsigned long)after[i]);
    }
}
