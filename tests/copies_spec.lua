-- copies_spec.lua — scripts over several workers: each lives in one of them or in all, and a reload
-- comes to all copies or to none — not what the master does.

local loop = require "tests.support.loop"
local ports = require "tests.support.ports"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local luasocket = require "socket"
local uv = require "luv"

local WORKERS = 4

-- Greets with its version's name, its worker and its process; `more` comes before, `fields` within.
local function greeting(name, more, fields)
  return ([[
    local worker = require "moonport.worker"
    local pid = io.open("/proc/self/stat"):read("n")
    %s
    return {
      listen = 0,
      %s
      on_open = function(conn) conn:send(("%s %%d %%d\n"):format(worker.id, pid)) end,
      on_data = function(conn, data) conn:send("%s " .. worker.id .. " " .. data) end,
    }
  ]]):format(more or "", fields or "workers = 'all',", name, name)
end

describe("scripts over several workers", function()
  local moonport = rig.new()
  local folder, server

  local function serve(scripts, options, ...)
    folder = moonport:directory()
    local count = 0
    for name, text in pairs(scripts) do
      folder:write(name, text)
      count = count + 1
    end
    options = options or {}
    options.listeners = options.listeners or count
    server = moonport:serve({ "--workers", tostring(WORKERS), folder.path, ... }, options)
  end

  -- What `count` new connections, which stay, are greeted with: how many of each worker and name.
  -- Who `asks` is reset rather than left without a word where the kernel has lost the server's end:
  -- when a socket that listens is closed at the moment in which the handshake ends.
  local function connect(count, address, asks)
    local peers, ids, pids, names = {}, {}, {}, {}
    for index = 1, count do
      local peer = server:connect { address = address }
      if asks then peer:offer("?") end
      local name, id, pid = peer:receive_line():match("^(%S+) (%d+) (%d+)$")
      id = tonumber(id)
      peers[index], pids[id] = peer, tonumber(pid)
      ids[id] = (ids[id] or 0) + 1
      names[name] = (names[name] or 0) + 1
    end
    return { peers = peers, ids = ids, pids = pids, names = names }
  end

  local function close(met)
    for _, peer in ipairs(met.peers) do peer:close() end
  end

  local function size(set)
    local count = 0
    for _ in pairs(set) do count = count + 1 end
    return count
  end

  -- Waits until all workers greet with that name, and only that; returns their processes.
  local function wait_in_force(name, count, address)
    local pids
    loop.eventually(("%s in %d workers"):format(name, count), function()
      local is_there, met = pcall(connect, 5 * WORKERS, address, true) -- it may be about to close
      if not is_there then return false end
      close(met)
      pids = met.pids
      return size(met.ids) == count and size(met.names) == 1 and met.names[name]
    end)
    return pids
  end

  -- The worker that leads the first script.
  local function address_home() return 1 end

  -- The address on which the script greets with that name.
  local function address_of(name)
    return loop.eventually("who greets with " .. name, function()
      for _, address in ipairs(server:addresses()) do
        local ok, peer = pcall(server.connect, server, { address = address })
        local line = ok and peer:receive_line()
        if ok then peer:close() end
        if line and line:match("^%S+") == name then return address end
      end
    end)
  end

  it("live in one of them, unless they say more", function()
    serve { ["a.lua"] = greeting("a", nil, ""), ["b.lua"] = greeting("b", nil, "workers = 1,"),
      ["c.lua"] = greeting("c", nil, "") }
    for index = 1, 3 do
      local met = connect(8, server:address(index))
      assert.equal(1, size(met.ids))
      close(met)
    end
  end)

  it("are in all of them with workers = \"all\", each with as many connections", function()
    serve { ["a.lua"] = greeting("a") }
    local met = connect(40)
    local most, least = 0, math.huge
    for id = 1, WORKERS do
      most, least = math.max(most, met.ids[id] or 0), math.min(least, met.ids[id] or 0)
    end
    assert.is_true(most - least <= 4, ("from %d to %d"):format(least, most))
    for _, peer in ipairs(met.peers) do
      peer:send("x\n")
      assert.matches("^a %d x$", peer:receive_line())
    end
  end)

  it("are in as many as they say, and never in more than there are", function()
    serve { ["a.lua"] = greeting("a", nil, "workers = 2,"), ["b.lua"] = greeting("b", nil,
      "workers = 1000,") }
    wait_in_force("a", 2, address_of("a"))
    wait_in_force("b", WORKERS, address_of("b"))
  end)

  it("change in all workers, and their connections follow in each", function()
    serve { ["a.lua"] = greeting("a") }
    wait_in_force("a", WORKERS)
    local met = connect(20)
    folder:write("a.lua", greeting("b"))
    wait_in_force("b", WORKERS)
    for _, peer in ipairs(met.peers) do
      peer:send("x\n")
      assert.matches("^b %d x$", peer:receive_line())
    end
  end)

  it("change in none when one cannot load them, and say which", function()
    serve { ["a.lua"] = greeting("a") }
    wait_in_force("a", WORKERS)
    folder:write("a.lua", greeting("b", "if worker.id == 2 then error('not here', 0) end\n" ..
      "if worker.id == 3 then error('nor here', 0) end"))
    local told = server:expect_log("%(in worker [23]%)").message
    assert.matches("a.lua: no?[rt] here %(in worker [23]%)$", told)
    server:expect_log("not reloaded: version 1 stays in force")
    wait_in_force("a", WORKERS)
    folder:write("a.lua", greeting("c"))
    wait_in_force("c", WORKERS)
  end)

  it("are in force in all of them when who asked for it is told so", function()
    serve({ ["a.lua"] = greeting("a") }, { control = true }, "--no-watch")
    wait_in_force("a", WORKERS)
    for _, name in ipairs { "b", "c" } do
      folder:write("a.lua", greeting(name))
      local result = moonport:run { "reload", "--control", server.control }
      assert.matches("a.lua: reloaded, version %d is in force\n$", result.stdout)
      local met = connect(20)
      close(met)
      assert.same({ [name] = 20 }, met.names)
    end
  end)

  it("change in none when one ends meanwhile", function()
    serve { ["a.lua"] = greeting("a") }
    wait_in_force("a", WORKERS)
    server:allow_log("ended with SIGKILL")
    server:allow_log("not reloaded")
    folder:write("armed", "")
    -- The trial is in none of the workers, and the home may be any of them.
    folder:write("a.lua", greeting("b", ([[
      if worker.count > 1 and worker.id ~= %d and os.remove(%q) then
        os.execute("kill -9 " .. pid)
      end]]):format(address_home(), folder:join("armed"))))
    assert.matches("a.lua: the worker ended while it loaded it %(in worker %d%)",
      server:expect_log("the worker ended while it loaded it").message)
    wait_in_force("a", WORKERS)
    assert.is_nil(server:log_text():find("version 2 is in force", 1, true))
    folder:write("a.lua", greeting("c"))
    wait_in_force("c", WORKERS)
  end)

  it("are there again in a worker that was started again", function()
    serve { ["a.lua"] = greeting("a"), ["b.lua"] = greeting("b", nil, "") }
    local a = address_of("a")
    local pids = wait_in_force("a", WORKERS, a)
    for id = 1, WORKERS do
      server:allow_log("ended with SIGKILL")
      uv.kill(pids[id], "sigkill")
      loop.eventually("another worker " .. id, function()
        local ok, met = pcall(connect, 3 * WORKERS, a)
        if ok then close(met) end
        return ok and met.pids[id] and met.pids[id] ~= pids[id]
      end)
    end
    wait_in_force("a", WORKERS, a)
    wait_in_force("b", 1, address_of("b"))
  end)

  -- A change that was refused is in the file, and no worker has it.
  local function assert_good_after(change)
    -- Not watched, for two files are written: it is asked for once, and nothing is under way then.
    serve({ ["a.lua"] = greeting("a", "require 'm'"), ["m.lua"] = "return 1" }, { listeners = 1 },
      "--no-watch")
    local pids = wait_in_force("a", WORKERS)
    folder:write("m.lua", "return 2")
    folder:write("a.lua", change)
    server:signal("sighup")
    server:expect_log("not reloaded: version %d stays in force")
    for _, pattern in ipairs { "ended with SIGKILL", "what its file holds cannot be served",
      "a%.lua:%d: .* near <eof>", "not here", "m%.lua is not served" } do
      server:allow_log(pattern)
    end
    for id = 1, WORKERS do
      uv.kill(pids[id], "sigkill")
      loop.eventually("another worker " .. id, function()
        local is_there, met = pcall(connect, 3 * WORKERS)
        if is_there then close(met) end
        return is_there and met.pids[id] and met.pids[id] ~= pids[id]
      end)
      wait_in_force("a", WORKERS)
    end
    folder:write("a.lua", greeting("b"))
    server:signal("sighup")
    wait_in_force("b", WORKERS)
  end

  it("are what is in force also where a worker starts again, and their file is broken", function()
    assert_good_after("return {")
  end)

  it("are what is in force also where a worker starts again, and their file was refused", function()
    assert_good_after(greeting("x", "require 'm' if worker.id == 3 then error('not here', 0) end"))
  end)

  -- Who had connected to sockets that the first version of a script was to have was accepted at the
  -- end, without one: the worker crashed.
  it("end in peace while one of them is on its way, and somebody has connected to it", function()
    local address = "tcp://127.0.0.1:" .. ports.free()
    serve { ["x.lua"] = greeting("x", nil, "") }
    local gate = moonport:directory():join("gate")
    local slow = ([[if worker.id == 3 then
      while not io.open(%q) do os.execute('sleep 0.02') end
    end]]):format(gate)
    folder:write("a.lua", (greeting("a", slow):gsub("listen = 0", ("listen = %q"):format(address))))
    local peers = {}
    loop.eventually("some to be connected to each that is ready", function()
      local ok, peer = pcall(server.connect, server, { address = address })
      if ok then peers[#peers + 1] = peer end
      return #peers == 4 * WORKERS
    end)
    server:signal("sigterm")
    for _, peer in ipairs(peers) do assert.equal("ECONNRESET", (peer:receive_end())) end
    assert(io.open(gate, "w")):close()
    assert.equal(0, (server:wait()))
  end)

  it("lose no connection that waits for a worker which ends", function()
    serve { ["a.lua"] = greeting("a") }
    local pids = wait_in_force("a", WORKERS)
    server:allow_log("ended with SIGKILL")
    server:allow_log("worker 3 .* is stopped")
    uv.kill(pids[3], "sigstop")
    local peers = {}
    for index = 1, 40 do peers[index] = server:connect() end
    server:wait_for("is stopped") -- from here on it is given none: the next are answered
    -- The others have as many as they want, and have given the rest to the one that stands still.
    loop.eventually("the others to have served theirs", function()
      local met = connect(1)
      close(met)
      return not met.ids[3]
    end)
    uv.kill(pids[3], "sigkill")
    for _, peer in ipairs(peers) do assert.matches("^a %d %d+$", peer:receive_line()) end
    wait_in_force("a", WORKERS)
  end)

  it("say which connections are lost, for a worker has no descriptor for them", function()
    serve { ["a.lua"] = greeting("a") }
    local pid = tostring(wait_in_force("a", WORKERS)[3])
    local function limit(most)
      local result = shell.run({ "prlimit", "--pid", pid, "--nofile=" .. most .. ":" })
      assert.equal(0, result.code, result.stderr)
    end
    limit(3)
    server:allow_log("cannot accept")
    local peers = {}
    for index = 1, 40 do peers[index] = server:connect() end
    server:expect_log("^a connection that another worker accepted is lost, %d+ so far: "
      .. "this one has no descriptors left; raise the limit")
    for _, peer in ipairs(peers) do peer:close() end
    limit(1024) -- a sanitizer that looks for leaks needs some
  end)

  it("share a Unix socket, and have as many connections each", function()
    folder = moonport:directory()
    local at = ("listen = %q"):format("unix:" .. folder:join("s.sock"))
    folder:write("a.lua", (greeting("a"):gsub("listen = 0", at)))
    server = moonport:serve { "--workers", tostring(WORKERS), folder.path }
    wait_in_force("a", WORKERS)
    local met = connect(24)
    for id = 1, WORKERS do
      assert.is_true(math.abs((met.ids[id] or 0) - 24 / WORKERS) <= 3, ("%d in worker %d"):format(
        met.ids[id] or 0, id))
    end
  end)

  it("come, go and change their names in all workers", function()
    serve { ["a.lua"] = greeting("a"), ["x.lua"] = greeting("x", nil, "") }
    folder:write("b.lua", greeting("b"))
    server:wait_addresses(3)
    local b = server:address(3)
    wait_in_force("b", WORKERS, b)
    os.remove(folder:join("b.lua"))
    server:wait_for("its file was removed")
    loop.eventually("nobody at " .. b, function()
      local ok, peer = pcall(server.connect, server, { address = b })
      if ok then peer:close() end
      return not ok
    end)
  end)

  -- What one worker had accepted under the name before, and handed to one that had let go of it
  -- already, waited there for 10 s and was reset, with a warning in the log.
  it("keep their address when their file has another name", function()
    -- Nobody else can have it by chance while it changes hands.
    local address = "tcp://127.0.0.1:" .. ports.free()
    local at = greeting("b"):gsub("listen = 0", ("listen = %q"):format(address))
    serve { ["a.lua"] = at, ["x.lua"] = greeting("x", nil, "") }
    wait_in_force("b", WORKERS, address)
    local flood = moonport:spawn { "python3", "tests/support/connect_flood.py", address, address }
    loop.eventually("the flood", function() return flood:stdout():find("begun") end)
    for index = 1, 10 do
      assert(os.rename(folder:join(index == 1 and "a.lua" or "a" .. index .. ".lua"),
        folder:join("a" .. index + 1 .. ".lua")))
      loop.eventually("the next name", function()
        return select(2, server:log_text():gsub("its file was removed", "")) >= index
      end)
      wait_in_force("b", WORKERS, address)
    end
    flood:signal("sigterm")
    assert.equal(0, (flood:wait()))
  end)

  it("are served in place of the welcome page of another worker", function()
    folder = moonport:directory()
    local welcome = moonport:directory():write("welcome.lua", greeting("w", nil, ""))
    server = moonport:serve { "--workers", tostring(WORKERS), "--welcome", welcome, folder.path }
    server:allow_log("not ready: ")
    local at = ("listen = %q"):format(server:address())
    folder:write("a.lua", (greeting("a"):gsub("listen = 0", at)))
    wait_in_force("a", WORKERS)
    os.remove(folder:join("a.lua"))
    server:wait_addresses(3)
    wait_in_force("w", 1, server:address(3))
    assert.equal(2, select(2, server:log_text():gsub("not ready: ", "")))
  end)

  it("are told apart when two want one address", function()
    serve { ["a.lua"] = greeting("a", nil, "") }
    local taken = greeting("b", nil, ""):gsub("listen = 0", ("listen = %q"):format(
      server:address()))
    folder:write("b.lua", taken)
    folder:write("c.lua", (taken:gsub("'b", "'c")))
    for _, name in ipairs { "b", "c" } do
      server:expect_log(name .. "%.lua:%d+: cannot listen on .*: [^ ]*/a%.lua already does; give")
    end
    wait_in_force("a", 1)
    local address = server:address()
    server:allow_log("already does; give")
    server:allow_log("not ready: ") -- until the others have heard of it
    os.remove(folder:join("a.lua"))
    loop.eventually("one of the others there", function()
      local is_there, met = pcall(connect, 1, address)
      if is_there then close(met) end
      return is_there and (met.names.b or met.names.c)
    end)
  end)

  it("require modules of the directory, which are no faults", function()
    local modules = {}
    for index = 1, 6 do modules["m" .. index .. ".lua"] = "return { name = 'one' }" end
    modules["a.lua"] = greeting("a", "for i = 1, 6 do require('m' .. i) end")
    serve(modules, { listeners = 1 })
    wait_in_force("a", WORKERS)
    folder:write("m3.lua", "return { name = 'two' }")
    server:wait_for("version 2 is in force")
    folder:write("m3.lua", "return {")
    server:expect_log("m3%.lua:1: ")
    server:expect_log("not reloaded: version 2 stays in force")
    wait_in_force("a", WORKERS)
  end)

  it("get datagrams in each", function()
    serve { ["a.lua"] = [[
      local worker = require "moonport.worker"
      return { listen = "udp://127.0.0.1:0", workers = "all",
        on_datagram = function(sock, data, peer) sock:send(tostring(worker.id), peer) end }
    ]] }
    local seen = {}
    loop.eventually("an answer of each worker", function()
      for _ = 1, 8 do
        local peer = assert(luasocket.udp())
        peer:settimeout(10)
        assert(peer:setpeername("127.0.0.1", server:port()))
        peer:send("?")
        seen[assert(peer:receive())] = true
        peer:close()
      end
      return size(seen) == WORKERS
    end)
  end)

  it("are one, when --listen says where", function()
    folder = moonport:directory()
    folder:write("a.lua", greeting("a"))
    folder:write("b.lua", greeting("b", nil, ""))
    local result = moonport:run { "serve", "--workers", "3", "--listen", "127.0.0.1:0",
      folder.path }
    assert.equal(2, result.code)
    local told = {}
    for _, record in ipairs(result.log) do
      if record.level == "error" then told[#told + 1] = record.message end
    end
    assert.same({ "--listen is for a single script, and there are 2: set listen in each script" },
      told)
  end)

  -- Each time it is a matter of chance which worker is first.
  it("are one with their copies, when --listen says where, however late a worker begins", function()
    local path = moonport:directory():write("a.lua", greeting("a"))
    for _ = 1, 6 do
      server = moonport:serve { "--workers", "4", "--listen", "127.0.0.1:0", path }
      local peer = server:connect()
      assert.matches("^a %d", (peer:receive_line()))
      peer:close()
      server:signal("sigterm")
      assert.equal(0, (server:wait()))
    end
  end)

  it("know their number, also without others", function()
    local alone = moonport:start([[
      local worker = require "moonport.worker"
      print("> " .. worker.id .. " of " .. worker.count)
      return { workers = "all", on_data = function() end }
    ]])
    alone:wait_told("1 of 1")
  end)

  it("are not to be in none of them, or in some", function()
    for given, shown in pairs { ["0"] = "0", ["-1"] = "-1", ["1.5"] = "1.5", ["'some'"] = '"some"',
      ["true"] = "true" } do
      local path = moonport:directory():write("x.lua",
        ("return {\n  workers = %s,\n  on_data = print,\n}\n"):format(given))
      local result = moonport:run { "check", path }
      assert.equal(1, result.code)
      assert.equal(("%s:2: workers is %s: write \"all\", or a whole number from 1 to 1000000")
        :format(path, shown), result.log[1].message)
    end
  end)

  it("are warned of a broadcast that does not reach all", function()
    local text = [[
      local server = require "moonport.server"
      return { %s on_data = function(_, data) server.broadcast(data) end }
    ]]
    local path = moonport:directory():write("x.lua", text:format("workers = 2,"))
    assert.matches("x.lua:2: server.broadcast reaches the connections of its own worker only",
      moonport:run({ "check", path }).log[1].message)
    path = moonport:directory():write("x.lua", text:format(""))
    assert.same({}, moonport:run({ "check", path }).log)
  end)
end)
