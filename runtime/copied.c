/* SPDX-License-Identifier: MIT
 *
 * copied.c: flows that share a stack, of which each keeps only its live bytes while parked.
 *
 * Each worker has one *shared stack*. A copied flow is tied to its worker (it is pinned), since
 * its frames must come back to the same addresses: so thieves leave it where it is, and whoever
 * wakes it elsewhere sends it home. The flow itself lies in a slot of SLOT_BYTES.
 *
 * ## Coming and going
 * A copied flow that is away has a context that leads to arrive(), on a small stack of the
 * worker's: it puts away the *occupant*, whose frames are on the shared stack, brings the
 * flow's own frames back and goes on in them. So whoever switches to a flow does not know, and
 * nothing is asked on the fast paths:
 *
 *  - Yield: the flow stays the occupant, with an ordinary context. If it runs again before
 *    another copied flow does, nothing is copied.
 *  - Park: others hold pointers to its wait and its variables (a value is received straight into
 *    them). A copied flow always parks by a slow half (coro_parks_fast()) and so by way of the
 *    idle flow, which puts it away at once (coro_copied_parked()), in the domain and with
 *    the object still held: nobody looks while the wait moves. Links and pointers into the
 *    frames then lead into the kept bytes, and what is written there comes back with them.
 *    A select has many waits and they are still in lists when it goes on: its cases move to
 *    the heap as long as it waits (select.c).
 *  - End: nothing is kept.
 *
 * ## What is kept
 *
 *      base -> +---------------------+  above: the same for every flow, never copied
 *              | frames of the body  |
 *      SP  ->  +---------------------+
 *              | registers of a park   |  see coro_arch_switch_park(). No red zone: every inlined
 *              +---------------------+  park is in a function that calls something
 *
 * *As they are*, in `kept`, if they fit and nobody waits for the flow: the cheapest.
 *
 * *Packed* in the slot, if that will do: a shallow flow costs its slot and nothing else. Flows that
 * stop at the same *place* (PC, depth) have nearly the same frames, so the first one's are kept
 * as the place's, and of each flow only the words that differ: in `kept`, and in fields of the
 * flow that are dead meanwhile. (A wait takes the whole of `kept`, as others look at it
 * there.) Place and differing words make up one word in place of FP. So that the bytes that a
 * frame never writes do not differ, a flow begins on zeros. Else the bytes go to an *image* from
 * malloc(), which stays the flow's.
 *
 * Rejected: copying out whenever a flow leaves (a yield would no longer be the same code for all
 * policies); one shared stack for all workers (only one copied flow could run at a time); a
 * context of its own per flow besides the flow (24 bytes of 192).
 */
#include "copied.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch_copied.h"
#include "fatal.h"
#include "stack_annotate.h"

enum {
    KEPT_WORDS = 8,
    STORES_MAX = KEPT_WORDS + 2,
    WORDS_MAX = 40, /* packed: a bit each, and one for FP */
    PLACES_MAX = 256, /* of a worker */
    PROBES = 4,
    NO_WAIT = 255,
    ZEROED_BYTES = 512, /* of the stack, before a flow begins */
    ENTRY_STACK_BYTES = 32 * 1024, /* for arrive(), and malloc() below it */
    CHUNK_FIRST_BYTES = 1024 * 1024,
    CHUNK_MAX_BYTES = 256 * 1024 * 1024,
    CHUNK_HUGE_BYTES = 32 * 1024 * 1024, /* from here on of huge pages: as stack_slab.c */
};

typedef uint64_t __attribute__((may_alias)) word;

#ifndef CORO_ARCH_PARK_BYTES
#define CORO_ARCH_PARK_BYTES 0
#endif

enum { WAIT_WORDS = sizeof(struct coro_wait) / sizeof(word) };

struct slot {
    word kept[KEPT_WORDS];
    struct coro_flow flow; /* up to `name` */
};

enum {
    FLOW_BYTES = offsetof(struct coro_flow, name),
    SLOT_BYTES = (offsetof(struct slot, flow) + FLOW_BYTES + CORO_LINE_BYTES - 1) /
                 CORO_LINE_BYTES * CORO_LINE_BYTES,
};

