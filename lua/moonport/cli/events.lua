-- moonport.cli.events — one event of a running server in words, for everything that shows events —
-- knows no server.

local core = require "moonport.cli.core"
local out = require "moonport.cli.out"

local number, text = out.number, out.text

local M = {}

local PREVIEW_CELLS, FIELD_CELLS = 63, 1000

---@return string "12 µs", "1.5 ms", "2.4 s"
function M.time(ns)
  if ns < 1e6 then return ("%.3g µs"):format(ns / 1e3) end
  if ns < 1e9 then return ("%.3g ms"):format(ns / 1e6) end
  return ("%.4g s"):format(ns / 1e9)
end

-- What passed since the event before; "" for the first.
---@param before_ns integer? of the event before
function M.passed(event, before_ns)
  if not before_ns then return "" end
  return "+" .. M.time(math.max(number(event, "time_ns") - before_ns, 0))
end

---@return string shown a field, which may be anybody's text
function M.field(event, name) return (core.shown(text(event, name), FIELD_CELLS)) end
local field = M.field

local count = out.counted

---@param cells_max integer? for the bytes
---@return string text 5 bytes "hello"
function M.bytes(event, cells_max)
  local size = number(event, "size")
  local told = count(size, "byte")
  if size == 0 then return told end
  local preview = core.shown(text(event, "text"), cells_max or PREVIEW_CELLS)
  local is_whole = size <= 64 or preview:sub(-3) == "..."
  return ('%s "%s%s"'):format(told, preview, is_whole and "" or "...")
end
local bytes = M.bytes

-- --- One function for each kind that has more to say than its name --------------------------

local function address(event) return field(event, "address") end
local function handler(event) return field(event, "handler") end
local function call(event) return field(event, "call") .. "()" end
local function message(event) return field(event, "message") end

local function in_and_out(event)
  return ("%s in, %d out"):format(count(number(event, "bytes_in"), "byte"),
    number(event, "bytes_out"))
end

local function age(event) return M.time(number(event, "age_ms") * 1e6) end

local function with_error(told, event)
  return event.error and told .. ": " .. field(event, "error") or told
end

local function datagram(event)
  local told = bytes(event)
  if event.peer then
    told = told .. (event.event == "datagram" and " from " or " to ") .. field(event, "peer")
  end
  return with_error(event.error and told .. ", not taken" or told, event)
end

local details = {
  listen = address, unlisten = address, message = bytes, datagram = datagram, sendto = datagram,
  handler = handler, wake = handler, wait = call, call = call, error = message,
}

function details.open(event)
  return ("%s, for %s, %s"):format(field(event, "peer"), age(event), in_and_out(event))
end

function details.accept(event) return "from " .. field(event, "peer") end

function details.connect(event) return "to " .. field(event, "peer") end

function details.proxy(event)
  if event.error then return with_error("refused", event) end
  return "it is " .. field(event, "peer")
end

