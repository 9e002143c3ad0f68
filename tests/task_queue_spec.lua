-- task_queue_spec.lua — task.gate and task.queue: who waits, who goes on, in which order, and what
-- becomes of those that are cancelled.

local program = require "tests.support.program"
local rig = require "tests.support.rig"

describe("a gate", function()
  local moonport = rig.new()
  local function lines(code) return program.lines(moonport, code) end

  it("lets pass who waits and who comes, in the order of the calls, until it is closed", function()
    assert.same({ "2", "1 true", "2 true", "came true", "timeout" }, lines [[
      local gate = task.gate()
      for number = 1, 2 do
        task.spawn(function() local ok = gate:wait() print(number .. " " .. tostring(ok)) end)
      end
      turn()
      print(gate:open())
      turn()
      print("came " .. tostring(gate:wait()))
      gate:close()
      print((select(2, gate:wait(0.01))))
    ]])
  end)

  it("opened and closed in a row, lets those pass who waited, and nobody else", function()
    assert.same({ "1", "waited\ttrue", "came\tnil\ttimeout" }, lines [[
      local gate = task.gate()
      local waits = task.spawn(function() print("waited", gate:wait()) end)
      turn()
      print(gate:open())
      gate:close()
      waits:join()
      print("came", gate:wait(0.01))
    ]])
  end)

  it("counts nobody who was cancelled, and lets the others pass", function()
    assert.same({ "1", "other\ttrue" }, lines [[
      local gate = task.gate()
      local first = task.spawn(function() gate:wait() print "first" end)
      local other = task.spawn(function() print("other", gate:wait(5)) end)
      turn()
      first:cancel()
      print(gate:open())
      other:join()
      collectgarbage()
    ]])
  end)

  it("may be forgotten together with who waits at it", function()
    assert.same({ "true" }, lines [[
      for round = 1, 200 do
        local gate = task.gate()
        local waits = task.spawn(function() gate:wait() end)
        turn()
        waits:cancel()
        waits:join()
        if round % 20 == 0 then collectgarbage() end
      end
      print(true)
    ]])
  end)

  it("wakes handlers, also of a connection that closes meanwhile", function()
    local server = moonport:start [[
      local task = require "moonport.task"
      local gate = task.gate()
      return {
        on_open = function(conn)
          if conn.id == 2 then return gate:open() end
          print("> waits")
          print("> passed " .. tostring(gate:wait()))
        end,
      }
    ]]
    local first = server:connect()
    server:wait_told("waits")
    first:close()
    server:connect():close()
    assert.same({ "waits", "passed true" }, server:wait_told("passed true"))
  end)
end)

