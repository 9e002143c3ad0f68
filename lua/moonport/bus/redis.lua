-- moonport.bus.redis — a session of the bus with a Redis, or a Valkey — does not know when to have
-- one.
--
-- Redis gives a publisher what it published itself, too, if it subscribed to that, and nothing
-- marks it; but all that one connection says is carried out in order. With RESP 3 commands and
-- messages share the connection, so what it owes us of our own is known when we send: as often as
-- we have subscribed to something that means the topic. Whatever comes is compared with the oldest
-- that is owed; if it is the same, that one was told here already. Of two messages that are equal
-- it does not matter which.

local resp = require "moonport.redis.resp"

local WINDOW_BYTES = 256 * 1024 -- sent and not answered: what Redis does not take can still be kept
local MESSAGE_BYTES_MAX = 60 * 1024 -- as BUS_DATA_BYTES_MAX
local LINE_BYTES_MAX = 1024
local WORDS_MAX = 4 -- "pmessage", glob, channel, message
local MORE_THAN = "a message of more than 60 KiB came from elsewhere, and was dropped"

local log = require "moonport.log"

-- "a.*" and "a.>" are both "a.*" to Redis, whose stars know no dots: it sends too much, and the bus
-- looks again. Nil: the pattern is a topic.
local function glob_of(pattern)
  if not pattern:find("[*>]") then return nil end
  return (pattern:gsub("[%[?\\]", "\\%0"):gsub(">", "*"))
end

-- What that means, as a pattern of Lua.
local function match_of(pattern)
  return "^" .. pattern:gsub("%W", "%%%0"):gsub("%%[*>]", ".*") .. "$"
end

-- What Redis has been told to send, and owes.
---@class moonport.bus.redis.Key
---@field name string a channel, or a glob
---@field match string? of a glob: a pattern of Lua
---@field patterns table<string, true> of the bus, for which it is
---@field is_active boolean? Redis is asked to send it; else that has ended, and its last may come
---@field owed table<integer, table> from `first` to `last`: our own
---@field first integer
---@field last integer

---@class moonport.bus.redis.Session: moonport.bus.Session
local Session = {}
Session.__index = Session

-- What is sent next is answered, in this order: `what` is a message, with the keys that owe it; a
-- key that is to be; the one that is to go, as { left = key }; or of a PING { reached = function }.
local function expect(self, what, size)
  self.last = self.last + 1
  self.asked[self.last] = { what = what, size = size }
  self.window = self.window + size
end

local function add(self, words, what)
  expect(self, what, resp.add(self.pieces, words))
end

function Session:follow(pattern, is_wanted)
  local glob = glob_of(pattern)
  local keys = glob and self.globs or self.channels
  local name = glob or pattern
  local key = keys[name]
  if is_wanted then
    if not key then
      key = { name = name, match = glob and match_of(pattern), patterns = {}, owed = {}, first = 1,
        last = 0 }
      keys[name] = key
    end
    key.patterns[pattern] = true
    if key.is_active then return end
    key.is_active = true
    add(self, { glob and "PSUBSCRIBE" or "SUBSCRIBE", name }, key)
  elseif key then
    key.patterns[pattern] = nil
    if next(key.patterns) then return end
    key.is_active = false
    add(self, { glob and "PUNSUBSCRIBE" or "UNSUBSCRIBE", name }, { left = key })
  end
end

