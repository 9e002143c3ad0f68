-- limits_spec.lua — limits.connections and the process's descriptors: accepting stops and resumes.

local client = require "tests.support.client"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local servers = require "tests.support.server"
local shell = require "tests.support.shell"

-- An echo that also tells how many connections it has accepted.
local counting = [[
  local server = require "moonport.server"
  return {
    %s
    on_data = function(conn, data)
      if data == "?" then data = tostring(server.stats().accepted) end
      conn:send(data .. "\n")
    end,
  }
]]

local function ask(peer, question)
  peer:send(question or "?")
  return peer:receive_line()
end

describe("limits.connections", function()
  local moonport = rig.new()

  it("keeps further peers waiting, and takes them when there is room", function()
    local server = moonport:start(counting:format("limits = { connections = 2 },"))
    server:allow_log("connections")
    local first = server:connect()
    assert.equal("1", ask(first))
    local second = server:connect()
    assert.equal("2", ask(second))
    local third = server:connect()
    third:send("third")
    for _ = 1, 5 do assert.equal("2", ask(first)) end
    second:finish()
    second:receive_all()
    assert.equal("third", third:receive_line())
    assert.equal("3", ask(first))
  end)

  it("takes all that waited, one after the other", function()
    local server = moonport:start(counting:format("limits = { connections = 1 },"))
    server:allow_log("connections")
    local peers = {}
    for index = 1, 20 do
      peers[index] = server:connect()
      peers[index]:send("peer " .. index)
    end
    for index = 1, 20 do
      assert.equal("peer " .. index, peers[index]:receive_line())
      peers[index]:finish()
      peers[index]:receive_all()
      peers[index]:close()
    end
  end)

  it("counts the connections of all listeners of the script", function()
    local path = moonport:directory():join("limits.sock")
    local server = moonport:start(counting:format(
      ('limits = { connections = 1 }, listen = { 0, %q },'):format("unix://" .. path)),
      { args = {}, listeners = 2 })
    server:allow_log("connections")
    local first = server:connect({ address = server:address(1) })
    assert.equal("1", ask(first))
    local second = server:connect({ address = server:address(2) })
    second:send("second")
    for _ = 1, 5 do assert.equal("1", ask(first)) end
    first:finish()
    first:receive_all()
    assert.equal("second", second:receive_line())
  end)
end)

describe("limits.per_address", function()
  local moonport = rig.new()

  local text = [[
    return {
      listen = 0,
      limits = { per_address = %d },
      on_data = function(conn, data) conn:send(data) end,
      on_close = function(_, reason) print("> close " .. reason) end,
    }
  ]]

  local function assert_served(peer)
    peer:send("here")
    assert.equal("here", peer:receive(4))
  end

  local function assert_refused(started)
    local peer, ending = client.try_connect(started:address())
    if peer then ending = peer:receive_end() peer:close() end -- it may have come to connect already
    assert.equal("ECONNRESET", ending)
  end

  local function start(most, options)
    local started = moonport:start(text:format(most), options)
    started:allow_log("limits.per_address = %d reached by 127.0.0.1")
    return started
  end

  it("resets what is beyond it at once, and takes the next one when one has gone", function()
    local started = start(2, { control = true })
    local first, second = started:connect(), started:connect()
    assert_served(first)
    assert_served(second)
    for _ = 1, 10 do assert_refused(started) end
    assert_served(first)
    first:finish()
    first:receive_all()
    started:wait_told("close eof")
    assert_served(started:connect())
    assert_refused(started)
    local status = control.ask_once(started, "status")[1]
    assert.equal(11, status.refused)
    local count = 0
    for _, record in ipairs(started.log) do
      if record.message:find("per_address", 1, true) then count = count + 1 end
    end
    assert.equal(1, count, "it is told at most each ten seconds")
  end)

  it("counts each address for itself, and no Unix socket", function()
    local path = moonport:directory():join("peers.sock")
    local started = start(1, { args = {} , control = true })
    assert_served(started:connect())
    assert_refused(started)
    local script = text:format(1):gsub("listen = 0", ("listen = %q"):format("unix://" .. path))
    local local_one = moonport:start(script, { args = {} })
    for _ = 1, 3 do assert_served(local_one:connect()) end
    local other = shell.run({ servers.program, "run", "-e", [[
      local socket = require "moonport.socket"
      local conn = socket.tcp()
      conn:connect(arg[1])
      conn:send("here")
      print(conn:recv())
    ]], "127.0.0.1:" .. started:port() })
    assert.matches("^nil\t", other.stdout)
  end)

  it("holds from the reload on that brings it, and counts who was there before", function()
    local started = start(0, { name = "reloaded.lua" })
    local peers = { started:connect(), started:connect(), started:connect() }
    for _, peer in ipairs(peers) do assert_served(peer) end
    local path = moonport.directories[1]:join("reloaded.lua")
    local function save(most)
      local before = #started.log
      local file = assert(io.open(path .. ".new", "w"))
      file:write((text:format(most)))
      file:close()
      assert(os.rename(path .. ".new", path)) -- at once: half of it must not be loaded
      loop.wait_until("a reload", function()
        for index = before + 1, #started.log do
          if started.log[index].message:find("reloaded", 1, true) then return true end
        end
      end)
    end
    save(3)
    assert_refused(started)
    for _, peer in ipairs(peers) do assert_served(peer) end
    save(0)
    assert_served(started:connect())
  end)
end)

