/* SPDX-License-Identifier: MIT
 *
 * tree.h: a made-up /proc and /sys in a temporary directory, for tests of what reads
 * them.
 */
#ifndef TREE_H
#define TREE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sysfile.h"

static char tree_root[64];

static inline void tree_make_directories(const char *path)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", tree_root, path);
    for (char *at = full + 1; *at; at++)
        if (*at == '/') {
            *at = '\0';
            cr_assert(mkdir(full, 0755) == 0 || errno == EEXIST);
            *at = '/';
        }
}

static inline void tree_write_bytes(const char *path, const void *bytes, size_t count)
{
    char full[512];
    tree_make_directories(path);
    snprintf(full, sizeof full, "%s%s", tree_root, path);
    FILE *file = fopen(full, "w");
    cr_assert(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0);
}

static inline void tree_write(const char *path, const char *text)
{
    tree_write_bytes(path, text, strlen(text));
}

/* An empty machine; the readers look at it from here on. */
static inline void tree_begin(void)
{
    snprintf(tree_root, sizeof tree_root, "/tmp/corobench-tree-XXXXXX");
    cr_assert(mkdtemp(tree_root));
    bench_sysfile_set_root(tree_root);
}

static inline int tree_remove_one(const char *path, const struct stat *status, int type,
                                  struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void tree_end(void)
{
    bench_sysfile_set_root(NULL);
    nftw(tree_root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
