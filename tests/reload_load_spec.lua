-- reload_load_spec.lua — reloads under load: no byte is lost or altered, no connection is refused —
-- not how long anything takes (bench/).

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local uv = require "luv"

local PEERS, RELOADS, FLOOD, PENDING_MAX = 50, 50, 300, 16
local CHUNK = 4096

-- Echoes, and waits now and then while the next version comes.
local function echoing(version, rule)
  return ([[
    local timer = require "moonport.timer"
    timer.every(0.001, function() end)
    return {
      reload = %q,
      on_data = function(conn, data)
        if #data %% 7 == 0 then timer.sleep(0.001) end
        conn:send(data)
      end,
      on_unload = function() return %d end,
    }
  ]]):format(rule, version)
end

local PERIOD = 65521 -- a prime: what is lost or doubled in the streams is never a whole one
local bytes = {}
for index = 1, PERIOD do bytes[index] = string.char(math.random(0, 255)) end
local noise = table.concat(bytes)
noise = noise .. noise .. noise

-- What a peer has at a place of its stream; each begins elsewhere in the noise.
local function text_of(peer, offset, size)
  local start = (peer * 1009 + offset) % PERIOD
  return noise:sub(start + 1, start + size)
end

describe("under load", function()
  local moonport = rig.new()

  -- Sends as fast as the echo comes back, and compares it.
  local function keep_busy(address, number)
    local self = { sent = 0, received = 0, handle = uv.new_tcp() }
    local function send()
      if self.stopping then return end
      local size = 1 + (self.sent * 31 + number * 17) % CHUNK
      self.handle:write(text_of(number, self.sent, size))
      self.sent = self.sent + size
    end
    local function on_read(err, chunk)
      if not chunk then
        self.failure = self.failure or err or "EOF"
        return
      end
      if chunk ~= text_of(number, self.received, #chunk) then self.failure = "altered bytes" end
      self.received = self.received + #chunk
      if self.received == self.sent then send() end
    end
    self.handle:connect("127.0.0.1", address.port, function(err)
      self.failure = err
      if err then return end
      self.handle:read_start(on_read)
      send()
    end)
    return self
  end

  -- Connects, says a byte, hears it, closes; again and again.
  local function flood(address)
    local self = { pending = 0, done = 0, failures = {} }
    function self.start()
      if self.pending >= PENDING_MAX or self.done + self.pending >= FLOOD then return end
      local handle = uv.new_tcp()
      self.pending = self.pending + 1
      local function finish(err)
        if err then self.failures[#self.failures + 1] = err end
        self.pending = self.pending - 1
        self.done = self.done + 1
        handle:close()
        self.start()
      end
      handle:connect("127.0.0.1", address.port, function(failure)
        if failure then return finish(failure) end
        handle:read_start(function(err, chunk)
          handle:read_stop()
          local heard = chunk == "x"
          finish(not heard and (err or "closed without an answer") or nil)
        end)
        handle:write("x")
      end)
    end
    for _ = 1, PENDING_MAX do self.start() end
    return self
  end

  for _, rule in ipairs({ "adopt", "pin" }) do
    it(("%d reloads with reload = %q lose nothing"):format(RELOADS, rule), function()
      local folder = moonport:directory()
      local path = folder:write("test.lua", echoing(1, rule))
      local server = moonport:serve({ "--no-watch", "--listen", "127.0.0.1:0", path },
        { control = true })
      local asked = control.connect(server)
      server.clients[#server.clients + 1] = asked
      local address = { port = server:port() }
      local peers = {}
      for number = 1, PEERS do peers[number] = keep_busy(address, number) end
      local flooding = flood(address)
      for version = 2, RELOADS + 1 do
        folder:write("test.lua", echoing(version, rule))
        local lines, last = control.ask(asked, "reload")
        assert.is_true(last.ok)
        assert.equal(version, lines[1].version)
      end
      loop.wait_until(function() return ("%d of %d connects"):format(flooding.done, FLOOD) end,
        function() return flooding.done >= FLOOD end)
      for _, peer in ipairs(peers) do peer.stopping = true end
      loop.wait_until("every echo to be complete", function()
        for _, peer in ipairs(peers) do
          if not peer.failure and peer.received < peer.sent then return false end
        end
        return true
      end)
      assert.same({}, flooding.failures)
      local total = 0
      for number, peer in ipairs(peers) do
        assert.is_nil(peer.failure, ("peer %d: %s"):format(number, peer.failure))
        assert.is_true(peer.received > 0)
        total = total + peer.received
        peer.handle:close()
      end
      assert.is_true(total > PEERS * CHUNK)
      loop.eventually("one version to be left", function()
        return control.ask(asked, "status")[1].versions == 1
      end)
    end)
  end
end)
