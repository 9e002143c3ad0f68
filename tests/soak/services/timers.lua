-- timers.lua — timers that come and go, tasks that are left, a count that outlives reloads.

local task = require "moonport.task"
local timer = require "moonport.timer"

local ticks = 0

timer.every(0.01, function()
  ticks = ticks + 1
  timer.after(0.05, function() end)
  local cancelled = timer.after(60, function() end)
  cancelled:cancel()
  if ticks % 10 == 0 then
    task.spawn(function() timer.sleep(0.2) end)
  end
end)

return {
  listen = 1,
  on_load = function(previous) ticks = previous and previous.state or ticks end,
  on_unload = function() return ticks end,
  on_data = function(conn) conn:send(ticks .. "\n") end,
}
