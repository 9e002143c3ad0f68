-- faults_spec.lua — what nobody intends and everybody meets: broken scripts, peers and kernels.
--
-- The numbers are the rows of the project's catalogue of faults. What a plain error does to its
-- connection is in errors_spec.lua; here is what could take the whole server along.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local uv = require "luv"

local modules = [[
local server, timer = require "moonport.server", require "moonport.timer"
]]

-- "?" asks whether the server still serves; anything else runs `body`.
local function misbehaves(body)
  return modules .. ([[
    return {
      limits = { cpu_ms = 50 },
      on_data = function(conn, data)
        if data == "?" then return conn:send("!") end
        %s
      end,
    }
  ]]):format(body)
end

local function assert_serves(server)
  local peer = server:connect()
  peer:send("?")
  assert.equal("!", peer:receive(1))
  peer:close()
end

describe("the processor budget", function()
  local moonport = rig.new()

  -- Rows 5 and 7. Three times: the coroutine of an ended handler is used again, and the last ones
  -- must end as the first.
  local loops = {
    ["a plain loop"] = "while true do end",
    ["a loop that catches the error"] =
      "while true do pcall(function() while true do end end) end",
    ["a loop in a coroutine"] = "coroutine.wrap(function() while true do end end)()",
    ["a loop of coroutines whose errors are caught"] =
      "while true do pcall(coroutine.wrap(function() while true do end end)) end",
    ["a loop in a to-be-closed variable after an error"] = [[
      local guard <close> = setmetatable({}, { __close = function() while true do end end })
      error("provoked")
    ]],
    ["a loop in a coroutine's to-be-closed variable"] = [[
      coroutine.wrap(function()
        local guard <close> = setmetatable({}, { __close = function() while true do end end })
        error("provoked")
      end)()
    ]],
    ["a loop in a coroutine that is closed"] = [[
      local co = coroutine.create(function()
        local guard <close> = setmetatable({}, { __close = function() while true do end end })
        coroutine.yield()
      end)
      coroutine.resume(co)
      coroutine.close(co)
    ]],
    ["a loop in the text of an error"] =
      "error(setmetatable({}, { __tostring = function() while true do end end }))",
    ["a loop in a callback of table.sort"] =
      "table.sort({ 3, 2, 1 }, function() while true do end end)",
  }
  for name, body in pairs(loops) do
    it("ends " .. name .. " as often as it comes, and the server goes on", function()
      local server = moonport:start(misbehaves(body))
      server:allow_log(".")
      for _ = 1, 3 do
        local peer = server:connect()
        peer:send("x")
        assert.equal("", peer:receive_all())
        peer:close()
        assert_serves(server)
      end
    end)
  end

  -- Row 5.
  it("ends a timer that loops, tick after tick", function()
    local server = moonport:start(modules .. [[
      local ticks = 0
      timer.every(0.01, function()
        ticks = ticks + 1
        if ticks <= 3 then while true do end end
      end)
      return { limits = { cpu_ms = 100 }, on_data = function(conn) conn:send("!") end }
    ]])
    server:allow_log("limits%.cpu_ms")
    assert_serves(server)
    loop.eventually("three ticks to be ended", function()
      local _, count = server:log_text():gsub("used more than limits%.cpu_ms", "")
      return count >= 3
    end)
    assert_serves(server)
  end)
end)

