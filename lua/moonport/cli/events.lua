-- moonport.cli.events — events as lines of a terminal, and bytes as rows of hexadecimal — knows no
-- server, and leaves the words to moonport.show.

local core = require "moonport.cli.core"
local out = require "moonport.cli.out"
local show = require "moonport.show.core"
local words = require "moonport.show.events"

local number, text = out.number, out.text

local M = {}

-- --- A line for each ------------------------------------------------------------------------

local TIME_CELLS, CONN_CELLS, SCRIPT_CELLS, KIND_CELLS = 9, 4, 10, 9
local WORKER_CONN_CELLS = 7 -- of "#2.1234"
local BODY_CELLS_MIN = 20

-- What comes in is green, what goes out blue, what the script does yellow, an end magenta, what is
-- wrong red, and what the kernel says dim.
local COLOURS = {
  arrive = "green", data = "green", message = "green", datagram = "green", recv = "green",
  accept = "green", connect = "green", proxy = "green", handshake = "green", send = "blue",
  sendto = "blue", flush = "blue",
  handler = "yellow", wait = "yellow", wake = "yellow", handled = "yellow", call = "yellow",
  eof = "magenta", shutdown = "magenta", close = "magenta", reset = "bright_red",
  error = "bright_red", timeout = "red", dropped = "bright_red", worker = "bright_red",
}

---Prints an event as one line.
---@param before_ns integer? when the event before was
---@return integer time_ns of this one
function M.print(event, before_ns)
  local conn, kind = out.id(event, "conn"), text(event, "event")
  local cells = event.worker and WORKER_CONN_CELLS or CONN_CELLS
  local head = ("%s  %s %s "):format(out.padded(words.passed(event, before_ns), TIME_CELLS, true),
    out.padded(conn ~= "0" and "#" .. conn or "", cells),
    out.padded(show.shown(text(event, "script"), 100), SCRIPT_CELLS))
  local body = out.padded(words.kind(event), KIND_CELLS) .. " " .. words.what(event)
  local rest = words.place(event) .. words.source(event)
  if rest ~= "" then rest = "  " .. rest end
  local width = out.width()
  if width < math.huge then
    local room = width - out.cells(head) - out.cells(rest)
    body = show.shown(body, math.max(room, BODY_CELLS_MIN))
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
