-- moonport.show.diagram — events as arrows between the peer, the kernel and the script — knows
-- neither terminal nor server.
--
-- An arrow is what the server did or saw, what the kernel said, or what follows from TCP's rules:
-- its `source` tells. What the kernel gives us had come before; what it takes from us it sends as
-- soon as TCP allows; and it shakes hands before anybody accepts.

local core = require "moonport.show.core"
local events = require "moonport.show.events"
local fields = require "moonport.show.fields"
local words = require "moonport.show.words"

local number, say, text = fields.number, words.say, fields.text

---@class moonport.show.Arrow
---@field dir "right"|"left"|nil towards the script, or towards the peer; nil: no arrow, only words
---@field label string
---@field source "observed"|"kernel"|"inferred"

---@class moonport.show.Row
---@field kind string of its event; "head": what follows has these `lanes`
---@field time_ns integer
---@field conn string "7", "2.7" of the second of several workers, or a peer of datagrams
---@field outer moonport.show.Arrow? between the first lane and the second
---@field inner moonport.show.Arrow? between the second and the third
---@field note string? beside them
---@field place string? the line of script behind it: "echo.lua:9"
---@field title string? of a head
---@field lanes string[]? of a head: names of three lanes, in the language
---@field pair { client: string, upstream: string }? the lanes are client, moonport and upstream

---@class moonport.show.Seen what is known of one connection
---@field waiting integer bytes that arrived and were not read, as far as was told
---@field has_tls boolean?
---@field has_ended boolean? its FIN or RST was seen to arrive
---@field to integer|string|nil which one it is forwarded to
---@field call string? what a handler of it waits in

---@class moonport.show.Diagram
---@field conn string? the connection; nil: the one that begins next
---@field is_over boolean? it has closed, and with it the one that it was forwarded to
---@field private several boolean?
---@field private lang string?
---@field private seen table<string, moonport.show.Seen>
---@field private pair { client: string, upstream: string }?
---@field private closed table<string, boolean>
---@field private has_head boolean?
---@field private script string?
---@field private asked table? the event of a connection of our own, whose handler is not known yet
---@field private peers table<string, string> of datagrams, by the script that handles the last one
local Diagram = {}
Diagram.__index = Diagram

local function arrow(dir, label, source) return { dir = dir, label = label, source = source } end

-- --- By the kind of event: rows of arrows ---------------------------------------------------

local draw = {}

-- Whoever asks sends SYN.
local function handshake(event, lang, towards, label)
  local back = towards == "right" and "left" or "right"
  local inner = arrow("right", say(lang, label, event), "observed")
  local peer = (core.shown(text(event, "peer"), 63))
  if peer:find("^unix:") then
    return { { outer = arrow(towards, "", "inferred"), inner = inner, note = peer } }
  end
  return { { outer = arrow(towards, "SYN", "inferred") },
    { outer = arrow(back, "SYN+ACK", "inferred") },
    { outer = arrow(towards, "ACK", "inferred"), inner = inner, note = peer } }
end

function draw:accept(event) return handshake(event, self.lang, "right", "arrow_accept") end

function draw:connect(event)
  return handshake(event, self.lang, "left", "arrow_connected")
end

function draw:handshake(event, seen)
  if event.error then return nil end
  seen.has_tls = true
  return { { outer = arrow(nil, say(self.lang, "arrow_handshake", event), "observed"),
    note = events.what(event, self.lang) } }
end

-- On the wire, TLS makes more of them.
local function count(bytes, lang, seen)
  local has_tls = seen and seen.has_tls
  return say(lang, has_tls and "arrow_in_tls" or "bytes", { size = bytes })
end

