/* SPDX-License-Identifier: MIT
 *
 * sync.c: mutex, semaphore, wait group, once. All are objects (worker.h) with a list of
 * waiters, as channels are; see coro.h for what each promises.
 *
 * The mutex lets a running flow overtake those that wait, since handing it over at each
 * unlock would make every contended use a switch. The waiter woken in vain queues again, at
 * the head, marked (`value`): then the mutex is handed to it, locked. So nobody is overtaken more than
 * once after being woken, by no clock.
 *
 * Who wakes lets go of the object first: a flow pinned elsewhere runs at once, and may free the
 * object's memory, as may others that it lets know. Between the two nobody can find the waiters any
 * more: they are in no list, and who cancels stops our domain first.
 *
 * A woken waiter owes the others a wake if it goes away without the mutex. It does not: it
 * takes a free mutex even when it was cancelled meanwhile, and if it finds it taken, the
 * holder's unlock wakes the next.
 */
#include "internal.h"

static void list_init(struct coro_link *list)
{
    list->next = list->prev = list;
}

static struct coro_wait *take_first(struct coro_link *list)
{
    struct coro_link *first = list->next;

    if (first == list)
        return NULL;
    coro_link_remove(first);
    return (struct coro_wait *)first;
}

/* Waits in `list`, from inside with the object; for those that need no inlined switch. */
static int wait_in(struct coro_worker *worker, struct coro_object *object, bool locked,
                   struct coro_link *list, const char *why)
{
    struct coro_wait wait;

    if (coro_is_cancelled(worker)) {
        coro_release(worker, object, locked);
        return -ECANCELED;
    }
    coro_wait_begin(worker, &wait, object, list, NULL, why);
    coro_switch_park(worker, coro_park(worker, object, locked));
    return wait.result;
}

/* All, in order, until NULL. */
static struct coro_link *take_whole(struct coro_link *list)
{
    struct coro_link *first = list->next == list ? NULL : list->next;

    list->prev->next = first ? NULL : list;
    list_init(list);
    return first;
}

/* From inside with the object: lets go of it, then wakes, then leaves. */
static void release_and_wake(struct coro_worker *worker, struct coro_object *object, bool locked,
                             struct coro_wait *wait)
{
    if (locked)
        coro_object_unlock(object);
    if (wait)
        coro_wake(worker, wait->flow);
    coro_leave_worker(worker);
}

/* ---- mutex ------------------------------------------------------------------------- */

void coro_mutex_init(struct coro_mutex *mutex)
{
    coro_object_init(&mutex->object, CORO_PATIENCE_FIRST);
    mutex->locked = false;
    list_init(&mutex->waiters);
}

static bool is_handed_over(const struct coro_wait *wait)
{
    return wait->value != NULL;
}

static void queue_again(struct coro_mutex *mutex, struct coro_wait *wait)
{
    struct coro_link *first = mutex->waiters.next;

    coro_link_remove(&wait->link); /* coro_wait_begin() put it last */
    if (first == &wait->link)
        first = &mutex->waiters;
    wait->link.next = first;
    wait->link.prev = first->prev;
    first->prev->next = &wait->link;
    first->prev = &wait->link;
}

struct coro_flow *coro_mutex_lock_slow(struct coro_mutex *mutex, struct coro_wait *wait,
                                       bool overtaken)
{
    struct coro_worker *worker = coro_enter();
    bool locked = coro_acquire(worker, &mutex->object);

    if (!mutex->locked || coro_is_cancelled(worker)) {
        wait->result = mutex->locked ? -ECANCELED : 0;
        mutex->locked = true;
        coro_release(worker, &mutex->object, locked);
        return NULL;
    }
    coro_wait_begin(worker, wait, &mutex->object, &mutex->waiters,
                    overtaken ? (void *)mutex : NULL, "locking a mutex");
    if (overtaken)
        queue_again(mutex, wait);
    return coro_park(worker, &mutex->object, locked);
}

int coro_mutex_try_lock(struct coro_mutex *mutex)
{
    struct coro_worker *worker = coro_enter();
    bool locked = coro_acquire(worker, &mutex->object);
    int result = mutex->locked ? -EAGAIN : 0;

    mutex->locked = true;
    coro_release(worker, &mutex->object, locked);
    return result;
}

