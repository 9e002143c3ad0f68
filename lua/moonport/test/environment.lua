-- moonport.test.environment — the globals that a script under test sees, and its require: what the
-- server gives it, with fake time and fake modules — runs nothing.

local datagrams = require "moonport.test.datagrams"
local modules = require "moonport.test.modules"
local network = require "moonport.test.network"

local GLOBALS = {
  "assert", "collectgarbage", "error", "getmetatable", "ipairs", "next", "pairs", "pcall",
  "rawequal", "rawget", "rawlen", "rawset", "select", "setmetatable", "tonumber", "tostring",
  "type", "xpcall", "_VERSION", "string", "utf8",
}
local COPIED = { "table", "math", "io", "os" }
local DEBUG = { "traceback", "getinfo", "getlocal", "getupvalue", "gethook" }

local EXIT = "os.exit would end the server and every connection; close this connection with " ..
  "conn:close(), or raise an error"
local BINARY = "binary chunks are not loaded here (the operator may allow them: --unsafe)"

local function copy(from, names)
  local to = {}
  if not names then
    for name, value in pairs(from) do to[name] = value end
  else
    for _, name in ipairs(names) do to[name] = from[name] end
  end
  return to
end

-- --- Time and the process ------------------------------------------------------------------

local function fake_os(os_library, runtime, options)
  local library = copy(os_library)
  local function now() return math.floor(options.time + runtime.loop.now_ms / 1000) end
  function library.exit() error(EXIT, 2) end
  function library.setlocale(locale, category)
    return locale == nil and os_library.setlocale(nil, category) or nil
  end
  function library.time(date)
    if date ~= nil then return os_library.time(date) end
    return now()
  end
  function library.date(format, time) return os_library.date(format, time or now()) end
  function library.getenv(name)
    local value = options.env[name]
    if value == false then return nil end
    return value or os_library.getenv(name)
  end
  return library
end

-- --- Loading -------------------------------------------------------------------------------

local function add_loaders(env)
  function env.load(chunk, name, mode, ...)
    if mode ~= nil and not mode:find("t", 1, true) then return nil, BINARY end
    if select("#", ...) > 0 then return load(chunk, name, "t", (...)) end
    return load(chunk, name, "t", env)
  end
  function env.loadfile(path, _, ...)
    return loadfile(path, "t", select("#", ...) > 0 and (...) or env)
  end
  function env.dofile(path)
    local chunk, fault = loadfile(path, "t", env)
    if not chunk then error(fault, 0) end
    return chunk()
  end
end

-- A module of the library in Lua, compiled anew, so that its globals are those of `env`.
local function library_loader(name, env)
  for _, search in ipairs(package.searchers) do
    local loader, where = search(name)
    if type(loader) == "function" and debug.getinfo(loader, "S").what == "main" then
      debug.setupvalue(loader, 1, env)
      return loader, where
    end
  end
end

-- What finds `name`, and what that is told; or nil and where was looked.
local function find_loader(name, env, fakes)
  local library = env.package
  if library.preload[name] then return library.preload[name], ":preload:" end
  if fakes[name] then return fakes[name], ":fake:" end
  if name:find("^moonport%.") then
    local loader, where = library_loader(name, env)
    if loader then return loader, where end
  end
  local file, looked = package.searchpath(name, library.path)
  if file then
    local loader, fault = loadfile(file, "t", env)
    if not loader then error(("error loading module '%s':\n\t%s"):format(name, fault), 0) end
    return loader, file
  end
  -- Written in C: there is one of it in a process.
  local found, module = pcall(require, name)
  if found then return function() return module end, ":C:" end
  local _, looked_for_c = package.searchpath(name, library.cpath)
  return nil, ("\n\tno module '%s' in moonport\n\t%s\n\t%s"):format(name, looked, looked_for_c)
end

local function add_require(env, fakes)
  function env.require(name)
    local loaded = env.package.loaded
    if loaded[name] ~= nil then return loaded[name] end
    local loader, where = find_loader(name, env, fakes)
    if not loader then
      error(("module '%s' not found:\n\tno field package.preload['%s']%s"):format(name, name,
        where), 2)
    end
    local module = loader(name, where)
    if module ~= nil then loaded[name] = module end
    if loaded[name] == nil then loaded[name] = true end
    return loaded[name], where
  end
end

local function fakes_of(runtime, given)
  local fakes = {}
  for _, name in ipairs({ "log", "timer", "server", "task" }) do
    fakes["moonport." .. name] = function() return modules[name](runtime) end
  end
  fakes["moonport.socket.core"] = function() return network.core(runtime, datagrams) end
  for name, module in pairs(given) do
    fakes[name] = function() return module end
  end
  return fakes
end

-- --- Output --------------------------------------------------------------------------------

local function add_output(env, runtime)
  function env.print(...)
    local texts = table.pack(...)
    for index = 1, texts.n do texts[index] = tostring(texts[index]) end
    runtime:write_log("info", table.concat(texts, "\t"), runtime.tasks:conn_id())
  end
  function env.warn(...)
    local text = table.concat({ ... })
    if select("#", ...) == 1 and text:sub(1, 1) == "@" then return end -- on or off: always on
    runtime:write_log("warn", text)
  end
end

---@param runtime moonport.test.Runtime
---@param directory string of the script, where its own modules are
---@param options { time: number, env: table, modules: table }
---@return table env the globals
return function(runtime, directory, options)
  local env = copy(_G, GLOBALS)
  for _, name in ipairs(COPIED) do env[name] = copy(_G[name]) end
  env._G = env
  env.debug = copy(debug, DEBUG)
  env.os = fake_os(os, runtime, options)
  env.coroutine = runtime.tasks:library()
  env.package = {
    config = package.config, cpath = package.cpath, searchpath = package.searchpath,
    path = directory .. "/?.lua;" .. directory .. "/?/init.lua;" .. package.path,
    loaded = {}, preload = {},
  }
  for _, name in ipairs({ "string", "utf8", "table", "math", "io", "os", "debug", "coroutine",
    "package" }) do
    env.package.loaded[name] = env[name]
  end
  env.package.loaded._G = env
  add_output(env, runtime)
  add_loaders(env)
  add_require(env, fakes_of(runtime, options.modules))
  return env
end