-- What came since it was looked at last, and what came behind it.
function draw:arrive(event, seen)
  local arrived, rows = number(event, "arrived"), {}
  seen.waiting = number(event, "waiting")
  if arrived > 0 then
    rows[1] = { outer = arrow("right", count(arrived, self.lang), "kernel") }
  end
  if event["end"] then
    seen.has_ended = true
    rows[#rows + 1] = { outer = arrow("right", (core.shown(text(event, "end"), 10)), "kernel") }
  end
  return rows
end

-- How many of these bytes were not seen to arrive. With TLS the kernel counts records, not bytes.
local function unseen_of(size, seen)
  local unseen = seen.has_tls and (seen.waiting > 0 and 0 or size) or size - seen.waiting
  seen.waiting = seen.has_tls and 0 or math.max(-unseen, 0)
  return unseen
end

function draw:data(event, seen)
  local size, to = number(event, "size"), text(event, "to")
  local unseen = unseen_of(size, seen)
  local inner = arrow("right", events.bytes(event, self.lang), "observed")
  if to == "nobody" then
    inner = arrow(nil, say(self.lang, "arrow_read_off", event), "observed")
  elseif to == "forward" then
    inner = arrow(nil, say(self.lang, "arrow_forwarded", { to = seen.to }), "observed")
  end
  local outer = unseen > 0 and arrow("right", count(unseen, self.lang, seen), "inferred") or nil
  return { { outer = outer, inner = inner } }
end

function draw:datagram(event)
  return { { outer = arrow("right", count(number(event, "size"), self.lang), "inferred"),
    inner = arrow("right", events.bytes(event, self.lang), "observed") } }
end

function draw:sendto(event)
  if event.error then return nil end
  return { { outer = arrow("left", count(number(event, "size"), self.lang), "inferred"),
    inner = arrow("left", events.bytes(event, self.lang), "observed") } }
end

function draw:flush(event, seen)
  local left = number(event, "left")
  return { { outer = arrow("left", count(number(event, "taken"), self.lang, seen), "inferred"),
    inner = arrow("left", say(self.lang, "arrow_write", event), "observed"),
    note = left > 0 and say(self.lang, "waits_for_room", event) or nil } }
end

function draw:eof(event, seen)
  return { { outer = not seen.has_ended and arrow("right", "FIN", "inferred") or nil,
    inner = arrow("right", say(self.lang, "arrow_eof", event), "observed") } }
end

function draw:shutdown(event)
  local by_close = event.source == "inferred"
  return { { outer = arrow("left", "FIN", by_close and "inferred" or "observed"),
    inner = arrow("left", say(self.lang, by_close and "arrow_close" or "arrow_shutdown", event),
      "observed") } }
end

function draw:reset(event, seen)
  local source = event.source == "inferred" and "inferred" or "observed"
  local by = text(event, "by")
  if by == "network" then return nil end
  local label = by == "us" and say(self.lang, "arrow_reset", event) or
    (core.shown(text(event, "error"), 40))
  local dir = by == "us" and "left" or "right"
  local was_seen = seen.has_ended and by ~= "us"
  return { { outer = not was_seen and arrow(dir, "RST", source) or nil, inner = label ~= "" and
    arrow(dir, label, "observed") or nil,
    note = event.unread and events.what(event, self.lang) or nil } }
end

-- What is forwarded shows when the kernel takes it.
function draw.send(_, event) return event.by == "forward" and {} or nil end

-- What the kernel says stands by its line.
function draw.tcp(_, event)
  return { { inner = arrow(nil, "[" .. core.shown(text(event, "state"), 20) .. "]", "kernel") } }
end

function draw.forward(_, event, seen)
  seen.to = event.to
  return nil
end

-- What has no arrow is a note beside the lines.
local function note(event, lang)
  return { { note = events.what(event, lang), place = events.place(event) } }
end

-- --- Both halves of a proxy -----------------------------------------------------------------
--
-- Between client and upstream moonport is one line. What goes on with the upstream is drawn on its
-- side, where right is away from us. What the script reads itself is told beside.

local turned = { right = "left", left = "right" }

---@return moonport.show.Row? row nil: nothing of it is between the two
function Diagram:of_pair(row, event)
  local pair, inner, outer = self.pair, row.inner, row.outer
  row.pair, row.inner = pair, nil
  if event.event == "data" and event.to == "script" then
    row.note = events.what(event, self.lang)
  elseif event.event == "tcp" then
    row.note = inner.label
  end
  if row.conn == pair.upstream and outer then
    outer.dir = turned[outer.dir]
    row.outer, row.inner = nil, outer
  end
  if row.note and not outer then row.note = ("#%s: %s"):format(row.conn, row.note) end
  return (outer or row.note) and row or nil
end

-- --- Which events are drawn -----------------------------------------------------------------

-- A connection, or a peer of datagrams; nil: neither.
function Diagram:subject(event)
  local conn = fields.id(event, "conn")
  if conn ~= "0" then return conn end
  local script = text(event, "script")
  if event.event == "datagram" then self.peers[script] = text(event, "peer") end
  if event.event == "sendto" and event.peer then return (core.shown(text(event, "peer"), 63)) end
  local peer = self.peers[script]
  if event.event == "handled" then self.peers[script] = nil end
  return peer and (core.shown(peer, 63))
end

local begins = { accept = true, connect = true, datagram = true }

function Diagram:is_drawn(subject, kind)
  if kind == "dropped" or kind == "worker" then return self.has_head end
  if not subject then return false end
  if self.several then return true end
  if not self.conn and begins[kind] then self.conn = subject end
  -- A number alone is the connection of any worker that has one.
  if self.conn and subject:match("^%d+%.(%d+)$") == self.conn then self.conn = subject end
  return subject == self.conn or (self.pair and subject == self.pair.upstream)
end

function Diagram:head(event, conn)
  local lang, pair = self.lang, self.pair
  self.script = self.script or text(event, "script")
  local names = pair and { "client", "moonport", "upstream" } or { "peer", "kernel", "script" }
  local name = self.several and "title_several" or pair and "title_pair" or
    conn:find("^[%d.]+$") and "title" or "title_datagrams"
  for index, lane in ipairs(names) do names[index] = say(lang, "lane_" .. lane, event) end
  self.has_head = true
  local title = say(lang, name, { script = self.script,
    conn = name == "title" and "#" .. conn or conn,
    client = pair and "#" .. pair.client, upstream = pair and "#" .. pair.upstream })
  return { kind = "head", time_ns = number(event, "time_ns"), conn = conn, lanes = names,
    pair = pair, title = title }
end

-- A connection that a handler asked for belongs to the connection of that handler, which waits in
-- connect() and wakes when there is one. Returns the rows that this adds.
function Diagram:join(event, kind, subject)
  if self.several or self.pair or not self.conn then return {} end
  local seen = self.seen[self.conn]
  if kind == "connect" and subject ~= self.conn and seen and seen.call == "connect" then
    self.asked = event
  end
  local upstream
  if kind == "forward" and subject == self.conn then
    upstream = fields.id(event, "to")
  elseif kind == "wake" and subject == self.conn and self.asked then
    upstream = fields.id(self.asked, "conn")
  end
  if not upstream then return {} end
  self.pair = { client = self.conn, upstream = upstream }
  local rows = { self:head(event, self.conn) }
  if self.asked and upstream == fields.id(self.asked, "conn") then
    self:draw(self.asked, "connect", upstream, rows)
  end
  return rows
end

function Diagram:draw(event, kind, subject, rows)
  local seen = self.seen[subject] or { waiting = 0 }
  self.seen[subject] = seen
  if kind == "wait" then seen.call = text(event, "call") end
  for _, row in ipairs(draw[kind] and draw[kind](self, event, seen) or note(event, self.lang)) do
    row.kind, row.time_ns, row.conn = kind, number(event, "time_ns"), subject
    rows[#rows + 1] = not self.pair and row or self:of_pair(row, event)
  end
end

---The rows that an event adds: none, one or several; none for what is of another connection.
---@return moonport.show.Row[]
function Diagram:rows(event)
  local kind, subject = events.kind(event), self:subject(event)
  local rows = self:join(event, kind, subject)
  if not self:is_drawn(subject, kind) then return rows end
  subject = subject or self.conn or ""
  if not self.has_head then rows[1] = self:head(event, subject) end
  self:draw(event, kind, subject, rows)
  if kind == "close" then
    self.closed[subject], self.seen[subject] = not self.several or nil, nil
    local is_other_over = not self.pair or
      self.closed[self.pair.client] and self.closed[self.pair.upstream]
    self.is_over = not self.several and is_other_over
  end
  return rows
end

local M = {}

---@param options { conn: string?, several: boolean?, lang: string? } conn: only this connection;
---several: all of them; neither: the next one that begins
---@return moonport.show.Diagram
function M.new(options)
  return setmetatable({ conn = options.conn, several = options.several, lang = options.lang,
    seen = {}, closed = {}, peers = {} }, Diagram)
end

return M
