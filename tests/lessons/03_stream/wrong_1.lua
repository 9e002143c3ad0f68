-- hint: One receive may hold several lines
return {
  listen = 12345,
  on_data = function(conn, data)
    conn.rest = (conn.rest or "") .. data
    if conn.rest:sub(-1) ~= "\n" then return end
    conn:send(#conn.rest - 1 .. "\n")
    conn.rest = ""
  end,
}