#if !CORO_ANNOTATED
_Static_assert(SLOT_BYTES == 192, "a shallow parked flow is within 200 bytes");
_Static_assert(WAIT_WORDS <= (int)KEPT_WORDS, "a wait fits in `kept`");
#endif

struct chunk {
    struct chunk *next;
    size_t bytes, used; /* the first slot begins at the first line after this */
};

struct image {
    size_t room, bytes;
    void *sp, *pc, *fp;
    char frames[];
};

/* Where flows stop, and the frames of the first that did. Never changed: flows refer to it. */
struct place {
    const char *pc;
    void *fp;
    unsigned words, sp_at; /* how many, and which is SP's */
    unsigned wait_at;      /* NO_WAIT: none in the frames */
    word frames[WORDS_MAX];
};

/* In context.fp of a flow that is away. */
enum { NOT_BEGUN = 0, IN_IMAGE = 1, PACKED = 2, AS_IS = 3, TAG_MASK = 3, TAG_SHIFT = 2 };
union packing {
    void *fp;
    struct {
        uint64_t tag : 2; /* PACKED */
        uint64_t place : 10;
        uint64_t stored : 52; /* bit i: word i of the frames; bit `words`: FP */
    };
};
_Static_assert(sizeof(union packing) == sizeof(void *), "in place of FP");

struct coro_copied {
    struct coro_context away;     /* of each flow that is away */
    struct coro_context start;    /* where a flow begins, */
    struct coro_context going_on; /* or goes on */
    struct coro_flow *occupant;   /* its frames are on the shared stack; NULL: nobody's */
    char *base;
    struct place *places; /* PLACES_MAX of them, by hash; pc NULL: free */
    struct coro_stack shared, entry;
    struct coro_stack_arena *shared_arena, *entry_arena;
};

extern const char coro_arch_start[] __attribute__((visibility("hidden")));

bool coro_copied_works(void)
{
    return !CORO_ANNOTATED && !RUNNING_ON_VALGRIND;
}

/* ---- putting away ------------------------------------------------------------------ */

static struct slot *slot_of(const struct coro_flow *flow)
{
    return (struct slot *)((char *)flow - offsetof(struct slot, flow));
}

static _Noreturn void no_memory(const struct coro_flow *flow, size_t bytes)
{
    struct coro_text text = {0};

    coro_text_string(&text, "copied stacks: no memory to keep ");
    coro_text_decimal(&text, bytes);
    coro_text_string(&text, " bytes of flow ");
    coro_text_hex(&text, (uintptr_t)flow);
    coro_fatal_text(&text);
}

static bool is_within(const void *pointer, const char *low, const char *high)
{
    return (const char *)pointer >= low && (const char *)pointer < high;
}

/* Moves a wait out of the frames [low, high): whoever follows a pointer to it finds the new
 * one. A list that lies in the frames is the waiter's own, which nobody looks at. */
static void move_wait(struct coro_flow *flow, struct coro_wait *to,
                      const struct coro_wait *from, const char *low, const char *high)
{
    *to = *from;
    if (coro_joined(to))
        coro_joined(to)->joiner = to;
    if (is_within(to->link.next, low, high))
        to->link.next = NULL;
    if (to->link.next) {
        to->link.prev->next = &to->link;
        to->link.next->prev = &to->link;
    }
    atomic_store_explicit(&flow->waiting, to, memory_order_relaxed);
}

/* Where a packed flow's words go. The count of them. */
static unsigned stores(struct coro_flow *flow, bool has_wait, word *store[STORES_MAX])
{
    struct slot *slot = slot_of(flow);
    unsigned count = 0;

    store[count++] = (word *)&flow->body;
    store[count++] = (word *)&flow->value;
    if (!has_wait) {
        for (unsigned i = 0; i < KEPT_WORDS; i++)
            store[count++] = &slot->kept[i];
    } else if (((struct coro_wait *)slot->kept)->claim == 0) { /* no timer, no select */
        store[count++] = (word *)&flow->won;
        store[count++] = (word *)&flow->wake_result; /* and timer_index */
    }
    return count;
}

/* What a wait in the frames asks of packing. */
struct packed_wait {
    struct coro_wait *wait; /* NULL: none in the frames */
    unsigned at, value_at;  /* words; NO_WAIT: the value is not in the frames */
};

