-- moonport.test.recording — what `moonport record` and `trace --record` wrote, read and checked:
-- the events of docs/events.md, a line each, behind a header — plays nothing.

local core = require "moonport.test.core"

local VERSION = 1 -- of the format that is read here

---@class moonport.test.Recorded one connection of a recording
---@field id integer
---@field peer string
---@field here string our end's address
---@field outgoing boolean the script made it
---@field sent { bytes: string, at: string? }[] what the script sent, and from which line
---@field bytes_in integer

---@class moonport.test.Step what came from outside, in its order
---@field kind "accept"|"data"|"eof"|"reset"|"datagram"
---@field time_ns integer
---@field conn moonport.test.Recorded?
---@field bytes string?
---@field peer string? of a datagram
---@field joins boolean? nothing came or went between the data before and this

---@class moonport.test.Recording
---@field path string
---@field time number? seconds since 1970, when it begins
---@field began_ns integer? the same by the clock of its events
---@field steps moonport.test.Step[]
---@field conns moonport.test.Recorded[] in the order of their beginning
---@field listens string[] where the script listened
---@field datagrams table<string, string[]> what the script sent to each peer
---@field skipped integer[] ids of connections whose beginning is not in it
---@field ended_ns integer
local Recording = {}
Recording.__index = Recording

---@class moonport.test.recording.Fault what is wrong, raised and caught in here

local function fault(self, format, ...)
  error({ fault = ("%s:%d: %s"):format(self.path, self.line, format:format(...)) })
end

---@return string text "1 byte", "5 bytes"
local function counted(count, noun) return count .. " " .. noun .. (count == 1 and "" or "s") end

local NO_RECORDING = "this is no recording of moonport, which begins with a line like " ..
  '{"moonport_recording":%d}; make one with: moonport record FILE'

local function read_header(self, line)
  local header = line and core.read_event(line)
  local format = header and header.moonport_recording
  if math.type(format) ~= "integer" or format < 1 then fault(self, NO_RECORDING, VERSION) end
  if format > VERSION then
    fault(self, "a recording in format %d, of moonport %s; this moonport reads formats up to " ..
      "%d: replay it with a newer one", format, tostring(header.version), VERSION)
  end
  self.began_ns = math.tointeger(header.time_ns)
  self.time = type(header.unix_ns) == "number" and header.unix_ns / 1e9 or nil
end

-- --- Events --------------------------------------------------------------------------------

-- The types of what is used here. A file may have been changed by hand, or be none of ours.
local TYPES = {
  event = "string", script = "string", time_ns = "integer", size = "integer",
  peer = "string", ["local"] = "string", address = "string", by = "string", error = "string",
  file = "string", line = "integer", bytes_in = "integer", count = "integer",
}

-- 17, or "2.17" of a server of several workers; nil: neither.
local function number_of(id)
  return math.type(id) == "integer" and id or
    type(id) == "string" and math.tointeger(tonumber(id:match("^%d+%.(%d+)$")))
end

local function check_types(self, event)
  if event.conn ~= nil and not number_of(event.conn) then
    fault(self, "the field %q is no connection: was the recording changed?", "conn")
  end
  for field, kind in pairs(TYPES) do
    local value = event[field]
    if value ~= nil and type(value) ~= kind and math.type(value) ~= kind then
      fault(self, "the field %q is of the type %s, not %s: was the recording changed?", field,
        math.type(value) or type(value), kind)
    end
  end
end

local function need(self, event, field)
  if event[field] ~= nil then return event[field] end
  fault(self, "the event %q has no field %q", event.event, field)
end

-- All the bytes of an event that has bytes.
local function bytes_of(self, event)
  local size = need(self, event, "size")
  if type(event.bytes) == "string" and #event.bytes == size then return event.bytes end
  fault(self, "the event %q does not have all of its %s: record with moonport trace --record",
    event.event, counted(size, "byte"))
end

-- The connection that an event is about; nil when its beginning is not in the recording.
local function conn_of(self, event)
  local id = need(self, event, "conn")
  local conn = self.by_id[id]
  if conn == nil then
    fault(self, "connection #%s was not accepted in this recording: it was made with a filter", id)
  end
  return conn or nil
end

-- The same, for what comes from its peer: after FIN nothing but RST, and nothing after that.
local function peer_of(self, event)
  local conn = conn_of(self, event)
  if conn and conn.over and event.event ~= "reset" then
    fault(self, "connection #%s has a %q after its %s: was the recording changed?", conn.name,
      event.event, conn.over)
  end
  return conn
end

local function begin(self, event, outgoing)
  local id = need(self, event, "conn")
  if self.by_id[id] ~= nil then fault(self, "connection #%s begins a second time", id) end
  local conn = { id = number_of(id), name = id, peer = need(self, event, "peer"),
    here = need(self, event, "local"), outgoing = outgoing, sent = {}, bytes_in = 0 }
  self.by_id[id] = conn
  table.insert(self.conns, conn)
  return conn
end

local function add_step(self, event, step)
  step.time_ns = need(self, event, "time_ns")
  table.insert(self.steps, step)
end

local function is_numeric(host) return host:find(":", 1, true) or host:find("^[%d.]+$") end

local function check_address(self, text)
  local kind, host = core.address(text)
  if not kind then fault(self, "%s", host) end
  if kind ~= "unix" and not is_numeric(host) then
    fault(self, "the peer %q is a name, not an address: was the recording changed?", text)
  end
