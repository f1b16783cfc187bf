// SPDX-License-Identifier: MIT
//
// fibers.cpp: Boost.Fiber, as a peer: fibers of one thread, under its default scheduler
// (round_robin) and its default stacks. The main fiber makes the others and joins them; each
// counts what it did itself.

#include "bench.h"
#include "../../oslevel.h"

#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include <boost/fiber/all.hpp>

namespace fibers = boost::fibers;

namespace {

struct config {
    std::uint64_t parameter; // flows, a capacity, a batch
};

std::uint64_t parameter_of(const bench_trial *t)
{
    return static_cast<const config *>(bench_case_of(t)->arg)->parameter;
}

// Flow i's part of `ops` ops that `flows` flows do together.
std::uint64_t share(std::uint64_t ops, std::uint64_t flows, std::uint64_t i)
{
    return ops / flows + (i < ops % flows);
}

// Few flows are made anew in each run, as one would: the case asks for many laps.
std::uint64_t yield_run(bench_trial *t, std::uint64_t ops)
{
    std::uint64_t flows = parameter_of(t), counted = 0;
    std::vector<fibers::fiber> all;
    all.reserve(flows);
    for (std::uint64_t i = 0; i < flows; i++)
        all.emplace_back([&counted, part = share(ops, flows, i)] {
            std::uint64_t n = 0;
            for (; n < part; n++)
                boost::this_fiber::yield();
            counted += n;
        });
    for (auto &fiber : all)
        fiber.join();
    return counted;
}

// Many flows are made once and yield for ever. When the main fiber yields, each has its turn
// once before it comes back: a lap. All are of one thread, so that plain numbers do.
struct ring {
    std::uint64_t left = 0, counted = 0;
    bool over = false;
    std::vector<fibers::fiber> all;
};

void ring_loop(ring &r)
{
    while (!r.over) {
        boost::this_fiber::yield();
        if (r.left > 0) {
            r.left--;
            r.counted++;
        }
    }
}

std::uint64_t ring_run(bench_trial *t, std::uint64_t ops)
{
    ring &r = *static_cast<ring *>(bench_state(t));
    r.counted = 0;
    r.left = ops;
    while (r.left > 0)
        boost::this_fiber::yield();
    return r.counted;
}

// The default stack of 128 KB is too much for so many: 16 KB, from the same allocator.
int ring_setup(bench_trial *t)
try {
    auto *r = new ring;
    bench_set_state(t, r);
    std::uint64_t flows = parameter_of(t);
    r->all.reserve(flows);
    for (std::uint64_t i = 0; i < flows; i++)
        r->all.emplace_back(std::allocator_arg, fibers::fixedsize_stack(16 * 1024),
                            [r] { ring_loop(*r); });
    return ring_run(t, flows) == flows ? 0 : bench_fail(t, "not all fibers had a turn");
} catch (const std::bad_alloc &) {
    return bench_skip(t, "no memory for that many fibers");
}

void ring_teardown(bench_trial *t)
{
    auto *r = static_cast<ring *>(bench_state(t));
    if (!r)
        return;
    r->over = true;
    for (auto &fiber : r->all)
        fiber.join();
    delete r;
}

// The request goes one way, the reply the other, through channels that hold nothing.
std::uint64_t roundtrip_run(bench_trial *, std::uint64_t ops)
{
    fibers::unbuffered_channel<std::uint64_t> request, reply;
    fibers::fiber replier([&] {
        std::uint64_t item;
        while (request.pop(item) == fibers::channel_op_status::success)
            reply.push(item);
    });
    std::uint64_t n = 0;
    for (std::uint64_t item; n < ops; n++) {
        request.push(n);
        if (reply.pop(item) != fibers::channel_op_status::success || item != n)
            break;
    }
    request.close();
    replier.join();
    return n;
}

template <class Channel> std::uint64_t stream(Channel &channel, std::uint64_t ops)
{
    std::uint64_t counted = 0;
    fibers::fiber consumer([&] {
        std::uint64_t item;
        while (channel.pop(item) == fibers::channel_op_status::success)
            counted += item == counted;
    });
    for (std::uint64_t n = 0; n < ops; n++)
        channel.push(n);
    channel.close();
    consumer.join();
    return counted;
}

std::uint64_t stream_run(bench_trial *t, std::uint64_t ops)
{
    fibers::buffered_channel<std::uint64_t> channel(parameter_of(t));
    return stream(channel, ops);
}

template <class Stacks>
std::uint64_t spawn_on(Stacks &stacks, std::uint64_t batch, std::uint64_t ops)
{
    std::uint64_t counted = 0;
    std::vector<fibers::fiber> all;
    all.reserve(batch);
    for (std::uint64_t left = ops; left > 0;) {
        std::uint64_t size = left < batch ? left : batch;
        for (std::uint64_t i = 0; i < size; i++)
            all.emplace_back(std::allocator_arg, stacks, [&counted] { counted++; });
        for (auto &fiber : all)
            fiber.join();
        all.clear();
        left -= size;
    }
    return counted;
}

std::uint64_t spawn_run(bench_trial *t, std::uint64_t ops)
{
    fibers::default_stack stacks;
    return spawn_on(stacks, parameter_of(t), ops);
}

// The allocator that its documentation has for fibers which come and go. The pool lives as
// long as the trial, as a program's would.
std::uint64_t spawn_pooled_run(bench_trial *t, std::uint64_t ops)
{
    static fibers::pooled_fixedsize_stack stacks;
    return spawn_on(stacks, parameter_of(t), ops);
}

std::uint64_t counter_run(bench_trial *t, std::uint64_t ops)
{
    std::uint64_t flows = parameter_of(t), number = 0;
    fibers::mutex mutex;
    std::vector<fibers::fiber> all;
    for (std::uint64_t i = 0; i < flows; i++)
        all.emplace_back([&, part = share(ops, flows, i)] {
            for (std::uint64_t n = 0; n < part; n++) {
                std::lock_guard<fibers::mutex> lock(mutex);
                number++;
            }
        });
    for (auto &fiber : all)
        fiber.join();
    return number; // less than ops if an increment was lost
}

// Items say who sent them and their number, as in bench/message_many.h.
std::uint64_t crowd_run(bench_trial *t, std::uint64_t ops)
{
    constexpr std::uint64_t many = 4, bits = 40;
    fibers::buffered_channel<std::uint64_t> channel(parameter_of(t));
    std::uint64_t counted = 0;
    std::vector<fibers::fiber> all;
    for (std::uint64_t i = 0; i < many; i++)
        all.emplace_back([&channel, i, part = share(ops, many, i)] {
            for (std::uint64_t n = 1; n <= part; n++)
                channel.push(i << bits | n);
        });
    for (std::uint64_t i = 0; i < many; i++)
        all.emplace_back([&channel, &counted, part = share(ops, many, i)] {
            std::uint64_t last[many] = {}, item = 0;
            for (std::uint64_t n = 0; n < part; n++) {
                channel.pop(item);
                counted += item > last[item >> bits];
                last[item >> bits] = item;
            }
        });
    for (auto &fiber : all)
        fiber.join();
    return counted;
}

// One token through a ring of a hundred; it counts the hops.
std::uint64_t pass_run(bench_trial *t, std::uint64_t ops)
{
    std::uint64_t flows = parameter_of(t);
    std::vector<fibers::unbuffered_channel<std::uint64_t>> links(flows);
    fibers::unbuffered_channel<std::uint64_t> done;
    std::vector<fibers::fiber> all;
    for (std::uint64_t i = 0; i < flows; i++)
        all.emplace_back([&, i] {
            std::uint64_t token;
            while (links[i].pop(token) == fibers::channel_op_status::success)
                if (token == ops)
                    done.push(token);
                else
                    links[(i + 1) % flows].push(token + 1);
        });
    std::uint64_t token = 0;
    links[0].push(0);
    done.pop(token);
    for (auto &link : links)
        link.close();
    for (auto &fiber : all)
        fiber.join();
    return token;
}

// Skynet as the library's own benchmarks have it: a fiber runs as soon as it is made (dispatch),
// so that few live at once, on stacks of a pool, each node's channel of 16. What goes up is
// how many leaves there are below, beside the sum of their numbers.
struct total {
    std::uint64_t leaves = 0, sum = 0;
};

using totals = fibers::buffered_channel<total>;

void skynet(fibers::pooled_fixedsize_stack &stacks, totals &up, std::uint64_t first,
            std::uint64_t leaves)
{
    constexpr std::uint64_t fanout = 10;
    if (leaves == 1) {
        up.push({1, first});
        return;
    }
    totals below(16);
    std::uint64_t children = 0;
    for (std::uint64_t i = 0; i < fanout; i++) {
        // Of a number of leaves that ten does not divide, some have one more.
        std::uint64_t from = leaves * i / fanout, to = leaves * (i + 1) / fanout;
        if (from == to)
            continue;
        children++;
        fibers::fiber(fibers::launch::dispatch, std::allocator_arg, stacks, skynet,
                      std::ref(stacks), std::ref(below), first + from, to - from)
            .detach();
    }
    total own;
    for (std::uint64_t i = 0; i < children; i++) {
        total theirs = below.value_pop();
        own.leaves += theirs.leaves;
        own.sum += theirs.sum;
    }
    up.push(own);
}

std::uint64_t skynet_run(bench_trial *t, std::uint64_t ops)
{
    static fibers::pooled_fixedsize_stack stacks;
    std::uint64_t leaves = parameter_of(t), counted = 0;
    for (std::uint64_t done = 0; done < ops; done += leaves) {
        std::uint64_t size = ops - done < leaves ? ops - done : leaves;
        totals up(2);
        skynet(stacks, up, 0, size);
        total all = up.value_pop();
        counted += all.sum == size * (size - 1) / 2 ? all.leaves : 0;
    }
    return counted;
}

int measure_kernel_switches(bench_trial *t)
{
    constexpr std::uint64_t ops = 1000000;
    oslevel kernel;
    oslevel_begin(&kernel);
    if (yield_run(t, ops) != ops)
        return bench_fail(t, "not all yields were done");
    oslevel_end(&kernel, t, ops, "flows");
    return 0;
}

// jump_fcontext beneath it: six registers, SP and PC, MXCSR (4) and x87 control word (2).
const bench_contract contract = {"sp pc bp rbx r12-r15 mxcsr x87cw", 70, true, false, false,
                                 false, "its own, fixed size", "none", "none",
                                 "one; M:N by another scheduler", "none"};

// C++17 has no designated initialisers: the fields, one by one.
bench_case make(const char *experiment, const char *params, const char *op,
                bench_profile profile, std::uint64_t (*run)(bench_trial *, std::uint64_t),
                const config *arg, std::uint64_t multiple)
{
    bench_case c = {};
    c.experiment = experiment;
    c.subject = "boost-fiber";
    c.params = params;
    c.op = op;
    c.places = BENCH_AT(BENCH_SAME_CPU);
    c.profile = profile;
    c.contract = &contract;
    c.kernel_switches_max = 0.01;
    c.run = run;
    c.arg = arg;
    c.ops_multiple = multiple;
    return c;
}

const config one = {1}, two = {2}, sixteen = {16}, sixty_four = {64}, hundred = {100},
             thousand = {1000}, many = {100000}, capacity = {128};

} // namespace

