-- task_spec.lua — moonport.task: spawn, join, cancel and status, in programs and in services.

local program = require "tests.support.program"
local rig = require "tests.support.rig"

describe("task.spawn", function()
  local moonport = rig.new()

  it("runs the function with its arguments beside the caller, in the order of the calls", function()
    assert.same({ "caller", "1\ta\tnil\t3", "2\tb\tnil\t3" }, program.lines(moonport, [[
      local function show(...) print(..., select("#", ...)) end
      local function run(number, word, ...) print(number, word, (...), select("#", ...) + 2) end
      local first = task.spawn(run, 1, "a", nil)
      local second = task.spawn(run, 2, "b", nil)
      print "caller"
      second:join()
    ]]))
  end)

  it("may be nested, and the tasks run side by side", function()
    assert.same({ "true\t30" }, program.lines(moonport, [[
      local seconds, ended = nil, 0
      seconds = elapsed(function()
        local outer = {}
        for i = 1, 3 do
          outer[i] = task.spawn(function()
            local inner = {}
            for j = 1, 10 do
              inner[j] = task.spawn(function() timer.sleep(0.1) ended = ended + 1 end)
            end
            for _, each in ipairs(inner) do each:join() end
          end)
        end
        for _, each in ipairs(outer) do each:join() end
      end)
      print(seconds < 1.5 or seconds, ended)
    ]]))
  end)

  it("needs nobody to hold the task", function()
    assert.same({ "done" }, program.lines(moonport, [[
      task.spawn(function()
        timer.sleep(0.02)
        print "done"
      end)
      collectgarbage()
      collectgarbage()
    ]]))
  end)

  it("of thousands leaves nothing behind", function()
    assert.same({ "true" }, program.lines(moonport, [[
      local function round(count)
        local tasks = {}
        for i = 1, count do tasks[i] = task.spawn(function() timer.sleep(0.001) end) end
        for i = 1, count do tasks[i]:join() end
      end
      round(2000)
      collectgarbage()
      local before = collectgarbage("count")
      for _ = 1, 5 do round(2000) end
      collectgarbage()
      print(collectgarbage("count") - before < 200)
    ]]))
  end)

  it("of what is no function raises", function()
    assert.same({ "false", "false" }, program.lines(moonport, [[
      print((pcall(task.spawn)))
      print((pcall(task.spawn, "print")))
    ]]))
  end)
end)

