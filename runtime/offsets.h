/* SPDX-License-Identifier: MIT
 *
 * offsets.h: where the assembly finds the words of struct coro_context.
 *
 * Read by C and by assembly, on every 64-bit CPU; context.c asserts that they hold.
 */
#ifndef CORO_OFFSETS_H
#define CORO_OFFSETS_H

#define CORO_CONTEXT_SP 0
#define CORO_CONTEXT_PC 8
#define CORO_CONTEXT_FP 16
#define CORO_CONTEXT_ANNOTATION 24 /* under sanitizers only */

/* What coro_context_make() leaves at SP for the entry trampoline. */
#define CORO_START_ENTRY 0
#define CORO_START_ARG   8
#define CORO_START_BYTES 16

/* What a new flow of the scheduler is started with, in struct coro_flow. */
#define CORO_FLOW_BODY  40
#define CORO_FLOW_VALUE 48

/* Of segmented flows: segmented.c asserts these. x86-64. */
#define CORO_POLICY_SEGMENTED  4
#define CORO_FLOW_POLICY       39
#define CORO_FLOW_BYTES        160
#define CORO_SEGMENTED_CURRENT 0 /* of what is above the flow */
#define CORO_SEGMENTED_PC      8
#define CORO_SEGMENTED_FP      16
#define CORO_SEGMENT_PREV      0
#define CORO_SEGMENT_NEXT      8
#define CORO_SEGMENT_LIMIT     16
#define CORO_SEGMENT_ROOM      24
#define CORO_WORKER_CURRENT    24
#define CORO_WORKER_SLOT_LIMIT 40
#define CORO_WORKER_SEGMENTED  176

#endif
