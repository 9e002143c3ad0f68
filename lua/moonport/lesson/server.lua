-- moonport.lesson.server — a learner's script that is served, with its events: `moonport serve` as
-- a process, watched over its control socket — knows no check.

local bounded = require "moonport.bounded"
local control = require "moonport.control"
local core = require "moonport.control.core"
local learner = require "moonport.lesson.learner"
local task = require "moonport.task"
local timer = require "moonport.timer"

local START_S = 10 -- with sanitizers, on a machine that is busy
local ASK_S = 2
local RETRY_S = 0.02

---@class moonport.lesson.Server
---@field learner moonport.lesson.Learner
---@field address string the first that it listens at: "127.0.0.1:40123"
---@field addresses string[] all of them, with their schemes: "tcp://127.0.0.1:40123"
---@field events table[] what moonport trace would show, as docs/events.md has it; all bytes too
---@field private control_path string
local Server = {}
Server.__index = Server

local M = { start_s = START_S }

-- An abstract name leaves no file behind, also of a server that is killed; not every system has
-- them. The count tells those of one process apart.
local count = 0
local function control_path(pid)
  local place = core.address("@name") and "@" or (os.getenv("TMPDIR") or "/tmp") .. "/"
  count = count + 1
  return ("%smoonport-lesson-%d-%d-%d"):format(place, pid, count, math.random(1 << 30))
end

-- A client, as soon as somebody answers; nil when the script has ended, or takes too long.
local function connect(self, ends)
  while not self.learner.code and timer.now() < ends do
    local client = control.connect(self.control_path, { timeout = START_S })
    if client then return client end
    timer.sleep(RETRY_S)
  end
end

local function follow(self, client, next_event)
  for event in next_event do
    self.events[#self.events + 1] = event
    self.learner:notify()
  end
  client:close()
end

local function addresses_of(answer)
  local listeners = answer and answer.lines[1] and answer.lines[1].listeners or {}
  local addresses = {}
  for index, address in ipairs(listeners) do addresses[index] = address end
  return addresses
end

---Starts it and waits until it listens.
---@param path string
---@param options { listen: string|false|nil, events: string?, args: string[]?, env: table? }
---@return moonport.lesson.Server? server with which the learner's process is to be stopped
---@return string? hint of moonport.lesson.words why it is none that can be judged
---@return moonport.lesson.Learner
function M.start(path, options)
  local self = setmetatable({ events = {} }, Server)
  self.control_path = control_path(math.random(1 << 20))
  local words = { "serve", bounded.with_parent, "--control", self.control_path, "--no-watch",
    "--drain", "1", "--log-format", "text", "--allow", learner.allow }
  if options.listen ~= false then
    table.move({ "--listen", options.listen or "127.0.0.1:0" }, 1, 2, #words + 1, words)
  end
  table.move(options.args or {}, 1, #(options.args or {}), #words + 1, words)
  table.move({ "--", path }, 1, 2, #words + 1, words)
  self.learner = learner.start(words, { env = options.env })
  local client = connect(self, timer.now() + START_S)
  if not client then return nil, self.learner.code and "ended" or "not_ready", self.learner end
  self.addresses = addresses_of(client:ask("status"))
  if #self.addresses == 0 then return nil, "not_served", self.learner end
  self.address = self.addresses[1]:match("^%a+://(.*)$") or self.addresses[1]
  local next_event = client:stream(options.events and "events event=" .. options.events or
    "events bytes=all")
  if not next_event then return nil, "not_ready", self.learner end
  task.spawn(follow, self, client, next_event)
  return self, nil, self.learner
end

-- Whether an event has all the fields of `wanted`; "*" stands for anything.
local function matches(event, wanted)
  for name, value in pairs(wanted) do
    if event[name] ~= value and not (value == "*" and event[name] ~= nil) then return false end
  end
  return true
end

---The events that have these fields, so far: { event = "data", conn = 1 }.
---@return table[]
function Server:find(wanted)
  local found = {}
  for _, event in ipairs(self.events) do
    if matches(event, wanted) then found[#found + 1] = event end
  end
  return found
end

---Waits until `look()`, which is asked after every event, gives something.
---@return any found nil: the time was over first, or the script has ended
function Server:wait_until(look, seconds) return self.learner:wait_for(look, seconds) end

---Waits for the first event that has these fields.
---@param seconds number? 5
---@return table? event
function Server:wait_event(wanted, seconds)
  return self:wait_until(function() return self:find(wanted)[1] end, seconds or 5)
end

---The number of the connection that a peer has here: `conn.id`, as in events. Nil: it was not
---accepted in time.
function Server:conn_of(peer)
  local event = self:wait_event({ event = "accept", peer = peer.address })
  return event and event.conn
end

---How many bytes of a peer the script's side has read so far.
function Server:bytes_read(peer)
  local conn, sum = self:conn_of(peer), 0
  for _, event in ipairs(self:find { event = "data", conn = conn }) do sum = sum + event.size end
  return sum
end

---Sends pieces of which each is read by itself: the next one leaves when the one before was read.
---So this is how a network may cut them, and no accident of time.
---@param pieces string[]
function Server:send_apart(peer, pieces)
  local sum = self:bytes_read(peer)
  for _, piece in ipairs(pieces) do
    peer:send(piece)
    sum = sum + #piece
    self:wait_until(function() return self:bytes_read(peer) >= sum end, 1)
  end
end

---How many bytes are queued for a peer: sent by the script, and not yet taken by the kernel.
---@return integer? bytes nil: the connection has closed, or nobody answers
function Server:queue_bytes(peer)
  local answer = self:ask { "conns", ("id=%d"):format(self:conn_of(peer) or 0) }
  return answer and answer.lines[1] and answer.lines[1].queue_bytes
end

---Asks it over the control socket, as the console does.
---@param command string|string[] "conns", { "pause", 1 }
---@return table? answer as of moonport.control; nil: it does not answer in time
function Server:ask(command)
  local client = control.connect(self.control_path, { timeout = ASK_S })
  if not client then return nil end
  local answer = client:ask(command)
  client:close()
  return answer
end

return M
