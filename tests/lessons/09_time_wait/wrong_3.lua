-- hint: TIME_WAIT passes, CLOSE_WAIT does not
-- Hears the client's FIN, and does not close: CLOSE_WAIT.
return {
  listen = 12345,
  frame = "line",
  timeouts = { idle = 2 },
  on_message = function(conn, line)
    conn:send_message(line == "time" and os.date("%H:%M:%S") or "ask for the time")
  end,
  on_eof = function() end,
  on_timeout = function() return true end,
}
