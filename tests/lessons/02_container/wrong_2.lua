-- hint: The administrators' door stands open
return {
  listen = { "0.0.0.0:12345", "0.0.0.0:12346" },
  on_open = function(conn)
    conn:send("you reached me at " .. conn.sock .. "\n")
    conn:close()
  end,
}
