-- moonport.show.words — phrases in a language, with figures and names put into them — does not know
-- what happened.
--
-- A phrase names what it takes in braces: {peer} is a text, shown so that it does nothing but be
-- read, and {taken:byte} a number in a unit or a noun of the language.

local core = require "moonport.show.core"
local fields = require "moonport.show.fields"

local M = {}

local TEXT_CELLS = 1000

---@type table<string, string> module of each language
local modules = { en = "moonport.show.english", ko = "moonport.show.korean" }

M.languages = { "en", "ko" }

---@class moonport.show.Language
---@field nouns table<string, string[]> for one of them, and for any other number
---@field units table<string, string> of time
---@field phrases table<string, string>

---@param lang string? "en", "ko"; a language that is not there is English
---@return moonport.show.Language
function M.language(lang) return require(modules[lang] or modules.en) end

-- --- Figures --------------------------------------------------------------------------------

-- Three digits or more, and never an exponent: what would round to a thousand has the next unit.
local function in_unit(number, unit, digits)
  return unit:format(("%%.%dg"):format(digits):format(number))
end

-- "2 min 5 s", of the largest unit that there is one of and the next, if there is any of that.
local function long_time(seconds, units)
  local minutes, hours = seconds // 60, seconds // 3600
  local function pair(one, large, other, small)
    local told = units[large]:format(one)
    return other > 0 and told .. " " .. units[small]:format(other) or told
  end
  if hours >= 24 then return pair(hours // 24, "d", hours % 24, "h") end
  if hours >= 1 then return pair(hours, "h", minutes % 60, "min") end
  return pair(minutes, "min", seconds % 60, "s")
end

---@param ns number
---@return string "12 µs", "1.5 ms", "2.4 s", "2 min 5 s"
function M.time(ns, lang)
  local units = M.language(lang).units
  if ns < 999.5e3 then return in_unit(ns / 1e3, units.us, 3) end
  if ns < 999.5e6 then return in_unit(ns / 1e6, units.ms, 3) end
  if ns < 59.995e9 then return in_unit(ns / 1e9, units.s, 4) end
  return long_time(math.tointeger((math.min(ns, 2^62) + 5e8) // 1e9), units)
end

---@return string "1 byte", "5 bytes"
function M.counted(number, noun, lang)
  local forms = M.language(lang).nouns[noun]
  return forms[number == 1 and 1 or 2]:format(number)
end

local times = { ns = 1, us = 1e3, ms = 1e6, s = 1e9 }

local function put(object, name, what, lang)
  if what == "" then return (core.shown(fields.text(object, name), TEXT_CELLS)) end
  if what == "id" then return "#" .. fields.id(object, name) end
  local number = fields.number(object, name)
  if what == "n" then return ("%d"):format(number) end
  if what == "size" and number >= 1024 then return core.bytes(number) end
  if what == "size" then return M.counted(number, "byte", lang) end
  if what == "ms" and number == 0 then return M.language(lang).units.under_ms end
  if times[what] then return M.time(number * times[what], lang) end
  return M.counted(number, what, lang)
end

---The phrase `name`, or "" where the language has none, with fields of `object` in it.
---@return string text
function M.say(lang, name, object)
  local phrase = M.language(lang).phrases[name] or ""
  return (phrase:gsub("{([%w_]+):?(%w*)}", function(field, what)
    return put(object, field, what, lang)
  end))
end

return M
