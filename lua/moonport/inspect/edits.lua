-- moonport.inspect.edits — a script's text: read, checked, put in force in memory, taken back,
-- written into its file — knows no tab.

local asks = require "moonport.inspect.asks"
local codec = require "moonport.codec"
local file = require "moonport.file"

local TEXT_BYTES_MAX = 128 * 1024 -- as the command try takes it
local WRITABLE = tonumber("222", 8)

---@class moonport.inspect.Edits
---@field private control string? of the control socket
local Edits = {}
Edits.__index = Edits

local function refuse(...) return { ok = false, error = string.format(...) } end

-- "chat.lua:7: unexpected symbol" as { line = 7, message = "unexpected symbol" }.
local function errors_of(message)
  local line, text = message:match(":(%d+): (.*)$")
  return { { line = math.tointeger(tonumber(line)), message = text or message } }
end

local function with_errors(answer)
  if not answer.ok and answer.error then answer.errors = errors_of(answer.error) end
  return answer
end

-- Which text of the file a page was shown: what each of several pages saw last is for it to say.
local function digest_of(text) return text and codec.hex.encode(codec.sha256(text)) end

local function check_text(text, bytes_max)
  if type(text) ~= "string" then return refuse("the text of the script is missing") end
  if bytes_max and #text > bytes_max then
    return refuse("the text has %d bytes: in memory a script has at most %d; write it into its " ..
      "file", #text, bytes_max)
  end
end

local function name_of(script)
  return type(script) == "string" and script ~= "" and script or nil
end

-- The file as the server itself sees it, wherever that runs; where nobody tells its process, on
-- this machine.
local function path_of(client_pid, path)
  if client_pid <= 0 and path:find("^/") then return path end
  local place = path:find("^/") and "root" or "cwd/"
  return ("/proc/%d/%s%s"):format(client_pid, place, path)
end

-- What the server has in force, and what is in its file now.
---@return table? source { path, text, version }
---@return table? refusal
local function ask_source(self, request)
  local script = name_of(request.script)
  if not script then return nil, refuse("which script?") end
  local answer = asks.command(self.control, { "source", script })
  if not answer.ok then return nil, answer end
  for _, line in ipairs(answer.lines) do
    if line.file == line.script then
      if not line.text then return nil, refuse("%s is too long to be shown", line.file) end
      local where = path_of(answer.pid, line.file)
      return { name = line.script, path = where, text = line.text, version = answer.last.version,
        file_text = file.read(where) }
    end
  end
  return nil, refuse("the server does not say what is in %s", script)
end

function Edits:source(request)
  local source, refusal = ask_source(self, request)
  if not source then return refusal end
  return { ok = true, script = source.name, text = source.text, version = source.version,
    digest = digest_of(source.file_text),
    in_memory = source.file_text ~= nil and source.file_text ~= source.text,
    file_text = source.file_text ~= source.text and source.file_text or nil }
end

-- Whether it is Lua at all; nothing of it runs.
function Edits.check(_, request)
  local fault = check_text(request.text)
  if fault then return fault end
  local name = (name_of(request.script) or "script"):match("[^/]*$")
  local loaded, message = load(request.text, "@" .. name, "t", {})
  if loaded then return { ok = true, errors = {} } end
  return { ok = false, error = message, errors = errors_of(message) }
end

function Edits:apply(request)
  local script = name_of(request.script)
  if not script then return refuse("apply to which script?") end
  local fault = check_text(request.text, TEXT_BYTES_MAX)
  if fault then return fault end
  return with_errors(asks.command(self.control, { "try", script, request.text }))
end

function Edits:rollback(request)
  local script = name_of(request.script)
  if not script then return refuse("take back the text of which script?") end
  return with_errors(asks.command(self.control, { "untry", script }))
end

-- Into the file, whole or not at all, and only where nobody else has changed it since it was shown.
function Edits:write(request)
  local source, refusal = ask_source(self, request)
  if not source then return refusal end
  local text = request.text or source.text
  local fault = check_text(text)
  if fault then return fault end
  local status = source.file_text and file.stat(source.path)
  if not status then
    return refuse("%s cannot be read from here, and so not written", source.name)
  elseif status.mode & WRITABLE == 0 then -- a new file takes its place, which that would not hinder
    return refuse("%s is read-only: chmod u+w allows to write it", source.name)
  end
  if digest_of(source.file_text) ~= request.digest and not request.force then
    local answer = refuse("%s was changed by somebody else since it was shown here: look at it " ..
      "first, or write all the same", source.name)
    answer.changed, answer.file_text = true, source.file_text
    return answer
  end
  local written, code, detail = file.write(source.path, text)
  if not written then return refuse("%s cannot be written: %s", source.name, detail or code) end
  return { ok = true, script = source.name, size = #text, digest = digest_of(text) }
end

local function new(path) return setmetatable({ control = path }, Edits) end

return { new = new, check = Edits.check }