describe("a wait where nothing can wait", function()
  local moonport = rig.new()

  -- Rows 42 and 43: a coroutine of the script's own must not hide where it runs.
  local places = {
    ["a to-be-closed variable while an error unwinds"] = [[
      local guard <close> = setmetatable({}, { __close = function()
        print("> " .. tostring(select(2, pcall(coroutine.wrap(function() WAIT end)))))
      end })
      error("provoked")
    ]],
    ["the text of an error"] = [[
      error(setmetatable({}, { __tostring = function()
        print("> " .. tostring(select(2, pcall(coroutine.wrap(function() WAIT end)))))
        return "provoked"
      end }))
    ]],
    ["a finalizer"] = [[
      setmetatable({}, { __gc = function()
        print("> " .. tostring(select(2, pcall(coroutine.wrap(function() WAIT end)))))
      end })
      collectgarbage()
      error("provoked")
    ]],
  }
  for name, body in pairs(places) do
    for _, wait in ipairs { "timer.sleep(0.01)", "conn:recv()", "conn:drain()" } do
      it(wait .. " raises in a coroutine in " .. name, function()
        local server = moonport:start(misbehaves((body:gsub("WAIT", wait))))
        server:allow_log("provoked")
        local peer = server:connect()
        peer:send("x")
        assert.equal("", peer:receive_all())
        peer:close()
        assert.matches("cannot wait here", server:wait_told(1)[1])
        assert_serves(server)
      end)
    end
  end

  -- Row 42. The places in which Lua itself is called through C, in the handler's own coroutine.
  local calls = {
    ["table.sort"] = "table.sort({ 2, 1 }, function() WAIT return true end)",
    ["an __lt under table.sort"] = [[
      local meta = { __lt = function() WAIT return true end }
      table.sort({ setmetatable({}, meta), setmetatable({}, meta) })
    ]],
    ["string.gsub"] = 'string.gsub("x", ".", function() WAIT end)',
    ["string.format"] =
      '("%s"):format(setmetatable({}, { __tostring = function() WAIT return "" end }))',
    ["table.unpack"] = "table.unpack(setmetatable({}, { __index = function() WAIT end }), 1, 2)",
    ["a module that is loaded"] = [[
      package.preload.waits = function() WAIT return true end
      require "waits"
    ]],
  }
  for name, body in pairs(calls) do
    it("raises in " .. name .. ", naming what can be done, and the handler goes on", function()
      local server = moonport:start(misbehaves(([[
        local ok, why = pcall(function() %s end)
        timer.sleep(0.001)
        conn:send(tostring(ok) .. " " .. tostring(why) .. "\n")
      ]]):format((body:gsub("WAIT", "timer.sleep(0.001)")))))
      local peer = server:connect()
      peer:send("x")
      local answer = peer:receive_line()
      assert.matches("^false .*:%d+: cannot wait here: .*wait before or after that call", answer)
      peer:send("?")
      assert.equal("!", peer:receive(1))
    end)
  end

  -- What is no C function may wait, also where it looks like one.
  it("does not raise in metamethods, pcall and to-be-closed variables", function()
    local server = moonport:start(misbehaves([[
      local function wait() timer.sleep(0.001) return "w" end
      local object = setmetatable({}, { __index = wait, __concat = wait, __close = wait })
      local answer = object.x .. select(2, pcall(wait)) .. (object .. "")
      do local guard <close> = object end
      conn:send(answer)
    ]]))
    local peer = server:connect()
    peer:send("x")
    assert.equal("www", peer:receive(3))
  end)

  -- Row 43.
  it("does not let a finalizer take the bytes that recv() is about to give", function()
    local server = moonport:start([[
      return {
        main = function(conn)
          collectgarbage("setpause", 10)
          local received = 0
          repeat
            for _ = 1, 20 do
              setmetatable({}, { __gc = function() pcall(conn.recv, conn, 1) end })
            end
            local data = conn:recv(200)
            received = received + #(data or "")
          until not data
          print("> received")
        end,
      }
    ]])
    local peer = server:connect()
    for _ = 1, 20 do peer:send(("a"):rep(3000)) end
    peer:finish()
    peer:receive_all()
    server:wait_told("received")
  end)
end)

