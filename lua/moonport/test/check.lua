-- moonport.test.check — misuse told as the core tells it, in the caller's line — checks no state.

local check = {}

-- check() itself, the function of moonport that was called, and then the line of the script.
local CALLER = 4

local function fail_type(index, name, expected, value)
  local given = value == nil and "no value" or type(value)
  error(("bad argument #%d to '%s' (%s expected, got %s)"):format(index, name, expected, given),
    CALLER)
end

---@return string text numbers become text, as in every function of Lua
function check.text(index, name, value)
  if type(value) ~= "string" and type(value) ~= "number" then
    fail_type(index, name, "string", value)
  end
  return tostring(value)
end

---@return integer
function check.integer(index, name, value, default)
  if value == nil and default then return default end
  local number = tonumber(value)
  if not number then fail_type(index, name, "number", value) end
  local integer = math.tointeger(number)
  if not integer then
    error(("bad argument #%d to '%s' (number has no integer representation)"):format(index, name),
      CALLER - 1)
  end
  return integer
end

---@return "function"
function check.callable(index, name, value)
  if type(value) ~= "function" then fail_type(index, name, "function", value) end
  return value
end

local SECONDS_MAX = 1e9

---@param smallest? integer ms that 0 becomes; nil: 0 is "no limit"
---@return integer ms
function check.milliseconds(index, name, value, smallest)
  if value == nil and not smallest then return 0 end
  local seconds = tonumber(value)
  if not seconds then fail_type(index, name, "number", value) end
  if not (seconds >= 0 and seconds <= SECONDS_MAX) then
    error(("bad argument #%d to '%s' (must be 0 to 1e9 seconds)"):format(index, name), CALLER - 1)
  end
  if seconds == 0 and not smallest then return 0 end
  return math.max(1, math.floor(seconds * 1000 + 0.5))
end

---A string, a number, or a list of them, as one string.
---@return string
function check.data(index, name, value, kind)
  if type(value) == "string" or type(value) == "number" then return tostring(value) end
  if type(value) ~= "table" then
    error(("bad argument #%d to '%s' (%s expected, got %s)"):format(index, name, kind,
      type(value)), CALLER - 1)
  end
  for position = 1, rawlen(value) do
    local piece = rawget(value, position)
    if type(piece) ~= "string" and type(piece) ~= "number" then
      error(("bad argument #1 to '%s' (element %d of the list is a %s, not a string)"):format(name,
        position, type(piece)), CALLER - 1)
    end
  end
  return table.concat(value)
end

return check
