-- hint: Silence says nothing
-- Takes a pause for the end.
return {
  listen = 12345,
  frame = "line",
  on_open = function(conn) conn.lines = {} end,
  on_message = function(conn, line)
    table.insert(conn.lines, line)
    if conn.quiet then conn.quiet:cancel() end
    conn.quiet = conn:after(0.2, function()
      table.sort(conn.lines)
      conn:send(table.concat(conn.lines, "\n") .. "\n")
      conn:close()
    end)
  end,
}
