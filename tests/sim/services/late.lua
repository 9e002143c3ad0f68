-- late.lua — sends nothing before the peer has finished, and then all of it.
local sim = require "sim"
local timer = require "moonport.timer"

return sim.service({
  listen = 7013,
  limits = { versions = 1000, write_queue = "16M", message = "64K" },
  on_data = function(conn, data)
    local all = conn.all or {}
    all[#all + 1] = data
    conn.all = all
  end,
  on_eof = function(conn)
    for _, piece in ipairs(conn.all or {}) do
      conn:send(piece)
      if #piece % 9 == 4 then timer.sleep(0.001) end
    end
    conn:close()
  end,
})
