-- reload_echo.lua — an echo that a reload has something to do for: state to hand over, and a field
-- of each connection to look after.

local served = 0

return {
  limits = { connections = 20000 },

  on_load = function(previous) served = previous and previous.state or 0 end,
  on_unload = function() return served end,

  on_open = function(conn) conn.reloads = 0 end,
  on_reload = function(conn) conn.reloads = conn.reloads + 1 end,

  on_data = function(conn, data)
    served = served + 1
    conn:send(data)
  end,
}
