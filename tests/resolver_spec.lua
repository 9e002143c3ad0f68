-- resolver_spec.lua — a name server that never answers, and many who ask it: all others go on.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local server_program = require "tests.support.server".program
local shell = require "tests.support.shell"
local uv = require "luv"

-- libuv looked names up in four threads: with each taking a second, a hundred took half a minute.
local LOOKUPS = 100

-- A network in which nobody answers the name server's port. In it, and so with Unix sockets only.
local network = [[
  PATH=$PATH:/usr/sbin:/sbin
  ip link set lo up && iptables -A INPUT -p udp --dport 53 -j DROP &&
  mount --bind "$0" /etc/resolv.conf && exec "$@"
]]

local script = [[
  local socket, timer = require "moonport.socket", require "moonport.timer"
  local task = require "moonport.task"
  local ended = 0
  return {
    listen = %q,
    limits = { connections = 1000 },
    on_data = function(conn, data)
      if data ~= "resolve" then return conn:send(data .. " VERSION") end
      for index = 1, %d do
        task.spawn(function()
          local began = timer.now()
          local _, code = socket.connect("name" .. index .. ".test:80", { timeout = 0.3 })
          ended = ended + 1
          local soon = timer.now() - began < 15 and "soon" or "late"
          print(("> %%d %%s %%s"):format(ended, code, soon))
        end)
      end
      conn:send("asked")
    end,
  }
]]

