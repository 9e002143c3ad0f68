-- lines.lua — echoes lines that the core splits. Beside it: main_lines.lua, lines_by_hand.lua.

return {
  frame = "line",

  on_message = function(conn, line)
    conn:send_message(line)
  end,
}
