-- hint: The beginning of the line was forgotten
return {
  listen = 12345,
  on_data = function(conn, data)
    for line in data:gmatch("([^\n]*)\n") do conn:send(#line .. "\n") end
  end,
}
