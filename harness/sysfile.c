/* SPDX-License-Identifier: MIT
 *
 * sysfile.c: bounded, sanitised reads of /proc and /sys; see sysfile.h.
 *
 * Text is cleaned as it is read, once, so that no reader of a fact can forget to. UTF-8
 * is not kept: no file that is read here needs it, and a filter for bytes can't be fooled
 * by overlong forms, direction overrides or characters of no width.
 */
#include "sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 1 << 20 };

static const char *root_path; /* NULL: the machine itself */

void bench_sysfile_set_root(const char *root)
{
    root_path = root;
}

int bench_sysfile_is_machine(void)
{
    return root_path == NULL;
}

static void clean(char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x7f)
            text[i] = '?';
        else if (c < 0x20 && c != '\n')
            text[i] = ' ';
    }
}

void bench_sanitise(char *text)
{
    size_t bytes = strlen(text);
    clean(text, bytes);
    for (size_t i = 0; i < bytes; i++)
        if (text[i] == '\n')
            text[i] = ' ';
}

static int open_below_root(const char *path)
{
    char full[PATH_MAX];
    int length = snprintf(full, sizeof full, "%s%s", root_path ? root_path : "", path);
    if (length < 0 || (size_t)length >= sizeof full) {
        errno = ENAMETOOLONG;
        return -1;
    }
    /* Not blocking: in a made-up tree a file may be a pipe that nobody writes. */
    return open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* Reads up to `bytes` and returns how many there were, or -1 with errno. */
static ssize_t read_all(int file, char *text, size_t bytes)
{
    size_t have = 0;
    while (have < bytes) {
        ssize_t got = read(file, text + have, bytes - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

/* Like bench_sysfile_text(), of at most `bytes_max` bytes. */
static char *read_text(const char *path, size_t bytes_max)
{
    int file = open_below_root(path);
    if (file < 0)
        return NULL;
    char *text = malloc(bytes_max + 1);
    ssize_t bytes = text ? read_all(file, text, bytes_max) : -1;
    int error = text ? errno : ENOMEM;
    close(file);
    if (bytes < 0) {
        free(text);
        errno = error;
        return NULL;
    }
    clean(text, (size_t)bytes);
    text[bytes] = '\0';
    return text;
}

char *bench_sysfile_text(const char *path)
{
    return read_text(path, TEXT_BYTES_MAX);
}

/* Copies from `from` to the end of its line, trimmed, cut to `bytes`. */
static void copy_line(const char *from, char *line, size_t bytes)
{
    from += strspn(from, " ");
    size_t length = strcspn(from, "\n");
    while (length > 0 && from[length - 1] == ' ')
        length--;
    if (length >= bytes)
        length = bytes - 1;
    memcpy(line, from, length);
    line[length] = '\0';
}

int bench_sysfile_line(const char *path, char *line, size_t bytes)
{
    line[0] = '\0';
    char *text = read_text(path, 4096);
    if (!text)
        return -errno;
    copy_line(text, line, bytes);
    free(text);
    return 0;
}

int bench_sysfile_number(const char *path, long long *number)
{
    char line[64], *end;
    int error = bench_sysfile_line(path, line, sizeof line);
    if (error)
        return error;
    errno = 0;
    long long value = strtoll(line, &end, 10);
    if (end == line || errno)
        return -EINVAL;
    *number = value;
    return 0;
}

int bench_sysfile_field(const char *text, const char *key, char *value, size_t bytes)
{
    size_t key_bytes = strlen(key);
    value[0] = '\0';
    for (const char *line = text; line && *line;) {
        if (strncmp(line, key, key_bytes) == 0) {
            const char *after = line + key_bytes + strspn(line + key_bytes, " ");
            if (*after == ':') {
                copy_line(after + 1, value, bytes);
                return 0;
            }
        }
        line = strchr(line, '\n');
        if (line)
            line++;
    }
    return -ENOENT;
}
