-- resolver_spec.lua — a name server that never answers, and many who ask it: all others go on.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- libuv looks names up in four threads: with each taking a second, a hundred take half a minute.
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
