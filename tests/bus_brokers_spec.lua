-- bus_brokers_spec.lua — moonport.bus over a real Redis and a real NATS: two servers, foreign
-- programs, and brokers that stop, end, refuse and come back.

local brokers = require "tests.support.brokers"
local certificates = require "tests.support.tls"
local cjson = require "cjson"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local uv = require "luv"

-- By itself it gives a handshake so little time that a busy machine does not keep to it.
local NATS_TLS = "tls { cert_file: %q, key_file: %q, timeout: 60 }"

-- Says what it hears to all, as "PATTERN TOPIC DATA"; does what it is told: "TOPIC DATA" publishes.
local room = [[
  local bus, json = require "moonport.bus", require "moonport.json"
  local server = require "moonport.server"
  for _, pattern in ipairs { "room.tea", "room.*", "room.>" } do
    bus.subscribe(pattern, function(data, topic)
      server.broadcast(("%s %s %s\n"):format(pattern, topic, data))
    end)
  end
  local commands = {}
  function commands.status(conn) conn:send(json.encode(bus.status()) .. "\n") end
  function commands.flood(conn, count)
    local taken, code = 0, nil
    for index = 1, tonumber(count) do
      local ok, why = bus.publish("flood", index .. ("x"):rep(10000))
      if ok then taken = taken + 1 else code = why end
    end
    conn:send(taken .. " " .. tostring(code) .. "\n")
  end
  local churning
  function commands.churn()
    for index = 1, 200 do
      if churning then churning:cancel() end
      churning = bus.subscribe("churn", function(data)
        server.broadcast("churn " .. data .. "\n")
      end)
      bus.publish("churn", tostring(index))
    end
  end
  return {
    frame = "line", limits = { message = "1M" },
    on_message = function(conn, line)
      local topic, data = line:match("^(%S+) ?(.*)$")
      if commands[topic] then return commands[topic](conn, data) end
      bus.publish(topic, data)
    end,
    on_close = function(conn, reason) bus.publish("room.left", reason) end,
  }
]]

