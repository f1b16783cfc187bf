/* SPDX-License-Identifier: MIT
 *
 * Tests of symbols.c, on this very process.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>
#include "symbols.h"

__attribute__((noinline)) static int a_function_to_find(int x)
{
    __asm__ volatile("");
    return x + 1;
}

Test(symbols, finds_a_function_and_an_offset)
{
    struct bench_symbols *symbols = bench_symbols_load(getpid());
    cr_assert_not_null(symbols);
    uint64_t address = (uintptr_t)a_function_to_find;
    struct bench_symbol at = bench_symbols_find(symbols, address);
    struct bench_symbol after = bench_symbols_find(symbols, address + 1);
    cr_assert_str_eq(at.module, "test-symbols");
    cr_assert_str_eq(at.function, "a_function_to_find");
    cr_assert_eq(at.offset, 0);
    cr_assert_str_eq(after.function, "a_function_to_find");
    cr_assert_eq(after.offset, 1);
    cr_assert_eq(after.address, at.address + 1);
    bench_symbols_free(symbols);
}

Test(symbols, names_the_library)
{
    struct bench_symbols *symbols = bench_symbols_load(getpid());
    struct bench_symbol found = bench_symbols_find(symbols, (uintptr_t)getpid);
    cr_assert(strstr(found.module, "libc") != NULL || found.function != NULL, "%s",
              found.module);
    bench_symbols_free(symbols);
}

Test(symbols, admits_not_to_know)
{
    struct bench_symbols *symbols = bench_symbols_load(getpid());
    struct bench_symbol found = bench_symbols_find(symbols, 16);
    cr_assert_str_eq(found.module, "?");
    cr_assert_null(found.function);
    cr_assert_eq(found.address, 16);
    found = bench_symbols_find(NULL, 16);
    cr_assert_str_eq(found.module, "?");
    cr_assert_null(bench_symbols_load(-1));
    bench_symbols_free(symbols);
}
