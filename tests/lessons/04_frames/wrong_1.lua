-- hint: The bytes of your length are the wrong way round
return {
  listen = 12345,
  frame = { length = "u16le" },
  on_message = function(conn, message)
    conn:send_message(message:upper())
  end,
}
