-- control_path_spec.lua — where the control socket is, whose it is, and when there is none.

local control = require "tests.support.control"
local directory = require "tests.support.directory"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"
local uv = require "luv"

local echo = "return { on_data = function(conn, data) conn:send(data) end }"

local function assert_serves(server)
  local peer = server:connect()
  peer:send("hello")
  assert.equal("hello", peer:receive(5))
end

local function mode_of(path)
  return uv.fs_stat(path).mode & tonumber("777", 8)
end

describe("The control socket's file", function()
  local moonport = rig.new()

  it("is its user's alone, whatever the umask, and goes with the server", function()
    local server = moonport:start(echo, {
      control = true,
      prefix = { "sh", "-c", 'umask 0; exec "$0" "$@"' },
    })
    assert.equal(tonumber("600", 8), mode_of(server.control))
    server:stop()
    assert.is_false(directory.exists(server.control))
  end)

  it("that a killed server left behind is replaced", function()
    local first = moonport:start(echo, { control = true })
    first:kill()
    assert.is_true(directory.exists(first.control))
    local second = moonport:start(echo, { control = first.control })
    assert.equal(second.process.pid, select(2, control.ask_once(second, "status")).pid)
  end)

  it("is left to a server that listens there, and the second one serves without", function()
    local first = moonport:start(echo, { control = true })
    local second = moonport:start(echo,
      { args = { "--listen", "127.0.0.1:0", "--control", first.control } })
    local record = second:expect_log("control socket")
    assert.equal("warn", record.level)
    assert.matches("another server listens there", record.message, 1, true)
    assert_serves(second)
    second:stop()
    assert.equal(first.process.pid, select(2, control.ask_once(first, "status")).pid)
  end)

  it("that is something else is not touched", function()
    local path = moonport:directory():write("notes.txt", "mine")
    local server = moonport:start(echo, { env = { MOONPORT_CONTROL = path } })
    assert.matches("no socket", server:expect_log("control socket").message)
    assert_serves(server)
    server:stop()
    assert.equal("mine", assert(io.open(path)):read("a"))
  end)

  it("in a directory that is not there is warned of", function()
    local path = moonport:directory():join("none/control.sock")
    local server = moonport:start(echo, { env = { MOONPORT_CONTROL = path } })
    assert.matches("create it", server:expect_log("control socket").message)
    assert_serves(server)
  end)

  it("is where the environment says when nothing names it", function()
    local made = moonport:directory()
    for _, case in ipairs({
      { "control.sock", { RUNTIME_DIRECTORY = made.path .. ":/elsewhere",
        XDG_RUNTIME_DIR = "/nowhere" } },
      { "moonport.sock", { RUNTIME_DIRECTORY = "", XDG_RUNTIME_DIR = made.path } },
    }) do
      case[2].MOONPORT_CONTROL = ""
      local server = moonport:start(echo, { control = made:join(case[1]), env = case[2] })
      assert.equal("control socket: " .. server.control,
        server:wait_for("control socket").message)
      local result = moonport:run({ "health" }, { env = case[2] })
      assert.equal(0, result.code, result.stderr)
      server:stop()
    end
  end)

  it("is not there with --control off, and --control beats the environment", function()
    local made = moonport:directory()
    local path = made:join("named.sock")
    local server = moonport:start(echo, {
      args = { "--listen", "127.0.0.1:0", "--control", "off" },
      env = { MOONPORT_CONTROL = path },
    })
    assert.is_false(directory.exists(path))
    assert.is_nil(server:log_text():find("control socket"))
    local result = moonport:run({ "status", "--control", "off" })
    assert.equal(1, result.code)
    assert.matches("--control", result.stderr, 1, true)
  end)

  supports.it("abstract-sockets", "may be a name that is in no file system", function()
    local name = "@moonport-test-" .. uv.os_getpid()
    moonport:start(echo, { control = name })
    local result = moonport:run({ "status", "--control", name })
    assert.equal(0, result.code, result.stderr)
    assert.matches("test%.lua", result.stdout)
    -- It is that name exactly.
    assert.equal(1, moonport:run({ "status", "--control", name .. "x" }).code)
    local second = moonport:start(echo,
      { args = { "--listen", "127.0.0.1:0", "--control", name } })
    assert.matches("another server", second:expect_log("control socket").message)
  end)

  it("cannot have a name that is too long or empty: that is a wrong command line", function()
    for name, message in pairs({ [("/x"):rep(60)] = "at most 107 bytes", ["@"] = "@moonport" }) do
      for _, command in ipairs({ "serve", "status" }) do
        local words = { command, "--control", name }
        if command == "serve" then words[4] = "scripts/echo.lua" end
        local result = moonport:run(words)
        assert.equal(2, result.code)
        assert.matches(message, result.stderr, 1, true)
      end
    end
  end)
end)

describe("Another user", function()
  local moonport = rig.new()
  local is_root = shell.run({ "id", "-u" }).stdout == "0\n"
  local it_as_root = is_root and it or pending

  local function as(uid)
    return { "setpriv", "--reuid", uid, "--regid", uid, "--clear-groups" }
  end

  local function name_for(test)
    return ("@moonport-test-%s-%d"):format(test, uv.os_getpid())
  end

  local it_told = is_root and supports.has("peer-credentials") and it or pending
  it_told("is refused by the server, unless it is root", function()
    local made = moonport:directory()
    assert(uv.fs_chmod(made.path, tonumber("777", 8)))
    local path = made:join("control.sock")
    local server = moonport:start(echo, { control = path, prefix = as("65533") })
    local own = moonport:run({ "status", "--control", path }, { prefix = as("65533") })
    assert.equal(0, own.code, own.stderr)
    local root = moonport:run({ "status", "--control", path })
    assert.equal(0, root.code, root.stderr)
    -- A file that lets everybody in does not help, nor a client that asks no questions.
    assert(uv.fs_chmod(path, tonumber("666", 8)))
    local told = shell.run(shell.words(as("65534"), "nc", "-N", "-U", path),
      { stdin = "shutdown\n" })
    local answer = control.decode(told.stdout)
    assert.is_false(answer.ok)
    assert.matches("user 65533 and to root, not to user 65534", answer.error, 1, true)
    assert.equal("serving", select(2, control.ask_once(server, "health")).phase)
  end)

  local it_abstract = is_root and supports.has("abstract-sockets") and it or pending
  it_abstract("who answers in a server's place is not talked to", function()
    local name = name_for("fooled")
    moonport:start(echo, { control = name, prefix = as("65533") })
    local result = moonport:run({ "status", "--control", name }, { prefix = as("65534") })
    assert.equal(1, result.code)
    assert.equal("", result.stdout)
    assert.matches("a process of user 65533", result.stderr, 1, true)
  end)

  it_as_root("who put a socket at root's default path does not fool root", function()
    local made = moonport:directory()
    assert(uv.fs_chmod(made.path, tonumber("777", 8)))
    local path = made:join("moonport.sock")
    moonport:start(echo, { control = path, prefix = as("65533") })
    local result = moonport:run({ "status" },
      { env = { XDG_RUNTIME_DIR = made.path, MOONPORT_CONTROL = "" } })
    assert.equal(1, result.code)
    assert.matches("a process of user 65533", result.stderr, 1, true)
    assert.equal(0, moonport:run({ "status", "--control", path }).code)
  end)

  it_as_root("has a file that cannot be opened", function()
    local server = moonport:start(echo, { control = true })
    local result = moonport:run({ "status", "--control", server.control },
      { prefix = as("65533") })
    assert.equal(1, result.code)
    assert.matches("belongs to another user", result.stderr, 1, true)
  end)
end)
