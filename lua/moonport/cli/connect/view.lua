-- moonport.cli.connect.view — what goes and comes over a connection, as moonport connect shows it —
-- knows no connection but standard output.

local core = require "moonport.cli.core"
local out = require "moonport.cli.out"

local HEX_ROW_BYTES = 16

---@class moonport.cli.connect.View
---@field private is_terminal boolean
---@field private output moonport.Conn? standard output, where that is no terminal
---@field private is_hex boolean
---@field private held string the beginning of a character, which its rest follows
---@field private offsets table<string, integer> by direction
---@field private in_line boolean what was shown last did not end its line
local View = {}
View.__index = View

-- --- Text for a terminal: nothing in it acts --------------------------------------------------

-- What a text ends with that may be half of a character, or of CR LF.
local function unfinished(text)
  local tail = text:match("\r$") or text:match("[\xC2-\xF4][\x80-\xBF]*$") or ""
  return (#tail > 3 or tail ~= "\r" and utf8.len(tail)) and "" or tail
end

local function inert(text)
  local plain = text:gsub("\r\n", "\n")
  return out.shown_lines(plain, "\n", "\t")
end

-- --- Hexadecimal ------------------------------------------------------------------------------

local function hex_row(direction, row, offset)
  local cells = {}
  for index = 1, HEX_ROW_BYTES do
    cells[index] = index <= #row and ("%02x"):format(row:byte(index)) or "  "
  end
  return ("%s %06x  %s  %s  |%s|\n"):format(direction, offset, table.concat(cells, " ", 1, 8),
    table.concat(cells, " ", 9), (row:gsub("[^ -~]", ".")))
end

function View:hex(direction, bytes)
  local rows, offset = {}, self.offsets[direction]
  for at = 1, #bytes, HEX_ROW_BYTES do
    rows[#rows + 1] = hex_row(direction, bytes:sub(at, at + HEX_ROW_BYTES - 1), offset + at - 1)
  end
  self.offsets[direction] = offset + #bytes
  return table.concat(rows)
end

-- --- Showing ----------------------------------------------------------------------------------

-- False when nobody reads it.
function View:put(text)
  if text == "" then return true end
  self.in_line = text:sub(-1) ~= "\n"
  if self.output then return self.output:send(text) and self.output:drain() or false end
  out.put(text)
  out.flush()
  return out.is_read()
end

---@param direction ">"|"<"
---@return boolean is_read
function View:show(direction, bytes)
  if self.is_hex then return self:put(self:hex(direction, bytes)) end
  if direction == ">" then return true end
  if not self.is_terminal then return self:put(bytes) end
  local text = self.held .. bytes
  self.held = unfinished(text)
  return self:put(inert(text:sub(1, #text - #self.held)))
end

---A datagram: of one its offsets begin anew, and on a terminal it ends its line.
function View:show_datagram(direction, bytes)
  self.offsets[direction] = 0
  local is_read = self:show(direction, bytes)
  return is_read and self:end_line()
end

---What a terminal shows next begins a line.
function View:end_line()
  if not self.is_terminal then return true end
  self:put(inert(self.held))
  self.held = ""
  return not self.in_line or self:put("\n")
end

---When all was shown. False when some of it did not get there.
function View:finish()
  if not self.output then return self:end_line() end
  return self.output:shutdown() and self.output:recv(1) ~= nil
end

---Whoever waits for standard output goes on.
function View:drop()
  if self.output then self.output:reset() end
end

local M = {}

---@param is_hex boolean
---@return moonport.cli.connect.View
function M.open(is_hex)
  local is_terminal = core.is_terminal(1)
  return setmetatable({ is_terminal = is_terminal, is_hex = is_hex, held = "", in_line = false,
    output = not is_terminal and core.standard(1) or nil, offsets = { [">"] = 0, ["<"] = 0 } },
    View)
end

return M
