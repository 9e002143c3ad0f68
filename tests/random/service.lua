-- service.lua — does what its peers' bytes say (ops.lua), and watches what must always be.
--
-- on_close comes exactly once and last; two handlers of one connection never overlap. Counts are
-- handed on from version to version, so that they are right over any number of reloads.

-- luacheck: globals counts
local ops = require "ops"

counts = { opened = 0, closed = 0, ran = 0 } -- for who asks from outside, too

-- What a handler does while it runs, also when it waits and is ended there.
local function enter(conn, name)
  if conn.closed_once then ops.broken("%s of #%d after on_close", name, conn.number) end
  if conn.busy then ops.broken("%s of #%d during its %s", name, conn.number, conn.busy) end
  conn.busy = name
  return setmetatable({}, { __close = function()
    conn.busy = nil
    counts.ran = counts.ran + ops.ran
    ops.ran = 0
  end })
end

local function handler(name)
  return function(conn)
    local _ <close> = enter(conn, name)
    -- Whatever it was told to do on this occasion.
    if conn.plan then ops.run(conn, ops.taker(conn.plan)) end
  end
end

return {
  listen = "127.0.0.1:0",
  reload = "adopt",
  limits = { write_queue = "256K", memory = "64M", connections = 300 },
  timeouts = { idle = 2, write = 1, linger = 0.5 },

  on_load = function(previous) counts = previous and previous.state or counts end,
  on_unload = function() return counts end,

  on_open = function(conn)
    counts.opened = counts.opened + 1
    conn.number = counts.opened
    ops.address = conn.sock
    local _ <close> = enter(conn, "on_open")
  end,

  -- A byte of 255 begins a plan for the other handlers, in place of calls for now.
  on_data = function(conn, data)
    local _ <close> = enter(conn, "on_data")
    if data:byte() == 255 then
      conn.plan = data:sub(2, 9)
    else
      ops.run(conn, ops.taker(data))
    end
  end,

  on_eof = handler("on_eof"),
  on_drain = handler("on_drain"),
  on_timeout = handler("on_timeout"),
  -- Not for ever: a plan that raises in on_timeout would keep one whose peer has gone long since.
  on_error = function(conn)
    conn.faults = (conn.faults or 0) + 1
    return conn.number % 2 == 0 and conn.faults < 4
  end,

  on_close = function(conn)
    local _ <close> = enter(conn, "on_close")
    conn.closed_once = true
    counts.closed = counts.closed + 1
    if conn.plan then ops.run(conn, ops.taker(conn.plan)) end
  end,
}
