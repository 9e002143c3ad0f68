-- moonport.redis — commands for a Redis, over one connection that all coroutines share — does not
-- know what the commands mean.
--
-- A command is queued, and goes out at once as long as not much is under way; answers come in the
-- order of the commands. While any is awaited a task, the driver, connects, sends and reads. When
-- the connection is lost, all that was sent on it fails, for nobody knows what Redis did with it;
-- what was not sent goes out on the next one. What each call takes and returns is told in
-- lua/meta/redis.lua.

local calls = require "moonport.calls"
local core = require "moonport.socket.core"
local dial = require "moonport.socket.dial"
local resp = require "moonport.redis.resp"
local socket_tls = require "moonport.socket.tls"
local subscription = require "moonport.redis.subscription"
local task = require "moonport.task"

-- What is sent and not answered. Redis stops to read where its answers are not read, and what it
-- does not read is to wait here, where it can still be taken back.
local WINDOW_BYTES = 256 * 1024

---@class moonport.Redis
---@field package address string
---@field package tls table?
---@field package context any of tls://, once a connection was asked for
---@field package hello table<integer, string[]> the commands that each connection begins with
---@field package timeout number seconds; 0: no limit
---@field package max_answer integer bytes
---@field package waiting_max integer
---@field package conn moonport.Conn? once it is ready for commands
---@field package driver moonport.Task? while any is queued
---@field package queue table<integer, moonport.redis.Entry> from `first` to `last`
---@field package first integer the next one to be answered
---@field package unsent integer the next one to be sent
---@field package last integer
---@field package window integer bytes of what is sent and not answered
---@field package is_sending boolean?
---@field package answered integer commands, so far
---@field package closed boolean
local Client = {}
Client.__index = Client
Client.__name = "moonport.redis"

-- What one call waits for: one command, or several in a row.
---@class moonport.redis.Entry
---@field pieces string[]? until they are sent
---@field size integer bytes
---@field count integer? of the answers that make a list; nil: one, as it is
---@field gate moonport.Gate open once there is a result
---@field answer any
---@field code string?
---@field detail string?
---@field gone boolean? nobody waits any more
---@field is_void boolean? it was so before it was its turn: nothing was sent
local Entry = {}
Entry.__index = Entry

function Entry:__close() self.gone = true end

local function settle(entry, answer, code, detail)
  entry.answer, entry.code, entry.detail = answer, code, detail
  entry.gate:open()
end

-- Takes the first one out of the queue.
local function take(client)
  local entry = client.queue[client.first]
  client.queue[client.first] = nil
  client.first = client.first + 1
  client.unsent = math.max(client.unsent, client.first)
  return entry
end

local lose

-- Sends what there is room for. Where memory runs out meanwhile, Redis has a part of a command.
local function pump(client)
  if client.is_sending then return lose(client, "closed") end
  while client.unsent <= client.last and client.window < WINDOW_BYTES do
    local entry = client.queue[client.unsent]
    client.unsent = client.unsent + 1
    entry.is_void = entry.gone
    if not entry.gone then
      client.is_sending = true
      client.conn:send(entry.pieces)
      client.is_sending = false
      client.window = client.window + entry.size
    end
    entry.pieces = nil
  end
end

-- The connection is of no use any more. What was sent on it fails: the first with the reason.
function lose(client, code, detail)
  if client.conn then client.conn:reset() end
  client.conn, client.window, client.is_sending = nil, 0, false
  local ended = code == "eof" or code == "reset" or code == "truncated" or code == "closed"
  local lost = ("the connection to %s was lost (%s)"):format(client.address, code)
  if ended then code, detail = "closed", lost end
  while client.first < client.unsent do
    settle(take(client), nil, code, detail)
    code, detail = "closed", lost
  end
end

-- Reads what an entry waits for: the answer, or all of them as a list. Nil, code, detail.
local function read_answers(client, conn, count)
  local list = {}
  for index = 1, count or 1 do
    local answer, code, detail = resp.read(conn, client.max_answer)
    if answer == nil then return nil, code, detail end
    client.answered = client.answered + 1
    list[index] = answer
  end
  return count and list or list[1]
end

-- Reads for the first one. Meanwhile its connection may be lost, and the entry be settled.
local function answer_first(client)
  local conn, entry = client.conn, client.queue[client.first]
  local answer, code, detail = read_answers(client, conn, entry.count)
  if client.conn ~= conn then return end
  if answer == nil then return lose(client, code, detail) end
  client.window = client.window - entry.size
  settle(take(client), answer)
