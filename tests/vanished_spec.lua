-- vanished_spec.lua — a peer that is gone without a word: neither FIN nor RST, only silence.
--
-- A server kept such a connection for ever while it was written to: each send set the idle time
-- back, for the kernel took the bytes, and a quarter of an hour long tried to get rid of them.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

-- A network of the server's own, whose loopback the test can cut.
local own_network =
  shell.words(shell.unshare("n"), "sh", "-c", 'ip link set lo up; exec "$@"', "sh")

-- Reads all that comes; its kernel acknowledges it, as long as there is a network.
local reader = [[
  local conn = assert(require("moonport.socket").connect(arg[1]))
  print("connected")
  while conn:recv() do end
]]

-- Sends 1 kB each tenth of a second to `conn`, for ever.
local talking = [[
  local timer = require "moonport.timer"
  local piece = ("x"):rep(1000)
  local function talk(conn) timer.every(0.1, function() conn:send(piece) end) end
  local function closed(_, reason) print("> close " .. reason) end
]]

supports.describe("unacknowledged", "a peer that vanished", function()
  local moonport = rig.new()
  local children = {}

  local function release_children()
    for _, child in ipairs(children) do child:release() end
    children = {}
  end

  after_each(release_children)

  local function start(script)
    return moonport:start(talking .. script, { prefix = own_network, args = {} })
  end

  local function inside(started, ...)
    local is_root = shell.run({ "id", "-u" }).stdout == "0\n"
    local pid = tostring(started.process.pid)
    return shell.words({ "nsenter", "-t", pid, is_root and "-n" or "-Un" },
      is_root and {} or "--preserve-credentials", { ... })
  end

  -- A program in the same network, from when it has said its first line.
  local function run(started, code, ...)
    local child = shell.start(inside(started, server.program, "run", "-e", code, ...))
    children[#children + 1] = child
    loop.wait_until("a program to say something", function() return #child:stdout() > 0 end)
    return child
  end

  local function cut_network(started)
    assert.equal(0, shell.run(inside(started, "ip", "link", "set", "lo", "down")).code)
  end

  -- So that the server hears of the ends that are left.
  local function mend_network(started)
    assert.equal(0, shell.run(inside(started, "ip", "link", "set", "lo", "up")).code)
    release_children()
  end

  it("and is written to ends with write_timeout, although nothing waits in a queue", function()
    local started = start([[
      return {
        listen = 5000,
        timeouts = { write = 1, idle = 0 },
        on_open = function(conn) talk(conn) end,
        on_close = closed,
      }
    ]])
    run(started, reader, "127.0.0.1:5000")
    cut_network(started)
    assert.same({ "close write_timeout" }, started:wait_told("close write_timeout"))
  end)

  it("is told to on_timeout, which may keep it", function()
    local started = start([[
      local count = 0
      return {
        listen = 5000,
        timeouts = { write = 0.5, idle = 0 },
        on_open = function(conn) talk(conn) end,
        on_timeout = function(_, kind)
          count = count + 1
          print("> " .. kind .. " " .. count)
          return count < 3
        end,
        on_close = closed,
      }
    ]])
    run(started, reader, "127.0.0.1:5000")
    cut_network(started)
    assert.same({ "write 1", "write 2", "write 3", "close write_timeout" },
      started:wait_told("close write_timeout"))
  end)

  it("ends a main that sends to it", function()
    local started = start([[
      return {
        listen = 5000,
        timeouts = { write = 1, idle = 0 },
        main = function(conn) while conn:send(piece) do timer.sleep(0.1) end end,
        on_close = closed,
      }
    ]])
    run(started, reader, "127.0.0.1:5000")
    cut_network(started)
    started:wait_told("close write_timeout")
  end)

  it("ends also when the script connected to it, or accepted it by itself", function()
    local started = start([[
      local socket = require "moonport.socket"
      local task = require "moonport.task"
      local function tell(name, conn)
        while conn:send(piece) do timer.sleep(0.1) end
        print("> " .. name .. " ended")
      end
      return {
        listen = 5000,
        timeouts = { write = 1, idle = 0 },
        on_load = function()
          task.spawn(function()
            local own = socket.tcp()
            own:bind("127.0.0.1", 5001)
            own:listen()
            local conn = own:accept()
            own:close()
            tell("accepted", conn)
          end)
        end,
        on_data = function(_, address) task.spawn(tell, "connected", socket.connect(address)) end,
      }
    ]])
    run(started, reader, "127.0.0.1:5001")
    run(started, [[
      local socket = require "moonport.socket"
      local server = socket.tcp()
      server:bind("127.0.0.1", 5002)
      server:listen()
      local ask = socket.connect("127.0.0.1:5000")
      ask:send("127.0.0.1:5002")
      local conn = server:accept()
      conn:recv()
      print("connected")
      while conn:recv() do end
    ]])
    cut_network(started)
    loop.wait_until("both to end", function() return #started:told() == 2 end)
    local told = started:told()
    table.sort(told)
    assert.same({ "accepted ended", "connected ended" }, told)
    mend_network(started)
  end)

  it("ends a forward to it, at both ends", function()
    local started = start([[
      local socket = require "moonport.socket"
      return {
        listen = { 5000, "unix:@moonport-vanished-spec" },
        timeouts = { write = 1, idle = 0 },
        on_open = function(conn)
          if conn.listener:find("^unix") then return talk(conn) end
          local source = socket.connect("unix:@moonport-vanished-spec")
          source:forward(conn)
        end,
        on_close = function(conn, reason)
          print("> " .. conn.listener:sub(1, 3) .. " " .. reason)
        end,
      }
    ]])
    run(started, reader, "127.0.0.1:5000")
    cut_network(started)
    local told = started:wait_told(2)
    table.sort(told)
    assert.equal("tcp write_timeout", told[1])
    assert.matches("^uni ", told[2])
  end)

  it("ends by the times of the version that is in force", function()
    local text = [[
      return {
        listen = 5000,
        timeouts = { write = %s, idle = 0 },
        on_open = function(conn) talk(conn) end,
        on_reload = function(conn) talk(conn) end, -- the timers of the old version have ended
        on_close = closed,
        reload = "adopt",
        on_load = function() print("> loaded") end,
      }
    ]]
    local started = start(text:format("0"))
    run(started, reader, "127.0.0.1:5000")
    cut_network(started)
    local path = moonport.directories[1]:join("test.lua")
    local file = assert(io.open(path, "w"))
    file:write(talking, (text:format("1")))
    file:close()
    assert.same({ "loaded", "loaded", "close write_timeout" },
      started:wait_told("close write_timeout"))
  end)

  it("and was silent before is found by keep-alive probes", function()
    local started = start([[
      return { listen = 5000, timeouts = { idle = 0, first = 0 }, on_data = print }
    ]])
    run(started, reader, "127.0.0.1:5000")
    -- 60 s, then six probes 10 s apart (net/bind.c): too long to wait for, but the kernel tells
    -- that it counts.
    local sockets = shell.run(inside(started, "ss", "-tnoH", "state", "established",
      "( sport = :5000 )")).stdout
    assert.matches("timer:%(keepalive,%d", sockets)
    mend_network(started)
  end)
end)

describe("the idle time", function()
  local moonport = rig.new()

  it("counts what the peer says, not what is sent to it", function()
    local started = moonport:start(talking .. [[
      return {
        timeouts = { idle = 0.5 },
        on_open = function(conn) talk(conn) end,
        on_close = closed,
      }
    ]])
    local peer = started:connect()
    peer:receive(1000)
    started:wait_told("close idle")
  end)

  it("goes on while the peer takes what waits for it", function()
    local started = moonport:start(talking .. [[
      local flood = ("x"):rep(16 * 1024 * 1024) -- here, for it may take long, and all wait for it
      return {
        timeouts = { idle = 2 },
        limits = { write_queue = "64M" },
        on_data = function(conn, data)
          if data == "?" then
            timer.sleep(0.05)
            return conn:send("!")
          end
          conn:send(flood)
        end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local clock = started:connect()
    local peer = started:connect({ receive_buffer = 8192 })
    peer:send("flood")
    -- Two idle times long, a little at a time: more than half of it is still queued at the end.
    for _ = 1, 90 do
      clock:send("?")
      clock:receive(1)
      peer:receive(65536)
    end
    assert.same({}, started:told())
  end)
end)
