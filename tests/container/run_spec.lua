-- run_spec.lua — the image at work: scripts, rights, signals, log — not networks.

local client = require "tests.support.client"
local containers = require "tests.container.containers"
local loop = require "tests.support.loop"
local shell = require "tests.support.shell"

local echo = "return { listen = 12345, on_data = function(conn, data) conn:send(data) end }"

describe("a container", function()
  local podman = containers.new()

  local function published(container)
    return "tcp://127.0.0.1:" .. container:published(12345)
  end

  local function echoes(address)
    local peer = client.connect(address)
    peer:send("hello\n")
    local answer = peer:receive_line()
    peer:close()
    return answer == "hello"
  end

  local function mount(made)
    return { "-p", "127.0.0.1::12345", "-v", made.path .. ":/scripts:ro" }
  end

  for _, case in ipairs({ { "no volume", false }, { "an empty one", true } }) do
    it("with " .. case[1] .. " tells what to do", function()
      local options = case[2] and mount(podman:directory()) or { "-p", "127.0.0.1::12345" }
      local container = podman:serve({ options = options })
      assert.matches("no script yet", container:said())
      local port = tostring(container:published(12345))
      local result = shell.run({ "nc", "-N", "127.0.0.1", port })
      assert.matches("^This is moonport%. It is running, but has no script yet%.", result.stdout)
    end)
  end

  it("serves the scripts of a mounted directory, to nc and to Python", function()
    local container = podman:serve({ options = mount(podman:directory({ ["echo.lua"] = echo })) })
    local port = tostring(container:published(12345))
    assert.equal("hello", shell.run({ "nc", "-N", "127.0.0.1", port }, { stdin = "hello" }).stdout)
    local code = "import socket, sys; s = socket.create_connection(('127.0.0.1', sys.argv[1])); " ..
      "s.sendall(b'hello'); print(s.recv(1024))"
    assert.equal("b'hello'\n", shell.run({ "python3", "-c", code, port }).stdout)
  end)

  it("needs no privilege, nothing to write to, and no particular user", function()
    local container = podman:serve({
      options = shell.words(mount(podman:directory({ ["echo.lua"] = echo })), "--read-only",
        "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt", "no-new-privileges",
        "--user", "12345:54321"),
    })
    assert.is_true(echoes(published(container)))
    assert.equal("12345\t12345\t12345\t12345", container:status("Uid"))
    assert.equal("54321\t54321\t54321\t54321", container:status("Gid"))
    assert.equal("0000000000000000", container:status("CapEff"))
    assert.equal("1", container:status("NoNewPrivs"))
    for _, record in ipairs(container:log()) do assert.equal("info", record.level, record.raw) end
  end)

  it("is not root by itself", function()
    local container = podman:serve({ options = { "--cap-drop=ALL" } })
    assert.equal("65532\t65532\t65532\t65532", container:status("Uid"))
  end)

  it("logs to standard error, in lines that programs read", function()
    local container = podman:serve({})
    assert.equal("", container.process:stdout())
    assert.equal("listening on tcp://0.0.0.0:12345", container:log()[2].message)
  end)

  -- As PID 1 a process gets no signal that it does not handle.
  it("drains when it is stopped: what is under way goes on to its end", function()
    local container = podman:serve({ options = mount(podman:directory({ ["echo.lua"] = echo })) })
    local peer = client.connect(published(container))
    peer:send("before\n")
    assert.equal("before", peer:receive_line())
    local stop = shell.start({ "podman", "stop", "--time", "30", container.name })
    container:wait_for("SIGTERM: no new connections; 1 may go on")
    peer:send("after\n")
    assert.equal("after", peer:receive_line())
    peer:close()
    assert.equal(0, container:wait())
    assert.equal(0, stop:wait())
    stop:release()
  end)

  it("ends what does not end by itself when the deadline has passed", function()
    local container = podman:serve({
      options = shell.words(mount(podman:directory({ ["echo.lua"] = echo })), "-e",
        "MOONPORT_DRAIN=0.2"),
    })
    local peer = client.connect(published(container))
    peer:send("hello\n")
    assert.equal("hello", peer:receive_line())
    containers.run("podman", "stop", "--time", "30", container.name)
    assert.equal(0, container:wait())
    peer:close()
  end)

  it("ends with code 1 and says why when a script is at fault", function()
    local made = podman:directory({ ["broken.lua"] = "return {\n  listen = }" })
    local container = podman:start({ options = mount(made) })
    assert.equal(1, container:wait())
    assert.matches("broken%.lua:2: unexpected symbol", container:said())
  end)

  it("checks scripts without serving them", function()
    local made = podman:directory({ ["echo.lua"] = echo })
    local container = podman:start({ options = mount(made), command = { "check", "/scripts" } })
    assert.equal(0, container:wait())
    assert.equal("/scripts/echo.lua: ok, listens on 12345\n", container.process:stdout())
  end)

  -- There is no nsswitch.conf in it, nor anything else that glibc might ask for.
  it("resolves the names of /etc/hosts", function()
    local container = podman:start({
      options = { "--add-host", "textbook:192.0.2.7" },
      command = { "run", "-e", [[
        local socket = require "moonport.socket"
        io.write(assert(socket.resolve("textbook"))[1])
      ]] },
    })
    assert.equal(0, container:wait(), container:said())
    assert.equal("192.0.2.7", container.process:stdout())
  end)

  it("leaves nothing running behind", function()
    local container = podman:serve({})
    local pid = container:inspect().State.Pid
    containers.run("podman", "stop", container.name)
    loop.eventually("the process to be gone", function()
      return shell.run({ "kill", "-0", tostring(pid) }).code ~= 0
    end)
  end)
end)
