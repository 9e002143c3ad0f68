-- between_machines.lua — who is told a count says "ping" so often over the bus, each time when the
-- other server's "pong" is there, and answers with the microseconds of one, there and back.

local bus = require "moonport.bus"
local timer = require "moonport.timer"

local asker, left, count, since

bus.subscribe("ping", function()
  if not asker then bus.publish("pong", "") end
end)

bus.subscribe("pong", function()
  if not asker then return end
  left = left - 1
  if left > 0 then return bus.publish("ping", "") end
  asker:send_message(("%.1f"):format((timer.now() - since) / count * 1e6))
  asker = nil
end)

return {
  listen = "127.0.0.1:12345", frame = "line",
  on_message = function(conn, message)
    asker, count, left, since = conn, tonumber(message), tonumber(message), timer.now()
    bus.publish("ping", "")
  end,
}