int coro_mutex_unlock_slow(struct coro_mutex *mutex)
{
    struct coro_worker *worker = coro_enter();
    bool locked = coro_acquire(worker, &mutex->object);
    struct coro_wait *wait;

    if (!mutex->locked) {
        coro_release(worker, &mutex->object, locked);
        return -EPERM;
    }
    wait = take_first(&mutex->waiters);
    mutex->locked = wait && is_handed_over(wait);
    if (wait)
        wait->result = mutex->locked ? 0 : -EAGAIN;
    release_and_wake(worker, &mutex->object, locked, wait);
    return 0;
}

/* ---- semaphore --------------------------------------------------------------------- */

void coro_semaphore_init(struct coro_semaphore *semaphore, uint64_t count)
{
    coro_object_init(&semaphore->object, CORO_PATIENCE_FIRST);
    semaphore->count = count;
    list_init(&semaphore->waiters);
}

int coro_semaphore_try_acquire(struct coro_semaphore *semaphore)
{
    struct coro_worker *worker = coro_enter();
    bool locked = coro_acquire(worker, &semaphore->object);
    int result = semaphore->count ? 0 : -EAGAIN;

    if (!result)
        semaphore->count--;
    coro_release(worker, &semaphore->object, locked);
    return result;
}

/* The count is 0 while somebody waits: release hands its unit to the first. */
int coro_semaphore_acquire(struct coro_semaphore *semaphore)
{
    struct coro_worker *worker = coro_enter();
    bool locked = coro_acquire(worker, &semaphore->object);

    if (!semaphore->count)
        return wait_in(worker, &semaphore->object, locked, &semaphore->waiters,
                       "acquiring a semaphore");
    semaphore->count--;
    coro_release(worker, &semaphore->object, locked);
    return 0;
}

int coro_semaphore_release(struct coro_semaphore *semaphore)
{
    struct coro_worker *worker = coro_enter();
    bool locked = coro_acquire(worker, &semaphore->object);
    struct coro_wait *wait = take_first(&semaphore->waiters);
    int result = 0;

    if (!wait && semaphore->count == UINT64_MAX)
        result = -EOVERFLOW;
    else if (!wait)
        semaphore->count++;
    release_and_wake(worker, &semaphore->object, locked, wait);
    return result;
}

/* ---- wait group -------------------------------------------------------------------- */

void coro_wait_group_init(struct coro_wait_group *group)
{
    coro_object_init(&group->object, CORO_PATIENCE_FIRST);
    group->count = 0;
    list_init(&group->waiters);
}

int coro_wait_group_add(struct coro_wait_group *group, int64_t count)
{
    struct coro_worker *worker = coro_enter();
    bool locked = coro_acquire(worker, &group->object);
    struct coro_link *woken = NULL, *next;
    int64_t sum;
    int result = 0;

    if (__builtin_add_overflow(group->count, count, &sum) || sum < 0)
        result = -EINVAL;
    else
        group->count = sum;
    if (!group->count)
        woken = take_whole(&group->waiters);
    if (locked)
        coro_object_unlock(&group->object);
    for (; woken; woken = next) {
        next = woken->next;
        woken->next = NULL;
        coro_wake_back(worker, ((struct coro_wait *)woken)->flow);
    }
    coro_leave_worker(worker);
    return result;
}

int coro_wait_group_done(struct coro_wait_group *group)
{
    return coro_wait_group_add(group, -1);
}

int coro_wait_group_wait(struct coro_wait_group *group)
{
    struct coro_worker *worker = coro_enter();
    bool locked = coro_acquire(worker, &group->object);

    if (group->count)
        return wait_in(worker, &group->object, locked, &group->waiters,
                       "waiting for a wait group");
    coro_release(worker, &group->object, locked);
    return 0;
}

/* ---- once -------------------------------------------------------------------------- */

void coro_once_init(struct coro_once *once)
{
    coro_mutex_init(&once->mutex);
    once->done = false;
}

int coro_once(struct coro_once *once, void (*body)(void *arg), void *arg)
{
    int error = coro_mutex_lock(&once->mutex);

    if (error)
        return error;
    if (!once->done)
        body(arg);
    once->done = true;
    return coro_mutex_unlock(&once->mutex);
}
