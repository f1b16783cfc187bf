-- SPDX-License-Identifier: MIT
--
-- flows.lua: LuaJIT's coroutines, as a peer (../README.md says what a peer does). Lua has no
-- scheduler: a yield goes back to who resumed, and the main coroutine resumes them in turn.

local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield

-- A flow that counts its own turns in counts[i], for ever.
local function yielder(counts, i)
  return function()
    while true do
      counts[i] = counts[i] + 1
      yield()
    end
  end
end

local function sum(counts)
  local total = 0
  for i = 1, #counts do
    total = total + counts[i]
    counts[i] = 0
  end
  return total
end

local jobs = {}

-- One op: a flow is resumed and yields. Turns go round from where the last run stopped.
function jobs.yield(params)
  local flows, counts, turn = {}, {}, 0
  for i = 1, params.flows do
    counts[i] = 0
    flows[i] = create(yielder(counts, i))
  end
  return function(ops)
    for _ = 1, ops do
      turn = turn % #flows + 1
      resume(flows[turn])
    end
    return sum(counts)
  end
end

function jobs.spawn(params)
  return function(ops)
    local counted, left = 0, ops
    local function flow()
      counted = counted + 1
    end
    while left > 0 do
      local batch = {}
      for i = 1, math.min(params.batch, left) do
        batch[i] = create(flow)
      end
      for i = 1, #batch do
        resume(batch[i])
      end
      left = left - #batch
    end
    return counted
  end
end

-- The item goes in with resume() and its answer comes back with yield(): Lua's rendezvous.
function jobs.message()
  local replier = create(function(item)
    while true do
      item = yield(item)
    end
  end)
  return function(ops)
    local counted = 0
    for i = 1, ops do
      local _, reply = resume(replier, i)
      if reply == i then
        counted = counted + 1
      end
    end
    return counted
  end
end

-- One op: a flow that has begun, and stays.
function jobs.footprint()
  local parked, begun = {}, 0
  return function(ops)
    begun = 0
    for _ = 1, ops do
      local flow = create(function()
        begun = begun + 1
        yield()
      end)
      resume(flow)
      parked[#parked + 1] = flow
    end
    return begun
  end
end

local params = {}
for i = 2, #arg do
  local key, value = arg[i]:match("^(%w+)=(.*)$")
  params[key] = tonumber(value) or value
end

local WARM_OPS = 200000 -- the compiler has then seen the loops often enough
local run = jobs[arg[1]](params)
if arg[1] ~= "footprint" then
  run(WARM_OPS)
end
io.stdout:setvbuf("line")
io.write(string.format('{"ready": "%s, %s"}\n', jit.version, jit.status() and "JIT" or "no JIT"))
for line in io.lines() do
  io.write(string.format('{"counted": %d}\n', run(tonumber(line))))
end
