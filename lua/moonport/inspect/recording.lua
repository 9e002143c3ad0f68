-- moonport.inspect.recording — what `moonport trace --record` wrote, as events to look at — plays
-- nothing.

local file = require "moonport.file"
local json = require "moonport.json"
local timer = require "moonport.timer"

local FORMAT = 1 -- that is read here
local PIECE_BYTES = 65536
local LINE_BYTES_MAX = 4 * 1024 * 1024
local SHOWN_BASE64 = 1368 -- characters, of 1026 bytes: a page shows no more of an event

local M = {}

-- The header of a recording; nil and what it is instead.
---@param path string
---@return table? header
---@return string? message
function M.open(path)
  local opened, fault = io.open(path, "rb")
  if not opened then return nil, "cannot read " .. fault end
  local line = opened:read(1) and opened:seek("set") and opened:read("l")
  opened:close()
  local header = line and #line <= LINE_BYTES_MAX and line:find("^%s*{") and json.decode(line)
  local format = type(header) == "table" and header.moonport_recording
  if math.type(format) ~= "integer" or format < 1 then
    return nil, path .. " is no recording of moonport: make one with moonport trace --record FILE"
  elseif format > FORMAT then
    return nil, ("%s is a recording in format %d, of moonport %s; this moonport reads formats " ..
      "up to %d: look at it with a newer one"):format(path, format, tostring(header.version),
      FORMAT)
  end
  return header
end

local function shortened(line)
  if #line <= SHOWN_BASE64 then return line end
  return (line:gsub('"base64":"([^"]*)"', function(text)
    return ('"base64":"%s"'):format(text:sub(1, SHOWN_BASE64))
  end, 1))
end

-- A line that holds a file of a script: of the script's own the name and the text.
local function script_of(line)
  if not line:find("^{\"source\":") then return nil end
  local object = json.decode(line)
  local source = type(object) == "table" and object.source
  if type(source) ~= "table" or type(source.script) ~= "string" then return nil end
  return { name = source.script, text = source.file == source.path and source.text or nil }
end

local function take(line, ring, scripts)
  local script = script_of(line)
  if not script then
    ring:push(shortened(line))
    local name = line:match('"script": *"([^"\\]+)"')
    script = name and not scripts[1] and { name = name }
  end
  if not script then return end
  local is_text = type(script.text) == "string"
  if not scripts[1] or is_text and not scripts[1].text then scripts[1] = script end
end

-- Its events go into the ring, a piece at a time. Waits.
---@param path string
---@param ring moonport.inspect.Ring
---@return string? message what is missing of it
---@return { name: string, text: string? }? script the first one that it has, or tells of
function M.read(path, ring)
  local source <close>, _, detail = file.open(path)
  if not source then return ("%s cannot be read: %s"):format(path, detail) end
  local rest, is_header, scripts = "", true, {}
  for piece in function() return (source:read(PIECE_BYTES)) end do
    rest = rest .. piece
    local from = 1
    for stop in rest:gmatch("()\n") do
      if not is_header then take(rest:sub(from, stop - 1), ring, scripts) end
      is_header, from = false, stop + 1
    end
    rest = rest:sub(from)
    if #rest > LINE_BYTES_MAX then
      return ("%s goes on with a line that is no event: what comes behind event %d is not shown")
        :format(path, ring.last), scripts[1]
    end
    timer.sleep(0.001) -- pages that are open go on
  end
  if rest == "" then return nil, scripts[1] end
  return ("%s was cut: its last line, behind event %d, is not whole"):format(path, ring.last),
    scripts[1]
end

return M