function details.handshake(event)
  if event.error then return with_error("failed", event) end
  local told = { field(event, "version"), field(event, "cipher") }
  if event.name then told[#told + 1] = "for " .. field(event, "name") end
  if event.alpn then told[#told + 1] = "alpn " .. field(event, "alpn") end
  return table.concat(told, ", ") .. ", " .. field(event, "session") .. " session"
end

function details.data(event)
  local to = field(event, "to")
  return bytes(event) .. (to ~= "script" and ", to " .. to or "")
end

function details.recv(event) return call(event) .. " gives " .. bytes(event) end

function details.handled(event)
  local told = ("%s %s in %s"):format(handler(event), field(event, "outcome"),
    M.time(number(event, "lua_ns")))
  local waits = number(event, "waits")
  if waits == 0 then return told end
  return ("%s, waited %s, %s in all"):format(told, count(waits, "time"),
    M.time(number(event, "took_ns")))
end

function details.log(event) return field(event, "level") .. ": " .. message(event) end

function details.send(event)
  return bytes(event) .. (event.by == "forward" and ", forwarded" or "") ..
    (event.rest and (", %d more to follow"):format(number(event, "rest")) or "")
end

function details.flush(event)
  local left = number(event, "left")
  return "the kernel took " .. count(number(event, "taken"), "byte") ..
    (left > 0 and (", %d are left"):format(left) or "") ..
    (event.when == "later" and ", after waiting for room" or "")
end

function details.pause(event) return "not read any more: " .. field(event, "by") end

function details.drain(event) return count(number(event, "left"), "byte") .. " are still queued" end

function details.forward(event) return "to #" .. out.id(event, "to") end

function details.reset(event)
  local told = with_error("by " .. field(event, "by"), event)
  if not event.unread then return told end
  return told .. ": " .. count(number(event, "unread"), "byte") .. " left unread"
end

function details.timeout(event) return field(event, "timer") end

function details.close(event)
  return ("%s, %s, after %s"):format(field(event, "reason"), in_and_out(event), age(event))
end

function details.tcp(event)
  return ("%s at %s, rtt %s, unread %d, unsent %d, retransmits %d"):format(field(event, "state"),
    field(event, "at"), M.time(number(event, "rtt_us") * 1e3), number(event, "unread"),
    number(event, "unsent"), number(event, "retransmits"))
end

function details.reload(event)
  local version = event.version and (", version %d"):format(number(event, "version")) or ""
  return with_error(field(event, "outcome") .. version, event)
end

function details.fault(event) return field(event, "fault") .. " " .. field(event, "detail") end

function details.stall(event)
  return ("the loop was held up for %s in %s%s"):format(M.time(number(event, "took_ms") * 1e6),
    event.handler and handler(event) or "a finalizer",
    event.call and ", in " .. field(event, "call") or "")
end

function details.dropped(event)
  return count(number(event, "count"), "event") ..
    " missing: more happened than was taken in time"
end

-- One of several workers ended, serves again, or says nothing.
function details.worker(event)
  return ("%d is %s"):format(number(event, "worker"), field(event, "state"))
end

---What happened, and its kind: "handled on_data done in 19 µs".
---@param cells integer? that the kind takes at least
function M.what(event, cells)
  local kind = core.shown(text(event, "event"), 40)
  local detail = details[kind] and details[kind](event) or ""
  return detail == "" and kind or out.padded(kind, cells or 0) .. " " .. detail
end

---@return string place "scripts/echo.lua:9"; "" when no line of a script did it
function M.place(event)
  return event.file and ("%s:%d"):format(field(event, "file"), number(event, "line")) or ""
end

-- --- A line for each ------------------------------------------------------------------------

local TIME_CELLS, CONN_CELLS, SCRIPT_CELLS, KIND_CELLS = 9, 4, 10, 9
local WORKER_CONN_CELLS = 7 -- of "#2.1234"
local BODY_CELLS_MIN = 20

-- What comes in is green, what goes out blue, what the script does yellow, an end magenta, what is
-- wrong red, and what the kernel says dim.
local COLOURS = {
  data = "green", message = "green", datagram = "green", recv = "green", accept = "green",
  connect = "green", proxy = "green", handshake = "green", send = "blue", sendto = "blue",
  flush = "blue",
  handler = "yellow", wait = "yellow", wake = "yellow", handled = "yellow", call = "yellow",
  eof = "magenta", shutdown = "magenta", close = "magenta", reset = "bright_red",
  error = "bright_red", timeout = "red", dropped = "bright_red", worker = "bright_red",
}

-- Where in the script, and that it was not observed.
local function rest_of(event)
  local source = core.shown(text(event, "source"), 20)
  return M.place(event) .. (source ~= "observed" and "(" .. source .. ")" or "")
end

---Prints an event as one line.
---@param before_ns integer? when the event before was
---@return integer time_ns of this one
function M.print(event, before_ns)
  local conn, kind = out.id(event, "conn"), text(event, "event")
  local cells = event.worker and WORKER_CONN_CELLS or CONN_CELLS
  local head = ("%s  %s %s "):format(out.padded(M.passed(event, before_ns), TIME_CELLS, true),
    out.padded(conn ~= "0" and "#" .. conn or "", cells),
    out.padded(core.shown(text(event, "script"), 100), SCRIPT_CELLS))
  local body, rest = M.what(event, KIND_CELLS), rest_of(event)
  if rest ~= "" then rest = "  " .. rest end
  local width = out.width()
  if width < math.huge then
    local room = width - out.cells(head) - out.cells(rest)
    body = core.shown(body, math.max(room, BODY_CELLS_MIN))
  end
  out.line(head .. out.coloured(body, event.source == "kernel" and "dim" or COLOURS[kind]) ..
    out.coloured(rest, "dim"))
  return number(event, "time_ns")
end

-- --- Bytes ----------------------------------------------------------------------------------

local HEX_ROW_BYTES, HEX_INDENT, HEX_ROW_CELLS = 16, 18, 76

local function hex_row(row, offset)
  local cells = {}
  for index = 1, HEX_ROW_BYTES do
    cells[index] = index <= #row and ("%02x"):format(row:byte(index)) or "  "
  end
  return ("%06x  %s  %s  |%s|"):format(offset, table.concat(cells, " ", 1, 8),
    table.concat(cells, " ", 9), (row:gsub("[^ -~]", ".")))
end

---Prints the bytes of an event as offsets, hexadecimal and text.
function M.print_hex(event, bytes_max)
  local indent = (" "):rep(out.width() >= HEX_INDENT + HEX_ROW_CELLS and HEX_INDENT or 0)
  local data = core.unbase64(text(event, "base64")):sub(1, bytes_max)
  for at = 1, #data, HEX_ROW_BYTES do
    out.line(indent .. hex_row(data:sub(at, at + HEX_ROW_BYTES - 1), at - 1))
  end
  local missing = number(event, "size") - #data
  if #data > 0 and missing > 0 then out.line(("%s%d more %s"):format(indent, missing,
    missing == 1 and "byte" or "bytes")) end
end

return M
