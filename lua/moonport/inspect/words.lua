-- moonport.inspect.words — an event as the page shows it: what, where, rows of the diagram — knows
-- no tab.

local events = require "moonport.cli.events"
local json = require "moonport.json"

-- The event itself as it came, and beside it what is shown of it; false: it is none.
---@param line string
---@return string|false
return function(line, language) -- luacheck: ignore language
  local event = json.decode(line)
  if type(event) ~= "table" then return false end
  local shown = json.encode({ what = events.what(event), place = events.place(event),
    rows = json.array() })
  return shown and ('"e":%s,%s'):format(line, shown:sub(2, -2)) or false
end
