-- moonport.shared — opens what all workers of a server share — does not know how it is kept.
-- What each call takes and returns is told in lua/meta/shared.lua.

local calls = require "moonport.calls"
local core = require "moonport.shared.core"
local size_of = require("moonport.service.rules").size

if not core.open then
  error("moonport.shared is not in this build: it was made without LMDB" ..
    " (Debian, Ubuntu: apt install liblmdb-dev; then build again)", 0)
end

local SIZE = "16M"
local BYTES_MIN, BYTES_MAX = 1024 ^ 2, 64 * 1024 ^ 3
local NAME_MAX = 64
local KNOWN = "known: evict, path, size"

local function refuse(format, ...) calls.refuse(("shared.open: " .. format):format(...)) end

local checks = {}

function checks.size(value)
  local bytes = size_of(value)
  if not bytes or bytes < BYTES_MIN or bytes > BYTES_MAX then
    refuse("option 'size' must be bytes, \"1M\" to \"64G\", not %s", tostring(value))
  end
end

function checks.path(value)
  if type(value) ~= "string" or value == "" then refuse("option 'path' must be that of a file") end
end

function checks.evict(value)
  if type(value) ~= "boolean" then refuse("option 'evict' must be true or false") end
end

local M = {}

function M.open(name, options)
  calls.check(name, 1, "open", "string")
  calls.check(options, 2, "open", "table", "nil")
  if #name > NAME_MAX or not name:find("^[%w_][%w_.-]*$") then
    refuse("a name has 1 to %d letters, digits, '_', '-' and '.', and begins with a letter, " ..
      "a digit or '_'", NAME_MAX)
  end
  for option, value in pairs(options or {}) do
    if not checks[option] then refuse("unknown option '%s' (%s)", tostring(option), KNOWN) end
    checks[option](value)
  end
  options = options or {}
  return core.open(name, size_of(options.size or SIZE), options.evict or false, options.path)
end

calls.by_dot(M, "shared")
return M
