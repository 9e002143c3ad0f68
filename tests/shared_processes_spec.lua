-- shared_processes_spec.lua — moonport.shared between processes: exact, whole after a kill, and
-- no wait without an end.
--
-- MOONPORT_TORTURE_KILLS=1000 kills a writer so often; the short form is for every day.

local loop = require "tests.support.loop"
local program = require "tests.support.program"
local rig = require "tests.support.rig"
local server_support = require "tests.support.server"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local KILLS = tonumber(os.getenv("MOONPORT_TORTURE_KILLS")) or 25
local COUNT = tonumber(os.getenv("MOONPORT_TORTURE_KILLS")) and 100000 or 20000

local prelude = [[
  local shared = require "moonport.shared"
  local store, code, detail = shared.open("spec", { size = "1M", path = arg[1] })
  if not store then print(code, detail) os.exit(1) end
]]

-- A server that does what lines say.
local obeying = [[
  local shared = require "moonport.shared"
  local store = assert(shared.open("spec", { size = "1M", path = %s }))
  return { listen = "tcp://127.0.0.1:0", frame = "line", limits = { cpu_ms = 60000 },
    on_message = function(conn, line)
      local call, key, value = line:match("^(%%S+) ?(%%S*) ?(%%S*)$")
      if call == "hold" then
        return store:transaction(function() conn:send_message("held") while true do end end)
      end
      local given = math.tointeger(value) or value ~= "" and value or nil
      local results = table.pack(store[call](store, key, given))
      for index = 1, results.n do results[index] = tostring(results[index]) end
      conn:send_message(table.concat(results, " "))
    end,
  }
]]

