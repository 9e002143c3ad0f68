-- play.lua — a real server, random calls of its API, random peers, reloads throughout — decides by
-- a seed, and says what cannot be.
--
-- One script runs what its peers' bytes stand for (service.lua, ops.lua), another promises an
-- echo. Peers send, finish, cut, fall silent and read slowly, while both scripts are saved again
-- and again, sometimes broken. From outside is checked: an echo comes in order and once; all that
-- began has ended when the peers are gone; the server ends well. service.lua checks the rest.

local control = require "tests.support.control"
local directory = require "tests.support.directory"
local loop = require "tests.support.loop"
local read_file = require "tests.support.read_file"
local server = require "tests.support.server"
local uv = require "luv"

local PEERS_MAX = 24
local ECHO = [[
return { listen = "127.0.0.1:0", on_data = function(conn, data) conn:send(data) end }
]]
local BROKEN = { "return {", "error('broken')", "return { listen = 1, no_such = 1 }",
  "return { listen = 'nowhere' }", "local t = nil; return t.x", "" }
local RELOADS = { "adopt", "adopt", "pin", "drain", "close" }

local Game = {}
Game.__index = Game

-- A generator of its own, so that nobody else's use of math.random changes the course.
function Game:random(low, high)
  self.state = (self.state * 6364136223846793005 + 1442695040888963407)
  return low + ((self.state >> 33) % (high - low + 1))
end

function Game:bytes(size)
  local bytes = {}
  for index = 1, size do bytes[index] = string.char(self:random(0, 255)) end
  return table.concat(bytes)
end

-- --- Peers ---------------------------------------------------------------------------------

local Peer = {}
Peer.__index = Peer

local function split(address) return address:match("^tcp://([%d.]+):(%d+)$") end

