-- signals_spec.lua — SIGTERM, SIGINT, SIGPIPE: how a server ends, and how it does not.

local client = require "tests.support.client"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

-- Answers a line that comes in two halves: in between, the connection has unfinished business.
-- Tells only of connections that said something: the probes of `wait_refusing` do not.
local halves = [[
  return {
    on_data = function(conn, data)
      conn.asked = true
      conn:send("first " .. data .. "\n")
      conn:send("second " .. (conn:recv_line() or "nothing") .. "\n")
      conn:close()
    end,
    on_close = function(conn, reason) if conn.asked then print("> close " .. reason) end end,
  }
]]

local function draining_for(seconds)
  return { args = { "--listen", "127.0.0.1:0", "--drain", seconds } }
end

local function wait_refusing(server)
  loop.eventually("new connections to be refused", function()
    local peer, err = client.try_connect(server:address())
    if peer then peer:close() end
    return err == "ECONNREFUSED"
  end)
end

for _, name in ipairs({ "sigterm", "sigint" }) do
  describe(name, function()
    local moonport = rig.new()

    it("ends a server without connections at once, with code 0", function()
      local server = moonport:start(halves)
      server:signal(name)
      assert.equal(0, (server:wait()))
    end)

    it("refuses new connections and lets the others finish", function()
      local server = moonport:start(halves)
      local peer = server:connect()
      peer:send("1")
      assert.equal("first 1", peer:receive_line())
      server:signal(name)
      wait_refusing(server)
      peer:send("2\n")
      assert.equal("second 2\n", peer:receive_all())
      peer:close()
      assert.equal(0, (server:wait()))
      assert.same({ "close closed" }, server:told())
    end)

    it("with --grace still accepts for so long, and then drains", function()
      local server = moonport:start(halves,
        { args = { "--listen", "127.0.0.1:0", "--grace", "0.4" } })
      server:signal(name)
      server:wait_for("not ready any more")
      local peer = server:connect()
      peer:send("1")
      assert.equal("first 1", peer:receive_line())
      wait_refusing(server)
      peer:send("2\n")
      assert.equal("second 2\n", peer:receive_all())
      peer:close()
      assert.equal(0, (server:wait()))
    end)

    it("serves who had connected before, even from the kernel's backlog", function()
      local server = moonport:start([[
        return { on_open = function(conn)
          local till = os.clock() + 0.2
          while os.clock() < till do end
          conn:send("served\n")
          conn:close()
        end }
      ]], draining_for("50s")) -- for 0.6 s of processor time on a busy machine
      local peers = {}
      for index = 1, 3 do peers[index] = server:connect() end
      server:signal(name)
      for index = 1, 3 do assert.equal("served\n", peers[index]:receive_all()) end
      assert.equal(0, (server:wait()))
    end)

    it("ends what is left after the deadline, with on_close 'shutdown'", function()
      local server = moonport:start(halves, draining_for("0.3"))
      local peer = server:connect()
      peer:send("1")
      assert.equal("first 1", peer:receive_line())
      server:allow_log("deadline")
      server:signal(name)
      assert.equal(0, (server:wait()))
      assert.same({ "close shutdown" }, server:told())
    end)

    it("ends at once when it comes a second time", function()
      -- The harness gives up long before this deadline.
      local server = moonport:start(halves, draining_for("5m"))
      server:allow_log(".")
      local peer = server:connect()
      peer:send("1")
      assert.equal("first 1", peer:receive_line())
      server:signal(name)
      wait_refusing(server)
      server:signal(name)
      local code, signal = server:wait()
      assert.equal(0, signal)
      server.expected_code = code
    end)
  end)
end

