-- moonport.cli.diagram — rows of moonport.show.diagram as lines of a terminal — knows no event.

local diagram = require "moonport.show.diagram"
local events = require "moonport.show.events"
local out = require "moonport.cli.out"
local show = require "moonport.show.core"

local TIME_CELLS = 9
local PIPE_CELLS = 80
local GAP_CELLS_MIN, GAP_CELLS, GAP_CELLS_MAX = 11, 26, 60
-- What is left beside the lanes for notes: so much at least, while the gaps can give way; and so
-- much before they grow.
local NOTE_CELLS, NOTE_CELLS_SEVERAL, NOTE_CELLS_WIDE = 28, 24, 54
local NOTE_CELLS_MIN = 8
local NARROW_CELLS = 60 -- below it there is no room for times

-- --- Lanes ----------------------------------------------------------------------------------

---@class moonport.cli.Lanes
---@field width integer
---@field margin integer before the first line
---@field gap integer between two of them
---@field note integer for what stands beside them

---@return moonport.cli.Lanes
local function lanes_for(width, conn_cells)
  local margin = (width < NARROW_CELLS and 0 or TIME_CELLS + 1) + conn_cells
  local note = conn_cells > 0 and NOTE_CELLS_SEVERAL or NOTE_CELLS
  local gap = math.min((width - margin - 4 - note) // 2, GAP_CELLS)
  gap = math.max(gap, GAP_CELLS_MIN, (width - margin - 4 - NOTE_CELLS_WIDE) // 2)
  gap = math.min(gap, GAP_CELLS_MAX)
  return { width = width, margin = margin, gap = gap,
    note = math.max(width - margin - 2 * gap - 4, NOTE_CELLS_MIN) }
end

local PREVIEW_CELLS_MIN = 8 -- a wide character and three dots, in quotes

-- Of bytes that do not fit, less is shown, or only how many there are.
local function fit(label, room)
  if out.cells(label) <= room then return label end
  local size = label:match('^(.-) "')
  if not size then return (show.shown(label, room)) end
  return out.cells(size) + PREVIEW_CELLS_MIN < room and show.shown(label, room - 1) .. '"' or
    (show.shown(size, room))
end

-- An arrow, or none, and what stands in it. One that is inferred is broken.
local function gap(arrow, cells)
  if not arrow then return (" "):rep(cells) end
  local label = fit(arrow.label, cells - (arrow.dir and 4 or 2)) -- a head, and a dash at least
  local told = label ~= "" and " " .. label .. " " or ""
  local rest = cells - out.cells(told) - (arrow.dir and 1 or 0)
  local dash = not arrow.dir and "  " or arrow.source == "inferred" and "- " or "--"
  local half = math.max((rest + 1) // 4 * 2 - 1, 0) -- odd, so that a broken line ends with a dash
  if dash ~= "- " then half = rest // 2 end
  local left = dash:rep(cells):sub(1, half)
  local right = rest > half and dash:reverse():rep(cells):sub(half - rest) or ""
  return (arrow.dir == "left" and "<" or "") .. left .. told .. right ..
    (arrow.dir == "right" and ">" or "")
end

-- --- Lines ----------------------------------------------------------------------------------

---@class moonport.cli.Diagram
---@field private model moonport.show.Diagram
---@field private conn_cells integer of the column that says which connection it is
---@field private before_ns integer?
local Diagram = {}
Diagram.__index = Diagram

local function print_head(row, lanes)
  local line = (" "):rep(lanes.margin)
  out.line((show.shown(line .. row.title, lanes.width)))
  for index, name in ipairs(row.lanes) do
    line = out.padded(line, lanes.margin + (index - 1) * (lanes.gap + 1)) ..
      fit(name, index < 3 and lanes.gap or lanes.note)
  end
  out.line(line)
end

-- What stands before the lanes: the time, where there is room, and the connection, of several.
function Diagram:margin(row, lanes)
  local passed = row.time_ns ~= self.before_ns and events.passed(row, self.before_ns) or ""
  local time = lanes.margin > self.conn_cells and out.padded(passed, TIME_CELLS, true) .. " " or ""
  local conn = self.conn_cells > 0 and out.padded(out.cut("#" .. row.conn, self.conn_cells - 1),
    self.conn_cells) or ""
  return time .. conn
end

function Diagram:print(row)
  local width = out.width()
  local lanes = lanes_for(width < math.huge and width or PIPE_CELLS, self.conn_cells)
  if row.kind == "head" then return print_head(row, lanes) end
  local margin, outer, inner = self:margin(row, lanes), row.outer, row.inner
  local note = (row.note or "") .. (row.place and row.place ~= "" and "  " .. row.place or "")
  note = note:gsub("%S+", function(word) return out.cut(word, lanes.note) end)
  for line in (out.broken(note, lanes.note) .. "\n"):gmatch("([^\n]*)\n") do
    local text = ("%s|%s|%s| %s"):format(margin, gap(outer, lanes.gap), gap(inner, lanes.gap), line)
    out.line((text:gsub(" +$", "")))
    margin, outer, inner = (" "):rep(lanes.margin), nil, nil
  end
  self.before_ns = row.time_ns
end

---@return boolean drawn false: it is of another connection, or of none
function Diagram:show(event)
  local rows = self.model:rows(event)
  for _, row in ipairs(rows) do self:print(row) end
  return #rows > 0
end

function Diagram:is_over() return self.model.is_over end

---@param options { conn: string?, several: boolean? }
return function(options)
  return setmetatable({ model = diagram.new(options), conn_cells = options.several and 5 or 0 },
    Diagram)
end