for name, kind in pairs({ redis = brokers.redis, nats = brokers.nats }) do
  describe("moonport.bus over " .. name, function()
    local moonport = rig.new()

    -- A server at the broker, connected. The broker ends before it, with the test.
    local function start(url, options)
      local env = options and options.env or {}
      env.MOONPORT_BUS = url
      local server = moonport:start(room, { env = env, control = true, name = "room.lua" })
      server:allow_log("is not there: ")
      if options and options.is_absent then return server end
      server:wait_for("connected to the broker")
      server.sockets_at_start = server:sockets()
      return server
    end

    local function status(peer)
      peer:send("status\n")
      return cjson.decode(peer:receive_line())
    end

    -- Each pattern has its line; their order among each other is nobody's business.
    local function hears(peer, topic, data)
      local seen = {}
      local count = topic == "room.tea" and 3 or topic:find("^room%.%w+$") and 2 or 1
      for _ = 1, count do
        local line = peer:receive_line()
        local pattern, rest = line:match("^(%S+) (.*)$")
        assert.equal(topic .. " " .. data, rest)
        assert.is_nil(seen[pattern])
        seen[pattern] = true
      end
    end

    it("reaches another server, a foreign program and itself, once and in order", function()
      local broker = kind.start(moonport)
      local one, other = start(broker.url), start(broker.url)
      local near, far = one:connect(), other:connect()
      local foreign, peer = kind.subscribe(broker, "room.tea")
      status(near)
      status(far) -- both are there
      for index = 1, 200 do near:offer("room.tea " .. index .. "\n") end
      for index = 1, 200 do hears(near, "room.tea", tostring(index)) end
      for index = 1, 200 do hears(far, "room.tea", tostring(index)) end
      for index = 1, 200 do assert.equal(tostring(index), foreign()) end
      near:send("room.end \n")
      hears(near, "room.end", "")
      hears(far, "room.end", "")
      local told = status(near)
      assert.same({ 201, 0, 0 }, { told.published, told.queued, told.dropped })
      peer:close()
    end)

    it("brings what a foreign program publishes, also when it is the same", function()
      local broker = kind.start(moonport)
      local one, other = start(broker.url), start(broker.url)
      local near, far = one:connect(), other:connect()
      status(near)
      status(far)
      for _ = 1, 3 do
        near:send("room.tea same\n")
        kind.publish(broker, "room.tea", "same")
        kind.publish(broker, "room.tea.hot", "\0 \xff")
        for _, peer in ipairs { near, far } do
          local count = 0
          repeat
            local line = peer:receive_line()
            count = count + 1
            assert.matches("^room%.%S+ room%.tea", line)
          until count == 7
        end
      end
      near:send("room.end \n")
      hears(near, "room.end", "")
      hears(far, "room.end", "")
    end)

    -- A broker that is stopped takes nothing, and answers nothing.
    it("goes on within the server while the broker is stopped, and beyond it afterwards", function()
      local broker = kind.start(moonport)
      local one, other = start(broker.url), start(broker.url)
      local near, far = one:connect(), other:connect()
      status(near)
      status(far)
      broker.child:signal("sigstop")
      for index = 1, 100 do
        near:send("room.tea " .. index .. "\n")
        hears(near, "room.tea", tostring(index))
      end
      broker.child:signal("sigcont")
      for index = 1, 100 do hears(far, "room.tea", tostring(index)) end
    end)

    it("keeps what the broker does not take up to a limit, drops the rest, and tells it", function()
      local broker = kind.start(moonport)
      local server = start(broker.url)
      local peer = server:connect()
      status(peer)
      broker.child:signal("sigstop")
      peer:send("flood 1000\n")
      local taken, code = peer:receive_line():match("^(%d+) (%S+)$")
      assert.equal("limit", code)
      server:expect_log("published messages in a second on the way to " .. name)
      local stopped = status(peer)
      assert.equal(1000 - tonumber(taken), stopped.dropped)
      assert.is_true(stopped.queued > 100 and stopped.queued < 1000, stopped.queued)
      local foreign, witness
      broker.child:signal("sigcont")
      loop.eventually("the queue to be sent", function() return status(peer).queued == 0 end)
      foreign, witness = kind.subscribe(broker, "room.end")
      peer:send("room.end x\n")
      assert.equal("x", foreign())
      witness:close()
    end)

    it("tells once that the broker has ended, and comes back with all its subscriptions", function()
      local broker = kind.start(moonport)
      local server = start(broker.url)
      local peer = server:connect()
      broker.child:signal("sigkill")
      broker.child:wait()
      server:expect_log("the broker " .. name .. "://127.0.0.1:%d+ is not there: ")
      peer:send("room.tea alone\n")
      hears(peer, "room.tea", "alone")
      local lost = status(peer)
      assert.is_false(lost.connected)
      assert.equal(1, lost.queued)
      local line = control.ask_once(server, "status")[2]
      assert.same({ broker.url, false, 1 }, { line.bus, line.connected, line.queued })
      local shown = moonport:run({ "status", "--control", server.control })
      assert.matches("\nbus: " .. name .. "://[%d.:]+, NOT connected since %d+", shown.stdout)
      kind.start(moonport, broker.port)
      server:wait_for("is there again")
      kind.publish(broker, "room.tea", "again")
      hears(peer, "room.tea", "again")
      assert.equal(0, status(peer).queued)
      assert.is_true(status(peer).connected)
      local told = 0
      for _, record in ipairs(server.log) do
        if record.message:find("is not there", 1, true) then told = told + 1 end
      end
      assert.equal(1, told)
    end)

    it("serves without a broker, and sends what waited for it when there is one", function()
      local broker = kind.start(moonport)
      broker.child:signal("sigkill")
      broker.child:wait()
      local server = start(broker.url, { is_absent = true })
      server:expect_log("is not there: .*refused; see that it runs")
      local peer = server:connect()
      peer:send("room.tea early\n")
      hears(peer, "room.tea", "early")
      kind.start(moonport, broker.port)
      server:wait_for("is there again")
      loop.eventually("what waited to be sent", function() return status(peer).queued == 0 end)
      server.sockets_at_start = server.sockets_at_start + 1
    end)

    it("hears a topic once however often it was subscribed to and left", function()
      local broker = kind.start(moonport)
      local server = start(broker.url)
      local peer = server:connect()
      local foreign, witness = kind.subscribe(broker, "churn")
      status(peer)
      for _ = 1, 2 do
        peer:send("churn\n")
        for index = 1, 200 do assert.equal(tostring(index), foreign()) end
        -- The last subscription of the handler hears what was published after it.
        assert.equal("churn 200", peer:receive_line())
      end
      kind.publish(broker, "churn", "end")
      assert.equal("churn end", peer:receive_line())
      witness:close()
    end)

    it("leaves out a message from elsewhere that is too long, and goes on", function()
      local broker = kind.start(moonport)
      local server = start(broker.url)
      local peer = server:connect()
      status(peer)
      kind.publish(broker, "room.long.one", ("x"):rep(61441))
      kind.publish(broker, "room.long.one", ("x"):rep(61440))
      hears(peer, "room.long.one", ("x"):rep(61440))
      server:expect_log("more than 60 KiB came from elsewhere")
      assert.equal(1, status(peer).dropped)
    end)

    it("sends what is published while the server ends", function()
      local broker = kind.start(moonport)
      local server = start(broker.url)
      local foreign, witness = kind.subscribe(broker, "room.left")
      server:connect()
      server:wait_for("connected")
      server:signal("sigterm")
      server:close_clients()
      assert.matches("^%l+$", foreign()) -- why its connection ended
      witness:close()
    end)
  end)
