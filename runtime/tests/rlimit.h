/* SPDX-License-Identifier: MIT
 *
 * rlimit.h: a resource limit for a test, which is skipped where the limit is ignored: QEMU's
 * user-mode emulation says yes to limits of memory and does not set them.
 */
#ifndef TEST_RLIMIT_H
#define TEST_RLIMIT_H

#include <criterion/criterion.h>
#include <sys/resource.h>

static inline void rlimit_or_skip(int which, rlim_t bytes)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(which, &limit), 0);
    limit.rlim_cur = bytes;
    cr_assert_eq(setrlimit(which, &limit), 0);
    cr_assert_eq(getrlimit(which, &limit), 0);
    if (limit.rlim_cur != bytes)
        cr_skip_test("this kernel takes a limit of memory and ignores it: an emulator");
}

#endif
