// SPDX-License-Identifier: MIT
//
// flows.cpp: C++20's coroutines, as a peer: stackless, one thread. The language has no
// scheduler and no channels: here are the smallest that one would write, a ring of handles, from
// which a coroutine that suspends goes straight to the next (symmetric transfer).
//
// Each flow counts in memory of its own; run() returns their sum.

#include <coroutine>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "../dialogue.h"

namespace {

using handle = std::coroutine_handle<>;

// First in, first out; a power of two that holds every flow.
class run_queue {
public:
    explicit run_queue(std::size_t flows)
    {
        while (slots_.size() < flows + 1)
            slots_.resize(slots_.empty() ? 2 : 2 * slots_.size());
    }
    void push(handle flow) { slots_[tail_++ & (slots_.size() - 1)] = flow; }
    handle pop() { return empty() ? std::noop_coroutine() : slots_[head_++ & (slots_.size() - 1)]; }
    bool empty() const { return head_ == tail_; }

private:
    std::vector<handle> slots_;
    std::size_t head_ = 0, tail_ = 0;
};

std::unique_ptr<run_queue> ready;
std::uint64_t parameter;

// A coroutine that is made suspended; at its end the next one runs. It keeps its frame until
// flow is destroyed, which joins it.
struct flow {
    struct promise_type {
        struct at_end {
            bool await_ready() noexcept { return false; }
            handle await_suspend(handle) noexcept { return ready->pop(); }
            void await_resume() noexcept {}
        };
        flow get_return_object() { return flow{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        at_end final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
    explicit flow(handle h) : self(h) {}
    flow(flow &&other) noexcept : self(std::exchange(other.self, nullptr)) {}
    ~flow()
    {
        if (self)
            self.destroy();
    }
    handle self;
};

// To the back of the queue, and to who is at its front.
struct yield {
    bool await_ready() noexcept { return false; }
    handle await_suspend(handle self) noexcept
    {
        ready->push(self);
        return ready->pop();
    }
    void await_resume() noexcept {}
};

void run_all()
{
    while (!ready->empty())
        ready->pop().resume();
}

// ------------------------------------------------------------------ yield, spawn

flow yielder(std::uint64_t share, std::uint64_t *counted)
{
    for (; *counted < share; ++*counted)
        co_await yield{};
}

std::uint64_t yield_run(std::uint64_t ops)
{
    std::vector<std::uint64_t> counted(parameter);
    std::vector<flow> all;
    all.reserve(parameter);
    for (std::uint64_t i = 0; i < parameter; i++) {
        all.push_back(yielder(dialogue_share(ops, parameter, i), &counted[i]));
        ready->push(all.back().self);
    }
    run_all();
    std::uint64_t total = 0;
    for (auto n : counted)
        total += n;
    return total;
}

flow counts_itself(std::uint64_t *counted)
{
    ++*counted;
    co_return;
}

std::uint64_t spawn_run(std::uint64_t ops)
{
    std::uint64_t counted = 0;
    std::vector<flow> all;
    all.reserve(parameter);
    for (std::uint64_t left = ops; left > 0;) {
        std::uint64_t batch = left < parameter ? left : parameter;
        for (std::uint64_t i = 0; i < batch; i++) {
            all.push_back(counts_itself(&counted));
            ready->push(all.back().self);
        }
        run_all();
        all.clear();
        left -= batch;
    }
    return counted;
}

// ----------------------------------------------------------------------- message

// A rendezvous of one sender and one receiver: who comes second takes the item across and
// goes on; the first is made ready.
struct rendezvous {
    handle waiting = nullptr;
    std::uint64_t item = 0;
    bool sent = false;

    struct send {
        rendezvous &with;
        std::uint64_t item;
        bool await_ready() noexcept { return false; }
        handle await_suspend(handle self) noexcept
        {
            with.item = item;
            if (handle receiver = std::exchange(with.waiting, nullptr)) {
                ready->push(self);
                return receiver;
            }
            with.sent = true;
            with.waiting = self;
            return ready->pop();
        }
        void await_resume() noexcept {}
    };
    struct receive {
        rendezvous &with;
        bool await_ready() noexcept
        {
            if (!with.sent)
                return false;
            with.sent = false;
            ready->push(std::exchange(with.waiting, nullptr));
            return true;
        }
        handle await_suspend(handle self) noexcept
        {
            with.waiting = self;
            return ready->pop();
        }
        std::uint64_t await_resume() noexcept { return with.item; }
    };
};

flow replier(rendezvous &request, rendezvous &reply)
{
    for (;;) {
        std::uint64_t item = co_await rendezvous::receive{request};
        co_await rendezvous::send{reply, item};
    }
}

flow asker(rendezvous &request, rendezvous &reply, std::uint64_t ops, std::uint64_t *counted)
{
    for (std::uint64_t i = 0; i < ops; i++) {
        co_await rendezvous::send{request, i};
        *counted += co_await rendezvous::receive{reply} == i;
    }
}

std::uint64_t message_run(std::uint64_t ops)
{
    rendezvous request, reply;
    std::uint64_t counted = 0;
    flow answers = replier(request, reply), asks = asker(request, reply, ops, &counted);
    ready->push(answers.self);
    ready->push(asks.self);
    run_all();
    return counted;
}

// --------------------------------------------------------------- switch, footprint

// The handle of who else there is: no queue, the switch alone.
struct to {
    handle &self, &other;
    bool await_ready() noexcept { return false; }
    handle await_suspend(handle h) noexcept
    {
        self = h;
        return other;
    }
    void await_resume() noexcept {}
};

flow hopper(handle &self, handle &other, std::uint64_t share, std::uint64_t *counted)
{
    for (; *counted < share; ++*counted)
        co_await to{self, other};
}

// Two that hand over to each other; the first to be done leaves, and the other is let run on.
std::uint64_t switch_run(std::uint64_t ops)
{
    std::uint64_t counted[2] = {0, 0};
    handle one, two;
    flow ping = hopper(one, two, dialogue_share(ops, 2, 0), &counted[0]);
    flow pong = hopper(two, one, dialogue_share(ops, 2, 1), &counted[1]);
    two = pong.self;
    ping.self.resume();
    if (!pong.self.done())
        pong.self.resume();
    if (!ping.self.done())
        ping.self.resume();
    return counted[0] + counted[1];
}

std::vector<flow> parked;

flow parks(std::uint64_t *begun)
{
    ++*begun;
    co_await std::suspend_always{};
}

std::uint64_t footprint_run(std::uint64_t ops)
{
    std::uint64_t begun = 0;
    parked.reserve(parameter * 2);
    for (std::uint64_t i = 0; i < ops; i++) {
        parked.push_back(parks(&begun));
        parked.back().self.resume();
    }
    return begun;
}

} // namespace

int main(int argc, char **argv)
{
    parameter = dialogue_number(argc, argv, "flows", dialogue_number(argc, argv, "batch", 2));
    ready = std::make_unique<run_queue>(parameter + 2);
    const struct {
        const char *name;
        std::uint64_t (*run)(std::uint64_t);
    } jobs[] = {{"switch", switch_run}, {"yield", yield_run}, {"spawn", spawn_run},
                {"message", message_run}, {"footprint", footprint_run}};
    for (const auto &job : jobs)
        if (std::strcmp(job.name, argv[1]) == 0)
            return dialogue_hold("C++20, g++ " __VERSION__, job.run);
    return dialogue_skip("no such experiment");
}
