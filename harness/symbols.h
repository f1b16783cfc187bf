/* SPDX-License-Identifier: MIT
 *
 * symbols.h: which file and function an address of another process belongs to.
 */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <stdint.h>
#include <sys/types.h>

struct bench_symbols;

/* Takes down the executable mappings of the process; NULL when that can't be had. Files
 * are opened as they are asked for, so the process need not live on. */
struct bench_symbols *bench_symbols_load(pid_t pid);
void bench_symbols_free(struct bench_symbols *symbols);

struct bench_symbol {
    const char *module;   /* base name of the file, "[vdso]", or "?" */
    uint64_t address;     /* as objdump shows it in that file; else the address itself */
    const char *function; /* NULL when unknown */
    uint64_t offset;      /* from the function's start */
};

/* Pointers live as long as `symbols`, which may be NULL. */
struct bench_symbol bench_symbols_find(struct bench_symbols *symbols, uint64_t pc);

#endif
