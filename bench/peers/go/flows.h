/* SPDX-License-Identifier: MIT
 *
 * flows.h: what the C side and the Go side of this peer say to each other.
 */
#ifndef FLOWS_H
#define FLOWS_H

#include <stdint.h>

/* The jobs of go_run(). */
enum {
    GO_YIELD, GO_ROUNDTRIP, GO_STREAM, GO_SPAWN, GO_COUNTER, GO_OWNER, GO_CROWD, GO_FAN_IN, GO_PASS,
    GO_SKYNET, GO_SIEVE, GO_RING, GO_SUM, GO_DESCEND,
    GO_DESCEND_ANEW
};

/* A ring of yielding goroutines, in C's memory; see ring.go. Both sides use atomic accesses,
 * but that cgo has no type for them. */
struct ring {
    int64_t left;        /* ops; C adds to it before it raises generation */
    uint32_t generation; /* of the run, 0 before the first: a futex that Go waits for */
    uint32_t finished;   /* generation of which no op is left: a futex that C waits for */
    uint32_t *turns;     /* how often each has yielded */
};

#endif
