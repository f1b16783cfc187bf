/* SPDX-License-Identifier: MIT
 *
 * scale_programs.c: see scale.h and scale.c.
 */
#include "scale.h"

#include <stdlib.h>
#include "coro.h"

enum { FANOUT = 10, SUM_CHUNK = 8192, SUM_CAPACITY = 128 };

/* ---- skynet ---------------------------------------------------------------------------- */

struct node {
    struct coro_chan *parent;
    uint64_t first, leaves; /* the leaves below: their numbers are first, first + 1, ... */
};

static void *skynet(void *arg)
{
    struct node self = *(struct node *)arg; /* the parent waits for us, so it still is */
    struct node child[FANOUT];
    uint64_t sum = 0, below;
    struct coro_chan *chan;

    if (self.leaves == 1) {
        coro_chan_send(self.parent, &self.first);
        return NULL;
    }
    chan = coro_chan_new(sizeof sum, 0);
    for (unsigned i = 0; chan && i < FANOUT; i++) {
        /* Of a number of leaves that ten does not divide, some have one more. */
        uint64_t first = self.leaves * i / FANOUT, last = self.leaves * (i + 1) / FANOUT;

        child[i] = (struct node){chan, self.first + first, last - first};
        if (last == first || coro_spawn_detached(skynet, &child[i]))
            child[i].leaves = 0;
    }
    for (unsigned i = 0; chan && i < FANOUT; i++)
        if (child[i].leaves && !coro_chan_recv(chan, &below))
            sum += below;
    coro_chan_free(chan);
    coro_chan_send(self.parent, &sum);
    return NULL;
}

/* The sum of the leaves' numbers is known: one that did not run, or ran twice, shows. */
static uint64_t one_tree(uint64_t leaves)
{
    struct coro_chan *chan = coro_chan_new(sizeof(uint64_t), 0);
    struct node root = {chan, 0, leaves};
    uint64_t sum = 0;

    if (chan && !coro_spawn_detached(skynet, &root))
        coro_chan_recv(chan, &sum);
    coro_chan_free(chan);
    return sum == leaves * (leaves - 1) / 2 ? leaves : 0;
}

uint64_t scale_skynet(uint64_t ops, size_t leaves)
{
    uint64_t counted = 0;

    for (uint64_t done = 0; done < ops; done += leaves)
        counted += one_tree(ops - done < leaves ? ops - done : leaves);
    return counted;
}

/* ---- sieve ----------------------------------------------------------------------------- */

struct filter {
    struct coro_chan *in, *out;
    uint64_t prime; /* 0: the source, of the numbers up to `limit` */
    uint64_t limit;
};

static struct { /* of the last scale_prepare() */
    uint64_t limit, sum;
    uint64_t *numbers;
} prepared;

static void *sieve_source(void *arg)
{
    struct filter self = *(struct filter *)arg;

    for (uint64_t number = 2; number <= self.limit; number++)
        coro_chan_send(self.out, &number);
    coro_chan_close(self.out);
    return NULL;
}

/* Passes on what its prime does not divide. */
static void *sieve_filter(void *arg)
{
    struct filter self = *(struct filter *)arg;
    uint64_t number;

    while (!coro_chan_recv(self.in, &number))
        if (number % self.prime)
            coro_chan_send(self.out, &number);
    coro_chan_close(self.out);
    coro_chan_free(self.in);
    return NULL;
}

/* What comes out first of the last filter is the next prime, and becomes a filter. */
static uint64_t one_sieve(struct filter *filter, size_t primes)
{
    uint64_t prime, sum = 0, found = 0;

    filter[0] = (struct filter){.out = coro_chan_new(sizeof prime, 0), .limit = prepared.limit};
    if (!filter[0].out || coro_spawn_detached(sieve_source, filter))
        return 0;
    while (found <= primes && !coro_chan_recv(filter[found].out, &prime)) {
        sum += prime;
        found++;
        filter[found] = (struct filter){
            .in = filter[found - 1].out, .out = coro_chan_new(sizeof prime, 0), .prime = prime};
        if (!filter[found].out || coro_spawn_detached(sieve_filter, &filter[found]))
            return 0;
    }
    coro_chan_free(filter[found].out);
    return sum == prepared.sum && found == primes ? found : 0;
}

uint64_t scale_sieve(uint64_t ops, size_t primes)
{
    struct filter *filter = calloc(primes + 2, sizeof *filter); /* source, one too many */
    uint64_t counted = 0;

    for (uint64_t done = 0; filter && done < ops; done += primes)
        counted += one_sieve(filter, primes);
    free(filter);
    return counted > ops ? ops : counted; /* a part of a sieve is a whole one, too */
}

