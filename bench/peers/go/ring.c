/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "flows.h"
#include "footprint.h"
#include "libflows.h"

static struct ring ring;
static uint64_t flow_count, ops_asked;

static void futex(uint32_t *word, int operation, uint32_t value)
{
    syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

int ring_start(struct bench_trial *t, uint64_t flows)
{
    enum { FLOW_BYTES_ABOUT = 4096 };
    uint64_t available_bytes = bench_memory_available_bytes();
    if (available_bytes && available_bytes / FLOW_BYTES_ABOUT < flows)
        return bench_skip(t, "%llu goroutines need more memory than there is",
                          (unsigned long long)flows);
    ring.turns = malloc(flows * sizeof *ring.turns);
    if (!ring.turns)
        return -ENOMEM;
    memset(ring.turns, 0, flows * sizeof *ring.turns); /* its pages are there from now on */
    flow_count = flows;
    go_ring_start(&ring, flows);
    return 0;
}

uint64_t ring_run(struct bench_trial *t, uint64_t ops)
{
    (void)t;
    ops_asked += ops;
    __atomic_add_fetch(&ring.left, (int64_t)ops, __ATOMIC_RELAXED); /* published by the next */
    uint32_t generation = __atomic_add_fetch(&ring.generation, 1, __ATOMIC_SEQ_CST);
    futex(&ring.generation, FUTEX_WAKE, INT_MAX);
    for (;;) {
        uint32_t finished = __atomic_load_n(&ring.finished, __ATOMIC_SEQ_CST);
        if (finished == generation)
            break;
        futex(&ring.finished, FUTEX_WAIT, finished);
    }
    int64_t left = __atomic_load_n(&ring.left, __ATOMIC_SEQ_CST);
    return ops - (uint64_t)(left > 0 ? left : 0);
}

static uint64_t turns_counted(uint64_t *fewest)
{
    uint64_t sum = 0;
    *fewest = UINT64_MAX;
    for (uint64_t i = 0; i < flow_count; i++) {
        uint64_t turns = __atomic_load_n(&ring.turns[i], __ATOMIC_RELAXED);
        sum += turns;
        if (turns < *fewest)
            *fewest = turns;
    }
    return sum;
}

int ring_prove(struct bench_trial *t)
{
    enum { TRIES = 1000, LAPS_CERTAIN = 10 };
    uint64_t fewest, counted = turns_counted(&fewest);
    /* The second P may be between an op and its count, and have lost its CPU there. */
    for (int i = 0; i < TRIES && counted != ops_asked; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        counted = turns_counted(&fewest);
    }
    if (counted != ops_asked)
        return bench_fail(t, "the goroutines counted %llu yields of %llu",
                   (unsigned long long)counted, (unsigned long long)ops_asked);
    if (fewest == 0 && ops_asked >= LAPS_CERTAIN * flow_count)
        return bench_fail(t, "a goroutine never had its turn in %llu yields of %llu goroutines",
                   (unsigned long long)ops_asked, (unsigned long long)flow_count);
    return 0;
}
