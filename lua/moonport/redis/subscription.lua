-- moonport.redis.subscription — what is published on some channels, on a connection of its own —
-- does not know what the messages mean.

local calls = require "moonport.calls"
local resp = require "moonport.redis.resp"
local timer = require "moonport.timer"

---@class moonport.RedisSubscription
---@field private client moonport.Redis whose options count
---@field private open fun(client: moonport.Redis): moonport.Conn?, string?, string?
---@field private command "SUBSCRIBE"|"PSUBSCRIBE"
---@field private names string[]
---@field private conn moonport.Conn? nil: to be made by the next get()
---@field private is_midway boolean? a message was begun and not read to its end
---@field private closed boolean?
local Subscription = {}
Subscription.__index = Subscription
Subscription.__name = "moonport.redis.subscription"

local function send(self, command, names)
  local pieces = {}
  resp.add(pieces, { command, table.unpack(names) })
  return self.conn:send(pieces)
end

-- The connection is of no use any more. Its messages from here on are lost, and that is told once.
local function lose(self, code, detail)
  if self.conn then self.conn:reset() end
  self.conn = nil
  if self.closed then return nil, "closed" end
  if code == "malformed" or code == "limit" or code == "timeout" then return nil, code, detail end
  return nil, "closed", ("the connection to %s was lost (%s)"):format(self.client.address, code)
end

-- The next answer; waits for its first byte for as long as `seconds` say. Nil, code, detail.
local function read(self, seconds)
  local conn = self.conn
  conn:settimeout(seconds)
  local first, code = conn:recv(1)
  if not first and code == "timeout" then return nil, "timeout" end
  if not first then return lose(self, code) end
  self.is_midway = true
  conn:settimeout(self.client.timeout)
  local answer, detail
  answer, code, detail = resp.read(conn, self.client.max_answer, first)
  if answer == nil then return lose(self, code, detail) end
  self.is_midway = false
  return answer
end

-- A connection on which all is asked for, and Redis agrees. True, or nil, code, detail.
local function connect(self)
  local conn, code, detail = self.open(self.client)
  if not conn then return nil, code, detail end
  if self.closed then
    conn:close()
    return nil, "closed"
  end
  self.conn, self.is_midway = conn, false
  if #self.names == 0 then return true end
  send(self, self.command, self.names)
  local answer
  answer, code, detail = read(self, self.client.timeout)
  if answer == nil then return lose(self, code, detail) end
  if type(answer) == "table" and not answer.err then return true end
  lose(self)
  return nil, "error", type(answer) == "table" and answer.err or "that was no subscription"
end

function Subscription:get(seconds)
  calls.check(seconds, 1, "get", "number", "nil")
  local ends = seconds and timer.now() + seconds
  if self.is_midway then lose(self) end -- its reader was cancelled
  while not self.closed do
    if not self.conn then
      local ok, code, detail = connect(self)
      if not ok then return nil, code, detail end
    end
    local answer, code, detail = read(self, ends and math.max(ends - timer.now(), 0.001))
    if answer == nil then return nil, code, detail end
    local kind = type(answer) == "table" and answer[1]
    if kind == "message" then return answer[3], answer[2] end
    if kind == "pmessage" then return answer[4], answer[3], answer[2] end
    if type(answer) == "table" and answer.err then return nil, "error", answer.err end
  end
  return nil, "closed"
end

function Subscription:each()
  return function() return self:get() end
end

local function check_names(names, call)
  if #names == 0 then calls.refuse(("'%s' needs the name of a channel"):format(call)) end
  for index, name in ipairs(names) do calls.check(name, index, call, "string") end
  return names
end

function Subscription:add(...)
  local names = check_names({ ... }, "add")
  if self.closed then return nil, "closed" end
  table.move(names, 1, #names, #self.names + 1, self.names)
  if self.conn then send(self, self.command, names) end
  return true
end

function Subscription:remove(...)
  local names, gone = check_names({ ... }, "remove"), {}
  if self.closed then return nil, "closed" end
  for _, name in ipairs(names) do gone[name] = true end
  for index = #self.names, 1, -1 do
    if gone[self.names[index]] then table.remove(self.names, index) end
  end
  if self.conn then send(self, (self.command:gsub("SUB", "UNSUB")), names) end
  return true
end

function Subscription:close()
  self.closed = true
  if self.conn then self.conn:close() end
  self.conn = nil
  return true
end
Subscription.__close = Subscription.close

calls.by_colon(Subscription, "subscription")

local M = {}

---Raises where a channel is no string. Waits until Redis has agreed.
---@param client moonport.Redis
---@param open fun(client: moonport.Redis): moonport.Conn?, string?, string?
---@param command "SUBSCRIBE"|"PSUBSCRIBE"
---@param ... string
---@return moonport.RedisSubscription? subscription
---@return string? code
---@return string? detail
function M.new(client, open, command, ...)
  local names = check_names({ ... }, command:lower())
  local self = setmetatable({ client = client, open = open, command = command, names = names },
    Subscription)
  local ok, code, detail = connect(self)
  if not ok then return nil, code, detail end
  return self
end

return M