/* False: too much for packing. */
static bool find_wait(const struct coro_flow *flow, char *low, char *high,
                      struct packed_wait *found)
{
    struct coro_wait *wait = atomic_load_explicit(&flow->waiting, memory_order_relaxed);
    char *value;

    *found = (struct packed_wait){.at = NO_WAIT, .value_at = NO_WAIT};
    if (!wait || !is_within(wait, low, high))
        return true; /* a select's is elsewhere, and so are the values */
    found->wait = wait;
    found->at = (unsigned)((word *)wait - (word *)low);
    value = wait->value;
    if (!is_within(value, low, high))
        return true;
    found->value_at = (unsigned)((word *)value - (word *)low);
    return (uintptr_t)value % sizeof(word) == 0 && wait->value_bytes <= sizeof(word);
}

/* The place of a flow that stops; NULL: there are too many. */
static struct place *find_place(struct coro_copied *copied, const struct coro_context *context,
                                const char *low, unsigned words, unsigned wait_at)
{
    size_t hash = ((uintptr_t)context->pc * 31 + words) * UINT64_C(0x9e3779b97f4a7c15) >> 48;

    for (unsigned i = 0; i < PROBES; i++) {
        struct place *place = &copied->places[(hash + i) % PLACES_MAX];

        if (place->pc == context->pc && place->words == words && place->wait_at == wait_at)
            return place;
        if (place->pc)
            continue;
        *place = (struct place){
            .pc = context->pc, .fp = context->fp, .words = words, .wait_at = wait_at};
        place->sp_at = (unsigned)((word *)context->sp - (const word *)low);
        memcpy(place->frames, low, words * sizeof(word));
        return place;
    }
    return NULL;
}

/* Which words must be stored: those that differ from the place's, but for the wait. */
static uint64_t differing(const word *frames, const struct coro_context *context,
                          const struct place *place, const struct packed_wait *wait)
{
    uint64_t stored = (uint64_t)(context->fp != place->fp) << place->words;

    for (unsigned i = 0; i < place->words; i++)
        stored |= (uint64_t)(frames[i] != place->frames[i]) << i;
    if (wait->wait)
        stored &= ~(((UINT64_C(1) << WAIT_WORDS) - 1) << wait->at);
    if (wait->value_at != NO_WAIT)
        stored |= UINT64_C(1) << wait->value_at;
    return stored;
}

static void store_words(struct coro_flow *flow, word *frames, unsigned words, uint64_t stored,
                        const struct packed_wait *wait)
{
    word *store[STORES_MAX];

    stores(flow, wait->wait, store);
    for (unsigned next = 0; stored; stored &= stored - 1) {
        unsigned i = (unsigned)__builtin_ctzll(stored);

        if (i == wait->value_at)
            flow->waiting->value = store[next];
        *store[next++] = i == words ? (word)flow->context.fp : frames[i];
    }
}

static __attribute__((noinline)) bool pack(struct coro_copied *copied, struct coro_flow *flow,
                                           char *low)
{
    size_t words = (size_t)(copied->base - low) / sizeof(word);
    struct packed_wait wait;
    struct place *place;
    uint64_t stored;

    if (words > WORDS_MAX || !find_wait(flow, low, copied->base, &wait) ||
        !(place = find_place(copied, &flow->context, low, (unsigned)words, wait.at)))
        return false;
    stored = differing((word *)low, &flow->context, place, &wait);
    if (__builtin_popcountll(stored) > (!wait.wait ? STORES_MAX : wait.wait->claim ? 2 : 4))
        return false;
    free((struct image *)flow->body); /* an image of earlier */
    if (wait.wait)
        move_wait(flow, (struct coro_wait *)slot_of(flow)->kept, wait.wait, low, copied->base);
    store_words(flow, (word *)low, (unsigned)words, stored, &wait);
    flow->context.fp = ((union packing){.tag = PACKED,
                                        .place = (uint64_t)(place - copied->places) & 1023,
                                        .stored = stored & ((UINT64_C(1) << 52) - 1)}).fp;
    return true;
}

/* All of `kept` is copied, a fixed size being faster: what it has of the bytes above base is the
 * same for every flow. FP and PC go where the body and its argument were, crosswise: both were
 * just stored, and must not be loaded as one vector, which waits for them to reach the cache. */
