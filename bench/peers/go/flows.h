/* SPDX-License-Identifier: MIT
 *
 * flows.h: what the C side and the Go side of this peer say to each other.
 */
#ifndef FLOWS_H
#define FLOWS_H

#include <stdint.h>

/* The jobs of go_run(). */
enum { GO_YIELD, GO_ROUNDTRIP, GO_STREAM, GO_SPAWN, GO_COUNTER, GO_SKYNET };

#endif
