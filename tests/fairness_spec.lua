-- fairness_spec.lua — what a quiet connection waits for while others have much to say: counted in
-- bytes, not in time.

local rig = require "tests.support.rig"

local mebibyte = 1024 * 1024

describe("beside connections that send all they can", function()
  local moonport = rig.new()

  -- What the floods brought between two messages of the quiet one, at most; it says how often too.
  local counting = [[
    local between, most, asked = 0, 0, 0
    local function flood(size) between = between + size end
    return {
      %s
      timeouts = { idle = 0 },
      on_data = function(conn, data)
        if data ~= "?" then return flood(#data) end
        asked = asked + 1
        if asked > 1 then most = math.max(most, between) end
        between = 0
        conn:send(most .. "\n")
      end,
      on_datagram = %s,
    }
  ]]

  -- Each question waits in the kernel for its turn; the answer to the last one tells the most.
  local function ask(quiet, count)
    local most
    for _ = 1, count do
      quiet:send("?")
      most = tonumber(quiet:receive_line())
    end
    return most
  end

  -- A flood that is there before the question, and goes on after it.
  local function run_floods(started, count)
    local floods = {}
    for index = 1, count do
      floods[index] = started:connect()
      floods[index]:offer(("x"):rep(mebibyte):rep(24))
    end
    return floods
  end

  it("a quiet one is answered, and all of them come to an end", function()
    local started = moonport:start(counting:format("", "nil"))
    local quiet = started:connect()
    local floods = run_floods(started, 6)
    assert.is_not_nil(ask(quiet, 50))
    for _, flood in ipairs(floods) do flood:wait_sent() end
  end)

  it("no wake-up reads one of them more than 64 KiB, nor all more than 256 KiB", function()
    local started, trace = moonport:start_traced("epoll_wait,epoll_pwait,read,recvmsg,recvfrom",
      counting:format("", "nil"))
    local floods = run_floods(started, 6)
    for _, flood in ipairs(floods) do flood:wait_sent() end
    started:stop()
    local total, by, turns = 0, {}, 0
    for line in trace():gmatch("[^\n]+") do
      if line:find("^epoll_p?wait") then
        total, by, turns = 0, {}, turns + 1
      end
      local fd, size = line:match("^read%((%d+), .* = (%d+)$")
      if fd then
        total, by[fd] = total + tonumber(size), (by[fd] or 0) + tonumber(size)
        assert.is_true(by[fd] <= 128 * 1024, by[fd] .. " bytes of one in one turn")
        assert.is_true(total <= (256 + 6 * 64) * 1024, total .. " bytes in one turn")
      end
    end
    assert.is_true(turns > 100, turns .. " turns")
  end)
end)