end

-- A connection that has been told who we are. Nil, code, detail.
local function open(client)
  local conn, code, detail = dial(client, client.timeout)
  if not conn then return nil, code, detail end
  conn:settimeout(client.timeout)
  for _, words in ipairs(client.hello) do
    local pieces = {}
    resp.add(pieces, words)
    conn:send(pieces)
    local answer
    answer, code, detail = resp.read(conn, client.max_answer)
    if type(answer) == "table" then code, detail = "error", answer.err end
    if answer == nil or code then
      conn:reset()
      return nil, code, detail or ("%s, asked for %s"):format(client.address, words[1])
    end
  end
  conn:settimeout(nil)
  return conn
end

-- Connects, for all that wait. What they wait for was never sent.
local function connect(client)
  local conn, code, detail = open(client)
  if client.closed then
    if conn then conn:close() end
    conn, code, detail = nil, "closed", nil
  end
  client.conn, client.window = conn, 0
  while not conn and client.first <= client.last do settle(take(client), nil, code, detail) end
end

---@class moonport.redis.Driver
local Driver = {}
function Driver:__close()
  local client = self.client
  client.driver = nil
  if client.first < client.unsent then lose(client, "closed") end
  while client.first <= client.last do settle(take(client), nil, "closed") end
end

local function drive(client)
  local _ <close> = setmetatable({ client = client }, Driver)
  while client.first <= client.last do
    if not client.conn then connect(client) end
    if client.conn then pump(client) end
    while client.queue[client.first] and client.queue[client.first].is_void do take(client) end
    if client.first < client.unsent then answer_first(client) end
  end
end

-- Time is up. If Redis has said nothing all the while, the connection is as good as lost.
local function give_up(client, entry, answered)
  if not entry.pieces and client.conn and client.answered == answered then
    lose(client, "timeout")
  end
  return nil, "timeout", ("%s, after %g seconds"):format(client.address, client.timeout)
end

-- Sends the pieces when it is their turn and waits for what comes. Nil, code, detail.
local function ask(client, pieces, size, count)
  if client.closed then return nil, "closed" end
  if client.last - client.first + 1 >= client.waiting_max then
    return nil, "limit", ("%d callers wait for %s already"):format(client.waiting_max,
      client.address)
  end
  local entry <close> = setmetatable({ pieces = pieces, size = size, count = count,
    gate = task.gate() }, Entry)
  client.last = client.last + 1
  client.queue[client.last] = entry
  if not client.driver then
    if client.conn and not core.is_quiet(client.conn) then lose(client, "closed") end
    client.driver = task.spawn(drive, client)
  end
  if client.conn then pump(client) end
  local answered = client.answered
  entry.gate:wait(client.timeout)
  if entry.answer ~= nil then return entry.answer end
  if not entry.code then return give_up(client, entry, answered) end
  return nil, entry.code, entry.detail
end

-- What would make the connection another one for all that share it, and what to write instead.
local INSTEAD = {
  SUBSCRIBE = "write client:subscribe(…)", PSUBSCRIBE = "write client:psubscribe(…)",
  MULTI = "write client:transaction(list)", EXEC = "write client:transaction(list)",
  DISCARD = "write client:transaction(list)",
  WATCH = "let Redis decide in a script, with EVAL",
  AUTH = "give redis.new a password", SELECT = "give redis.new a database",
  QUIT = "write client:close()", HELLO = "it speaks RESP 2",
}
for _, name in ipairs { "MONITOR", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE",
  "RESET", "SYNC", "PSYNC", "UNWATCH" } do
  INSTEAD[name] = "a client cannot"
end

-- Raises where the words are no command.
local function check_words(words, call)
  if #words == 0 then calls.refuse(call .. " needs a command, such as \"GET\", \"key\"") end
  for index, word in ipairs(words) do
    if type(word) ~= "string" and type(word) ~= "number" then
      calls.refuse(("%s: word %d of a command is a %s; strings and numbers can be sent"):format(
        call, index, type(word)))
    end
  end
  local name = tostring(words[1]):upper()
  if INSTEAD[name] then
    calls.refuse(("%s: %s is not for a connection that is shared; %s"):format(call, name,
      INSTEAD[name]))
  end
end

local function answer_of(answer, ...)
  if type(answer) == "table" and answer.err then return nil, "error", answer.err end
  return answer, ...
end