describe("a handler that waits again after recv() timed out", function()
  local moonport = rig.new()

  it("loses nothing of what arrives meanwhile", function()
    local server = moonport:start(modules .. [[
      return {
        timeouts = { idle = 0.1 },
        main = function(conn)
          conn:recv()
          print("> timed out")
          timer.sleep(0.3)
          conn:send(conn:recv_exactly(4) or "lost")
        end,
      }
    ]])
    local peer = server:connect()
    server:wait_told("timed out")
    peer:send("data")
    assert.equal("data", peer:receive(4))
  end)

  it("is not overtaken by on_data", function()
    local server = moonport:start(modules .. [[
      return {
        timeouts = { idle = 0.1 },
        on_open = function(conn)
          conn:recv()
          print("> timed out")
          timer.sleep(0.3)
          print("> opened")
        end,
        on_data = function(_, data) print("> " .. data) end,
      }
    ]])
    local peer = server:connect()
    server:wait_told("timed out")
    peer:send("data")
    assert.same({ "timed out", "opened", "data" }, server:wait_told(3))
  end)

  it("is not told by drain() of that timeout", function()
    local server = moonport:start([[
      return {
        timeouts = { idle = 0.1 },
        main = function(conn)
          conn:recv()
          conn:send(tostring(conn:drain()))
        end,
      }
    ]])
    assert.equal("true", server:connect():receive_all())
  end)
end)

describe("a coroutine that waits", function()
  local moonport = rig.new()

  -- Row 15. The handler's own coroutine is as much in use as one that the handler made.
  for name, wrapped in pairs {
    ["of a handler"] = "%s",
    ["that a handler made"] = "coroutine.wrap(function() %s end)()",
  } do
    it(name .. " cannot be resumed by another handler", function()
      local server = moonport:start(([[
        local waiting
        return {
          on_data = function(conn, data)
            if data == "b" then
              print("> " .. tostring(coroutine.resume(waiting)))
            else
              %s
            end
          end,
          on_close = function(_, reason) print("> " .. reason) end,
        }
      ]]):format(wrapped:format([[
        waiting = coroutine.running()
        conn:send("w")
        conn:send(conn:recv())
      ]])))
      local first, second = server:connect(), server:connect()
      first:send("a")
      assert.equal("w", first:receive(1))
      second:send("b")
      assert.same({ "false" }, server:wait_told(1))
      first:send("data")
      assert.equal("data", first:receive(4))
      first:finish()
      assert.equal("", first:receive_all())
      assert.same({ "false", "eof" }, server:wait_told(2))
    end)
  end
end)

describe("a timer", function()
  local moonport = rig.new()

  -- Row 36.
  for name, rearm in pairs {
    ["set again by their functions"] = "local function work() burn() timer.after(0, work) end",
    ["slept for in a loop"] = "local function work() while true do burn() timer.sleep(0) end end",
  } do
    it("of no time leaves room for connections when several are " .. name, function()
      local server = moonport:start(modules .. ([[
        local function burn()
          local till = timer.now() + 0.004
          while timer.now() < till do end
        end
        %s
        for _ = 1, 3 do timer.after(0, work) end
        return { on_data = function(conn) conn:send("!") end }
      ]]):format(rearm))
      assert_serves(server)
    end)
  end

  -- Rows 14 and 43.
  for name, script in pairs {
    ["a finalizer"] = "KEPT = setmetatable({}, { __gc = set }) "
      .. "return { on_data = function(conn) conn:send('!') end }",
    ["a to-be-closed variable of a handler that waits"] = [[
      return { on_data = function(conn)
        conn:send("!")
        local guard <close> = setmetatable({}, { __close = set })
        timer.sleep(1000)
      end }
    ]],
  } do
    it("that " .. name .. " sets while the server ends does not outlive its script", function()
      local server = moonport:start(
        modules .. "local function set() pcall(timer.after, 0, print) end " .. script,
        { args = { "--listen", "127.0.0.1:0", "--drain", "0.2" } })
      server:allow_log(".")
      assert_serves(server)
      -- The handler that waits is not told of the peer's end: the deadline ends it.
      server:signal("sigterm")
      assert.equal(0, (server:wait()))
    end)
  end
end)

