/* SPDX-License-Identifier: MIT */
#include "parked.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rlimit.h"

static size_t threads_of_this_process(void)
{
    size_t threads = 0;
    DIR *tasks = opendir("/proc/self/task");
    cr_assert_not_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks));)
        threads += entry->d_name[0] != '.';
    closedir(tasks);
    return threads;
}

/* A joined thread is still among the tasks while the kernel takes it down. */
static size_t threads_after(size_t expected)
{
    size_t threads = threads_of_this_process();

    for (int tries = 0; threads != expected && tries < 2000; tries++) {
        usleep(1000);
        threads = threads_of_this_process();
    }
    return threads;
}

static struct parked *grown_or_skip(const struct parked_config *config, size_t flows)
{
    struct parked_config roomy = *config;
    if (parked_distorted() && config->kind == PARKED_CORO)
        roomy.stack_bytes = 65536; /* what sanitizers call needs more than a small stack */
    struct parked *parked = parked_new(&roomy);
    cr_assert_not_null(parked);
    int err = parked_grow(parked, flows);
    if (err == -ENOTSUP)
        cr_skip_test("this kernel has no MADV_GUARD_INSTALL");
    cr_assert_eq(err, 0, "%s", strerror(-err));
    return parked;
}

static void count_and_end(const struct parked_config *config)
{
    size_t threads_before = threads_of_this_process();
    struct parked *parked = grown_or_skip(config, 20);
    cr_assert_eq(parked_count(parked), 20);
    cr_assert_eq(parked_grow(parked, 13), 0);
    cr_assert_eq(parked_count(parked), 33);
    cr_assert_eq(parked_again(parked), config->kind == PARKED_FLOW ? 33 : 0);
    cr_assert_eq(parked_destroy(parked), config->kind == PARKED_FLOW ? 33 : 0);
    cr_assert_eq(threads_after(threads_before), threads_before);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "a child is left");
    cr_assert_eq(errno, ECHILD);
}

#define COUNTS_EACH_FLOW_AND_ENDS_THEM_ALL(what, ...)                                    \
    Test(parked, counts_each_##what##_and_ends_them_all)                                 \
    {                                                                                    \
        const struct parked_config config = {__VA_ARGS__};                               \
        count_and_end(&config);                                                          \
    }                                                                                    \
    extern int parked_semicolon
COUNTS_EACH_FLOW_AND_ENDS_THEM_ALL(coro, PARKED_CORO, 1024, CORO_GUARD_NONE, 0);
COUNTS_EACH_FLOW_AND_ENDS_THEM_ALL(coro_by_mprotect, PARKED_CORO, 4096, CORO_GUARD_MPROTECT, 0);
COUNTS_EACH_FLOW_AND_ENDS_THEM_ALL(coro_by_madvise, PARKED_CORO, 4096, CORO_GUARD_MADVISE, 0);
COUNTS_EACH_FLOW_AND_ENDS_THEM_ALL(ucontext, PARKED_UCONTEXT, 65536, CORO_GUARD_NONE, 0);
/* aarch64's PTHREAD_STACK_MIN is 128 KB. */
COUNTS_EACH_FLOW_AND_ENDS_THEM_ALL(pthread, PARKED_PTHREAD, 262144, CORO_GUARD_NONE, 0);
COUNTS_EACH_FLOW_AND_ENDS_THEM_ALL(process, PARKED_PROCESS, 0, CORO_GUARD_NONE, 0);
COUNTS_EACH_FLOW_AND_ENDS_THEM_ALL(guarded, PARKED_FLOW, 65536, CORO_GUARD_NONE,
                                   CORO_STACK_GUARDED);
COUNTS_EACH_FLOW_AND_ENDS_THEM_ALL(slab, PARKED_FLOW, 8192, CORO_GUARD_NONE, CORO_STACK_SLAB);
COUNTS_EACH_FLOW_AND_ENDS_THEM_ALL(copied, PARKED_FLOW, 0, CORO_GUARD_NONE, CORO_STACK_COPIED);

Test(parked, destroying_nothing_is_allowed)
{
    const struct parked_config config = {PARKED_CORO, 1024, CORO_GUARD_NONE, 0};
    parked_destroy(NULL);
    parked_destroy(parked_new(&config));
}

Test(parked, processes_are_known_by_index_in_the_order_made)
{
    const struct parked_config config = {PARKED_PROCESS, 0, CORO_GUARD_NONE, 0};
    struct parked *parked = grown_or_skip(&config, 3);
    cr_assert_eq(parked_grow(parked, 2), 0);
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(kill(parked_process(parked, i), 0), 0, "process %zu", i);
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(parked_process(parked, i), parked_process(parked, j));
    }
    parked_destroy(parked);
}

Test(parked, flows_made_before_a_refusal_stay_and_are_ended)
{
    const struct parked_config config = {PARKED_PTHREAD, 64 << 20, CORO_GUARD_NONE, 0};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip_test("sanitizers need more address space than RLIMIT_AS would leave");
#endif
    size_t threads_before = threads_of_this_process();
    rlimit_or_skip(RLIMIT_AS, 1 << 30); /* room for some of twenty 64 MB stacks */
    struct parked *parked = parked_new(&config);
    int err = parked_grow(parked, 20);
    cr_assert(err == -EAGAIN || err == -ENOMEM, "%s", strerror(-err));
    cr_assert_gt(parked_count(parked), 0);
    cr_assert_lt(parked_count(parked), 20);
    parked_destroy(parked);
    cr_assert_eq(threads_after(threads_before), threads_before);
}

Test(parked, processes_die_with_their_parent)
{
    int line[2];
    cr_assert_eq(pipe(line), 0);
    pid_t parent = fork();
    if (parent == 0) {
        const struct parked_config config = {PARKED_PROCESS, 0, CORO_GUARD_NONE, 0};
        struct parked *parked = parked_new(&config);
        if (parked_grow(parked, 3) == 0)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    close(line[1]);
    int status;
    cr_assert_eq(waitpid(parent, &status, 0), parent);
    cr_assert(WIFSIGNALED(status));
    char byte; /* end of file comes when the last holder of the writing end is gone */
    alarm(10);
    cr_assert_eq(read(line[0], &byte, 1), 0);
}
