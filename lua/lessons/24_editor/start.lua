-- Task 24: stands between a client and the server that it names, and should hide account numbers.

local socket = require "moonport.socket"

return {
  listen = 12345,
  on_open = function(conn)
    local address = conn:recv_line():match("^to (%S+)$")
    local upstream = assert(socket.connect(address, { timeout = 2 }))
    conn:forward(upstream) -- in the core: no Lua sees these bytes, so nothing is hidden
    upstream:forward(conn)
  end,
}
