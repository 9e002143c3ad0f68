-- fairness_spec.lua — what a quiet connection waits for while others have much to say: counted in
-- bytes, not in time.

local luasocket = require "socket"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"

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

  it("no wake-up reads one of them more than 64 KiB, nor all together twice that", function()
    local started, trace = moonport:start_traced("epoll_wait,epoll_pwait,read,recvmsg,recvfrom",
      counting:format("", "nil"))
    local floods = run_floods(started, 6)
    for _, flood in ipairs(floods) do flood:wait_sent() end
    started:stop()
    local total, by, turns = 0, {}, 0
    -- Up to its end: a build that counts coverage reads files there.
    for line in trace():match("^(.-)%-%-%- SIGTERM"):gmatch("[^\n]+") do
      if line:find("^epoll_p?wait") then
        total, by, turns = 0, {}, turns + 1
      end
      local call, fd, size = line:match("^(%l+)%((%d+), .* = (%d+)$")
      if call == "read" or call == "recvfrom" then
        total, by[fd] = total + tonumber(size), (by[fd] or 0) + tonumber(size)
        assert.is_true(by[fd] <= 128 * 1024, by[fd] .. " bytes of one in one turn")
        assert.is_true(total <= (128 + 6 * 64) * 1024, total .. " bytes in one turn")
      end
    end
    assert.is_true(turns > 100, turns .. " turns")
  end)

  local both = 'listen = { "tcp://127.0.0.1:0", "udp://127.0.0.1:0" },'

  -- Both go on until the server has gone.
  local datagrams = [[
import socket, sys
flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
flood.connect(("127.0.0.1", int(sys.argv[1])))
try:
    while True: flood.send(b"x" * 1000)
except OSError: pass
]]
  local streams = [[
import socket, sys
floods = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(3)]
try:
    while True:
        for flood in floods: flood.sendall(b"x" * 100000)
except OSError: pass
]]

  it("a quiet one is answered while datagrams come without end", function()
    local started = moonport:start(counting:format(both, "function(_, data) flood(#data) end"),
      { args = {}, listeners = 2 })
    local quiet = started:connect()
    moonport:spawn({ "python3", "-c", datagrams, tostring(started:port(2)) })
    loop.eventually("the flood", function() return ask(quiet, 2) > 0 end)
    assert.is_true(ask(quiet, 50) > 0)
  end)

  it("a quiet peer that sends datagrams is answered, each of them", function()
    local started = moonport:start(counting:format(both, [[function(sock, data, peer)
      sock:send(data .. " " .. between, peer)
      between = 0
    end]]), { args = {}, listeners = 2 })
    local quiet = assert(luasocket.udp())
    quiet:settimeout(loop.deadline_seconds)
    assert(quiet:setpeername("127.0.0.1", started:port(2)))
    local asked = 0
    local function ask_quiet()
      asked = asked + 1
      assert(quiet:send(tostring(asked)))
      local number, between = assert(quiet:receive()):match("^(%d+) (%d+)$")
      assert.equal(tostring(asked), number)
      return tonumber(between)
    end
    moonport:spawn({ "python3", "-c", streams, tostring(started:port(1)) })
    loop.eventually("the flood", function() return ask_quiet() > 0 end)
    for _ = 1, 50 do ask_quiet() end
    quiet:close()
  end)

  supports.it("recvmmsg",
    "no wake-up takes more datagrams of a flood than a share of 64 KiB", function()
    local started, trace = moonport:start_traced("epoll_wait,epoll_pwait,recvmmsg",
      counting:format(both, "function(_, data) flood(#data) end"), { args = {}, listeners = 2 })
    local quiet = started:connect()
    ask(quiet, 1)
    started:signal("sigstop")
    local udp = assert(luasocket.udp())
    assert(udp:setpeername("127.0.0.1", started:port(2)))
    for _ = 1, 150 do assert(udp:send(("x"):rep(10))) end
    started:signal("sigcont")
    local waiting = (":%04X %%S+ %%x+ %%x+:(%%x+)"):format(started:port(2))
    loop.eventually("them to be taken", function()
      ask(quiet, 1)
      for line in io.lines("/proc/net/udp") do
        local bytes = line:match("^%s*%d+: %x+" .. waiting)
        if bytes then return tonumber(bytes, 16) == 0 end
      end
    end)
    udp:close()
    started:stop()
    local taken, turns = 0, 0
    for line in trace():gmatch("[^\n]+") do
      if line:find("^epoll_p?wait") then taken = 0 end
      local count = tonumber(line:match("^recvmmsg.* = (%d+)$"))
      if count then
        taken, turns = taken + count, turns + 1
        assert.is_true(taken <= 32 + 20, taken .. " datagrams in one turn") -- and the last batch
      end
    end
    assert.is_true(turns > 2, turns .. " calls of recvmmsg")
  end)
end)
