-- waiting.lua — scenarios: handlers that receive by themselves, sleep, and hold up only themselves.

local tells = [[
  local function tell(...)
    local texts = table.pack(...)
    for i = 1, texts.n do texts[i] = tostring(texts[i]) end
    print("> " .. table.concat(texts, " "))
  end
]]

-- As tells, with sleep(), which ends once a peer has sent "wake": what is compared between two
-- steps must not depend on how quickly a busy machine gets from one to the other.
local sleeps = tells .. [[
  local awake, timer = false, require "moonport.timer"
  local function sleep()
    while not awake do timer.sleep(0.01) end
  end
]]

return {
  {
    name = "main reads lines",
    script = tells .. [[
      return {
        main = function(conn)
          for line in function() return conn:recv_line() end do
            tell("line", line)
            conn:send(line:reverse() .. "\n")
          end
          tell("end", conn:recv_line())
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "one\r\ntwo\nthr" }, { "send", "a", "ee\n" },
      { "send", "a", "cut" }, { "fin", "a" } },
  },
  {
    name = "main reads exact sizes, separators and what there is",
    script = tells .. [[
      return {
        main = function(conn)
          tell(conn:recv_exactly(4))
          tell(conn:recv_until("--"))
          tell(conn:recv_exactly(0))
          tell(conn:recv(2))
          tell(conn:recv())
          tell(conn:recv_exactly(10))
          tell(conn:recv())
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "12" }, { "send", "a", "34and more-" },
      { "send", "a", "-abc" }, { "send", "a", "rest" }, { "fin", "a" } },
  },
  {
    name = "main unpacks, looks ahead and skips",
    script = tells .. [[
      return {
        limits = { message = 20 },
        main = function(conn)
          tell(conn:unpack(">I2 s1 z"))
          tell(conn:peek(3))
          tell(conn:skip(5))
          tell(conn:recv(2))
          tell(conn:unpack("s1"))
          tell(conn:peek(1), conn:skip(22))
          tell(conn:peek(5))
          tell(conn:skip(5))
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "\1" }, { "send", "a", "\2\3ab" },
      { "send", "a", "cdef\0pe" }, { "send", "a", "ek+tail" }, { "send", "a", "\30" },
      { "send", "a", ("x"):rep(21) }, { "send", "a", "last" }, { "fin", "a" } },
  },
  {
    name = "handlers hand each other values, in turn, beside a connection's own timers",
    script = tells .. [[
      local task = require "moonport.task"
      local queue, gate = task.queue(1), task.gate()
      return {
        frame = "line",
        on_open = function(conn)
          conn:after(100, function() tell("never") end)
        end,
        on_message = function(conn, line)
          if line ~= "get" then return tell("put", queue:put(line)) end
          -- Late enough that what this step shows is seen before.
          conn:after(1, function(each) each:send("timer ") gate:open() end)
          tell("passed", gate:wait())
          conn:send(queue:get() .. " " .. queue:get() .. " " .. queue:get())
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "get\n" }, { "wait", 1.3 }, { "open", "b" },
      { "send", "b", "one\n" }, { "send", "b", "two\nthree\n" }, { "fin", "b" }, { "fin", "a" } },
  },
  {
    name = "more comes than is asked for",
    script = tells .. [[
      return {
        main = function(conn)
          tell(conn:recv_line(3))
          tell(conn:recv_line(4))
          tell(conn:recv_line(4))
          tell(conn:recv(3))
          tell(conn:recv_until("||", 2))
          tell(conn:recv_until("||", 9))
          conn:send("done")
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "1234\r" }, { "send", "a", "\n12345\n" },
      { "send", "a", "ab||" } },
  },
  {
    name = "the peer breaks off while main reads",
    script = tells .. [[
      return {
        main = function(conn)
          tell(conn:recv_exactly(2)) -- an RST that comes before bytes are read may look like a FIN
          tell(conn:recv_line())
          tell(conn:recv_line())
          tell(conn.state, select(2, conn:send("x")))
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "half" }, { "rst", "a" } },
  },
  {
    name = "on_data asks for the rest, and leaves some",
    script = tells .. [[
      return {
        on_data = function(conn, data)
          tell("data", data)
          if data == "go" then
            tell("rest", conn:recv_exactly(3))
            conn:send("thanks")
          end
        end,
        on_eof = function(conn) tell("eof") conn:close() end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "go" }, { "send", "a", "ab" },
      { "send", "a", "cdef" }, { "send", "a", "go" }, { "fin", "a" } },
  },
  {
    name = "a handler sleeps while bytes and FIN come",
    script = sleeps .. [[
      return {
        on_open = function(conn)
          if conn.id > 1 then return end
          conn:send("early ")
          sleep()
          conn:send("late ")
        end,
        on_data = function(conn, data)
          awake = data == "wake"
          tell("data", data)
          conn:send(data)
        end,
        on_eof = function(conn) tell("eof") conn:close() end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" }, { "fin", "a" }, { "open", "b" },
      { "send", "b", "wake" }, { "wait", 0.02 } },
  },
  {
    name = "one handler sleeps and others go on",
    script = sleeps .. [[
      return {
        on_data = function(conn, data)
          awake = data == "wake"
          if data == "sleep" then sleep() end
          conn:send(data)
          tell(conn.id, data)
        end,
      }
    ]],
    steps = { { "open", "a" }, { "open", "b" }, { "send", "a", "sleep" }, { "send", "b", "quick" },
      { "send", "b", "wake" }, { "wait", 0.02 } },
  },
  {
    name = "a connection closes while its handler sleeps",
    script = sleeps .. [[
      local other
      return {
        on_open = function(conn) other = other or conn end,
        on_data = function(conn, data)
          awake = data == "wake"
          if awake then return end
          if data == "kill" then return other:close() end
          sleep()
          tell("awake", conn.state, conn:send("x"))
        end,
        on_close = function(conn, reason) tell("close", conn.id, reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "open", "b" }, { "send", "a", "x" }, { "send", "b", "kill" },
      { "send", "b", "wake" }, { "wait", 0.02 } },
  },
  {
    name = "a limit of settimeout passes",
    script = tells .. [[
      return {
        main = function(conn)
          tell(conn:recv_exactly(2))
          tell(conn:settimeout(0.05))
          tell(conn:recv_line())
          tell(conn:recv_line())
          conn:settimeout(nil)
          tell(conn:recv_line())
        end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "part" }, { "wait", 0.2 },
      { "send", "a", "ial\n" } },
  },
  {
    name = "the idle timeout passes",
    script = tells .. [[
      return {
        timeouts = { idle = 2 },
        on_data = function(conn, data) conn:send(data) end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" }, { "wait", 3 } },
  },
  {
    name = "on_timeout keeps a connection once",
    script = tells .. [[
      return {
        timeouts = { idle = 0.1 },
        on_timeout = function(conn, kind)
          conn.times = (conn.times or 0) + 1
          tell("timeout", kind, conn.times)
          return conn.times < 3
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "wait", 0.6 } },
  },
  {
    name = "the idle timeout passes while main receives, and while it sleeps",
    script = tells .. [[
      local timer = require "moonport.timer"
      return {
        timeouts = { idle = 2 },
        main = function(conn)
          tell(conn:recv_line())
          timer.sleep(2.5)
          tell("slept", conn.state)
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "ab" }, { "wait", 6 } },
  },
  {
    name = "no wait is possible",
    script = tells .. [[
      local timer = require "moonport.timer"
      return {
        on_data = function(conn, data)
          local function try(f, ...) tell((select(2, pcall(f, ...)))) end
          try(table.sort, { 2, 1 }, function() timer.sleep(1) end)
          try(string.gsub, "x", "x", function() conn:recv() end)
          tell(pcall(function() timer.sleep(0.01) return "slept" end))
          tell("iterator", (function() for word in function() return conn:recv_line() end do
            return word end end)())
        end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" }, { "wait", 0.02 }, { "send", "a", "line\n" } },
  },
  {
    name = "coroutines of the script's own receive",
    script = tells .. [[
      return {
        main = function(conn)
          local words = coroutine.wrap(function()
            for line in function() return conn:recv_line() end do
              for word in line:gmatch("%S+") do coroutine.yield(word) end
            end
          end)
          for word in words do conn:send(word .. "\n") end
          local co = coroutine.create(function(...)
            local got = coroutine.yield(select("#", ...), ...)
            error(got)
          end)
          tell(coroutine.resume(co, 1, nil))
          tell(coroutine.resume(co, "with a message"))
          tell(coroutine.resume(co))
          tell(coroutine.status(co), coroutine.close(co))
          local wrapped = coroutine.wrap(function() error("inside", 0) end)
          tell(pcall(wrapped))
          tell(pcall(wrapped))
        end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "one two\nthr" }, { "send", "a", "ee\n" },
      { "fin", "a" } },
  },
  {
    name = "two coroutines read from one connection",
    script = tells .. [[
      local task = require "moonport.task"
      local first
      return {
        on_data = function(conn, data)
          if first then return end
          first = conn
          task.spawn(function() tell("task", conn:recv()) end)
          task.spawn(function() tell(pcall(conn.recv, conn)) end)
        end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" }, { "send", "a", "y" } },
  },
  {
    name = "timers fire, repeat and are cancelled",
    script = tells .. [[
      local timer = require "moonport.timer"
      return {
        on_data = function(conn)
          local ticks, every = 0, nil
          timer.after(0.05, function() tell("after") end)
          local never = timer.after(0.01, function() tell("never") end)
          tell(never:cancel(), never:cancel())
          every = timer.every(0.02, function()
            ticks = ticks + 1
            if ticks == 4 then tell("ticks", ticks, every:cancel()) end
          end)
          do local closed <close> = timer.after(0.01, function() tell("closed") end) end
          local before = timer.now()
          timer.sleep(2)
          tell("slept", timer.now() - before >= 2, getmetatable(never))
        end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" }, { "wait", 2.2 } },
  },
  {
    name = "tasks are spawned, joined and cancelled",
    script = tells .. [[
      local task, timer = require "moonport.task", require "moonport.timer"
      return {
        on_data = function()
          local adds = task.spawn(function(a, b) timer.sleep(0.2) return a + b, nil end, 1, 2)
          local fails = task.spawn(function() error("oh no", 0) end)
          local sleeps = task.spawn(function()
            local guard <close> = setmetatable({}, { __close = function() tell("closed") end })
            timer.sleep(10)
          end)
          local unborn = task.spawn(function() tell("never") end)
          tell(adds:status(), unborn:cancel(), unborn:status())
          tell(adds:join(0.001))
          tell(adds:join())
          tell(adds:status(), adds:join())
          tell(fails:join())
          tell(fails:status(), sleeps:status(), sleeps:cancel())
          tell(sleeps:join())
          tell(sleeps:status(), sleeps:cancel(), unborn:join())
          local own
          own = task.spawn(function() tell(pcall(own.join, own)) end)
          tell(own:join())
        end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" }, { "wait", 0.5 } },
  },
  {
    name = "a connection is a to-be-closed variable",
    script = tells .. [[
      return {
        on_data = function(conn, data)
          local peer <close> = conn
          peer:send("bye")
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" } },
  },
}
