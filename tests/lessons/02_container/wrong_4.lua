-- hint: Did you leave out that door
return {
  listen = "0.0.0.0:12345",
  on_open = function(conn)
    conn:send("you reached me at " .. conn.sock .. "\n")
    conn:close()
  end,
}