describe("task:join", function()
  local moonport = rig.new()

  it("gives true and all that the function returned, nils too", function()
    assert.same({ "4\ttrue\tone\tnil\tnil", "4\ttrue\tone\tnil\tnil", "1\ttrue" },
      program.lines(moonport, [[
        local function show(...) print(select("#", ...), ...) end
        local one = task.spawn(function() timer.sleep(0.01) return "one", nil, nil end)
        show(one:join())
        show(one:join())
        show(task.spawn(function() end):join())
      ]]))
  end)

  it("gives nil, 'error' and the message of one that raised", function()
    local result = moonport:run({ "run", "-e", [[
      local task = require "moonport.task"
      local failing = task.spawn(function() error("no luck") end)
      print(failing:join())
      print(failing:join())
    ]] })
    assert.equal(("nil\terror\t(command line):2: no luck\n"):rep(2), result.stdout)
    assert.equal(0, result.code)
    assert.equal(1, #result.log)
  end)

  it("gives nil, 'cancelled'", function()
    assert.same({ "nil\tcancelled", "nil\tcancelled" }, program.lines(moonport, [[
      local waiting = task.spawn(timer.sleep, 3600)
      turn()
      waiting:cancel()
      print(waiting:join())
      local unstarted = task.spawn(print, "never")
      unstarted:cancel()
      print(unstarted:join())
    ]]))
  end)

  it("gives nil, 'timeout' when its time is up, and the task goes on", function()
    assert.same({ "nil\ttimeout", "true\tresult" }, program.lines(moonport, [[
      local slow = task.spawn(function() timer.sleep(0.1) return "result" end)
      print(slow:join(0.01))
      print(slow:join())
    ]]))
  end)

  it("of the task itself raises, as it would wait for ever", function()
    local result = moonport:run({ "run", "-e", [[
      local task = require "moonport.task"
      local self
      self = task.spawn(function() print(pcall(self.join, self)) end)
    ]] })
    assert.matches("^false\t.*itself", result.stdout)
  end)

  it("by two at once is refused to the second, with a clear message", function()
    assert.same({ "false\ttrue", "true" }, program.lines(moonport, [[
      local slow = task.spawn(timer.sleep, 3600)
      local first = task.spawn(function() return slow:join() end)
      turn()
      local ok, message = pcall(slow.join, slow)
      print(ok, message:find("another coroutine already waits in join", 1, true) ~= nil)
      slow:cancel()
      print((first:join()))
    ]]))
  end)
end)

describe("task:cancel", function()
  local moonport = rig.new()

  it("closes the to-be-closed variables of the task, the last first", function()
    assert.same({ "close b", "close a", "cancelled", "nil\tcancelled" }, program.lines(moonport, [[
      local function guard(name)
        return setmetatable({}, { __close = function() print("close " .. name) end })
      end
      local waiting = task.spawn(function()
        local a <close> = guard("a")
        local b <close> = guard("b")
        timer.sleep(3600)
        print "not reached"
      end)
      turn()
      waiting:cancel()
      turn()
      print(waiting:status())
      print(waiting:join())
    ]]))
  end)

  it("closes the connection that the task holds so", function()
    assert.same({ "nil\teof" }, program.lines(moonport, [[
      local near, far = pair()
      local waiting = task.spawn(function()
        local mine <close> = near
        mine:recv()
      end)
      turn()
      waiting:cancel()
      print(far:recv())
    ]]))
  end)

  -- What each of them waits for must not come back to a task that is gone.
  it("ends a task wherever it waits", function()
    assert.same({ "sleep", "recv", "drain", "accept", "connect", "resolve", "join", "coroutine" },
      program.lines(moonport, [[
        local near, far = pair()
        local full, unread = pair()
        full:send(("x"):rep(40 * 1024 * 1024))
        local server, address = listening("127.0.0.1", 0)
        local first = assert(socket.connect(address))
        local acceptor = listening()
        local sleeper = task.spawn(timer.sleep, 0.3)
        local waits = {
          { "sleep", function() timer.sleep(3600) end },
          { "recv", function() near:recv() end },
          { "drain", function() full:drain() end },
          { "accept", function() acceptor:accept() end },
          { "connect", function() socket.connect(address) end },
          { "resolve", function() socket.resolve("localhost") timer.sleep(3600) end },
          { "join", function() sleeper:join() end },
          { "coroutine", function() coroutine.wrap(function() timer.sleep(3600) end)() end },
        }
        local tasks = {}
        for i, wait in ipairs(waits) do tasks[i] = task.spawn(wait[2]) end
        turn()
        for _, each in ipairs(tasks) do each:cancel() end
        for i, each in ipairs(tasks) do
          local ok, why = each:join()
          if not ok and why == "cancelled" then print(waits[i][1]) end
        end
        far:send("for nobody")
        task.spawn(socket.connect, acceptor:getsockname())
        timer.sleep(0.05)
        full:reset()
        unread:reset()
      ]]))
  end)

  it("says whether there was something to cancel, and may be called again", function()
    assert.same({ "true\ttrue", "false", "false" }, program.lines(moonport, [[
      local waiting = task.spawn(timer.sleep, 3600)
      turn()
      print(waiting:cancel(), waiting:cancel())
      waiting:join()
      print(waiting:cancel())
      local done = task.spawn(function() end)
      done:join()
      print(done:cancel())
    ]]))
  end)

  -- Found by reading: the task's object, collected once it had ended, was still in the list of
  -- those to be cancelled.
  it("of the task itself, as its last act, does no harm", function()
    assert.same({ "end" }, program.lines(moonport, [[
      local self
      self = task.spawn(function() self:cancel() self = nil end)
      local collector = task.spawn(function()
        collectgarbage()
        collectgarbage()
      end)
      collector:join()
      turn()
      print "end"
    ]]))
  end)

  -- On a machine so slow that a wait was over in the turn in which its task was to end, the task
  -- went on: timers come first in a turn.
  it("ends it although its wait is over by then", function()
    assert.same({ "before", "nil\tcancelled", "nil\tcancelled" }, program.lines(moonport, [[
      local function hold_up()
        local start = timer.now()
        while timer.now() < start + 0.005 do end
      end
      local self
      self = task.spawn(function()
        self:cancel()
        print "before"
        timer.sleep(0.001) -- its next wait
        print "after"
      end)
      task.spawn(hold_up)
      print(self:join())
      local waiting = task.spawn(timer.sleep, 0.001)
      turn()
      waiting:cancel()
      hold_up()
      print(waiting:join())
    ]]))
  end)

  it("goes on when a to-be-closed variable raises", function()
    local result = moonport:run({ "run", "-e", [[
      local task, timer = require "moonport.task", require "moonport.timer"
      local waiting = task.spawn(function()
        local bad <close> = setmetatable({}, { __close = function() error("bad close") end })
        timer.sleep(3600)
      end)
      task.spawn(function() end):join()
      waiting:cancel()
      print((select(2, waiting:join())))
    ]] })
    assert.equal("cancelled\n", result.stdout)
    assert.equal(0, result.code)
  end)
end)

describe("task:status", function()
  local moonport = rig.new()

  it("tells how far a task is", function()
    local result = moonport:run({ "run", "-e", [[
      local task, timer = require "moonport.task", require "moonport.timer"
      local self
      self = task.spawn(function() print("inside " .. self:status()) timer.sleep(0.02) end)
      print(self:status())
      task.spawn(function() end):join() -- the one before it has begun
      print(self:status())
      self:join()
      print(self:status())
      local failing = task.spawn(error, "x")
      failing:join()
      print(failing:status())
      local gone = task.spawn(print)
      gone:cancel()
      gone:join()
      print(gone:status())
    ]] })
    assert.equal("ready\ninside running\nrunning\ndone\nfailed\ncancelled\n", result.stdout)
  end)
end)

describe("a task that raises", function()
  local moonport = rig.new()

  it("is logged with file, line and traceback, whether it is joined or not", function()
    local path = moonport:directory():write("program.lua", [[
      local task, timer = require "moonport.task", require "moonport.timer"
      local function inner() error("no luck") end
      task.spawn(function()
        timer.sleep(0.01)
        inner()
      end)
    ]])
    local result = moonport:run({ "run", path })
    assert.equal(0, result.code)
    assert.equal(1, #result.log)
    local record = result.log[1]
    assert.equal("error", record.level)
    assert.matches("program%.lua:2: no luck$", record.message)
    assert.matches("program%.lua:5: in function", record.traceback)
  end)

  it("has its variables closed, and the others go on", function()
    local result = moonport:run({ "run", "-e", [[
      local task, timer = require "moonport.task", require "moonport.timer"
      local other = task.spawn(function() timer.sleep(0.02) return "other" end)
      task.spawn(function()
        local guard <close> = setmetatable({}, { __close = function() print "closed" end })
        error("provoked")
      end)
      print(other:join())
    ]] })
    assert.equal("closed\ntrue\tother\n", result.stdout)
  end)
end)

describe("tasks of a service", function()
  local moonport = rig.new()

  it("spawned by a handler go on when the handler has ended", function()
    local server = moonport:start([[
      local task, timer = require "moonport.task", require "moonport.timer"
      return { on_data = function(conn, data)
        conn:send("1")
        task.spawn(function()
          timer.sleep(0.05)
          conn:send("3" .. data)
        end)
        conn:send("2")
      end }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("123x", peer:receive(4))
  end)

  it("see nil, 'closed' of a connection that went meanwhile", function()
    local server = moonport:start([[
      local task, timer = require "moonport.task", require "moonport.timer"
      return {
        on_data = function(conn)
          conn.closed = task.spawn(function() while conn.state ~= "closed" do timer.sleep(0.01) end
            print("> " .. tostring(conn:send("x")) .. " " .. select(2, conn:send("x")))
          end)
          conn:send("!")
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    peer:receive(1)
    peer:close()
    assert.same({ "nil closed" }, server:wait_told(1))
  end)

  it("may be joined by a handler, whose connection is held back meanwhile", function()
    local server = moonport:start([[
      local task, timer = require "moonport.task", require "moonport.timer"
      local function slow_upper(text) timer.sleep(0.02) return text:upper() end
      return { frame = "line", on_message = function(conn, line)
        local parts = {}
        for word in line:gmatch("%a+") do parts[#parts + 1] = task.spawn(slow_upper, word) end
        for index, part in ipairs(parts) do parts[index] = select(2, part:join()) end
        conn:send(table.concat(parts, " ") .. "\n")
      end }
    ]])
    local peer = server:connect()
    peer:send("one two\nthree\n")
    assert.equal("ONE TWO", peer:receive_line())
    assert.equal("THREE", peer:receive_line())
  end)

  it("may be spawned while the script is loaded, and run once it serves", function()
    local server = moonport:start([[
      require("moonport.task").spawn(function() print("> " .. package.path:sub(1, 1)) end)
      return { on_data = function(conn, data) conn:send(data) end }
    ]])
    assert.equal(1, #server:wait_told(1))
  end)

  it("that raise are logged, and cost no connection", function()
    local server = moonport:start([[
      local task = require "moonport.task"
      return { on_data = function(conn, data)
        task.spawn(function() error("in the task") end):join()
        conn:send(data)
      end }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("x", peer:receive(1))
    assert.matches("test%.lua:3: in the task", server:expect_log("in the task").message)
  end)

  it("have the processor budget of a handler", function()
    local server = moonport:start([[
      local task = require "moonport.task"
      return { limits = { cpu_ms = 100 }, on_data = function(conn)
        local _, why, message = task.spawn(function() while true do end end):join()
        conn:send(why .. " " .. message)
        conn:close()
      end }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.matches("^error .*limits%.cpu_ms", peer:receive_all())
    server:expect_log("limits%.cpu_ms")
  end)

  it("end with the server, wherever they wait, and their variables are closed", function()
    local server = moonport:start([[
      local socket, task, timer = require "moonport.socket", require "moonport.task",
        require "moonport.timer"
      local function guarded(name, wait)
        return function()
          local guard <close> = setmetatable({}, { __close = function() print("> " .. name) end })
          wait()
        end
      end
      task.spawn(guarded("sleep", function() timer.sleep(3600) end))
      local listener = socket.tcp()
      listener:bind("127.0.0.1", 0)
      listener:listen()
      task.spawn(guarded("accept", function() listener:accept() end))
      local last = task.spawn(guarded("recv", function()
        local conn <close> = socket.connect(listener:getsockname())
        conn:recv()
      end))
      task.spawn(guarded("join", function() last:join() end))
      return { on_data = function(conn, data) conn:send(data) end }
    ]])
    local peer = server:connect()
    peer:send("x")
    peer:receive(1)
    peer:close()
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
    local told = server:told()
    table.sort(told)
    assert.same({ "accept", "join", "recv", "sleep" }, told)
  end)
end)
