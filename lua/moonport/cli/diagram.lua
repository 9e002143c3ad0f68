-- moonport.cli.diagram — one connection as arrows between its peer, the kernel and the script —
-- knows no server.
--
-- The peer's side of an arrow is inferred from what the kernel gave us: when bytes are read, they
-- had come; when the kernel takes some, it sends them as soon as TCP allows.

local core = require "moonport.cli.core"
local events = require "moonport.cli.events"
local out = require "moonport.cli.out"

local number, text = out.number, out.text

local TIME_CELLS, GAP_CELLS = 10, 26
local LABEL_CELLS = GAP_CELLS - 3 -- what an arrow leaves: its head, and blanks around it

-- One gap between two lines: an arrow to the "right" or "left", or none, and what stands in it.
local function gap(arrow, label)
  local dash = arrow and "-" or " "
  local told = label and " " .. label .. " " or ""
  local dashes = math.max(GAP_CELLS - 1 - out.cells(told), 0)
  return (arrow == "left" and "<" or dash) .. dash:rep(dashes // 2) .. told ..
    dash:rep(dashes - dashes // 2) .. (arrow == "right" and ">" or dash)
end

local function size(event, name) return out.counted(number(event, name), "byte") end

local function begin(event)
  local accepted = event.event == "accept"
  return { outer = { accepted and "right" or "left", "SYN, SYN+ACK, ACK" },
    inner = { "right", accepted and "accept" or "connected" },
    note = core.shown(text(event, "peer"), 63) }
end

-- By the kind of event: what goes on between peer and kernel, between kernel and script, beside.
local drawings = { accept = begin, connect = begin }

function drawings.data(event)
  local inner = { nil, "read off" }
  if event.to ~= "nobody" then
    local room = LABEL_CELLS - #size(event, "size") - 3
    inner = { "right", events.bytes(event, room) }
  end
  return { outer = { "right", size(event, "size") }, inner = inner }
end

function drawings.flush(event)
  local left = number(event, "left")
  return { outer = { "left", size(event, "taken") },
    inner = { "left", "write " .. size(event, "taken") },
    note = left > 0 and ("%s %s for room"):format(out.counted(left, "byte"),
      left == 1 and "waits" or "wait") }
end

function drawings.eof()
  return { outer = { "right", "FIN" }, inner = { "right", "end of file" } }
end

function drawings.shutdown(event)
  return { outer = { "left", "FIN" },
    inner = { "left", event.source == "inferred" and "close" or "shutdown" } }
end

function drawings.reset(event)
  local arrow = event.by == "us" and "left" or "right"
  local label = event.by == "us" and "reset" or core.shown(text(event, "error"), LABEL_CELLS)
  return { outer = { arrow, "RST" }, inner = { arrow, label } }
end

-- What the kernel says stands by its line.
function drawings.tcp(event)
  return { inner = { nil, "[" .. core.shown(text(event, "state"), LABEL_CELLS - 2) .. "]" } }
end

-- What has no arrow is a note beside the script's line.
local function note(event)
  local place = events.place(event)
  return { note = events.what(event) .. (place ~= "" and "  " .. place or "") }
end

---@class moonport.cli.Diagram
---@field conn string? the connection; nil: the one that begins next
---@field is_over boolean? it has closed
---@field private has_begun boolean?
---@field private before_ns integer?
local Diagram = {}
Diagram.__index = Diagram

local function print_head(event)
  out.line(("%s connection #%s, %s"):format((" "):rep(TIME_CELLS), out.id(event, "conn"),
    events.field(event, "script")))
  out.line((" "):rep(TIME_CELLS) .. " peer" .. (" "):rep(GAP_CELLS - 6) .. "kernel" ..
    (" "):rep(GAP_CELLS - 5) .. "script")
end

---@return boolean drawn false: it is of another connection, or of none
function Diagram:show(event)
  local conn, kind = out.id(event, "conn"), event.event
  if not self.conn and (kind == "accept" or kind == "connect") then self.conn = conn end
  if self.conn and conn:match("%.(%d+)$") == self.conn then self.conn = conn end
  local is_ours = conn ~= "0" and conn == self.conn
  local is_of_all = kind == "dropped" or kind == "worker"
  if not is_ours and not (is_of_all and self.has_begun) then return false end
  if not self.has_begun then print_head(event) end
  self.has_begun = true
  local row = (drawings[kind] or note)(event)
  local time = out.padded(events.passed(event, self.before_ns), TIME_CELLS, true)
  self.before_ns = number(event, "time_ns")
  out.line(out.fitted(("%s |%s|%s|%s"):format(time, gap(table.unpack(row.outer or {}, 1, 2)),
    gap(table.unpack(row.inner or {}, 1, 2)), row.note and " " .. row.note or "")))
  self.is_over = self.is_over or kind == "close"
  return true
end

return function(conn) return setmetatable({ conn = conn }, Diagram) end
