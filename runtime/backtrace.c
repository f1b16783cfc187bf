/* SPDX-License-Identifier: MIT
 *
 * backtrace.c: the frames of a flow, by the compiler's own unwinder.
 *
 * It knows only how to walk from where it is called: of a flow that is suspended, the call is made
 * to look as if it came from there (arch/<cpu>/call_from.S). Functions are named by the dynamic
 * symbol table if that knows them (link with -rdynamic), else given for addr2line. On riscv64 gcc
 * makes the tables that it walks by only if told to (-fasynchronous-unwind-tables).
 */
#include "internal.h"

#include <dlfcn.h>
#include <unwind.h>

enum { FRAMES_MAX = 32 };

struct walk {
    FILE *file;
    uintptr_t first_pc; /* frames before this one are ours */
    unsigned depth;
    bool begun;
};

void coro_arch_call_from(const struct coro_context *from, void (*body)(void *arg), void *arg)
    __attribute__((visibility("hidden")));

/* A return address belongs to the call before it. */
static void print_place(FILE *file, uintptr_t pc)
{
    Dl_info info;

    if (!dladdr((void *)(pc - 1), &info)) {
        fprintf(file, "%#tx\n", (ptrdiff_t)pc);
        return;
    }
    if (info.dli_sname)
        fprintf(file, "%s+%#tx ", info.dli_sname, (char *)pc - (char *)info.dli_saddr);
    fprintf(file, "(%s+%#tx)\n", info.dli_fname, (char *)pc - (char *)info.dli_fbase);
}

static _Unwind_Reason_Code visit(struct _Unwind_Context *unwind, void *arg)
{
    struct walk *walk = arg;
    uintptr_t pc = _Unwind_GetIP(unwind);

    walk->begun |= pc == walk->first_pc;
    if (!walk->begun)
        return _URC_NO_REASON;
    if (!pc || walk->depth == FRAMES_MAX)
        return _URC_NORMAL_STOP;
    fprintf(walk->file, "      #%u ", walk->depth++);
    print_place(walk->file, pc);
    return _URC_NO_REASON;
}

static void walk_from_here(void *arg)
{
    (void)_Unwind_Backtrace(visit, arg);
    __asm__ volatile(""); /* not a tail call: the frame must stay */
}

void coro_backtrace(FILE *file, const struct coro_context *from)
{
    struct walk walk = {.file = file, .first_pc = (uintptr_t)from->pc};

    coro_arch_call_from(from, walk_from_here, &walk);
}

void coro_backtrace_self(FILE *file, void *first_pc)
{
    struct walk walk = {.file = file, .first_pc = (uintptr_t)first_pc};

    walk_from_here(&walk);
}

void coro_backtrace_top(FILE *file, const void *pc)
{
    fprintf(file, "      #0 ");
    print_place(file, (uintptr_t)pc);
}
