/* SPDX-License-Identifier: MIT
 *
 * echo_load.h: the one client of all echo servers, runtime or peer, of the experiment `io`.
 *
 * A process of its own on the CPU of flow 1: so the trial's own CPU time is the server's. It holds
 * `connections` connections and on each sends a request of ECHO_BYTES, waits for it to
 * come back whole and unchanged, and sends the next (a closed loop), until as many requests
 * as an epoch asks for were answered. The time of each from send to answer goes into
 * a histogram of which a bucket is 1/32 of its octave wide.
 *
 * The server and the client speak through two pipes: ops there (8 bytes), answered requests
 * back (8 bytes; the first time all connections are there: 0). A server whose flows can't wait for
 * a pipe uses echo_load_ask(); others read and write `ask` and `answer` themselves. When `ask` is
 * closed the client resets all connections and ends.
 */
#ifndef ECHO_LOAD_H
#define ECHO_LOAD_H

#include <stdio.h>
#include <sys/socket.h>

#include "bench.h"

enum { ECHO_BYTES = 64, ECHO_PATIENCE_S = 10 };

struct echo_times;

struct echo_load {
    int listener; /* for the server; accepting waits for ECHO_PATIENCE_S at most */
    int ask, answer;
    unsigned connections;
    pid_t client;
    struct echo_times *times; /* shared with the client */
};

/* Makes the listener (AF_INET: loopback; AF_UNIX: abstract), and the client, which begins to
 * connect. 0, or what bench_skip() and bench_fail() return. */
int echo_load_open(struct echo_load *load, struct bench_trial *t, int family,
                   unsigned connections);
/* Waits for the answer to `ops`: how many were answered. Blocks the thread. */
uint64_t echo_load_ask(struct echo_load *load, uint64_t ops);
/* Waits until all connections are there. Blocks the thread. 0 or -ETIMEDOUT. */
int echo_load_ready(struct echo_load *load);
/* What every server does with a connection that it accepted: no delay of small packets. */
void echo_load_tune(int connection);
/* Reports latency_p50 and latency_p99 of the trial's longest epochs, and ends the client. */
void echo_load_close(struct echo_load *load, struct bench_trial *t);

#endif
