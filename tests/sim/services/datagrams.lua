-- datagrams.lua — sends back each datagram, and what comes over TCP.
local sim = require "sim"
local timer = require "moonport.timer"

return sim.service({
  listen = { 7012, "udp://127.0.0.1:7012" },
  on_data = function(conn, data) conn:send(data) end,
  on_datagram = function(sock, data, peer)
    if #data % 5 == 2 then timer.sleep(0.003) end
    sock:send(data, peer)
  end,
})
