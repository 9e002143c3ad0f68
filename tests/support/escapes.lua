-- escapes.lua — what a script may try in order to get out of its sandbox — judges nothing.
--
-- Each is a piece of Lua that returns something true when it got out. `plain` ones do so in a plain
-- Lua 5.4, which shows that they are attempts worth refusing.

local escapes = {}

--- What every piece may use.
escapes.prelude = [==[
local binary = string.dump(function() return "binary" end)

-- Whether it is a chunk that was compiled elsewhere.
local function runs(chunk)
  return type(chunk) == "function" and chunk() == "binary"
end

local function write(name, bytes)
  local path = directory .. "/" .. name
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

-- Every value that is reached from `root` by keys, metatables and upvalues.
local function walk(root, visit)
  local seen, list = {}, { root }
  while #list > 0 do
    local value = table.remove(list)
    local kind = type(value)
    if (kind == "table" or kind == "function" or kind == "userdata") and not seen[value] then
      seen[value] = true
      visit(value)
      local meta = getmetatable(value)
      if type(meta) == "table" then list[#list + 1] = meta end
      if kind == "table" then
        for key, each in next, value do
          list[#list + 1] = key
          list[#list + 1] = each
        end
      elseif kind == "function" then
        for index = 1, 255 do
          local name, each = debug.getupvalue(value, index)
          if not name then break end
          list[#list + 1] = each
        end
      end
    end
  end
end

-- What a C function below us on the stack holds.
local function values_of_c_functions(visit)
  for level = 1, 20 do
    local info = debug.getinfo(level, "S")
    if not info then return end
    for index = 1, info.what == "C" and 250 or 0 do
      local name, value = debug.getlocal(level, index)
      if not name then break end
      visit(value)
    end
  end
end

local function found_userdata()
  local found
  values_of_c_functions(function(value) found = found or type(value) == "userdata" end)
  return found
end
]==]

local function add(name, code, options)
  options = options or {}
  escapes[#escapes + 1] = { name = name, code = code, plain = options.plain ~= false,
    needs = options.needs }
end

-- --- Chunks that were compiled before ---------------------------------------------------------

add("load of a binary chunk", "return runs(load(binary))")
for _, mode in ipairs({ "b", "bt", "tb" }) do
  add("load of a binary chunk, mode " .. mode, ("return runs(load(binary, 'x', %q))"):format(mode))
end
add("load of a binary chunk without its names",
  "return runs(load(string.dump(function() return 'binary' end, true)))")
add("load with a reader that gives a binary chunk", [[
  local given = false
  return runs(load(function()
    if given then return nil end
    given = true
    return binary
  end))
]])
add("load with a reader that gives a binary chunk byte by byte", [[
  local at = 0
  return runs(load(function()
    at = at + 1
    return at <= #binary and binary:sub(at, at) or nil
  end, "x", "bt"))
]])
add("load in a coroutine", "return runs(coroutine.wrap(load)(binary, 'x', 'b'))")
add("load by its name in the library table", "return runs(package.loaded._G.load(binary))")
add("load behind an upvalue of load", [[
  for _, front in ipairs({ load, loadfile, dofile, require }) do
    for index = 1, 9 do
      local _, value = debug.getupvalue(front, index)
      if type(value) == "function" and runs(select(2, pcall(value, binary))) then return true end
    end
  end
]], { plain = false })
add("a function that loads binary chunks, behind anything there is", [[
  local touched = { [os] = true, [io] = true } -- calling those would leave traces
  local left_out, loads = {}, false
  for library in pairs(touched) do
    for _, each in pairs(library) do left_out[each] = true end
  end
  for _, each in pairs(coroutine) do left_out[each] = true end
  walk({ _G, package, "" }, function(value)
    if type(value) == "function" and not left_out[value] then
      local ok, chunk = pcall(value, binary)
      loads = loads or ok and type(chunk) == "function" and select(2, pcall(runs, chunk)) == true
    end
  end)
  return loads
]])
add("loadfile of a binary chunk", "return runs(loadfile(write('x.luac', binary)))")
add("loadfile of a binary chunk, mode b", "return runs(loadfile(write('x.luac', binary), 'b'))")
add("loadfile of a binary chunk behind a line that starts with #",
  "return runs(loadfile(write('x.luac', '#!/usr/bin/lua\\n' .. binary)))")
add("loadfile of a binary chunk behind a byte order mark",
  "return runs(loadfile(write('x.luac', '\\xEF\\xBB\\xBF#x\\n' .. binary), 'bt'))")
add("dofile of a binary chunk", "return dofile(write('x.luac', binary)) == 'binary'")
add("require of a binary chunk", [[
  write("compiled_module.lua", binary)
  package.path = directory .. "/?.lua"
  return require("compiled_module") == "binary"
]])
add("require of a .luac file", [[
  write("compiled_module.luac", "#!lua\n" .. binary)
  package.path = directory .. "/?.luac"
  return require("compiled_module") == "binary"
]])
add("a searcher of Lua's own", [[
  write("compiled_module.lua", binary)
  package.path = directory .. "/?.lua"
  for _, search in ipairs(package.searchers) do
    local ok, loader = pcall(search, "compiled_module")
    if ok and runs(loader) then return true end
  end
]])
add("a corrupted binary chunk by any loader", [[
  math.randomseed(1)
  for _ = 1, 300 do
    local at = math.random(1, #binary - 1)
    local byte = string.char(math.random(0, 255))
    local bytes = "\27" .. (binary:sub(1, at) .. byte .. binary:sub(at + 2)):sub(2)
    local path = write("x.luac", bytes)
    local given = false
    local function reader()
      given = not given
      return given and bytes or nil
    end
    if load(bytes) or load(reader) or loadfile(path) or pcall(dofile, path) then return true end
  end
]], { plain = false }) -- plain Lua may crash here, which is the point

-- --- debug ------------------------------------------------------------------------------------

for _, name in ipairs({ "sethook", "setlocal", "setupvalue", "setmetatable", "getmetatable",
  "getregistry", "getuservalue", "setuservalue", "upvalueid", "upvaluejoin", "debug" }) do
  add("debug." .. name, ("return debug[%q] or require('debug')[%q] or package.loaded.debug[%q]")
    :format(name, name, name))
end
add("the debug library behind anything there is", [[
  local found
  walk({ _G, package, "" }, function(value)
    found = found or type(value) == "table" and rawget(value, "setmetatable") and
      rawget(value, "getregistry")
  end)
  return found
]])
add("the debug library out of another shared object", [[
  package.cpath = shared_lua
  local ok, library = pcall(require, "debug-x")
  return ok and library.getregistry
]], { needs = "shared_lua" })
add("the base library out of another shared object", [[
  package.cpath = shared_lua
  local ok, library = pcall(require, "x-base")
  return ok and runs(library.load(binary))
]], { needs = "shared_lua" })
add("the debug library by the searcher of C modules", [[
  package.cpath = shared_lua
  for index = 4, 5 do
    local search = package.searchers[index]
    local ok, loader = pcall(search, "debug")
    if ok and type(loader) == "function" then return true end
  end
]], { needs = "shared_lua", plain = false })
add("package.loadlib", "return package.loadlib")
add("the buffer of string.gsub", [[
  local found
  string.gsub(("x"):rep(4000), "x", function()
    found = found or found_userdata()
    return "yyyyyyyyyyyyyyyy"
  end)
  return found
]])
add("the buffer of string.format", [[
  local found
  local probe = setmetatable({}, { __tostring = function()
    found = found_userdata()
    return "x"
  end })
  string.format("%s%s", ("x"):rep(4000), probe)
  return found
]])
add("the buffer of table.concat", [[
  local found
  local list = setmetatable({ ("x"):rep(4000) }, { __index = function()
    found = found_userdata()
    return "x"
  end })
  table.concat(list, "", 1, 2)
  return found
]])
add("what a C function that waits in a coroutine holds", [[
  local co = coroutine.create(function() coroutine.yield(io.stdout) end)
  coroutine.resume(co)
  return debug.getlocal(co, 0, 1)
]], { plain = false })
add("the C functions that called this", [[
  for level = 1, 50 do
    local info = debug.getinfo(level, "Sf")
    if not info then return false end
    if info.what == "C" and info.func then return true end
  end
]])
add("the C function that a coroutine is in", [[
  local co = coroutine.create(function() coroutine.yield() end)
  coroutine.resume(co)
  return debug.getinfo(co, 0, "f").func
]])
add("calling what called this with a file of its own", [[
  for level = 1, 50 do
    local info = debug.getinfo(level, "Sf")
    if not info then return false end
    if info.what == "C" and info.func and info.func ~= pcall then
      info.func(io.stdout, io.stdout)
    end
  end
]], { plain = false })

-- --- Objects of the core ------------------------------------------------------------------------

for name, make in pairs({
  ["a datagram socket"] = 'require("moonport.socket.core").udp("127.0.0.1:0")',
  ["a listening socket"] = 'require("moonport.socket.core").bind("127.0.0.1:0")',
  ["a timer"] = 'require("moonport.timer").after(9, print)',
  ["a task"] = 'require("moonport.task").spawn(print)',
}) do
  add("taking away the finalizer of " .. name, ([[
    local object = %s
    local meta = getmetatable(object)
    if type(meta) ~= "table" then return false end
    meta.__gc = nil
    object = nil
    collectgarbage()
    collectgarbage()
    return true
  ]]):format(make), { plain = false })
end
add("the rules by which a script is judged", [[
  local rules = package.loaded["moonport.service"]
  if not rules then return false end
  rules.read = function() return { listen = { {} }, handlers = {} } end
  return true
]], { plain = false })
add("closing standard output", [[
  pcall(getmetatable(io.stdout).__gc, io.stdout)
  pcall(io.stdout.close, io.stdout)
  pcall(io.close)
  return io.type(io.stdout) ~= "file"
]], { plain = false })
add("closing the coroutine that runs",
  "return (pcall(coroutine.close, (coroutine.running())))", { plain = false })

-- --- The process --------------------------------------------------------------------------------

add("os.exit", "os.exit(77, true)", { plain = false })
add("os.exit in a coroutine", "coroutine.wrap(os.exit)(77)", { plain = false })
add("os.exit by its library", "package.loaded.os.exit(77)", { plain = false })
add("os.exit in a finalizer", [[
  setmetatable({}, { __gc = function() os.exit(77) end })
  collectgarbage()
]], { plain = false })
add("the process's locale", "return os.setlocale('C.UTF-8') or os.setlocale('C', 'numeric')")

for name, path in pairs({
  ["by its name"] = '"/proc/self/mem"',
  ["by its number"] = '"/proc/" .. pid .. "/mem"',
  ["of its thread"] = '"/proc/self/task/" .. pid .. "/mem"',
  ["of the thread that runs"] = '"/proc/thread-self/mem"',
  ["behind /proc/self/root"] = '"/proc/self/root/proc/self/mem"',
  ["with more slashes"] = '"//proc//self///mem"',
  ["with dots"] = '"/proc/../proc/./self/mem"',
  ["from where it runs"] = '("../"):rep(30) .. "proc/self/mem"',
  ["behind /proc/self/cwd"] = '"/proc/self/cwd/" .. ("../"):rep(30) .. "proc/self/mem"',
  ["behind a symbolic link"] = "link",
}) do
  add("the process's memory, " .. name, ([[
    local pid = io.open("/proc/self/stat"):read("n")
    local path = %s
    return io.open(path, "r+b") or io.open(path, "rb") or io.open(path)
  ]]):format(path))
end
add("the process's memory by io.lines", "return io.lines('/proc/self/mem')")
add("the process's memory by io.input", "return io.input('/proc/self/mem')")
add("the process's memory by io.output", [[
  return pcall(io.output, "/proc/self/mem") and io.type(io.output()) == "file" and
    io.output() ~= io.stdout
]])

return escapes
