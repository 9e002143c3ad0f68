-- control_several_spec.lua — several servers of one user: each has a control socket, and nobody is
-- shown one of them in place of another. Once the second one served without, and its clients, and a
-- container's probes, were answered by the first.

local cjson = require "cjson"
local control = require "tests.support.control"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"
local uv = require "luv"

local echo = "return { listen = '127.0.0.1:0', on_data = function(conn, data) conn:send(data) end }"

-- Every command that asks a server, with what it needs.
local clients = {
  { "status" }, { "conns" }, { "kick", "1" }, { "reload" }, { "shutdown" }, { "health" },
  { "health", "--ready" }, { "trace", "--for", "0.1" }, { "console" },
  { "run", "-e", "print(select(2, assert(require('moonport.control').connect())))" },
}

local function pid_of(started) return started.process.pid end

local function own_name(what) return ("@moonport-test-%s-%d"):format(what, uv.os_getpid()) end

describe("servers of one user", function()
  local moonport = rig.new()

  -- Without a name of its own for any of them.
  local function start(env, words)
    local started = moonport:start(echo, { args = words or {}, env = env })
    started:wait_for("control socket")
    started.sockets_at_start = started:sockets()
    return started
  end

  local function two()
    local env = { XDG_RUNTIME_DIR = moonport:directory().path, MOONPORT_CONTROL = "" }
    local first = start(env)
    assert.equal("control socket: " .. env.XDG_RUNTIME_DIR .. "/moonport.sock",
      first:wait_for("control socket").message)
    local second = start(env)
    assert.equal("control socket: " .. env.XDG_RUNTIME_DIR .. "/moonport-2.sock, for another " ..
      "server has " .. env.XDG_RUNTIME_DIR .. "/moonport.sock",
      second:wait_for("control socket").message)
    return env, first, second
  end

  local function pid_shown(env, ...)
    local result = moonport:run({ "status", "--json", ... }, { env = env })
    assert.equal(0, result.code, result.stderr)
    return cjson.decode(result.stdout:match("([^\n]*)\n$")).pid
  end

  supports.it("peer-credentials",
    "have a place each, and who asks without naming one is told to choose", function()
    local env, first, second = two()
    local directory = env.XDG_RUNTIME_DIR
    for _, words in ipairs(clients) do
      local result = moonport:run(words, { env = env })
      assert.equal(1, result.code, words[1])
      assert.equal("", result.stdout, words[1])
      local choice = ("2 servers run here: %s/moonport.sock (pid %d), %s/moonport-2.sock " ..
        "(pid %d); say which one with --control"):format(directory, pid_of(first), directory,
        pid_of(second))
      assert.truthy(result.stderr:find(choice, 1, true), words[1] .. ": " .. result.stderr)
    end
    assert.equal(pid_of(first), pid_shown(env, "--control", directory .. "/moonport.sock"))
    assert.equal(pid_of(second), pid_shown(env, "--control", directory .. "/moonport-2.sock"))
  end)

  it("are asked without a name when only one is left, whichever that is", function()
    local env, first, second = two()
    first:stop()
    assert.equal(pid_of(second), pid_shown(env))
    assert.equal("ready, serving\n", moonport:run({ "health", "--ready" }, { env = env }).stdout)
    local third = start(env)
    third:wait_for("/moonport%.sock$") -- the first place is free again
    second:kill() -- and what a killed one leaves behind is nobody
    assert.equal(pid_of(third), pid_shown(env))
  end)

  supports.it("abstract-sockets",
    "have a place each where a variable names it, with or without a file", function()
    local path = moonport:directory():join("control")
    for name, second_name in pairs({
      [own_name("several")] = own_name("several") .. "-2",
      [path] = path .. "-2",
      [path .. ".d.sock"] = path .. ".d-2.sock",
    }) do
      local env = { MOONPORT_CONTROL = name }
      local first, second = start(env), start(env)
      second:wait_for("control socket: " .. second_name:gsub("%p", "%%%0") .. ", for another")
      assert.equal(1, moonport:run({ "status" }, { env = env }).code)
      first:stop()
      assert.equal(pid_of(second), pid_shown(env))
      second:stop()
    end
  end)

  -- The nearest case that must stay: what an option names is that one, and no other.
  it("are not looked for, and take no other place, where --control names one", function()
    local path = moonport:directory():join("control.sock")
    local words = { "--control", path }
    local first = start(nil, words)
    first:wait_for("control socket")
    local second = start(nil, words)
    local record = second:expect_log("no control socket at")
    assert.matches("another server listens there", record.message)
    assert.equal(pid_of(first), pid_shown(nil, table.unpack(words)))
    first:stop()
    assert.equal(1, moonport:run({ "status", table.unpack(words) }).code)
  end)

  supports.it("abstract-sockets",
    "are nine at most; the next one serves without, and says so", function()
    local env = { MOONPORT_CONTROL = own_name("nine") }
    for _ = 1, 9 do start(env):wait_for("control socket: ") end
    local tenth = start(env)
    assert.matches("another server listens there", tenth:expect_log("no control socket").message)
    tenth:connect()
  end)
end)