end

describe("moonport.bus with a broker that asks who we are", function()
  local moonport = rig.new()

  local function start(env)
    local server = moonport:start("return { on_data = print }", { env = env })
    server:allow_log("is not there: ") -- in the end: the broker goes first
    return server
  end

  for kind, cases in pairs({
    redis = { { args = { "--requirepass", "se/cr:et" }, user = ":se%2Fcr%3Aet" },
      { args = { "--user", "ada", "on", ">secret", "&*", "+@all" }, user = "ada:secret" } },
    nats = { { args = { "--user", "ada", "--pass", "secret" }, user = "ada:secret" },
      { args = { "--auth", "token" }, user = "token" } },
  }) do
    for _, case in ipairs(cases) do
      it("tells " .. kind .. " that it is " .. case.user, function()
        local broker = brokers[kind].start(moonport, nil, case)
        local address = "127.0.0.1:" .. broker.port
        local server = start({ MOONPORT_BUS = ("%s://%s@%s"):format(kind, case.user, address) })
        local told = server:wait_for("connected to the broker").message
        assert.equal(("connected to the broker %s://%s"):format(kind, address), told)
        server.sockets_at_start = server:sockets()
      end)
    end
  end

  it("tells why it is not let in, in the broker's own words, and no password", function()
    for kind, words in pairs({ redis = "WRONGPASS", nats = "Authorization Violation" }) do
      local args = { "--user", "x", "--pass", "y" }
      if kind == "redis" then args = { "--requirepass", "right" } end
      local broker = brokers[kind].start(moonport, nil, { args = args })
      local url = ("%s://moon:wrongword@127.0.0.1:%d"):format(kind, broker.port)
      local server = start({ MOONPORT_BUS = url })
      server:expect_log("is not there: .*" .. words)
      assert.is_nil(server:log_text():find("wrongword", 1, true))
      server.sockets_at_start = server.sockets_at_start + 1
    end
  end)

  it("tells what Redis does not let it hear, and hears the rest", function()
    local broker = brokers.redis.start(moonport, nil, { args = { "--user", "default", "on",
      "nopass", "resetchannels", "&room.tea", "+@all" } })
    local server = moonport:start(room, { env = { MOONPORT_BUS = broker.url } })
    server:expect_log("refuses room%.[*]: NOPERM")
    server:allow_log("is not there: ")
    server:wait_for("connected to the broker")
    server.sockets_at_start = server:sockets()
    local peer = server:connect()
    peer:send("room.tea 1\nroom.milk 2\nroom.tea 3\n")
    for _ = 1, 3 do assert.matches("^room%.%S+ room.tea 1$", peer:receive_line()) end
    for _ = 1, 2 do assert.matches("^room%.%S+ room.milk 2$", peer:receive_line()) end
    for _ = 1, 3 do assert.matches("^room%.%S+ room.tea 3$", peer:receive_line()) end
    server:expect_log("refuses room.milk: NOPERM")
    brokers.redis.publish(broker, "room.tea", "4")
    assert.equal("room.tea room.tea 4", peer:receive_line())
  end)

  it("speaks TLS with both, and knows whom to trust by SSL_CERT_FILE", function()
    local directory = moonport:directory()
    local cert, key = certificates.certificate(directory, "localhost")
    local started = {
      rediss = brokers.redis.start(moonport, nil, { tls = { cert, key } }),
      nats = brokers.nats.start(moonport, nil,
        { args = { "--config", directory:write("nats.conf", NATS_TLS:format(cert, key)) } }),
    }
    for scheme, broker in pairs(started) do
      local url = ("%s://localhost:%d"):format(scheme, broker.port)
      local server = start({ MOONPORT_BUS = url, SSL_CERT_FILE = cert })
      server:wait_for("connected to the broker")
      server.sockets_at_start = server:sockets()
      local other = start({ MOONPORT_BUS = url })
      other:wait_for("is not there: ") -- it is not trusted
      other.sockets_at_start = other.sockets_at_start + 1
    end
  end)

  -- Redis hangs up on a subscriber that does not read: client-output-buffer-limit.
  it("comes back when Redis has had enough of it", function()
    local broker = brokers.redis.start(moonport, nil,
      { args = { "--client-output-buffer-limit", "pubsub", "200kb", "0", "0" } })
    local server = moonport:start(room, { env = { MOONPORT_BUS = broker.url } })
    server:wait_for("connected to the broker")
    server.sockets_at_start = server:sockets()
    local peer = server:connect()
    peer:send("status\n")
    peer:receive_line()
    server.process:signal("sigstop")
    for _ = 1, 400 do brokers.redis.publish(broker, "room.x.y", ("x"):rep(60000)) end
    server.process:signal("sigcont")
    server:expect_log("is not there: ")
    server:wait_for("is there again")
    brokers.redis.publish(broker, "room.x.y", "end")
    local line
    repeat line = peer:receive_line() until line == "room.> room.x.y end"
  end)

  -- What came so raised in the program that talks to the broker: it ended, and the bus was alone
  -- from then on. A push of two thousand million words filled the memory.
  describe("at what only looks like a broker", function()
    local nats = 'INFO {"max_payload":"much"}\r\nPONG\r\n'
    local redis = "$2\r\nok\r\n"
    local long = "$70000\r\n" .. ("x"):rep(70000) .. "\r\n"
    for what, case in pairs({
      ["an empty line"] = { "nats", nats .. "\r\n \r\n" },
      ["a length that is none"] = { "nats",
        nats .. "MSG room.tea 1 " .. math.maxinteger .. "\r\nx" },
      ["no words"] = { "redis", redis .. ">0\r\n" },
      ["words without end"] = { "redis", redis .. ">2000000000\r\n" .. ("_\r\n"):rep(100) },
      ["a topic that is too long"] = { "redis",
        redis .. ">4\r\n$8\r\npmessage\r\n$6\r\nroom.*\r\n" .. long .. "$1\r\nx\r\n" },
    }) do
      it("gets over " .. what .. ", and tries again", function()
        local scheme, text = table.unpack(case)
        local came = 0
        local listener = assert(uv.new_tcp())
        assert(listener:bind("127.0.0.1", 0))
        assert(listener:listen(8, function()
          local conn = uv.new_tcp()
          assert(listener:accept(conn))
          came = came + 1
          conn:write(text, function() conn:shutdown(function() conn:close() end) end)
        end))
        local url = ("%s://127.0.0.1:%d"):format(scheme, listener:getsockname().port)
        local server = moonport:start(room, { env = { MOONPORT_BUS = url } })
        loop.wait_until("third attempt to connect", function() return came > 2 end)
        server:allow_log("is not there: ")
        server:allow_log("more than 60 KiB came from elsewhere")
        local peer = server:connect()
        peer:send("room.tea 1\n")
        for _ = 1, 3 do assert.matches(" room.tea 1$", peer:receive_line()) end
        listener:close()
        loop.wait_until("end of the listener", function() return not listener:is_active() end)
      end)
    end
  end)

  it("is refused where --bus is no address of a broker", function()
    local path = moonport:directory():write("x.lua", "return { on_data = print }")
    for address, why in pairs({ ["http://x"] = "no address of a broker",
      ["redis://"] = "has no host", ["redis://x:99999"] = "a port that is none",
      ["nats://x/1"] = "a path, which NATS has not", ["redis://x/y"] = "no number",
      ["redis://a:%zz@x"] = "escapes nothing" }) do
      local result = moonport:run({ "--bus", address, path })
      assert.equal(2, result.code)
      assert.matches("%-%-bus .*" .. why .. ".*: write redis://", result.stderr)
    end
  end)
end)
