-- moonport.test.rerun — what came from outside in a recording, played against a script — compares
-- nothing.

local address = require "moonport.test.address"
local Script = require "moonport.test.script"

---@class moonport.test.Answer one send of a replayed connection
---@field bytes string
---@field by string "on_data (chat.lua:12)"
---@field after integer bytes that had come before it

---@class moonport.test.Result
---@field answers table<moonport.test.Recorded, moonport.test.Answer[]>
---@field reasons table<moonport.test.Recorded, string?>
---@field datagrams table<string, string[]>
---@field missing moonport.test.Recorded[] connections that the script did not make
---@field errors { message: string, by: string }[]

---@class moonport.test.Play
---@field script moonport.test.Script
---@field peers table<moonport.test.Recorded, moonport.test.Peer>
---@field recorded table<moonport.test.Peer, moonport.test.Recorded>

local function describe(owner)
  local info = debug.getinfo(owner.f, "S")
  return ("%s (%s:%d)"):format(owner.name, info.short_src:match("[^/]*$"), info.linedefined)
end

-- Writes down who sends what, on connections of both kinds.
local function watch_sends(play, answers)
  local runtime = play.script.runtime
  local function on_send(wire, bytes)
    local task = runtime.tasks:running()
    local list = answers[wire.far] or {}
    answers[wire.far] = list
    list[#list + 1] = { bytes = bytes, by = task and describe(task.owner) or "forward",
      after = wire.bytes_in }
  end
  runtime.version.group.on_send, runtime.sequential.on_send = on_send, on_send
end

-- --- Connections that the script makes -----------------------------------------------------

-- Listens where the recorded script connected to; any name leads there.
local function listen(play, recording)
  local hosts, seen = {}, {}
  for _, conn in ipairs(recording.conns) do
    if conn.outgoing and not play.listeners[conn.peer] then
      play.listeners[conn.peer] = play.script:listen(conn.peer, { stays = true })
      local where = address.parse(conn.peer)
      if where.kind ~= "unix" and not seen[where.host] then
        seen[where.host] = true
        hosts[#hosts + 1] = where.host
      end
    end
  end
  setmetatable(play.script.runtime.hosts, { __index = function()
    return #hosts > 0 and hosts or nil
  end })
end

-- Finds out which recorded connection each new one of the script's is.
local function match_connections(play, recording)
  for peer, listener in pairs(play.listeners) do
    for made in function() return listener:accept() end do
      for _, conn in ipairs(recording.conns) do
        if conn.outgoing and conn.peer == peer and not play.peers[conn] then
          play.peers[conn] = made
          break
        end
      end
    end
  end
end

-- --- Steps ---------------------------------------------------------------------------------

local steps = {}

function steps.accept(play, step)
  local runtime, conn = play.script.runtime, step.conn
  local served = runtime.places[1]
  for _, where in ipairs(runtime.places) do
    if where.kind ~= "udp" and conn.here:match("[^:]*$") == tostring(where.port or where.host) then
      served = where
    end
  end
  local ends = address.ends(conn.peer, served, served.host)
  ends.sock = conn.here
  runtime.id_last = conn.id - 1
  play.peers[conn] = runtime:connect(ends, true)
  runtime:act()
end

function steps.data(play, step, how)
  local peer = play.peers[step.conn]
  if peer then peer:send(step.bytes, how) end
end

function steps.eof(play, step)
  local peer = play.peers[step.conn]
  if peer and not peer.sent_rst then peer:shutdown() end
end

function steps.reset(play, step)
  local peer = play.peers[step.conn]
  if peer then peer:reset() end
end

function steps.datagram(play, step) play.senders[step.peer]:send(step.bytes) end

-- Data that came in a row, with nothing in between, as one piece: then it can be cut anywhere.
local function join(list)
  local joined = {}
  for _, step in ipairs(list) do
    local last = joined[#joined]
    if step.joins then
      joined[#joined] = { kind = "data", conn = step.conn, time_ns = last.time_ns,
        bytes = last.bytes .. step.bytes }
    else
      joined[#joined + 1] = step
    end
  end
  return joined
end

local function advance_to(play, time_ns)
  local ms = (time_ns - play.began_ns) // 1000000
  local runtime = play.script.runtime
  if ms > runtime.loop.now_ms then runtime.loop:advance(ms - runtime.loop.now_ms) end
end

local function result_of(play, recording, sends)
  local result = { answers = {}, reasons = {}, datagrams = {}, missing = {}, errors = {} }
  for _, conn in ipairs(recording.conns) do
    local peer = play.peers[conn]
    if peer then
      result.answers[conn] = sends[peer] or {}
      result.reasons[conn] = peer:reason()
    else
      result.answers[conn] = {}
      table.insert(result.missing, conn)
    end
  end
  for peer, sender in pairs(play.senders) do
    result.datagrams[peer] = {}
    for data in function() return (sender:read()) end do
      table.insert(result.datagrams[peer], data)
    end
  end
  result.errors = play.script.errors
  return result
end

local M = {}

---Plays a recording against a script.
---@param recording moonport.test.Recording
---@param path string of the script
---@param how moonport.test.Cut? nil: as it was recorded
---@return moonport.test.Result
function M.play(recording, path, how)
  local script = Script.load(path, nil, { errors = "keep", time = recording.time,
    listen = #recording.listens > 0 and recording.listens or nil })
  local play = { script = script, peers = {}, listeners = {}, senders = {},
    began_ns = recording.began_ns or recording.steps[1].time_ns }
  local sends = {}
  for peer in pairs(recording.datagrams) do play.senders[peer] = script:sender(peer) end
  listen(play, recording)
  watch_sends(play, sends)
  for _, step in ipairs(how and join(recording.steps) or recording.steps) do
    advance_to(play, step.time_ns)
    match_connections(play, recording)
    steps[step.kind](play, step, how)
    match_connections(play, recording)
  end
  advance_to(play, recording.ended_ns)
  return result_of(play, recording, sends)
end

return M