static inline bool keep_as_is(const struct coro_copied *copied, struct coro_flow *flow)
{
    word *frames = flow->context.sp;
    size_t words = (size_t)((word *)copied->base - frames);

    if (words > KEPT_WORDS || flow->body ||
        atomic_load_explicit(&flow->waiting, memory_order_relaxed))
        return false;
    memcpy(slot_of(flow)->kept, frames, sizeof slot_of(flow)->kept);
    *(word *)&flow->body = (word)flow->context.fp;
    *(word *)&flow->value = (word)flow->context.pc;
    flow->context.fp = (void *)(words << TAG_SHIFT | AS_IS);
    return true;
}

static struct image *image_for(struct coro_flow *flow, size_t bytes)
{
    struct image *image = (struct image *)flow->body;

    if (image && image->room >= bytes && image->room / 4 <= bytes)
        return image;
    free(image);
    image = malloc(sizeof *image + bytes);
    if (!image)
        no_memory(flow, bytes);
    image->room = bytes;
    flow->body = (coro_body *)image;
    return image;
}

static __attribute__((noinline)) void keep_image(struct coro_flow *flow, char *low, char *high)
{
    struct coro_wait *wait = atomic_load_explicit(&flow->waiting, memory_order_relaxed);
    struct image *image = image_for(flow, (size_t)(high - low));
    ptrdiff_t moved = image->frames - low;

    image->bytes = (size_t)(high - low);
    image->sp = flow->context.sp;
    image->pc = flow->context.pc;
    image->fp = flow->context.fp;
    memcpy(image->frames, low, image->bytes);
    if (wait && is_within(wait, low, high)) {
        struct coro_wait *to = (struct coro_wait *)((char *)wait + moved);

        move_wait(flow, to, wait, low, high);
        if (is_within(to->value, low, high))
            to->value = (char *)to->value + moved;
    }
    flow->context.fp = (void *)IN_IMAGE;
}

static inline void put_away(struct coro_copied *copied, struct coro_flow *flow)
{
    bool parked = atomic_load_explicit(&flow->waiting, memory_order_relaxed) != NULL;
    char *low = (char *)flow->context.sp - (parked ? CORO_ARCH_PARK_BYTES : 0);

    if (!keep_as_is(copied, flow) && !pack(copied, flow, low))
        keep_image(flow, low, copied->base);
    flow->context.sp = copied->away.sp;
    flow->context.pc = copied->away.pc;
}

void coro_copied_parked(struct coro_worker *worker)
{
    struct coro_copied *copied = worker->copied;
    struct coro_flow *flow = copied->occupant;

    if (!flow || !atomic_load_explicit(&flow->waiting, memory_order_relaxed))
        return;
    if (coro_unlikely(worker->sched->watch_stacks))
        coro_watch_copied(worker, flow);
    put_away(copied, flow);
    copied->occupant = NULL;
}

/* ---- bringing back ----------------------------------------------------------------- */

static __attribute__((noinline)) void unpack(struct coro_copied *copied, struct coro_flow *flow)
{
    union packing packing = {.fp = flow->context.fp};
    const struct place *place = &copied->places[packing.place];
    uint64_t stored = packing.stored;
    word *frames = (word *)copied->base - place->words, *store[STORES_MAX];
    const struct coro_wait *wait = (struct coro_wait *)slot_of(flow)->kept;
    bool has_wait = place->wait_at != NO_WAIT;

    copied->going_on = (struct coro_context){
        .sp = frames + place->sp_at, .pc = (void *)place->pc, .fp = place->fp};
    memcpy(frames, place->frames, place->words * sizeof(word));
    stores(flow, has_wait, store);
    for (unsigned next = 0; stored; stored &= stored - 1) {
        unsigned i = (unsigned)__builtin_ctzll(stored);

        if (i == place->words)
            copied->going_on.fp = (void *)*store[next++];
        else
            frames[i] = *store[next++];
    }
    if (has_wait) {
        memcpy(frames + place->wait_at, wait, sizeof *wait);
        if (wait->claim == 0)
            flow->timer_index = 0;
    }
    flow->body = NULL;
}

