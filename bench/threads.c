/* SPDX-License-Identifier: MIT
 *
 * threads.c: see threads.h.
 */
#include "threads.h"

#include <errno.h>
#include <stdlib.h>

enum { STACK_BYTES = 64 * 1024, STACK_BYTES_SANITIZED = 1024 * 1024 };

struct thread_crew_member {
    struct thread_crew *crew;
    pthread_t thread;
    bool pinned;
    int pin_error;
    uint64_t counted __attribute__((aligned(64)));
};

static void *member_main(void *arg)
{
    struct thread_crew_member *self = arg;
    struct thread_crew *crew = self->crew;
    size_t index = (size_t)(self - crew->member);

    for (;;) {
        pthread_barrier_wait(&crew->start);
        if (crew->stopping)
            return NULL;
        if (self->pinned)
            self->counted = crew->work(crew->arg, index);
        else
            self->pin_error = bench_pin(crew->trial, (unsigned)index % 2);
        self->pinned = true;
        pthread_barrier_wait(&crew->end);
    }
}

uint64_t thread_crew_run(struct thread_crew *crew)
{
    uint64_t sum = 0;

    pthread_barrier_wait(&crew->start);
    pthread_barrier_wait(&crew->end);
    for (size_t i = 0; i < crew->threads; i++)
        sum += crew->member[i].counted;
    return sum;
}

static int start_all(struct thread_crew *crew)
{
    pthread_attr_t attributes;
    int error = 0;

    pthread_attr_init(&attributes);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    pthread_attr_setstacksize(&attributes, STACK_BYTES_SANITIZED);
#else
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
#endif
    for (size_t i = 0; i < crew->threads && !error; i++) {
        crew->member[i].crew = crew;
        error = pthread_create(&crew->member[i].thread, &attributes, member_main,
                               &crew->member[i]);
        crew->started += !error;
    }
    pthread_attr_destroy(&attributes);
    return -error;
}

int thread_crew_open(struct thread_crew *crew)
{
    int error;

    crew->member = aligned_alloc(64, crew->threads * sizeof *crew->member);
    if (!crew->member)
        return -ENOMEM;
    for (size_t i = 0; i < crew->threads; i++)
        crew->member[i] = (struct thread_crew_member){0};
    pthread_barrier_init(&crew->start, NULL, (unsigned)crew->threads + 1);
    pthread_barrier_init(&crew->end, NULL, (unsigned)crew->threads + 1);
    error = start_all(crew);
    if (error)
        return error;
    thread_crew_run(crew); /* the first is for pinning */
    for (size_t i = 0; i < crew->threads; i++)
        if (crew->member[i].pin_error)
            error = crew->member[i].pin_error;
    return error;
}

int thread_crew_close(struct thread_crew *crew)
{
    if (!crew->member)
        return 0;
    if (crew->started < crew->threads)
        return -EBUSY;
    crew->stopping = true;
    pthread_barrier_wait(&crew->start);
    for (size_t i = 0; i < crew->threads; i++)
        pthread_join(crew->member[i].thread, NULL);
    pthread_barrier_destroy(&crew->start);
    pthread_barrier_destroy(&crew->end);
    free(crew->member);
    crew->member = NULL;
    return 0;
}
