/* SPDX-License-Identifier: MIT
 *
 * record.h: records as JSON Lines: append one, read what is there.
 *
 * A record file is only ever appended to, a whole line with one write(2), by one process
 * that holds a lock on it. So a killed run leaves whole lines and at most one torn last
 * line, which the next writer cuts off and every reader ignores.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stddef.h>
#include <stdio.h>
#include <jansson.h>

enum { BENCH_SCHEMA = 1 }; /* results/record.schema.json */

/* One line of compact JSON, ending in a newline; to free(). NULL without memory. */
char *bench_record_line(const json_t *record);

/* A JSON string of any bytes: what is not UTF-8, and control characters, become '?'. */
json_t *bench_json_text(const char *text);

/* Creates `path` (which must not exist) and the folders above it, or opens an existing file
 * to append to, cutting off a torn last line. Takes a lock: -EWOULDBLOCK when another run
 * is writing. Returns a file descriptor or -errno. */
int bench_record_create(const char *path);
int bench_record_open_append(const char *path);

/* Appends one record with a single write. 0 or -errno. */
int bench_record_append(int fd, const json_t *record);

/* Reads every record of `path` into a JSON array. A torn last line is left out. On any
 * other fault returns NULL with one sentence in `error` ("FILE:LINE: ..."). */
json_t *bench_record_read(const char *path, char *error, size_t error_bytes);

#endif
