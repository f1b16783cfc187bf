/* SPDX-License-Identifier: MIT
 *
 * fatal.c: see fatal.h.
 */
#include "fatal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void coro_text_string(struct coro_text *text, const char *string)
{
    size_t length = strlen(string);
    size_t room = sizeof text->bytes - text->length;

    if (length > room)
        length = room;
    memcpy(text->bytes + text->length, string, length);
    text->length += length;
}

static void number(struct coro_text *text, uint64_t value, unsigned base)
{
    char digits[21];
    char *digit = digits + sizeof digits;

    *--digit = '\0';
    do {
        *--digit = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    coro_text_string(text, digit);
}

void coro_text_decimal(struct coro_text *text, uint64_t value)
{
    number(text, value, 10);
}

void coro_text_hex(struct coro_text *text, uint64_t value)
{
    coro_text_string(text, "0x");
    number(text, value, 16);
}

void coro_warn_text(const struct coro_text *sentence)
{
    struct coro_text line = {0};

    coro_text_string(&line, "coro: ");
    memcpy(line.bytes + line.length, sentence->bytes,
           sentence->length < sizeof line.bytes - line.length - 1
               ? sentence->length
               : sizeof line.bytes - line.length - 1);
    line.length += sentence->length;
    if (line.length > sizeof line.bytes - 1)
        line.length = sizeof line.bytes - 1;
    line.bytes[line.length++] = '\n';
    if (write(STDERR_FILENO, line.bytes, line.length) < 0) {
        /* Nobody to tell; an abort itself still says something. */
    }
}

_Noreturn void coro_fatal_text(const struct coro_text *sentence)
{
    coro_warn_text(sentence);
    abort();
}

_Noreturn void coro_fatal(const char *sentence)
{
    struct coro_text text = {0};

    coro_text_string(&text, sentence);
    coro_fatal_text(&text);
}
