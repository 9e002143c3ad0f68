-- control_places_spec.lua — who asks a server gets in, whoever watches it and whatever it lacks.

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

local echo = [[ return { on_data = function(conn, data) conn:send(data) end } ]]

local function ask(moonport, server, ...)
  return moonport:run({ ..., "--control", server.control, "--timeout", "5" })
end

local function assert_healthy(moonport, server)
  for _, words in ipairs({ "health", "status", "reload" }) do
    local result = ask(moonport, server, words)
    assert.equal(0, result.code, words .. ": " .. result.stderr)
  end
end

-- A class of 32 traced a lesson, `moonport health` found no place, and the container was restarted.
describe("a server that many watch", function()
  local moonport = rig.new()

  it("still says how it is, and refuses one watcher too many with words", function()
    local server = moonport:start(echo, { control = true })
    local watchers, refused = {}, 0
    for index = 1, 40 do
      watchers[index] = control.connect(server)
      local _, last = control.ask(watchers[index], "events")
      if not last.ok then
        refused = refused + 1
        assert.matches("^24 traces and consoles watch already.*: end one of them first$",
          last.error)
      end
    end
    assert.equal(40 - 24, refused)
    assert_healthy(moonport, server)
    -- Those that watch still do, and one that leaves makes room for another.
    local peer = server:connect()
    peer:send("x")
    assert.equal("x", peer:receive(1))
    for index = 1, 24 do
      local event
      repeat event = control.decode(watchers[index]:receive_line()) until event.event == "data"
    end
    watchers[1]:close()
    loop.eventually("a place for one more", function()
      local late = control.connect(server)
      local _, last = control.ask(late, "events")
      if not last.ok then late:close() end
      return last.ok
    end)
    assert.equal(1, ask(moonport, server, "trace", "--count", "1").code)
  end)

  it("answers beside clients that wait for ever, or do not read", function()
    local server = moonport:start(echo, { control = true })
    for _ = 1, 40 do
      local waiting = server:connect({ address = "unix://" .. server.control })
      waiting:send('eval "require [[moonport.timer]].sleep(1e6)"\n')
    end
    assert_healthy(moonport, server)
  end)

  it("answers many questions at once", function()
    local server = moonport:start(echo, { control = true })
    local asking = {}
    for index = 1, 60 do
      asking[index] = control.connect(server)
      asking[index]:send("health\n")
    end
    for index = 1, 60 do
      local _, last = control.receive(asking[index])
      assert.is_true(last.ready)
      asking[index]:close()
    end
  end)
end)

