-- hint: not from the first
-- Closes two seconds after the first question, whoever is still asking.
return {
  listen = 12345,
  frame = "line",
  on_open = function(conn)
    conn:after(2, function() conn:close() end)
  end,
  on_message = function(conn, line)
    conn:send_message(line == "time" and os.date("%H:%M:%S") or "ask for the time")
  end,
}
