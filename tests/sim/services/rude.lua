-- rude.lua — sends back what comes, and then does what nobody expects.
local server = require "moonport.server"
local sim = require "sim"
local socket = require "moonport.socket"
local task = require "moonport.task"
local timer = require "moonport.timer"

-- One of the others, or itself.
local function other_than(conn, number)
  local all = server.connections()
  return all[number % #all + 1] or conn
end

local acts = {
  function() error("planned") end,
  function(conn) conn:close() end,
  function(conn) conn:reset() end,
  function(conn) conn:shutdown() end,
  function(conn, number) other_than(conn, number):close() end,
  function(conn, number) other_than(conn, number):reset() end,
  function(conn) task.spawn(function() timer.sleep(0.01) conn:close() end) end,
  function(conn) timer.after(0.005, function() conn:reset() end) end,
  function(conn)
    local waiting = task.spawn(function() timer.sleep(1000) end)
    timer.after(0.002, function() waiting:cancel() end)
    waiting:join()
    conn:drain()
  end,
  function() timer.sleep(0.02) error("planned, and late") end,
  function(conn)
    local data, _, part = conn:recv_until("no such thing", 100)
    conn:send(data or part or "")
  end,
  function(conn)
    conn:settimeout(0.05)
    local data, _, part = conn:recv_exactly(1000)
    conn:send(data or part or "")
  end,
  function() socket.connect("127.0.0.1:1") end,
  function(conn)
    local peer = socket.connect("127.0.0.1:7001")
    if peer then peer:send("lost") conn.kept = peer end
  end,
  function() coroutine.wrap(function() timer.sleep(0.001) error("planned, deep") end)() end,
  function(conn) conn:pause() end,
  function() timer.sleep(30) end,
}

return sim.service({
  listen = 7009,
  limits = { versions = 3, write_queue = "16K", message = "64K", connections = 5, memory = "32M" },
  timeouts = { idle = 2, first = 1, write = 1, linger = 0.5 },
  on_data = function(conn, data)
    conn:send(data)
    local number = data:byte(-1) * 7 + #data
    local act = acts[number % 40]
    if act then act(conn, number) end
  end,
  on_timeout = function(conn, kind)
    if conn.id % 3 == 0 then timer.sleep(0.01) end
    return kind == "write" and conn.id % 2 == 0 and not conn.kept
  end,
  on_drain = function(conn) conn:resume() end,
  on_error = function(conn, message)
    if conn.id % 4 == 0 then error("again: " .. message) end
  end,
  on_close = function(conn) if conn.id % 5 == 0 then timer.sleep(0.01) end end,
})
