-- listens.lua — sends back what comes; on a port of its own as the textbook does it, one after the
-- other.
local sim = require "sim"
local socket = require "moonport.socket"
local task = require "moonport.task"

local function serve(conn)
  local _ <close> = conn
  repeat
    local data = conn:recv()
  until not data or not conn:send(data)
end

local function accept_all()
  local server = socket.tcp()
  if not server:bind("127.0.0.1", 7117) then return end
  server:listen(3)
  server:settimeout(5)
  for _ = 1, 100 do -- it has to come to its end
    local conn, code = server:accept()
    if conn then task.spawn(serve, conn) end
    if not conn and code ~= "timeout" then return end
  end
end

return sim.service({
  listen = 7017,
  on_load = function() task.spawn(accept_all) end,
  on_data = function(conn, data) conn:send(data) end,
})
