-- hint: each of them is a message
return {
  listen = 12345,
  on_data = function(conn, data)
    conn.rest = (conn.rest or "") .. data
    if #conn.rest < 2 then return end
    local size = string.unpack(">I2", conn.rest)
    if #conn.rest < 2 + size then return end
    conn:send(string.pack(">s2", conn.rest:sub(3, 2 + size):upper()))
    conn.rest = conn.rest:sub(3 + size)
  end,
}
