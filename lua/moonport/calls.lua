-- moonport.calls — tells a colon where a dot belongs, and the other way round — knows no module.
--
-- Without it a method that is called by a dot takes its first argument for the object, and blames
-- that.

local calls = {}

---Makes each method of a class refuse what is none of its objects.
---@param methods table the class, which is its objects' metatable
---@param object string what one is called: "sock"
function calls.by_colon(methods, object)
  for name, method in pairs(methods) do
    if type(method) == "function" and not name:find("^__") then
      methods[name] = function(self, ...)
        if getmetatable(self) ~= methods then
          error(("'%s' is a method: write %s:%s(…), with a colon"):format(name, object, name), 2)
        end
        return method(self, ...)
      end
    end
  end
end

---Makes each function of a module refuse the module itself as first argument.
---@param called string "socket"
function calls.by_dot(module, called)
  for name, f in pairs(module) do
    module[name] = function(first, ...)
      if rawequal(first, module) then
        error(("'%s' is no method: write %s.%s(…), with a dot"):format(name, called, name), 2)
      end
      return f(first, ...)
    end
  end
end

return calls
