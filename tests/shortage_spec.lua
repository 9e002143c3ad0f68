-- shortage_spec.lua — descriptors that run out change no script: what was not looked at is as it
-- was, and a change waits until there are some — not what happens to connections (limits_spec).

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

local function counting(name)
  return ([[
    local helper = require "helper"
    local count = 0
    return { listen = "127.0.0.1:0", on_data = function(conn)
      count = count + 1
      conn:send(%q .. count .. helper)
    end }
  ]]):format(name)
end

describe("without descriptors", function()
  local moonport = rig.new()

  local function start(options)
    local script = moonport:directory()
    script:write("helper.lua", "return '!'")
    local path = script:write("test.lua", counting("a"))
    options = options or {}
    options.control = true
    local server = moonport:serve({ path }, options)
    server:allow_log("cannot accept")
    return server, script
  end

  local function ask(peer)
    peer:send("?")
    return peer:receive(3)
  end

  it("an unchanged script is not reloaded, and a change is taken on when there are some", function()
    local server, folder = start { prefix = { "prlimit", "--nofile=80:80" } }
    local asked = control.connect(server)
    server.clients[#server.clients + 1] = asked
    local peer = server:connect()
    assert.equal("a1!", ask(peer))
    local crowd = {}
    for index = 1, 100 do crowd[index] = server:connect() end
    server:wait_for("cannot accept")
    -- Many looks: everything is stat()ed, and something read again.
    local start_at = os.time()
    loop.eventually("many looks", function() return os.time() - start_at >= 3 end)
    assert.equal("a2!", ask(peer))
    assert.equal(1, control.ask(asked, "status")[1].version)
    for _, record in ipairs(server.log) do
      assert.falsy(record.message:find("reloaded", 1, true), record.message)
    end
    -- Clients of the control socket hold what is kept back, and would be lent for the trial.
    for _ = 1, 6 do
      crowd[#crowd + 1] = control.connect(server)
      control.ask(crowd[#crowd], "ping")
    end
    server:allow_log("cannot be tried before it is loaded")
    server:allow_log("not reloaded: version 1 stays in force; it is tried again")
    folder:write("test.lua", counting("b"))
    local lines, last = control.ask(asked, "reload")
    assert.is_false(last.ok)
    assert.truthy(lines[1].error:find("too many open files", 1, true), lines[1].error)
    assert.equal("a3!", ask(peer))
    for _, one in ipairs(crowd) do one:close() end
    server:wait_for("reloaded: version 2 is in force")
    assert.equal("b1!", ask(peer))
    loop.eventually("no fault to be left", function()
      return control.ask(asked, "status")[1].reload_error == require("cjson").null
    end)
  end)

  -- A peer could close the connections of others, by nothing but connecting often.
  it("no connection is closed by `reload = \"close\"` before its script changed", function()
    local folder = moonport:directory()
    local function script(name)
      return ([[return { listen = "127.0.0.1:0", reload = "close",
        on_data = function(conn) conn:send(%q) end }]]):format(name)
    end
    folder:write("test.lua", script("a"))
    local server = moonport:serve({ folder.path }, { prefix = { "prlimit", "--nofile=80:80" } })
    server:allow_log("cannot accept")
    local function answer(peer)
      peer:send("?")
      return peer:receive(1)
    end
    local peer, crowd = server:connect(), {}
    for index = 1, 100 do crowd[index] = server:connect() end
    server:wait_for("cannot accept")
    local start_at = os.time()
    loop.eventually("many looks", function() return os.time() - start_at >= 3 end)
    assert.equal("a", answer(peer))
    assert.falsy(server:log_text():find("reloaded", 1, true), server:log_text())
    for _, one in ipairs(crowd) do one:close() end
    folder:write("test.lua", script("b"))
    server:wait_for("reloaded: version 2 is in force")
    assert.equal("", peer:receive_all())
    assert.equal("b", answer(server:connect()))
  end)

  for _, fault in ipairs { "openat:error=EMFILE", "newfstatat:error=ENOMEM" } do
    local call = fault:match("^%w+")
    it("a scan that meets it tells of no change: " .. fault, function()
      local server = start { env = { ASAN_OPTIONS = "detect_leaks=0" } }
      local peer = server:connect()
      assert.equal("a1!", ask(peer))
      local command = { "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" .. call, "-e",
        "inject=" .. fault, "-p", tostring(server.process.pid) }
      local tracer = moonport:spawn(command)
      local start_at = os.time()
      loop.eventually("some looks", function() return os.time() - start_at >= 4 end)
      tracer:release()
      start_at = os.time()
      loop.eventually("some more", function() return os.time() - start_at >= 2 end)
      assert.equal("a2!", ask(peer))
      for _, record in ipairs(server.log) do
        assert.falsy(record.message:find("reloaded", 1, true), record.message)
      end
    end)
  end
end)

describe("code without descriptors", function()
  local moonport = rig.new()

  -- Takes all there are; `release` gives them back.
  local exhausting = [[
    local held = {}
    local function exhaust()
      for file in function() return (io.open("/dev/null")) end do held[#held + 1] = file end
    end
    local function release()
      for _, file in ipairs(held) do file:close() end
      held = {}
    end
  ]]

  local function run(command, code)
    local folder = moonport:directory()
    folder:write("helper.lua", "return 'helped'")
    local path = folder:write("program.lua", exhausting .. code)
    local result = moonport:run({ command, path }, { prefix = { "prlimit", "--nofile=40:40" } })
    assert.equal(0, result.code, result.stderr)
    return result
  end

  it("does not find its modules, and finds them afterwards", function()
    local result = run("run", [[
      exhaust()
      print((pcall(require, "helper")))
      release()
      print((require "helper"))
    ]])
    assert.equal("", result.stderr)
    assert.equal("false\nhelped\n", result.stdout)
  end)

  it("is told why one of its own files is not loaded", function()
    local result = run("check", [[
      local own = debug.getinfo(1, "S").source:match("^@(.*)program") .. "helper.lua"
      exhaust()
      local _, why = loadfile(own)
      release()
      print((why:match("cannot be read: .*")))
      print(loadfile(own)())
      return { listen = "127.0.0.1:0", on_data = print }
    ]])
    assert.equal("cannot be read: Too many open files", result.log[1].message)
    assert.equal("helped", result.log[2].message)
  end)

  it("waits in accept() until there is one, and says so", function()
    local result = run("run", [[
      local socket = require "moonport.socket"
      local server = socket.tcp()
      assert(server:bind("127.0.0.1", 0))
      server:listen()
      local client = assert(socket.connect(server:getsockname()))
      exhaust()
      server:settimeout(0.1)
      print(server:accept())
      release()
      server:settimeout(5)
      print(server:accept() ~= nil, client ~= nil)
    ]])
    assert.equal("nil\ttimeout\ntrue\ttrue\n", result.stdout)
    assert.matches("^accept%(%) waits: too many open files", result.log[1].message)
  end)
end)