describe("a connection", function()
  local moonport = rig.new()

  -- Rows 12, 13 and 16: every method and field, everywhere, also on connections that are gone.
  local abuse = modules .. [[
    local kept, closed = {}, {}
    local function use(conn)
      for _, name in ipairs { "stats", "pause", "resume", "drain", "shutdown", "close", "reset" } do
        if ONLY == nil or ONLY == name then pcall(conn[name], conn) end
      end
      for _, data in ipairs { "a", { "b", 1, ("c"):rep(5000) }, ("d"):rep(50000) } do
        pcall(conn.send, conn, data)
      end
      pcall(conn.recv, conn, 1)
      for _, name in ipairs { "id", "peer", "peer_ip", "peer_port", "sock", "listener", "state" } do
        local _ = conn[name]
      end
      conn.own = tostring(conn)
      collectgarbage("step")
    end
    local function handler(name)
      return function(conn)
        if name == "on_close" then
          if closed[conn.id] then print("> closed twice") end
          closed[conn.id] = true
        end
        kept[#kept + 1] = conn
        if #kept > 10 then table.remove(kept, 1) end
        if name == WHERE then use(conn) end
        if WHERE == "everywhere" then
          for _, other in ipairs(kept) do use(other) end
        end
        return name == "on_timeout" and closed[conn.id - 1]
      end
    end
    local service = {
      limits = { write_queue = "64K" },
      timeouts = { idle = 0.1, write = 0.2 },
    }
    for _, name in ipairs {
      "on_open", "on_data", "on_eof", "on_drain", "on_timeout", "on_close",
    } do
      service[name] = handler(name)
    end
    timer.every(0.02, function()
      server.broadcast("e")
      if WHERE == "timer" then
        for _, conn in ipairs(kept) do use(conn) end
      end
    end)
    return service
  ]]
  local places = { "on_open", "on_data", "on_eof", "on_drain", "on_timeout", "on_close", "timer",
    "everywhere" }
  for _, where in ipairs(places) do
    it("survives every call in " .. where .. ", open or closed, its own or another's", function()
      for _, only in ipairs { "nil", "'close'", "'reset'" } do
        local server = moonport:start(("WHERE, ONLY = %q, %s\n"):format(where, only) .. abuse)
        server:allow_log(".")
        for index = 1, 8 do
          local ok, peer = pcall(server.connect, server) -- on_open may have reset it
          if ok then
            pcall(peer.offer, peer, ("x"):rep(index % 2 == 0 and 70000 or 1))
            if index % 4 == 1 then pcall(peer.finish, peer) end
            if index % 4 == 2 then peer:reset() end
          end
        end
        loop.turn()
        server:stop()
        assert.same({}, server:told())
      end
    end)
  end

  -- Row 18. Some say nothing, some more than is read at once. They come by the hundred.
  it("that is reset closes once, ten thousand times", function()
    local server = moonport:start([[
      local opened, closed, twice, seen = 0, 0, 0, {}
      return {
        on_open = function() opened = opened + 1 end,
        on_data = function(conn, data)
          conn:send(data == "?" and ("%d %d %d\n"):format(opened, closed, twice) or data)
        end,
        on_close = function(conn)
          if seen[conn.id] then twice = twice + 1 end
          seen[conn.id], closed = true, closed + 1
        end,
      }
    ]])
    local resets = [[
import socket, struct, sys
def open_one():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def ask():
    witness.sendall(b"?")
    return answers.readline()
witness = open_one()
answers = witness.makefile()
for index in range(2500):
    peer = open_one()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sendall(b"x" * (70000 if index % 10 == 0 else index % 2))
    peer.close()
    if index % 100 == 99: ask()
print(ask(), end="")
]]
    for _ = 1, 4 do
      local result = shell.run({ "python3", "-c", resets, tostring(server:port()) })
      assert.matches("^%d+ %d+ 0\n$", result.stdout, result.stderr)
    end
    server:wait_idle()
    local peer = server:connect()
    loop.eventually("the last one to be closed, as were the four witnesses", function()
      peer:send("?")
      return peer:receive_line() == "10005 10004 0"
    end)
  end)

  -- Row 32.
  for _, call in ipairs { "read", "write" } do
    it(("loses no byte when %s is interrupted again and again"):format(call), function()
      local server = moonport:start("return { on_data = function(c, data) c:send(data) end }", {
        prefix = { "strace", "-D", "-o", "/dev/null", "-e",
          ("inject=%s:error=EINTR:when=40+3"):format(call) },
        -- What it counted of coverage is not to be written over that of others, in part.
        env = { ASAN_OPTIONS = "detect_leaks=0", GCOV_PREFIX = moonport:directory():join("."),
          GCOV_ERROR_FILE = "/dev/null" },
      })
      local data = ("0123456789abcdef"):rep(16 * 1024)
      local peer = server:connect()
      peer:offer(data)
      assert.is_true(peer:receive(#data) == data)
    end)
  end
end)

describe("a limit of memory", function()
  local moonport = rig.new()

  -- Rows 4, 8 and 46: something else is the first to find none at each of these.
  it("costs connections, wherever it is reached, and never the server", function()
    local script = modules .. [[
      return {
        limits = { memory = %d },
        timeouts = { idle = 0.1 },
        on_open = function(conn) conn.name = "n" .. conn.id end,
        on_data = function(conn, data)
          local guard <close> = setmetatable({}, { __close = function() return {} end })
          local pieces = coroutine.wrap(function()
            while true do coroutine.yield(conn:recv(1) or "-") end
          end)
          conn:send { pieces(), ("b"):rep(6000), data }
          server.broadcast { "x", "y" }
          for _, other in ipairs(server.connections()) do other:stats() end
          timer.after(0.01, function() conn:send("t") end)
          local text = data
          while true do text = text .. text end
        end,
        on_error = function(conn, message) conn:send(message) end,
        on_close = function(conn, reason) conn.reason = { reason } end,
      }
    ]]
    for memory = 45000, 75000, 2500 do
      local server = moonport:start(script:format(memory))
      server:allow_log("not enough memory")
      for index = 1, 3 do
        loop.eventually("data that leaves before its connection is idle", function()
          local began = uv.hrtime()
          local peer = server:connect()
          pcall(peer.send, peer, "data")
          local is_late = uv.hrtime() - began >= 0.1e9
          peer:receive_end()
          return not is_late
        end)
        -- Each of them ended for want of memory, and was told so: not for any other reason.
        loop.wait_until(("being told %d times at %d"):format(index, memory), function()
          return select(2, server:log_text():gsub("not enough memory", "")) >= index
        end)
      end
      server:stop()
    end
  end)
end)

-- Row 44. Lua goes 200 C calls deep, and some of its functions take much of the C stack for each:
-- with `ulimit -s 256` a recursive string.gsub was a SIGSEGV.
describe("a small C stack", function()
  local moonport = rig.new()

  local nested = [[
    local function gsub() return (("x"):gsub("x", gsub)) end
    local function sort() table.sort({ 1, 2, 3 }, sort) end
    local function text() return tostring(setmetatable({}, { __tostring = text })) end
    local function resume() return coroutine.wrap(resume)() end
    local function catch() return xpcall(error, catch) end
    for _, f in ipairs { gsub, sort, text, resume } do
      local ok, message = pcall(f)
      assert(not ok and message:find("C stack overflow"), message)
    end
    catch()
    assert(not load("return " .. ("("):rep(1000)))
    print("whole")
  ]]
  for _, kind in ipairs { "-S -s 256", "-s 256", "-s 512", "-s unlimited" } do
    it("is no end of a script that recurses: ulimit " .. kind, function()
      local result = moonport:run({ "run", "-e", nested },
        { prefix = { "sh", "-c", "ulimit " .. kind .. ' && exec "$@"', "sh" } })
      assert.same({ 0, "whole\n", "" }, { result.code, result.stdout, result.stderr })
    end)
  end
end)
