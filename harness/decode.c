/* SPDX-License-Identifier: MIT
 *
 * decode.c: x86-64 instructions by Zydis.
 *
 * Zydis lists an instruction's operands, the hidden ones included, each with its size and
 * whether it is read or written: that is all the accounting there is. The exceptions are
 * the instructions whose memory operand is an address and no access (below), and the
 * XSAVE family, whose size depends on a mask in registers and on what the kernel has
 * enabled.
 *
 * Text is in AT&T syntax, as gas, gdb and objdump have it.
 */
#include "decode.h"

#include <Zydis/Zydis.h>
#include <cpuid.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { XSTATE_LEGACY_BYTES = 512, XSTATE_HEADER_BYTES = 64, XSTATE_COMPONENTS = 63 };

const char *bench_decode_absent(void)
{
    return NULL;
}

/* The operand only names a cache line or nothing at all. */
static bool only_names_memory(const ZydisDecodedInstruction *insn)
{
    switch (insn->meta.category) {
    case ZYDIS_CATEGORY_NOP:
    case ZYDIS_CATEGORY_WIDENOP:
    case ZYDIS_CATEGORY_PREFETCH:
    case ZYDIS_CATEGORY_PREFETCHWT1:
    case ZYDIS_CATEGORY_CLDEMOTE:
    case ZYDIS_CATEGORY_CLFLUSHOPT:
        return true;
    default:
        return insn->mnemonic == ZYDIS_MNEMONIC_CLFLUSH ||
               insn->mnemonic == ZYDIS_MNEMONIC_CLWB;
    }
}

static enum bench_instruction_kind kind_of(const ZydisDecodedInstruction *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XSAVE64:
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
    case ZYDIS_MNEMONIC_XSAVEOPT:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
    case ZYDIS_MNEMONIC_XSAVES:
    case ZYDIS_MNEMONIC_XSAVES64:
        return BENCH_XSAVE;
    case ZYDIS_MNEMONIC_XRSTOR:
    case ZYDIS_MNEMONIC_XRSTOR64:
    case ZYDIS_MNEMONIC_XRSTORS:
    case ZYDIS_MNEMONIC_XRSTORS64:
        return BENCH_XRSTOR;
    default:
        break;
    }
    const ZyanU64 repeats =
        ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
    return insn->attributes & repeats ? BENCH_REPEATED : BENCH_PLAIN;
}

static void add_operand(const ZydisDecodedOperand *operand, struct bench_instruction *out)
{
    if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
        operand->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
        return;
    if (operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
        out->bytes_loaded += operand->size / 8;
    if (operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
        out->bytes_stored += operand->size / 8;
}

static bool decode(const uint8_t *code, size_t code_bytes, ZydisDecodedInstruction *insn,
                   ZydisDecodedOperand *operands)
{
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(&decoder, code, code_bytes, insn, operands));
}

void bench_decode(const uint8_t *code, size_t code_bytes, struct bench_instruction *out)
{
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    memset(out, 0, sizeof(*out));
    out->mnemonic = "(unknown)";
    if (!decode(code, code_bytes, &insn, operands))
        return;
    out->mnemonic = ZydisMnemonicGetString(insn.mnemonic);
    out->length_bytes = insn.length;
    memcpy(out->code, code, insn.length);
    out->kind = kind_of(&insn);
    if (!only_names_memory(&insn) && out->kind != BENCH_XSAVE &&
        out->kind != BENCH_XRSTOR)
        for (unsigned i = 0; i < insn.operand_count; i++)
            add_operand(&operands[i], out);
}

/* AT&T syntax has a star before the operand of an indirect jump or call; Zydis 4.0 has
 * not. */
static bool is_indirect(const ZydisDecodedInstruction *insn,
                        const ZydisDecodedOperand *operands)
{
    return (insn->mnemonic == ZYDIS_MNEMONIC_JMP ||
            insn->mnemonic == ZYDIS_MNEMONIC_CALL) &&
           operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

static void insert_star(char *text, size_t text_bytes)
{
    char *operand = strrchr(text, ' ');
    if (operand == NULL || operand[1] == '*' || strlen(text) + 2 > text_bytes)
        return;
    memmove(operand + 2, operand + 1, strlen(operand));
    operand[1] = '*';
}

void bench_decode_text(const struct bench_instruction *instruction, uint64_t address,
                       char *text, size_t text_bytes)
{
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisFormatter f;
    snprintf(text, text_bytes, "%s", instruction->mnemonic);
    if (!decode(instruction->code, instruction->length_bytes, &insn, operands) ||
        !ZYAN_SUCCESS(ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_ATT)))
        return;
    ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE,
                              ZYDIS_PADDING_DISABLED);
    ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_DISP_PADDING,
                              ZYDIS_PADDING_DISABLED);
    ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_IMM_PADDING,
                              ZYDIS_PADDING_DISABLED);
    ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
    ZydisFormatterFormatInstruction(&f, &insn, operands, insn.operand_count_visible, text,
                                    text_bytes, address, NULL);
    if (is_indirect(&insn, operands))
        insert_star(text, text_bytes);
}

/* XGETBV(0): the components that the kernel has enabled. */
static uint64_t enabled_components(void)
{
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
        return 3;
    __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return ((uint64_t)edx << 32) | eax;
}

uint32_t bench_xstate_bytes(uint64_t mask)
{
    uint64_t moved = mask & enabled_components();
    uint32_t bytes = XSTATE_HEADER_BYTES + (moved & 3 ? XSTATE_LEGACY_BYTES : 0);
    for (unsigned i = 2; i < XSTATE_COMPONENTS; i++) {
        unsigned size_bytes = 0, offset = 0, ecx = 0, edx = 0;
        if (moved >> i & 1 && __get_cpuid_count(0xd, i, &size_bytes, &offset, &ecx, &edx))
            bytes += size_bytes;
    }
    return bytes;
}