int main(int argc, char **argv)
{
    const char *one_yield = "one yield";
    bench_case yield_cases[] = {
        make("yield", "flows=2", one_yield, BENCH_DEFAULT, yield_run, &two, 20000),
        make("yield", "flows=1000", one_yield, BENCH_DEFAULT, yield_run, &thousand, 50000),
        make("yield", "flows=100000", one_yield, BENCH_DEFAULT, ring_run, &many, 100000),
    };
    yield_cases[2].setup = ring_setup;
    yield_cases[2].teardown = ring_teardown;
    const char *round_trip = "one round trip: request and reply";
    const bench_case message_cases[] = {
        make("message", "mode=roundtrip,capacity=0", round_trip, BENCH_DEFAULT, roundtrip_run,
             &one, 5000),
        make("message", "mode=stream,capacity=128", "one item passed", BENCH_DEFAULT,
             stream_run, &capacity, 128 * 150),
        make("message", "mode=pxc,producers=4,consumers=4,capacity=64",
             "one item passed, between many", BENCH_DEFAULT, crowd_run, &sixty_four, 8000),
        make("message", "mode=ring,flows=100,capacity=0", "one hop of a token", BENCH_DEFAULT,
             pass_run, &hundred, 8000),
    };
    const char *spawned = "one flow created, run and joined";
    const bench_case spawn_cases[] = {
        make("spawn", "batch=1", spawned, BENCH_DEFAULT, spawn_run, &one, 5000),
        make("spawn", "batch=1000", spawned, BENCH_FULL, spawn_run, &thousand, 5000),
        make("spawn", "stacks=pooled,batch=1", spawned, BENCH_DEFAULT, spawn_pooled_run, &one,
             5000),
        make("spawn", "stacks=pooled,batch=1000", spawned, BENCH_DEFAULT, spawn_pooled_run,
             &thousand, 5000),
    };
    const char *increment = "one increment of the shared number, by any flow";
    const bench_case counter_cases[] = {
        make("counter", "flows=1", increment, BENCH_DEFAULT, counter_run, &one, 20000),
        make("counter", "flows=2", increment, BENCH_DEFAULT, counter_run, &two, 20000),
    };
    const char *leaf = "one leaf of the tree, with its share of the flows above it";
    const bench_case scale_cases[] = {
        make("scale", "leaves=100000", leaf, BENCH_DEFAULT, skynet_run, &many, 100000),
    };
    bench_case oslevel_cases[] = {
        make("oslevel", "work=yield", "10^6 switches between flows", BENCH_DEFAULT, nullptr,
             &sixteen, 0),
    };
    oslevel_cases[0].measure = measure_kernel_switches;
    const bench_experiment experiments[] = {
        {"yield", "what does a yield of Boost.Fiber's cost?", yield_cases, std::size(yield_cases)},
        {"message", "what does an item through its channels cost?", message_cases,
         std::size(message_cases)},
        {"spawn", "what does it cost to create, run and join a fiber?", spawn_cases,
         std::size(spawn_cases)},
        {"counter", "what does a counter under its mutex cost?", counter_cases,
         std::size(counter_cases)},
        {"scale", "what does a tree of very many fibers cost?", scale_cases,
         std::size(scale_cases)},
        {"oslevel", "how often does the kernel switch while fibers do?", oslevel_cases,
         std::size(oslevel_cases)},
    };
    return bench_main(argc, argv, experiments, std::size(experiments));
}
