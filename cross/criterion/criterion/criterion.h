/* SPDX-License-Identifier: MIT
 *
 * criterion.h: a stand-in for Criterion in cross builds. Debian has none for riscv64, and under
 * a user-mode emulator its launcher's threads and processes are more than QEMU 7.2 bears.
 *
 * It has the names that this project's tests use, with the same meaning: each test runs in
 * a process of its own; `assert` ends it at the first failure and `expect` goes on; a test may
 * say why it is skipped. It lacks all else: values are not printed, tests run one after the
 * other, and the command line is not read. Tests are registered by constructors,
 * as nothing else is possible behind these macros.
 */
#ifndef CRITERION_STAND_IN_H
#define CRITERION_STAND_IN_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct criterion_options {
    void (*init)(void), (*fini)(void);
    double timeout; /* seconds; 0: a minute */
    int signal;     /* that the test must end by; 0: none */
};

struct criterion_test {
    const char *suite, *name;
    void (*run)(void); /* NULL: these are the options of the whole suite */
    struct criterion_options options;
    struct criterion_test *next;
};

void criterion_register(struct criterion_test *test);
void criterion_failed(bool fatal, const char *file, int line, const char *condition,
                      const char *format, ...);
_Noreturn void criterion_skip(const char *format, ...);

#define CRITERION_REGISTER(id, suite_name, test_name, function, ...)                     \
    static __attribute__((constructor)) void id##_register(void)                         \
    {                                                                                    \
        static struct criterion_test test = {                                            \
            suite_name, test_name, function, {__VA_ARGS__}, NULL};                       \
        criterion_register(&test);                                                       \
    }                                                                                    \
    extern int criterion_semicolon

#define Test(suite, name, ...)                                                           \
    static void suite##_##name##_test(void);                                             \
    CRITERION_REGISTER(suite##_##name, #suite, #name, suite##_##name##_test,             \
                       __VA_ARGS__);                                                     \
    static void suite##_##name##_test(void)
#define TestSuite(suite, ...) CRITERION_REGISTER(suite, #suite, NULL, NULL, __VA_ARGS__)

#define CRITERION_CHECK(fatal, condition, ...)                                           \
    ((condition) ? (void)0                                                               \
                 : criterion_failed(fatal, __FILE__, __LINE__, #condition,               \
                                    "" __VA_ARGS__))

#define cr_assert(condition, ...)        CRITERION_CHECK(true, condition, __VA_ARGS__)
#define cr_assert_not(condition, ...)    CRITERION_CHECK(true, !(condition), __VA_ARGS__)
#define cr_assert_eq(a, b, ...)          CRITERION_CHECK(true, (a) == (b), __VA_ARGS__)
#define cr_assert_neq(a, b, ...)         CRITERION_CHECK(true, (a) != (b), __VA_ARGS__)
#define cr_assert_lt(a, b, ...)          CRITERION_CHECK(true, (a) < (b), __VA_ARGS__)
#define cr_assert_leq(a, b, ...)         CRITERION_CHECK(true, (a) <= (b), __VA_ARGS__)
#define cr_assert_gt(a, b, ...)          CRITERION_CHECK(true, (a) > (b), __VA_ARGS__)
#define cr_assert_geq(a, b, ...)         CRITERION_CHECK(true, (a) >= (b), __VA_ARGS__)
#define cr_assert_null(a, ...)           CRITERION_CHECK(true, (a) == NULL, __VA_ARGS__)
#define cr_assert_not_null(a, ...)       CRITERION_CHECK(true, (a) != NULL, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)      CRITERION_CHECK(true, strcmp(a, b) == 0, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)     CRITERION_CHECK(true, strcmp(a, b) != 0, __VA_ARGS__)
#define cr_assert_float_eq(a, b, e, ...) CRITERION_CHECK(true, fabs((a) - (b)) <= (e), __VA_ARGS__)
#define cr_assert_fail(...)              CRITERION_CHECK(true, false, __VA_ARGS__)

#define cr_expect(condition, ...)        CRITERION_CHECK(false, condition, __VA_ARGS__)
#define cr_expect_not(condition, ...)    CRITERION_CHECK(false, !(condition), __VA_ARGS__)
#define cr_expect_eq(a, b, ...)          CRITERION_CHECK(false, (a) == (b), __VA_ARGS__)
#define cr_expect_neq(a, b, ...)         CRITERION_CHECK(false, (a) != (b), __VA_ARGS__)
#define cr_expect_lt(a, b, ...)          CRITERION_CHECK(false, (a) < (b), __VA_ARGS__)
#define cr_expect_leq(a, b, ...)         CRITERION_CHECK(false, (a) <= (b), __VA_ARGS__)
#define cr_expect_gt(a, b, ...)          CRITERION_CHECK(false, (a) > (b), __VA_ARGS__)
#define cr_expect_geq(a, b, ...)         CRITERION_CHECK(false, (a) >= (b), __VA_ARGS__)
#define cr_expect_null(a, ...)           CRITERION_CHECK(false, (a) == NULL, __VA_ARGS__)
#define cr_expect_not_null(a, ...)       CRITERION_CHECK(false, (a) != NULL, __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)      CRITERION_CHECK(false, strcmp(a, b) == 0, __VA_ARGS__)
#define cr_expect_str_neq(a, b, ...)     CRITERION_CHECK(false, strcmp(a, b) != 0, __VA_ARGS__)
#define cr_expect_float_eq(a, b, e, ...) CRITERION_CHECK(false, fabs((a) - (b)) <= (e), __VA_ARGS__)
#define cr_expect_fail(...)              CRITERION_CHECK(false, false, __VA_ARGS__)

#define cr_skip(...)      criterion_skip("" __VA_ARGS__)
#define cr_skip_test(...) criterion_skip("" __VA_ARGS__)

#endif
