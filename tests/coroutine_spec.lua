-- coroutine_spec.lua — coroutines that a script makes itself: as Lua's own, and waits go through
-- them — what waits for what is in wait_spec.lua.

local program = require "tests.support.program"
local rig = require "tests.support.rig"

describe("a coroutine of a script's own", function()
  local moonport = rig.new()

  it("may wait, and comes back to coroutine.resume with its results", function()
    assert.same({ "true\t2", "true\tdone\t42", "false\tcannot resume dead coroutine" },
      program.lines(moonport, [[
        local co = coroutine.create(function(a)
          timer.sleep(0.01)
          local b = coroutine.yield(a + 1)
          timer.sleep(0.01)
          return "done", b * 2
        end)
        print(coroutine.resume(co, 1))
        print(coroutine.resume(co, 21))
        print(coroutine.resume(co))
      ]]))
  end)

  it("that waits is resumed and closed by nobody else", function()
    assert.same({ "false\tcannot resume a coroutine that waits in another handler",
      "false\tcannot close a coroutine that waits", "true\ttrue\tslept",
      "false\tcannot resume a coroutine that waits in another handler", "true\tslept too" },
      program.lines(moonport, [[
        local function show(ok, message) print(ok, (message:gsub("^.-: ", ""))) end
        local co = coroutine.create(function() timer.sleep(0.05) return "slept" end)
        local first = task.spawn(coroutine.resume, co)
        turn()
        show(coroutine.resume(co))
        show(pcall(coroutine.close, co))
        print(first:join())
        local wrapped = coroutine.wrap(function() timer.sleep(0.05) return "slept too" end)
        first = task.spawn(wrapped)
        turn()
        show(pcall(wrapped))
        print(first:join())
      ]]))
  end)

  -- A stack of Lua has a million slots.
  it("is given more than its stack has room for, and gives more than its caller has: a message",
    function()
      assert.same({ "true", "false\ttoo many arguments to resume", "true\t450000",
        "false\ttoo many results to resume\t450000" }, program.lines(moonport, [[
          local function many(count) return table.unpack({}, 1, count) end
          local co = coroutine.create(function(...)
            coroutine.yield()
            return select("#", ...)
          end)
          print(coroutine.resume(co, many(450000)))
          print(coroutine.resume(co, many(600000)))
          print(coroutine.resume(co))
          local function full(...)
            local ok, why = coroutine.resume(coroutine.create(many), 600000)
            return ok, why, select("#", ...)
          end
          print(full(many(450000)))
        ]]))
    end)

  it("cannot be closed while it runs, nor wait in what closing runs", function()
    local lines = program.lines(moonport, [[
      local outer
      outer = coroutine.create(function()
        local inner = coroutine.wrap(function() return pcall(coroutine.close, outer) end)
        print(inner())
      end)
      coroutine.resume(outer)
      local co = coroutine.create(function()
        local _ <close> = setmetatable({}, { __close = function() timer.sleep(0.01) end })
        coroutine.yield()
      end)
      coroutine.resume(co)
      print(coroutine.close(co))
      print(coroutine.status(co))
    ]])
    assert.equal("false\tcannot close a coroutine that runs", lines[1])
    assert.matches("^false\t.*cannot wait here: ", lines[2])
    assert.equal("dead", lines[3])
  end)

  it("is asked of as Lua asks, and nothing yields outside of one, not even the last finalizer",
    function()
      local lines = program.lines(moonport, [[
        print(pcall(coroutine.resume, "co"))
        print(pcall(coroutine.close, 7))
        print(pcall(coroutine.yield, 1))
        last = setmetatable({}, { __gc = function() print(pcall(coroutine.yield, 2)) end })
      ]])
      assert.matches("^false\tbad argument #1 to '[%a.]*resume' %(coroutine expected", lines[1])
      assert.matches("^false\tbad argument #1 to '[%a.]*close' %(coroutine expected", lines[2])
      local outside = "false\tattempt to yield from outside a coroutine"
      assert.same({ outside, outside }, { table.unpack(lines, 3) })
    end)
end)
