-- clock_spec.lua — the wall clock is set, by days and to and fro: nothing but the log may notice.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("a wall clock that jumps", function()
  local moonport = rig.new()

  local function start(script, options)
    local folder = moonport:directory()
    local library = folder:join("jumping_clock.so")
    local built = shell.run({ "cc", "-shared", "-fPIC", "-o", library,
      "tests/support/jumping_clock.c" })
    assert.equal("", built.stderr)
    options = options or {}
    options.env = {
      LD_PRELOAD = library,
      ASAN_OPTIONS = "verify_asan_link_order=0", -- this library comes before the sanitizer's
    }
    return moonport:start(script, options)
  end

  it("moves no timer and no deadline", function()
    local server = start([[
      local timer = require "moonport.timer"
      local now, ticks = timer.now(), 0
      timer.every(0.05, function(self)
        ticks = ticks + 1
        if ticks > 20 then return end
        local passed = timer.now() - now
        if passed < 0 or passed > 19 then print("> the clock of timers went by " .. passed) end
        now = timer.now()
        print("> tick " .. ticks)
      end)
      return {
        timeouts = { idle = 15 },
        on_open = function(conn)
          local began = timer.now()
          timer.sleep(0.3)
          conn:send(timer.now() - began >= 0.29 and "slept\n" or "woken\n")
        end,
        on_data = function(conn, data) conn:send(data) end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect()
    assert.equal("slept", peer:receive_line())
    server:wait_told("tick 20")
    peer:send("alive")
    assert.equal("alive", peer:receive(5))
    for _, line in ipairs(server:told()) do assert.matches("^tick %d+$", line) end
    -- That it jumped at all: these are the times of the log.
    local days = {}
    for _, record in ipairs(server.log) do days[record.time:sub(1, 10)] = true end
    local first = next(days)
    assert.is_not_nil(next(days, first), "the clock stood still")
  end)

  it("neither puts off an idle time nor the deadline of the end", function()
    local server = start([[
      return {
        timeouts = { idle = 0.3 },
        on_timeout = function(conn, kind)
          print("> timeout " .. kind)
          return conn.id > 1
        end,
        on_close = function(conn, reason) print("> close " .. reason) end,
      }
    ]], { args = { "--listen", "127.0.0.1:0", "--drain", "0.5" } })
    server:allow_log("deadline")
    assert.equal("", server:connect():receive_all())
    assert.same({ "timeout idle", "close idle" }, server:wait_told("close idle"))
    server:connect()
    server:wait_told(3)
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
    assert.equal("close shutdown", server:told()[#server:told()])
  end)
end)
