/* SPDX-License-Identifier: MIT
 *
 * fcontext.h: the part of Boost.Context that its C++ classes are built on, as C sees it. The
 * library exports it with C linkage; its own header is C++.
 */
#ifndef FCONTEXT_H
#define FCONTEXT_H

#include <stddef.h>

typedef void *fcontext_t;

struct fcontext_transfer {
    fcontext_t from; /* the flow that was left */
    void *data;
};

/* Resumes `to`. Returns when something resumes the caller, with who did so. */
struct fcontext_transfer jump_fcontext(fcontext_t to, void *data);

/* A flow on the `stack_bytes` below stack_top that begins with entry(transfer). */
fcontext_t make_fcontext(void *stack_top, size_t stack_bytes,
                         void (*entry)(struct fcontext_transfer));

#endif
