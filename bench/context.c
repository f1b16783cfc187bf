/* SPDX-License-Identifier: MIT
 *
 * context: how many bytes does a switch save, and what does a kernel thread own beside them?
 *
 * A ladder, from the three registers of the inlined switch to the kernel's: what a thread's entry
 * into the kernel pushes (pt_regs), and the area for its vector registers (XSAVE), whose size CPUID
 * tells. Where a C library saves into an object, bytes are counted, not computed: two objects are
 * filled, with different bytes, and saved to; where one of them changed, it wrote. The
 * object may be larger than that: noted.
 *
 * Go's is what its source says; no program of ours can ask. What a thread owns beside its
 * registers is the kernel's statistics: the slope of KernelStack over threads, and the size of an
 * object in /proc/slabinfo, which is root's to read.
 *
 * Nothing here is timed: what saving costs is the business of `ablation`.
 */
#include "experiments.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#if defined(__x86_64__)
#include <asm/ptrace.h>
#include <cpuid.h>
#endif

#include "footprint.h"
#include "parked.h"

struct context_config {
    int (*find)(struct bench_trial *t, const struct context_config *config);
    double bytes;       /* where it is known beforehand: a contract's, or documented */
    const char *source, *what;
};

static int known(struct bench_trial *t, const struct context_config *config)
{
    bench_metric(t, "bytes", "B", config->source, config->bytes);
    return 0;
}

/* ---- what a library writes ----------------------------------------------------------- */

/* Not one byte all over: that may be in a register that is saved. */
static unsigned char fill(int turn, size_t at)
{
    return (unsigned char)((at * 37) ^ (turn ? 0x5a : 0xa5));
}

static void fill_all(int turn, unsigned char *object, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        object[i] = fill(turn, i);
}

/* What was written is not both fills still. */
static void report_written(struct bench_trial *t, const void *first, const void *second,
                           size_t object_bytes)
{
    const unsigned char *a = first, *b = second;
    size_t written = 0;

    for (size_t i = 0; i < object_bytes; i++)
        written += a[i] != fill(0, i) || b[i] != fill(1, i);
    bench_metric(t, "bytes", "B", "written", (double)written);
    bench_note(t, "object", "of %zu bytes", object_bytes);
}

static int jmp_buf_written(struct bench_trial *t, const struct context_config *config)
{
    static jmp_buf buffers[2];

    (void)config;
    for (volatile int i = 0; i < 2; i++) {
        fill_all(i, (unsigned char *)buffers[i], sizeof buffers[i]);
        (void)_setjmp(buffers[i]);
    }
    report_written(t, buffers[0], buffers[1], sizeof buffers[0]);
    return 0;
}

static int ucontext_written(struct bench_trial *t, const struct context_config *config)
{
    static ucontext_t contexts[2];

    (void)config;
    for (volatile int i = 0; i < 2; i++) {
        fill_all(i, (unsigned char *)&contexts[i], sizeof contexts[i]);
        (void)getcontext(&contexts[i]);
    }
    report_written(t, &contexts[0], &contexts[1], sizeof contexts[0]);
    return 0;
}

/* ---- the kernel's -------------------------------------------------------------------- */

static int pt_regs(struct bench_trial *t, const struct context_config *config)
{
#if defined(__x86_64__)
    bench_metric(t, "bytes", "B", config->source, (double)sizeof(struct pt_regs));
    return 0;
#else
    (void)config;
    return bench_skip(t, "known of x86-64 only");
#endif
}

static int xsave_area(struct bench_trial *t, const struct context_config *config)
{
#if defined(__x86_64__)
    unsigned eax, ebx, ecx, edx;

    if (!__get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx) || !ebx)
        return bench_skip(t, "this CPU has no XSAVE");
    bench_metric(t, "bytes", "B", config->source, (double)ebx);
    bench_note(t, "largest", "%u bytes with all that the CPU has", ecx);
    return 0;
#else
    (void)config;
    return bench_skip(t, "known of x86-64 only");
#endif
}

enum { STEPS = 4, THREADS_PER_STEP = 32, OBJECT_NAME_MAX = 64 };

