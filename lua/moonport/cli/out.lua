-- moonport.cli.out — text for people: what is safe on a terminal, columns, colours, tables — knows
-- no command.

local core = require "moonport.cli.core"
local fields = require "moonport.show.fields"
local show = require "moonport.show.core"

local M = {}

local is_terminal = core.is_terminal(1)

---Columns that a line may take now: without end where it is no terminal.
function M.width() return is_terminal and core.columns(1) or math.huge end

io.stdout:setvbuf("full")

local failure -- why results did not reach their reader

function M.put(...)
  local ok, fault = io.write(...)
  if not ok then failure = failure or fault end
end

function M.line(text) M.put(text, "\n") end

function M.flush()
  local ok, fault = io.stdout:flush()
  if not ok then failure = failure or fault end
end

---Whether what is printed still reaches somebody.
function M.is_read() return not failure end

---Results that did not reach their reader are a failure: of a full disk, for example.
function M.finish(code)
  M.flush()
  if failure then
    M.complain("cannot write the output: " .. failure:gsub("^.-: ", ""))
    return code == 0 and 1 or code
  end
  return code
end

---Text of anybody's; what would act on a terminal is shown as \n or \xNN.
function M.shown(text) return (show.shown(text)) end

---The same for text of several lines; `newline` and `tab` stand for those.
function M.shown_lines(text, newline, tab)
  local pieces = {}
  for piece, stop in text:gmatch("([^\n\t]*)([\n\t]?)") do
    pieces[#pieces + 1] = M.shown(piece)
    pieces[#pieces + 1] = stop == "\n" and (newline or "\n  ") or stop == "\t" and (tab or "  ")
      or ""
  end
  return table.concat(pieces)
end

function M.complain(text)
  M.flush()
  io.stderr:write("moonport: ", M.shown_lines(text), "\n")
end

---Says what went wrong. Returns an exit code, as refuse() does.
function M.fail(text)
  M.complain(text)
  return 1
end

---Says what is wrong with the command line, and how to learn more.
function M.refuse(call, text)
  io.stderr:write("moonport: ", M.shown(text), "\ntry: moonport ", call.command, " --help\n")
  return 2
end

-- --- Fields of an answer, which may be of anybody's -----------------------------------------

M.text, M.number, M.real, M.id = fields.text, fields.number, fields.real, fields.id

---@return string text "1 byte", "5 bytes"
function M.counted(count, what) return ("%d %s%s"):format(count, what, count == 1 and "" or "s") end

---@return string text "1 byte", "5 bytes", "1.5 KiB"
function M.bytes(object, name)
  local number = M.number(object, name)
  return show.bytes(number) .. (number == 1 and " byte" or number < 1024 and " bytes" or "")
end

-- --- Colours --------------------------------------------------------------------------------

local SEQUENCES = { bold = "1", dim = "2", red = "31", bright_red = "1;31", green = "32",
  yellow = "33", blue = "34", magenta = "35" }

local no_color, terminal = os.getenv("NO_COLOR"), os.getenv("TERM")
local has_colours = is_terminal and (no_color or "") == "" and terminal ~= "dumb"

---The text in a colour, where there are any; without a colour as it is.
function M.coloured(text, colour)
  if not has_colours or not colour or text == "" then return text end
  return ("\27[%sm%s\27[0m"):format(SEQUENCES[colour], text)
end

-- --- Lines of a width -----------------------------------------------------------------------

---Of a text that shown() returned.
function M.cells(text) return select(2, show.shown(text)) end

---In so many cells at least; with `right`, blanks stand before it.
function M.padded(text, cells, right)
  local blanks = (" "):rep(cells - M.cells(text))
  return right and blanks .. text or text .. blanks
end

---A line cut to the width of the terminal.
function M.fitted(text)
  local width = M.width()
  return width == math.huge and text or (show.shown(text, width))
end

---A text in no more than so many cells. Of a path the end tells more.
function M.cut(cell, width)
  local shown, cells = show.shown(cell)
  if cells <= width then return shown end
  if not cell:find("/", 1, true) then return (show.shown(cell, width)) end
  local tail = shown
  while cells > width - 3 do
    tail = tail:gsub("^.[\128-\191]*", "", 1)
    cells = M.cells(tail)
  end
  return "..." .. tail
end

---Breaks a text between words where it would take more than `width` cells.
---@param glue string? between words; a blank
---@return string text
function M.broken(text, width, glue)
  if M.cells(text) <= width then return text end
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    local longer = line == "" and word or line .. (glue or " ") .. word
    if line ~= "" and M.cells(longer) > width then
      lines[#lines + 1] = line
      longer = word
    end
    line = longer
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

---Breaks a text between words, so that with `indent` blanks before it it fits the terminal.
---@return string text its second line and those that follow begin with the blanks
function M.wrapped(text, indent, glue)
  local broken = M.broken(text, math.max(M.width() - indent, 20), glue)
  return (broken:gsub("\n", "\n" .. (" "):rep(indent)))
end

-- --- Tables ---------------------------------------------------------------------------------

local CELLS_MIN = 8 -- a column is not made narrower

-- The widest columns give way until a line fits.
local function fit(widths, room)
  local total = -2
  for _, width in ipairs(widths) do total = total + width + 2 end
  while total > room do
    local widest = 1
    for index, width in ipairs(widths) do if width > widths[widest] then widest = index end end
    if widths[widest] <= CELLS_MIN then return end
    widths[widest] = widths[widest] - 1
    total = total - 1
  end
end

---Prints rows of cells under each other. A title that begins with > is of a column of numbers,
---which stand at its right side.
function M.table(titles, rows)
  local widths, heads, is_right = {}, {}, {}
  for index, title in ipairs(titles) do
    is_right[index], heads[index] = title:sub(1, 1) == ">", title:gsub("^>", "")
    widths[index] = #heads[index]
  end
  for _, row in ipairs(rows) do
    for index, cell in ipairs(row) do
      widths[index] = math.max(widths[index], select(2, show.shown(cell)))
    end
  end
  fit(widths, M.width())
  local function put(row)
    local cells = {}
    for index, width in ipairs(widths) do
      cells[index] = M.padded(M.cut(row[index] or "", width), width, is_right[index])
    end
    M.line((table.concat(cells, "  "):gsub(" +$", "")))
  end
  put(heads)
  for _, row in ipairs(rows) do put(row) end
end

return M
