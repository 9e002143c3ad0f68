return {
  listen = 12345,
  frame = { length = "u16be" },
  on_message = function(conn, message)
    conn:send_message(message:upper())
  end,
}
