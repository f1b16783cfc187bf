// SPDX-License-Identifier: MIT
//
// spawn.cpp: the `spawn` experiment with boost::context::fiber and its own pool of stacks
// (pooled_fixedsize_stack), the fastest way that Boost has of making a flow; a program of its own,
// as it is C++.
//
// A flow counts itself and ends. There is no scheduler: who makes it resumes it, and is resumed
// when it is over. `batch` flows are made first and run then.

#include "bench.h"

#include <cstdint>
#include <new>
#include <vector>

#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>

namespace context = boost::context;

namespace {

constexpr std::size_t stack_bytes = 16 * 1024; // as bench/spawn.c gives

struct state {
    context::pooled_fixedsize_stack pool{stack_bytes};
    std::vector<context::fiber> flows;
    std::uint64_t ran = 0;
};

std::uint64_t batch_of(const bench_trial *t)
{
    return *static_cast<const std::uint64_t *>(bench_case_of(t)->arg);
}

context::fiber make(state &s)
{
    return context::fiber{std::allocator_arg, s.pool, [&s](context::fiber &&caller) {
                              s.ran++;
                              return std::move(caller);
                          }};
}

std::uint64_t run_one_by_one(bench_trial *t, std::uint64_t ops)
{
    state &s = *static_cast<state *>(bench_state(t));
    s.ran = 0;
    for (std::uint64_t i = 0; i < ops; i++)
        make(s).resume();
    return s.ran;
}

std::uint64_t run_batches(bench_trial *t, std::uint64_t ops)
{
    state &s = *static_cast<state *>(bench_state(t));
    std::uint64_t batch = batch_of(t);
    s.ran = 0;
    for (std::uint64_t done = 0; done < ops; done += batch) {
        for (std::uint64_t i = done; i < ops && i < done + batch; i++)
            s.flows.push_back(make(s));
        for (auto &flow : s.flows)
            std::move(flow).resume();
        s.flows.clear();
    }
    return s.ran;
}

int setup(bench_trial *t)
try {
    auto *s = new state;
    bench_set_state(t, s);
    s->flows.reserve(batch_of(t));
    return 0;
} catch (const std::bad_alloc &) {
    return bench_skip(t, "no memory");
}

void teardown(bench_trial *t)
{
    delete static_cast<state *>(bench_state(t));
}

const std::uint64_t one = 1, thousand = 1000;

bench_case spawn(const char *params, const std::uint64_t &batch,
                 std::uint64_t (*run)(bench_trial *, std::uint64_t))
{
    bench_case c{};
    c.experiment = "spawn";
    c.subject = "boost-context-fiber";
    c.params = params;
    c.op = "one flow created, run and joined";
    c.places = BENCH_AT(BENCH_SAME_CPU);
    c.profile = BENCH_DEFAULT;
    c.kernel_switches_max = 0.01;
    c.setup = setup;
    c.run = run;
    c.teardown = teardown;
    c.arg = &batch;
    c.ops_multiple = batch > 1 ? batch : 0;
    return c;
}

} // namespace

int main(int argc, char **argv)
{
    const bench_case cases[] = {
        spawn("stacks=pooled,batch=1", one, run_one_by_one),
        spawn("stacks=pooled,batch=1000", thousand, run_batches),
    };
    const bench_experiment experiments[] = {
        {"spawn", "what does Boost.Context's pooled fiber cost to make, run and join?", cases, 2},
    };
    return bench_main(argc, argv, experiments, 1);
}
