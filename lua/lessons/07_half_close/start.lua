-- Lesson 7: a client sends lines, then FIN, and gets them back sorted.

return {
  listen = 12345,
  frame = "line",
  on_open = function(conn) conn.lines = {} end,
  on_message = function(conn, line)
    table.insert(conn.lines, line)
  end,
  -- Your part: when is the last line here, and how does the sorted text get to the client?
  -- table.sort(lines) and table.concat(lines, "\n") help.
}
