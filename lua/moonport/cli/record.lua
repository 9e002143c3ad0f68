-- moonport.cli.record — moonport record: what a running server's sockets and scripts do, into a
-- file that is looked at and played later. It ends with --count, --for, --max-bytes, a signal, or
-- the server.

local control = require "moonport.control"
local core = require "moonport.cli.core"
local json = require "moonport.json"
local out = require "moonport.cli.out"
local show = require "moonport.show.core"
local called = require "moonport.show.server"
local recordings = require "moonport.cli.recording"
local task = require "moonport.task"
local timer = require "moonport.timer"

local PIECE_BYTES = 1024 * 1024
local PROGRESS_S = 0.5
local ANSWER_S = 10

---@class moonport.cli.Recorder
---@field options table<string, any>
---@field recording moonport.cli.Recording
---@field events integer
---@field later { line: string, at: integer }[] texts of new versions
local Recorder = {}
Recorder.__index = Recorder

local function request_of(options)
  local words = { "events" }
  for _, name in ipairs { "conn", "event", "script", "peer" } do
    if options[name] then words[#words + 1] = name .. "=" .. options[name] end
  end
  words[#words + 1] = "bytes=all"
  return words
end

-- --- Lines ------------------------------------------------------------------------------------

-- Another version of a script has come into force: its text is of use with what follows.
function Recorder:add_sources(script)
  local client <close> = control.connect(self.options.control, { timeout = ANSWER_S })
  for _, line in ipairs(client and recordings.sources(client, script) or {}) do
    self.recording:write(line .. "\n")
  end
end

-- The events of a kind. A quote in a text has a backslash before it, so what is looked for is no
-- text; and it is looked for as it is: a pattern would try anew from each byte of long lines.
local function each_of(lines, kind)
  local at, wanted = 1, ('"event":"%s"'):format(kind)
  return function()
    local found = lines:find(wanted, at, true)
    if not found then return nil end
    local start = found
    while start > 1 and lines:byte(start - 1) ~= 10 do start = start - 1 end
    at = lines:find("\n", found, true)
    return json.decode(lines:sub(start, at - 1)) or {}
  end
end

-- Two kinds are looked into.
function Recorder:note(lines)
  for dropped in each_of(lines, "dropped") do
    self.recording.missing = self.recording.missing + out.number(dropped, "count")
  end
  for reload in each_of(lines, "reload") do
    if out.text(reload, "outcome") ~= "failed" then
      task.spawn(function() self:add_sources(out.text(reload, "script")) end)
    end
  end
end

-- The first `count` lines.
local function first_lines(lines, count)
  local at = 1
  for _ = 1, count do at = lines:find("\n", at, true) + 1 end
  return lines:sub(1, at - 1)
end

-- False when that was the last.
function Recorder:take(lines)
  local _, count = lines:gsub("\n", "")
  local left = self.options.count > 0 and self.options.count - self.events or count
  if count > left then lines, count = first_lines(lines, left), left end
  self.recording:write(lines)
  self.events = self.events + count
  self:note(lines)
  return count < left or self.options.count == 0
end

-- Until there was enough. A busy server tells of a hundred thousand events a second, so lines that
-- have come together stay together.
function Recorder:follow(client)
  local rest = ""
  while true do
    local piece = client.conn:recv(PIECE_BYTES)
    if not piece then return client.closed and "enough" or "gone" end
    local after = piece:match("^.*\n()")
    if after then
      local goes_on = self:take(rest .. piece:sub(1, after - 1))
      if self.recording.fault or self.recording.is_full or not goes_on then return "enough" end
    end
    rest = after and piece:sub(after) or rest .. piece
  end
end

-- --- Words ------------------------------------------------------------------------------------

function Recorder:told()
  local recording = self.recording
  local told = ("%s, %s"):format(out.counted(self.events, "event"), show.bytes(recording.bytes))
  return recording.missing > 0 and ("%s, %d missing"):format(told, recording.missing) or told
end

-- One line of a terminal, written over and over.
function Recorder:show_progress(path)
  if not core.is_terminal(2) then return function() end end
  local function write()
    io.stderr:write("\r\27[K", out.fitted(("recording to %s: %s; Ctrl-C ends it"):format(
      out.shown(path), self:told())))
  end
  write()
  local showing = timer.every(PROGRESS_S, write)
  return function()
    showing:cancel()
    io.stderr:write("\r\27[K")
  end
end

local function begin(call, client)
  local options, path = call.options, call.words[1]
  local words = request_of(options)
  local sources, fault = recordings.sources(client)
  if not sources then return nil, fault end
  local stream, recording
  stream, fault = client:stream(words)
  if not stream then return nil, fault end
  recording, fault = recordings.create(path, options, client.answer,
    table.move(words, 2, #words, 1, {}), sources)
  if not recording then return nil, fault end
  return setmetatable({ options = options, recording = recording, events = 0 }, Recorder)
end

return function(call)
  local options, path = call.options, call.words[1]
  local client, fault = control.connect(options.control, { timeout = options.timeout })
  if not client then return out.fail(fault) end
  local ending <close> = core.ending()
  local self
  self, fault = begin(call, client)
  if not self then return out.fail(fault) end
  task.spawn(function()
    ending:wait()
    client:close()
  end)
  if options["for"] > 0 then timer.after(options["for"], function() client:close() end) end
  local end_progress = self:show_progress(path)
  local why = self:follow(client)
  end_progress()
  local lost = self.recording:close()
  if why == "gone" then
    out.complain(called(client.pid) .. " has ended, and the recording with it")
  end
  if self.recording.is_full then out.complain(self.recording:told_full()) end
  out.line(("%s: %s"):format(out.shown(path), self:told()))
  if lost then return out.fail("the recording is not complete: " .. lost) end
  return 0
end
