-- deploy_spec.lua — the files of deploy/, run by podman in place of Docker and Kubernetes.

local client = require "tests.support.client"
local containers = require "tests.container.containers"
local directory = require "tests.support.directory"
local loop = require "tests.support.loop"
local ports = require "tests.support.ports"
local read = require "tests.support.read_file"
local shell = require "tests.support.shell"

local function echoes(address)
  local peer = client.try_connect(address)
  if not peer then return false end
  peer:send("hello\n")
  local ok, answer = pcall(peer.receive_line, peer)
  peer:close()
  return ok and answer == "hello"
end

describe("deploy/", function()
  local made

  before_each(function() made = directory.new() end)
  after_each(function() made:remove() end)

  it("has a compose file that serves scripts/ to this machine", function()
    local port = ports.free()
    local text = read("deploy/compose.yaml")
      :gsub("image: moonport\n", function() return "image: " .. containers.image .. "\n" end)
      :gsub('"127%.0%.0%.1:12345:', '"127.0.0.1:' .. port .. ":")
      -- A container inside of a container is given no more than that one has.
      :gsub("    ulimits:\n      nofile:[^\n]*\n", "")
      :gsub("%.%./scripts", shell.run({ "realpath", "scripts" }).stdout:match("%C+"))
    local project = "moonport-test-" .. port
    local compose = { "podman-compose", "-p", project, "-f", made:write("compose.yaml", text) }
    finally(function()
      shell.run(shell.words(compose, "down", "-t", "5", "-v"))
      shell.run({ "podman", "network", "rm", project .. "_default" })
    end)
    containers.run(compose, "up", "-d")
    loop.eventually("an echo from " .. port, function()
      return echoes("tcp://127.0.0.1:" .. port)
    end)
  end)

  it("has a Kubernetes manifest whose pod serves the ConfigMap", function()
    local port = ports.free()
    local name = "moonport-test-" .. port
    local text = read("deploy/kubernetes/moonport.yaml")
      :gsub("image: moonport:latest", function() return "image: " .. containers.image end)
      :gsub("replicas: 2", "replicas: 1") -- podman has no more than one
      :gsub("name: moonport\n", "name: " .. name .. "\n")
      :gsub("moonport%-scripts", name .. "-scripts")
      :gsub("containerPort: 12345", "%0\n              hostPort: " .. port)
    local path = made:write("moonport.yaml", text)
    finally(function()
      shell.run({ "podman", "kube", "down", path })
      shell.run({ "podman", "volume", "rm", name .. "-scripts" })
    end)
    containers.run("podman", "kube", "play", path)
    loop.eventually("an echo from the pod", function()
      return echoes("tcp://127.0.0.1:" .. port)
    end)
  end)
end)
