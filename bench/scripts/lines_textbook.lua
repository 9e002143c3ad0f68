-- lines_textbook.lua — what lines.lua does, with the splitter that most scripts begin with: a
-- buffer, and what is left of it after each line. It copies each byte many times, and has no limit.

return {
  on_data = function(conn, data)
    conn.buffer = (conn.buffer or "") .. data
    local line, rest = conn.buffer:match("^(.-)\r?\n(.*)$")
    while line do
      conn:send(line .. "\n")
      conn.buffer = rest
      line, rest = rest:match("^(.-)\r?\n(.*)$")
    end
  end,
}
