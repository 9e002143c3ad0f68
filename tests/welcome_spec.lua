-- welcome_spec.lua — directories without a script: --welcome, and the script that is made for it.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local echo = "return { listen = 12345, on_data = function(conn, data) conn:send(data) end }"

describe("--welcome", function()
  local moonport = rig.new()

  local function welcome(directory)
    local server = moonport:serve({
      "--listen", "127.0.0.1:0", "--welcome", "deploy/welcome.lua", directory,
    })
    server:allow_log("not ready: only the welcome page is served")
    return server
  end

  it("greets who connects to a server without scripts, and tells what to do", function()
    local server = welcome(moonport:directory().path)
    server:wait_for("no script yet")
    local result = shell.run({ "nc", "-N", "127.0.0.1", tostring(server:port()) })
    assert.matches("^This is moonport%. It is running, but has no script yet%.\n", result.stdout)
  end)

  it("greets who waits to be greeted first", function()
    local peer = welcome(moonport:directory().path):connect()
    assert.matches("^This is moonport%.", peer:receive_line())
  end)

  it("answers a browser in its language", function()
    local server = welcome(moonport:directory().path)
    local result = shell.run({ "curl", "-sS", ("http://127.0.0.1:%d/"):format(server:port()) })
    assert.equal("", result.stderr)
    assert.matches("^This is moonport%.", result.stdout)
  end)

  -- The first thing that somebody tries is what it says.
  it("greets with a script that is right", function()
    local server = welcome(moonport:directory().path)
    local text = shell.run({ "nc", "-N", "127.0.0.1", tostring(server:port()) }).stdout
    local path = moonport:directory():write("echo.lua", text:match("\n    (return {.-\n    })\n"))
    assert.equal(path .. ": ok, listens on 12345\n", moonport:run({ "check", path }).stdout)
  end)

  it("stays away where there is a script", function()
    local made = moonport:directory()
    made:write("echo.lua", echo)
    local peer = welcome(made.path):connect()
    peer:send("hello\n")
    assert.equal("hello", peer:receive_line())
  end)

  it("can be given by the environment", function()
    local server = moonport:serve({ "--listen", "127.0.0.1:0", moonport:directory().path },
      { env = { MOONPORT_WELCOME = "deploy/welcome.lua" } })
    server:allow_log("not ready: only the welcome page is served")
    assert.matches("^This is moonport%.", server:connect():receive_line())
  end)

  it("does not hide that a directory is not there", function()
    local missing = moonport:directory():join("missing")
    local result = moonport:run({ "serve", "--welcome", "deploy/welcome.lua", missing })
    assert.equal(1, result.code)
    assert.equal(missing .. ": No such file or directory: check the path", result.log[1].message)
  end)

  it("is a fault by itself when its file is not there", function()
    local result = moonport:run({ "serve", "--welcome", "missing.lua", moonport:directory().path })
    assert.equal(1, result.code)
    assert.matches("missing%.lua", result.log[1].message)
  end)

  -- A lone module made it a fault of the start, or the end of the greeting.
  it("greets beside modules that nothing requires, and from a reload on", function()
    local made = moonport:directory()
    made:write("tools.lua", "return { help = function() end }")
    local server = welcome(made.path)
    server:allow_log("tools.lua is not served: it returns no service")
    server:wait_for("not ready: only the welcome page is served: no %*.lua file in the served")
    assert.matches("^This is moonport%.", server:connect():receive_line())
    made:write("more.lua", "return {}")
    server:expect_log("more.lua is not served: it returns no service")
    assert.matches("^This is moonport%.", server:connect():receive_line())
  end)

  it("greets beside what is at fault, by --keep-going as after a reload", function()
    local made = moonport:directory()
    made:write("broken.lua", "return {")
    local args = { "--listen", "127.0.0.1:0", "--welcome", "deploy/welcome.lua", made.path }
    assert.equal(1, moonport:run({ "serve", table.unpack(args) }).code)
    local server = moonport:serve({ "--keep-going", table.unpack(args) }, { control = true })
    server:allow_log("broken.lua:1")
    server:expect_log("not ready: only the welcome page is served")
    assert.matches("^This is moonport%.", server:connect():receive_line())
    server:signal("sighup")
    server:wait_for("reloaded: version 2")
    assert.matches("^This is moonport%.", server:connect():receive_line())
    made:write("broken.lua", echo)
    server:wait_for("there is a script to serve now")
  end)

  it("goes when a service comes that works, and comes when the last one goes", function()
    local made = moonport:directory()
    made:write("tools.lua", "return { help = function() end }")
    local server = welcome(made.path)
    server:allow_log("tools.lua is not served: it returns no service")
    server:allow_log("not ready")
    made:write("echo.lua", "return {")
    server:expect_log("echo.lua:1")
    assert.matches("^This is moonport%.", server:connect():receive_line())
    made:write("echo.lua", echo)
    server:wait_for("there is a script to serve now: no new connections")
    server:wait_addresses(2)
    local peer = server:connect({ address = server:address(2) })
    peer:send("hello\n")
    assert.equal("hello", peer:receive_line())
    peer:close()
    assert(os.remove(made:join("echo.lua")))
    server:wait_addresses(3)
    assert.matches("^This is moonport%.",
      server:connect({ address = server:address(3) }):receive_line())
  end)

  it("is what makes an empty directory no fault", function()
    local empty = moonport:directory().path
    local result = moonport:run({ "serve", empty })
    assert.equal(1, result.code)
    assert.equal(empty .. ": has no *.lua file: put a script there, or name one",
      result.log[1].message)
  end)
end)
