-- cluster_spec.lua — deploy/cluster/: two moonports, a Redis between them and HAProxy in front.

local client = require "tests.support.client"
local containers = require "tests.container.containers"
local directory = require "tests.support.directory"
local loop = require "tests.support.loop"
local ports = require "tests.support.ports"
local read = require "tests.support.read_file"
local shell = require "tests.support.shell"
local websocket = require "tests.support.websocket"

local PEERS = "localhost/moonport-test-peers"

local function absolute(path) return shell.run({ "realpath", path }).stdout:match("%C+") end

-- In the room "tea", under that name; nil while nobody answers.
local function enter(address, name)
  local peer = client.try_connect(address)
  if not peer then return nil end
  local came = pcall(function()
    peer:send(websocket.request({ path = "/?room=tea&name=" .. name }))
    assert(websocket.receive_head(peer):find("^HTTP/1.1 101 "))
  end)
  if came then return peer end
  peer:close()
end

-- Reads messages until one holds `text`; raises when none comes.
local function hear(peer, text)
  for _ = 1, 100 do
    if websocket.receive(peer).payload:find(text, 1, true) then return end
  end
  error("a hundred messages, and none with " .. text)
end

describe("deploy/cluster/", function()
  local made

  before_each(function() made = directory.new() end)
  after_each(function() made:remove() end)

  it("is one chat over two moonports, and survives the end of either", function()
    local port = ports.free()
    local text = read("deploy/cluster/compose.yaml")
      :gsub("image: moonport\n", function() return "image: " .. containers.image .. "\n" end)
      :gsub("image: redis:[^\n]*", "image: " .. PEERS)
      -- Debian's package binds it to loopback, and is protected.
      :gsub('%[redis%-server,', '[redis-server, --bind, "0.0.0.0", --protected-mode, "no",')
      :gsub("image: haproxy:[^\n]*", "image: " .. PEERS ..
        "\n    command: [haproxy, -f, /usr/local/etc/haproxy/haproxy.cfg]")
      :gsub('"127%.0%.0%.1:8080:', '"127.0.0.1:' .. port .. ":")
      :gsub("    ulimits:\n      nofile:[^\n]*\n", "")
      :gsub("%- %./scripts", "- " .. absolute("deploy/cluster/scripts"))
      :gsub("%- %./haproxy", "- " .. absolute("deploy/cluster/haproxy"))
      :gsub("%- %.%./%.%./scripts", "- " .. absolute("scripts"))
    local project = "moonport-test-" .. port
    local compose = { "podman-compose", "-p", project, "-f", made:write("compose.yaml", text) }
    finally(function()
      shell.run(shell.words(compose, "down", "-t", "5", "-v"))
      shell.run({ "podman", "network", "rm", project .. "_default" })
    end)
    containers.run(compose, "up", "-d")
    local address = "tcp://127.0.0.1:" .. port

    -- HAProxy gives each of two to another one, once it knows that both are there.
    local function count(number)
      local box = ("%s_moonport-%d_1"):format(project, number)
      local status = shell.run({ "podman", "exec", box, "/usr/bin/moonport", "conns", "--json" })
      local _, found = status.stdout:gsub('"listener":"tcp://0%.0%.0%.0:8087"', "")
      return found
    end
    local ada, bob
    loop.eventually("two in two moonports", function()
      ada = ada or enter(address, "ada")
      bob = ada and (bob or enter(address, "bob"))
      if not bob then return false end
      if count(1) == 1 and count(2) == 1 then return true end
      bob:close()
      bob = nil
    end)

    local function say_until_heard(from, to, word) -- the bus may not be there yet
      loop.eventually(word .. " on the other side", function()
        from:send(websocket.frame(websocket.TEXT, word))
        return pcall(hear, to, word)
      end)
    end
    say_until_heard(ada, bob, "from ada")
    say_until_heard(bob, ada, "from bob")

    containers.run("podman", "stop", "-t", "5", project .. "_moonport-1_1")
    local eve
    loop.eventually("a place in the other moonport", function()
      eve = enter(address, "eve")
      return eve ~= nil
    end)
    assert.equal(2, count(2))
  end)
end)
