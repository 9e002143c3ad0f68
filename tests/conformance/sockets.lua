-- sockets.lua — plays a scenario with a server in a process of its own, over sockets, and waits
-- after each step until it shows what was seen in memory — decides nothing about that.

local assert = require "luassert"
local client = require "tests.support.client"
local loop = require "tests.support.loop"
local words = require "tests.conformance.words"
local uv = require "luv"

local sockets = {}

-- Reads all that comes, and closes when the server does, unless it stays.
local function watch(handle, stays)
  local peer = { handle = handle, pieces = {}, ended = "no", stays = stays }
  function peer.close()
    if not handle:is_closing() then handle:close() end
  end
  function peer.read()
    handle:read_start(function(err, bytes)
      if bytes then
        peer.pieces[#peer.pieces + 1] = bytes
      elseif not peer.has_reset then -- libuv ends the reading of a handle that it resets
        peer.ended = err and "RST" or "FIN"
        if err or not peer.stays then peer.close() end
      end
    end)
  end
  peer.read()
  return peer
end

local function finish(peer)
  if not peer.handle:is_closing() then peer.handle:shutdown() end
end

local function write(peer, bytes)
  if not peer.handle:is_closing() then peer.handle:write(bytes) end
end

-- What each step does over sockets; `play` is the state of this play.
local steps = {}

function steps.open(play, name, options)
  local buffer = options and options.receive_buffer
  local made = client.connect(play.server:address(), { receive_buffer = buffer })
  play.peers[name] = watch(made.handle, options and options.stays)
  play.order[#play.order + 1] = name
end

function steps.send(play, name, bytes) write(play.peers[name], bytes) end
function steps.fin(play, name) finish(play.peers[name]) end

function steps.rst(play, name)
  local peer = play.peers[name]
  if peer.handle:is_closing() then return end
  peer.has_reset = true
  peer.handle:close_reset()
end

function steps.pause(play, name) play.peers[name].handle:read_stop() end
function steps.resume(play, name) play.peers[name].read() end
function steps.wait() end -- time passes by itself
function steps.listen() end -- was done before the server started, which has to know the port

function steps.accept(play, listener, name)
  local waiting = play.waiting[listener]
  loop.wait_until("a connection to " .. listener, function() return #waiting > 0 end)
  play.peers[name] = watch(table.remove(waiting, 1), play.stays[listener])
  play.order[#play.order + 1] = name
end

function steps.datagram(play, name, data)
  local udp = play.senders[name]
  if not udp then
    udp = { handle = uv.new_udp(), pieces = {} }
    udp.handle:bind("127.0.0.1", 0)
    udp.handle:recv_start(function(_, bytes)
      if bytes then udp.pieces[#udp.pieces + 1] = bytes end
    end)
    play.senders[name] = udp
  end
  local port = tonumber(play.server:address():match(":(%d+)$"))
  udp.handle:send(data, "127.0.0.1", port, function() end)
end

function steps.hangup(play, name)
  local peer = play.peers[name]
  peer.stays = false
  if peer.handle:is_closing() then return end
  peer.read()
  if peer.ended == "no" then finish(peer) else peer.close() end
end

local function write_file(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

function steps.reload(play, text)
  write_file(play.path, text)
  play.reloads = (play.reloads or 0) + 1
  play.server:signal("sighup")
  loop.wait_until("the end of reload " .. play.reloads, function()
    local ended = 0
    for _, record in ipairs(play.server.log) do
      if record.message:find("reloaded: version", 1, true) then ended = ended + 1 end
    end
    return ended == play.reloads
  end)
end

function steps.stop(play)
  if not play.server.ending then play.server:signal("sigterm") end -- a second one ends at once
end

-- What is said of Lua itself is of the machine, as is how long a loop is held up.
local function concerns_script(record)
  return (record.level == "warn" or record.level == "error") and
    not record.message:find("lets a script end this process", 1, true) and
    not record.message:find("^the loop %l+ held up")
end

local function observe(play)
  local seen = { told = play.server:told(), log = {}, peers = {}, datagrams = {} }
  for _, record in ipairs(play.server.log) do
    if concerns_script(record) then
      seen.log[#seen.log + 1] = words.record(record)
    end
  end
  for name, peer in pairs(play.peers) do
    seen.peers[name] = { bytes = words.shorten(table.concat(peer.pieces)), ended = peer.ended }
  end
  for name, udp in pairs(play.senders) do
    seen.datagrams[name] = table.concat(udp.pieces, "|")
  end
  return seen
end

-- What neither side can foresee: addresses, and the directory of the script.
local function scrub(value, directory, scenario)
  if type(value) == "table" then
    local clean = {}
    for key, each in pairs(value) do clean[key] = scrub(each, directory, scenario) end
    if scenario.ignores_peers and clean.peers then clean.peers = nil end
    return clean
  end
  if type(value) ~= "string" then return value end
  return (value:gsub(directory:gsub("%p", "%%%0"), "DIR")
    :gsub("127%.0%.0%.1:%d+", "ADDRESS"):gsub("table: 0x%x+", "table: POINTER"))
end

-- Listeners that the script connects to: their addresses become its environment.
local function open_listeners(play, scenario, env)
  for _, step in ipairs(scenario.steps) do
    if step[1] == "listen" then
      local name, handle, waiting = step[2], uv.new_tcp(), {}
      play.stays[name] = step[3] and step[3].stays
      handle:bind("127.0.0.1", 0)
      handle:listen(8, function()
        local accepted = uv.new_tcp()
        handle:accept(accepted)
        waiting[#waiting + 1] = accepted
      end)
      env[name] = "127.0.0.1:" .. handle:getsockname().port
      play.waiting[name] = waiting
      play.listeners[#play.listeners + 1] = handle
    end
  end
end

local function release(play)
  for _, peer in pairs(play.peers) do peer.close() end
  for _, udp in pairs(play.senders) do udp.handle:close() end
  for _, handle in ipairs(play.listeners) do handle:close() end
  loop.turn()
end

local function all_steps(play, scenario)
  local list = table.move(scenario.steps, 1, #scenario.steps, 1, {})
  return function(index)
    if list[index] then return list[index] end
    local hung_up = index - #list
    if play.order[hung_up] then return { "hangup", play.order[hung_up] } end
    return hung_up == #play.order + 1 and { "stop" } or nil
  end
end

-- Waits until the server shows what was seen in memory after the same step.
local function compare(play, what, expected)
  local wanted, seen = play.scrub(expected), nil
  pcall(loop.wait_until, "the same as in memory", function()
    seen = play.scrub(observe(play))
    return pcall(assert.same, wanted, seen)
  end)
  assert.same(wanted, seen, what .. ": what is expected here was seen in memory")
end

local function play_steps(play, scenario, shown)
  local step_at = all_steps(play, scenario)
  for index, expected in ipairs(shown) do
    local step, following = step_at(index), step_at(index + 1)
    steps[step[1]](play, table.unpack(step, 2))
    -- Where time in memory stands still until the next step, real time goes on.
    if not following or following[1] ~= "wait" then
      compare(play, ("step %d, %s %s"):format(index, step[1], step[2] or ""), expected)
    end
  end
  play.server:wait()
  compare(play, "the end", shown[#shown])
end

---@param moonport table the rig
---@param scenario table
---@param path string of the script
---@param shown table[] what was seen in memory after each step
function sockets.play(moonport, scenario, path, shown)
  local directory = path:match("^(.*)/")
  local play = { path = path, peers = {}, order = {}, senders = {}, waiting = {}, listeners = {},
    stays = {} }
  local env = {}
  for name, value in pairs(scenario.env or {}) do env[name] = value end
  open_listeners(play, scenario, env)
  write_file(path, scenario.script) -- another may have been reloaded
  function play.scrub(seen) return scrub(seen, directory, scenario) end
  local address = scenario.udp and "udp://127.0.0.1:0" or "127.0.0.1:0"
  play.server = moonport:serve({ "--no-watch", "--listen", address, path }, { env = env })
  play.server:allow_log(".")
  local ok, failure = pcall(play_steps, play, scenario, shown)
  release(play)
  if not ok then error(failure, 0) end
end

return sockets