describe("a server that ends", function()
  local moonport = rig.new()

  it("still delivers what was queued", function()
    local server = moonport:start([[
      return {
        on_data = function(conn)
          conn:send(("x"):rep(1024):rep(8 * 1024))
          conn:close()
        end,
      }
    ]])
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("x")
    peer:receive(1)
    server:signal("sigterm")
    wait_refusing(server)
    assert.equal(8 * 1024 * 1024 - 1, #peer:receive_all())
    peer:close()
    assert.equal(0, (server:wait()))
  end)

  it("ends although handlers wait and timers are set", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      timer.every(1000, function() end)
      return {
        on_open = function(conn)
          timer.after(1000, function() end)
          print("> waiting")
          timer.sleep(1000)
        end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]], draining_for("0.2"))
    server:allow_log("deadline")
    server:connect()
    server:wait_told("waiting")
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
    assert.same({ "waiting", "close shutdown" }, server:told())
  end)

  -- The last connection was gone, and with it went what main and on_close still had to do.
  it("lets main and on_close of closed connections come to their end", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        main = function(conn)
          conn:close()
          timer.sleep(0.2)
          print("> main")
        end,
        on_close = function()
          timer.sleep(0.2)
          print("> on_close")
        end,
      }
    ]])
    assert.equal("", server:connect():receive_all())
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
    assert.same({ "main", "on_close" }, server:told())
  end)

  it("but not beyond the deadline", function()
    local server = moonport:start([[
      return { on_close = function() require("moonport.timer").sleep(1e6) end }
    ]], draining_for("0.1"))
    server:allow_log("closing 0 connections; handlers of 1 closed one wait")
    server:allow_log("closing 0 connections at once; handlers of 1 closed one wait")
    server:connect():close()
    server:wait_idle()
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
  end)

  -- Timers that each use their whole budget, and tasks that breed, put off the deadline itself.
  it("ends although its scripts leave the loop no time", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      local function stubborn() while true do pcall(function() while true do end end) end end
      return {
        limits = { cpu_ms = 400 },
        on_open = function() for _ = 1, 60 do timer.every(0.001, stubborn) end end,
      }
    ]], draining_for("0.1"))
    for _, expected in ipairs({ "limits.cpu_ms", "the deadline has passed", "held up",
      "the time of %-%-drain is over: the loop is stuck in timer %(.-test%.lua:2%)" }) do
      server:allow_log(expected)
    end
    server.expected_code = 3
    server:connect()
    server:wait_for("used more than limits.cpu_ms")
    local before = os.time()
    server:signal("sigterm")
    assert.equal(3, (server:wait()))
    assert.is_true(os.time() - before < 15)
    server:wait_for("the time of %-%-drain is over")
  end)

  it("ends, and serves others before, although tasks breed without end", function()
    local server = moonport:start([[
      local task = require "moonport.task"
      local function breed() task.spawn(breed) task.spawn(breed) end
      return {
        limits = { memory = "16M" },
        on_data = function(conn, data) conn:send(data) if data == "breed" then breed() end end,
      }
    ]], draining_for("0.1"))
    server:allow_log("not enough memory")
    server:allow_log("dropped")
    local peer = server:connect()
    peer:send("breed")
    assert.equal("breed", peer:receive(5))
    server:wait_for("not enough memory")
    peer:close()
    server:signal("sigterm")
    local code = server:wait()
    assert.is_true(code == 0 or code == 3, "code " .. code)
    server.expected_code = code
    if code == 3 then server:allow_log("the time of %-%-drain is over") end
  end)

  it("ends with 500 connections open, each told by on_close", function()
    local server = moonport:start([[
      local closed = 0
      return {
        on_open = function(conn) conn:send("hello") end,
        on_close = function(_, reason)
          closed = closed + 1
          if closed == 500 then print("> 500 " .. reason) end
        end,
      }
    ]], draining_for("0.1"))
    server:allow_log("deadline")
    local peers = {}
    for index = 1, 500 do peers[index] = server:connect() end
    for _, peer in ipairs(peers) do assert.equal("hello", peer:receive(5)) end
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
    assert.same({ "500 shutdown" }, server:told())
  end)

  -- A use after free once: the task of the second script, cancelled at the end, asked how many
  -- connections the first one had, which was freed already.
  it("ends the tasks of several scripts, whichever goes first", function()
    local folder, paths = moonport:directory(), {}
    for index = 1, 3 do
      paths[index] = folder:write(index .. ".lua", [[
        local task, timer = require "moonport.task", require "moonport.timer"
        for _ = 1, 3 do
          task.spawn(function()
            local told <close> = setmetatable({}, { __close = function() print("> ended") end })
            timer.sleep(1000)
          end)
        end
        return { listen = "127.0.0.1:0", on_data = print }
      ]])
    end
    local server = moonport:serve(paths, { listeners = 3 })
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
    assert.equal(9, #server:told())
  end)

  it("runs finalizers that raise without harm", function()
    local server = moonport:start([[
      keep = setmetatable({}, { __gc = function() error("in a finalizer") end })
      return { on_data = print }
    ]])
    server:allow_log("finalizer")
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
  end)
end)

describe("SIGPIPE", function()
  local moonport = rig.new()

  it("does not end the server, neither sent nor earned", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        on_data = function(conn, data)
          conn:send(data)
          if data == "go on" then
            for _ = 1, 5 do
              timer.sleep(0.01)
              conn:send(("x"):rep(100000))
            end
          end
        end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    server:signal("sigpipe")
    local steady, leaving = server:connect(), server:connect()
    leaving:send("go on")
    leaving:receive(5)
    leaving:reset()
    server:wait_told("close reset")
    steady:send("alive")
    assert.equal("alive", steady:receive(5))
  end)
end)
