-- moonport.test.http — requests as a peer writes them, and responses as it reads them — knows no
-- connection.

local calls = require "moonport.calls"
local core = require "moonport.http.core"

local FIELDS = { method = "string", target = "string", headers = "table", body = "string" }

local M = {}

local function has_field(headers, wanted)
  for name in pairs(headers) do
    if type(name) == "string" and name:lower() == wanted then return true end
  end
  return false
end

local function add_fields(lines, headers)
  for name, values in pairs(headers) do
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      lines[#lines + 1] = ("%s: %s"):format(name, value)
    end
  end
end

---A request as bytes. What is written is sent as it is: a test may want to say what is wrong.
---@param request moonport.test.Request
---@return string bytes
---@return string method
function M.write(request)
  for name, value in pairs(request) do
    if not FIELDS[name] then
      calls.refuse(("a request has no field '%s' (known: method, target, headers, body)"):format(
        tostring(name)))
    elseif type(value) ~= FIELDS[name] then
      calls.refuse(("%s of a request is a %s, not a %s"):format(name, type(value), FIELDS[name]))
    end
  end
  local method, headers, body = request.method or "GET", request.headers or {}, request.body
  local lines = { ("%s %s HTTP/1.1"):format(method, request.target or "/") }
  if not has_field(headers, "host") then lines[#lines + 1] = "Host: test" end
  add_fields(lines, headers)
  local is_framed = has_field(headers, "content-length") or has_field(headers, "transfer-encoding")
  if body and not is_framed then lines[#lines + 1] = "Content-Length: " .. #body end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or ""), method
end

---The response at the start of the bytes, and how many they are; nil while it is not whole.
---@param bytes string
---@param method string of the request that it answers
---@param is_all boolean nothing more comes
---@return moonport.test.Response?
---@return integer? used
function M.read(bytes, method, is_all)
  local status, reason, list, body, used = core.parse(bytes, method, is_all)
  if not status then
    if list then calls.refuse("what came is no response: " .. list) end
    return nil
  end
  local headers = {}
  for index = 1, #list, 2 do
    local name, value = list[index]:lower(), list[index + 1]
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return { status = status, reason = reason, headers = headers, body = body }, used
end

return M
