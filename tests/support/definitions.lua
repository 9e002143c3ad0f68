-- definitions.lua — the names in lua/meta, which editors are told of — not whether they are there.

local uv = require "luv"

local definitions = { files = {} }

for name in uv.fs_scandir_next, uv.fs_scandir("lua/meta") do
  table.insert(definitions.files, name)
end

-- Adds the names of one file of definitions to classes[CLASS][NAME]: its fields and its functions.
local function read_definitions(path, classes)
  local class, class_of = nil, {}
  for line in io.lines(path) do
    local declared = line:match("^%-%-%-@class ([%w.]+)")
    if declared then
      class = declared
      classes[class] = classes[class] or {}
    end
    local field = line:match("^%-%-%-@field ([%w_]+)")
    if field then classes[class][field] = true end
    local variable = line:match("^local ([%w_]+) = {}")
    if variable then class_of[variable] = class end
    local object, name = line:match("^function ([%w_]+)[.:]([%w_]+)%(")
    if object then classes[class_of[object]][name] = true end
  end
end

--- classes[CLASS][NAME] = true, of all files.
function definitions.read()
  local classes = {}
  for _, name in ipairs(definitions.files) do read_definitions("lua/meta/" .. name, classes) end
  return classes
end

return definitions
