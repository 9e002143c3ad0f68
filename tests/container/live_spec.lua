-- live_spec.lua — what operators do to a running container: ask for its health, edit its scripts.

local client = require "tests.support.client"
local containers = require "tests.container.containers"
local loop = require "tests.support.loop"
local shell = require "tests.support.shell"

-- Answers every line with a word.
local function answering(word)
  return ('return { listen = 12345, frame = "line", on_message = function(conn) ' ..
    'conn:send("%s\\n") end }'):format(word)
end

describe("a running container", function()
  local podman = containers.new()

  local function serve(made, options)
    return podman:serve({
      options = shell.words("-p", "127.0.0.1::12345", "-v", made.path .. ":/scripts:ro",
        "--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", options or {}),
    })
  end

  local function connect(container)
    return client.connect("tcp://127.0.0.1:" .. container:published(12345))
  end

  local function ask(peer)
    peer:send("?\n")
    return peer:receive_line()
  end

  it("is healthy, as HEALTHCHECK and the probes of Kubernetes ask", function()
    local container = serve(podman:directory({ ["x.lua"] = answering("one") }))
    assert.equal(0, shell.run({ "podman", "healthcheck", "run", container.name }).code)
    assert.equal(0, container:exec("health").code)
    assert.equal(0, container:exec("health", "--ready").code)
  end)

  it("is alive but not ready while it drains", function()
    local container = serve(podman:directory({ ["x.lua"] = answering("one") }))
    local peer = connect(container)
    assert.equal("one", ask(peer))
    containers.run("podman", "kill", "--signal", "TERM", container.name)
    container:wait_for("SIGTERM: no new connections; 1 may go on")
    assert.equal(0, container:exec("health").code)
    assert.equal(1, container:exec("health", "--ready").code)
    peer:close()
    assert.equal(0, container:wait())
  end)

  it("takes over a script that is edited in the mounted directory; connections stay", function()
    local made = podman:directory({ ["x.lua"] = answering("one") })
    local peer = connect(serve(made))
    assert.equal("one", ask(peer))
    made:write("x.lua", answering("two"))
    loop.eventually("the new answer", function() return ask(peer) == "two" end)
    made:write("x.lua", "return {") -- a broken one changes nothing
    made:write("y.lua.part", answering("three"))
    assert.equal("two", ask(peer))
    peer:close()
  end)

  it("takes over the first script that is put into an empty directory", function()
    local made = podman:directory()
    local container = serve(made)
    local peer = connect(container)
    assert.matches("^This is moonport", peer:receive_line())
    peer:close()
    made:write("x.lua", answering("one"))
    loop.eventually("the script's answer", function()
      local again = client.try_connect("tcp://127.0.0.1:" .. container:published(12345))
      local ok, answer = pcall(ask, again)
      again:close()
      return ok and answer == "one"
    end)
  end)
end)
