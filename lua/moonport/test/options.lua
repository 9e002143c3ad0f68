-- moonport.test.options — what a test may say of a script that it loads — loads none.

local options = {}

-- 2000-01-01 00:00:00 UTC: a test's outcome does not depend on when it runs.
local DEFAULT_TIME = 946684800

local TYPES = { time = "number", env = "table", modules = "table", errors = "string",
  listen = "string or table" }

---Raises when there is anything wrong with them.
---@return moonport.test.Options checked with the defaults
function options.check(given)
  for name, value in pairs(given) do
    if not TYPES[name] then
      error(("unknown option '%s' (known: env, errors, listen, modules, time)"):format(name), 0)
    end
    if not TYPES[name]:find(type(value), 1, true) then
      error(("option '%s' is a %s: write a %s"):format(name, type(value), TYPES[name]), 0)
    end
  end
  if given.errors and given.errors ~= "raise" and given.errors ~= "keep" then
    error([[option 'errors' is ]] .. given.errors .. [[: write "raise" or "keep"]], 0)
  end
  local listen = type(given.listen) == "string" and { given.listen } or given.listen
  return { time = given.time or DEFAULT_TIME, env = given.env or {}, modules = given.modules or {},
    errors = given.errors, listen = listen }
end

return options
