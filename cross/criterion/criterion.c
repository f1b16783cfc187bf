/* SPDX-License-Identifier: MIT
 *
 * criterion.c: runs the tests that were registered, each in a child process; criterion.h.
 *
 * What a test has to say comes back through shared memory, so that its own children may
 * fail it too. A child that neither fails nor ends as it should has crashed.
 */
#include "criterion/criterion.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_DEFAULT_S = 60 };

static struct verdict {
    _Atomic(int) failures; /* relaxed: read when the child has ended */
    _Atomic(bool) skipped;
} *verdict;

static struct criterion_test *tests, **end = &tests;

void criterion_register(struct criterion_test *test)
{
    *end = test;
    end = &test->next;
}

void criterion_failed(bool fatal, const char *file, int line, const char *condition,
                      const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "%s:%d: not so: %s: ", file, line, condition);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    atomic_fetch_add(&verdict->failures, 1);
    if (fatal)
        _exit(1);
}

void criterion_skip(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "  skipped: ");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    atomic_store(&verdict->skipped, true);
    _exit(0);
}

static const struct criterion_options *suite_options(const char *suite)
{
    static const struct criterion_options none;

    for (struct criterion_test *test = tests; test; test = test->next)
        if (!test->run && strcmp(test->suite, suite) == 0)
            return &test->options;
    return &none;
}

static _Noreturn void run_here(const struct criterion_test *test)
{
    const struct criterion_options *own = &test->options;
    const struct criterion_options *suite = suite_options(test->suite);
    void (*init)(void) = own->init ? own->init : suite->init;
    void (*fini)(void) = own->fini ? own->fini : suite->fini;

    alarm(own->timeout > 0 ? (unsigned)ceil(own->timeout) : TIMEOUT_DEFAULT_S);
    if (init)
        init();
    test->run();
    if (fini)
        fini();
    fflush(NULL);
    _exit(0);
}

/* Ended as it was to: by its signal, or by exit(0). */
static bool ended_well(const struct criterion_test *test, int status)
{
    if (test->options.signal)
        return WIFSIGNALED(status) && WTERMSIG(status) == test->options.signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

enum outcome { PASSED, FAILED, SKIPPED, OUTCOMES };

static enum outcome run(const struct criterion_test *test)
{
    int status = -1;
    pid_t child;

    atomic_store(&verdict->failures, 0);
    atomic_store(&verdict->skipped, false);
    fflush(NULL);
    child = fork();
    if (child == 0)
        run_here(test);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return FAILED;
    if (atomic_load(&verdict->skipped))
        return SKIPPED;
    if (!ended_well(test, status) && !atomic_load(&verdict->failures))
        fprintf(stderr, "ended by wait status %#x\n", (unsigned)status);
    return ended_well(test, status) && !atomic_load(&verdict->failures) ? PASSED : FAILED;
}

int main(void)
{
    static const char *const words[OUTCOMES] = {"ok", "FAILED", "skipped"};
    int count[OUTCOMES] = {0};

    verdict = mmap(NULL, sizeof *verdict, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (verdict == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    for (struct criterion_test *test = tests; test; test = test->next) {
        if (!test->run)
            continue;
        enum outcome outcome = run(test);

        count[outcome]++;
        fprintf(stderr, "%s::%s: %s\n", test->suite, test->name, words[outcome]);
    }
    fprintf(stderr, "%d passed, %d failed, %d skipped\n", count[PASSED], count[FAILED],
            count[SKIPPED]);
    return count[FAILED] != 0 || count[PASSED] + count[SKIPPED] == 0;
}
