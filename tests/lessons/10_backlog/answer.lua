local socket = require "moonport.socket"
local task = require "moonport.task"

local server = socket.tcp()
assert(server:bind("127.0.0.1", tonumber(arg[1]) or 12345))
assert(server:listen(2))

local function serve(client)
  for line in function() return client:recv_line() end do
    client:send(line:upper() .. "\n")
  end
  client:close()
end

while true do
  task.spawn(serve, (assert(server:accept())))
end
