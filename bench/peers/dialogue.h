/* SPDX-License-Identifier: MIT
 *
 * dialogue.h: the dialogue of README.md, for peers in C and C++. It links nothing.
 */
#ifndef DIALOGUE_H
#define DIALOGUE_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind "key=" among the arguments, or `otherwise`. */
static inline uint64_t dialogue_number(int argc, char **argv, const char *key,
                                       uint64_t otherwise)
{
    size_t length = strlen(key);
    for (int i = 2; i < argc; i++)
        if (strncmp(argv[i], key, length) == 0 && argv[i][length] == '=')
            return strtoull(argv[i] + length + 1, NULL, 10);
    return otherwise;
}

/* Says what this is, then answers each count with what run() returns. An exit code. */
static inline int dialogue_hold(const char *system, uint64_t (*run)(uint64_t ops))
{
    uint64_t ops;
    printf("{\"ready\": \"%s\"}\n", system);
    fflush(stdout);
    while (scanf("%" SCNu64, &ops) == 1) {
        printf("{\"counted\": %" PRIu64 "}\n", run(ops));
        fflush(stdout);
    }
    return 0;
}

/* In place of the dialogue: why it can't be held here. An exit code. */
static inline int dialogue_skip(const char *reason)
{
    printf("{\"skipped\": \"%s\"}\n", reason);
    return 0;
}

/* Flow i's part of `ops` ops that `flows` flows do together. */
static inline uint64_t dialogue_share(uint64_t ops, uint64_t flows, uint64_t i)
{
    return ops / flows + (i < ops % flows);
}

#endif
