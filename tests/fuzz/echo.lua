-- echo.lua — the script behind fuzz targets: sends back what comes, over TCP and UDP.

return {
  listen = { "tcp://127.0.0.1:0", "udp://127.0.0.1:0" },
  on_data = function(conn, data) conn:send(data) end,
  on_datagram = function(sock, data, peer) sock:send(data, peer) end,
}
