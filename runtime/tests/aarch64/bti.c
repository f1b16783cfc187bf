/* SPDX-License-Identifier: MIT
 *
 * bti.c: puts the program that it is linked into on guarded pages (PROT_BTI): from then on an
 * indirect jump or call that does not land on a `bti` ends it by SIGILL. The C library of
 * Debian 12 does not ask for that, and what libgcc and the C library link in to begin and end a
 * program has no marks. So the process of each test asks for it as it is forked
 * (cross/criterion). By itself (BTI_ALONE) it proves that such a jump is caught.
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef HWCAP2_BTI
#define HWCAP2_BTI (1 << 17)
#endif
#ifndef PROT_BTI
#define PROT_BTI 0x10
#endif

static bool guarded;

/* Of the first object, which is the program. */
static int protect_code(struct dl_phdr_info *object, size_t bytes, void *arg)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + part->p_vaddr;

        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        guarded = !mprotect((void *)(start & -page), part->p_memsz + (start & (page - 1)),
                            PROT_READ | PROT_EXEC | PROT_BTI);
    }
    return 1;
}

static void guard(void)
{
    if (getauxval(AT_HWCAP2) & HWCAP2_BTI)
        dl_iterate_phdr(protect_code, NULL);
}

static __attribute__((constructor)) void guard_each_test(void)
{
    pthread_atfork(NULL, NULL, guard);
}

#ifdef BTI_ALONE
Test(bti, a_jump_to_a_mark_is_allowed)
{
    uint64_t out = 0;

    if (!guarded)
        cr_skip_test("this processor, or kernel, has no BTI");
    __asm__ volatile("adr x9, 1f\n\t"
                     "mov %0, #1\n\t"
                     "br x9\n\t"
                     "mov %0, #2\n"
                     "1:\tbti j"
                     : "+r"(out)
                     :
                     : "x9");
    cr_expect_eq(out, 1);
}

Test(bti, a_jump_elsewhere_is_caught, .signal = SIGILL)
{
    if (!guarded)
        raise(SIGILL); /* the test above says why it is skipped */
    __asm__ volatile("adr x9, 1f\n\t"
                     "br x9\n\t"
                     "nop\n"
                     "1:\tnop"
                     :
                     :
                     : "x9");
}

/* A signed return address is none that can be returned to as it is. */
static __attribute__((noinline)) uintptr_t return_address_on_the_stack(void)
{
    uintptr_t address;

    __asm__ volatile("ldr %0, [x29, #8]" : "=r"(address) : : "memory");
    getppid(); /* a call: so there is a frame */
    return address;
}

Test(bti, return_addresses_are_signed)
{
    uintptr_t address = return_address_on_the_stack();

    if (!(getauxval(AT_HWCAP) & HWCAP_PACA))
        cr_skip_test("this processor has no pointer authentication");
    cr_expect(address >> 48, "%#tx", (ptrdiff_t)address);
}
#endif