-- Row 11. `status` hung and `health` failed while the server served all whom it could.
describe("a server without a free descriptor", function()
  local moonport = rig.new()

  local function exhaust(script, env)
    local folder = moonport:directory()
    local server = moonport:serve(
      { "--listen", "127.0.0.1:0", "--no-watch", folder:write("test.lua", script) },
      { control = true, prefix = { "prlimit", "--nofile=64" }, env = env })
    server:allow_log("limits%.connections of all scripts")
    server:allow_log("open files")
    local peers = {}
    for index = 1, 100 do peers[index] = server:connect() end
    server:wait_for("cannot accept")
    return server, peers, folder
  end

  it("answers status, health and reload as often as one asks, and serves on", function()
    local server, peers = exhaust(echo)
    for _ = 1, 5 do assert_healthy(moonport, server) end
    peers[1]:send("x")
    assert.equal("x", peers[1]:receive(1))
    for index = 1, 100 do
      peers[index]:send("y")
      assert.equal("y", peers[index]:receive(1))
      peers[index]:close()
    end
  end)

  -- What is loaded untried could end the server, so descriptors for the trial are kept back.
  it("tries a change before it loads it", function()
    local server, peers, folder = exhaust(echo, { MOONPORT_TRIAL = "1" })
    local changed = "return { on_data = function(conn, data) conn:send('new ' .. data) end }"
    folder:write("test.lua", "os.execute('sleep 1000')\n" .. changed)
    local result = ask(moonport, server, "reload")
    server:expect_log("takes longer than %-%-trial 1 s allows; it was at .*test.lua:1")
    server:allow_log("not reloaded: version 1 stays in force")
    assert.equal(1, result.code)
    folder:write("test.lua", changed)
    assert_healthy(moonport, server)
    peers[1]:send("x")
    assert.equal("new x", peers[1]:receive(5))
  end)

  it("answers beside clients of the control socket that stay, and refuses watchers", function()
    local server = exhaust(echo)
    for _ = 1, 20 do control.connect(server) end
    assert.equal(0, ask(moonport, server, "health").code)
    assert.equal(0, ask(moonport, server, "status").code)
    local result = ask(moonport, server, "trace", "--count", "1")
    assert.equal(1, result.code)
    assert.matches("no descriptors left", result.stderr)
  end)

  it("tells a script so, and keeps what is kept back from it", function()
    local server = moonport:start(([[
      local socket, kept = require "moonport.socket", {}
      return { listen = 0, on_data = function(conn)
        local ok, err, code
        repeat
          ok, err, code = io.open("/dev/null")
          kept[#kept + 1] = ok
        until not ok
        print("> " .. err .. " " .. code)
        ok, err, code = socket.connect("127.0.0.1:9")
        print("> " .. tostring(ok) .. " " .. err .. " " .. code)
        ok, err, code = socket.connect("unix:/nowhere")
        print("> " .. tostring(ok) .. " " .. err .. " " .. code)
      end }
    ]]), { control = true, prefix = { "prlimit", "--nofile=64" }, args = { "--no-watch" } })
    server:allow_log("limits%.connections of all scripts")
    server:connect():send("x")
    assert.same({
      "/dev/null: Too many open files 24",
      "nil EMFILE 127.0.0.1:9: too many open files",
      "nil EMFILE unix:/nowhere: too many open files",
    }, server:wait_told(3))
    for _ = 1, 3 do
      assert.equal(0, ask(moonport, server, "health").code)
      assert.equal(0, ask(moonport, server, "status").code)
    end
  end)
end)

describe("the limit of descriptors", function()
  local moonport = rig.new()

  local function soft_limit(server)
    return tonumber(server.process:proc("limits"):match("Max open files%s+(%d+)"))
  end

  local function limited(connections)
    return ("return { limits = { connections = %d }, on_data = print }"):format(connections)
  end

  it("is raised at the start, to what limits.connections need or the hard limit", function()
    local server = moonport:start(limited(100), { prefix = { "prlimit", "--nofile=64:3000" } })
    assert.equal(3000, soft_limit(server))
    assert.is_nil(server:log_text():find("limits.connections", 1, true))
  end)

  it("too small is told with the numbers, at the start, at a reload and by doctor", function()
    local path = moonport:directory():write("test.lua", limited(3000))
    local prefix = { "prlimit", "--nofile=64:3000" }
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "--no-watch", path },
      { prefix = prefix, control = true })
    server:allow_log("^limits%.connections of all scripts add up to")
    server:wait_for("^limits%.connections of all scripts add up to 3000, and this process may " ..
      "have 3000 descriptors, some 50 .*: what comes beyond waits; raise the hard limit to 3050 " ..
      "%(ulimit %-n, LimitNOFILE=, %-%-ulimit nofile=%), or lower limits%.connections$")
    local file = assert(io.open(path, "w"))
    file:write(limited(4000))
    file:close()
    assert.equal(0, ask(moonport, server, "reload").code)
    server:wait_for("add up to 4000.*raise the hard limit to 4050")
    local told = moonport:run({ "doctor", path }, { prefix = prefix }).stdout
    assert.matches("3000 descriptors are fewer than limits.connections = 4000 need", told)
    file = assert(io.open(path, "w"))
    file:write(limited(2950))
    file:close()
    told = moonport:run({ "doctor", path }, { prefix = prefix }).stdout
    assert.matches("3000 descriptors are enough for limits.connections = 2950", told)
  end)
end)
