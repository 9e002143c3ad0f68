-- hint: Two clients got into each other's way
local rest = ""

return {
  listen = 12345,
  on_data = function(conn, data)
    rest = rest .. data
    for line in rest:gmatch("([^\n]*)\n") do conn:send(#line .. "\n") end
    rest = rest:match("[^\n]*$")
  end,
}
