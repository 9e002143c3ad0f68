-- listen_spec.lua — where a service listens, what is printed, and why it may refuse.

local directory = require "tests.support.directory"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local client = require "tests.support.client"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

-- Answers each connection with the address that took it.
local function naming(listen)
  return ([[
    return {
      listen = %s,
      on_open = function(conn)
        conn:send(conn.listener .. "\n")
        conn:close()
      end,
    }
  ]]):format(listen)
end

local function messages(result)
  local list = {}
  for _, record in ipairs(result.log) do list[#list + 1] = record.message end
  return table.concat(list, "\n")
end

local function unprivileged()
  -- Root without this one capability, so that it does not matter who may enter the build directory.
  local uid = tonumber(shell.run({ "id", "-u" }).stdout)
  return uid == 0 and { "setpriv", "--bounding-set=-net_bind_service" } or {}
end

local function lowest_free_port()
  local file = assert(io.open("/proc/sys/net/ipv4/ip_unprivileged_port_start"))
  return tonumber(file:read("a"))
end

describe("listen", function()
  local moonport = rig.new()

  local forms = {
    { form = "0", shown = "^tcp://127%.0%.0%.1:%d+$" },
    { form = '":0"', shown = "^tcp://127%.0%.0%.1:%d+$" },
    { form = '"127.0.0.1:0"', shown = "^tcp://127%.0%.0%.1:%d+$" },
    { form = '"tcp://127.0.0.1:0"', shown = "^tcp://127%.0%.0%.1:%d+$" },
    { form = '"tcp://:0"', shown = "^tcp://127%.0%.0%.1:%d+$" },
    { form = '"[::1]:0"', shown = "^tcp://%[::1%]:%d+$" },
    { form = '"tcp://[::1]:0"', shown = "^tcp://%[::1%]:%d+$" },
    { form = '"*:0"', shown = "^tcp://0%.0%.0%.0:%d+$" },
    { form = '"tcp://0.0.0.0:0"', shown = "^tcp://0%.0%.0%.0:%d+$" },
    { form = '{ "127.0.0.1:0" }', shown = "^tcp://127%.0%.0%.1:%d+$" },
  }
  for _, case in ipairs(forms) do
    it("takes " .. case.form .. " and prints the real port", function()
      local server = moonport:start(naming(case.form), { args = {} })
      assert.matches(case.shown, server:address())
      assert.are_not.equal(0, server:port())
      assert.equal(server:address(), server:connect():receive_line())
    end)
  end

  it("resolves a name, and every address that is printed answers", function()
    local server = moonport:start(naming('"localhost:0"'), { args = {} })
    for index in ipairs(server:addresses()) do
      local peer = server:connect({ address = server:address(index) })
      assert.equal(server:address(index), peer:receive_line())
    end
  end)

  it("opens several addresses for one script", function()
    local server = moonport:start(naming('{ 0, "tcp://[::1]:0", 0 }'), { args = {}, listeners = 3 })
    assert.equal(3, #server:addresses())
    for index = 1, 3 do
      local peer = server:connect({ address = server:address(index) })
      assert.equal(server:address(index), peer:receive_line())
    end
  end)

  it("listens on a Unix socket and removes it in the end", function()
    local path = moonport:directory():join("chat.sock")
    local server = moonport:start(naming(("%q"):format("unix://" .. path)), { args = {} })
    assert.equal("unix://" .. path, server:address())
    assert.equal(server:address(), server:connect():receive_line())
    server:stop()
    assert.is_false(directory.exists(path))
  end)

  it("listens on a Unix socket beside TCP", function()
    local path = moonport:directory():join("both.sock")
    local server = moonport:start(naming(("{ 0, %q }"):format("unix:" .. path)),
      { args = {}, listeners = 2 })
    for index = 1, 2 do
      local peer = server:connect({ address = server:address(index) })
      assert.equal(server:address(index), peer:receive_line())
    end
  end)

  it("takes MOONPORT_HOST where an address names no host", function()
    local server = moonport:start(naming('{ 0, "127.0.0.1:0" }'),
      { args = {}, listeners = 2, env = { MOONPORT_HOST = "0.0.0.0" } })
    assert.matches("^tcp://0%.0%.0%.0:", server:address(1))
    assert.matches("^tcp://127%.0%.0%.1:", server:address(2))
  end)

  it("lets --listen replace what the script says", function()
    local server = moonport:start(naming('"192.0.2.1:1"'),
      { args = { "--listen", "tcp://[::1]:0" } })
    assert.same(1, #server:addresses())
    assert.matches("^tcp://%[::1%]:", server:address())
  end)

  it("takes MOONPORT_LISTEN for --listen, and the option before it", function()
    local from_environment = moonport:start(naming("0"),
      { args = {}, env = { MOONPORT_LISTEN = "tcp://[::1]:0" } })
    assert.matches("^tcp://%[::1%]:", from_environment:address())
    local from_option = moonport:start(naming("0"),
      { args = { "--listen", "127.0.0.1:0" }, env = { MOONPORT_LISTEN = "tcp://[::1]:0" } })
    assert.matches("^tcp://127%.0%.0%.1:", from_option:address())
  end)

  it("refuses --listen for several scripts as a fault of the command line", function()
    local place = moonport:directory()
    local first = place:write("a.lua", naming("0"))
    local second = place:write("b.lua", naming("0"))
    for _, command in ipairs({ "serve", "check" }) do
      local result = moonport:run({ command, "--listen", "0", first, second })
      assert.equal(2, result.code)
      assert.matches("%-%-listen", result.stderr)
    end
  end)

  -- What a script's own listen says was judged, although it does not count.
  describe("with --listen in place of what the script says", function()
    local datagrams = "on_datagram = function(sock, data, peer) sock:send(data, peer) end,"
    local stream = "on_data = function(conn, data) conn:send(data) end,"
    local cases = {
      { datagrams, "udp://127.0.0.1:0" },
      { datagrams .. stream, "udp://127.0.0.1:0" },
      { datagrams .. stream, "127.0.0.1:0" },
      { [[listen = "udp://:0",]] .. datagrams .. stream, "127.0.0.1:0" },
      { datagrams, "127.0.0.1:0", "has on_datagram only: write udp://" },
      { stream, "udp://127.0.0.1:0", "has no on_datagram for it" },
      { datagrams, nil, "on_datagram needs a socket" },
      { [[listen = "udp://:0",]] .. stream, nil, "needs on_datagram" },
    }

    it("judges that, in check, at the start and at a reload", function()
      for number, case in ipairs(cases) do
        local fields, listen, wrong = table.unpack(case, 1, 3)
        local place = moonport:directory()
        local path = place:write("test.lua", "return {" .. fields .. "}")
        for _, form in ipairs({ "option", "variable" }) do
          local args = form == "option" and listen and { "--listen", listen } or {}
          local env = form == "variable" and { MOONPORT_LISTEN = listen } or nil
          local result = moonport:run({ "check", path, table.unpack(args) }, { env = env })
          assert.equal(wrong and 1 or 0, result.code, number .. result.stderr)
          assert.matches(wrong or "", result.stderr, nil, true)
          if not wrong then assert.matches("listens on " .. listen, result.stdout, nil, true) end
        end
        local words = listen and { "--listen", listen, path } or { path }
        if wrong then
          assert.matches(wrong, moonport:run(words).stderr, nil, true)
        else
          local server = moonport:serve(words)
          place:write("test.lua", "return {" .. fields .. "}  -- changed")
          server:wait_for("version 2 is in force")
        end
      end
    end)
  end)

  supports.it("abstract-sockets",
    "takes unix:@name for an abstract name, and ./@name for a file", function()
    local place = moonport:directory()
    local name = ("moonport-%d"):format(math.random(1, 1 << 40))
    local server = moonport:start(naming(("{ %q, %q }"):format("unix:@" .. name, "unix:./@file")),
      { args = {}, listeners = 2, cwd = place.path })
    assert.same({ "unix:@" .. name, "unix:./@file" }, server:addresses())
    assert.is_true(directory.exists(place:join("@file")))
    assert.is_false(directory.exists(place:join("@" .. name)))
    local ask = place:write("ask.lua", ([[
      local socket = require "moonport.socket"
      for _, address in ipairs({ "unix:@%s", "unix:./@file", "unix:@%s-nobody" }) do
        local conn, code = socket.connect(address)
        print(conn and conn:recv_line() or code)
        print(conn and conn.peer)
      end
      local listener = socket.unix()
      print(listener:bind("@%s"))
      assert(listener:bind("@%s-own") and listener:listen())
      local conn = assert(socket.connect("unix:@%s-own"))
      print(listener:getsockname() == conn.peer, listener:accept().peer)
    ]]):format(name, name, name, name, name))
    local function run(...)
      return moonport:run({ "run", ... }, { cwd = place.path })
    end
    assert.equal(([[
unix:@%s
unix:@%s
unix:./@file
unix:./@file
ECONNREFUSED
nil
nil	EADDRINUSE	unix:@%s: address already in use
true	unix:
]]):format(name, name, name), run(ask).stdout)
    local allowed = run("--allow", "net=unix:@" .. name, ask).stdout
    assert.matches("^unix:@" .. name:gsub("%p", "%%%0") .. "\n", allowed)
    assert.matches("EACCES", allowed)
  end)

  it("says that an address is in use, and what to do", function()
    local server = moonport:start(naming("0"), { args = {} })
    local path = moonport:directory():write("late.lua", naming(server:port()))
    local result = moonport:run({ path })
    assert.equal(1, result.code)
    assert.matches("127%.0%.0%.1:" .. server:port(), messages(result))
    assert.matches("in use", messages(result))
    assert.matches("another port", messages(result))
    assert.equal(server:address(), server:connect():receive_line())
  end)

  it("says that an address is not one of this machine", function()
    local path = moonport:directory():write("far.lua", naming('"192.0.2.1:7000"'))
    local result = moonport:run({ path })
    assert.equal(1, result.code)
    assert.matches("192%.0%.2%.1", messages(result))
    assert.matches("machine", messages(result))
  end)

  it("says that a port is privileged, and which are not", function()
    if lowest_free_port() <= 81 then return pending("every port is open to everyone here") end
    local path = moonport:directory():write("low.lua", naming("81"))
    local result = moonport:run({ path }, { prefix = unprivileged() })
    assert.equal(1, result.code)
    assert.matches(":81", messages(result))
    assert.matches("1024", messages(result))
  end)

  it("says that a name does not resolve", function()
    local path = moonport:directory():write("name.lua", naming('"no-such-host.invalid:0"'))
    local result = moonport:run({ path })
    assert.equal(1, result.code)
    assert.matches('host "no%-such%-host%.invalid" does not resolve', messages(result))
  end)

  local malformed = {
    ['"127.0.0.1:70000"'] = "70000",
    ['"tcp://127.0.0.1"'] = "127%.0%.0%.1",
    ['"::1:80x"'] = "::1:80x",
    ['"ftp://127.0.0.1:1"'] = "ftp",
    ['"unix://"'] = "unix",
    ["70000"] = "70000",
    ["-1"] = "%-1",
    ["1.5"] = "1%.5",
    ["{}"] = "listen",
    ["{ 0, {} }"] = "listen",
    ["true"] = "listen",
    [("%q"):format("unix:///" .. ("x"):rep(120))] = "10[78]",
  }
  for form, named in pairs(malformed) do
    it("refuses listen = " .. form:sub(1, 30) .. " and names what is wrong", function()
      local path = moonport:directory():write("bad.lua", naming(form))
      local result = moonport:run({ path })
      assert.equal(1, result.code)
      assert.matches(named, messages(result))
    end)
  end

  it("replaces the Unix socket that a killed server left", function()
    local path = moonport:directory():join("stale.sock")
    local script = naming(("%q"):format("unix://" .. path))
    moonport:start(script, { args = {} }):kill()
    assert.is_true(directory.exists(path))
    local server = moonport:start(script, { args = {} })
    assert.equal("unix://" .. path, server:connect():receive_line())
  end)

  it("leaves the Unix socket of a live server alone", function()
    local place = moonport:directory()
    local path = place:join("live.sock")
    local script = naming(("%q"):format("unix://" .. path))
    local server = moonport:start(script, { args = {} })
    local result = moonport:run({ place:write("second.lua", script) })
    assert.equal(1, result.code)
    assert.matches("live%.sock", messages(result))
    assert.equal("unix://" .. path, server:connect():receive_line())
  end)

  it("does not remove a file that is in the place of its Unix socket", function()
    local place = moonport:directory()
    local path = place:write("notes.txt", "precious")
    local script = place:write("file.lua", naming(("%q"):format("unix://" .. path)))
    local result = moonport:run({ script })
    assert.equal(1, result.code)
    assert.matches("notes%.txt", messages(result))
    assert.equal("precious", io.open(path):read("a"))
  end)

  it("says that the directory of a Unix socket is missing", function()
    local place = moonport:directory()
    local script = place:write("deep.lua",
      naming(("%q"):format("unix://" .. place:join("none/chat.sock"))))
    local result = moonport:run({ script })
    assert.equal(1, result.code)
    assert.matches("none", messages(result))
  end)

  it("gives up every address when one of them fails", function()
    local server = moonport:start(naming("0"), { args = {} })
    local place = moonport:directory()
    local path = place:join("sibling.sock")
    local script = place:write("half.lua",
      naming(("{ %q, %d }"):format("unix://" .. path, server:port())))
    assert.equal(1, moonport:run({ script }).code)
    assert.is_false(directory.exists(path))
  end)

  it("can be started again at once on the port of a server with live connections", function()
    local script = [[return { on_data = function(conn, data) conn:send(data) end }]]
    local server = moonport:start(script)
    local peer = server:connect()
    peer:send("x")
    peer:receive(1)
    local address = server:address()
    -- The server's side closes first, so that its port is left in TIME_WAIT.
    server:signal("sigterm")
    loop.wait_until("the port to be closed", function()
      local probe = client.try_connect(address)
      if probe then probe:close() end
      return not probe
    end, 5)
    peer:finish()
    server:stop()
    local again = moonport:start(script, { args = { "--listen", address } })
    assert.equal(address, again:address())
  end)
end)

-- By the text of a script: the line in which its fault stands. 192.0.2.1 is nobody's (RFC 5737).
local faults = {
  ['return { listen = "192.0.2.1:0", on_data = print }'] = 1,
  ['return {\n  on_data = print,\n  listen = {\n    0,\n    "192.0.2.1:0",\n  },\n}'] = 5,
  ['-- listen = "192.0.2.1:0"\nreturn { on_data = print, ["listen"] = "192.0.2.1:0" }'] = 2,
  ['local service = { on_data = print }\nservice.listen = "192.0.2.1:0"\nreturn service'] = 2,
  ['local where = "192.0.2.1"\nreturn { on_data = print,\n  listen = where .. ":0" }'] = 3,
  ['return {\n  listen = { 0, "tls://:0" }, on_data = print }'] = 2,
  ['return {\n\n  listen = "nowhere.invalid:0",\n  on_data = print }'] = 3,
  ['return {\n  on_data = print,\n  listen =\n    { 0, "tcp://:x" } }'] = 3,
  ['local f = require "place"\nreturn f { on_data = print }'] = false,
}

describe("a fault of an address", function()
  local moonport = rig.new()

  for text, line in pairs(faults) do
    it(("is told with the file and the line: %q"):format(text), function()
      local place = moonport:directory()
      place:write("place.lua",
        'return function(service) service.listen = "192.0.2.1:0" return service end')
      local path = place:write("a.lua", text)
      local result = moonport:run({ "serve", path })
      assert.equal(1, result.code)
      local where = path .. (line and ":" .. line or "") .. ": "
      assert.equal(where, messages(result):match("[^\n]*a%.lua:?%d*: "), messages(result))
    end)
  end

  it("that the operator gave has no line", function()
    local path = moonport:directory():write("a.lua", 'return { listen = 0, on_data = print }')
    local result = moonport:run({ "serve", "--listen", "192.0.2.1:0", path })
    assert.equal(1, result.code)
    assert.matches("a.lua: cannot listen on tcp://192.0.2.1:0", messages(result), 1, true)
  end)
end)

-- It said so before on_load had run, which may raise, and then nothing is served.
describe("listening on", function()
  local moonport = rig.new()

  it("is told after on_load", function()
    local server = moonport:start(
      "return { listen = 0, on_data = print, on_load = function() print('loading') end }",
      { args = {} })
    local told = {}
    for _, record in ipairs(server.log) do told[#told + 1] = record.message:match("^l%a+ing") end
    assert.same({ "loading", "listening" }, told)
  end)

  it("is not told of a script whose on_load raises, nor of one beside it", function()
    local place = moonport:directory()
    place:write("a.lua", "return { listen = 0, on_data = print }")
    place:write("b.lua", "return { listen = 0, on_data = print, on_load = error }")
    local result = moonport:run({ place.path })
    assert.equal(1, result.code)
    assert.is_nil(messages(result):find("listening on", 1, true))
  end)
end)
