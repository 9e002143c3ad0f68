-- moonport.test.sender — a peer for datagrams: each arrives whole, once, in order — the network's
-- own sins (loss, copies) are for the test to commit.

---@class moonport.test.Sender
---@field address string
---@field package script moonport.test.Script
---@field package core moonport.test.Datagrams
local Sender = {}
Sender.__index = Sender
Sender.__name = "moonport.test.Sender"

function Sender.new(script, address)
  local core, fault = script.hosted:sender(address)
  if not core then error(fault, 3) end
  return setmetatable({ script = script, core = core, address = core:address() }, Sender)
end

function Sender:send(data, to)
  local sent, fault = self.core:send(data, to)
  if not sent then error(fault, 2) end
  self.script:act()
end

function Sender:read() return self.core:read() end

return Sender
