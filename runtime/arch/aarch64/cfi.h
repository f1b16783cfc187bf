/* SPDX-License-Identifier: MIT
 *
 * cfi.h: one CFI directive, for C and assembly.
 *
 * `.cfi_def_cfa sp, 0` as bytes: the operation, DWARF's number of sp, the offset.
 * Between .cfi_remember_state and .cfi_restore_state it can't be spelt out, because
 * LLVM's assembler (14 at least) does not bring back the offset that later adjustments
 * build upon.
 */
#ifndef CORO_CFI_H
#define CORO_CFI_H

#ifdef __ASSEMBLER__
#define CORO_CFI_CFA_IS_SP .cfi_escape 0x0c, 31, 0
#else
#define CORO_CFI_CFA_IS_SP ".cfi_escape 0x0c, 31, 0"
#endif

#endif
