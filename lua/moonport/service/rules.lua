-- moonport.service.rules — the rules that several fields of a service have — opens nothing.

local type, tonumber = type, tonumber
local tointeger, format, match = math.tointeger, string.format, string.match

local SIZE_UNITS = { [""] = 1, K = 2 ^ 10, M = 2 ^ 20, G = 2 ^ 30 }
local SIZE_MAX = 2 ^ 53

local M = { TOO_LARGE = ", which is too large" }

-- A rule gives the value as C wants it, or nil, what is accepted, and what else is to be said.
---@alias moonport.service.Rule fun(value: any): any, string?, string?

function M.whole_from(min, max)
  return function(value)
    local number = type(value) == "number" and tointeger(value)
    if number and number >= min and number <= max then return number end
    return nil, format("a whole number from %d to %d", min, max)
  end
end

---@type moonport.service.Rule
function M.size(value)
  local number = type(value) == "number" and value
  if type(value) == "string" then
    local digits, unit = match(value, "^(%d+)([KMG]?)$")
    number = digits and tonumber(digits) * SIZE_UNITS[unit]
  end
  if number and number > SIZE_MAX then return nil, [[at most "8388608G"]], M.TOO_LARGE end
  local bytes = number and tointeger(number)
  if bytes and bytes >= 1 then return bytes end
  return nil, [[bytes as a whole number, or a string like "64K", "1M", "2G"]]
end

return M
