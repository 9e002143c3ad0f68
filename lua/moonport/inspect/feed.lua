-- moonport.inspect.feed — the events of a running server, for as long as somebody looks: one stream
-- for all — shows nothing.

local called = require "moonport.show.server"
local control = require "moonport.control"
local task = require "moonport.task"
local timer = require "moonport.timer"

local EVENT_BYTES = 1024          -- of each event's bytes
local PIECE_BYTES = 65536
local LINE_BYTES_MAX = 1024 * 1024
local AGAIN_S = 0.5               -- between two tries to reach the server

---@class moonport.inspect.Feed
---@field server table? { pid, version, control }; nil: it is not there
---@field why string? why it is not
---@field private wanted boolean
---@field private client moonport.ControlClient?
local Feed = {}
Feed.__index = Feed

-- The event's lines of a piece go into the ring; what is left is no whole line yet.
local function take(self, rest, piece)
  local text = rest .. piece
  local from = 1
  while true do
    local stop = text:find("\n", from, true)
    if not stop then break end
    self.ring:push(text:sub(from, stop - 1))
    from = stop + 1
  end
  rest = text:sub(from)
  return #rest <= LINE_BYTES_MAX and rest or ""
end

local function set_server(self, server, why)
  local was = self.server
  self.server, self.why = server, why
  if was == server and not why then return end
  self.on_change(server, why)
end

-- One connection to the server, from its begin to its end. Why there is none.
local function follow(self)
  local client, fault = control.connect(self.path)
  if not client then return fault end
  self.client = client
  local next_event
  next_event, fault = client:stream({ "events", "bytes=" .. EVENT_BYTES })
  if not next_event then return fault end
  self.clock_ns = math.tointeger(client.answer.time_ns) - timer.now() * 1e9
  set_server(self, { pid = client.pid, version = client.answer.version, control = client.path })
  local rest = ""
  for piece in function() return (client.conn:recv(PIECE_BYTES)) end do
    rest = take(self, rest, piece)
  end
  return called(client.pid) .. " has ended"
end

local function run(self)
  while self.wanted do
    local why = follow(self)
    if self.client then self.client:close() end
    self.client = nil
    if not self.wanted then break end
    if self.server or self.why ~= why then set_server(self, nil, why) end
    timer.sleep(AGAIN_S)
  end
  self.server, self.why = nil, nil
end

-- Begins to look, or ends that.
function Feed:want(wanted)
  if wanted == self.wanted then return end
  self.wanted = wanted
  if not wanted then
    if self.client then self.client:close() end
  elseif not self.running then
    self.running = true
    task.spawn(function()
      while self.wanted do run(self) end
      self.running = false
    end)
  end
end

-- The server's clock, of which the events' time_ns is.
function Feed:now_ns()
  return math.floor((self.clock_ns or 0) + timer.now() * 1e9)
end

---@param ring moonport.inspect.Ring
---@param path string? of the control socket
---@param on_change fun(server: table?, why: string?)
local function new(ring, path, on_change)
  return setmetatable({ ring = ring, path = path, on_change = on_change, wanted = false }, Feed)
end

return { new = new }