describe("a hundred names that nobody resolves", function()
  local moonport = rig.new()

  -- Starts it and has it asked for them all. Gives the server, the peer that asked, what saves the
  -- script and its text; nothing where there can be no such network.
  local function start()
    local folder = moonport:directory()
    local prefix = shell.words(shell.unshare("nm"), "sh", "-c", network,
      folder:write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"))
    if shell.run(shell.words(prefix, "true")).code ~= 0 then return nil end
    local text = script:format("unix://" .. folder:join("s.sock"), LOOKUPS)
    local server = moonport:serve({ folder:write("test.lua", text) }, { prefix = prefix })
    local peer = server:connect()
    peer:send("resolve")
    assert.equal("asked", peer:receive(5))
    return server, peer, function(changed) folder:write("test.lua", changed) end, text
  end

  it("hold up neither connections nor reloads", function()
    local server, peer, save, text = start()
    if not server then return pending("needs a network of its own") end
    for _ = 1, 20 do
      peer:send("alive")
      assert.equal("alive VERSION", peer:receive(13))
    end
    save((text:gsub("VERSION", "AGAIN!!")))
    loop.eventually("the change to be in force", function()
      peer:send("alive")
      return peer:receive(13) == "alive AGAIN!!"
    end)
  end)

  it("end with their own time limits, whether their turn has come or not", function()
    local server, peer = start()
    if not server then return pending("needs a network of its own") end
    for index, line in ipairs(server:wait_told(LOOKUPS)) do
      assert.equal(index .. " timeout soon", line)
    end
    peer:send("alive")
    assert.equal("alive VERSION", peer:receive(13))
  end)

  it("do not hold up the end", function()
    local server, peer = start()
    if not server then return pending("needs a network of its own") end
    peer:close()
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
  end)
end)

-- Scripts that name a host were loaded and listened between two events, and so was the lookup.
describe("a handler that waits for a name", function()
  local moonport = rig.new()
  local asks = [[
    local socket = require "moonport.socket"
    return {
      listen = %q,
      on_data = function(conn, data)
        if data ~= "connect" then return conn:send("VERSION") end
        local other, code = socket.connect("name.test:80")
        conn:send(tostring(other) .. " " .. tostring(code))
      end,
    }
  ]]

  -- The version that it began in ended with the change, and took what it waited for along.
  it("hears what became of it, although the script changes meanwhile", function()
    local folder = moonport:directory()
    local prefix = shell.words(shell.unshare("nm"), "sh", "-c", network,
      folder:write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:3 attempts:1\n"))
    if shell.run(shell.words(prefix, "true")).code ~= 0 then
      return pending("needs a network of its own")
    end
    local text = asks:format("unix://" .. folder:join("s.sock"))
    local server = moonport:serve({ folder:write("test.lua", text) }, { prefix = prefix })
    local waiting, peer = server:connect(), server:connect()
    waiting:send("connect")
    peer:send("ready")
    assert.equal("VERSION", peer:receive(7))
    folder:write("test.lua", (text:gsub("VERSION", "AGAIN!!")))
    loop.eventually("the change to be in force", function()
      peer:send("ready")
      return peer:receive(7) == "AGAIN!!"
    end)
    assert.matches("^nil E", waiting:receive(5))
  end)
end)

describe("a host to listen on that nobody resolves", function()
  local moonport = rig.new()
  local folder, prefix, address

  -- The name server is silent for `seconds`, or 30. False: there is no such network here.
  local function prepare(seconds)
    folder = moonport:directory()
    local conf = ("nameserver 127.0.0.1\noptions timeout:%d attempts:1\n"):format(seconds or 30)
    prefix = shell.words(shell.unshare("nm"), "sh", "-c", network,
      folder:write("resolv.conf", conf))
    address = "unix://" .. folder:join("s.sock")
    return shell.run(shell.words(prefix, "true")).code == 0
  end

  local function answering(name, more)
    return ([[return {
      listen = { %q, %s },
      on_data = function(conn) conn:send(%q) end,
    }]]):format(address, more or "", name)
  end

  local function serve(args)
    return moonport:serve(shell.words({ folder:write("test.lua", answering("old")) }, args or {}),
      { prefix = prefix, control = folder:join("c.sock") })
  end

  local function ask(peer)
    peer:send("?")
    return peer:receive(3)
  end

  it("delays no connection when it is saved, and SIGTERM ends at once", function()
    if not prepare() then return pending("needs a network of its own") end
    local server = serve()
    local peer = server:connect()
    assert.equal("old", ask(peer))
    folder:write("test.lua", answering("new", '"name.test:7000"'))
    loop.eventually("the name to be asked for", function()
      return server:sockets() > server.sockets_at_start + 1 -- and the peer's
    end)
    for _ = 1, 20 do assert.equal("old", ask(peer)) end
    peer:close()
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
  end)

  it("is told when its time has passed, and the version before goes on", function()
    if not prepare(1) then return pending("needs a network of its own") end
    local server = serve()
    server:allow_log('host "name.test" does not resolve')
    server:allow_log("not reloaded: version 1 stays in force")
    local peer = server:connect()
    folder:write("test.lua", answering("new", '"name.test:7000"'))
    server:wait_for("stays in force")
    assert.equal("old", ask(peer))
    folder:write("test.lua", answering("new"))
    loop.eventually("the mended one to be in force", function() return ask(peer) == "new" end)
  end)

  it("leaves the others that are saved with it to their turn", function()
    if not prepare(1) then return pending("needs a network of its own") end
    local scripts = folder:join("scripts")
    assert(uv.fs_mkdir(scripts, tonumber("755", 8)))
    folder:write("scripts/a.lua", answering("old"))
    local server = moonport:serve({ scripts },
      { prefix = prefix, control = folder:join("c.sock") })
    server:allow_log('host "name.test" does not resolve')
    local peer = server:connect()
    folder:write("scripts/b.lua", [[return { listen = "name.test:7000", on_data = print }]])
    folder:write("scripts/a.lua", answering("new"))
    server:wait_for('host "name.test" does not resolve')
    loop.eventually("the other one to be in force", function() return ask(peer) == "new" end)
    local said = 0
    for _, record in ipairs(server.log) do
      if record.message:find("version 2 is in force", 1, true) then said = said + 1 end
    end
    assert.equal(1, said)
  end)

  it("does not hold up SIGTERM at the start", function()
    if not prepare() then return pending("needs a network of its own") end
    local child = shell.start(shell.words(prefix, server_program, "serve", "--control", "off",
      folder:write("test.lua", answering("x", '"name.test:7000"'))))
    loop.eventually("the name to be asked for", function()
      return table.concat(child:descriptors(), " "):find("socket:", 1, true)
    end)
    child:signal("sigterm")
    assert.equal(0, (child:wait()))
  end)
end)

describe("a name in /etc/hosts", function()
  local moonport = rig.new()

  it("does not wait behind names that nobody resolves, and counts once", function()
    local folder = moonport:directory()
    local prefix = shell.words(shell.unshare("nm"), "sh", "-c",
      'mount --bind "$1" /etc/hosts && shift && ' .. network,
      folder:write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n"),
      folder:write("hosts", "127.0.0.1 localhost twice.test\n127.0.0.1 twice.test\n"))
    if shell.run(shell.words(prefix, "true")).code ~= 0 then
      return pending("needs a network of its own")
    end
    local program = folder:write("ask.lua", [[
      local socket, task = require "moonport.socket", require "moonport.task"
      for index = 1, 10 do
        task.spawn(function() socket.resolve("name" .. index .. ".test") end)
      end
      print(table.concat(assert(socket.resolve("twice.test")), " "))
      print((select(2, socket.connect("localhost:1"))))
      os.exit(0)
    ]])
    local result = shell.run(shell.words(prefix, server_program, "run", program))
    assert.equal("127.0.0.1\nECONNREFUSED\n", result.stdout)
  end)
end)
