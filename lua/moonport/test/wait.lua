-- moonport.test.wait — one place where a task may wait, with or without a time limit, as
-- src/api/wait.c — does not know for what.

---@class moonport.test.Wait
---@field timed_out boolean why the last wait ended
---@field private task table?
---@field private turn integer the task's, when it began to wait
---@field private timer table?
local Wait = {}
Wait.__index = Wait

---@param loop moonport.test.Loop
---@param tasks moonport.test.Tasks
function Wait.new(loop, tasks)
  return setmetatable({ loop = loop, tasks = tasks, timed_out = false }, Wait)
end

---Whether somebody waits here.
function Wait:pending() return self.task ~= nil and self.task.turn == self.turn end

---To be followed by tasks:wait(), which ends when this is woken or `timeout_ms` have passed; 0 is
---no limit.
---@param what string names the call, for the error when another coroutine waits here already
---@param level integer as of error(), seen from the caller
function Wait:begin(timeout_ms, what, level)
  self.tasks:check_can_wait(level + 1)
  if not self:pending() then self:forget() end
  if self.task then error("another coroutine already waits in " .. what, level + 1) end
  self.task = self.tasks:running()
  self.turn = self.task.turn
  self.timed_out = false
  if timeout_ms > 0 then
    self.timer = self.loop:start_timer(timeout_ms, nil, function()
      self.timer = nil
      self:time_out()
    end)
  end
end

---As begin(), and waits.
function Wait:wait(timeout_ms, what, level)
  self:begin(timeout_ms, what, level + 1)
  self.tasks:wait()
end

function Wait:forget()
  if self.timer then self.loop:stop_timer(self.timer) end
  self.task, self.timer = nil, nil
end

---Goes on where the task waits; false when none did.
function Wait:wake()
  local task, pending = self.task, self:pending()
  if not task then return false end
  self:forget()
  if pending then self.tasks:wake(task) end
  return pending
end

---The same in the next turn: for what happens inside a call that a script made.
function Wait:wake_later()
  local task = self.task
  if not task then return end
  self.loop:defer(function()
    if self.task == task then self:wake() end
  end)
end

---As wake(), and says that time is up.
function Wait:time_out()
  if not self.task then return false end
  self.timed_out = true
  return self:wake()
end

return Wait
