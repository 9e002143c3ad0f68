-- held_up_spec.lua — a script that holds the loop up: it is told while it lasts and afterwards.
--
-- Row 55 of the project's catalogue of faults.

local control = require "tests.support.control"
local events = require "tests.support.events"
local obeying = require "tests.support.obeying"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local start, assert_serves = obeying.start, obeying.assert_serves

local sleep = "os.execute('exec sleep %s')"

describe("a loop that is held up", function()
  local moonport = rig.new()

  -- What blocks uses no processor time, so no budget ends it; everybody else waits meanwhile.
  local blocking = {
    ["os.execute"] = { "os.execute('exec sleep 0.8')", "os%.execute" },
    ["file:close"] = { "io.popen('exec sleep 0.8'):close()", "file:close" },
    ["file:read"] = { "local f = io.popen('exec sleep 0.8') f:read('a') f:close()", "file:read" },
  }
  for name, case in pairs(blocking) do
    it("is told while it lasts and afterwards, with its place: " .. name, function()
      local server = start(moonport)
      local peer = server:connect()
      peer:send(case[1])
      local place = " in on_data %(told:1%), in " .. case[2] .. "$"
      local during = server:wait_for("^the loop is held up for %d+%.%d s" .. place)
      local after = server:wait_for("^the loop was held up for %d+%.%d s" .. place)
      assert.equal("done", peer:receive(4))
      for _, record in ipairs({ during, after }) do
        assert.same({ "warn", "test.lua", 1 }, { record.level, record.script, record.conn })
      end
      assert.is_true(tonumber(after.message:match("for ([%d.]+) s")) >= 0.7)
      assert_serves(server)
    end)
  end

  it("by a C function without a name, or without Lua around it, is told all the same", function()
    local server = moonport:start([[
      local task = require "moonport.task"
      return { listen = "127.0.0.1:0", on_data = function(conn, data)
        if data == "task" then task.spawn(os.execute, "exec sleep 0.8") end
        if data == "closure" then pcall(io.popen("sleep 0.8; echo x"):lines("a")) end
      end }
    ]])
    server:allow_log("^the loop is held up")
    server:allow_log("^the loop was held up")
    local peer = server:connect()
    peer:send("task")
    server:wait_for("^the loop was held up for %d+%.%d s in task, in os%.execute$")
    peer:send("closure")
    server:wait_for("^the loop was held up for %d+%.%d s in on_data %(.*test%.lua:4%), in ")
  end)

  it("by Lua code is told with the line", function()
    local server = start(moonport, 5000)
    server:connect():send("local t = os.clock() + 0.9\nwhile os.clock() < t do\nend")
    server:wait_for("^the loop is held up for .* in on_data %(told:[23]%)")
    server:wait_for("^the loop was held up for .* in on_data %(told:[23]%)")
    assert_serves(server)
  end)

  it("is told of timers, tasks, finalizers and the load of a script", function()
    local server = moonport:start([[
      local timer, task = require "moonport.timer", require "moonport.task"
      os.execute("exec sleep 0.7")
      timer.after(0, function()
        os.execute("exec sleep 0.7")
        task.spawn(function()
          coroutine.wrap(function() os.execute("exec sleep 0.7") end)()
          setmetatable({}, { __gc = function() os.execute("exec sleep 0.7") end })
          timer.after(0, function() collectgarbage() end)
        end)
      end)
      return { on_data = print }
    ]])
    local places = { "load %(.*:2%)", "timer %(.*:4%)", "task %(.*:6%)", "timer %(.*:7%)" }
    for _, where in ipairs(places) do
      server:wait_for("was held up for .* in " .. where .. ", in os%.execute$")
    end
  end)

  -- These were "a finalizer": no task runs any more while they do.
  it("is told of what is left of a handler or a task that has ended", function()
    local server = moonport:start([[
      local timer, task = require "moonport.timer", require "moonport.task"
      local function sleep() os.execute("exec sleep 0.7") return "provoked" end
      local slow = task.spawn(function()
        local _ <close> = setmetatable({}, { __close = sleep })
        timer.sleep(1000)
      end)
      return { on_data = function(_, data)
        if data == "cancel" then return slow:cancel() end
        error(setmetatable({}, { __tostring = sleep }))
      end }
    ]])
    server:allow_log("provoked")
    local peer = server:connect()
    peer:send("cancel")
    server:wait_for("was held up for .* in the __close of task %(.*:2%), in os%.execute$")
    peer:send("x")
    local record = server:wait_for("was held up for .* in the __tostring of an error of on_data " ..
      "%(.*:2%), in os%.execute$")
    assert.equal(1, record.conn)
    server:wait_for("^provoked$")
  end)

  -- Only Lua's libraries were known by their names. An author's line does not call them here.
  it("is told of functions and methods of moonport by their names", function()
    if not shell.has("strace") then pending("needs strace") return end
    -- The watchdog counts from its first look, which comes when the first call has returned.
    local server = moonport:start([[
      local socket = require "moonport.socket.core"
      local calls = {
        function() select(2, pcall(socket.bind, "127.0.0.1:0")):close() end,
        function(conn) pcall(conn.getoption, conn, "keepalive") end,
      }
      return {
        on_data = function(conn, data)
          for _ = 1, 2 do calls[tonumber(data)](conn) end
        end,
      }
    ]], { env = { ASAN_OPTIONS = "detect_leaks=0" }, prefix = { "strace", "-D", "-o", "/dev/null",
      "-e", "trace=bind,getsockopt", "-e", "inject=bind:delay_enter=900000:when=2+",
      "-e", "inject=getsockopt:delay_enter=900000" } })
    local peer = server:connect()
    peer:send("1")
    server:wait_for("was held up for .* in on_data %(.*/test%.lua:3%), in socket%.bind$")
    peer:send("2")
    server:wait_for("was held up for .* in on_data %(.*/test%.lua:4%), in conn:getoption$")
  end)

  it("is counted in status, and is an event", function()
    local server = start(moonport, 1000, { control = true })
    local watch = events.watch(server)
    assert.equal(0, select(2, control.ask_once(server, "status")).stalls)
    local peer = server:connect()
    peer:send(sleep:format("0.8"))
    assert.equal("done", peer:receive(4))
    local event = watch:wait({ event = "stall" })
    assert.same({ "on_data", "os.execute", "told", 1, "test.lua" },
      { event.handler, event.call, event.file, event.line, event.script })
    assert.is_true(event.took_ms >= 700)
    local _, status = control.ask_once(server, "status")
    assert.equal(1, status.stalls)
    assert.is_true(status.stall_max_s >= 0.7)
  end)

  it("by nothing is not told", function()
    local server = start(moonport)
    for _ = 1, 50 do assert_serves(server) end
    local _, count = server:log_text():gsub("the loop was held up", "")
    assert.is_true(count < 5, server:log_text()) -- a busy machine may hold one up
  end)
end)