static void prepare_sieve(size_t primes)
{
    uint64_t number = 1;

    prepared.sum = 0;
    for (size_t found = 0; found < primes;) {
        uint64_t divisor = 2;

        for (number++; divisor * divisor <= number && number % divisor;)
            divisor++;
        if (divisor * divisor > number) {
            prepared.sum += number;
            found++;
        }
    }
    prepared.limit = number;
}

/* ---- ring ------------------------------------------------------------------------------ */

struct hop {
    struct coro_chan *from, *to;
};

static void *pass_on(void *arg)
{
    struct hop self = *(struct hop *)arg;
    uint64_t token = 0;

    coro_chan_recv(self.from, &token);
    token++;
    coro_chan_send(self.to, &token);
    return NULL;
}

/* Makes all flows, sends one token through them, and ends with them: how far did it count? */
static uint64_t one_ring(struct hop *hops, uint64_t flows)
{
    uint64_t token = 0, made = 0;

    hops[0].from = coro_chan_new(sizeof token, 0);
    for (; made < flows; made++) {
        hops[made].to = coro_chan_new(sizeof token, 0);
        hops[made + 1].from = hops[made].to;
        if (!hops[made].to || coro_spawn_detached(pass_on, &hops[made]))
            return 0;
    }
    coro_chan_send(hops[0].from, &token);
    coro_chan_recv(hops[flows].from, &token);
    for (uint64_t i = 0; i <= flows; i++)
        coro_chan_free(hops[i].from);
    return token;
}

uint64_t scale_ring(uint64_t ops, size_t flows)
{
    struct hop *hops = calloc(flows + 1, sizeof *hops);
    uint64_t counted = 0;

    for (uint64_t done = 0; hops && done < ops; done += flows)
        counted += one_ring(hops, ops - done < flows ? ops - done : flows);
    free(hops);
    return counted;
}

/* ---- sum ------------------------------------------------------------------------------- */

struct part {
    struct coro_chan *sums;
    const uint64_t *numbers;
};

static uint64_t sum_of_chunk(const uint64_t *numbers)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < SUM_CHUNK; i++)
        sum += numbers[i];
    return sum;
}

static void *sum_part(void *arg)
{
    struct part self = *(struct part *)arg;
    uint64_t sum = sum_of_chunk(self.numbers);

    coro_chan_send(self.sums, &sum);
    return NULL;
}

static void *spawn_parts(void *arg)
{
    struct part *part = arg;

    for (; part->sums; part++)
        if (coro_spawn_detached(sum_part, part))
            sum_part(part);
    return NULL;
}

/* One flow spawns a flow for each part, another adds up what they send. */
static uint64_t one_sum(struct part *part, uint64_t parts)
{
    struct coro_chan *sums = coro_chan_new(sizeof(uint64_t), SUM_CAPACITY);
    uint64_t numbers = parts * SUM_CHUNK, total = 0, sum;

    for (uint64_t i = 0; i < parts; i++)
        part[i] = (struct part){sums, prepared.numbers + i * SUM_CHUNK};
    part[parts].sums = NULL;
    if (!sums || coro_spawn_detached(spawn_parts, part))
        return 0;
    for (uint64_t i = 0; i < parts; i++)
        if (!coro_chan_recv(sums, &sum))
            total += sum;
    coro_chan_free(sums);
    return total == numbers * (numbers - 1) / 2 ? parts : 0;
}

uint64_t scale_sum(uint64_t ops, size_t parts)
{
    struct part *part = calloc(parts + 1, sizeof *part);
    uint64_t counted = 0;

    for (uint64_t done = 0; part && done < ops; done += parts)
        counted += one_sum(part, ops - done < parts ? ops - done : parts);
    free(part);
    return counted;
}

uint64_t scale_serial(uint64_t ops, size_t parts)
{
    uint64_t counted = 0;

    for (uint64_t part = 0; part < ops; part++) {
        uint64_t first = part % parts * SUM_CHUNK, sum = sum_of_chunk(prepared.numbers + first);
        counted += sum == SUM_CHUNK * first + (uint64_t)SUM_CHUNK * (SUM_CHUNK - 1) / 2;
    }
    return counted;
}

static int prepare_sum(size_t parts)
{
    prepared.numbers = malloc(parts * SUM_CHUNK * sizeof *prepared.numbers);
    for (size_t i = 0; prepared.numbers && i < parts * SUM_CHUNK; i++)
        prepared.numbers[i] = i;
    return prepared.numbers ? 0 : -ENOMEM;
}

int scale_prepare(scale_program *program, size_t size)
{
    if (program == scale_sieve)
        prepare_sieve(size);
    return program == scale_sum || program == scale_serial ? prepare_sum(size) : 0;
}

void scale_discard(void)
{
    free(prepared.numbers);
    prepared.numbers = NULL;
}
