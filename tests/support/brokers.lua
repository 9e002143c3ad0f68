-- brokers.lua — real brokers for moonport.bus, Redis and NATS, and foreign programs at them — does
-- not know what moonport does there.

local client = require "tests.support.client"
local loop = require "tests.support.loop"
local ports = require "tests.support.ports"
local redis = require "tests.support.redis"

local brokers = { redis = {}, nats = {} }

--- Each starts one on a free port, or on `port`: { url, port, child }. Options: `args`, further
---ones of its command line; `tls`, a certificate's file and its key's.
function brokers.redis.start(rig, port, options)
  local child
  port, child = redis.start(rig, port, options)
  return { url = "redis://127.0.0.1:" .. port, port = port, child = child }
end

-- It hangs up on a client whose handshake or name takes longer than 2 seconds, which is soon on a
-- machine with much to do; only a file tells it otherwise.
local patient = "authorization { timeout: 60 }\n"
local patient_tls = "tls { cert_file: %q, key_file: %q, timeout: 60 }\n"

function brokers.nats.start(rig, port, options)
  port = port or ports.free()
  local settings = patient
  if options and options.tls then
    settings = settings .. patient_tls:format(options.tls[1], options.tls[2])
  end
  local file = rig:directory():write("nats.conf", settings)
  local command = { "nats-server", "--config", file, "--addr", "127.0.0.1", "--port",
    tostring(port) }
  for _, word in ipairs(options and options.args or {}) do command[#command + 1] = word end
  local child = rig:spawn(command)
  loop.wait_until(function() return "nats-server to be ready; it said:\n" .. child:stderr() end,
    function()
      assert(not child:has_ended(), child:stderr())
      return child:stderr():find("Server is ready", 1, true)
    end)
  return { url = "nats://127.0.0.1:" .. port, port = port, child = child }
end

--- Publishes one message, and waits until the broker has it.
function brokers.redis.publish(broker, topic, data)
  redis.ask(broker.port, "publish", topic, data)
end

local function connect_nats(broker)
  local peer = client.connect("tcp://127.0.0.1:" .. broker.port)
  peer:receive_line()
  peer:send('CONNECT {"verbose":false}\r\n')
  return peer
end

function brokers.nats.publish(broker, topic, data)
  local peer = connect_nats(broker)
  peer:send(("PUB %s %d\r\n%s\r\nPING\r\n"):format(topic, #data, data))
  assert(peer:receive_line() == "PONG\r")
  peer:close()
end

--- Subscribes to a topic; returns a function that waits for the next message.
function brokers.redis.subscribe(broker, topic)
  local peer = client.connect("tcp://127.0.0.1:" .. broker.port)
  peer:send("SUBSCRIBE " .. topic .. "\r\n")
  for _ = 1, 6 do peer:receive_line() end
  return function()
    for _ = 1, 5 do peer:receive_line() end
    local size = tonumber(peer:receive_line():match("^%$(%d+)\r$"))
    return peer:receive(size + 2):sub(1, -3)
  end, peer
end

function brokers.nats.subscribe(broker, topic)
  local peer = connect_nats(broker)
  peer:send("SUB " .. topic .. " 1\r\nPING\r\n")
  assert(peer:receive_line() == "PONG\r")
  return function()
    local line
    repeat
      line = peer:receive_line()
      if line == "PING\r" then peer:send("PONG\r\n") end
    until line ~= "PING\r"
    return peer:receive(tonumber(line:match("(%d+)\r$")) + 2):sub(1, -3)
  end, peer
end

return brokers
