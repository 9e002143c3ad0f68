-- reload.lua — scenarios: a script is changed while peers are connected.

local tells = [[
  local server, task = require "moonport.server", require "moonport.task"
  local timer = require "moonport.timer"
  local function tell(...)
    local words = table.pack(...)
    for index = 1, words.n do words[index] = tostring(words[index]) end
    print("> " .. table.concat(words, " "))
  end
]]

-- A version that tells all of its life, and answers with its name.
local function version(name, rest)
  return tells .. ([[
    local name = %q
    return {
      on_load = function(previous)
        tell(name, "load", previous and previous.version, previous and previous.state)
      end,
      on_unload = function(following)
        tell(name, "unload", following and following.version)
        return "state of " .. name
      end,
      on_close = function(conn, reason) tell(name, "close", conn.id, reason) end,
      %s
    }
  ]]):format(name, rest or "on_data = function(conn, data) conn:send(name .. ': ' .. data) end,")
end

local ANSWERS = "on_data = function(conn, data) conn:send(name .. ': ' .. data) end,"

return {
  {
    name = "a script comes and goes, and nobody asks for anything",
    script = version("one"),
    steps = {},
  },
  {
    name = "the next version adopts connections, and their fields",
    script = version("one", [[
      on_open = function(conn) conn.since = name end,
    ]] .. ANSWERS),
    steps = { { "open", "a" }, { "send", "a", "x" },
      { "reload", version("two", [[
        on_reload = function(conn) tell(name, "reload", conn.id, conn.since) conn.since = "me" end,
        on_data = function(conn, data)
          conn:send(name .. conn.since .. server.stats().version .. #server.connections() .. data)
        end,
      ]]) },
      { "send", "a", "y" }, { "open", "b" }, { "fin", "a" },
      { "reload", version("three") }, { "rst", "b" } },
  },
  {
    name = "connections stay with their version when they are pinned",
    script = version("one"),
    steps = { { "open", "a" }, { "send", "a", "x" },
      { "reload", version("two", "reload = 'pin'," .. ANSWERS) },
      { "open", "b" }, { "send", "a", "y" }, { "send", "b", "z" }, { "fin", "a" },
      { "reload", version("three") }, { "send", "b", "z" } },
  },
  {
    name = "connections are closed when the version that comes says so",
    script = version("one"),
    steps = { { "open", "a" }, { "open", "b", { stays = true } }, { "send", "a", "x" },
      { "reload", version("two", "reload = 'close'," .. ANSWERS) },
      { "open", "c" }, { "send", "c", "x" } },
  },
  {
    name = "a main goes on as it was, and others get the new one",
    script = version("one", [[
      main = function(conn)
        for line in function() return conn:recv_line() end do conn:send(name .. line) end
        conn:send("bye")
      end,
    ]]),
    steps = { { "open", "a" }, { "send", "a", "1\n" }, { "reload", version("two") },
      { "send", "a", "2\n" }, { "open", "b" }, { "send", "b", "3\n" }, { "fin", "a" } },
  },
  {
    name = "a handler that waits ends as it was written, and the rest goes to the new version",
    script = version("one", [[
      on_data = function(conn, data)
        conn:send(name .. " has " .. data)
        conn:send(name .. " had " .. tostring(conn:recv_line()))
      end,
    ]]),
    steps = { { "open", "a" }, { "send", "a", "x" }, { "reload", version("two", [[
        on_reload = function(conn) tell(name, "reload", conn.id) end,
      ]] .. ANSWERS) }, { "send", "a", "y\nrest" }, { "send", "a", "more" } },
  },
  {
    name = "messages that came during a wait go to the new version, in its frame",
    script = version("one", [[
      frame = "line",
      on_message = function(conn, line)
        conn:send(name .. line)
        if line == "wait" then conn:recv_exactly(1) end
      end,
    ]]),
    steps = { { "open", "a" }, { "send", "a", "1\nwait\n" },
      { "reload", version("two", [[
        frame = { delimiter = ";" },
        on_message = function(conn, message) conn:send(name .. message) end,
      ]]) },
      { "send", "a", "x1;2;3" }, { "send", "a", "4;" } },
  },
  {
    name = "a message that is not whole is kept for the next version",
    script = version("one", "frame = 'line', on_message = function(conn, l) conn:send(l) end,"),
    steps = { { "open", "a" }, { "send", "a", "whole\nhalf" }, { "reload", version("two") },
      { "send", "a", "x" } },
  },
  {
    name = "timers and tasks end with the version, those of connections when none is left",
    script = tells .. [[
      local function at_end(f) return setmetatable({}, { __close = f }) end
      task.spawn(function()
        local mark <close> = at_end(function() tell("task ends") end)
        timer.sleep(1000)
      end)
      local ticks = timer.every(1000, print)
      return {
        on_unload = function() tell("unload") end,
        on_open = function(conn)
          task.spawn(function()
            local mark <close> = at_end(function() tell("its task ends") end)
            timer.sleep(1000)
          end)
        end,
        on_data = function(conn, data) tell(data, ticks:cancel()) conn:send("one") end,
      }
    ]],
    steps = { { "open", "a" }, { "reload", version("two", "reload = 'pin'," .. ANSWERS) },
      { "send", "a", "x" }, { "fin", "a" } },
  },
  {
    name = "a version that cannot be loaded changes nothing",
    script = version("one"),
    steps = { { "open", "a" }, { "send", "a", "x" }, { "reload", "\nreturn {" },
      { "reload", "return { on_data = 1, on_opne = print }" },
      { "reload", "require('moonport.task').spawn(print, '> never')\nreturn nil .. 'x'" },
      { "send", "a", "y" }, { "reload", version("two") }, { "send", "a", "z" } },
  },
  {
    name = "what on_load and on_unload raise is logged, and changes nothing else",
    script = tells .. [[return {
      on_unload = function() error("first") end,
      on_data = function(conn) conn:send("one") end,
    }]],
    steps = { { "open", "a" }, { "reload", tells .. [[return {
        on_load = function(previous) tell(previous.version, previous.state) timer.sleep(1) end,
        on_data = function(conn) conn:send("two") end,
      }]] }, { "send", "a", "x" },
      { "reload", version("three", "on_reload = function(conn) error('third') end," .. ANSWERS) },
      { "send", "a", "x" } },
  },
  {
    name = "the handlers that a version had are not missed by the next",
    script = version("one",
      "on_eof = function(conn) conn:send('eof') conn:close() end," .. ANSWERS),
    steps = { { "open", "a" }, { "fin", "a" }, { "open", "b" },
      { "reload", tells .. "return { on_open = function(conn) conn:send('hi') end }" },
      { "send", "b", "x" }, { "open", "c" } },
  },
}
