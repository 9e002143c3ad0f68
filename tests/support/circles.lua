-- circles.lua — says which .c files call each other in a circle — does not read files.
--
-- A file calls another when it names a function, or a constant, that the other defines and is not
-- static; over which header it knows it does not matter. Calls through pointers are no calls.

local c_source = require "tests.support.c_source"

local circles = {}

-- "src/server/control/find.c" -> "server".
local function folder_of(path)
  return path:match("^src/([^/]+)/")
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- path -> { other path in the same folder -> a function of that which it calls }.
local function calls_between(files)
  local texts, definer, static, calls = {}, {}, {}, {}
  for _, path in ipairs(sorted_keys(files)) do
    if path:find("%.c$") and folder_of(path) then
      texts[path], static[path], calls[path] = c_source.bare(files[path]), {}, {}
      c_source.each_definition(texts[path], function(name, is_static)
        if is_static then
          static[path][name] = true
        elseif name ~= "__attribute__" then
          definer[name] = path
        end
      end)
    end
  end
  for path, text in pairs(texts) do
    c_source.each_use(text, function(name)
      local other = not static[path][name] and definer[name]
      if other and other ~= path and folder_of(other) == folder_of(path) then
        local first = calls[path][other]
        if not first or name < first then calls[path][other] = name end
      end
    end)
  end
  return calls
end

-- The files that lead to each other, as lists of two and more (Tarjan's algorithm).
local function circles_of(calls)
  local index, low, on_stack, stack, found, count = {}, {}, {}, {}, {}, 0
  local function visit(path)
    count = count + 1
    index[path], low[path] = count, count
    stack[#stack + 1] = path
    on_stack[path] = true
    for _, other in ipairs(sorted_keys(calls[path])) do
      if not index[other] then visit(other) end
      if on_stack[other] then low[path] = math.min(low[path], low[other]) end
    end
    if low[path] ~= index[path] then return end
    local circle = {}
    repeat
      local member = table.remove(stack)
      on_stack[member] = nil
      circle[#circle + 1] = member
    until member == path
    table.sort(circle)
    if #circle > 1 then found[#found + 1] = circle end
  end
  for _, path in ipairs(sorted_keys(calls)) do
    if not index[path] then visit(path) end
  end
  return found
end

local function describe(circle, calls)
  local lines, is_member = {}, {}
  for _, path in ipairs(circle) do is_member[path] = true end
  for _, path in ipairs(circle) do
    for _, other in ipairs(sorted_keys(calls[path])) do
      if is_member[other] then
        lines[#lines + 1] = ("  %s calls %s of %s"):format(path, calls[path][other], other)
      end
    end
  end
  return table.concat(lines, "\n")
end

--- The circles that are larger than they may be, each with the calls that make it; or nil.
--- @param files table<string, string> path, from the root of the repository, to contents
--- @param files_max integer how many files may be one circle
--- @return string?
function circles.too_large(files, files_max)
  local calls, told = calls_between(files), {}
  for _, circle in ipairs(circles_of(calls)) do
    local folder = folder_of(circle[1])
    if #circle > files_max then
      told[#told + 1] = ("src/%s: %d files call each other in a circle, where %d may:\n%s")
        :format(folder, #circle, files_max, describe(circle, calls))
    end
  end
  return told[1] and table.concat(told, "\n")
end

return circles