static void bring_as_is_back(struct coro_copied *copied, struct coro_flow *flow)
{
    word *frames = (word *)copied->base - ((uintptr_t)flow->context.fp >> TAG_SHIFT);

    copied->going_on.sp = frames;
    copied->going_on.pc = (void *)*(word *)&flow->value;
    copied->going_on.fp = (void *)*(word *)&flow->body;
    memcpy(frames, slot_of(flow)->kept, sizeof slot_of(flow)->kept);
    flow->body = NULL;
}

static __attribute__((noinline)) void bring_image_back(struct coro_copied *copied, struct coro_flow *flow)
{
    struct image *image = (struct image *)flow->body;

    copied->going_on.sp = image->sp;
    copied->going_on.pc = image->pc;
    copied->going_on.fp = image->fp;
    memcpy(copied->base - image->bytes, image->frames, image->bytes);
}

/* What the flows to come have kept lies below them; a yield fetches only themselves. */
static inline void prefetch_kept(const struct coro_worker *worker)
{
    struct coro_flow **slot = atomic_load_explicit(&worker->slot, memory_order_relaxed);

    __builtin_prefetch(slot_of(slot[CORO_PREFETCH_AHEAD / 2])->kept);
}

/* In the domain. */
static struct coro_context *bring_back(struct coro_copied *copied, struct coro_flow *flow)
{
    if (copied->occupant)
        put_away(copied, copied->occupant);
    copied->occupant = flow;
    switch ((uintptr_t)flow->context.fp & TAG_MASK) {
    case AS_IS:
        bring_as_is_back(copied, flow);
        return &copied->going_on;
    case PACKED:
        unpack(copied, flow);
        return &copied->going_on;
    case IN_IMAGE:
        bring_image_back(copied, flow);
        return &copied->going_on;
    default:
        memset((char *)copied->start.sp - ZEROED_BYTES, 0, ZEROED_BYTES);
        return &copied->start;
    }
}

/* Where a switch to a flow that is away leads. Nobody else uses what is returned. */
static struct coro_context *arrive(void *arg)
{
    struct coro_copied *copied = arg;
    struct coro_worker *worker = coro_enter_sure();
    struct coro_context *to;

    prefetch_kept(worker);
    to = bring_back(copied, worker->current);
    coro_leave_worker(worker);
    return to;
}

/* The same in a run that watches stacks. */
static struct coro_context *arrive_watched(void *arg)
{
    struct coro_copied *copied = arg;

    if (copied->occupant)
        coro_watch_copied(coro_worker_self(), copied->occupant);
    return arrive(arg);
}

/* Its frame is the same for each flow, so that it need not be kept: it finds the flow anew. */
static struct coro_context *copied_main(void *arg)
{
    struct coro_copied *copied = arg;
    struct coro_flow *flow = coro_worker_self()->current;
    coro_body *body = flow->body;
    void *value = flow->value;

    flow->body = NULL; /* from here on: an image */
    copied->base = coro_arch_sp();
    coro_arch_clear_kept();
    coro_flow_finish(coro_worker_self()->current, body(value));
}

void coro_copied_begin(struct coro_flow *flow, const struct coro_worker *worker)
{
    flow->context = worker->copied->away;
    flow->context.fp = (void *)NOT_BEGUN;
}

void coro_copied_end(struct coro_worker *worker, struct coro_flow *flow)
{
    free((struct image *)flow->body);
    flow->body = NULL;
    worker->copied->occupant = NULL;
}

const struct coro_stack *coro_copied_stack(const struct coro_worker *worker)
{
    return &worker->copied->shared;
}

void *coro_copied_pc(const struct coro_copied *copied, const struct coro_flow *flow)
{
    union packing packing = {.fp = flow->context.fp};

    if (flow->context.pc != (const void *)coro_arch_start)
        return flow->context.pc;
    switch ((uintptr_t)packing.fp & TAG_MASK) {
    case PACKED:
        return (void *)copied->places[packing.place].pc;
    case IN_IMAGE:
        return ((const struct image *)flow->body)->pc;
    case AS_IS:
        return (void *)*(const word *)&flow->value;
    default:
        return (void *)flow->body;
    }
}

/* ---- memory ------------------------------------------------------------------------ */

static struct coro_stack_arena *one_stack(size_t bytes, enum coro_guard guard,
                                          struct coro_stack *stack)
{
    struct coro_stack_arena *arena = coro_stack_arena_create(bytes, 1, guard);

