-- hint: The answer came, but no FIN after it
-- Answers at the peer's FIN, and never sends its own.
return {
  listen = 12345,
  frame = "line",
  on_open = function(conn) conn.lines = {} end,
  on_message = function(conn, line) table.insert(conn.lines, line) end,
  on_eof = function(conn)
    table.sort(conn.lines)
    for _, line in ipairs(conn.lines) do conn:send_message(line) end
  end,
}