-- libuv's accept loop is called again at once for a connection that it could not accept: a server
-- that does not stop listening then burns a whole processor until somebody leaves.
describe("out of descriptors", function()
  local moonport = rig.new()

  local function start_small()
    local server = moonport:start(counting:format(""),
      { prefix = { "prlimit", "--nofile=64" }, control = true })
    server:allow_log("open files")
    server:allow_log("limits%.connections of all scripts")
    return server
  end

  -- The state of the process is not that of a file: what nobody changed is not loaded again,
  -- however often the looks for changes fail meanwhile.
  local function assert_version_1(server)
    local lines = control.ask_once(server, "status")
    assert.equal(1, lines[1].version)
    assert.equal("serving", lines[1].state)
    assert.is_nil(server:log_text():find("reloaded", 1, true), server:log_text())
  end

  it("what is connected goes on, and accepting resumes when there is room", function()
    local server = start_small()
    local peers = {}
    for index = 1, 100 do
      peers[index] = server:connect()
      peers[index]:send("peer " .. index)
    end
    server:wait_for("open files")
    assert.equal("peer 1", peers[1]:receive_line())
    assert.equal("still here", ask(peers[1], "still here"))
    -- Each answered peer leaves and so makes room for one that waits.
    for index = 2, 100 do
      assert.equal("peer " .. index, peers[index]:receive_line())
      peers[index]:close()
    end
    assert.equal("100", ask(peers[1]))
    assert_version_1(server)
  end)

  -- A container whose health check fails is restarted, although it serves.
  it("the server still answers its control socket, and keeps the script as it is", function()
    local server = start_small()
    local peers = {}
    for index = 1, 100 do peers[index] = server:connect() end
    server:wait_for("open files")
    for _ = 1, 3 do -- changes are looked for several times a second
      local _, health = control.ask_once(server, "health")
      assert.is_true(health.ready)
      assert_version_1(server)
      assert.equal("here", ask(peers[1], "here"))
      local looked = 0
      loop.eventually("a look for changes", function()
        looked = looked + 1
        return looked > 110
      end)
    end
  end)

  it("the server does not spin", function()
    local server = start_small()
    local peers = {}
    for index = 1, 100 do peers[index] = server:connect() end
    server:wait_for("open files")
    local cpu, asked = server:cpu_seconds(), 0
    -- The stall is measured, not waited for: 50 timed looks, 10 ms apart.
    loop.eventually("half a second to pass", function()
      asked = asked + 1
      return asked > 50
    end)
    assert.is_true(server:cpu_seconds() - cpu < 0.2, "the server was busy doing nothing")
    assert.equal("here", ask(peers[1], "here"))
    assert_version_1(server)
  end)

  it("is told once, not for each peer", function()
    local server = start_small()
    for _ = 1, 100 do server:connect() end
    local first = server:connect()
    server:wait_for("open files")
    first:close()
    local count = 0
    for _, record in ipairs(server.log) do
      if record.message:find("open files") then count = count + 1 end
    end
    -- At most every 10 seconds, of accepting and of what else needs a descriptor.
    assert.is_true(count >= 1 and count <= 3, count .. " warnings")
  end)
end)
