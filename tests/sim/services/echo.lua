-- echo.lua — sends back what comes, as it comes.
local sim = require "sim"

return sim.service({
  listen = 7001,
  on_data = function(conn, data) conn:send(data) end,
})
