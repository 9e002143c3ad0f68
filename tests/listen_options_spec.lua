-- listen_options_spec.lua — what the sockets of `listen` are to be beside their addresses, and what
-- datagrams tell and lose — not which addresses there are.

local loop = require "tests.support.loop"
local luasocket = require "socket"
local program = require "tests.support.program"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local function answering(listen, more)
  return ([[
    return {
      listen = %s,
      %s
      on_data = function(conn, data) conn:send(data) end,
    }
  ]]):format(listen, more or "")
end

describe("an address of listen with options", function()
  local moonport = rig.new()

  local function mode_of(path)
    return (shell.run({ "stat", "-c", "%a", path }).stdout:gsub("%s", ""))
  end

  it("makes a Unix socket with the mode that it says, which a reload changes", function()
    local path = moonport:directory():join("mode.sock")
    local changed = reloading.start(moonport,
      answering(('{ "unix:%s", mode = "0660" }'):format(path)), { own_listen = true })
    assert.equal("660", mode_of(path))
    local peer = changed.server:connect()
    changed:reload(answering(('{ { "unix:%s", mode = "0600" } }'):format(path)))
    assert.equal("600", mode_of(path))
    peer:send("still")
    assert.equal("still", peer:receive(5))
    changed:reload(answering(('"unix:%s"'):format(path)))
    assert.equal("600", mode_of(path)) -- what nobody says stays
  end)

  -- ss(8) shows the backlog of a listening socket as the size of its send queue.
  it("has a backlog of its own", function()
    local server = moonport:start(answering('{ "tcp://127.0.0.1:0", backlog = 7 }'), { args = {} })
    local shown = shell.run({ "ss", "-Hltn", "sport = :" .. server:port() }).stdout
    assert.equal("7", shown:match("^LISTEN%s+%d+%s+(%d+)"))
  end)

  it("gives buffers of that size, also to what it accepts, and tells of less", function()
    local server = moonport:start([[
      return {
        listen = {
          { "tcp://127.0.0.1:0", rcvbuf = "48K" },
          { "udp://127.0.0.1:0", rcvbuf = "1G", sndbuf = 65536 },
        },
        on_open = function(conn) conn:send(conn:getoption("rcvbuf") .. "\n") end,
        on_datagram = function(sock, _, peer) sock:sendto(sock:getoption("sndbuf"), peer) end,
      }
    ]], { args = {}, listeners = 2 })
    assert.equal("98304", server:connect():receive_line()) -- the kernel doubles it
    server:expect_log("rcvbuf of udp://127.0.0.1:%d+ is %d+ bytes in place of %d+: " ..
      "the system's bound is net.core.rmem_max")
    local peer = luasocket.udp()
    peer:settimeout(5)
    peer:sendto("x", "127.0.0.1", server:port(2))
    assert.equal("131072", peer:receive())
    peer:close()
  end)

  it("says what is wrong with them, with file and line", function()
    local wrong = {
      ['{ 7000, backlok = 5 }'] = "listen has no option 'backlok' (known: backlog, broadcast",
      ['{ 7000, mode = "0660" }'] = "option 'mode' of listen is for unix:, and \"7000\" is none",
      ['{ "unix:@x", mode = "0660" }'] = "is in no file system",
      ['{ "unix:x", mode = 660 }'] = 'the digits of chmod as text, such as "0660"',
      ['{ "unix:x", mode = "9999" }'] = "the digits of chmod as text",
      ['{ "udp://:1", backlog = 5 }'] = "option 'backlog' of listen is for tcp://, tls://",
      ['{ 7000, backlog = 0 }'] = "a whole number from 1 to 65535",
      ['{ 7000, rcvbuf = "8X" }'] = 'like "64K", "1M", "2G"',
      ['{ 7000, join = "239.1.2.3" }'] = "option 'join' of listen is for udp://",
      ['{ "udp://:1", join = "10.0.0.1" }'] = "a multicast group such as",
      ['{ "udp://:1", join = { "239.1.2.3", 5 } }'] = "a multicast group such as",
      ['{ "udp://:1", join = "239.1.2.3\\0" }'] = "a multicast group such as",
      ['{ backlog = 5 }'] = "listen is a table: write a port, an address",
      ['{ { { 7000 } } }'] = "listen is a table: write a port, an address",
      ['{ { 70000 } }'] = "which is no port",
    }
    for listen, reason in pairs(wrong) do
      local path = moonport:directory():write("a.lua", ("return {\n  listen = %s,\n" ..
        "  on_data = print, on_datagram = print,\n}"):format(listen))
      local result = moonport:run({ "check", path })
      assert.equal(1, result.code, listen)
      assert.matches("a.lua:2: ", result.log[1].message, 1, true)
      assert.matches(reason, result.log[1].message, 1, true)
    end
  end)

  it("that the system refuses keeps the version in force", function()
    local changed = reloading.start(moonport, answering('"tcp://127.0.0.1:0"'),
      { own_listen = true })
    local server = changed.server
    changed.folder:write("test.lua", [[
      return {
        listen = { "tcp://127.0.0.1:0", { "udp://127.0.0.1:0", join = "239.1.2.3%none0" } },
        on_data = print, on_datagram = print,
      }
    ]])
    server:allow_log("not reloaded")
    server:allow_log("option 'join' cannot be set")
    server:signal("sighup")
    server:wait_for("option 'join' cannot be set")
    local peer = server:connect()
    peer:send("x")
    assert.equal("x", peer:receive(1))
  end)
end)

