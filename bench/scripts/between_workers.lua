-- between_workers.lua — as many batches of so many messages of 64 bytes as the client says, by the
-- bus from the first worker to the second, which confirms each, so that no queue overflows.

local bus = require "moonport.bus"
local server = require "moonport.server"
local worker = require "moonport.worker"

local message = ("x"):rep(63)

if worker.id == 1 then
  local batches, size = 0, 0
  local function publish()
    for _ = 2, size do bus.publish("message", message .. "+") end
    bus.publish("message", message .. "!")
  end
  bus.subscribe("begin", function(wish)
    local first, second = wish:match("(%d+) (%d+)")
    batches, size = tonumber(first), tonumber(second)
    publish()
  end)
  bus.subscribe("taken", function()
    batches = batches - 1
    if batches > 0 then publish() else bus.publish("done", "done\n") end
  end)
else
  bus.subscribe("message", function(data)
    if data:byte(-1) == 33 then bus.publish("taken", "") end -- "!"
  end)
end
bus.subscribe("done", function(line) server.broadcast(line) end)

return {
  listen = "127.0.0.1:12345", workers = "all", frame = "line",
  on_message = function(_, wish) bus.publish("begin", wish) end,
}
