-- hint: the first cut went through its length
return {
  listen = 12345,
  on_data = function(conn, data)
    local message = string.unpack(">s2", data)
    conn:send(string.pack(">s2", message:upper()))
  end,
}
