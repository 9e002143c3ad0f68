-- shared_spec.lua — moonport.shared in one process: what each call does, and what it refuses.

local control = require "tests.support.control"
local program = require "tests.support.program"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local prelude = [[
  local shared = require "moonport.shared"
  local function show(...)
    local words = table.pack(...)
    for index = 1, words.n do words[index] = tostring(words[index]) end
    print(table.concat(words, " | "))
  end
  local function raised(...) show((select(2, pcall(...)):gsub("^[^:]*:%d+: ", ""))) end
]]

-- With a store of the least size.
local small = prelude .. [[
  local store = assert(shared.open("spec", { size = "1M" }))
]]

supports.describe("LMDB", "moonport.shared", function()
  local moonport = rig.new()

  local function lines(code, options) return program.lines(moonport, small .. code, options) end

  it("gives back strings, integers, floats and booleans as they are", function()
    assert.same({ "true", "a\0b\xff", "", "7 | integer", "7.0 | float", "-9223372036854775808",
      "true | false", "nil", "inf | true" }, lines([[
      show(store:set("s", "a\0b\xff")) show(store:get("s"))
      store:set("empty", "") show(store:get("empty"))
      store:set("i", 7) show(store:get("i"), math.type(store:get("i")))
      store:set("f", 7.0) show(store:get("f"), math.type(store:get("f")))
      store:set("min", math.mininteger) show(store:get("min"))
      store:set("t", true) store:set("no", false) show(store:get("t"), store:get("no"))
      show(store:get("nothing"))
      store:set("inf", math.huge) store:set("nan", 0/0)
      show(store:get("inf"), store:get("nan") ~= store:get("nan"))
    ]]))
  end)

  it("adds what is not there, replaces what is, and removes", function()
    assert.same({ "true", "nil | exists", "1", "nil | missing", "true", "2", "true", "false",
      "nil" }, lines([[
      show(store:add("k", 1)) show(store:add("k", 9)) show(store:get("k"))
      show(store:replace("other", 1)) show(store:replace("k", 2)) show(store:get("k"))
      show(store:delete("k")) show(store:delete("k")) show(store:get("k"))
    ]]))
  end)

  it("counts, from nothing or from what is given, in integers as long as they are", function()
    assert.same({ "1", "3", "12", "2.5", "nil | type", "text", "nil | overflow", "-1" }, lines([[
      show(store:incr("n")) show(store:incr("n", 2)) show(store:incr("from", 2, 10))
      show(store:incr("from", -9.5))
      store:set("s", "text") show(store:incr("s")) show(store:get("s"))
      store:set("max", math.maxinteger) show(store:incr("max")) show(store:incr("less", -1))
    ]]))
  end)

  it("exchanges a value for the one that is expected", function()
    assert.same({ "true", "nil | changed", "true", "nil | changed", "true", "true", "nil", "true" },
      lines([[
      show(store:cas("k", nil, "a")) show(store:cas("k", nil, "b")) show(store:cas("k", "a", 1))
      show(store:cas("k", "1", 2)) show(store:cas("k", 1.0, false)) show(store:cas("k", false, nil))
      show(store:get("k")) show(store:cas("k", nil, nil))
    ]]))
  end)

  it("forgets what has expired, and nothing else", function()
    assert.same({ "inf", "nil", "true", "nil | nil | nil | missing", "true", "kept", "true", "inf",
      "true" }, lines([[
      store:set("stays", "kept") show(store:ttl("stays")) show(store:ttl("nothing"))
      store:set("goes", 1, 0.001) store:incr("counter", 1, 0, 3600)
      local left = store:ttl("counter") show(left > 3590 and left <= 3600)
      repeat until not store:get("goes")
      local _, code = store:replace("goes", 2)
      show(store:get("goes"), store:ttl("goes"), nil, code)
      show(store:add("goes", 3)) show(store:get("stays"))
      store:incr("counter", 5) show(store:ttl("counter") <= left)
      store:set("counter", 1) show(store:ttl("counter"))
      store:set("cas", 1, 3600) store:cas("cas", 1, 2) show(store:ttl("cas") <= 3600)
    ]]))
  end)

  it("lists keys by what they begin with, in order, and says whether there are more", function()
    assert.same({ "a b c c/1 c/2 | false", "c c/1 c/2 | false", "c/1 | true", " | false",
      "5000 | false | k00001 | k05000", "1000 | true" }, lines([[
      for _, key in ipairs { "c/2", "b", "c", "a", "c/1" } do store:set(key, 1) end
      local function list(...)
        local keys, more = store:keys(...)
        show(table.concat(keys, " "), more)
      end
      list() list("c") list("c/", 1) list("d")
      local many = assert(shared.open("many"))
      for index = 1, 5000 do many:set(("k%05d"):format(index), "") end
      local keys, more = many:keys("k", 5000)
      show(#keys, more, keys[1], keys[#keys])
      keys, more = many:keys()
      show(#keys, more)
    ]]))
  end)

  it("writes all of a transaction, or, when that raises, nothing", function()
    assert.same({ "3 | x", "1 | 2", "true", "nope | true", "1", "nil" }, lines([[
      show(store:transaction(function()
        store:set("a", 1) store:set("b", store:get("a") + 1)
        return store:get("a") + store:get("b"), "x"
      end))
      show(store:get("a"), store:get("b"))
      show(store:transaction(function() end))
      local fault = {}
      local ok, thrown = pcall(store.transaction, store, function()
        store:set("a", 100) store:set("new", 1) store:delete("b") error(fault)
      end)
      show(ok and "?" or "nope", thrown == fault)
      show(store:get("a")) show(store:get("new"))
    ]]))
  end)

  it("refuses to wait in a transaction, and to begin another one there", function()
    assert.same({
      "cannot wait here: this is a transaction of moonport.shared, and others wait for its end",
      "a transaction of this store is under way already",
      "attempt to yield across a C-call boundary", "nil", "true" }, lines([[
      raised(store.transaction, store, function() store:set("k", 1) timer.sleep(0) end)
      raised(store.transaction, store, function() store:transaction(print) end)
      local co = coroutine.wrap(function()
        store:transaction(function() store:set("k", 1) coroutine.yield() end)
      end)
      raised(co)
      show(store:get("k")) show(store:set("k", 2))
      timer.sleep(0)
    ]]))
  end)

  it("says when it is full, keeps what it has, and has room again for what is removed", function()
    assert.same({ "full", "true", "true", "nil | full", "nil | full", "1", "true" }, lines([[
      local count, ok, code = 0, nil, nil
      repeat
        count = count + 1
        ok, code = store:set("key" .. count, ("x"):rep(100))
      until not ok
      show(code)
      for index = 1, count - 1 do assert(store:get("key" .. index) == ("x"):rep(100)) end
      show(count > 3000) show(store:get("key" .. count) == nil)
      show(store:set("huge", ("x"):rep(1000000)))
      show(store:transaction(function()
        store:set("key1", 1) store:set("huge", ("x"):rep(1000000)) return 5
      end))
      store:set("key1", 1) show(store:get("key1"))
      for index = 1, count do store:delete("key" .. index) end
      local again = 0
      for index = 1, count - 1 do
        if store:set("b" .. index, ("x"):rep(100)) then again = again + 1 end
      end
      show(again > count * 3 // 4)
    ]]))
  end)

  it("when it is full, has the room of what has expired", function()
    assert.same({ "full", "true" }, lines([[
      local count, ok, code = 0, nil, nil
      repeat
        count = count + 1
        ok, code = store:set("key" .. count, ("x"):rep(100), 2)
      until not ok
      show(code)
      repeat until not store:get("key" .. count - 1)
      show(store:set("next", ("x"):rep(1000)))
    ]]))
  end)

  it("evicts what was set first where that is asked for, and only then", function()
    assert.same({ "true | true | nil", "true", "true", "true" }, program.lines(moonport, prelude ..
      [[
      local store = assert(shared.open("spec", { size = "1M", evict = true }))
      for index = 1, 20000 do assert(store:set("key" .. index, ("x"):rep(index % 200))) end
      local keys = store:keys("", 20000)
      local oldest = 20000
      for _, key in ipairs(keys) do oldest = math.min(oldest, tonumber(key:sub(4))) end
      -- What was set last is there without a gap.
      show(#keys > 2000, oldest == 20001 - #keys, store:get("key1"))
      for _ = 1, 3000 do
        store:incr("hot")
        assert(store:set("cold" .. math.random(1 << 40), ("x"):rep(100)))
      end
      show(store:get("hot") == 3000)
      for index = 1, 500 do assert(store:set("large" .. index, ("x"):rep(index * 60))) end
      show(#store:get("large500") == 30000)
      assert(store:set("short", 1, 0.001)) assert(store:set("long", ("x"):rep(60000)))
      show(#store:keys() >= 1)
    ]]))
  end)

  it("refuses, at the author's line, what cannot be meant", function()
    local name_refusal = "shared.open: a name has 1 to 64 letters, digits, '_', '-' and '.', " ..
      "and begins with a letter, a digit or '_'"
    assert.same({
      "bad argument #1 to 'open' (string expected, got no value)",
      name_refusal, name_refusal,
      "shared.open: unknown option 'siz' (known: evict, path, size)",
      [[shared.open: option 'size' must be bytes, "1M" to "64G", not 1K]],
      "shared.open: option 'evict' must be true or false",
      "shared.open: option 'path' must be that of a file",
      'shared.open: the store "spec" is open with size = 1048576, and cannot have 2097152, too; ' ..
        "it keeps its size until the server ends",
      'shared.open: the store "spec" is open with evict = false',
      "a key has 1 to 500 bytes, this one has 501", "a key has 1 to 500 bytes, this one has 0",
      "string expected, got number", "string, number or boolean expected, got table",
      "string, number or boolean expected, got no value",
      "a time to live is more than 0 and at most 1e9 seconds",
      "a time to live is more than 0 and at most 1e9 seconds",
      "it takes four arguments, and this number would be dropped",
      "must be 1 to 1000000 keys", "number expected, got string" }, lines([[
      local function why(f, ...)
        local message = select(2, pcall(f, ...)):gsub("^[^:]*:%d+: ", "")
        show((message:gsub("^bad argument #%d to '%?' %((.*)%)$", "%1")))
      end
      why(shared.open) why(shared.open, "../x") why(shared.open, ("x"):rep(65))
      why(shared.open, "b", { siz = 1 }) why(shared.open, "b", { size = "1K" })
      why(shared.open, "b", { evict = 1 }) why(shared.open, "b", { path = "" })
      why(shared.open, "spec", { size = "2M" })
      why(shared.open, "spec", { size = "1M", evict = true })
      why(store.get, store, ("k"):rep(501)) why(store.get, store, "") why(store.get, store, 5)
      why(store.set, store, "k", {}) why(store.set, store, "k")
      why(store.set, store, "k", 1, 0) why(store.set, store, "k", 1, 1 / 0)
      why(store.set, store, "k", 1, 1, 1)
      why(store.keys, store, "", 0) why(store.incr, store, "n", "1")
    ]]))
  end)

  it("gives one store to all that open it by its name", function()
    assert.same({ "1", "nil", "nil | EMFILE | true" }, lines([[
      store:set("k", 1) show(shared.open("spec", { size = "1M" }):get("k"))
      show(shared.open("other"):get("k"))
      local opened, code, detail
      for index = 1, 100 do
        opened, code, detail = shared.open("s" .. index, { size = "1M" })
        if not opened then break end
      end
      show(opened, code, detail:find("64 stores are open", 1, true) ~= nil)
    ]]))
  end)

  it("keeps what is at a path, to the next start", function()
    local path = moonport:directory():join("store")
    local code = prelude .. [[
      local store = assert(shared.open("spec", { size = "1M", path = arg[1] }))
      show(store:incr("starts"), store:get("gone"), store:ttl("session"))
      store:set("gone", 1, 0.001)
      store:add("session", 1, 3600)
    ]]
    local first = program.lines(moonport, code, { args = { path } })
    assert.equal("1 | nil | nil", first[1])
    local second = program.lines(moonport, code, { args = { path } })
    assert.matches("^2 | nil | 3%d%d%d%.?%d*$", second[1])
    -- It may grow, and not shrink.
    local grown = program.lines(moonport, code:gsub('"1M"', '"2M"'), { args = { path } })
    assert.matches("^3 | nil | ", grown[1])
    local shrunk = prelude .. [[ raised(shared.open, "spec", { size = "1M", path = arg[1] }) ]]
    assert.matches("has 2%.0 MiB, and a store cannot be made smaller",
      program.lines(moonport, shrunk, { args = { path } })[1])
  end)

  it("says what is wrong with a file that is none of its own, and leaves it as it is", function()
    local directory = moonport:directory()
    local open = prelude .. [[
      show(shared.open("spec", { size = "1M", path = arg[1] }))
    ]]
    local function opened(name)
      local told = program.lines(moonport, open, { args = { directory:join(name) } })[1]
      return (told:gsub(directory.path:gsub("%p", "%%%0"), "DIR"))
    end
    local foreign = ("this is a text\n"):rep(10000)
    directory:write("text", foreign)
    assert.equal("nil | damaged | DIR/text is no store of moonport's: remove it, or give " ..
      "another path", opened("text"))
    local file <close> = assert(io.open(directory:join("text"), "rb"))
    assert.equal(foreign, file:read("a"))
    directory:write("short", "x")
    assert.matches("is no store of moonport's", opened("short"))
    directory:make("folder")
    assert.matches("^nil | EISDIR | ", opened("folder"))
    assert.matches("^nil | ENOENT | ", opened("nowhere/store"))
    -- One that was cut short in the midst of what it has.
    program.lines(moonport, prelude .. [[
      local store = assert(shared.open("spec", { size = "1M", path = arg[1] }))
      for index = 1, 2000 do store:set("k" .. index, ("x"):rep(100)) end
    ]], { args = { directory:join("cut") } })
    shell.run({ "truncate", "-s", "100K", directory:join("cut") })
    assert.equal("nil | damaged | DIR/cut is damaged: it was cut short: remove it, or give " ..
      "another path", opened("cut"))
    -- Its first pages, overwritten.
    program.lines(moonport, open, { args = { directory:join("head") } })
    shell.run({ "dd", "if=/dev/urandom", "of=" .. directory:join("head"), "bs=4096", "count=2",
      "conv=notrunc" })
    assert.matches("^nil | damaged | DIR/head is no store", opened("head"))
  end)

  it("tells of a crash of the machine, after which the file cannot be trusted", function()
    local path = moonport:directory():join("store")
    -- os.exit(): it is not closed, as when it is killed.
    local dropped = prelude .. [[
      local store, code, detail = shared.open("spec", { size = "1M", path = arg[1] })
      if not store then show(code, detail) os.exit(0) end
      show(store:incr("n")) io.stdout:flush() os.exit(0)
    ]]
    local function run() return program.lines(moonport, dropped, { args = { path } })[1] end
    assert.equal("1", run())
    assert.equal("2", run())
    -- The machine has another boot id.
    shell.run({ "dd", "if=/dev/zero", "of=" .. path .. "-gate", "bs=1", "seek=16", "count=36",
      "conv=notrunc" })
    assert.matches("^damaged | the machine went down while .*/store was open", run())
    assert(os.remove(path .. "-gate"))
    assert.equal("3", run())
  end)

  it("needs the grant of its path's directory, and none without a path", function()
    local directory = moonport:directory()
    local code = prelude .. [[
      show(shared.open("spec", { path = arg[1] }) ~= nil,
        select(2, shared.open("spec", { path = arg[1] })))
      show(shared.open("spec"):set("k", 1))
    ]]
    local function run(allow)
      local result = moonport:run({ "run", "--allow", allow, "-e", code, directory:join("store") })
      return result.stdout .. result.stderr
    end
    assert.equal("false | EACCES\ntrue\n", run("none"):gsub(" | shared%.open.-\n", "\n"), nil)
    assert.equal("true\ntrue\n", run("io=" .. directory.path))
  end)

  it("ends a transaction that used up its time, and takes back what it wrote", function()
    local server = moonport:start([[
      local store = assert(require("moonport.shared").open("spec"))
      store:set("n", 1)
      return {
        frame = "line", limits = { cpu_ms = 50 },
        on_message = function(conn, line)
          if line == "get" then return conn:send_message(tostring(store:get("n"))) end
          store:transaction(function() store:set("n", 2) while true do end end)
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("loop\n")
    peer:receive_all()
    server:expect_log("used more than limits.cpu_ms = 50")
    peer = server:connect()
    peer:send("get\n")
    assert.equal("1", peer:receive_line())
    peer:close()
  end)

  it("stays what it is over a reload, and is shown by status", function()
    local script = [[
      local store = assert(require("moonport.shared").open("hits", { size = "1M" }))
      store:set("version", VERSION) store:incr("loads")
      return { frame = "line", on_message = function(conn, line)
        conn:send_message(("%s %s"):format(store:get("version"), store:get("loads")))
      end }
    ]]
    local path = moonport:directory()
    local file = path:write("test.lua", (script:gsub("VERSION", "1")))
    local server = moonport:serve({ "--listen", "127.0.0.1:0", file }, { control = true })
    local peer = server:connect()
    peer:send("?\n")
    -- A trial loads it first, and what that wrote is for nobody.
    assert.equal("1 1", peer:receive_line())
    path:write("test.lua", (script:gsub("VERSION", "2")))
    control.ask_once(server, "reload")
    peer:send("?\n")
    assert.equal("2 2", peer:receive_line())
    peer:close()
    local status = control.ask_once(server, "status")
    local store = status[#status]
    assert.same({ "hits", 1048576, 2 }, { store.store, store.bytes_max, store.entries })
    assert.is_true(store.bytes > 0 and store.bytes < store.bytes_max)
  end)

  it("is checked without a trace, and empty for each script under test", function()
    local directory = moonport:directory()
    local script = directory:write("hits.lua", ([[
      local store = assert(require("moonport.shared").open("hits", { path = %q }))
      local other = assert(require("moonport.shared").open("other"))
      other:incr("loads")
      return { listen = 12345, frame = "line", on_message = function(conn, line)
        if line == "ttl" then other:set("short", 1, 60) end
        conn:send_message(tostring(other:get(line == "ttl" and "loads" or line)))
      end }
    ]]):format(directory:join("store")))
    local checked = moonport:run({ "check", script })
    assert.equal(0, checked.code, checked.stderr)
    assert.equal("hits.lua\n", shell.run({ "ls", directory.path }).stdout)
    assert.same({ "1", "1", "nil" }, program.lines(moonport, [[
      local test = require "moonport.test"
      for _ = 1, 2 do
        local script = test.load(arg[1])
        local peer = script:connect()
        peer:send("ttl\n")
        print(peer:read_line())
        script:advance(61)
        if _ == 2 then peer:send("short\n") print(peer:read_line()) end
        script:stop()
      end
    ]], { args = { script } }))
  end)
end)
