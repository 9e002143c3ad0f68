-- Lesson 9: "time" is answered with the time. Then this server closes, before its client does.

return {
  listen = 12345,
  frame = "line",
  on_message = function(conn, line)
    conn:send_message(line == "time" and os.date("%H:%M:%S") or "ask for the time")
    conn:close()
  end,
}
