-- moonport.inspect.words — an event as a page shows it: what, where, rows of the diagram — knows no
-- tab.

local diagram = require "moonport.show.diagram"
local events = require "moonport.show.events"
local json = require "moonport.json"

---@class moonport.inspect.Words
---@field private drawn table<string, moonport.show.Diagram> by language
---@field private last table<string, integer> number of the event that was drawn last
local Words = {}
Words.__index = Words

-- What came before has to be known to draw what follows: behind a gap that begins anew, and what
-- is kept of connections whose end was in the gap goes.
local function rows_of(self, number, event, language)
  if not self.drawn[language] or self.last[language] ~= number - 1 then
    self.drawn[language] = diagram.new { several = true, lang = language }
  end
  self.last[language] = number
  local rows = json.array()
  for _, row in ipairs(self.drawn[language]:rows(event)) do
    if row.kind ~= "head" then rows[#rows + 1] = row end
  end
  return rows
end

-- The fields of the message beside its number; false: the line is no event.
---@param number integer of the event
---@param line string
---@param language "en"|"ko"
---@return string|false
function Words:render(number, line, language)
  local event = json.decode(line)
  if type(event) ~= "table" then return false end
  local shown = json.encode { what = events.what(event, language), place = events.place(event),
    rows = rows_of(self, number, event, language) }
  return shown and ('"e":%s,%s'):format(line, shown:sub(2, -2)) or false
end

return { new = function() return setmetatable({ drawn = {}, last = {} }, Words) end }
