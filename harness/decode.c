/* SPDX-License-Identifier: MIT
 *
 * decode.c: x86-64 instructions by Zydis.
 *
 * Zydis lists an instruction's operands, the hidden ones included, each with its size and
 * whether it is read or written: that is all the accounting there is. The exceptions are
 * the instructions whose memory operand is an address and no access (below), and the XSAVE
 * family, whose size depends on a mask in registers and on what the kernel has enabled.
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

static void format(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands,
                   uint64_t pc, struct bench_instruction *out)
{
    ZydisFormatter formatter;
    if (!ZYAN_SUCCESS(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_ATT)) ||
        !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
            &formatter, insn, operands, insn->operand_count_visible, out->text,
            sizeof(out->text), pc, NULL)))
        snprintf(out->text, sizeof(out->text), "%s", out->mnemonic);
}

void bench_decode(const uint8_t *code, size_t code_bytes, uint64_t pc,
                  struct bench_instruction *out)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    memset(out, 0, sizeof(*out));
    out->mnemonic = "(unknown)";
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, code_bytes, &insn, operands))) {
        snprintf(out->text, sizeof(out->text), "(unknown)");
        return;
    }
    out->mnemonic = ZydisMnemonicGetString(insn.mnemonic);
    out->length_bytes = insn.length;
    out->kind = kind_of(&insn);
    if (!only_names_memory(&insn) && out->kind != BENCH_XSAVE && out->kind != BENCH_XRSTOR)
        for (unsigned i = 0; i < insn.operand_count; i++)
            add_operand(&operands[i], out);
    format(&insn, operands, pc, out);
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
