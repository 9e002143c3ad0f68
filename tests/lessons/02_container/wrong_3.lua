-- hint: or bind one address where all are meant?
return {
  listen = { "[::1]:12345", "127.0.0.1:12346" },
  on_open = function(conn)
    conn:send("you reached me at " .. conn.sock .. "\n")
    conn:close()
  end,
}
