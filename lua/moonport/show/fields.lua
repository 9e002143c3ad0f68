-- moonport.show.fields — what an answer or an event has under a name, which may be anybody's or
-- missing — does not know what it means.

local M = {}

---@return string text "" where there is none
function M.text(object, name)
  local value = object[name]
  return type(value) == "string" and value or ""
end

---@return integer number 0 where there is none
function M.number(object, name)
  return type(object[name]) == "number" and math.tointeger(object[name]) or 0
end

---@return number number 0 where there is none
function M.real(object, name)
  return type(object[name]) == "number" and object[name] or 0
end

---@return string id of a connection: "17", or "2.17" of the second of several workers; "0": none
function M.id(object, name)
  local value = object[name]
  if type(value) == "string" and value:find("^%d+%.%d+$") then return value end
  return tostring(M.number(object, name))
end

return M
