-- hint: Your script answered in on_close
-- Answers in on_close, when nobody is there any more.
return {
  listen = 12345,
  frame = "line",
  on_open = function(conn) conn.lines = {} end,
  on_message = function(conn, line) table.insert(conn.lines, line) end,
  on_close = function(conn)
    table.sort(conn.lines)
    for _, line in ipairs(conn.lines) do conn:send_message(line) end
  end,
}
