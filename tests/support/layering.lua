-- layering.lua — says where #include lines break the layers of the source — does not read files.

local layering = {}

-- How high each layer stands: includes go down, or stay inside one layer.
-- net and vm stand side by side, and so are out of reach for each other; so do server and master.
local heights = { base = 1, net = 2, vm = 2, api = 3, server = 4, master = 4, cli = 5, main = 6 }

-- Libraries that a layer must not know. Only api meets both.
local forbidden_headers = {
  base = { libuv = true, Lua = true, OpenSSL = true },
  net = { Lua = true },
  vm = { libuv = true, OpenSSL = true },
  api = { OpenSSL = true },
  server = { OpenSSL = true },
  master = { Lua = true, OpenSSL = true },
  cli = { OpenSSL = true },
}

local lua_headers = { lua = true, lauxlib = true, lualib = true, luaconf = true }

-- "uv.h", "uv/unix.h", "lua5.4/lua.h": which library a header belongs to, or nil.
local function library_of(header)
  if header:find("^openssl/") then return "OpenSSL" end
  if header == "uv.h" or header:find("^uv/") then return "libuv" end
  local name = header:match("([^/]+)%.hp?p?$")
  if lua_headers[name] then return "Lua" end
  return nil
end

-- "src/net/conn.c" -> "net". What lies in src/ itself is the program's entry.
local function layer_of(path)
  return path:match("^src/([^/]+)/") or "main"
end

-- "src/net/../vm/./vm.h" -> "src/vm/vm.h".
local function normalize(path)
  local parts = {}
  for part in path:gmatch("[^/]+") do
    if part == ".." then table.remove(parts) elseif part ~= "." then parts[#parts + 1] = part end
  end
  return table.concat(parts, "/")
end

-- The file of src/ that an include in `path` means, or nil for one of the system (<net/if.h>).
-- A quoted header that is not there (generated, say) still has the place that its name gives.
local function resolve(files, path, name, quoted)
  local beside = normalize(path:match("^(.*/)") .. name)
  local from_root = normalize("src/" .. name)
  if quoted and (files[beside] or name:find("^%.")) then return beside end
  if files[from_root] or quoted and name:find("/", 1, true) then return from_root end
  return nil
end

local function each_line(text)
  local number = 0
  return function(_, position)
    if position > #text then return nil end
    local stop = text:find("\n", position, true) or #text + 1
    number = number + 1
    return stop + 1, number, text:sub(position, stop - 1)
  end, nil, 1
end

-- Every include of one file, in order: { line, name, file }.
local function includes_of(files, path)
  local includes = {}
  for _, number, line in each_line(files[path]) do
    local mark, name = line:match('^%s*#%s*include%s*(["<])([^">]+)[">]')
    if name then
      local file = resolve(files, path, name, mark == '"')
      includes[#includes + 1] = { line = number, name = name, file = file }
    end
  end
  return includes
end

-- Why `path` must not include this, or nil.
local function offence_of(path, include)
  local layer = layer_of(path)
  local library = not include.file and library_of(include.name)
  if library and (forbidden_headers[layer] or {})[library] then
    return ("%s must not know %s, but includes %s"):format(layer, library, include.name)
  end
  local other = include.file and layer_of(include.file)
  if other and other ~= layer and (heights[other] or 0) >= heights[layer] then
    local place = heights[other] == heights[layer] and "beside" or "above"
    return ("%s includes %s, and %s stands %s it"):format(layer, include.name, other, place)
  end
  return nil
end

local function sorted_paths(files)
  local paths = {}
  for path in pairs(files) do paths[#paths + 1] = path end
  table.sort(paths)
  return paths
end

local function find_offence(graph, paths)
  for _, path in ipairs(paths) do
    if not heights[layer_of(path)] then
      local advice = "%s:1: %s is no layer; choose one of those in docs/ARCHITECTURE.md"
      return advice:format(path, layer_of(path))
    end
    for _, include in ipairs(graph[path]) do
      local offence = offence_of(path, include)
      if offence then return ("%s:%d: %s"):format(path, include.line, offence) end
    end
  end
  return nil
end

-- Depth first; `trail` is the way from the first file to this one, `done` what closes no circle.
local function find_circle_from(graph, path, trail, done)
  if done[path] then return nil end
  trail[#trail + 1] = path
  trail[path] = #trail
  for _, include in ipairs(graph[path]) do
    local entered = include.file and trail[include.file]
    if entered then
      local circle = table.concat(trail, " > ", entered) .. " > " .. include.file
      return ("%s:%d: closes a circle: %s"):format(path, include.line, circle)
    end
    local known = include.file and graph[include.file]
    local found = known and find_circle_from(graph, include.file, trail, done)
    if found then return found end
  end
  trail[path] = nil
  trail[#trail] = nil
  done[path] = true
  return nil
end

local function find_circle(graph, paths)
  local done = {}
  for _, path in ipairs(paths) do
    local found = find_circle_from(graph, path, {}, done)
    if found then return found end
  end
  return nil
end

--- The first include that breaks a rule, as "src/net/conn.c:3: what is wrong", or nil.
--- Files are taken by name, then by line; circles are looked for when all else is right.
--- @param files table<string, string> path, from the root of the repository, to contents
--- @return string?
function layering.first_offence(files)
  local graph, paths = {}, sorted_paths(files)
  for _, path in ipairs(paths) do graph[path] = includes_of(files, path) end
  return find_offence(graph, paths) or find_circle(graph, paths)
end

-- Headers that no other system has, and the files that may know them: the build of any other leaves
-- them out (CMakeLists.txt), and so does MOONPORT_PORTABLE.
local linux_headers = {
  "^linux/", "^asm/", "^sys/epoll%.h$", "^sys/eventfd%.h$", "^sys/fanotify%.h$", "^sys/inotify%.h$",
  "^sys/prctl%.h$", "^sys/sendfile%.h$", "^sys/signalfd%.h$", "^sys/statfs%.h$", "^sys/timerfd%.h$",
  "^sys/auxv%.h$", "^sys/syscall%.h$", "^sys/random%.h$",
}
local linux_files = {
  "^src/base/platform/linux[%l_]*%.c$", "^src/net/ready%.c$", "^src/net/piped%.c$",
  "^src/net/transport/direct%.c$", "^src/api/shared%.c$", "^src/api/stores?%.c$",
  "^src/api/store_%l+%.c$",
}

local function matches_any(text, patterns)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then return true end
  end
  return false
end

--- The first header of Linux in a file that other systems compile, too; or nil.
--- @param files table<string, string> as above
--- @return string?
function layering.first_of_linux(files)
  local advice = "%s:%d: only Linux has %s: give src/base/platform.h a call for it"
  for _, path in ipairs(sorted_paths(files)) do
    for _, include in ipairs(matches_any(path, linux_files) and {} or includes_of(files, path)) do
      if matches_any(include.name, linux_headers) then
        return advice:format(path, include.line, include.name)
      end
    end
  end
  return nil
end

return layering
