-- lines.lua — sends back each line, framed by the core.

return {
  listen = 1,
  frame = "line",
  on_message = function(conn, line) conn:send_message(line) end,
}
