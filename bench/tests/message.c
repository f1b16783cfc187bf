/* SPDX-License-Identifier: MIT
 *
 * The proof of `message` must be able to fail: queues that lose, double or swap items are
 * given to its loops, which must not count them.
 */
#include "../message.c"

#include <criterion/criterion.h>

static const uint64_t *script; /* what a made-up queue gives out, one after the other */

static uint64_t scripted_receive(struct queue *q)
{
    (void)q;
    return *script++;
}

static uint64_t counted(const uint64_t *items, size_t count)
{
    struct message_state state = {0};
    uint64_t result;

    script = items;
    result = consume_stream(&state, count, scripted_receive);
    script = NULL; /* the items are the caller's */
    return result;
}

Test(message, items_in_order_all_count)
{
    cr_assert_eq(counted((uint64_t[]){1, 2, 3, 4}, 4), 4);
}

Test(message, a_lost_item_stops_the_count)
{
    cr_assert_eq(counted((uint64_t[]){1, 2, 4, 5, 6}, 5), 2);
}

Test(message, a_doubled_item_stops_the_count)
{
    cr_assert_eq(counted((uint64_t[]){1, 1, 2, 3, 4}, 5), 1);
}

Test(message, swapped_items_do_not_count)
{
    cr_assert_eq(counted((uint64_t[]){1, 3, 2, 4}, 4), 2);
}

static uint64_t answer;

static void note_answer(struct queue *q, uint64_t item)
{
    (void)q;
    answer = item;
}

Test(message, a_wrong_request_is_answered_by_what_nobody_waits_for)
{
    static const uint64_t items[] = {1, 3};
    struct message_state state = {0};

    script = items;
    consume_requests(&state, 1, scripted_receive, note_answer);
    cr_assert_eq(answer, 1);
    consume_requests(&state, 1, scripted_receive, note_answer);
    cr_assert_eq(answer, UINT64_MAX);
}

/* One thread is enough to see that a queue is first in, first out, and holds its
 * capacity. */
static void check_fifo(send_fn *send, receive_fn *receive, size_t capacity)
{
    struct queue *q = aligned_alloc(LINE_BYTES, sizeof *q);
    memset(q, 0, sizeof *q);
    q->capacity = capacity;
    pthread_mutex_init(&q->mutex, NULL);
    pthread_cond_init(&q->not_empty, NULL);
    pthread_cond_init(&q->not_full, NULL);
    uint64_t sent = 0, received = 0;
    for (int lap = 0; lap < 5; lap++) {
        for (size_t i = 0; i < capacity; i++)
            send(q, ++sent);
        for (size_t i = 0; i < capacity; i++)
            cr_assert_eq(receive(q), ++received);
        if (capacity > 1) { /* so that the laps begin at different places of the ring */
            send(q, ++sent);
            cr_assert_eq(receive(q), ++received);
        }
    }
    free(q);
}

Test(message, queues_are_first_in_first_out, .timeout = 10)
{
    for (size_t capacity = 1; capacity <= 8; capacity *= 2) {
        check_fifo(condvar_send, condvar_receive, capacity);
        check_fifo(spinlock_send, spinlock_receive, capacity);
        check_fifo(ring_send, ring_receive, capacity);
    }
    check_fifo(mailbox_send, mailbox_receive, 1);
}

Test(message, a_pipe_has_the_capacity_that_its_name_says)
{
    struct queue q = {.capacity = 512, .read_fd = -1, .write_fd = -1};
    if (sysconf(_SC_PAGESIZE) != 4096)
        cr_skip_test("a pipe's least size is a page, and pages are not 4096 bytes here");
    cr_assert_eq(pipe_open(&q), 0);
    cr_assert_eq(fcntl(q.write_fd, F_SETFL, O_NONBLOCK), 0);
    for (uint64_t i = 0; i < 512; i++)
        cr_assert_eq(write(q.write_fd, &i, sizeof i), sizeof i);
    cr_assert_eq(write(q.write_fd, &q, 8), -1);
    cr_assert_eq(errno, EAGAIN);
}