function Game:connect(kind)
  local host, port = split(self.addresses[kind == "echo" and 1 or 2])
  local peer = setmetatable({ handle = uv.new_tcp("inet"), kind = kind, sent = {}, at = 1,
    received = 0, expected = "" }, Peer)
  peer.handle:connect(host, tonumber(port), function(err)
    if err then peer:close() else peer.connected = true; peer:read() end
  end)
  self.peers[#self.peers + 1] = peer
end

function Peer:close()
  self.gone = true
  if not self.handle:is_closing() then self.handle:close() end
end

-- What comes back is the next of what was sent, and nothing else.
function Peer:compare(chunk)
  local expected = self.expected
  if expected:sub(1, #chunk) ~= chunk then
    error(("an echo is not what was sent: at byte %d came %q in place of %q"):format(self.received,
      chunk:sub(1, 60), expected:sub(1, 60)), 0)
  end
  self.expected, self.received = expected:sub(#chunk + 1), self.received + #chunk
end

function Peer:read()
  if self.reading or self.gone then return end
  self.reading = true
  self.handle:read_start(function(err, chunk)
    if not chunk then
      self.ending = err or "EOF"
      return self:close()
    end
    if self.kind == "echo" then
      local ok, why = pcall(self.compare, self, chunk)
      if not ok then self.fault = why end
    end
  end)
end

function Peer:stop_reading()
  if self.gone or not self.reading then return end
  self.reading = false
  self.handle:read_stop()
end

function Peer:send(bytes)
  if self.finished then return end
  if self.kind == "echo" then self.expected = self.expected .. bytes end
  self.handle:write(bytes, function() end)
end

function Peer:finish()
  if self.finished then return end
  self.finished = true
  self.handle:shutdown(function() end)
end

-- --- What may happen -----------------------------------------------------------------------

local actions = {}

function actions.send(game, peer)
  if peer.kind == "echo" then
    local bytes = game:bytes(game:random(1, 60)):rep(game:random(1, 99))
    if #peer.expected < 200000 then peer:send(bytes) end
  else
    peer:send(game:bytes(game:random(1, 12)))
  end
end

function actions.plan(game, peer)
  if peer.kind ~= "echo" then peer:send("\255" .. game:bytes(game:random(1, 8))) end
end

function actions.finish(_, peer) peer:finish() end
function actions.stall(_, peer) peer:stop_reading() end
function actions.read(_, peer) peer:read() end

function actions.reset(_, peer)
  if peer.finished then return end
  peer.gone = true
  peer.handle:close_reset()
end

function actions.close(_, peer) peer:close() end

local WEIGHTS = { send = 40, plan = 4, finish = 2, stall = 1, read = 4, reset = 1, close = 1 }
local chosen = {}
for _, name in ipairs({ "send", "plan", "finish", "stall", "read", "reset", "close" }) do
  for _ = 1, WEIGHTS[name] do chosen[#chosen + 1] = name end
end

-- Either script is saved, mostly well, and the server told to look.
function Game:save()
  local echo = self:random(1, 4) == 1
  local text = echo and ECHO or self.service:gsub('reload = "adopt"', ('reload = %q'):format(
    RELOADS[self:random(1, #RELOADS)]))
  if self:random(1, 4) == 1 then text = BROKEN[self:random(1, #BROKEN)] end
  self.saves = self.saves + 1
  self.files:write(echo and "echo.lua" or "service.lua", text .. "\n-- " .. self.saves .. "\n")
  control.ask(self.control, "reload")
end

function Game:check_faults()
  for index = #self.peers, 1, -1 do
    local peer = self.peers[index]
    if peer.fault then error(peer.fault, 0) end
    if peer.gone then table.remove(self.peers, index) end
  end
  if self.server.process:has_ended() then
    error("the server has ended:\n" .. self.server:log_text():sub(-6000), 0)
  end
  local log = self.server.log
  for index = self.log_seen + 1, #log do
    if log[index].message:find("^BROKEN") then error(log[index].message, 0) end
    log[index] = { message = "" } -- a million calls have much to say
  end
  self.log_seen = #log
  self.server.process.err = { self.server:log_text():sub(-100000) }
end

function Game:turn()
  if #self.peers < PEERS_MAX then self:connect(self:random(1, 4) == 1 and "echo" or "calls") end
  for _ = 1, 12 do
    local peer = self.peers[self:random(1, #self.peers)]
    if peer.connected and not peer.gone then
      actions[chosen[self:random(1, #chosen)]](self, peer)
    end
  end
  uv.run("nowait")
end

-- --- The end -------------------------------------------------------------------------------

function Game:evaluate(code)
  local lines, last = control.ask(self.control, ("eval service.lua %q"):format(code))
  if not last.ok then error(("%s: %s"):format(code, last.error), 0) end
  for _, line in ipairs(lines) do
    if line.result then return line.result end
  end
  error(("%s gave nothing: %s"):format(code, require("cjson").encode({ lines, last })), 0)
end

function Game:ran()
  local text = self:evaluate("counts.ran")
  return math.tointeger(tonumber(text)) or error("counts.ran is " .. tostring(text), 0)
end

-- Every echo that was not cut comes whole; every connection ends; as many as began.
function Game:settle()
  for _, peer in ipairs(self.peers) do
    if peer.kind == "echo" and peer.connected and not peer.gone then
      peer:read()
      peer:finish()
      loop.wait_until("an echo to come to its end", function() return peer.gone or peer.fault end)
      if peer.ending == "EOF" and peer.expected ~= "" then
        error(("an echo lacks %d bytes"):format(#peer.expected), 0)
      end
    end
    peer:close()
  end
  self:check_faults()
  local last
  loop.eventually(function() return "all connections to end: " .. tostring(last) end, function()
    last = self:evaluate("counts.opened .. ' ' .. counts.closed .. ' ' .. " ..
      "require('moonport.server').stats().connections")
    local opened, closed, open = last:match("(%d+) (%d+) (%d+)")
    return opened == closed and open == "0"
  end)
  self:check_faults()
end

local M = {}

---Plays `steps` calls of the API by a seed; raises, with the seed, at what cannot be.
---@param seed integer
---@param steps integer
---@param say? fun(text: string) told how far it is
---@return { ran: integer, saves: integer }
function M.play(seed, steps, say)
  local game = setmetatable({ state = seed, peers = {}, saves = 0, log_seen = 0,
    service = read_file("tests/random/service.lua"), files = directory.new() }, Game)
  game.files:write("ops.lua", read_file("tests/random/ops.lua"))
  local started = server.start({ "--no-watch", "--drain", "1",
    game.files:write("echo.lua", ECHO), game.files:write("service.lua", game.service) },
    { listeners = 2, control = game.files:join("control.sock") })
  started:allow_log("")
  game.server, game.control = started, control.connect(started)
  game.addresses = started:addresses()
  local turns, ran, told = 0, 0, 0
  local ok, why = pcall(function()
    while ran < steps do
      game:turn()
      turns = turns + 1
      if turns % 40 == 0 then game:save() end
      if turns % 20 == 0 then
        game:check_faults()
        ran = game:ran()
      end
      if say and ran - told >= 50000 then
        told = ran
        say(("%d calls, %d saves, %d KiB resident"):format(ran, game.saves, started:rss() // 1024))
      end
    end
    -- The last word is a good version.
    game.files:write("service.lua", game.service .. "-- the end\n")
    control.ask(game.control, "reload")
    game:settle()
    ran = game:ran()
    started:stop()
  end)
  for _, peer in ipairs(game.peers) do peer:close() end
  if not ok then why = tostring(why) .. "\nthe log ends:\n" .. started:log_text():sub(-3000) end
  started:release()
  game.files:remove()
  if not ok then error(("seed %d, after %d calls: %s"):format(seed, ran, tostring(why)), 0) end
  return { ran = ran, saves = game.saves }
end

return M
