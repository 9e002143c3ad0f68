-- timeouts_spec.lua — idle, write and linger: when they come, and what keeps a connection.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local uv = require "luv"

-- A service that tells of timeouts and closes; `fields` come first.
local function telling(fields)
  return ([[
    local timer = require "moonport.timer"
    return {
      on_timeout = function(conn, kind) print("> timeout " .. kind) end,
      on_close = function(_, reason) print("> close " .. reason) end,
      %s
    }
  ]]):format(fields)
end

describe("the idle timeout", function()
  local moonport = rig.new()

  it("closes a connection that says nothing", function()
    local server = moonport:start(telling("timeouts = { idle = 0.2 }"))
    local peer = server:connect()
    assert.equal("", peer:receive_all())
    peer:close()
    assert.same({ "timeout idle", "close idle" }, server:wait_told("close idle"))
  end)

  it("closes without on_timeout too", function()
    local server = moonport:start(telling("timeouts = { idle = 0.2 }, on_timeout = nil"))
    local peer = server:connect()
    assert.equal("", peer:receive_all())
    peer:close()
    assert.same({ "close idle" }, server:wait_told("close idle"))
  end)

  it("does not come earlier than it says, nor much later", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        timeouts = { idle = 0.5 },
        on_open = function(conn) conn.opened = timer.now() end,
        on_timeout = function(conn) print("> after " .. timer.now() - conn.opened) end,
      }
    ]])
    assert.equal("", server:connect():receive_all())
    server:wait_for("> after")
    local seconds = tonumber(server:told()[1]:match("after (%S+)"))
    assert.is_true(seconds >= 0.49 and seconds < 2, seconds)
  end)

  -- Deadlines were looked at before what came meanwhile was read, and what was read in the same
  -- turn as a slow handler counted as said before it.
  it("counts what came while the script of another held up the loop", function()
    local server = moonport:start([[
      return {
        timeouts = { idle = 0.6 },
        on_data = function(conn, data)
          if data == "hold" then os.execute("sleep 1") end
          conn:send("!")
        end,
      }
    ]])
    local holder, other = server:connect(), server:connect()
    holder:send("hold")
    server:wait_for("the loop is held up")
    other:send("?")
    assert.equal("!", other:receive(1))
    assert.equal("!", holder:receive(1))
  end)

  -- The same where nobody has been read since: what they sent waits in the kernel.
  for _, kind in ipairs({ "TCP", "Unix" }) do
    for timeout, fields in pairs({ idle = "idle = 1", first = "first = 1, idle = 60" }) do
      local name = ("counts what came over %s within timeouts.%s, after 3 s"):format(kind, timeout)
      it(name, function()
        local path = "unix://" .. moonport:directory():join("socket")
        local listen = kind == "Unix" and path or "127.0.0.1:0"
        local server = moonport:start(([[
          return {
            listen = { %q, "127.0.0.1:0" },
            timeouts = { %s },
            on_data = function(conn, data)
              if data == "hold" then os.execute("sleep 3") end
              conn:send("!")
            end,
          }
        ]]):format(listen, fields), { args = {}, listeners = 2 })
        local addresses = server:addresses()
        local holder = server:connect({ address = addresses[2] })
        local others = {}
        for index = 1, 3 do others[index] = server:connect({ address = addresses[1] }) end
        holder:send("hold")
        server:wait_for("the loop is held up")
        for _, other in ipairs(others) do other:send("?") end
        for _, other in ipairs(others) do assert.equal("!", other:receive(1)) end
        assert.equal("!", holder:receive(1))
      end)
    end
  end

  -- Each is too short to be told, and all of them came in one turn, the last one behind the others.
  it("counts what came while many others held up the loop a little", function()
    local server = moonport:start([[
      return {
        timeouts = { idle = 1 },
        on_data = function(conn, data)
          if data == "stop" then os.execute("sleep 0.4") end
          if data == "hold" then os.execute("sleep 0.2") end
          conn:send("!")
        end,
      }
    ]])
    local first, others = server:connect(), {}
    for index = 1, 8 do others[index] = server:connect() end
    local last = server:connect()
    first:send("stop")
    for _, other in ipairs(others) do other:send("hold") end
    last:send("?")
    assert.equal("!", last:receive(1))
    local witness = server:connect() -- deadlines are looked at before it is answered
    witness:send("?")
    assert.equal("!", witness:receive(1))
    last:send("?")
    assert.equal("!", last:receive(1))
  end)

  it("is put off by on_timeout returning true, and comes again", function()
    local server = moonport:start([[
      return {
        timeouts = { idle = 0.1 },
        on_timeout = function(conn, kind)
          conn.count = (conn.count or 0) + 1
          conn:send(kind .. conn.count .. "\n")
          return conn.count < 3
        end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect()
    assert.equal("idle1\nidle2\nidle3\n", peer:receive_all())
    peer:close()
    server:wait_told("close idle")
  end)

  it("starts anew with each byte that comes", function()
    local server = moonport:start(telling([[
      timeouts = { idle = 1.5 },
      on_data = function(conn, data) timer.sleep(0.15) conn:send(data) end,
    ]]))
    local peer = server:connect()
    for _ = 1, 12 do
      peer:send("x")
      peer:receive(1)
    end
    assert.same({}, server:told())
    assert.equal("", peer:receive_all())
  end)

  it("may do something slow before it closes", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        timeouts = { idle = 0.1 },
        on_timeout = function(conn) timer.sleep(0.05) conn:send("goodbye") end,
      }
    ]])
    assert.equal("goodbye", server:connect():receive_all())
  end)

  it("of 0 is off", function()
    local server = moonport:start([[
      return {
        timeouts = { idle = 0, write = 0 },
        on_data = function(conn, data) conn:send(data) end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("x", peer:receive(1))
  end)

  it("closes many at about the same time", function()
    local server = moonport:start([[
      local closed = 0
      return {
        timeouts = { idle = 0.3 },
        on_close = function(_, reason)
          closed = closed + 1
          if closed == 200 then print("> all " .. reason) end
        end,
      }
    ]])
    local peers = {}
    for index = 1, 200 do peers[index] = server:connect() end
    for _, peer in ipairs(peers) do assert.equal("", peer:receive_all()) end
    server:close_clients()
    server:wait_told("all idle")
  end)
end)

describe("the write timeout", function()
  local moonport = rig.new()

  local flooding = [[
    timeouts = { write = 0.3 },
    limits = { write_queue = "64M" },
    on_data = function(conn) conn:send(("x"):rep(1024):rep(16 * 1024)) end,
  ]]

  it("ends a connection whose peer takes nothing", function()
    local server = moonport:start(telling(flooding))
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("x")
    assert.same({ "timeout write", "close write_timeout" },
      server:wait_told("close write_timeout"))
    -- Not by the peer's leave: its descriptor goes although the peer still holds the connection.
    server:wait_idle()
  end)

  it("does not come while the peer takes a little at a time", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        timeouts = { write = 1 },
        limits = { write_queue = "64M" },
        on_data = function(conn, data)
          if data == "flood" then conn:send(("x"):rep(1024):rep(16 * 1024)) return end
          timer.sleep(0.1)
          conn:send(".")
        end,
        on_timeout = function(_, kind) print("> timeout " .. kind) end,
      }
    ]])
    local clock, peer = server:connect(), server:connect()
    peer:send("flood")
    for _ = 1, 16 do
      clock:send("tick")
      clock:receive(1)
      peer:receive(1024 * 1024)
    end
    assert.same({}, server:told())
  end)

  it("is put off by on_timeout returning true", function()
    local server = moonport:start(telling(flooding .. [[
      on_timeout = function(conn, kind)
        print("> timeout " .. kind)
        return true
      end,
    ]]))
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("x")
    loop.wait_until("two timeouts", function() return #server:told() >= 2 end)
    assert.same({ "timeout write", "timeout write" }, { table.unpack(server:told(), 1, 2) })
    assert.equal(16 * 1024 * 1024, #peer:receive(16 * 1024 * 1024))
  end)

  it("is told by drain() to who waits there, and by nothing else", function()
    local server = moonport:start(telling([[
      timeouts = { write = 0.3 },
      limits = { write_queue = "64M" },
      on_data = function(conn)
        conn:send(("x"):rep(1024):rep(16 * 1024))
        print("> drain " .. select(2, conn:drain()))
        conn:reset()
      end,
    ]]))
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("x")
    assert.same({ "drain timeout", "close closed" }, server:wait_told("close closed"))
  end)

  it("ends a connection without on_timeout, whatever its handler waits for", function()
    local server = moonport:start(telling(flooding .. [[
      on_data = function(conn)
        conn:send(("x"):rep(1024):rep(16 * 1024))
        timer.sleep(1)
        print("> slept, " .. conn.state)
      end,
      on_timeout = nil,
    ]]))
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("x")
    assert.same({ "slept, closed", "close write_timeout" },
      server:wait_told("close write_timeout"))
  end)

  it("bounds a close that the peer does not let happen", function()
    local server = moonport:start(telling([[
      timeouts = { write = 0.3, linger = 0.3 },
      on_data = function(conn) conn:send(("x"):rep(1024):rep(16 * 1024)) conn:close() end,
    ]]))
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("x")
    server:wait_for("> close")
    server:wait_idle()
  end)
end)

describe("the time for the first message", function()
  local moonport = rig.new()

  local silent = {
    ["says nothing"] = { "on_data = function() end", "" },
    ["begins a message and goes on and on"] = {
      'frame = "line", on_message = function() end', "x" },
    ["begins what main asks for"] = {
      "main = function(conn) print('> main ' .. select(2, conn:recv_line())) end", "x" },
    ["begins what on_data waits for"] = {
      "on_data = function(conn) repeat until not conn:recv() print('> waited') end", "x" },
  }
  for name, case in pairs(silent) do
    it("ends a connection that " .. name, function()
      local server = moonport:start(telling(
        "timeouts = { first = 0.5, idle = 60, linger = 0.2 }, on_timeout = nil, " .. case[1]))
      local peer = server:connect()
      local clock = uv.new_timer()
      if case[2] ~= "" then
        clock:start(0, 50, function() peer:offer(case[2]) end)
      end
      loop.wait_until("the end", function()
        return server:told()[#server:told()] == "close idle"
      end)
      clock:close()
      if name:find("main") then assert.equal("main timeout", server:told()[1]) end
      if name:find("on_data") then assert.equal("waited", server:told()[1]) end
    end)
  end

  it("is told to on_timeout, which may keep the connection", function()
    local server = moonport:start([[
      local count = 0
      return {
        timeouts = { first = 0.2, idle = 60 },
        on_data = function() end,
        on_timeout = function(_, kind)
          count = count + 1
          print("> " .. kind)
          return count < 3
        end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    server:connect()
    assert.same({ "first", "first", "first", "close idle" }, server:wait_told(4))
  end)

  local greeted = {
    ["on_data"] = { "on_data = function(conn, data) conn:send(data) end", "x" },
    ["on_message"] = { 'frame = "line", on_message = function(conn, m) conn:send(m) end', "x\n" },
    ["main"] = { "main = function(conn) conn:send(conn:recv_line()) conn:recv() end", "x\n" },
    ["a handler that reads on and answers"] = {
      "on_data = function(conn, data) repeat conn:send(data) data = conn:recv() until not data end",
      "x" },
  }
  for name, case in pairs(greeted) do
    it("is over once the first message came to " .. name, function()
      local server = moonport:start(telling("timeouts = { first = 0.3, idle = 1 }, " .. case[1]))
      local peer = server:connect()
      peer:send(case[2])
      assert.equal("x", peer:receive(1))
      local told = server:wait_told(1)
      assert.is_true(told[1] == "timeout idle" or told[1] == "close closed", told[1])
    end)
  end

  -- What slowhttptest does: each head goes on, a byte at a time, and never ends.
  local slow_heads = [[
import resource, select, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
def connect():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
def ask():
    with connect() as quick:
        quick.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return quick.makefile("rb").read().startswith(b"HTTP/1.1 200 ")
slow = []
for _ in range(1000):
    slow.append(connect())
    slow[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
def is_open(peer):
    try:
        peer.sendall(b"x")
        return bool(peer.recv(1, socket.MSG_DONTWAIT))
    except BlockingIOError: return True
    except OSError: return False
answered, end = ask(), time.time() + 15
while slow and time.time() < end:
    slow = [peer for peer in slow if is_open(peer)]
    answered = ask() and answered
    time.sleep(0.1)
print(len(slow), answered)
]]

  it("ends a thousand slow heads of scripts/http.lua, and others are answered meanwhile", function()
    local file <close> = assert(io.open("scripts/http.lua"))
    local script = file:read("a"):gsub("listen = 8080,", "%0 timeouts = { request = 1 },")
    local server = moonport:serve({ "--listen", "127.0.0.1:0",
      moonport:directory():write("http.lua", script) })
    server:allow_log("refused with 408")
    local result = shell.run({ "python3", "-c", slow_heads, tostring(server:port()) })
    assert.equal("0 True\n", result.stdout, result.stderr)
    server:wait_idle()
  end)
end)
