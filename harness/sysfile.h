/* SPDX-License-Identifier: MIT
 *
 * sysfile.h: reads what the kernel says in /proc and /sys, and trusts none of it.
 *
 * Whatever such a file holds (a container or a hypervisor may have made it up), what comes
 * out of here is bounded, ends in a NUL and is printable ASCII, newlines aside. A file that
 * is missing, unreadable, a directory or a pipe is -errno, never a hang.
 */
#ifndef SYSFILE_H
#define SYSFILE_H

#include <stddef.h>

/* The whole file, at most 1 MiB of it, to be freed; NULL with errno set. */
char *bench_sysfile_text(const char *path);

/* The first line, blanks at both ends trimmed, cut to `bytes`. 0 or -errno. */
int bench_sysfile_line(const char *path, char *line, size_t bytes);

/* The number that the file starts with. 0 or -errno; -EINVAL when there is none. */
int bench_sysfile_number(const char *path, long long *number);

/* The value of the first "key : value" line of `text`, trimmed and cut to `bytes`.
 * 0, or -ENOENT: no such line, or text is NULL. */
int bench_sysfile_field(const char *text, const char *key, char *value, size_t bytes);

/* Replaces all that is not printable ASCII by '?' and control characters by blanks. */
void bench_sanitise(char *text);

/* For tests: every path is looked up below `root`, which must live on. NULL: the machine. */
void bench_sysfile_set_root(const char *root);
int bench_sysfile_is_machine(void);

#endif