    if (arena && coro_stack_alloc(arena, stack)) {
        coro_stack_arena_destroy(arena);
        return NULL;
    }
    return arena;
}

static void copied_free(struct coro_copied *copied)
{
    if (!copied)
        return;
    coro_stack_arena_destroy(copied->shared_arena);
    coro_stack_arena_destroy(copied->entry_arena);
    free(copied->places);
    free(copied);
}

int coro_copied_prepare(struct coro_sched *sched, struct coro_worker *worker)
{
    struct coro_copied *copied;

    if (worker->copied)
        return 0;
    copied = calloc(1, sizeof *copied);
    if (!copied)
        return -ENOMEM;
    copied->shared_arena = one_stack(sched->classes[CORO_CLASS_COPIED].stack_bytes,
                                     sched->guard, &copied->shared);
    copied->entry_arena = one_stack(ENTRY_STACK_BYTES, sched->guard, &copied->entry);
    copied->places = calloc(PLACES_MAX, sizeof *copied->places);
    if (!copied->shared_arena || !copied->entry_arena || !copied->places) {
        copied_free(copied);
        return -ENOMEM;
    }
    coro_context_make(&copied->away, &copied->entry,
                      sched->watch_stacks ? arrive_watched : arrive, copied);
    coro_context_make(&copied->start, &copied->shared, copied_main, copied);
    worker->copied = copied;
    return 0;
}

static struct chunk *chunk_add(struct coro_sched *sched)
{
    struct chunk *newest = sched->copied_chunks, *chunk;
    size_t bytes = newest ? newest->bytes * 2 : CHUNK_FIRST_BYTES;

    if (bytes > CHUNK_MAX_BYTES)
        bytes = CHUNK_MAX_BYTES;
    do
        chunk = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    while (chunk == MAP_FAILED && (bytes /= 2) >= CHUNK_FIRST_BYTES);
    if (chunk == MAP_FAILED)
        return NULL;
    if (bytes >= CHUNK_HUGE_BYTES)
        (void)madvise(chunk, bytes, MADV_HUGEPAGE);
    *chunk = (struct chunk){.next = newest, .bytes = bytes, .used = CORO_LINE_BYTES};
    sched->copied_chunks = chunk;
    return chunk;
}

struct coro_flow *coro_copied_make(struct coro_sched *sched)
{
    struct chunk *chunk = sched->copied_chunks;
    struct coro_flow *flow;

    if (!chunk || chunk->used + SLOT_BYTES > chunk->bytes)
        chunk = chunk_add(sched);
    if (!chunk)
        return NULL;
    flow = &((struct slot *)((char *)chunk + chunk->used))->flow;
    chunk->used += SLOT_BYTES;
    flow->stack_class = CORO_CLASS_COPIED;
    flow->policy = CORO_STACK_COPIED;
    coro_object_init(&flow->object, CORO_PATIENCE_NEVER);
    return flow;
}

void coro_copied_each(const struct coro_sched *sched,
                      void (*visit)(void *arg, struct coro_flow *flow), void *arg)
{
    for (struct chunk *chunk = sched->copied_chunks; chunk; chunk = chunk->next)
        for (size_t at = CORO_LINE_BYTES; at < chunk->used; at += SLOT_BYTES)
            visit(arg, &((struct slot *)((char *)chunk + at))->flow);
}

/* Of a run that ended in deadlock: a flow's image goes with it. */
static void free_image(void *arg, struct coro_flow *flow)
{
    bool away = flow->context.pc == (const void *)coro_arch_start;
    uint64_t generation = atomic_load_explicit(&flow->generation, memory_order_relaxed);

    (void)arg;
    if (generation % 2 && (!away || ((uintptr_t)flow->context.fp & TAG_MASK) == IN_IMAGE))
        free((struct image *)flow->body);
}

void coro_copied_free_all(struct coro_sched *sched)
{
    coro_copied_each(sched, free_image, NULL);
    for (unsigned i = 0; i < sched->workers_count; i++) {
        copied_free(sched->workers[i]->copied);
        sched->workers[i]->copied = NULL;
    }
    while (sched->copied_chunks) {
        struct chunk *chunk = sched->copied_chunks;

        sched->copied_chunks = chunk->next;
        munmap(chunk, chunk->bytes);
    }
}