local function owe(key, message)
  key.last = key.last + 1
  key.owed[key.last] = message
  message[#message + 1] = key
end

function Session:publish(topic, data)
  local message = { topic = topic, data = data }
  local channel = self.channels[topic]
  if channel and channel.is_active then owe(channel, message) end
  for _, glob in pairs(self.globs) do
    if glob.is_active and topic:find(glob.match) then owe(glob, message) end
  end
  add(self, { "PUBLISH", topic, data }, message)
end

function Session:flush()
  if not self.pieces[1] then return end
  self.conn:send(self.pieces)
  self.pieces = {}
end

function Session:is_full() return self.window >= WINDOW_BYTES end

function Session:mark(f) add(self, { "PING" }, { reached = f }) end

function Session:is_owed() return self.first <= self.last end

-- Redis refused it: nothing of it comes.
local function forgive(key, message)
  for index = key.first, key.last do
    if key.owed[index] == message then
      table.move(key.owed, index + 1, key.last + 1, index)
      key.last = key.last - 1
      return
    end
  end
end

local function forget(self, key)
  local keys = key.match and self.globs or self.channels
  if not key.is_active and keys[key.name] == key then keys[key.name] = nil end
end

-- Redis refused what we asked for.
local function refused(self, what, why)
  if what.topic then
    for _, key in ipairs(what) do forgive(key, what) end
    self.core.dropped(1)
  elseif what.name then
    what.is_active, what.last = false, what.first - 1 -- and it owes nothing
    forget(self, what)
  end
  local kind = (what.topic and "publish " or "subscribe ") .. why
  if self.refusals[kind] then return end -- the first of them is enough to find the rule
  self.refusals[kind] = true
  log.warn("%s refuses %s: %s", self.name, what.topic or what.name or "a command", why)
end

-- An answer has come.
local function answered(self, why)
  local asked = self.asked[self.first]
  if not asked then return end
  self.asked[self.first] = nil
  self.first = self.first + 1
  local was_full = self:is_full()
  self.window = self.window - asked.size
  if was_full and not self:is_full() then self.core.nudge() end
  local what = asked.what
  if what.left then forget(self, what.left) end
  if what.reached then what.reached() end
  if why then refused(self, what, why) end
end

-- A message, by what Redis was asked for.
local function message_came(self, key, topic, data)
  if not key then return end
  local own = key.first <= key.last and key.owed[key.first]
  if own and own.topic == topic and own.data == data then
    key.owed[key.first] = nil
    key.first = key.first + 1
    return
  end
  for pattern in pairs(key.patterns) do self.core.deliver(pattern, topic, data) end
end

local function skip(conn, size)
  while size > 0 do
    local bytes, code = conn:recv(size)
    if not bytes then return nil, code end
    size = size - #bytes
  end
  return false
end

-- A string; false: it is too long, and was left out. Nil, code, detail.
local function read_string(conn)
  local line, code = conn:recv_until("\r\n", LINE_BYTES_MAX)
  if not line then return nil, code end
  local size = line:sub(1, 1) == "$" and math.tointeger(tonumber(line:sub(2)))
  if not size and line:sub(1, 1) == ":" then return line:sub(2) end
  if line == "_" then return "" end
  if not size or size < 0 then return nil, "malformed", ("%q is no string"):format(line) end
  if size > MESSAGE_BYTES_MAX then return skip(conn, size + 2) end
  local bytes
  bytes, code = conn:recv_exactly(size + 2)
  return bytes and bytes:sub(1, -3), code
end

-- What Redis sends by itself: a message, or that we have subscribed.
local function read_push(self, count)
  if not count or count < 1 or count > WORDS_MAX then
    return nil, "malformed", "Redis sent something of how many words nobody knows"
  end
  local words = {}
  for index = 1, count do
    local word, code, detail = read_string(self.conn)
    if word == nil then return nil, code, detail end
    words[index] = word
  end
  local kind, data = words[1], words[#words]
  if kind ~= "message" and kind ~= "pmessage" then
    answered(self)
  elseif data and words[#words - 1] then
    local keys = kind == "message" and self.channels or self.globs
    message_came(self, keys[words[2]], words[#words - 1], data)
  else
    self.core.dropped(1)
    if self.told ~= MORE_THAN then log.warn("%s: %s", self.name, MORE_THAN) end
    self.told = MORE_THAN
  end
  return true
end

function Session:read()
  local line, code = self.conn:recv_until("\r\n", LINE_BYTES_MAX)
  if not line then return nil, code end
  self.heard = true
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == ">" then return read_push(self, math.tointeger(tonumber(rest))) end
  if kind ~= ":" and kind ~= "+" and kind ~= "-" then
    return nil, "malformed", ("%q is no answer of Redis"):format(line:sub(1, 40))
  end
  answered(self, kind == "-" and rest)
  return true
end

local M = { starts_with_tls = true }

-- Asks, and waits for the answer. Nil, code, detail.
local function ask(conn, words)
  local pieces = {}
  resp.add(pieces, words)
  conn:send(pieces)
  local answer, code, detail = resp.read(conn, 65536)
  if type(answer) == "table" and answer.err then return nil, "error", answer.err end
  return answer, code, detail
end

function M.greet(conn, address)
  local hello = { "HELLO", "3", "SETNAME", "moonport" }
  if address.password then
    table.move({ "AUTH", address.user or "default", address.password }, 1, 3, #hello + 1, hello)
  end
  local answer, code, detail = ask(conn, hello)
  if answer == nil and code == "error" and detail:find("unknown command", 1, true) then
    detail = "it is older than Redis 6, and does not know RESP 3"
  end
  if answer ~= nil and address.database then
    answer, code, detail = ask(conn, { "SELECT", address.database })
  end
  return answer ~= nil, code, detail
end

function M.session(conn, core, name)
  return setmetatable({ conn = conn, core = core, name = name, channels = {}, globs = {},
    pieces = {}, asked = {}, first = 1, last = 0, window = 0, heard = true,
    refusals = {} }, Session)
end

return M
