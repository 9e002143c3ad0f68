-- hint: One send is not one receive
local timer = require "moonport.timer"

return {
  listen = 12345,
  on_data = function(conn, data)
    timer.sleep(0.01) -- surely the rest is there by now
    for line in (data .. "\n"):gmatch("([^\n]+)\n") do conn:send(#line .. "\n") end
  end,
}
