-- hint: The answer has no length before it
return {
  listen = 12345,
  frame = { length = "u16be" },
  on_message = function(conn, message)
    conn:send(message:upper())
  end,
}
