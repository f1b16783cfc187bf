/* SPDX-License-Identifier: MIT
 *
 * switch_contract.h: what the runtime's two switches keep, by CPU; arch_switch.h and switch.S
 * of runtime/arch/ are what this tells of. What the caller spills around the inlined one is not
 * in its contract: it is the caller's.
 */
#ifndef SWITCH_CONTRACT_H
#define SWITCH_CONTRACT_H

#include "bench.h"

#if defined(__x86_64__)
static const struct bench_contract contract_inline = {
    .saves = "sp pc bp", .bytes_saved = 24};
static const struct bench_contract contract_abi = {
    .saves = "sp pc bp rbx r12-r15 resume-pc", .bytes_saved = 72};
#elif defined(__aarch64__)
static const struct bench_contract contract_inline = {
    .saves = "sp pc x29", .bytes_saved = 24};
static const struct bench_contract contract_abi = {
    .saves = "sp pc x29 x19-x28 x30 d8-d15 resume-pc", .bytes_saved = 184};
#elif defined(__riscv)
static const struct bench_contract contract_inline = {
    .saves = "sp pc s0", .bytes_saved = 24};
static const struct bench_contract contract_abi = {
    .saves = "sp pc s0 s1-s11 ra fs0-fs11 resume-pc", .bytes_saved = 224};
#endif

#endif