local function own_directories()
  local names = {}
  for name in shell.run({ "ls", "/dev/shm" }).stdout:gmatch("moonport%-%S+") do
    names[#names + 1] = name
  end
  return names
end

supports.describe("LMDB", "A store of several processes", function()
  local moonport = rig.new()

  local function run(code, path, ...)
    return moonport:spawn({ server_support.program, "run", "-e", prelude .. code, path, ... })
  end

  local function finish(child)
    assert.equal(0, child:wait(), child:stderr())
    server_support.assert_no_report(child:stderr())
    return child:stdout()
  end

  it("counts exactly what two writers count", function()
    local path = moonport:directory():join("store")
    local code = ("for _ = 1, %d do assert(store:incr('n')) end"):format(COUNT)
    local one, other = run(code, path), run(code, path)
    finish(one)
    finish(other)
    assert.equal(2 * COUNT .. "\n", finish(run("print(store:get('n'))", path)))
  end)

  -- Each writer looks first at what the one before left. A witness goes on all the time: it has the
  -- lock next when a writer died with it.
  it("is whole whenever a writer is killed", function()
    local path = moonport:directory():join("store")
    local check = [[
      local function check()
        store:transaction(function()
          local sum = 0
          for index = 1, 50 do sum = sum + (store:get("part" .. index) or 0) end
          assert(sum == (store:get("sum") or 0), "half of a transaction")
          local a, b = store:get("a") or "", store:get("b") or ""
          assert(a == b, "half of a pair")
        end)
      end
      local function write()
        assert(store:transaction(function()
          assert(store:incr("part" .. math.random(50))) assert(store:incr("sum"))
        end))
        local text = string.char(math.random(65, 90)):rep(math.random(5000))
        assert(store:transaction(function() store:set("a", text, 60) store:set("b", text) end))
      end
    ]]
    local witness = run(check .. [[
      while not store:get("enough") do check() write() end
      print("fine")
    ]], path)
    for _ = 1, KILLS do
      local writer = run(check .. [[
        check() print("whole") io.stdout:flush()
        while true do write() end
      ]], path)
      loop.wait_until("a writer that writes", function()
        return writer:stdout() ~= "" or writer:has_ended()
      end)
      assert.equal("whole\n", writer:stdout(), writer:stderr())
      writer:signal("sigkill")
      writer:wait()
      writer:release()
    end
    finish(run("assert(store:set('enough', true))", path))
    assert.equal("fine\n", finish(witness))
  end)

  it("tells who keeps the lock, waits for a bounded time, and reads meanwhile", function()
    local path = moonport:directory():join("store")
    local holder = run([[
      store:set("n", 1)
      store:transaction(function()
        store:set("n", 2) print("held") io.stdout:flush()
        while true do end
      end)
    ]], path)
    loop.wait_until("the lock", function() return holder:stdout() ~= "" end)
    holder:signal("sigstop") -- it will not go on by itself
    local pid = holder.pid
    local told = program.lines(moonport, [[
      local store = assert(require("moonport.shared").open("spec", { size = "1M", path = arg[1] }))
      local function timed(f, ...)
        local since = timer.now()
        print(f(...))
        return timer.now() - since
      end
      local first = timed(store.set, store, "n", 3)
      local rest = 0
      for _ = 1, 100 do rest = rest + timed(store.incr, store, "n") end
      print(first < 20, rest < first * 100, store:get("n"), store:ttl("n"), #store:keys())
      print(store:transaction(print))
    ]], { args = { path } })
    local busy = ('^nil\tbusy\tprocess %d has had the lock of "spec" for longer than 250 ms')
      :format(pid)
    for index = 1, 101 do assert.matches(busy, told[index]) end
    assert.equal("true\ttrue\t1\tinf\t1", told[102])
    assert.matches(busy, told[103])
    holder:signal("sigkill")
    holder:wait()
    assert.equal("2\n", finish(run("print(store:incr('n'))", path)))
  end)

  it("has one size and one way for all that have it open", function()
    local path = moonport:directory():join("store")
    local server = moonport:start(obeying:format(("%q"):format(path)))
    local told = program.lines(moonport, [[
      local shared = require "moonport.shared"
      local function refused(options)
        options.path = arg[1]
        print((select(2, pcall(shared.open, "spec", options)):gsub("^.-%d: ", "")))
      end
      refused { size = "2M" }
      refused { size = "1M", evict = true }
      print(shared.open("spec", { size = "1M", path = arg[1] }):set("k", "seen"))
    ]], { args = { path } })
    assert.same({
      'shared.open: the store "spec" is open with a size of 1.0 MiB, and cannot have 2.0 MiB, ' ..
        "too",
      'shared.open: the store "spec" was made with evict = false, and stays so', "true" }, told)
    local peer = server:connect()
    peer:send("get k\n")
    assert.equal("seen", peer:receive_line())
    peer:close()
  end)

  it("says that there is no room, where a page without memory would have killed it", function()
    local directory = moonport:directory()
    local mount = directory:make("mount")
    local unshare = shell.unshare("m")
    local made = shell.run(shell.words(unshare, "mount", "-t", "tmpfs", "t", mount))
    if made.code ~= 0 then return pending("no mounts here: " .. made.stderr) end
    local code = prelude:gsub("os.exit%(1%)", "os.exit(0)")
    local script = ([[
      mount -t tmpfs -o size=300k t "$1" && "$0" run -e "$2" "$1/store" && ls "$1" &&
      dd if=/dev/zero of="$1/fill" bs=1k count=300 2>/dev/null
      "$0" run -e "$2" "$1/store"
    ]])
    local result = shell.run(shell.words(unshare, "sh", "-c", script, server_support.program,
      mount, code))
    assert.equal(0, result.code, result.stderr)
    local refusal = "ENOSPC\t" .. mount .. "/store: there is no room for 1.0 MiB: make some, or " ..
      "give a smaller size or another path\n"
    assert.equal(refusal .. refusal, result.stdout)
  end)

  describe("of workers", function()
    local function start(options)
      local directory = moonport:directory()
      directory:write("a.lua", obeying:format("nil"))
      directory:write("b.lua", obeying:format("nil"))
      local server = moonport:serve({ "--workers", "2", directory.path }, options)
      server:wait_addresses(2)
      local peers = {}
      for index = 1, 2 do
        peers[index] = server:connect({ address = server:address(index) })
        peers[index].ask = function(_, line)
          peers[index]:send(line .. "\n")
          return peers[index]:receive_line()
        end
      end
      return server, peers[1], peers[2]
    end

    it("is seen by all of them, and gone when the server ends", function()
      local server, one, other = start()
      local pid = server.process.pid
      assert.equal("1", one:ask("incr n"))
      assert.equal("2", other:ask("incr n"))
      assert.equal("true", other:ask("set k text"))
      assert.equal("text", one:ask("get k"))
      assert.matches(" moonport%-" .. pid .. "%-", " " .. table.concat(own_directories(), " "))
      server:stop()
      assert.not_matches(" moonport%-" .. pid .. "%-", " " .. table.concat(own_directories(), " "))
    end)

    local function workers_of(server)
      local pids = {}
      for pid in shell.run({ "pgrep", "-P", tostring(server.process.pid) }).stdout:gmatch("%d+") do
        pids[#pids + 1] = pid
      end
      return pids
    end

    it("is there for workers that are started again", function()
      local server, one, other = start()
      assert.equal("1", one:ask("incr n"))
      server:allow_log("ended with SIGKILL")
      shell.run({ "kill", "-9", table.unpack(workers_of(server)) })
      assert.has_error(function() one:receive_line() end)
      assert.has_error(function() other:receive_line() end)
      local again = server:connect({ address = server:address(1) })
      again:send("incr n\n")
      assert.equal("2", again:receive_line())
      -- Not to be told to end before they serve.
      for worker = 1, 2 do server:wait_for(("worker %d %%(.*serves again"):format(worker)) end
    end)

    it("leaves nothing behind when all of it is killed, once there is a next one", function()
      local server = start()
      local pid = server.process.pid
      shell.run({ "kill", "-9", tostring(pid), table.unpack(workers_of(server)) })
      server.stopped = true
      server:close_clients()
      server:wait()
      assert.matches(" moonport%-" .. pid .. "%-", " " .. table.concat(own_directories(), " "))
      start()
      assert.not_matches(" moonport%-" .. pid .. "%-", " " .. table.concat(own_directories(), " "))
    end)
  end)
end)
