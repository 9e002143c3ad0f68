-- moonport.test.listener — where the script under test may connect to: the connections that come
-- there are peers of the test's — accepts none by itself, unless a function behaves for them.

local calls = require "moonport.calls"
local options = require "moonport.test.options"
local Peer = require "moonport.test.peer"

---@class moonport.test.Listener
---@field package script moonport.test.Script
---@field package core moonport.test.Place
local Listener = {}
Listener.__index = Listener
Listener.__name = "moonport.test.Listener"

local function new(script, where, behaviour)
  local settings = type(behaviour) == "table" and behaviour or {}
  calls.check(where, 1, "listen", "string", "integer")
  if behaviour ~= nil and type(behaviour) ~= "function" then
    calls.check(behaviour, 2, "listen", "table", "function")
  end
  options.check_names(settings, "silent, stays", "listen()")
  local on_data = type(behaviour) == "function" and behaviour or nil
  local core, fault = script.hosted:listen(where, settings.silent, settings.stays, on_data)
  if not core then calls.refuse(fault) end
  return setmetatable({ script = script, core = core, on_data = on_data }, Listener)
end

function Listener:accept()
  local core = self.core:accept()
  return core and Peer.new(self.script, core, self)
end

function Listener:close() self.core:close() end

calls.by_colon(Listener, "listener")
return { new = new }
