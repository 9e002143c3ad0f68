-- reload_trial_spec.lua — what never comes to its end while it is loaded ends no server: a change
-- is tried in a process of its own first — not what a good change does (reload_spec).

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"

local GOOD = [[return { on_data = function(conn, data) conn:send(%q .. data) end }]]

local LIMITED = "return { limits = { %s }, on_data = function(conn) conn:send 'a1' end }"

local function answering(name, before)
  return (before or "") .. "\n" .. GOOD:format(name)
end

-- None of these can be ended by a hook, and each says where it is.
local endless = {
  ["a loop in a finalizer"] = {
    "setmetatable({}, { __gc = function()\nwhile true do end\nend })\ncollectgarbage()",
    "; it was at /" }, -- and the line of the function: a loop without calls notes no other
  ["a message handler that loops"] = {
    "xpcall(error, function()\nwhile true do pcall(error) end\nend)", nil },
  ["a pattern that backtracks"] = {
    "\n(('a'):rep(60)):find(('a?'):rep(60) .. ('a'):rep(60) .. 'b')",
    "test.lua:2, in the C function find" },
  ["a table.move over 2^60"] = {
    "\n\ntable.move({}, 1, 2^60|0, 2)", "test.lua:3, in the C function move" },
  ["a program that sleeps"] = {
    "os.execute('sleep 1000')", "test.lua:1, in the C function execute" },
  ["a read of standard input"] = {
    "local line = io.read()", "test.lua:1, in the C function read" },
}