static int kernel_stack(struct bench_trial *t, const struct context_config *config)
{
    const struct parked_config threads = {.kind = PARKED_PTHREAD, .stack_bytes = 64 * 1024};
    double count[STEPS + 1], bytes[STEPS + 1], spread;
    struct parked *parked = parked_new(&threads);
    int error = parked ? 0 : -ENOMEM;

    bench_kernel_memory_settle();
    for (int step = 0; step <= STEPS && !error; step++) {
        struct bench_kernel_memory memory;

        error = step ? parked_grow(parked, THREADS_PER_STEP) : 0;
        if (!error)
            error = bench_kernel_memory_read(&memory);
        count[step] = step * THREADS_PER_STEP;
        bytes[step] = (double)memory.stack_bytes;
    }
    parked_destroy(parked);
    if (error)
        return bench_skip(t, "no %d threads: %s", STEPS * THREADS_PER_STEP, strerror(-error));
    bench_metric(t, "bytes", "B", config->source, bench_slope(count, bytes, STEPS + 1, &spread));
    bench_note(t, "kernel_scope", "of the whole system");
    return 0;
}

/* The size of an object of a cache that /proc/slabinfo lists; 0: it does not. -errno. */
static int object_bytes_of(const char *name, unsigned *bytes)
{
    FILE *file = fopen("/proc/slabinfo", "re");
    char line[256], found[OBJECT_NAME_MAX];
    unsigned object_bytes;

    if (!file)
        return -errno;
    *bytes = 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%63s %*u %*u %u", found, &object_bytes) == 2 &&
            strcmp(found, name) == 0)
            *bytes = object_bytes;
    fclose(file);
    return 0;
}

static int slab_object(struct bench_trial *t, const struct context_config *config)
{
    unsigned bytes;
    int error = object_bytes_of(config->what, &bytes);

    if (error)
        return bench_skip(t, "/proc/slabinfo: %s", strerror(-error));
    if (!bytes)
        return bench_skip(t, "/proc/slabinfo has no cache %s", config->what);
    bench_metric(t, "bytes", "B", config->source, bytes);
    return 0;
}

static int context_measure(struct bench_trial *t)
{
    const struct context_config *config = bench_case_of(t)->arg;

    return config->find(t, config);
}

#define CONTEXT(subject_, params_, flags_, ...)                                            \
    {                                                                                      \
        .experiment = "context", .subject = subject_, .params = params_,                   \
        .op = "what is kept of one flow", .places = BENCH_AT(BENCH_SAME_CPU),              \
        .profile = BENCH_DEFAULT, .flags = flags_, .measure = context_measure,             \
        .arg = &(const struct context_config){__VA_ARGS__},                                \
    }

/* The psABI's callee-saved registers, SP and PC: eight words; and with MXCSR and the x87 control word.
 * Go: runtime/runtime2.go, type gobuf: sp pc g ctxt ret lr bp, as in 1.19. */
const struct bench_case context_cases[] = {
#if defined(__x86_64__)
    CONTEXT("registers", "keeps=sp-pc-bp", 0, known, 24, "contract", NULL),
    CONTEXT("registers", "keeps=callee-saved", 0, known, 64, "contract", NULL),
    CONTEXT("registers", "keeps=callee-saved-and-fp-control", 0, known, 70, "contract", NULL),
#endif
    CONTEXT("go-gobuf", "", 0, known, 56, "documented", NULL),
    CONTEXT("jmp_buf", "", 0, jmp_buf_written, 0, NULL, NULL),
    CONTEXT("ucontext_t", "", 0, ucontext_written, 0, NULL, NULL),
    CONTEXT("kernel-thread", "keeps=pt_regs", 0, pt_regs, 0, "sizeof", NULL),
    CONTEXT("kernel-thread", "keeps=xsave-area", 0, xsave_area, 0, "cpuid", NULL),
    CONTEXT("kernel-thread", "owns=pid", 0, slab_object, 0, "slabinfo", "pid"),
    CONTEXT("kernel-thread", "owns=task_struct", 0, slab_object, 0, "slabinfo", "task_struct"),
    CONTEXT("kernel-thread", "owns=kernel-stack", BENCH_THREADS, kernel_stack, 0, "meminfo", NULL),
};
const size_t context_case_count = sizeof context_cases / sizeof *context_cases;
