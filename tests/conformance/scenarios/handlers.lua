-- handlers.lua — scenarios: which handler is called when, and how a connection ends.

local tells = [[
  local function tell(...) print("> " .. table.concat({ ... }, " ")) end
]]

return {
  {
    name = "a peer sends, and finishes",
    script = tells .. [[
      return {
        on_open = function(conn) tell("open", conn.state) end,
        on_data = function(conn, data) tell("data", data) conn:send(data:upper()) end,
        on_close = function(conn, reason)
          tell("close", reason, conn.state, conn.peer, tostring(conn.sock), conn.listener)
        end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "one" }, { "send", "a", "two" }, { "fin", "a" } },
  },
  {
    name = "a peer breaks off",
    script = tells .. [[
      return {
        on_data = function(conn, data) conn:send(data) end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "one" }, { "rst", "a" } },
  },
  {
    name = "on_eof answers, and closes when it likes",
    script = tells .. [[
      return {
        on_eof = function(conn)
          tell("eof", conn.state)
          conn:send("so long")
          tell(tostring(conn:shutdown()), conn.state, tostring(conn:shutdown()))
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "fin", "a" } },
  },
  {
    name = "on_eof keeps the connection open",
    script = tells .. [[
      local held
      return {
        on_data = function(conn, data)
          if data == "end" then held:send("now") held:close() else held = conn end
        end,
        on_eof = function(conn)
          tell("eof", conn.id)
          if conn.id == 2 then conn:close() end
        end,
        on_close = function(conn, reason) tell("close", conn.id, reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "hold" }, { "fin", "a" }, { "open", "b" },
      { "send", "b", "end" } },
  },
  {
    name = "the script closes, with bytes under way in both directions",
    script = tells .. [[
      return {
        on_data = function(conn, data)
          tell("data", data)
          conn:send("last words")
          tell(tostring(conn:close()), conn.state, select(2, conn:close()))
          tell(select(2, conn:send("too late")), select(2, conn:pause()), select(2, conn:drain()))
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a", { stays = true } }, { "send", "a", "x" }, { "send", "a", "ignored" },
      { "fin", "a" } },
  },
  {
    name = "the script closes, and the peer lingers",
    script = tells .. [[
      return {
        timeouts = { linger = 0.1 },
        on_data = function(conn) conn:close() end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a", { stays = true } }, { "send", "a", "x" }, { "wait", 0.2 } },
  },
  {
    name = "the script ends its own direction only",
    script = tells .. [[
      return {
        on_data = function(conn, data)
          tell(data, tostring(conn:shutdown()), conn.state, select(2, conn:send("x")))
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a", { stays = true } }, { "send", "a", "one" }, { "send", "a", "two" },
      { "fin", "a" } },
  },
  {
    name = "the script resets",
    script = tells .. [[
      return {
        on_data = function(conn)
          conn:send("never seen")
          tell(tostring(conn:reset()), conn.state, select(2, conn:send("x")))
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" } },
  },
  {
    name = "a closed connection is asked",
    script = tells .. [[
      local kept
      return {
        on_open = function(conn)
          if not kept then kept = conn conn.name = "first" return end
          tell(kept.id, kept.name, kept.state, tostring(kept.peer), tostring(kept.listener))
          tell(tostring(kept):gsub("%d+%.[%d.:]+", "ADDRESS"), kept:stats().bytes_in)
          for _, call in ipairs({ "recv", "drain", "close", "shutdown", "reset", "pause" }) do
            tell(call, tostring(kept[call](kept)), select(2, kept[call](kept)))
          end
          tell(select(2, kept:send("x")), select(2, kept:settimeout(1)))
          tell(select(2, kept:setoption("nodelay", true)), select(2, kept:forward(conn)))
        end,
        on_close = function(conn) tell("stats", conn:stats().bytes_in, conn:stats().queue) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "12345" }, { "fin", "a" }, { "open", "b" } },
  },
  {
    name = "connections are told of one another",
    script = tells .. [[
      local server = require "moonport.server"
      return {
        on_open = function(conn)
          local ids = {}
          for i, each in ipairs(server.connections()) do ids[i] = each.id end
          tell("open", table.concat(ids, ","), server.broadcast("+" .. conn.id, conn))
        end,
        on_data = function(conn, data)
          if data == "all" then tell(server.broadcast({ "to ", "all" })) end
          if data == "quit" then conn:close() tell(#server.connections(), server.broadcast("q")) end
        end,
        on_close = function(conn)
          local stats = server.stats()
          tell("close", conn.id, stats.connections, stats.accepted, stats.bytes_in)
        end,
      }
    ]],
    steps = { { "open", "a" }, { "open", "b" }, { "open", "c" }, { "send", "b", "all" },
      { "send", "b", "quit" }, { "rst", "a" } },
  },
  {
    name = "there are more connections than limits.connections",
    script = tells .. [[
      return {
        limits = { connections = 2 },
        on_open = function(conn) tell("open", conn.id) end,
        on_data = function(conn, data) tell(conn.id, data) end,
        on_close = function(conn, reason) tell("close", conn.id, reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "open", "b" }, { "open", "c" }, { "send", "c", "early" },
      { "fin", "a" }, { "send", "c", "late" } },
  },
  {
    name = "reading is paused",
    script = tells .. [[
      local first
      return {
        on_open = function(conn) first = first or conn end,
        on_data = function(conn, data)
          tell(conn.id, data)
          if data == "pause" then conn:pause() end
          if data == "resume" then first:resume() end
        end,
        on_eof = function(conn) tell(conn.id, "eof") conn:close() end,
      }
    ]],
    steps = { { "open", "a" }, { "open", "b" }, { "send", "a", "pause" }, { "send", "a", "later" },
      { "send", "b", "beside" }, { "send", "b", "resume" }, { "fin", "a" } },
  },
  {
    name = "a server is told to end while connections are open",
    script = tells .. [[
      local server = require "moonport.server"
      require "moonport.timer".every(0.02, function()
        if server.stats().draining then server.broadcast("bye") end
        for _, conn in ipairs(server.connections()) do
          if server.stats().draining then conn:close() end
        end
      end)
      return { on_close = function(conn, reason) tell("close", reason) end }
    ]],
    steps = { { "open", "a" }, { "stop" }, { "wait", 0.03 } },
  },
}
