-- udp_echo.lua — sends each datagram back to where it came from.

return {
  listen = "udp://127.0.0.1:0",

  on_datagram = function(sock, data, peer)
    sock:send(data, peer)
  end,
}
