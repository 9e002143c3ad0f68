-- moonport.inspect.recorder — writes what happens into a file, as moonport trace --record does —
-- shows nothing.

local codec = require "moonport.codec"
local control = require "moonport.control"
local recordings = require "moonport.cli.recording"
local task = require "moonport.task"

local WORDS = { "events", "bytes=all" }
local OPTIONS = { ["max-bytes"] = 256 * 1024 * 1024 }
local PIECE_BYTES = 65536

---@class moonport.inspect.Recorder
---@field path string? of the recording that is written, or was last
---@field is_on boolean from when it is asked for, until it is to end
---@field private client moonport.ControlClient
---@field private task moonport.Task? until the file is closed
local Recorder = {}
Recorder.__index = Recorder

local function refuse(...) return { ok = false, error = string.format(...) } end

-- A name that nobody can have taken.
local function new_path()
  local directory = os.getenv("TMPDIR") or "/tmp"
  return ("%s/moonport-%s.jsonl"):format(directory, codec.hex.encode(codec.random(8)))
end

-- Until somebody ends it, the server ends, or there is no room.
local function copy(self, file)
  local rest = ""
  for piece in function() return (self.client.conn:recv(PIECE_BYTES)) end do
    rest = rest .. piece
    local after = rest:match("^.*\n()")
    if after then
      file:write(rest:sub(1, after - 1))
      rest = rest:sub(after)
    end
    if file.is_full or file.fault then break end
  end
  local fault, was_ended = file:close(), not self.is_on
  self.is_on, self.task = false, nil
  self.client:close()
  if not was_ended then
    self.on_end(fault or file.is_full and file:told_full() or "the server has ended")
  end
end

-- The stream of the events, and the file that they go to.
local function begin(client)
  local sources, next_event, file, fault
  sources, fault = recordings.sources(client)
  if not sources then return nil, fault end
  next_event, fault = client:stream(WORDS)
  if not next_event then return nil, fault end
  local path = new_path()
  file, fault = recordings.create(path, OPTIONS, client.answer, { WORDS[2] }, sources)
  return file, file and path or fault
end

function Recorder:start(control_path)
  if self.is_on or self.task then return refuse("there is a recording under way") end
  self.is_on = true -- another page may ask while we wait
  local client, fault = control.connect(control_path)
  local file, path
  if client then file, path = begin(client) end
  if not file then
    self.is_on = false
    if client then client:close() end
    return refuse("%s", fault or path)
  end
  self.path, self.client = path, client
  self.task = task.spawn(copy, self, file)
  return { ok = true, path = path }
end

function Recorder:stop()
  local copying = self.task
  if not self.is_on or not copying then return refuse("nothing is recorded") end
  self.is_on = false
  self.client:close()
  copying:join()
  return { ok = true, path = self.path }
end

---@param on_end fun(why: string) it ended by itself
local function new(on_end) return setmetatable({ is_on = false, on_end = on_end }, Recorder) end

return { new = new }
