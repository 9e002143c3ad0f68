-- grants_spec.lua — with --allow a script has what is named, and is told what it lacks.

local cjson = require "cjson"
local control = require "tests.support.control"
local luasocket = require "socket"
local rig = require "tests.support.rig"
local uv = require "luv"

-- Tells what each call that the script lists came to: `> name: true`, or the message. With
-- `tells_raised`, "raised: " is before that of an error.
local reports = [[
local socket = require "moonport.socket"
local function try(name, f, ...)
  local results = table.pack(pcall(f, ...))
  local failed = not results[1] or results[2] == nil
  local text = failed and tostring(results[results.n]) or "true"
  print("> " .. name .. ": " .. (tells_raised and not results[1] and "raised: " or "") .. text)
  return results[2]
end
local here = %q
%s
return { listen = "127.0.0.1:0", on_data = print }
]]

describe("With --allow", function()
  local moonport = rig.new()

  -- What `calls` came to when the script may do `allow`, by the names that they have in try().
  local function told_by_check(allow, calls, made, env)
    made = made or moonport:directory()
    local scripts = uv.fs_stat(made:join("scripts")) and made:join("scripts") or
      made:make("scripts")
    local path = made:write("scripts/test.lua", reports:format(made.path, calls))
    local args = { "check", path }
    for _, each in ipairs(allow) do table.move({ "--allow", each }, 1, 2, #args + 1, args) end
    local result = moonport:run(args, { env = env, cwd = scripts })
    assert.equal(0, result.code, result.stderr)
    local told = {}
    for _, record in ipairs(result.log) do
      local name, text = record.message:match("^> (.-): (.*)$")
      if name then told[name] = text end
    end
    return told, made
  end

  local function refusal(call, grant)
    return call .. " is not allowed here: start with --allow " .. grant
  end

  it("none, a script has what harms nobody, its modules, and no more", function()
    local made = moonport:directory()
    made:make("scripts")
    made:write("scripts/module.lua", "return 1")
    made:write("data", "text")
    local told = told_by_check({ "none" }, [[
      try("time", os.time) try("date", os.date) try("clock", os.clock)
      try("write", io.write, "") try("module", require, "module")
      try("log", require, "moonport.log")
      try("own", io.open, "test.lua") try("own lines", io.lines, here .. "/scripts/test.lua")
      try("own load", loadfile, "module.lua") try("own do", dofile, "module.lua")
      try("own write", io.open, "test.lua", "a") try("own plus", io.open, "test.lua", "r+")
      try("open", io.open, here .. "/data") try("lines", io.lines, here .. "/data")
      try("input", io.input, here .. "/data") try("output", io.output, here .. "/data")
      try("load", loadfile, here .. "/data") try("do", dofile, here .. "/data")
      try("remove", os.remove, here .. "/data") try("rename", os.rename, here .. "/data", "x")
      try("tmpfile", io.tmpfile) try("tmpname", os.tmpname) try("getenv", os.getenv, "HOME")
      try("execute", os.execute, "true") try("popen", io.popen, "true")
      try("searchpath", package.searchpath, "x", "?") try("cjson", require, "cjson")
      package.path = here .. "/?" try("path", require, "data")
    ]], made)
    local data = made:join("data")
    local io_grant = "io=" .. made.path
    local expected = {
      ["own write"] = refusal('io.open("test.lua")', io_grant .. "/scripts"),
      ["own plus"] = refusal('io.open("test.lua")', io_grant .. "/scripts"),
      open = refusal(('io.open("%s")'):format(data), io_grant),
      lines = refusal(('io.lines("%s")'):format(data), io_grant),
      input = refusal(('io.input("%s")'):format(data), io_grant),
      output = refusal(('io.output("%s")'):format(data), io_grant),
      load = refusal(('loadfile("%s")'):format(data), io_grant),
      ["do"] = refusal(('dofile("%s")'):format(data), io_grant),
      remove = refusal(('os.remove("%s")'):format(data), io_grant),
      rename = refusal(('os.rename("%s")'):format(data), io_grant),
      path = refusal(('require("%s")'):format(data), io_grant),
      tmpfile = refusal("io.tmpfile", "io=/tmp"),
      tmpname = refusal("os.tmpname", "os"),
      getenv = refusal("os.getenv", "os"),
      execute = refusal("os.execute", "run"),
      popen = refusal("io.popen", "run"),
      searchpath = refusal("package.searchpath", "io=/"),
    }
    assert.matches("C modules are not allowed here: start with --allow cmodules", told.cjson, 1,
      true)
    told.cjson = nil
    for _, name in ipairs({ "time", "date", "clock", "write", "module", "log", "own", "own lines",
      "own load", "own do" }) do
      expected[name] = "true"
    end
    assert.same(expected, told)
    local file = assert(io.open(data))
    assert.equal("text", file:read("a"))
    file:close()
  end)

  -- It depends on the operator, as a file's mode does, and is no misuse: some of them raised.
  it("none, a call is refused in the way in which it fails anyway", function()
    local told = told_by_check({ "none" }, [[
      tells_raised = true
      try("open", io.open, "/etc/passwd") try("popen", io.popen, "true")
      try("tmpfile", io.tmpfile) try("execute", os.execute, "true")
      try("remove", os.remove, "/etc/passwd") try("rename", os.rename, "/etc/passwd", "x")
      try("loadfile", loadfile, "/etc/passwd") try("searchpath", package.searchpath, "x", "?")
      try("connect", socket.connect, "127.0.0.1:1") try("resolve", socket.resolve, "localhost")
      try("getenv", os.getenv, "HOME") try("tmpname", os.tmpname)
      try("lines", io.lines, "/etc/passwd") try("input", io.input, "/etc/passwd")
      try("output", io.output, "/etc/x") try("dofile", dofile, "/etc/passwd")
      try("require", require, "cjson")
    ]])
    local raised = { getenv = true, tmpname = true, lines = true, input = true, output = true,
      dofile = true, require = true }
    local count = 0
    for name, text in pairs(told) do
      assert.matches("not allowed here: start with --allow ", text, 1, true, name)
      assert.equal(raised[name] or false, text:find("^raised: ") ~= nil, name)
      count = count + 1
    end
    assert.equal(17, count)
  end)

  it("io=, a script has the files below, wherever its path comes from, and no others", function()
    local made = moonport:directory()
    for _, name in ipairs({ "scripts", "data", "data/deep", "database" }) do made:make(name) end
    made:write("data/a", "a")
    made:write("database/b", "b")
    assert(uv.fs_symlink("../database/b", made:join("data/link")))
    assert(uv.fs_symlink("../database", made:join("data/folder")))
    assert(uv.fs_symlink("../database/new", made:join("data/dangling")))
    assert(uv.fs_symlink("data", made:join("alias")))
    local told = told_by_check({ "io=" .. made:join("alias") }, [[
      try("read", io.open, here .. "/data/a") try("alias", io.open, here .. "/alias/a")
      try("new", io.open, here .. "/data/new", "w")
      try("deep", io.open, here .. "/data/deep/x", "w")
      try("dots in", io.open, here .. "/database/../data/a") try("relative", io.open, "../data/a")
      try("self", io.open, "/proc/self/root" .. here .. "/data/a")
      try("rename", os.rename, here .. "/data/new", here .. "/data/newer")
      try("remove", os.remove, here .. "/data/newer") try("load", loadfile, here .. "/data/deep/x")
      try("neighbour", io.open, here .. "/database/b")
      try("dots out", io.open, here .. "/data/../database/b")
      try("link", io.open, here .. "/data/link") try("folder", io.open, here .. "/data/folder/b")
      try("dangling", io.open, here .. "/data/dangling", "w") try("root", io.open, "/")
      try("missing", io.open, here .. "/data/no/such/file", "w")
      try("missing out", io.open, here .. "/data/no/../../database/b")
      try("missing elsewhere", io.open, here .. "/no/such/file")
      try("rename out", os.rename, here .. "/data/a", here .. "/database/a")
      try("rename in", os.rename, here .. "/database/b", here .. "/data/b")
      try("remove linked", os.remove, here .. "/data/folder/b")
      try("remove link", os.remove, here .. "/data/link")
    ]], made)
    for _, name in ipairs({ "read", "alias", "new", "deep", "dots in", "relative", "self", "rename",
      "remove", "load", "remove link" }) do
      assert.equal("true", told[name], name)
      told[name] = nil
    end
    -- What no grant would change is not said to lack one.
    assert.equal("2", told.missing) -- the number that Lua has of ENOENT
    for _, name in ipairs({ "dangling", "missing out" }) do
      assert.matches("is not allowed here: where that leads cannot be told (", told[name], 1, true)
      told[name] = nil
    end
    told.missing = nil
    local count = 0
    for name, text in pairs(told) do
      assert.matches("is not allowed here: start with --allow io=/", text, 1, true, name)
      count = count + 1
    end
    assert.equal(9, count)
    assert.is_nil(uv.fs_stat(made:join("database/new")))
    assert.is_table(uv.fs_stat(made:join("database/b")))
    assert.is_nil(uv.fs_stat(made:join("database/a")))
  end)

  it("os, run and cmodules, a script has each of those, from one list or from several", function()
    local calls = [[
      try("getenv", os.getenv, "HOME") try("tmpname", function() return os.remove(os.tmpname()) end)
      try("remove", os.remove, here .. "/gone") try("open", io.open, "/etc/passwd")
      try("execute", os.execute, "true") try("popen", io.popen, "true")
      try("cjson", require, "cjson")
    ]]
    for _, allow in ipairs({ { "os,run,cmodules" }, { "os", "run", "cmodules" } }) do
      local told = told_by_check(allow, calls)
      for _, name in ipairs({ "getenv", "tmpname", "execute", "popen", "cjson" }) do
        assert.equal("true", told[name], name)
      end
      assert.not_matches("not allowed", told.remove, 1, true)
      assert.matches("start with --allow io=/etc", told.open, 1, true)
    end
  end)

  it("io=/tmp, a script has temporary files, and what names no file needs no grant", function()
    local told = told_by_check({ "io=/tmp" }, [[
      try("tmpfile", io.tmpfile) try("tmpname", function() return os.remove(os.tmpname()) end)
      try("input", io.input) try("output", io.output, io.stdout)
      try("locale", os.setlocale) try("other locale", os.setlocale, "C")
      try("nothing", os.remove, "") try("nowhere", io.open, "/tmp/no/such/file")
      try("missing", io.open, "/tmp/no-such-file")
    ]])
    for _, name in ipairs({ "tmpfile", "tmpname", "input", "output", "locale" }) do
      assert.equal("true", told[name], name)
    end
    assert.equal("nil", told["other locale"])
    assert.matches('os.remove("") is not allowed here', told.nothing, 1, true)
    assert.equal("2", told.nowhere) -- ENOENT
    assert.equal("2", told.missing)
  end)

  it("nothing at all, a script has everything as before; the variable is as good as the option",
    function()
      local calls = 'try("open", io.open, "/etc/passwd") try("getenv", os.getenv, "HOME")'
      assert.same({ open = "true", getenv = "true" }, told_by_check({}, calls))
      local told = told_by_check({}, calls, nil, { MOONPORT_ALLOW = "os" })
      assert.equal("true", told.getenv)
      assert.matches("--allow io=/etc", told.open, 1, true)
      told = told_by_check({ "io=/etc" }, calls, nil, { MOONPORT_ALLOW = "os" })
      assert.equal("true", told.open)
      assert.matches("--allow os", told.getenv, 1, true)
    end)

  it("a path in the script's own folder, its faults name their lines", function()
    local faulty = "return {\n  limits = { conections = 5 },\n}"
    local path = moonport:directory():write("test.lua", faulty)
    local result = moonport:run({ "check", "--allow", "none", path })
    assert.equal(1, result.code)
    assert.matches("test.lua:2:", result.stderr, 1, true)
  end)
end)

describe("With --allow net=", function()
  local moonport = rig.new()

  -- Runs `calls` in a task of a script that may do `allow`; waits for as many lines as are told.
  local function told_by_task(allow, calls, count)
    local path = moonport:directory():write("test.lua", (reports:gsub("return %b{}", [[
      return { listen = "127.0.0.1:0", on_data = function(conn, data)
        %%s
      end }
    ]])):format("", "", calls))
    local started = moonport:serve({ "--allow", allow, path })
    started:connect():send("go")
    local told = {}
    for _, line in ipairs(started:wait_told(count)) do
      local name, text = line:match("^(.-): (.*)$")
      told[name] = text
    end
    return told
  end

  local function refusal(call, grant)
    return call .. " is not allowed here: start with --allow net=" .. grant
  end

  it("a script reaches whom the patterns name, and is told of others what to grant", function()
    local peer = moonport:start("return { on_data = print }")
    local port = peer:port()
    local told = told_by_task("net=127.0.0.1:" .. port .. ",net=localhost:*", ([[
      local port = %d
      local function connect(address)
        local conn <close>, code, detail = socket.connect(address)
        if not conn then return nil, code, detail end
        return true
      end
      try("number", connect, "127.0.0.1:" .. port) try("name", connect, "localhost:" .. port)
      try("resolve", socket.resolve, "localhost")
      try("port", connect, "127.0.0.1:1") try("ip6", connect, "[::1]:" .. port)
      try("other", connect, "example.org:80") try("other resolve", socket.resolve, "example.org")
      try("unix", connect, "unix:///run/x.sock")
      local tcp = socket.tcp() try("tcp", tcp.connect, tcp, "127.0.0.2", port)
      local unix = socket.unix() try("unix()", unix.connect, unix, "/run/x.sock")
      local any = socket.tcp() try("bind", any.bind, any, "0.0.0.0", 0)
      local mine = socket.tcp() try("bind name", mine.bind, mine, "localhost", 0) mine:close()
      local pool = require "moonport.pool" local some = pool.new("example.org:80")
      try("pool", some.get, some)
    ]]):format(port), 13)
    assert.same({
      number = "true", name = "true", resolve = "true", ["bind name"] = "true",
      port = refusal("connect", "127.0.0.1:1"),
      ip6 = refusal("connect", "[::1]:" .. port),
      other = refusal("connect", "example.org:80"),
      ["other resolve"] = refusal("resolve", "example.org:*"),
      unix = refusal("connect", "unix:/run/x.sock"),
      ["unix()"] = refusal("connect", "unix:/run/x.sock"),
      tcp = refusal("connect", "127.0.0.2:" .. port),
      bind = refusal("bind", "0.0.0.0:0"),
      pool = refusal("connect", "example.org:80"),
    }, told)
  end)

  it("datagrams go where the patterns say, to what a granted name led to, and to who wrote first",
    function()
      local told = told_by_task("net=127.0.0.1:*,net=localhost:9", [[
        local a, b = socket.udp(), socket.udp()
        try("bind", a.bind, a, "127.0.0.1", 0)
        try("send", b.sendto, b, "x", a:getsockname())
        local data, from = a:recvfrom()
        try("reply", a.sendto, a, "y", from)
        try("name", b.sendto, b, "x", "localhost", 9)
        try("to others", b.sendto, b, "x", "127.0.0.2", 9)
        try("connect others", b.connect, b, "127.0.0.2", 9)
        try("name of others", b.sendto, b, "x", "example.org", 9)
        local c = socket.udp() try("bind others", c.bind, c, "0.0.0.0", 5)
        local core = require "moonport.socket.core"
        local raw = core.udp("0.0.0.0:0") try("raw", raw.send, raw, "x", "127.0.0.2:9")
        for _, each in ipairs({ a, b, raw }) do each:close() end
      ]], 9)
      assert.same({
        bind = "true", send = "true", reply = "true", name = "true",
        ["to others"] = refusal("sendto", "127.0.0.2:9"),
        ["connect others"] = refusal("connect", "127.0.0.2:9"),
        ["name of others"] = refusal("bind or sendto", "example.org:9"),
        ["bind others"] = refusal("bind", "0.0.0.0:5"),
        raw = refusal("sendto", "127.0.0.2:9"),
      }, told)
    end)

  it("a service of datagrams answers who asked, also later, and nobody else", function()
    local path = moonport:directory():write("test.lua", [[
      local socket = require "moonport.socket"
      local first
      return { listen = "udp://127.0.0.1:0", on_datagram = function(sock, data, peer)
        if not first then first = peer return print("> noted") end
        print("> " .. tostring(select(3, socket.connect(peer))))
        sock:send("you were first", first)
        print("> " .. tostring(select(3, sock:send("x", "127.0.0.1:9"))))
      end }
    ]])
    local started = moonport:serve({ "--allow", "none", path })
    local function peer()
      local udp = assert(luasocket.udp())
      udp:settimeout(10)
      assert(udp:setpeername("127.0.0.1", started:port()))
      return udp
    end
    local one, two = peer(), peer()
    assert(one:send("a"))
    started:wait_told(1)
    assert(two:send("b"))
    assert.equal("you were first", one:receive())
    local told = started:wait_told(3)
    assert.equal(refusal("connect", "127.0.0.1:" .. select(2, two:getsockname())), told[2])
    assert.equal(refusal("sendto", "127.0.0.1:9"), told[3])
    one:close()
    two:close()
  end)

  it("a Unix socket is granted by where its path leads", function()
    local made = moonport:directory()
    for _, name in ipairs({ "in", "out" }) do made:make(name) end
    local peer = made:write("peer.lua", "return { on_data = print }")
    moonport:serve({ "--listen", "unix://" .. made:join("out/s.sock"), peer })
    assert(uv.fs_symlink("../out/s.sock", made:join("in/s.sock")))
    local calls = ([[
      local function connect(address)
        local conn <close>, code, detail = socket.connect(address)
        if not conn then return nil, code, detail end
        return true
      end
      try("link", connect, "unix:%s/in/s.sock") try("dots", connect, "unix:%s/in/../out/s.sock")
      try("it", connect, "unix:%s/out/s.sock")
    ]]):gsub("%%s", made.path)
    assert.same({ link = "true", dots = "true", it = "true" },
      told_by_task("net=unix:" .. made:join("out/*"), calls, 3))
    local refused = refusal("connect", "unix:" .. made:join("out/s.sock"))
    assert.same({ link = refused, dots = refused, it = refused },
      told_by_task("net=unix:" .. made:join("in/*"), calls, 3))
  end)
end)

describe("--allow", function()
  local moonport = rig.new()
  local script = "return { on_data = print }"

  it("is refused where it says nothing that is known, by every command that takes it", function()
    local path = moonport:directory():write("test.lua", script)
    for _, command in ipairs({ "serve", "check", "doctor", "run" }) do
      local result = moonport:run({ command, "--allow", "oss", path })
      assert.equal(2, result.code)
      assert.matches("--allow \"oss\": there is no such grant: did you mean os;", result.stderr, 1,
        true)
    end
    local result = moonport:run({ "check", path }, { env = { MOONPORT_ALLOW = "io" } })
    assert.equal(2, result.code)
    assert.matches("MOONPORT_ALLOW \"io\": which files? Write io=DIRECTORY", result.stderr, 1, true)
  end)

  it("and --unsafe contradict each other, wherever they are said", function()
    local path = moonport:directory():write("test.lua", script)
    for _, case in ipairs({
      { { "--unsafe", "--allow", "os" } },
      { { "--allow", "os" }, { MOONPORT_UNSAFE = "1" } },
      { { "--unsafe" }, { MOONPORT_ALLOW = "os" } },
    }) do
      local args = { "check", path }
      table.move(case[1], 1, #case[1], #args + 1, args)
      local result = moonport:run(args, { env = case[2] })
      assert.equal(2, result.code)
      assert.matches("leave one of them out", result.stderr, 1, true)
    end
  end)

  it("is told by status, in words and as JSON, and by doctor", function()
    local started = moonport:start(script, { control = true,
      args = { "--allow", "os", "--allow", "io=/tmp", "--listen", "127.0.0.1:0" } })
    assert.equal("os,io=/tmp", select(2, control.ask_once(started, "status")).allow)
    local status = moonport:run({ "status", "--control", started.control })
    assert.matches("scripts may only: os,io=/tmp\n", status.stdout, 1, true)
    local path = moonport:directory():write("test.lua", 'return { listen = 0, on_data = print }')
    local doctor = moonport:run({ "doctor", "--allow", "net=db:1", path })
    assert.matches("only what --allow names: net=db:1", doctor.stdout, 1, true)
    assert.matches("--allow names less", moonport:run({ "doctor", path }).stdout, 1, true)
  end)

  it("is not told by the status of a server without it", function()
    local started = moonport:start(script, { control = true })
    assert.equal(cjson.null, select(2, control.ask_once(started, "status")).allow)
    local status = moonport:run({ "status", "--control", started.control })
    assert.not_matches("scripts may only", status.stdout, 1, true)
  end)

  it("bounds what is evaluated at the console", function()
    local started = moonport:start(script, { control = true,
      args = { "--allow", "none", "--listen", "127.0.0.1:0" } })
    local lines, last = control.ask_once(started, [[eval test.lua "return io.open('/etc/passwd')"]])
    local text = cjson.encode({ lines, last })
    assert.matches("start with --allow io=", text, 1, true)
  end)

  it("bounds a program only when it is the option", function()
    local opens = 'print(io.open("/etc/passwd"))'
    local result = moonport:run({ "run", "-e", opens }, { env = { MOONPORT_ALLOW = "none" } })
    assert.equal(0, result.code)
    assert.matches("^file", result.stdout)
    result = moonport:run({ "run", "--allow", "none", "-e", opens .. " print(debug.sethook)" })
    assert.matches("start with --allow io=/etc\nnil\n", result.stdout, 1, true)
  end)
end)
