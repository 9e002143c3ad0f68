-- moonport.test.inbox — bytes that arrived for a handler that reads by itself, and who waits.

local Wait = require "moonport.test.wait"

---@class moonport.test.Inbox
---@field bytes string what arrived, from `at` on
---@field at integer
---@field reader moonport.test.Wait
---@field drainer moonport.test.Wait
---@field timeout_ms integer of each wait; 0: no limit
local Inbox = {}
Inbox.__index = Inbox

function Inbox.new(loop, tasks)
  return setmetatable({ bytes = "", at = 1, timeout_ms = 0, drains = 0,
    reader = Wait.new(loop, tasks), drainer = Wait.new(loop, tasks) }, Inbox)
end

function Inbox:size() return #self.bytes - self.at + 1 end

function Inbox:append(bytes)
  self.bytes = self.bytes:sub(self.at) .. bytes
  self.at = 1
end

---@return string the first `size` bytes, which are not taken
function Inbox:peek(size) return self.bytes:sub(self.at, self.at + size - 1) end

function Inbox:consume(size)
  self.at = self.at + size
  if self.at > #self.bytes then self.bytes, self.at = "", 1 end
end

function Inbox:take(size)
  local bytes = self:peek(size)
  self:consume(size)
  return bytes
end

return Inbox
