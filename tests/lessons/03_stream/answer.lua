return {
  listen = 12345,
  on_data = function(conn, data)
    conn.rest = (conn.rest or "") .. data
    while true do
      local line, rest = conn.rest:match("^(.-)\n(.*)$")
      if not line then return end
      conn.rest = rest
      conn:send(#line .. "\n")
    end
  end,
}
