-- hint: A container has a localhost of its own
return {
  listen = { "localhost:12345", "localhost:12346" },
  on_open = function(conn)
    conn:send("you reached me at " .. conn.sock .. "\n")
    conn:close()
  end,
}
