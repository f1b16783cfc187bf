/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

char *bench_record_line(const json_t *record)
{
    /* Twelve digits are more than any clock or counter here resolves. */
    char *text = json_dumps(record, JSON_COMPACT | JSON_REAL_PRECISION(12));
    size_t length = text ? strlen(text) : 0;
    char *line = text ? realloc(text, length + 2) : NULL;
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + length, "\n", 2);
    return line;
}

json_t *bench_json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string && !strpbrk(text, "\033\n\r\t"))
        return string;
    json_decref(string);
    char *clean = strdup(text);
    for (char *p = clean; p && *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            *p = *p == '\n' || *p == '\t' ? ' ' : '?';
    string = json_string(clean ? clean : "");
    free(clean);
    return string;
}

static int make_folders_above(const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    int err = 0;
    for (char *slash = strchr(copy + 1, '/'); slash && !err; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0777) && errno != EEXIST)
            err = -errno;
        *slash = '/';
    }
    free(copy);
    return err;
}

static int lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int err = -errno;
    close(fd);
    return err;
}

int bench_record_create(const char *path)
{
    int err = make_folders_above(path);
    if (err)
        return err;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    return fd < 0 ? -errno : lock(fd);
}

/* Where the last whole line ends. */
static off_t whole_lines_end(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END);
    char byte;
    while (end > 0 && pread(fd, &byte, 1, end - 1) == 1 && byte != '\n')
        end--;
    return end;
}

int bench_record_open_append(const char *path)
{
    int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    fd = lock(fd);
    if (fd >= 0 && ftruncate(fd, whole_lines_end(fd))) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

int bench_record_append(int fd, const json_t *record)
{
    char *line = bench_record_line(record);
    if (!line)
        return -ENOMEM;
    size_t length = strlen(line);
    ssize_t written = write(fd, line, length);
    free(line);
    if (written < 0)
        return -errno;
    return (size_t)written == length ? 0 : -ENOSPC;
}

static json_t *parse_line(const char *line, size_t length, const char *path, size_t number,
                          char *error, size_t error_bytes)
{
    json_error_t why;
    json_t *record = json_loadb(line, length, JSON_REJECT_DUPLICATES, &why);
    if (!record)
        snprintf(error, error_bytes, "%s:%zu: not a record: %s", path, number, why.text);
    else if (json_integer_value(json_object_get(record, "schema")) != BENCH_SCHEMA)
        snprintf(error, error_bytes, "%s:%zu: not a record of schema %d", path, number,
                 BENCH_SCHEMA);
    else
        return record;
    json_decref(record);
    return NULL;
}

json_t *bench_record_read(const char *path, char *error, size_t error_bytes)
{
    FILE *file = fopen(path, "re");
    json_t *records = json_array();
    char *line = NULL;
    size_t capacity = 0, number = 0;
    ssize_t length = 0;
    if (!file) {
        snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
        json_decref(records);
        return NULL;
    }
    while ((length = getline(&line, &capacity, file)) > 0 && line[length - 1] == '\n') {
        json_t *record =
            parse_line(line, (size_t)length, path, ++number, error, error_bytes);
        if (!record || json_array_append_new(records, record)) {
            json_decref(records);
            records = NULL;
            break;
        }
    }
    if (records && ferror(file)) {
        snprintf(error, error_bytes, "%s: reading failed: %s", path, strerror(errno));
        json_decref(records);
        records = NULL;
    }
    free(line);
    fclose(file);
    return records;
}
