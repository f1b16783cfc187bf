/* SPDX-License-Identifier: MIT
 *
 * emulated.h: whether QEMU's user mode runs this test. It answers for /proc/self/exe as the
 * program expects, but not for the same link by way of the thread.
 */
#ifndef TEST_EMULATED_H
#define TEST_EMULATED_H

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static inline bool is_emulated(void)
{
    char path[512];
    ssize_t length = readlink("/proc/thread-self/exe", path, sizeof path - 1);

    path[length > 0 ? length : 0] = '\0';
    return strstr(path, "/qemu-") != NULL;
}

#endif
