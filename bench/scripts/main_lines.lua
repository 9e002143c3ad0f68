-- main_lines.lua — echoes lines as a sequential program. Its counterpart is lines.lua.

return {
  main = function(conn)
    local line = conn:recv_line()
    while line do
      conn:send(line .. "\n")
      line = conn:recv_line()
    end
  end,
}
