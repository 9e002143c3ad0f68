-- moonport.test.rerun — what came from outside in a recording, played against a script — compares
-- nothing.

local core = require "moonport.test.core"
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

-- --- Connections that the script makes -----------------------------------------------------

-- Listens where the recorded script connected to; any name leads there.
local function listen(play, recording)
  local hosts, seen = {}, {}
  for _, conn in ipairs(recording.conns) do
    if conn.outgoing and not play.listeners[conn.peer] then
      play.listeners[conn.peer] = play.script:listen(conn.peer, { stays = true })
      local kind, host = core.address(conn.peer)
      if kind ~= "unix" and not seen[host] then
        seen[host] = true
        hosts[#hosts + 1] = host
      end
    end
  end
  if #hosts > 0 then play.script:name("*", table.unpack(hosts)) end
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
  local conn, script = step.conn, play.script
  local from = conn.peer ~= "unix:" and conn.peer or nil
  local settings = { from = from, to = conn.here, stays = true, id = conn.id }
  local ok, peer = pcall(script.connect, script, settings)
  if not ok then -- it listened elsewhere then
    settings.to = nil
    peer = script:connect(settings)
  end
  play.peers[conn] = peer
end

function steps.data(play, step, how)
  local peer = play.peers[step.conn]
  if peer then peer:send(step.bytes, how) end
end

function steps.eof(play, step)
  local peer = play.peers[step.conn]
  if peer and not peer.has_reset then peer:shutdown() end
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
  local seconds = ms / 1000 - play.script:now()
  if seconds > 0 then play.script:advance(seconds) end
end

local function result_of(play, recording)
  local result = { answers = {}, reasons = {}, datagrams = {}, missing = {},
    errors = play.script.errors }
  for _, conn in ipairs(recording.conns) do
    local peer = play.peers[conn]
    result.answers[conn] = peer and peer:sends() or {}
    result.reasons[conn] = peer and peer:reason()
    if not peer then table.insert(result.missing, conn) end
  end
  for peer, sender in pairs(play.senders) do
    result.datagrams[peer] = {}
    for data in function() return (sender:read()) end do
      table.insert(result.datagrams[peer], data)
    end
  end
  return result
end

local M = {}

---Plays a recording against a script.
---@param path string of the script
---@param how moonport.test.Cut? nil: as it was recorded
function M.play(recording, path, how)
  local script = Script.load(path, nil, { errors = "keep", time = recording.time,
    listen = #recording.listens > 0 and recording.listens or nil })
  local play = { script = script, peers = {}, listeners = {}, senders = {},
    began_ns = recording.began_ns or recording.steps[1].time_ns }
  script.hosted:watch_sends()
  for peer in pairs(recording.datagrams) do play.senders[peer] = script:sender(peer) end
  listen(play, recording)
  for _, step in ipairs(how and join(recording.steps) or recording.steps) do
    advance_to(play, step.time_ns)
    match_connections(play, recording)
    steps[step.kind](play, step, how)
    match_connections(play, recording)
  end
  advance_to(play, recording.ended_ns)
  return result_of(play, recording)
end

return M
