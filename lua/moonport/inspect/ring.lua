-- moonport.inspect.ring — the last events, numbered, as JSON and as they are shown — knows
-- not what they say.

local words = require "moonport.inspect.words"

---@class moonport.inspect.Ring
---@field first integer number of the oldest one that is there
---@field last integer number of the newest one; first - 1 where there is none
---@field private lines table<integer, string>
---@field private bytes integer of all lines
---@field private count_max integer
---@field private bytes_max integer
---@field private told table<string, table<integer, string>> what was made of them, by language
local Ring = {}
Ring.__index = Ring

local function drop_oldest(self)
  self.bytes = self.bytes - #self.lines[self.first]
  self.lines[self.first] = nil
  for _, told in pairs(self.told) do told[self.first] = nil end
  self.first = self.first + 1
end

function Ring:push(line)
  self.last = self.last + 1
  self.lines[self.last] = line
  self.bytes = self.bytes + #line
  while self.last - self.first >= self.count_max or self.bytes > self.bytes_max do
    drop_oldest(self)
  end
end

-- As it is shown, made once for each language; false: it cannot be.
---@return string|false
function Ring:rendered(number, language)
  local told = self.told[language]
  if not told then
    told = {}
    self.told[language] = told
  end
  local text = told[number]
  if text == nil then
    text = self.words:render(number, self.lines[number], language)
    told[number] = text
  end
  return text
end

local function new(count_max, bytes_max)
  return setmetatable({ first = 1, last = 0, lines = {}, bytes = 0, count_max = count_max,
    bytes_max = bytes_max, told = {}, words = words.new() }, Ring)
end

return { new = new }
