-- door_spec.lua — allow, deny and limits.accept_rate: who is not let in, and who waits —
-- limits.per_address is in limits_spec.lua, proxy_protocol in proxy_spec.lua.

local client = require "tests.support.client"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local servers = require "tests.support.server"

local function script(fields)
  return ([[
    return {
      listen = "127.0.0.1:0",
      %s
      on_data = function(conn, data) conn:send(data) end,
    }
  ]]):format(fields)
end

local DENIED = "connections from 127.0.0.1 are reset: allow and deny of the service do not let " ..
  "it in"

describe("allow and deny", function()
  local moonport = rig.new()

  local function start(fields, options)
    options = options or {}
    options.args = options.args or {}
    options.control = true
    return moonport:start(script(fields), options)
  end

  local function assert_served(server, address)
    local peer = server:connect({ address = address })
    peer:send("here")
    assert.equal("here", peer:receive(4))
    peer:close()
  end

  local function assert_refused(server, address)
    local peer, ending = client.try_connect(address or server:address())
    if peer then ending = peer:receive_end() peer:close() end -- it may have come to connect already
    assert.equal("ECONNRESET", ending)
  end

  it("reset who may not come, before the script hears of him, and tell it once", function()
    local server = start([[deny = { "10.0.0.0/8", "127.0.0.0/9" },
      on_open = function() print("> open") end,]])
    for _ = 1, 5 do assert_refused(server) end
    server:expect_log(DENIED)
    local status = control.ask_once(server, "status")[1]
    assert.same({ 5, 5, 0 }, { status.refused, status.refused_denied, status.accepted })
    assert.same({}, server:told())
    local count = 0
    for _, record in ipairs(server.log) do
      if record.message:find("are reset", 1, true) then count = count + 1 end
    end
    assert.equal(1, count)
    local shown = shell.run({ servers.program, "status", "--control", server.control })
    assert.truthy(shown.stdout:find(
      "5 connections refused so far: 5 not let in by allow and deny", 1, true), shown.stdout)
  end)

  it("let in whom allow names and deny does not", function()
    for fields, is_in in pairs {
      [ [[allow = { "127.0.0.1" },]] ] = true,
      [ [[allow = "127.0.0.0/8",]] ] = true,
      [ [[allow = { "10.0.0.0/8", "::1" },]] ] = false,
      [ [[allow = { "127.0.0.0/8" }, deny = { "127.0.0.1" },]] ] = false,
      [ [[allow = { "127.0.0.0/8" }, deny = { "127.0.0.2" },]] ] = true,
      [ [[deny = { "0.0.0.0/0" },]] ] = false,
    } do
      local server = start(fields)
      server:allow_log(DENIED)
      if is_in then assert_served(server) else assert_refused(server) end
    end
  end)

  it("take IPv4 inside of IPv6 for what it is, and a Unix socket for nobody's address", function()
    local path = moonport:directory():join("it.sock")
    local server = start(([[allow = { "127.0.0.1" }, listen = { "[::]:0", "unix://%s" },]])
      :format(path), { listeners = 2 })
    server:allow_log("connections from ::1 are reset")
    assert_served(server, "tcp://127.0.0.1:" .. server:port(1))
    assert_refused(server, "tcp://[::1]:" .. server:port(1))
    assert_served(server, "unix://" .. path)
    server:wait_for("connections from ::1 are reset")
  end)

  it("drop datagrams as well", function()
    local path = moonport:directory():write("test.lua", [[
      return {
        listen = "udp://127.0.0.1:0", deny = { "127.0.0.2" },
        on_datagram = function(sock, data, peer) print("> " .. data) sock:sendto(data, peer) end,
      }]])
    local server = moonport:serve({ path }, { control = true })
    local result = shell.run({ "python3", "-c", [[
import socket, sys
def made(ip):
  one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  one.bind((ip, 0)); one.connect(("127.0.0.1", int(sys.argv[1]))); one.settimeout(20)
  return one
bad, good = made("127.0.0.2"), made("127.0.0.3")
for _ in range(3): bad.send(b"bad")
good.send(b"good")
print(good.recv(9).decode())
]], tostring(server:port()) })
    assert.equal("good\n", result.stdout)
    assert.same({ "good" }, server:told())
    server:expect_log("datagrams from 127.0.0.2 are dropped: allow and deny of the service")
    assert.equal(3, control.ask_once(server, "status")[1].datagrams_denied)
  end)

  it("change with the script, for those who come then", function()
    local directory = moonport:directory()
    local path = directory:write("test.lua", script(""))
    local server = moonport:serve({ "--listen", "127.0.0.1:0", path }, { control = true })
    local peer = server:connect()
    peer:send("a")
    assert.equal("a", peer:receive(1))
    directory:write("test.lua", script([[deny = { "127.0.0.1" },]]))
    assert.truthy(control.ask_once(server, "reload"))
    server:allow_log(DENIED)
    server:wait_for("version 2")
    assert_refused(server)
    peer:send("b")
    assert.equal("b", peer:receive(1))
  end)

  it("name the line, the entry and what to write, where one is no network", function()
    for wrong, message in pairs {
      [ [[deny = { "10.0.0.0/33" },]] ] =
        'deny[1] is "10.0.0.0/33", which is no network: behind the slash stand 0 to 32 bits, ' ..
        "of IPv6 0 to 128",
      [ [[allow = { "::1", "db.example.org" },]] ] = 'allow[2] is "db.example.org", which is no ' ..
        'network: a name can mean another machine tomorrow: write its address in numbers',
      [ [[allow = { "10.0.0.1:80" },]] ] =
        'allow[1] is "10.0.0.1:80", which is no network: leave the port and the brackets out',
      [ [[allow = { "10.0.*" },]] ] =
        'allow[1] is "10.0.*", which is no network: write all four ' ..
        'numbers, and how many bits count, such as "10.0.0.0/8"',
      [ [[deny = { "fe80::1%eth0" },]] ] =
        'deny[1] is "fe80::1%eth0", which is no network: leave the interface out',
      [ [[allow = { "10.0.0.1/8" },]] ] = 'allow[1] is "10.0.0.1/8", an address and a network ' ..
        'at once: write "10.0.0.0/8" for the network, or "10.0.0.1" for that address alone',
      [ [[deny = { "2001:db8::7/31" },]] ] = 'deny[1] is "2001:db8::7/31", an address and a ' ..
        'network at once: write "2001:db8::/31" for the network',
      [ [[deny = { 10 },]] ] = 'deny[1] is 10: write a network as text, such as "10.0.0.0/8"',
      [ [[deny = true,]] ] =
        'deny is true: write a list of networks, such as deny = { "10.0.0.0/8", "::1" }',
      [ [[allow = {},]] ] =
        "allow is empty: nobody could connect; name who may, or leave it out",
      [ [[deny = { net = "::1" },]] ] =
        'deny has the field "net": it is a list of networks, such as { "10.0.0.0/8" }',
    } do
      local path = moonport:directory():write("test.lua", script(wrong))
      local result = shell.run({ servers.program, "check", path })
      local text = result.stdout .. result.stderr
      assert.truthy(text:find("test.lua:3: " .. message, 1, true), text)
    end
  end)
end)

