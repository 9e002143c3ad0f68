-- moonport.calls — refuses a call that cannot mean what it says: a colon where a dot belongs, or
-- the other way round, and arguments that nothing takes — knows no module.
--
-- Without it a method that is called by a dot takes its first argument for the object, and blames
-- that; and what Lua drops, its author believes to be heeded.

local calls = {}

local TAKES = { [0] = "no argument", "one argument", "two arguments", "three arguments" }

-- How many arguments a function takes; of one with "…" any number.
local function taken_by(f)
  local info = debug.getinfo(f, "u")
  return info.isvararg and math.huge or info.nparams
end

-- As api_check_count() does for functions in C: a nil too many is nothing that gets lost.
local function check_count(name, takes, instead, ...)
  for index = takes + 1, select("#", ...) do
    local type = type((select(index, ...)))
    if type ~= "nil" then
      error(("bad argument #%d to '%s' (it takes %s, and this %s would be dropped%s)"):format(
        index, name, TAKES[takes], type, instead and ": " .. instead or ""), 3)
    end
  end
end

---Makes each method of a class refuse what is none of its objects, and what it does not take.
---@param methods table the class, which is its objects' metatable
---@param object string what one is called: "sock"
---@param instead table<string, string>? by method, what to write where it is given too much
function calls.by_colon(methods, object, instead)
  for name, method in pairs(methods) do
    if type(method) == "function" and not name:find("^__") then
      local takes, hint = taken_by(method) - 1, instead and instead[name]
      methods[name] = function(self, ...)
        if getmetatable(self) ~= methods then
          error(("'%s' is a method: write %s:%s(…), with a colon"):format(name, object, name), 2)
        end
        if select("#", ...) > takes then check_count(name, takes, hint, ...) end
        return method(self, ...)
      end
    end
  end
end

---Makes each function of a module refuse the module itself as first argument, and what it does
---not take.
---@param module table
---@param called string "socket"
---@param instead table<string, string>? as of by_colon()
function calls.by_dot(module, called, instead)
  for name, f in pairs(module) do
    local takes, hint = taken_by(f), instead and instead[name]
    module[name] = function(...)
      if rawequal((...), module) then
        error(("'%s' is no method: write %s.%s(…), with a dot"):format(name, called, name), 2)
      end
      if select("#", ...) > takes then check_count(name, takes, hint, ...) end
      return f(...)
    end
  end
end

return calls
