/* SPDX-License-Identifier: MIT
 *
 * decode.h: what one machine instruction is, and what memory it moves.
 *
 * decode.c does it with Zydis, for x86-64. decode_none.c stands in for it on other CPUs
 * and where Zydis is absent: instructions are then counted, and not told apart.
 *
 * Bytes are those that the architecture says an instruction loads and stores, explicitly
 * or by its nature (push, call, ret, leave, movs): a conditional access counts as made,
 * an address computation (lea), a no-op with an operand and a prefetch move nothing.
 */
#ifndef DECODE_H
#define DECODE_H

#include <stddef.h>
#include <stdint.h>

enum { BENCH_INSTRUCTION_MAX_BYTES = 16 };

enum bench_instruction_kind {
    BENCH_PLAIN,
    BENCH_REPEATED, /* `rep`: the bytes are those of one repetition */
    BENCH_XSAVE,    /* the bytes are bench_xstate_bytes(mask) */
    BENCH_XRSTOR,
};

struct bench_instruction {
    const char *mnemonic; /* "mov"; static */
    uint8_t code[BENCH_INSTRUCTION_MAX_BYTES];
    unsigned length_bytes; /* 0: not known */
    uint32_t bytes_loaded, bytes_stored;
    enum bench_instruction_kind kind;
};

/* NULL where instructions can be decoded, else why not. */
const char *bench_decode_absent(void);

/* Decodes the first instruction of `code`. Never fails: what can't be decoded has the
 * mnemonic "(unknown)". */
void bench_decode(const uint8_t *code, size_t code_bytes,
                  struct bench_instruction *instruction);

/* The instruction as an assembler takes it, at that address: "mov %rsp, (%rdi)". */
enum { BENCH_INSTRUCTION_TEXT_BYTES = 96 };
void bench_decode_text(const struct bench_instruction *instruction, uint64_t address,
                       char *text, size_t text_bytes);

/* Bytes that XSAVE and XRSTOR move for the state components of `mask`: the 64-byte
 * header, the 512-byte legacy region when x87 or SSE state is asked for, and of each
 * other component that the kernel has enabled its size by CPUID leaf 0xD. XSAVEOPT and
 * XSAVEC may move less. */
uint32_t bench_xstate_bytes(uint64_t mask);

#endif
