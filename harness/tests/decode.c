/* SPDX-License-Identifier: MIT
 *
 * Tests of decode.c: bytes moved by instructions whose encodings are written out here.
 */
#include <criterion/criterion.h>
#include <string.h>
#include "decode.h"

struct example {
    const char *mnemonic;
    uint32_t bytes_loaded, bytes_stored;
    unsigned length_bytes;
    uint8_t code[BENCH_INSTRUCTION_MAX_BYTES];
};

static const struct example examples[] = {
    {"nop", 0, 0, 1, {0x90}},
    {"nop", 0, 0, 4, {0x0f, 0x1f, 0x40, 0x00}}, /* nopl 0(%rax) */
    {"endbr64", 0, 0, 4, {0xf3, 0x0f, 0x1e, 0xfa}},
    {"pause", 0, 0, 2, {0xf3, 0x90}},
    {"lea", 0, 0, 4, {0x48, 0x8d, 0x47, 0x08}},  /* lea 8(%rdi), %rax */
    {"prefetcht0", 0, 0, 3, {0x0f, 0x18, 0x0f}}, /* prefetcht0 (%rdi) */
    {"prefetchw", 0, 0, 3, {0x0f, 0x0d, 0x0f}},
    {"clflush", 0, 0, 3, {0x0f, 0xae, 0x3f}},
    {"mov", 0, 8, 3, {0x48, 0x89, 0x27}},  /* mov %rsp, (%rdi) */
    {"mov", 8, 0, 3, {0x48, 0x8b, 0x26}},  /* mov (%rsi), %rsp */
    {"mov", 0, 1, 2, {0x88, 0x07}},        /* mov %al, (%rdi) */
    {"add", 4, 4, 2, {0x01, 0x07}},        /* add %eax, (%rdi) */
    {"xchg", 8, 8, 3, {0x48, 0x87, 0x07}}, /* xchg %rax, (%rdi) */
    {"push", 0, 8, 1, {0x55}},
    {"pop", 8, 0, 1, {0x5d}},
    {"push", 8, 8, 2, {0xff, 0x37}}, /* push (%rdi) */
    {"call", 0, 8, 5, {0xe8, 0, 0, 0, 0}},
    {"call", 8, 8, 2, {0xff, 0x17}}, /* call *(%rdi) */
    {"ret", 8, 0, 1, {0xc3}},
    {"leave", 8, 0, 1, {0xc9}},
    {"jmp", 0, 0, 2, {0xff, 0xe1}},       /* jmp *%rcx */
    {"jmp", 8, 0, 3, {0xff, 0x66, 0x08}}, /* jmp *8(%rsi) */
    {"stmxcsr", 0, 4, 3, {0x0f, 0xae, 0x1f}},
    {"ldmxcsr", 4, 0, 3, {0x0f, 0xae, 0x17}},
    {"fnstcw", 0, 2, 2, {0xd9, 0x3f}},
    {"fldcw", 2, 0, 2, {0xd9, 0x2f}},
    {"fnstenv", 0, 28, 2, {0xd9, 0x37}},
    {"fldenv", 28, 0, 2, {0xd9, 0x27}},
    {"fxsave", 0, 512, 3, {0x0f, 0xae, 0x07}},
    {"fxrstor", 512, 0, 3, {0x0f, 0xae, 0x0f}},
    {"movaps", 0, 16, 3, {0x0f, 0x29, 0x07}},        /* movaps %xmm0, (%rdi) */
    {"vmovdqu", 32, 0, 4, {0xc5, 0xfe, 0x6f, 0x06}}, /* vmovdqu (%rsi), %ymm0 */
    {"vmovdqu64", 0, 64, 6, {0x62, 0xf1, 0xfe, 0x48, 0x7f, 0x07}}, /* zmm0 to (%rdi) */
    {"syscall", 0, 0, 2, {0x0f, 0x05}},
    {"movsb", 1, 1, 2, {0xf3, 0xa4}}, /* rep movsb: one repetition */
    {"stosq", 0, 8, 3, {0xf3, 0x48, 0xab}},
    {"cmpsb", 2, 0, 2, {0xf3, 0xa6}},
};

static void need_decoder(void)
{
    if (bench_decode_absent() != NULL)
        cr_skip("%s", bench_decode_absent());
}