end

local events = {}

function events.listen(self, event)
  table.insert(self.listens, need(self, event, "address"))
end

function events.open(self, event)
  local id = need(self, event, "conn")
  self.by_id[id] = false
  table.insert(self.skipped, id)
end

function events.accept(self, event)
  local conn = begin(self, event, false)
  if conn.peer ~= "unix:" then check_address(self, conn.peer) end
  add_step(self, event, { kind = "accept", conn = conn })
end

function events.connect(self, event)
  begin(self, event, true)
  check_address(self, event.peer)
end

function events.data(self, event)
  local conn = peer_of(self, event)
  if not conn then return end
  local bytes = bytes_of(self, event)
  local before = self.steps[#self.steps]
  local joins = before and before.kind == "data" and before.conn == conn and not conn.answered
  conn.bytes_in, conn.answered = conn.bytes_in + #bytes, nil
  add_step(self, event, { kind = "data", conn = conn, bytes = bytes, joins = joins })
end

function events.eof(self, event)
  local conn = peer_of(self, event)
  if not conn then return end
  conn.over = "FIN"
  add_step(self, event, { kind = "eof", conn = conn })
end

function events.reset(self, event)
  local conn = event.by ~= "us" and peer_of(self, event)
  if not conn or conn.over == "RST" then return end
  conn.over = "RST"
  add_step(self, event, { kind = "reset", conn = conn })
end

function events.send(self, event)
  local conn = conn_of(self, event)
  if not conn then return end
  conn.answered = true
  local at = event.line and ("%s:%d"):format(event.file, event.line)
  table.insert(conn.sent, { bytes = bytes_of(self, event), at = at })
end

function events.close(self, event)
  local conn = conn_of(self, event)
  if conn and event.bytes_in and event.bytes_in ~= conn.bytes_in then
    fault(self, "connection #%s received %s, of which this recording has %d: it was made " ..
      "with a filter", conn.name, counted(event.bytes_in, "byte"), conn.bytes_in)
  end
end

function events.datagram(self, event)
  local peer = need(self, event, "peer")
  check_address(self, peer)
  self.datagrams[peer] = self.datagrams[peer] or {}
  add_step(self, event, { kind = "datagram", peer = peer, bytes = bytes_of(self, event) })
end

function events.sendto(self, event)
  local peer = event.peer
  if not peer or event.error then return end
  check_address(self, peer)
  self.datagrams[peer] = self.datagrams[peer] or {}
  table.insert(self.datagrams[peer], bytes_of(self, event))
end

function events.dropped(self, event)
  local count = need(self, event, "count")
  fault(self, "%s missing here, for the server did not wait for the recorder: record again, " ..
    "with a filter or on a faster disk", count == 1 and "1 event is" or count .. " events are")
end

-- --- Reading -------------------------------------------------------------------------------

local function read_line(self, line, script)
  local event, why = core.read_event(line)
  if not event then
    fault(self, "no line of a recording (%s): was it changed, or cut in the middle?", why)
  end
  check_types(self, event)
  if event.script and event.script ~= script then return end
  self.ended_ns = event.time_ns or self.ended_ns
  local read = events[event.event]
  if read then read(self, event) end
end

-- The script that is meant: the one of this name, or the only one.
local function choose_script(self, lines, wanted)
  local seen, list = {}, {}
  for index = 2, #lines do
    local event = core.read_event(lines[index])
    local name = event and type(event.script) == "string" and event.script
    if name == wanted then return wanted end
    if name and not seen[name] then
      seen[name] = true
      list[#list + 1] = name
    end
  end
  if #list > 1 then
    self.line = 1
    fault(self, "the recording is of several scripts (%s), and %s is none of them: give the " ..
      "script that was recorded its name", table.concat(list, ", "), wanted)
  end
  return list[1]
end

-- The whole lines, and what follows the last of them. A pattern that looks for a newline tries anew
-- from each byte of a line that has none.
local function split(text)
  local lines, at = {}, 1
  while true do
    local newline = text:find("\n", at, true)
    if not newline then return lines, text:sub(at) end
    lines[#lines + 1] = text:sub(at, newline - 1)
    at = newline + 1
  end
end

local function read(self, text, wanted)
  local lines, rest = split(text)
  self.line = 1
  read_header(self, lines[1] or text)
  local script = choose_script(self, lines, wanted)
  for index = 2, #lines do
    self.line = index
    read_line(self, lines[index], script)
  end
  if rest ~= "" then
    self.line = #lines + 1
    fault(self, "the last line is cut in the middle: the recording did not come to its end; " ..
      "remove this line to replay what is before it")
  end
  self.line = 1
  if #self.steps == 0 then
    fault(self, "nothing came from outside while this was recorded: there is nothing to replay")
  end
end

local M = { counted = counted }

---Reads a recording.
---@param script string the file name of the script that it is for
---@return string? fault with file and line
function M.read(path, script)
  local file, why = io.open(path, "rb")
  if not file then return nil, why end
  local text = file:read("a")
  file:close()
  if not text then return nil, path .. " cannot be read: is it a directory?" end
  local self = setmetatable({ path = path, steps = {}, conns = {}, by_id = {}, listens = {},
    datagrams = {}, skipped = {} }, Recording)
  local ok, failure = pcall(read, self, text, script)
  if ok then return self end
  if type(failure) ~= "table" then error(failure, 0) end
  return nil, failure.fault
end

return M
