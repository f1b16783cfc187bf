/* SPDX-License-Identifier: MIT
 *
 * child.h: runs a function that is expected to die, in a child, and keeps its last words;
 * not those that QEMU's user-mode emulation adds to a death by a signal.
 */
#ifndef TEST_CHILD_H
#define TEST_CHILD_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    int signal; /* that ended it, or 0 */
    int code;   /* exit code, when no signal ended it */
    char text[4096]; /* what it wrote to stderr */
};

typedef void child_fn(void *arg);

static inline void be_child(child_fn *function, void *arg, int output)
{
    signal(SIGABRT, SIG_DFL);
    dup2(output, STDERR_FILENO);
    function(arg);
    _exit(0);
}

static inline struct child run_child(child_fn *function, void *arg)
{
    struct child child = {0};
    size_t length = 0;
    ssize_t got;
    int status;
    int ends[2];
    pid_t pid;

    if (pipe(ends))
        abort();
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        be_child(function, arg, ends[1]);
    close(ends[1]);
    while (length < sizeof child.text - 1 &&
           (got = read(ends[0], child.text + length, sizeof child.text - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    if (strstr(child.text, "qemu: uncaught target signal"))
        *strstr(child.text, "qemu: uncaught target signal") = '\0';
    child.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    child.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    return child;
}

#endif
