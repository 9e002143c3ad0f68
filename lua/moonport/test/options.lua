-- moonport.test.options — what a test may say of a script that it loads — loads none.

local calls = require "moonport.calls"

local options = {}

-- 2000-01-01 00:00:00 UTC: a test's outcome does not depend on when it runs.
local DEFAULT_TIME = 946684800

local TYPES = { time = "number", env = "table", modules = "table", errors = "string",
  listen = "string or table" }

---Raises when there is one that is not among those.
---@param known string "env, errors"
---@param call string whose options they are
function options.check_names(given, known, call)
  for name in pairs(given) do
    if type(name) ~= "string" or not (", " .. known .. ","):find(", " .. name .. ",", 1, true) then
      calls.refuse(("unknown option '%s' of %s (known: %s)"):format(tostring(name), call, known))
    end
  end
end

---Raises when there is anything wrong with them.
---@return moonport.test.Options checked with the defaults
function options.check(given)
  options.check_names(given, "env, errors, listen, modules, time", "load()")
  for name, value in pairs(given) do
    if not TYPES[name]:find(type(value), 1, true) then
      calls.refuse(("option '%s' is a %s: write a %s"):format(name, type(value), TYPES[name]))
    end
  end
  if given.errors and given.errors ~= "raise" and given.errors ~= "keep" then
    calls.refuse([[option 'errors' is ]] .. given.errors .. [[: write "raise" or "keep"]])
  end
  local listen = type(given.listen) == "string" and { given.listen } or given.listen
  return { time = given.time or DEFAULT_TIME, env = given.env or {}, modules = given.modules or {},
    errors = given.errors, listen = listen }
end

return options
