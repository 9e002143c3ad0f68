-- Lesson 2: two doors. Everybody may come to port 12345, from outside of the container too. Port
-- 12346 is for administrators, and only for clients inside of it.

return {
  listen = { "127.0.0.1:12345", "127.0.0.1:12346" },
  on_open = function(conn)
    conn:send("you reached me at " .. conn.sock .. "\n")
    conn:close()
  end,
}
