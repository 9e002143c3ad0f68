-- hint: It is true that RST leaves no TIME_WAIT
-- Has no TIME_WAIT, because it resets: the answer may be lost with it.
return {
  listen = 12345,
  frame = "line",
  on_message = function(conn, line)
    conn:send_message(line == "time" and os.date("%H:%M:%S") or "ask for the time")
    conn:drain()
    conn:reset()
  end,
}
