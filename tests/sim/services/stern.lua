-- stern.lua — sends back lines and blocks, has little patience, and ends in mid-sentence.
local sim = require "sim"
local timer = require "moonport.timer"

local reads = {
  function(conn) return conn:recv_line(100) end,
  function(conn) return conn:recv_exactly(50) end,
  function(conn) return conn:recv_until("q", 300) end,
  function(conn) return conn:recv(10) end,
}

return sim.service({
  listen = 7016,
  limits = { versions = 2, write_queue = "2K", message = "1K", connections = 6, per_address = 4 },
  timeouts = { idle = 1, first = 0.5, write = 1, linger = 0.2 },
  main = function(conn)
    conn:settimeout(0.4)
    local count = conn.id
    while true do
      count = count + 1
      local data, code = reads[count % #reads + 1](conn)
      if not data then
        if code == "limit" and count % 2 == 0 then error("planned: " .. code) end
        return
      end
      conn:send(data:rep(20))
      if #data % 11 == 0 then return end
      if #data % 7 == 0 then conn:drain() end
      if #data % 5 == 0 then timer.sleep(0.7) end
    end
  end,
  on_timeout = function(_, kind) return kind == "write" end,
})