describe("limits.accept_rate", function()
  local moonport = rig.new()

  it("leaves in the backlog who comes too early, and takes all of them in time", function()
    local server = moonport:start(
      script("limits = { accept_rate = 50, accept_burst = 3 },"), { args = {}, control = true })
    server:allow_log("limits.accept_rate = 50 reached: connections wait in the backlog")
    local peers = {}
    for index = 1, 9 do
      peers[index] = server:connect()
      peers[index]:send("x")
    end
    for index = 1, 9 do assert.equal("x", peers[index]:receive(1)) end
    server:wait_for("limits.accept_rate = 50 reached")
    local status = control.ask_once(server, "status")[1]
    assert.equal(9, status.accepted)
    assert.equal(0, status.refused)
    assert.truthy(status.accept_slowed >= 1)
  end)

  it("takes no more than its burst at once", function()
    local server = moonport:start(
      script("limits = { accept_rate = 0.01, accept_burst = 2 },"), { args = {}, control = true })
    server:allow_log("limits.accept_rate")
    for _ = 1, 5 do server:connect() end
    server:wait_for("limits.accept_rate = 0.01 reached")
    loop.eventually("two to be there", function()
      return control.ask_once(server, "status")[1].connections == 2
    end)
    server:signal("sigterm")
  end)

  it("goes with the version that has it", function()
    local directory = moonport:directory()
    local path = directory:write("test.lua",
      script("limits = { accept_rate = 0.01, accept_burst = 1 },"))
    local server = moonport:serve({ "--listen", "127.0.0.1:0", path }, { control = true })
    server:allow_log("limits.accept_rate")
    local first, second = server:connect(), server:connect()
    first:send("1")
    assert.equal("1", first:receive(1))
    second:send("2")
    server:wait_for("limits.accept_rate = 0.01 reached")
    directory:write("test.lua", script(""))
    assert.truthy(control.ask_once(server, "reload"))
    assert.equal("2", second:receive(1))
  end)

  it("is what a burst is of", function()
    local path = moonport:directory():write("test.lua",
      script("limits = { accept_burst = 5 },"))
    local result = shell.run({ servers.program, "check", path })
    local text = result.stdout .. result.stderr
    assert.truthy(text:find("test.lua:3: limits.accept_burst without limits.accept_rate bounds " ..
      "nothing", 1, true), text)
  end)

  it("is a number", function()
    local path = moonport:directory():write("test.lua",
      script([[limits = { accept_rate = "100/s" },]]))
    local result = shell.run({ servers.program, "check", path })
    local text = result.stdout .. result.stderr
    assert.truthy(text:find('test.lua:3: limits.accept_rate is "100/s": write connections per ' ..
      "second, 0.001 to 1000000, or 0 for no limit", 1, true), text)
  end)
end)
