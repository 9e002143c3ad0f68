-- moonport.inspect.script — the script of a recording: as it was then, or where its file is to be
-- had — nothing of it comes into force.

local edits = require "moonport.inspect.edits"
local file = require "moonport.file"

---@class moonport.inspect.RecordedScript
---@field name string? "echo.lua"; nil: the recording tells of none
---@field path string? of the file; nil: it is not to be had
---@field text string? as the recording has it
local Script = {}
Script.__index = Script
Script.check = edits.check

function Script:source()
  local text = self.text or self.path and file.read(self.path)
  if text then
    return { ok = true, script = self.name, text = text, in_memory = false }
  end
  return { ok = false, error = "the script of this recording is neither in it, nor beside it, " ..
    "nor here" }
end

-- Beside the recording, or where we are.
---@param recording string its path
---@param name string? the script's file, as events name it
local function find(recording, name)
  local beside = recording:match("^(.*/)[^/]*$") or ""
  for _, directory in ipairs { beside, "" } do
    local status = name and name:find("^[^/]+%.lua$") and file.stat(directory .. name)
    if status and status.kind == "file" then return directory .. name end
  end
end

---@param recording string its path
---@param name string?
---@param text string?
local function new(recording, name, text)
  return setmetatable({ name = name, text = text, path = find(recording, name) }, Script)
end

return { new = new }