describe("servers in containers with one network", function()
  local moonport = rig.new()

  -- As two containers of a pod: one network, and processes of their own.
  supports.it("abstract-sockets", "are asked by what runs in the same container", function()
    local apart = shell.words(shell.unshare("pf"), "--mount-proc", "--kill-child")
    if shell.run(shell.words(apart, "true")).code ~= 0 then return pending("needs namespaces") end
    local env = { MOONPORT_CONTROL = own_name("pod") }
    local outside = moonport:start(echo, { env = env, args = {}, name = "outside.lua" })
    outside:wait_for("control socket")
    outside.sockets_at_start = outside:sockets()
    local result = shell.run(shell.words(apart, "sh", "-c", [[
      "$0" serve "$1" & served=$!
      until "$0" health --control "$MOONPORT_CONTROL-2" 2>/dev/null; do sleep 0.02; done
      "$0" health --ready && "$0" status && "$0" health --control "$MOONPORT_CONTROL"
      kill $served && wait $served
    ]], server.program, moonport:directory():write("inside.lua", echo)), { env = env })
    assert.equal(0, result.code, result.stderr)
    assert.matches("^alive, serving\nready, serving\nmoonport.*/inside%.lua .*\nalive, serving\n$",
      result.stdout:gsub("ready, serving\n$", "alive, serving\n"):gsub("^ready", "alive"))
    assert.not_matches("outside%.lua", result.stdout)
    -- Where only one of another container is, that one is meant.
    result = shell.run(shell.words(apart, server.program, "status"), { env = env })
    assert.matches("/outside%.lua", result.stdout)
  end)
end)

describe("moonport doctor beside a server that runs", function()
  local moonport = rig.new()
  local place, running

  local function script_on(address, more)
    return ("return { listen = %q, on_data = print, %s }"):format(address, more or "")
  end

  local function doctor(path)
    return moonport:run({ "doctor", path, "--control", running.control })
  end

  for _, scheme in ipairs { "tcp", "udp", "unix" } do
    supports.it("peer-credentials",
      "takes the ports that this one has for the same script for served: " .. scheme, function()
      place = moonport:directory()
      local more = scheme == "udp" and "on_datagram = print" or ""
      local first = scheme == "unix" and "unix://" .. place:join("x.sock")
        or scheme .. "://127.0.0.1:0"
      local path = place:write("a.lua", script_on(first, more))
      running = moonport:serve({ path, "--no-watch" }, { control = true })
      place:write("a.lua", script_on(running:address(), more))
      local result = doctor(path)
      assert.equal(0, result.code, result.stdout)
      local ok = ("ok     %s: the server that runs (pid %d) serves it at %s"):format(
        running:address(), pid_of(running), running:address())
      assert.truthy(result.stdout:gsub("\n +", " "):find(ok, 1, true), result.stdout)
      if scheme ~= "unix" then -- another host, which a reload would move it to
        place:write("a.lua", script_on(scheme .. "://0.0.0.0:" .. running:port(), more))
        result = doctor(path)
        assert.equal(0, result.code, result.stdout)
      end
      local other = place:write("b.lua", script_on(running:address(), more))
      result = doctor(other)
      assert.equal(1, result.code)
      assert.truthy(result.stdout:gsub("\n +", " "):find("has it for " .. path, 1, true),
        result.stdout)
      running:stop()
    end)
  end

  it("still finds a port at fault that something else has", function()
    running = moonport:start(echo, { control = true, args = {} })
    local other = moonport:start(echo, { args = {} })
    local result = doctor(moonport:directory():write("a.lua", script_on(other:address())))
    assert.equal(1, result.code)
    assert.matches("cannot be listened on", result.stdout)
    control.ask_once(running, "ping")
  end)
end)
