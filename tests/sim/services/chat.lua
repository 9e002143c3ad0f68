-- chat.lua — tells all of each line that somebody says: "3:17" is the seventeenth of number 3.
local server = require "moonport.server"
local sim = require "sim"

return sim.service({
  listen = 7008,
  frame = "line",
  limits = { versions = 1000, write_queue = "16M", message = "64K" },
  on_message = function(conn)
    conn.said = (conn.said or 0) + 1
    server.broadcast(("%d:%d\n"):format(conn.id, conn.said))
  end,
})