describe("a change that never comes to its end", function()
  local moonport = rig.new()

  local function children_of(server)
    local file = io.open(("/proc/%d/task/%d/children"):format(server.process.pid,
      server.process.pid))
    local text = file and file:read("a") or ""
    if file then file:close() end
    return text
  end

  -- A zombie whom nobody waits for is not.
  local function is_alive(pid)
    local file = io.open("/proc/" .. pid .. "/stat")
    local text = file and file:read("a") or ""
    if file then file:close() end
    return not text:find("%) Z ") and text ~= ""
  end

  for name, case in pairs(endless) do
    it("is refused, and the old version serves meanwhile: " .. name, function()
      -- Its input is a pipe on which nothing comes: reading it waits for ever, as on a terminal.
      local pipe = moonport:directory():join("pipe")
      local at = reloading.start(moonport, answering("a"), {
        env = { MOONPORT_TRIAL = "1" },
        prefix = { "sh", "-c", [[mkfifo "$0" && exec "$@" <> "$0"]], pipe },
      })
      local peer = at.server:connect()
      reloading.ask(peer, "1", "a1")
      at.folder:write("test.lua", answering("b", case[1]))
      local other = control.connect(at.server)
      at.server.clients[#at.server.clients + 1] = other
      at.asked:send("reload\n")
      loop.eventually("a trial", function() return children_of(at.server) ~= "" end)
      reloading.ask(peer, "2", "a2")
      assert.is_true(select(2, control.ask(other, "ping")).ok)
      local lines, last = control.receive(at.asked)
      at.server:allow_log("not reloaded: version 1 stays in force")
      local record = at.server:expect_log("test.lua: loading it ")
      assert.is_false(last.ok)
      assert.equal("failed", lines[1].outcome)
      assert.equal(1, lines[1].version)
      assert.matches("test.lua: loading it takes longer than --trial 1 s", lines[1].error, 1, true)
      if case[2] then assert.truthy(lines[1].error:find(case[2], 1, true), lines[1].error) end
      assert.equal(lines[1].error, record.message)
      assert.equal(lines[1].error, at:status().reload_error.message)
      loop.eventually("no child to be left", function() return children_of(at.server) == "" end)
      reloading.ask(peer, "3", "a3")
      at:reload(answering("c"))
      reloading.ask(peer, "4", "c4")
    end)
  end

  it("is refused when it ends the process that tries it, as a C function may", function()
    -- AddressSanitizer would make an exit of it.
    local at = reloading.start(moonport, answering("a"),
      { env = { MOONPORT_UNSAFE = "1", ASAN_OPTIONS = "handle_segv=0" } })
    at.server:allow_log("not reloaded: version 1 stays in force")
    at.folder:write("test.lua", answering("b", "os.execute('kill -SEGV $PPID')"))
    local lines, last = control.ask(at.asked, "reload")
    assert.is_false(last.ok)
    assert.truthy(lines[1].error:find("ended the process that tried it by signal 11", 1, true),
      lines[1].error)
    at.server:expect_log("by signal 11")
    reloading.ask(at.server:connect(), "1", "a1")
  end)

  -- One load less for everybody, and the loop is not held up: it was loaded once more only to meet
  -- the same end.
  local limited = {
    ["limits.cpu_ms"] = { limits = "cpu_ms = 200", before = "while true do end",
      message = "/test%.lua:2: used more than limits%.cpu_ms = 200 of processor time$" },
    ["limits.memory"] = { limits = "memory = '4M'",
      before = "local list = {} for i = 1, 1e7 do list[i] = i end",
      message = "/test%.lua: not enough memory$" },
  }
  for name, case in pairs(limited) do
    it("is refused by its trial when that meets " .. name .. ", and loaded no more", function()
      local at = reloading.start(moonport, LIMITED:format(case.limits))
      local mark = at.folder:join("mark")
      at.server:allow_log("not reloaded: version 1 stays in force")
      local marking = ("local f <close> = io.open(%q, 'a') f:write('x')\n"):format(mark)
      at.folder:write("test.lua", answering("b", marking .. case.before))
      local lines, last = control.ask(at.asked, "reload")
      assert.is_false(last.ok)
      assert.matches(case.message, lines[1].error)
      local record = at.server:expect_log(case.message)
      assert.matches("^stack traceback:.*test%.lua:2: in main chunk", record.traceback)
      local file <close> = io.open(mark)
      assert.equal("x", file:read("a"))
      reloading.ask(at.server:connect(), "1", "a1")
      at:reload(answering("c"))
    end)
  end

  it("is loaded once more when it raises, which may differ, and shows what it printed", function()
    local at = reloading.start(moonport, answering("a"))
    local mark = at.folder:join("mark")
    at.server:allow_log("not reloaded: version 1 stays in force")
    at.folder:write("test.lua", answering("b", ([[
      local file = io.open(%q, "r")
      if not file then io.open(%q, "w"):close() print("> not yet") os.exit(1) end
      print("> again")]]):format(mark, mark)))
    at.version = at.version + 1
    assert.is_true(select(2, control.ask(at.asked, "reload")).ok)
    assert.same({ "again" }, at.server:wait_told("again"))
    reloading.ask(at.server:connect(), "1", "b1")
  end)

  it("costs the scripts beside it only time, and is seen when a file of it is mended", function()
    local folder = moonport:directory()
    folder:write("good.lua", answering("a"):gsub("return {", 'return { listen = "127.0.0.1:0",'))
    folder:write("bad.lua", answering("a"):gsub("return {", 'return { listen = "127.0.0.1:0",'))
    local server = moonport:serve({ folder.path }, { listeners = 2, control = true,
      env = { MOONPORT_TRIAL = "1" } })
    server:allow_log("not reloaded: version 1 stays in force")
    folder:make("lib") -- what is in there is no script
    folder:write("lib/slow.lua", "os.execute('sleep 1000')")
    folder:write("good.lua", answering("b"):gsub("return {", 'return { listen = "127.0.0.1:0",'))
    folder:write("bad.lua", answering("b", "require 'lib.slow'")
      :gsub("return {", 'return { listen = "127.0.0.1:0",'))
    server:expect_log("bad.lua: loading it takes longer")
    loop.eventually("the good one to be in force", function()
      for _, record in ipairs(server.log) do
        if record.script == "good.lua" and record.message:find("version 2 is in force") then
          return true
        end
      end
    end)
    folder:write("lib/slow.lua", "return true")
    loop.eventually("the mended one to be in force", function()
      for _, record in ipairs(server.log) do
        if record.script == "bad.lua" and record.message:find("version 2 is in force") then
          return true
        end
      end
    end)
  end)

  it("is given up with its child when the server is told to end, and who asked is told", function()
    local at = reloading.start(moonport, answering("a"), { env = { MOONPORT_TRIAL = "60" } })
    local started = at.folder:join("started")
    at.folder:write("test.lua", answering("b",
      ("os.execute('echo $$ > %s; sleep 1000')"):format(started)))
    at.asked:send("reload\n")
    local grandchild
    loop.eventually("a trial that has started another", function()
      local file = io.open(started)
      grandchild = file and file:read("n")
      if file then file:close() end
      return grandchild
    end)
    local child = children_of(at.server):match("%d+")
    local peer = at.server:connect()
    at.server:signal("sigterm")
    local _, last = control.receive(at.asked)
    assert.is_false(last.ok)
    assert.truthy(last.error:find("accepts no more changes", 1, true))
    loop.eventually("no child to be left", function() return children_of(at.server) == "" end)
    assert.is_false(is_alive(child))
    loop.eventually("its own child to be gone", function() return not is_alive(grandchild) end)
    peer:close()
  end)

  -- Nobody is left to end it then.
  it("is given up when the server is killed", function()
    local at = reloading.start(moonport, answering("a"), { env = { MOONPORT_TRIAL = "60" } })
    at.folder:write("test.lua", answering("b", endless["a loop in a finalizer"][1]))
    at.asked:send("reload\n")
    loop.eventually("a trial", function() return children_of(at.server) ~= "" end)
    local child = children_of(at.server):match("%d+")
    at.server:kill()
    loop.eventually("no child to be left", function() return not is_alive(child) end)
  end)

  it("shows what the top level prints once, and leaves nothing of the trial in the log", function()
    local at = reloading.start(moonport, answering("a"))
    at:reload(answering("b", "print('> loaded')"))
    assert.same({ "loaded" }, at.server:wait_told("loaded"))
    at.server:allow_log("oops")
    at.server:allow_log("not reloaded")
    at.folder:write("test.lua", "error 'oops'")
    assert.is_false(select(2, control.ask(at.asked, "reload")).ok)
    local told = 0
    for _, record in ipairs(at.server.log) do
      if record.message:find("oops", 1, true) then told = told + 1 end
    end
    assert.equal(1, told)
  end)
end)
