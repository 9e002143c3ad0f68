return {
  listen = 12345,
  frame = "line",
  timeouts = { idle = 2 },
  on_message = function(conn, line)
    conn:send_message(line == "time" and os.date("%H:%M:%S") or "ask for the time")
  end,
}
