-- Lesson 3: answer each line with its length: "hello\n" gets "5\n".
--
-- This works when you try it by hand. It does not work: on_data gets a piece of the stream, and
-- takes it for a line.

return {
  listen = 12345,
  on_data = function(conn, data)
    conn:send(#data - 1 .. "\n")
  end,
}
