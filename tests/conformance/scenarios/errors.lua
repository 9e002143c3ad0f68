-- errors.lua — scenarios: what raises, who is told, and in which words misuse is told.

local tells = [[
  local function tell(...) print("> " .. table.concat({ ... }, " ")) end
]]

-- A script that calls what `body` calls with each piece of data, and tells what that raises.
local function misuse(body)
  return tells .. [[
    local timer = require "moonport.timer"
    local socket = require "moonport.socket"
    local task = require "moonport.task"
    local server = require "moonport.server"
    local frame = require "moonport.frame"
    return {
      on_open = function(conn)
        local function try(f, ...)
          local ok, message = pcall(f, ...)
          tell(tostring(ok), (tostring(message):gsub("^.*/script", "script"):match("^[^\n]*")))
        end
        ]] .. body .. [[
        tell("end")
      end,
    }
  ]]
end

return {
  {
    name = "a handler raises and nobody is told",
    script = tells .. [[
      local function deeper(data) error("cannot " .. data) end
      return {
        on_data = function(conn, data)
          conn:send("before")
          deeper(data)
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "fly" } },
  },
  {
    name = "on_error keeps the connection",
    script = tells .. [[
      return {
        on_data = function(conn, data)
          local number = tonumber(data) or error("not a number")
          conn:send(number * 2)
        end,
        on_error = function(conn, message, trace)
          tell(type(message), message:match("[^/]*$"), trace:match("^[^\n]*"))
          tell(tostring(trace:find("script.lua:4", 1, true) ~= nil))
          conn:send("sorry")
          return true
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" }, { "send", "a", "21" } },
  },
  {
    name = "on_error says a last word",
    script = tells .. [[
      return {
        on_open = function() error({ code = 1 }) end,
        on_error = function(conn, message)
          tell(message:match("^table: ") or message)
          conn:send("last")
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" } },
  },
  {
    name = "on_error raises, and on_close",
    script = tells .. [[
      return {
        on_data = function() error("first", 0) end,
        on_error = function() error("second", 0) end,
        on_close = function(conn, reason) tell("close", reason) error("third", 0) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" } },
  },
  {
    name = "main raises in spite of on_error",
    script = tells .. [[
      return {
        main = function(conn)
          conn:recv_line()
          error("enough", 0)
        end,
        on_error = function(conn, message) tell("error", message) return true end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" }, { "send", "a", "\n" } },
  },
  {
    name = "something that is no text is raised",
    script = tells .. [[
      local odd = setmetatable({}, { __tostring = function() return "an odd error" end })
      local worse = setmetatable({}, { __tostring = function() error("no") end })
      return {
        on_data = function(conn, data)
          if data == "odd" then error(odd) elseif data == "worse" then error(worse) else error() end
        end,
        on_error = function(conn, message) tell(message) return true end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "odd" }, { "send", "a", "worse" },
      { "send", "a", "nil" } },
  },
  {
    name = "a handler raises after a wait",
    script = tells .. [[
      local timer = require "moonport.timer"
      return {
        on_data = function(conn, data)
          timer.sleep(0.01)
          local absent
          return absent.field
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" }, { "wait", 0.01 } },
  },
  {
    name = "a timer's function raises, and a task",
    script = tells .. [[
      local timer, task = require "moonport.timer", require "moonport.task"
      local count = 0
      return {
        on_data = function()
          task.spawn(function() error("of a task") end)
          timer.every(0.01, function()
            count = count + 1
            if count == 1 then error("of a timer") end
            if count == 2 then tell("again") end
          end)
        end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" }, { "wait", 0.025 } },
  },
  {
    name = "methods of a connection are misused",
    script = misuse [[
      try(function() conn:send(nil) end)
      try(function() conn:send(true) end)
      try(function() conn:send({ "a", {} }) end)
      try(function() conn.send({}, "x") end)
      try(function() conn.id = 1 end)
      try(function() conn.send = 1 end)
      try(function() conn:recv(0) end)
      try(function() conn:recv("many") end)
      try(function() conn:recv_exactly() end)
      try(function() conn:recv_exactly(-1) end)
      try(function() conn:recv_exactly(2 ^ 30) end)
      try(function() conn:recv_exactly(1.5) end)
      try(function() conn:recv_line(0) end)
      try(function() conn:recv_until("") end)
      try(function() conn:recv_until() end)
      try(function() conn:recv_until("x", -1) end)
      try(function() conn:recv_message() end)
      try(function() conn:recv_message("words") end)
      try(function() conn:send_message("x") end)
      try(function() conn:send_message({}, "line") end)
      try(function() conn:send_message("a\nb", "line") end)
      try(function() conn:settimeout(-1) end)
      try(function() conn:settimeout("soon") end)
      try(function() conn:forward(1) end)
      try(function() conn:setoption("speed", 1) end)
      try(function() conn:setoption("nodelay", 1) end)
      try(function() conn:setoption("ttl", {}) end)
      try(function() conn:getoption("speed") end)
      try(function() for _ in pairs(conn) do end end)
      tell(getmetatable(conn), tostring(conn:getoption("nodelay")),
        tostring(conn:setoption("keepalive", false)), tostring(conn:getoption("keepalive")))
    ]],
    steps = { { "open", "a" } },
  },
  {
    name = "modules are misused",
    script = misuse [[
      try(function() timer.after(-1, print) end)
      try(function() timer.after("x", print) end)
      try(function() timer.after(1) end)
      try(function() timer.every(1, {}) end)
      try(function() timer.sleep() end)
      try(function() task.spawn() end)
      try(function() task.spawn("x") end)
      try(function() server.broadcast() end)
      try(function() server.broadcast({ {} }) end)
      try(function() server.broadcast("x", 1) end)
      try(function() socket.connect() end)
      try(function() socket.connect("x:1", { color = 1 }) end)
      try(function() os.exit() end)
      try(function() coroutine.yield() end)
      try(function() require("no.such.module") end)
      tell(type(load(string.dump(function() end), "x", "b")))
      tell(tostring(debug.sethook), tostring(package.loadlib), type(debug.traceback))
      tell(select(2, pcall(string.rep)))
    ]],
    steps = { { "open", "a" } },
  },
  {
    name = "a loop has no end",
    script = tells .. [[
      return {
        limits = { cpu_ms = 100 },
        on_data = function() while true do end end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" } },
  },
  {
    name = "a script is refused for its fields",
    refused = true,
    script = [[
      return {
        on_dta = function() end,
        limits = { conections = 5, message = "lots" },
        frame = { length = "u64" },
        on_message = 5,
        listen = { "x" , y = 1 },
      }
    ]],
  },
  {
    name = "a script is refused for its syntax",
    refused = true,
    script = "return {\n  on_data = functoin() end,\n}\n",
  },
  {
    name = "a script raises while it is loaded",
    refused = true,
    script = "local x\nreturn { on_data = x.y }\n",
  },
  {
    name = "a script waits while it is loaded",
    refused = true,
    script = "require 'moonport.timer'.sleep(1)\nreturn { on_data = print }\n",
  },
  {
    name = "a script returns nothing",
    refused = true,
    script = "local service = {}\n",
  },
}
