-- memory.lua — plays the scenarios of a file with moonport.test, over a network in memory, and
-- prints as JSON what could be seen after each step: moonport run memory.lua SCENARIOS DIRECTORY —
-- opens no socket.

local cjson = require "cjson"
local words = require "tests.conformance.words"
local test = require "moonport.test"

local file, directory = ...

-- Steps over memory; `play` is the state of one play.
local steps = {}

-- A buffer in memory has no size: the other options of a scenario are for sockets.
function steps.open(play, name, options)
  play.peers[name] = play.script:connect({ stays = options and options.stays })
  play.order[#play.order + 1] = name
end

function steps.send(play, name, bytes) play.peers[name]:send(bytes) end
function steps.fin(play, name) play.peers[name]:shutdown() end
function steps.rst(play, name) play.peers[name]:reset() end
function steps.pause(play, name) play.peers[name]:pause() end
function steps.resume(play, name) play.peers[name]:resume() end
function steps.wait(play, seconds) play.script:advance(seconds) end

-- What cannot be loaded is told in the log.
function steps.reload(play, text)
  local script = assert(io.open(play.path, "w"))
  script:write(text)
  script:close()
  pcall(play.script.reload, play.script)
end

function steps.stop(play)
  if not play.stopped then play.script:stop() end -- a second one ends at once
  play.stopped = true
end

function steps.listen(play, name, options)
  play.listeners[name] = play.script:listen(play.env[name], options)
end

function steps.accept(play, listener, name)
  play.peers[name] = assert(play.listeners[listener]:accept(), "nobody came to " .. listener)
  play.order[#play.order + 1] = name
end

function steps.datagram(play, name, data)
  play.senders[name] = play.senders[name] or { peer = play.script:sender(), received = {} }
  play.senders[name].peer:send(data)
end

function steps.hangup(play, name)
  local peer = play.peers[name]
  if peer.has_reset then return end
  peer:leave()
  peer:resume()
  if not peer.has_shut_down then peer:shutdown() end
end

local function observe_log(script, seen)
  for _, record in ipairs(script.log) do
    local told = record.message:match("^> (.*)$")
    if told then
      seen.told[#seen.told + 1] = told
    elseif record.level == "warn" or record.level == "error" then
      seen.log[#seen.log + 1] = words.record(record)
    end
  end
end

local function observe(play)
  local seen = { told = {}, log = {}, peers = {}, datagrams = {} }
  observe_log(play.script, seen)
  for name, peer in pairs(play.peers) do
    seen.peers[name] = { bytes = words.shorten(peer:received()),
      ended = peer:got_reset() and "RST" or peer:got_fin() and "FIN" or "no" }
  end
  for name, sender in pairs(play.senders) do
    for data in function() return (sender.peer:read()) end do
      table.insert(sender.received, data)
    end
    seen.datagrams[name] = table.concat(sender.received, "|")
  end
  return seen
end

-- What could be seen after each step, or why the script was refused.
local function play_scenario(scenario, path)
  local ok, script = pcall(test.load, path, { errors = "keep", env = scenario.env })
  if not ok then return { refused = script } end
  local play = { path = path, script = script, env = scenario.env, peers = {}, order = {},
    listeners = {}, senders = {} }
  local shown = {}
  local function step(name, ...)
    steps[name](play, ...)
    shown[#shown + 1] = observe(play)
  end
  for _, each in ipairs(scenario.steps) do step(table.unpack(each)) end
  for _, name in ipairs(play.order) do step("hangup", name) end
  step("stop")
  return { shown = shown }
end

for number, scenario in ipairs(dofile(file)) do
  local path = ("%s/%d/script.lua"):format(directory, number)
  io.write(cjson.encode(play_scenario(scenario, path)), "\n")
end
