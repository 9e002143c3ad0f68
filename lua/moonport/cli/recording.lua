-- moonport.cli.recording — the file that moonport record and moonport trace --record write: a
-- header, the scripts' texts, events — knows no command, and no event. Its format: docs/tracing.md.

local core = require "moonport.cli.core"
local json = require "moonport.json"
local out = require "moonport.cli.out"
local show = require "moonport.show.core"

local FORMAT = 1
local MISSING = "%s missing, for it fell behind: record again, with a filter or on a faster disk"

local M = {}

---@class moonport.cli.Recording
---@field bytes integer written so far
---@field missing integer events that never came
---@field fault string? why what was written last did not get there
---@field is_full boolean
---@field private file file*
---@field private bytes_max integer
---@field private path string
local Recording = {}
Recording.__index = Recording

---The line that holds a file of a script, as the command source gives it.
---@param line table
---@param version integer
---@return string
local function source_line(line, version)
  return json.encode({ source = { script = out.text(line, "script"):match("[^/]*$"),
    path = line.script, version = version, file = line.file, size = line.size, text = line.text,
    base64 = line.base64 } })
end

---The texts of the scripts in force, as lines. A server that knows no command source gives none,
---and a script that no version is in force of has none.
---@param client moonport.ControlClient
---@param script string? only this one, by its path or its name
---@return string[]? lines
---@return string? fault the server does not answer
function M.sources(client, script)
  local list, fault = client:ask { "scripts" }
  if not list then return nil, fault end
  local lines = {}
  for _, one in ipairs(list.lines) do
    local path = out.text(one, "script")
    if not script or script == path or script == one.name then
      local answer
      answer, fault = client:ask { "source", path }
      if not answer then return nil, fault end
      for _, line in ipairs(answer.lines) do
        lines[#lines + 1] = source_line(line, out.number(answer.last, "version"))
      end
    end
  end
  return lines
end

---Begins one: a file of its owner only, as it holds whatever people sent.
---@param options table<string, any> of the command: force, max-bytes
---@param answer table the server's, before the events
---@param filters string[] the words of the command events
---@param sources string[]
---@return moonport.cli.Recording?
---@return string? fault
function M.create(path, options, answer, filters, sources)
  local file, fault, errno = core.open(path, options.force and "w" or "x")
  if not file then
    return nil, errno == 17 and path .. " is there already: --force overwrites it" or
      ("cannot write %s: %s"):format(path, fault)
  end
  file:setvbuf("no") -- it is given whole pieces
  local self = setmetatable({ file = file, path = path, bytes = 0, missing = 0, is_full = false,
    bytes_max = options["max-bytes"] }, Recording)
  self:write(json.encode({ moonport_recording = FORMAT, version = answer.version,
    pid = answer.pid, time_ns = answer.time_ns, unix_ns = answer.unix_ns,
    filters = json.array(filters) }) .. "\n")
  for _, line in ipairs(sources) do self:write(line .. "\n") end
  return self
end

---Writes whole lines, those that --max-bytes has room for.
---@param lines string
function Recording:write(lines)
  local room = self.bytes_max - self.bytes
  if #lines > room then
    lines = lines:sub(1, room):match("^.*\n") or ""
    self.is_full = true
  end
  local ok, fault = self.file:write(lines)
  if ok then self.bytes = self.bytes + #lines else self.fault = self.fault or fault end
end

---@return string? fault why it is not complete; being full is no fault
function Recording:close()
  local closed, fault = self.file:close()
  if self.fault or not closed then return self.fault or fault end
  local missing = self.missing
  if missing == 0 then return nil end
  return MISSING:format(missing == 1 and "1 event is" or missing .. " events are")
end

---@return string sentence when it is full
function Recording:told_full()
  return ("%s has reached --max-bytes (%s): what follows is not in it"):format(self.path,
    show.bytes(self.bytes_max))
end

return M
