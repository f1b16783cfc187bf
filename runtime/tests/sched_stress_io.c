/* SPDX-License-Identifier: MIT
 *
 * sched_stress_io.c: the part of sched_stress about bytes that come from outside.
 */
#include "sched_stress.h"

#include <sys/socket.h>
#include <unistd.h>

enum { STREAMS = 4, STREAM_BYTES = 60000, PIECE_BYTES = 5000 };

/* One direction of a pair of sockets. */
struct stream {
    int from, to;
    uint64_t write_random, read_random;
};

static unsigned char byte_at(size_t position)
{
    return (unsigned char)(position * 7 + position / 251);
}

static ssize_t write_somehow(struct stream *stream, const void *bytes, size_t count)
{
    if (rnd(&stream->write_random, 3))
        return coro_write(stream->to, bytes, count);
    return coro_write_until(stream->to, bytes, count,
                            coro_now_ns() + rnd(&stream->write_random, 100000));
}

static void *writer(void *arg)
{
    struct stream *stream = arg;
    unsigned char *piece = malloc(PIECE_BYTES);

    for (size_t sent = 0; sent < STREAM_BYTES;) {
        size_t count = 1 + rnd(&stream->write_random, PIECE_BYTES);
        ssize_t written;

        if (count > STREAM_BYTES - sent)
            count = STREAM_BYTES - sent;
        for (size_t i = 0; i < count; i++)
            piece[i] = byte_at(sent + i);
        written = write_somehow(stream, piece, count);
        CHECK((written > 0 && (size_t)written <= count) || written == -ETIMEDOUT);
        sent += written > 0 ? (size_t)written : 0;
    }
    CHECK(coro_close(stream->to) == 0);
    free(piece);
    return NULL;
}

static void *reader(void *arg)
{
    struct stream *stream = arg;
    unsigned char *piece = malloc(PIECE_BYTES);
    size_t received = 0;
    ssize_t count;

    do {
        size_t wanted = 1 + rnd(&stream->read_random, PIECE_BYTES);

        if (rnd(&stream->read_random, 3))
            count = coro_read(stream->from, piece, wanted);
        else
            count = coro_read_until(stream->from, piece, wanted,
                                    coro_now_ns() + rnd(&stream->read_random, 100000));
        CHECK(count >= 0 || count == -ETIMEDOUT);
        for (ssize_t i = 0; i < count; i++)
            CHECK(piece[i] == byte_at(received + (size_t)i));
        received += count > 0 ? (size_t)count : 0;
    } while (count != 0);
    CHECK(received == STREAM_BYTES);
    CHECK(coro_close(stream->from) == 0);
    free(piece);
    return NULL;
}

/* Waits for bytes that never come. */
static void *reads_in_vain(void *arg)
{
    char byte;

    CHECK(coro_read(*(int *)arg, &byte, 1) == -ECANCELED);
    return NULL;
}

static void cancel_reader(void)
{
    int ends[2];
    struct coro_handle flow;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    flow = coro_spawn(reads_in_vain, &ends[0]);
    for (unsigned i = 0; i < stress_seed % 4; i++)
        coro_yield();
    CHECK(coro_cancel(flow) == 0);
    CHECK(coro_join(flow, NULL) == 0);
    CHECK(coro_close(ends[0]) == 0 && coro_close(ends[1]) == 0);
}

static void *off_the_workers(void *arg)
{
    usleep(100);
    return arg;
}

void *stress_streams(void *unused)
{
    struct stream streams[STREAMS];
    struct coro_handle flows[2 * STREAMS];
    uint64_t random = stress_seed * 16807 + 17;
    void *result;

    for (unsigned i = 0; i < STREAMS; i++) {
        int ends[2];

        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        streams[i] = (struct stream){.from = ends[0],
                                     .to = ends[1],
                                     .write_random = rnd(&random, UINT64_MAX) | 1,
                                     .read_random = rnd(&random, UINT64_MAX) | 1};
        CHECK((flows[2 * i] = coro_spawn(reader, &streams[i])).flow);
        CHECK((flows[2 * i + 1] = coro_spawn(writer, &streams[i])).flow);
    }
    cancel_reader();
    CHECK(coro_blocking(off_the_workers, streams, &result) == 0 && result == streams);
    for (unsigned i = 0; i < 2 * STREAMS; i++)
        CHECK(coro_join(flows[i], NULL) == 0);
    return NULL;
}