describe("a service of datagrams", function()
  local moonport = rig.new()

  local groups = [[
    set -e
    ip link set lo up
    ip link set lo multicast on
    ip route add 239.0.0.0/8 dev lo
    exec "$@"
  ]]

  -- Sends "one" and "two" to two groups and "own" to the machine, and tells what comes back.
  local driver = [==[
import socket, subprocess, sys
server = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE, text=True)
for line in server.stderr:
    if "listening on" in line: break
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.settimeout(1)
for group, text in [("239.1.2.3", "one"), ("239.1.2.4", "two"), ("127.0.0.5", "own"),
                    ("239.9.9.9", "no")]:
    peer.sendto(text.encode(), (group, 5514))
    try: print(peer.recv(99).decode())
    except TimeoutError: print("nothing")
server.terminate()
sys.stderr.write(server.stderr.read())
sys.exit(server.wait())
]==]

  supports.it("own-address",
    "joins groups beside its address, and each datagram says where it was sent to", function()
    local in_network = shell.words(shell.unshare("n"), "sh", "-c", groups, "sh")
    if shell.run(shell.words(in_network, "true")).code ~= 0 then
      return pending("needs network namespaces")
    end
    local path = moonport:directory():write("test.lua", [[
      local timer = require "moonport.timer"
      return {
        listen = { "udp://0.0.0.0:5514", join = { "239.1.2.3%lo", "239.1.2.4%lo" } },
        on_datagram = function(sock, data, peer)
          local at_first = sock:destination()
          if data ~= "one" then timer.sleep(0.05) end
          assert(sock:destination() == at_first and sock:getsockname() == "0.0.0.0:5514")
          sock:send(data .. " " .. at_first, peer)
        end,
      }
    ]])
    local result = shell.run(shell.words(in_network, "python3", "-c", driver,
      require("tests.support.server").program, "serve", "--control", "off", path))
    assert.equal("one 239.1.2.3:5514\ntwo 239.1.2.4:5514\nown 127.0.0.5:5514\nnothing\n",
      result.stdout, result.stderr)
  end)

  supports.it("udp-lost",
    "has as many handlers waiting as it says, and counts what the kernel drops", function()
    local changed = reloading.start(moonport, [[
      local go = false
      return {
        listen = { "tcp://127.0.0.1:0", { "udp://127.0.0.1:0", rcvbuf = 8192 } },
        limits = { datagrams = 3 },
        on_data = function() go = true end,
        on_datagram = function(sock, data, peer)
          while not go do require("moonport.timer").sleep(0.02) end
          sock:send(data, peer)
        end,
      }
    ]], { own_listen = true, listeners = 2 })
    local server = changed.server
    local peer = luasocket.udp()
    peer:settimeout(5)
    peer:setpeername("127.0.0.1", server:port(2))
    for index = 1, 5 do peer:send("datagram " .. index) end
    loop.eventually("the limit", function() return changed:status().datagrams_waiting == 3 end)
    server:expect_log("limits.datagrams = 3 reached: so many on_datagram wait")
    for _ = 1, 200 do peer:send(("x"):rep(1000)) end
    assert.is_true(changed:status().datagrams_lost > 100)
    assert.equal(3, changed:status().datagrams_waiting)
    server:connect():send("go")
    local seen = {}
    while #seen < 5 do -- those that waited may come after what came behind them
      local answer = assert(peer:receive())
      if answer:find("^datagram") then seen[#seen + 1] = answer end
    end
    table.sort(seen)
    assert.same({ "datagram 1", "datagram 2", "datagram 3", "datagram 4", "datagram 5" }, seen)
    loop.eventually("nobody to wait", function() return changed:status().datagrams_waiting == 0 end)
    peer:close()
  end)

  it("sends with one name, whatever socket it is", function()
    assert.same({ "one", "two", "three", "ENOTCONN" }, program.lines(moonport, [[
      local one, two = socket.udp(), socket.udp()
      one:bind("127.0.0.1", 0)
      local host, port = one:getsockname():match("^(.*):(%d+)$")
      two:send("one", host, math.tointeger(port))
      print((one:recv()))
      two:send("two", one:getsockname())
      print((one:recv()))
      two:connect(one:getsockname())
      two:send("three")
      print((one:recv()))
      print((select(2, socket.udp():send("x"))))
    ]]))
  end)
end)