function Client:call(...)
  local words, pieces = { ... }, {}
  if select("#", ...) ~= #words then calls.refuse("client:call: a word of the command is nil") end
  check_words(words, "client:call")
  return answer_of(ask(self, pieces, resp.add(pieces, words)))
end

-- Adds a list of commands, and checks them all before.
local function add_list(pieces, list, call)
  calls.check(list, 1, call, "table")
  local size = 0
  for index, words in ipairs(list) do
    if type(words) ~= "table" then
      calls.refuse(("client:%s takes a list of lists, such as { { \"GET\", \"key\" } }; " ..
        "number %d is a %s"):format(call, index, type(words)))
    end
    check_words(words, "client:" .. call)
    size = size + resp.add(pieces, words)
  end
  return size
end

function Client:pipeline(list)
  local pieces = {}
  local size = add_list(pieces, list, "pipeline")
  if size == 0 then return {} end
  return ask(self, pieces, size, #list)
end

function Client:transaction(list)
  local pieces = {}
  local size = resp.add(pieces, { "MULTI" }) + add_list(pieces, list, "transaction")
  size = size + resp.add(pieces, { "EXEC" })
  local answers, code, detail = ask(self, pieces, size, #list + 2)
  if not answers then return nil, code, detail end
  for index = 1, #answers - 1 do -- why EXEC will be refused
    if type(answers[index]) == "table" then return answer_of(answers[index]) end
  end
  return answer_of(answers[#answers])
end

function Client:subscribe(...)
  if self.closed then return nil, "closed" end
  return subscription.new(self, open, "SUBSCRIBE", ...)
end

function Client:psubscribe(...)
  if self.closed then return nil, "closed" end
  return subscription.new(self, open, "PSUBSCRIBE", ...)
end

function Client:close()
  if self.closed then return true end
  self.closed = true
  while self.first <= self.last do settle(take(self), nil, "closed") end
  if self.conn then self.conn:close() end
  self.conn = nil
  return true
end
Client.__close = Client.close

local M = {}

local DEFAULTS = { timeout = 5, waiting = 10000, max_answer = 16 * 1024 * 1024 }
local OTHERS = { password = "string", username = "string", database = "integer", tls = "table" }
local KNOWN = "known: database, max_answer, password, timeout, tls, username, waiting"

local function refuse_option(name, wanted)
  calls.refuse(("option '%s' of redis.new must be %s"):format(name, wanted))
end

local function check_options(options)
  for name, value in pairs(options) do
    local wanted = OTHERS[name]
    if DEFAULTS[name] then
      local is_count = name ~= "timeout"
      local least = is_count and 1 or 0
      if type(value) ~= "number" or value < least or is_count and not math.tointeger(value) then
        refuse_option(name, is_count and "a whole number of 1 or more" or "seconds, 0 or more")
      end
    elseif not wanted then
      calls.refuse(("unknown option '%s' of redis.new (%s)"):format(tostring(name), KNOWN))
    elseif type(value) ~= wanted and math.type(value) ~= wanted then
      refuse_option(name, (wanted == "integer" and "an " or "a ") .. wanted)
    end
  end
  if options.username and not options.password then
    calls.refuse("option 'username' of redis.new needs a password beside it")
  end
end

-- The commands that a connection begins with.
local function hello_of(options)
  local hello = {}
  if options.password then
    hello[1] = options.username and { "AUTH", options.username, options.password }
      or { "AUTH", options.password }
  end
  if options.database then hello[#hello + 1] = { "SELECT", options.database } end
  return hello
end

function M.new(address, options)
  calls.check(address, 1, "new", "string")
  calls.check(options, 2, "new", "table", "nil")
  options = options or {}
  check_options(options)
  socket_tls.check(address, options.tls, "redis.new")
  return setmetatable({
    address = address,
    tls = options.tls,
    hello = hello_of(options),
    timeout = options.timeout or DEFAULTS.timeout,
    max_answer = options.max_answer or DEFAULTS.max_answer,
    waiting_max = options.waiting or DEFAULTS.waiting,
    queue = {},
    first = 1,
    unsent = 1,
    last = 0,
    window = 0,
    answered = 0,
    closed = false,
  }, Client)
end

function M.connect(address, options)
  local client = M.new(address, options)
  local answer, code, detail = client:call("PING")
  if answer then return client end
  client:close()
  return nil, code, detail
end

calls.by_colon(Client, "client")
calls.by_dot(M, "redis")
return M