Test(decode, counts_explicit_and_implicit_bytes)
{
    need_decoder();
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        const struct example *e = &examples[i];
        struct bench_instruction got;
        bench_decode(e->code, sizeof(e->code), &got);
        cr_expect_str_eq(got.mnemonic, e->mnemonic);
        cr_expect_eq(got.length_bytes, e->length_bytes, "%s: %u bytes long", got.mnemonic,
                     got.length_bytes);
        cr_expect_eq(got.bytes_loaded, e->bytes_loaded, "%s loads %u", got.mnemonic,
                     got.bytes_loaded);
        cr_expect_eq(got.bytes_stored, e->bytes_stored, "%s stores %u", got.mnemonic,
                     got.bytes_stored);
    }
}

Test(decode, knows_what_depends_on_registers)
{
    need_decoder();
    const struct {
        enum bench_instruction_kind kind;
        uint8_t code[BENCH_INSTRUCTION_MAX_BYTES];
    } kinds[] = {
        {BENCH_REPEATED, {0xf3, 0xa4}},           /* rep movsb */
        {BENCH_REPEATED, {0xf2, 0xae}},           /* repne scasb */
        {BENCH_PLAIN, {0xa4}},                    /* movsb */
        {BENCH_PLAIN, {0xf3, 0x90}},              /* pause: an F3 that repeats nothing */
        {BENCH_PLAIN, {0xf3, 0xc3}},              /* repz ret */
        {BENCH_XSAVE, {0x0f, 0xae, 0x27}},        /* xsave (%rdi) */
        {BENCH_XSAVE, {0x48, 0x0f, 0xae, 0x37}},  /* xsaveopt64 (%rdi) */
        {BENCH_XSAVE, {0x48, 0x0f, 0xc7, 0x27}},  /* xsavec64 (%rdi) */
        {BENCH_XRSTOR, {0x48, 0x0f, 0xae, 0x2f}}, /* xrstor64 (%rdi) */
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct bench_instruction got;
        bench_decode(kinds[i].code, sizeof(kinds[i].code), &got);
        cr_expect_eq(got.kind, kinds[i].kind, "%s is of kind %d", got.mnemonic,
                     (int)got.kind);
    }
}

Test(decode, sizes_the_xstate_by_its_mask)
{
    need_decoder();
    cr_assert_eq(bench_xstate_bytes(0), 64);
    cr_assert_eq(bench_xstate_bytes(1), 64 + 512);
    cr_assert_eq(bench_xstate_bytes(3), 64 + 512);
    cr_assert_geq(bench_xstate_bytes(7), bench_xstate_bytes(3));
    cr_assert_leq(bench_xstate_bytes(7), 64 + 512 + 256, "AVX state is 16 x 16 bytes");
    cr_assert_eq(bench_xstate_bytes(1ull << 62), 64, "a component nobody has enabled");
}

Test(decode, survives_what_is_no_instruction)
{
    need_decoder();
    const uint8_t bad[] = {0x06}; /* push %es: not in 64-bit mode */
    struct bench_instruction got;
    bench_decode(bad, sizeof(bad), &got);
    cr_assert_str_eq(got.mnemonic, "(unknown)");
    bench_decode(bad, 0, &got);
    cr_assert_str_eq(got.mnemonic, "(unknown)");
    cr_assert_eq(got.length_bytes, 0);
}

Test(decode, writes_what_an_assembler_takes)
{
    need_decoder();
    const struct {
        const char *text;
        uint8_t code[BENCH_INSTRUCTION_MAX_BYTES];
    } texts[] = {
        {"mov %rsp, (%rdi)", {0x48, 0x89, 0x27}},
        {"jmp *0x8(%rsi)", {0xff, 0x66, 0x08}},
        {"jmp *%rcx", {0xff, 0xe1}},
        {"call *(%rdi)", {0xff, 0x17}},
        {"jmp 0x1010", {0xeb, 0x0e}},
        {"lea 0x1010, %rax", {0x48, 0x8d, 0x05, 0x09, 0x00, 0x00, 0x00}},
        {"ret", {0xc3}},
        {"(unknown)", {0x06}},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bench_instruction instruction;
        char text[BENCH_INSTRUCTION_TEXT_BYTES];
        bench_decode(texts[i].code, sizeof(texts[i].code), &instruction);
        bench_decode_text(&instruction, 0x1000, text, sizeof(text));
        cr_expect_str_eq(text, texts[i].text);
    }
}
