/* SPDX-License-Identifier: MIT
 *
 * decode_none.c: in place of decode.c where there is no decoder.
 */
#include "decode.h"

#include <stdio.h>
#include <string.h>

const char *bench_decode_absent(void)
{
#if defined(__x86_64__)
    return "built without Zydis: install libzydis-dev and configure again";
#else
    return "no instruction decoder for this CPU (Zydis knows x86 only)";
#endif
}

void bench_decode(const uint8_t *code, size_t code_bytes,
                  struct bench_instruction *instruction)
{
    (void)code;
    (void)code_bytes;
    memset(instruction, 0, sizeof(*instruction));
    instruction->mnemonic = "(unknown)";
}

void bench_decode_text(const struct bench_instruction *instruction, uint64_t address,
                       char *text, size_t text_bytes)
{
    (void)address;
    snprintf(text, text_bytes, "%s", instruction->mnemonic);
}

uint32_t bench_xstate_bytes(uint64_t mask)
{
    (void)mask;
    return 0;
}
