-- network_spec.lua — who reaches a server in a container, and whom it reaches: every statement of
-- docs/containers.md on networks — with podman's bridge and a real packet filter.

local client = require "tests.support.client"
local containers = require "tests.container.containers"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local echo = "return { listen = 12345, on_data = function(conn, data) conn:send(data) end }"

-- Connects to an address, sends a line and prints the answer; or prints why not.
local ask = [[
  local socket = require "moonport.socket"
  local conn, why = socket.connect("%s", { timeout = 5 })
  if not conn then io.write(why) os.exit(1) end
  conn:send("hello\n")
  io.write(assert(conn:recv_line()))
]]

describe("a server in a container", function()
  local podman = containers.new()
  local moonport = rig.new() -- for servers on this machine

  local function serve(options)
    return podman:serve({
      options = shell.words("-v", podman:directory({ ["echo.lua"] = echo }).path .. ":/scripts:ro",
        options or {}),
    })
  end

  local function try(address)
    local peer, why = client.try_connect(address)
    if not peer then return nil, why end
    peer:send("hello\n")
    local answer = peer:receive_line()
    peer:close()
    return answer
  end

  -- Asks from a container of its own.
  local function ask_from_container(options, address)
    local command = { "run", "-e", ask:format(address) }
    local asking = podman:start({ options = options, command = command })
    asking:wait()
    return asking.process:stdout()
  end

  describe("that is bound to 127.0.0.1", function()
    local loopback = { "-e", "MOONPORT_HOST=127.0.0.1", "-p", "127.0.0.1::12345" }

    it("is not reached through a published port", function()
      local server = serve(loopback)
      assert.same({ nil, "ECONNREFUSED" }, { try("tcp://127.0.0.1:" .. server:published(12345)) })
    end)

    it("is not reached by the container's address", function()
      local server = serve(loopback)
      assert.same({ nil, "ECONNREFUSED" }, { try("tcp://" .. server:ip() .. ":12345") })
    end)

    it("is not reached from another container", function()
      local server = serve(loopback)
      assert.equal("ECONNREFUSED", ask_from_container({}, server:ip() .. ":12345"))
    end)

    it("is reached from inside of its own container", function()
      assert.equal("hello", serve(loopback):exec("run", "-e", ask:format("127.0.0.1:12345")).stdout)
    end)

    it("is reached from a container that shares its network", function()
      local server = serve(loopback)
      assert.equal("hello",
        ask_from_container({ "--network", "container:" .. server.name }, "127.0.0.1:12345"))
    end)
  end)

  -- The article's server, translated: server_socket.bind(('localhost', 12345)).
  it("is out of reach when it is the textbook's, which binds localhost", function()
    local server = podman:start({
      options = { "-v", shell.run({ "pwd" }).stdout:match("%C+") .. "/scripts:/scripts:ro",
        "-p", "127.0.0.1::12345" },
      command = { "run", "textbook/server.lua" },
    })
    server:wait_for_port(12345)
    assert.same({ nil, "ECONNREFUSED" }, { try("tcp://127.0.0.1:" .. server:published(12345)) })
  end)

  describe("that is bound to 0.0.0.0, as the image does", function()
    it("is reached through a published port, on the address that it is published on", function()
      local server = serve({ "-p", "127.0.0.1::12345" })
      local port = server:published(12345)
      assert.equal("hello", try("tcp://127.0.0.1:" .. port))
      assert.same({ nil, "ECONNREFUSED" }, { try("tcp://127.0.0.2:" .. port) })
    end)

    it("is reached from this machine by the container's address, published or not", function()
      assert.equal("hello", try("tcp://" .. serve():ip() .. ":12345"))
    end)

    it("is reached from another container by its address, published or not", function()
      assert.equal("hello", ask_from_container({}, serve():ip() .. ":12345"))
    end)

    it("is reached by its name from another container of a network of their own", function()
      local network = podman:network()
      local server = serve({ "--network", network })
      assert.equal("hello", ask_from_container({ "--network", network }, server.name .. ":12345"))
    end)

    it("is not reached by its name on the default network", function()
      local server = serve()
      assert.matches("^[^h]", ask_from_container({}, server.name .. ":12345"))
    end)
  end)

  describe("reaches this machine", function()
    it("by the name host.containers.internal, if the server there takes all addresses", function()
      local server = moonport:start(echo, { args = { "--listen", "*:0" } })
      assert.equal("hello",
        ask_from_container({}, "host.containers.internal:" .. server:port()))
    end)

    it("not where the server there is bound to 127.0.0.1", function()
      local server = moonport:start(echo)
      assert.equal("ECONNREFUSED",
        ask_from_container({}, "host.containers.internal:" .. server:port()))
      assert.equal("ECONNREFUSED", ask_from_container({}, "127.0.0.1:" .. server:port()))
    end)

    it("also there, when it shares this machine's network", function()
      local server = moonport:start(echo)
      assert.equal("hello",
        ask_from_container({ "--network", "host" }, "127.0.0.1:" .. server:port()))
    end)
  end)

  it("sees the client's own address, not that of a proxy", function()
    local naming = "return { listen = 12345, on_open = function(conn) " ..
      "conn:send(conn.peer_ip .. '\\n') conn:close() end }"
    local server = podman:serve({
      options = { "-v", podman:directory({ ["x.lua"] = naming }).path .. ":/scripts:ro" },
    })
    local gateway = server:inspect().NetworkSettings.Networks.podman.Gateway
    local peer = client.connect("tcp://" .. server:ip() .. ":12345")
    assert.equal(gateway, peer:receive_line())
    peer:close()
  end)
end)
