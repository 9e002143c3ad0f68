-- hint: The last line had no newline at its end
-- Loses a last line that has no newline behind it.
return {
  listen = 12345,
  main = function(conn)
    local lines = {}
    for line in function() return conn:recv_line() end do table.insert(lines, line) end
    table.sort(lines)
    conn:send(table.concat(lines, "\n") .. "\n")
  end,
}
