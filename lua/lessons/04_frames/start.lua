-- Lesson 4: answer each message with the same message in capitals.
--
-- A message is its length, two bytes in network byte order, and then so many bytes. This script
-- still takes lines for messages.

return {
  listen = 12345,
  frame = "line",
  on_message = function(conn, message)
    conn:send_message(message:upper())
  end,
}
