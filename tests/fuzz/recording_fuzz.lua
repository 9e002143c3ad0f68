-- recording_fuzz.lua — one recording, whatever it is, read and replayed; called by recording_fuzz.c
-- — does not know which recordings are right.
--
-- What is read must have the shapes that moonport.test.recording promises; what is refused must be
-- refused with file and line, and never by a Lua error of the reader's own.

local recording = require "moonport.test.recording"
local replay = require "moonport.test.replay"

local PATH, SCRIPT = "r.jsonl", "echo.lua"
local text, said -- of this time

-- Both modules read and write through io, and find it here.
-- luacheck: push ignore 122
function io.open(path)
  if path == PATH then
    return { read = function() return text end, close = function() end }
  end
  return nil, path .. ": No such file or directory"
end
local writer = { write = function(_, ...) said[#said + 1] = table.concat({ ... }) end }
function io.write(...) writer:write(...) end
io.stderr = writer
-- luacheck: pop

local function is_list(list, kind)
  assert(type(list) == "table")
  for _, each in ipairs(list) do assert(type(each) == kind or math.type(each) == kind) end
end

local function check_conn(conn)
  assert(math.type(conn.id) == "integer" and math.type(conn.bytes_in) == "integer")
  assert(type(conn.peer) == "string" and type(conn.here) == "string")
  for _, send in ipairs(conn.sent) do
    assert(type(send.bytes) == "string" and (send.at == nil or type(send.at) == "string"))
  end
end

local kinds = { accept = true, data = true, eof = true, reset = true, datagram = true }

local function check_step(step)
  assert(kinds[step.kind] and math.type(step.time_ns) == "integer")
  assert((step.kind == "datagram") == (step.conn == nil))
  assert((step.bytes ~= nil) == (step.kind == "data" or step.kind == "datagram"))
  assert(step.bytes == nil or type(step.bytes) == "string")
end

local function check(recorded)
  assert(recorded.time == nil or math.type(recorded.time) == "float")
  assert(recorded.began_ns == nil or math.type(recorded.began_ns) == "integer")
  assert(math.type(recorded.ended_ns) == "integer")
  is_list(recorded.listens, "string")
  is_list(recorded.skipped, "integer")
  for peer, sent in pairs(recorded.datagrams) do
    assert(type(peer) == "string")
    is_list(sent, "string")
  end
  for _, conn in ipairs(recorded.conns) do check_conn(conn) end
  assert(#recorded.steps > 0)
  for _, step in ipairs(recorded.steps) do check_step(step) end
end

-- An error of our own names a place of ours; what is told to a user does not, unless it quotes him.
local function check_said()
  for _, line in ipairs(said) do
    local ours = line:match("moonport/test/[%w_]+%.lua:%d") or line:match("attempt to")
    if ours and not text:find(ours, 1, true) then error("told: " .. line, 0) end
  end
end

---@param bytes string
---@param script string the path of a script
---@return boolean? taken nil: it was refused
return function(bytes, script)
  text, said = bytes, {}
  local recorded, fault = recording.read(PATH, SCRIPT)
  if recorded then
    check(recorded)
  elseif not fault:find("^r%.jsonl:%d+: .") then
    error("refused with: " .. fault, 0)
  end
  local code = replay.run(PATH, script, #bytes % 2 == 0 and "recorded" or "every", 0)
  assert(code == 0 or code == 1 and #said > 0)
  assert(recorded or code == 1)
  check_said()
  return recorded ~= nil
end
