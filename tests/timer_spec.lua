-- timer_spec.lua — moonport.timer: after, every, sleep and now, and what an error in one costs.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- A script that runs `body` as soon as it is loaded and serves an echo.
local function with_timers(body)
  return ([[
    local timer = require "moonport.timer"
    local function tell(text) print("> " .. text) end
    %s
    return { on_data = function(conn, data) conn:send(data) end }
  ]]):format(body)
end

describe("timer.after", function()
  local moonport = rig.new()

  it("calls once, in the order of the times", function()
    local server = moonport:start(with_timers([[
      timer.after(0.15, function() tell("third") end)
      timer.after(0.05, function() tell("first") end)
      timer.after(0.10, function() tell("second") end)
      timer.after(0.30, function() tell("end") end)
    ]]))
    assert.same({ "first", "second", "third", "end" }, server:wait_told("end"))
  end)

  it("calls in the order of the calls when the times are equal", function()
    local server = moonport:start(with_timers([[
      for index = 1, 5 do timer.after(0.05, function() tell(tostring(index)) end) end
      timer.after(0.2, function() tell("end") end)
    ]]))
    assert.same({ "1", "2", "3", "4", "5", "end" }, server:wait_told("end"))
  end)

  it("is never early", function()
    local server = moonport:start(with_timers([[
      for _, seconds in ipairs({ 0, 0.001, 0.0105, 0.1 }) do
        local start = timer.now()
        timer.after(seconds, function()
          tell(tostring(timer.now() - start >= seconds - 0.001))
        end)
      end
      timer.after(0.2, function() tell("end") end)
    ]]))
    assert.same({ "true", "true", "true", "true", "end" }, server:wait_told("end"))
  end)

  it("gives a handle whose cancel prevents the call, and may be repeated", function()
    local server = moonport:start(with_timers([[
      local handle = timer.after(0.05, function() tell("cancelled, but called") end)
      handle:cancel()
      handle:cancel()
      local late
      late = timer.after(0.05, function() late:cancel() tell("called") end)
      timer.after(0.2, function() late:cancel() tell("end") end)
    ]]))
    assert.same({ "called", "end" }, server:wait_told("end"))
  end)

  it("goes on although the script forgot its handle", function()
    local server = moonport:start(with_timers([[
      timer.after(0.05, function() tell("called") end)
      collectgarbage()
    ]]))
    server:wait_told("called")
  end)

  it("of 0 that sets itself again lets connections go on", function()
    local server = moonport:start(with_timers([[
      local function again() timer.after(0, again) end
      again()
    ]]))
    local peer = server:connect()
    for _ = 1, 20 do
      peer:send("x")
      assert.equal("x", peer:receive(1))
    end
  end)

  it("logs an error with its traceback, and the server goes on", function()
    local server = moonport:start(with_timers([[
      timer.after(0.01, function() error("in a timer") end)
    ]]))
    local record = server:expect_log("in a timer")
    assert.equal("error", record.level)
    assert.matches("test%.lua:3", record.traceback)
    local peer = server:connect()
    peer:send("alive")
    assert.equal("alive", peer:receive(5))
  end)

  it("lets its function wait", function()
    local server = moonport:start(with_timers([[
      timer.after(0.01, function()
        tell("before")
        timer.sleep(0.02)
        tell("after")
      end)
    ]]))
    assert.same({ "before", "after" }, server:wait_told("after"))
  end)
end)

describe("timer.every", function()
  local moonport = rig.new()

  -- The clock went on while it ran, so that it was due again before anything was read.
  it("leaves others their turn when it takes longer than its period", function()
    local server = moonport:start(with_timers([[
      timer.every(0.05, function() os.execute("sleep 0.6") end)
    ]]))
    server:wait_for("the loop is held up")
    local peer = server:connect()
    peer:send("x")
    assert.equal("x", peer:receive(1))
  end)

  it("calls again and again until it is cancelled", function()
    local server = moonport:start(with_timers([[
      local count, handle = 0, nil
      handle = timer.every(0.02, function()
        count = count + 1
        tell(tostring(count))
        if count == 3 then handle:cancel() end
      end)
      timer.after(0.3, function() tell("end") end)
    ]]))
    assert.same({ "1", "2", "3", "end" }, server:wait_told("end"))
  end)

  it("goes on after an error", function()
    local server = moonport:start(with_timers([[
      local count = 0
      timer.every(0.02, function()
        count = count + 1
        if count == 2 then error("the second time") end
        if count <= 3 then tell(tostring(count)) end
      end)
    ]]))
    server:expect_log("the second time")
    assert.same({ "1", "3" }, server:wait_told("3"))
  end)

  it("does not overlap with itself while its function waits", function()
    local server = moonport:start(with_timers([[
      local inside, count = false, 0
      timer.every(0.01, function()
        assert(not inside, "two at once")
        inside = true
        timer.sleep(0.05)
        inside = false
        count = count + 1
        if count == 3 then tell("end") end
      end)
    ]]))
    server:wait_told("end")
  end)

  -- The kernel would set the processor's timer, and take it back, for each: a fifth of an echo.
  it("gives no wait of the loop a time of its own", function()
    if not shell.has("strace") then return pending("needs strace") end
    local server, trace = moonport:start_traced("epoll_wait,epoll_pwait", [[
      require("moonport.timer").every(0.002, function() end)
      return { on_data = function(conn, data) conn:send(data) end }
    ]])
    local peer = server:connect()
    for _ = 1, 300 do
      peer:send("x")
      assert.equal("x", peer:receive(1))
    end
    server:stop()
    local waits, timed = 0, 0
    for time in trace():gmatch("epoll_p?wait%(%d+, .-, 1024, (%-?%d+)") do
      if time ~= "0" then waits = waits + 1 end
      if tonumber(time) > 0 then timed = timed + 1 end
    end
    assert.is_true(waits >= 100, waits .. " waits") -- two may find the answer there already
    assert.is_true(timed <= waits / 10, ("%d of %d waits"):format(timed, waits))
  end)
end)

describe("timer.sleep and timer.now", function()
  local moonport = rig.new()

  it("sleep for as long as was asked, on a clock that only goes forward", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        main = function(conn)
          local start = timer.now()
          timer.sleep(0.1)
          local slept = timer.now() - start
          conn:send(("%s %s"):format(math.type(start), slept >= 0.099 and slept < 2))
        end,
      }
    ]])
    assert.equal("float true", server:connect():receive_all())
  end)

  it("end with the connection: a handler that sleeps sees it closed afterwards", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        on_data = function(conn)
          conn:close()
          timer.sleep(0.05)
          local ok, code = conn:send("x")
          print(("> %s %s"):format(ok, code))
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("", peer:receive_all())
    server:wait_told("nil closed")
  end)
end)

describe("moonport.timer", function()
  local moonport = rig.new()

  for _, call in ipairs({ "after(-1, print)", "after(0/0, print)", "after('soon', print)",
    "after(1)", "after(1, 5)", "every(-1, print)", "sleep(-1)", "after(math.huge, print)" }) do
    it("raises on " .. call .. " at the line of the caller", function()
      local path = moonport:directory():write("misuse.lua",
        'local timer = require "moonport.timer"\ntimer.' .. call .. "\nreturn {}\n")
      local result = moonport:run({ "check", path })
      assert.equal(1, result.code)
      assert.matches("misuse%.lua:2", result.stderr)
      assert.matches("bad argument", result.stderr)
    end)
  end
end)
