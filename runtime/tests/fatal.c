/* SPDX-License-Identifier: MIT
 *
 * fatal.c: sentences are put together right, cut when too long, and end in abort().
 */
#include "fatal.h"

#include <criterion/criterion.h>
#include <string.h>

#include "child.h"

static int text_is(const struct coro_text *text, const char *expected)
{
    return text->length == strlen(expected) &&
           memcmp(text->bytes, expected, text->length) == 0;
}

Test(fatal, numbers)
{
    struct coro_text text = {0};

    coro_text_decimal(&text, 0);
    coro_text_string(&text, " ");
    coro_text_decimal(&text, UINT64_MAX);
    coro_text_string(&text, " ");
    coro_text_hex(&text, 0xdeadbeef0);
    cr_assert(text_is(&text, "0 18446744073709551615 0xdeadbeef0"));
}

static void die_at_length(void *arg)
{
    struct coro_text text = {0};

    for (int i = 0; i < 100; i++)
        coro_text_string(&text, "too long ");
    coro_fatal_text(&text);
}

static void die(void *arg)
{
    coro_fatal("chan: a sentence");
}

Test(fatal, aborts_with_the_sentence)
{
    struct child child = run_child(die, NULL);

    cr_expect_eq(child.signal, SIGABRT);
    cr_expect_str_eq(child.text, "coro: chan: a sentence\n");
}

Test(fatal, cuts_what_does_not_fit)
{
    struct child child = run_child(die_at_length, NULL);
    size_t length = strlen(child.text);

    cr_expect_eq(child.signal, SIGABRT);
    cr_expect_eq(length, sizeof((struct coro_text *)0)->bytes);
    cr_expect_eq(child.text[length - 1], '\n');
}
