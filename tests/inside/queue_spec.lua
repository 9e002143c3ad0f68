-- queue_spec.lua — queues, gates and codecs in a script under test: the clock is the test's.

local test = require "moonport.test"

describe("A queue in a script under test", function()
  it("waits by the test's clock, and hands over when it is moved", function()
    local script = test.load_text [[
      local task, codec = require "moonport.task", require "moonport.codec"
      local queue = task.queue(1)
      return {
        frame = "line",
        on_message = function(conn, line)
          if line == "get" then
            local value, code = queue:get(10)
            return conn:send_message(value and codec.hex.encode(value) or code)
          end
          conn:send_message(tostring(queue:put(line, 5)))
        end,
      }
    ]]
    local getter, putter = script:connect(), script:connect()
    getter:send("get\n")
    script:advance(9.9)
    assert.equal("", getter:read())
    script:advance(0.2)
    assert.equal("timeout\n", getter:read())
    putter:send("a\nb\n")
    assert.equal("true\n", putter:read())
    script:advance(5)
    assert.equal("nil\n", putter:read())
    putter:send("c\n")
    getter:send("get\nget\n")
    assert.equal("61\n63\n", getter:read())
    assert.equal("true\n", putter:read())
  end)

  it("is let go of with its script, whoever waits at it", function()
    for _ = 1, 20 do
      local script = test.load_text [[
        local task = require "moonport.task"
        local queue, gate = task.queue(), task.gate()
        task.spawn(function() gate:wait() end)
        return { on_data = function() queue:get() end, on_open = function(conn)
          conn:every(1, function() gate:wait() end)
        end }
      ]]
      script:connect():send("x")
      script:advance(3)
    end
    collectgarbage()
    collectgarbage()
  end)
end)
