-- moonport.test.environment — what a test changes in the globals of a script: its time, its
-- variables, its modules — everything else is as the server has it.

---@param globals table of a version that is about to be loaded
---@param now fun(): number seconds since 1970
return function(globals, now, settings)
  local library = globals.os
  local time, date, getenv = library.time, library.date, library.getenv
  function library.time(given)
    if given ~= nil then return time(given) end
    return math.floor(now())
  end
  function library.date(format, at) return date(format, at or math.floor(now())) end
  local open_timer = globals.package.preload["moonport.timer"]
  globals.package.preload["moonport.timer"] = function(...)
    local timer = open_timer(...)
    timer.time = now
    return timer
  end
  function library.getenv(name)
    local value = settings.env[name]
    if value == false then return nil end
    return value or getenv(name)
  end
  for name, module in pairs(settings.modules) do globals.package.loaded[name] = module end
end
