/* SPDX-License-Identifier: MIT
 *
 * ablation_state.c: the machine's side of the ablation: which registers it has enabled, a
 * flow's first frame, and how many bytes an XSAVE writes.
 *
 * The last is counted and not computed: CPUID gives the size of the area, but XSAVEC leaves
 * out what is in its initial configuration, and a CPU may do so for XSAVE too. Two areas
 * filled with different bytes are saved to; where they agree afterwards, it wrote.
 */
#include "ablation.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ablation_flow ablation_ping, ablation_pong;
/* XRSTOR takes MXCSR, at offset 24, from the area even when all else is initial. */
const unsigned char ablation_initial[ABLATION_AREA_BYTES] __attribute__((aligned(64))) = {
    [24] = 0x80, [25] = 0x1f};
int ablation_widest;

void ablation_save(void *area, long compacted);
void ablation_state_clean(void);
void ablation_state_dirty(void);

static bool xsave_enabled(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & bit_OSXSAVE;
}

static uint32_t components_enabled(void) /* XCR0, the lower half */
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool xsavec_present(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(0xd, 1, &eax, &ebx, &ecx, &edx) && eax & bit_XSAVEC;
}

static unsigned area_bytes_enabled(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx) ? ebx : 0;
}

static int widest_vector_bits(void)
{
    enum { AVX = 1 << 2, AVX512 = 7 << 5 };
    if (!xsave_enabled())
        return 0;
    uint32_t components = components_enabled();
    return (components & AVX512) == AVX512 ? 512 : components & AVX ? 256 : 0;
}

const char *ablation_lacks(const struct ablation *a)
{
    enum { HWCAP2_FSGSBASE_BIT = 1 << 1 };
    ablation_widest = widest_vector_bits();
    if (a->area != ABLATION_STACK && !xsave_enabled())
        return "XSAVE is not enabled by CPU or kernel";
    if (a->area != ABLATION_STACK && area_bytes_enabled() > ABLATION_AREA_BYTES)
        return "the XSAVE area is larger than this case has room for";
    if (a->area == ABLATION_XSAVEC && !xsavec_present())
        return "the CPU has no XSAVEC";
    if (a->dirty && !ablation_widest)
        return "no vector registers beyond XMM are enabled";
    if (a->fs_base && !(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT))
        return "the FSGSBASE instructions are not enabled (AT_HWCAP2 bit 1)";
    return NULL;
}

/* FS base: the thread pointer is the first word of what it points to. */
static uint64_t fs_base(void)
{
    uint64_t base;
    __asm__("movq %%fs:0, %0" : "=r"(base));
    return base;
}

void ablation_prepare(struct ablation_flow *flow, const struct ablation *a,
                      const struct coro_stack *stack, const char *pc)
{
    uint64_t *word = (uint64_t *)stack->top;
    *--word = (uint64_t)(uintptr_t)pc;
    word -= a->frame_words;
    memset(word, 0, a->frame_words * sizeof *word);
    if (a->contract.fp_control && a->area == ABLATION_STACK) {
        uint32_t *control = (uint32_t *)(word + a->fpctl_word);
        __asm__ volatile("stmxcsr %0" : "=m"(control[0]));
        __asm__ volatile("fnstcw %0" : "=m"(control[1]));
    }
    flow->sp = word;
    flow->fs_base = fs_base();
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &flow->signal_mask,
            sizeof flow->signal_mask);
    if (a->area != ABLATION_STACK)
        ablation_save(flow->area, a->area == ABLATION_XSAVEC);
}

int ablation_area_bytes(const struct ablation *a)
{
    static char areas[2][ABLATION_AREA_BYTES] __attribute__((aligned(64)));
    enum { HEADER = 512, HEADER_BYTES = 64, XSTATE_BV_BYTES = 8 };
    bool compacted = a->area == ABLATION_XSAVEC;

    if (a->area == ABLATION_STACK)
        return 0;
    for (int i = 0; i < 2; i++) {
        memset(areas[i], i ? 0x5a : 0xa5, sizeof areas[i]);
        memset(areas[i] + HEADER, 0, HEADER_BYTES);
    }
    (a->dirty ? ablation_state_dirty : ablation_state_clean)();
    ablation_save(areas[0], compacted);
    ablation_save(areas[1], compacted);
    int written = compacted ? 2 * XSTATE_BV_BYTES : XSTATE_BV_BYTES;
    for (int i = 0; i < ABLATION_AREA_BYTES; i++)
        if (i < HEADER || i >= HEADER + HEADER_BYTES)
            written += areas[0][i] == areas[1][i];
    return written;
}

#endif
