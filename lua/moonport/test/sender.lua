-- moonport.test.sender — a peer for datagrams: each arrives whole, once, in order — the network's
-- own sins (loss, copies) are for the test to commit.

local calls = require "moonport.calls"

---@class moonport.test.Sender
---@field address string
---@field package script moonport.test.Script
---@field package core moonport.test.Datagrams
local Sender = {}
Sender.__index = Sender
Sender.__name = "moonport.test.Sender"

local function new(script, address)
  local core, fault = script.hosted:sender(address)
  if not core then calls.refuse(fault) end
  return setmetatable({ script = script, core = core, address = core:address() }, Sender)
end

function Sender:send(data, to)
  calls.check(data, 1, "send", "string")
  calls.check(to, 2, "send", "string", "nil")
  local sent, fault = self.core:send(data, to)
  if not sent then calls.refuse(fault) end
  self.script:act()
end

function Sender:read() return self.core:read() end

calls.by_colon(Sender, "sender")
return { new = new }