describe("a queue", function()
  local moonport = rig.new()
  local function lines(code) return program.lines(moonport, code) end

  it("gives what was put, in its order, and waits for what is to come", function()
    assert.same({ "a\tfalse\t2", "b", "c" }, lines [[
      local queue = task.queue()
      for _, value in ipairs { "a", false, "b", "x" } do assert(queue:put(value)) end
      print(queue:get(), queue:get(), #queue)
      print(queue:get())
      queue:get()
      task.spawn(function() queue:put("c") end)
      print(queue:get())
    ]])
  end)

  it("makes who puts wait while it is full, and lets them go on in their order", function()
    assert.same({ "true", "true", "nil\tfull", "1 done", "2 done", "a b 1 2" }, lines [[
      local queue = task.queue(2)
      print(queue:put("a"))
      print(queue:try_put("b"))
      print(queue:try_put("c"))
      for number = 1, 2 do
        task.spawn(function() queue:put(number) print(number .. " done") end)
      end
      turn()
      local got = {}
      for index = 1, 4 do got[index] = queue:get() turn() end
      print(table.concat(got, " "))
    ]])
  end)

  it("gives in turn to those who wait, and to nobody who comes later", function()
    assert.same({ "late c", "1 a", "2 b" }, lines [[
      local queue = task.queue()
      for number = 1, 2 do
        task.spawn(function() print(number .. " " .. queue:get()) end)
      end
      turn()
      queue:put("a")
      queue:put("b")
      queue:put("c")
      print("late " .. queue:get())
    ]])
  end)

  it("closed, gives what is left, then nil; who waits is told, and nothing can be put", function()
    assert.same({ "got nil closed", "left", "nil\tclosed", "nil\tclosed", "nil\tclosed",
      "put nil closed", "1 2 nil" }, lines [[
      local empty, full = task.queue(), task.queue(1)
      full:put("left")
      task.spawn(function()
        local value, code = empty:get()
        print("got " .. tostring(value) .. " " .. code)
      end)
      local putter = task.spawn(function()
        local ok, code = full:put("more")
        return "put " .. tostring(ok) .. " " .. code
      end)
      turn()
      empty:close()
      full:close()
      turn()
      print(full:get())
      print(full:get())
      print(empty:get())
      print(empty:put(1))
      print((select(2, putter:join())))
      local numbers = task.queue()
      numbers:put(1)
      numbers:put(2)
      numbers:close()
      local all = {}
      for number in numbers:each() do all[#all + 1] = number end
      print(all[1] .. " " .. all[2] .. " " .. tostring((numbers:get())))
    ]])
  end)

  it("waits no longer than it is told, and then forgets who waited", function()
    assert.same({ "nil\ttimeout", "nil\ttimeout", "a", "nil\ttimeout", "b" }, lines [[
      local queue = task.queue(1)
      print(queue:get(0.01))
      queue:put("a")
      print(queue:put("lost", 0.01))
      print(queue:get())
      print(queue:get(0.01))
      queue:put("b")
      print(queue:get())
    ]])
  end)

  -- A value that was given to a coroutine which is cancelled before it runs would be gone.
  it("loses nothing with a waiter that is cancelled, and keeps the order", function()
    assert.same({ "a", "b", "second c", "d" }, lines [[
      local queue = task.queue()
      local first = task.spawn(function() print("first " .. queue:get()) end)
      turn()
      queue:put("a")
      queue:put("b")
      first:cancel()
      first:join()
      print(queue:get())
      print(queue:get())
      local cancelled = task.spawn(function() queue:get() end)
      local second = task.spawn(function() print("second " .. queue:get()) end)
      turn()
      queue:put("c")
      cancelled:cancel()
      second:join()
      local putter = task.spawn(function() queue:put("never") end)
      queue:put("d")
      putter:cancel()
      print(queue:get())
    ]])
  end)

  it("drops what a cancelled caller has not put yet", function()
    assert.same({ "a\tb\t0" }, lines [[
      local queue = task.queue(1)
      queue:put("a")
      local dropped = task.spawn(function() queue:put("dropped") end)
      task.spawn(function() queue:put("b") end)
      turn()
      dropped:cancel()
      dropped:join()
      print(queue:get(), queue:get(), #queue)
    ]])
  end)

  it("hands on a million values in linear time, and keeps none of them", function()
    assert.same({ "true\ttrue" }, lines [[
      local queue = task.queue(100)
      task.spawn(function()
        for number = 1, 200000 do queue:put(number) end
        queue:close()
      end)
      local sum = 0
      for number in queue:each() do sum = sum + number end
      collectgarbage()
      print(sum == 200000 * 200001 // 2, collectgarbage("count") < 4096)
    ]])
  end)

  it("raises in the author's line for what cannot be meant", function()
    local told = lines [[
      local function why(f) print((select(2, pcall(f)))) end
      why(function() task.queue(0) end)
      why(function() task.queue(1, 2) end)
      why(function() task.queue():put() end)
      why(function() task.queue():put(1, -1) end)
      why(function() task.queue():get("1 s") end)
      why(function() task.queue().get() end)
      why(function() task.gate():wait(-1) end)
      why(function() task:queue() end)
    ]]
    local expected = { "1 or more", "it takes one argument", "and nil is none", "0 to 1e9 seconds",
      "number expected, got string", "queue:get", "0 to 1e9 seconds", "task.queue" }
    assert.equal(#expected, #told)
    for index, words in ipairs(expected) do
      assert.matches("^%(command line%):%d+: ", told[index])
      assert.matches(words, told[index], 1, true)
    end
  end)
end)
