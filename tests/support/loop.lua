-- loop.lua — runs the tests' event loop until something is true — knows no process and no socket.

local uv = require "luv"

local loop = {}

-- Generous: a sanitizer build on a machine with ten times as much to do as it has processors must
-- never miss it by accident. Shorter while one writes a test that does not pass yet.
loop.deadline_seconds = tonumber(os.getenv("MOONPORT_TEST_DEADLINE")) or 60

-- A peer or a child that is gone must show as EPIPE, not end the tests.
local broken_pipe = uv.new_signal()
broken_pipe:start("sigpipe", function() end)
broken_pipe:unref()

local function describe_wait(what)
  return type(what) == "function" and what() or what
end

--- Runs the loop until `condition()` is true and returns what it gave; raises after the deadline.
--- `what` names the thing waited for: a string, or a function that tells the state at the deadline.
--- `poll_ms` is for conditions that no event announces, such as the contents of /proc.
--- @param what string|fun(): string
--- @param condition fun(): any
--- @param poll_ms? integer
function loop.wait_until(what, condition, poll_ms)
  local expired = false
  local timers = { uv.new_timer() }
  timers[1]:start(loop.deadline_seconds * 1000, 0, function() expired = true end)
  if poll_ms then
    timers[2] = uv.new_timer()
    timers[2]:start(poll_ms, poll_ms, function() end)
  end
  local result = condition()
  while not result and not expired do
    uv.run("once")
    result = condition()
  end
  for _, timer in ipairs(timers) do timer:close() end
  uv.run("nowait")
  if expired then
    -- It may be true by now, and nothing told so: such a wait would take as long each time.
    local how = result and "true, but no event told so (see loop.eventually)," or "gave up"
    error(("%s after %g s: %s"):format(how, loop.deadline_seconds, describe_wait(what)), 2)
  end
  return result
end

--- Waits for something that only asking again can tell: /proc, a file, the state of a peer.
function loop.eventually(what, condition)
  return loop.wait_until(what, condition, 10)
end

--- Lets that much time pass, and handles what comes meanwhile.
function loop.pass(ms)
  local till = uv.hrtime() + ms * 1e6
  -- A timer that fires as uv.run("once") begins would be noticed with the next event only.
  loop.wait_until(ms .. " ms", function() return uv.hrtime() >= till end, math.min(ms, 10))
end

--- Handles whatever is ready now, without waiting.
function loop.turn()
  uv.run("nowait")
end

return loop
