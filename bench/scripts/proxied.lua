-- proxied.lua — echo behind a proxy, for bench/run.

return {
  proxy_protocol = { "127.0.0.0/8" },
  on_data = function(conn, data) conn:send(data) end,
}
