/* SPDX-License-Identifier: MIT */
#include "handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "version.h"

int bench_hand_over(const char *verb, const char *const *arguments)
{
    char script[4096], own[4096];
    char *argv[256] = {COROBENCH_PYTHON, script};
    size_t n = 2;
    const char *scripts = getenv("COROBENCH_EXEC_PATH"); /* as git's GIT_EXEC_PATH */
    snprintf(script, sizeof script, "%s/%s", scripts ? scripts : COROBENCH_SCRIPTS, verb);
    for (; arguments && *arguments && n < sizeof argv / sizeof *argv - 1; arguments++)
        argv[n++] = (char *)*arguments;
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    if (length > 0) {
        own[length] = '\0';
        setenv("COROBENCH_PROGRAM", own, 1);
    }
    fflush(NULL);
    execv(argv[0], argv);
    fprintf(stderr, "corobench: cannot run %s %s: %s\n", argv[0], script, strerror(errno));
    return 1;
}
