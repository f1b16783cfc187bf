%% SPDX-License-Identifier: MIT
%%
%% flows.erl: Erlang's processes, as a peer (../README.md has the dialogue). They share nothing:
%% each counts for itself, and the one that asked sums up what they tell.
-module(flows).
-export([main/1]).

main([Experiment | Words]) ->
    Params = maps:from_list([{Key, list_to_integer(Value)} ||
                                Word <- Words,
                                [Key, Value] <- [string:split(Word, "=")],
                                Value =/= [], hd(Value) >= $0, hd(Value) =< $9]),
    Run = job(Experiment, Params),
    Experiment =:= "footprint" orelse Run(20000), % the code is loaded and linked
    io:format("{\"ready\": \"Erlang/OTP ~s, ERTS ~s\"}~n",
              [erlang:system_info(otp_release), erlang:system_info(version)]),
    answer(Run),
    erlang:halt(0, [{flush, true}]).

answer(Run) ->
    case io:get_line("") of
        eof -> ok;
        Line ->
            Ops = list_to_integer(string:trim(Line)),
            io:format("{\"counted\": ~b}~n", [Run(Ops)]),
            answer(Run)
    end.

job("yield", #{"flows" := Flows}) -> fun(Ops) -> yields(Ops, Flows) end;
job("spawn", #{"batch" := Batch}) -> fun(Ops) -> spawns(Ops, Batch, 0) end;
job("message", #{"workers" := Workers}) ->
    Echo = spawn_link(fun echo/0),
    Workers > 0 andalso Echo ! {self(), 0},
    receive 0 -> ok end,
    fun(Ops) -> asks(Echo, Ops, 0) end;
job("scale", #{"leaves" := Leaves}) -> fun(Ops) -> trees(Ops, Leaves, 0) end;
job("footprint", _) -> fun parks/1.

share(Ops, Flows, I) when I < Ops rem Flows -> Ops div Flows + 1;
share(Ops, Flows, _) -> Ops div Flows.

%% One op: a process yields and the others have their turn.
yields(Ops, Flows) ->
    Self = self(),
    [spawn(fun() -> Self ! {done, yielder(share(Ops, Flows, I), 0)} end)
     || I <- lists:seq(0, Flows - 1)],
    gather(Flows, 0).

yielder(0, Counted) -> Counted;
yielder(Left, Counted) ->
    erlang:yield(),
    yielder(Left - 1, Counted + 1).

gather(0, Sum) -> Sum;
gather(Left, Sum) -> receive {done, Counted} -> gather(Left - 1, Sum + Counted) end.

spawns(0, _, Counted) -> Counted;
spawns(Left, Batch, Counted) ->
    Self = self(),
    Size = min(Left, Batch),
    started(Size, fun() -> Self ! {done, 1} end),
    spawns(Left - Size, Batch, Counted + gather(Size, 0)).

started(0, _) -> ok;
started(Left, Flow) ->
    spawn(Flow),
    started(Left - 1, Flow).

echo() -> receive {From, Item} -> From ! Item, echo() end.

asks(_, 0, Counted) -> Counted;
asks(Echo, Left, Counted) ->
    Echo ! {self(), Left},
    receive Left -> asks(Echo, Left - 1, Counted + 1) end.

%% A tree of processes, ten children each, that add up the leaves' numbers: the sum is known.
trees(0, _, Counted) -> Counted;
trees(Left, Leaves, Counted) ->
    Size = min(Left, Leaves),
    Self = self(),
    spawn(fun() -> skynet(Self, 0, Size) end),
    receive Sum when Sum =:= Size * (Size - 1) div 2 -> ok end,
    trees(Left - Size, Leaves, Counted + Size).

skynet(Up, First, 1) -> Up ! First;
skynet(Up, First, Leaves) ->
    Self = self(),
    Children = min(10, Leaves),
    Starts = [{First + Leaves * I div Children,
               Leaves * (I + 1) div Children - Leaves * I div Children}
              || I <- lists:seq(0, Children - 1)],
    [spawn(fun() -> skynet(Self, From, Below) end) || {From, Below} <- Starts],
    Up ! sums(Children, 0).

sums(0, Sum) -> Sum;
sums(Left, Sum) -> receive N -> sums(Left - 1, Sum + N) end.

parks(Ops) ->
    Self = self(),
    started(Ops, fun() -> Self ! {done, 1}, receive never -> ok end end),
    gather(Ops, 0).
