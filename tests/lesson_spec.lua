-- lesson_spec.lua — moonport lesson: the list, a text, the script to finish, the verdict; and
-- scripts that do what no learner's should — not whether the lessons are right (lessons_spec.lua).

local read_file = require "tests.support.read_file"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local terminal = require "tests.support.terminal"
local uv = require "luv"

local NOT_YET, WRONG_LINE = 1, 2
local AT_ONCE = 4 -- judges of scripts that take all they can get
local CALLS, STREAM = "01_calls", "03_stream"

-- The command lines of all processes in which `word` stands.
local function processes_with(word)
  local found = {}
  for name in uv.fs_scandir_next, uv.fs_scandir("/proc") do
    local file = name:find("^%d+$") and io.open("/proc/" .. name .. "/cmdline")
    local line = file and file:read("a")
    if file then file:close() end
    if line and line:find(word, 1, true) then found[#found + 1] = line:gsub("%z", " ") end
  end
  return found
end

describe("moonport lesson", function()
  local moonport = rig.new()

  local function lesson(args, options)
    table.insert(args, 1, "lesson")
    return moonport:run(args, options)
  end

  it("lists the lessons, each with its title and its summary", function()
    local result = lesson({})
    assert.equal(0, result.code)
    assert.truthy(result.stdout:find("\n  3  stream          A stream is not messages\n", 1, true))
    assert.truthy(result.stdout:find("\n 12  ", 1, true), "all twelve")
    local korean = lesson({ "--lang", "ko" })
    assert.truthy(korean.stdout:find("\n  3  stream          스트림은 메시지가 아니에요\n", 1, true))
  end)

  it("speaks the language of the environment, unless told another one", function()
    local function title(env, ...) return lesson({ ... }, { env = env }).stdout end
    assert.truthy(title({ LC_ALL = false, LANG = "ko_KR.UTF-8" }):find("수업 목록", 1, true))
    assert.truthy(title({ LC_ALL = "C.UTF-8", LANG = "ko_KR.UTF-8" }):find("Lessons.", 1, true))
    assert.truthy(title({ LC_ALL = "ko" }, "--lang", "en"):find("Lessons.", 1, true))
    assert.truthy(title({ LC_ALL = "kok_IN" }):find("Lessons.", 1, true))
  end)

  it("shows a lesson and puts the script to finish there, but never over a file", function()
    local folder = moonport:directory()
    local result = lesson({ "3" }, { cwd = folder.path })
    assert.equal(0, result.code)
    assert.equal("A stream is not messages\n", result.stdout:match("^[^\n]*\n"))
    assert.truthy(result.stdout:find("\nlesson-03.lua is the script to finish.\n", 1, true))
    local last = "\n  moonport lesson 3 --check lesson-03.lua\n"
    assert.equal(last, result.stdout:sub(-#last))
    assert.equal(read_file("lua/lessons/03_stream/start.lua"),
      read_file(folder:join("lesson-03.lua")))
    folder:write("lesson-03.lua", "mine")
    for _, name in ipairs { "stream", "03_stream", "03" } do
      result = lesson({ name }, { cwd = folder.path })
      assert.truthy(result.stdout:find("lesson-03.lua is there already, and stays", 1, true))
    end
    assert.equal("mine", read_file(folder:join("lesson-03.lua")))
  end)

  it("says which command lines are none", function()
    local function assert_refused(words, sentence)
      local result = lesson(words)
      assert.equal(WRONG_LINE, result.code)
      assert.truthy(result.stderr:find(sentence, 1, true), result.stderr)
    end
    assert_refused({ "99" }, 'there is no lesson "99": moonport lesson lists them')
    assert_refused({ "./nowhere" }, "./nowhere is no lesson: a folder with check.lua is one")
    assert_refused({ "--check", "x.lua" }, "name the lesson: moonport lesson 3 --check FILE")
    assert_refused({ "3", "--json" }, "--json is for --check FILE")
    assert_refused({ "3", "--lang", "fr" }, "--lang")
    assert_refused({ "3", "4" }, "4")
  end)

  it("tells people which check fails first and why, and graders all of them", function()
    local start = "lua/lessons/03_stream/start.lua"
    local result = lesson({ "3", "--check", start })
    assert.equal(NOT_YET, result.code)
    assert.truthy(result.stdout:find("  ok  a line that comes whole is answered", 1, true))
    assert.truthy(result.stdout:find("  no  a line that comes in two pieces", 1, true))
    local _, hints = result.stdout:gsub("What happened:", "")
    assert.equal(1, hints)
    assert.truthy(result.stdout:find('client 1 sends 3 bytes "hel"\n', 1, true))
    assert.truthy(result.stdout:find("Not yet: 3 of 8 checks passed.", 1, true))
    result = lesson({ "3", "--check", start, "--json" })
    assert.equal(NOT_YET, result.code)
    assert.matches('^{"checks":%[{"name":"your file is a Lua script","passed":true,"steps":%[%]},',
      result.stdout)
    assert.matches('"lesson":"03_stream","passed":false,"seconds":[%d.]+}\n$', result.stdout)
    result = lesson({ "3", "--check", "tests/lessons/03_stream/answer.lua" })
    assert.equal(0, result.code)
    assert.truthy(result.stdout:find("\nPassed. Next: moonport lesson 4\n$"))
  end)

  it("judges by a folder of somebody's own, too", function()
    local folder = moonport:directory()
    folder:write("check.lua", [[
      local function greets(judge)
        local told = judge:connect(judge:serve()):read_line()
        judge:expect(told == "hello", "other", judge:shown(told))
      end
      return {
        hints = { other = { en = "It says %s.", ko = "%s" } },
        checks = { { en = "it greets", ko = "인사합니다", judge = greets } },
      }
    ]])
    folder:write("start.lua", "return { on_open = function(conn) conn:send('hi\\n') end }")
    local result = lesson({ folder.path .. "/", "--check", folder:join("start.lua") })
    assert.equal(NOT_YET, result.code)
    assert.truthy(result.stdout:find('It says "hi".', 1, true), result.stdout)
  end)

  -- What a script does, in which lesson, and what is said of it; or else, as time will have it. By
  -- its name: only the first check, where all would keep the processor busy in the same way.
  local hostile = {
    { 3, "while true do end", "used more than limits.cpu_ms", "did not listen within" },
    { 3, "require('moonport.timer').sleep(100)", "An error was raised" },
    { 3, "local all = ('x'):rep(1000000):rep(300)", "not enough memory" },
    { STREAM, "return { limits = { cpu_ms = 0 }, on_data = function() while true do end end }",
      "keeps the processor busy" },
    { STREAM, "return { on_data = function() while true do end end }",
      "used more than limits.cpu_ms", "keeps the processor busy" },
    { 3, "os.exit(0)", "An error was raised" },
    { 3, "return { on_data = function() assert(os.execute('sleep 12321 &')) end }",
      "not allowed here" },
    { 3, "hello world", "This is not Lua yet" },
    { 3, "\27Lua", "This is not Lua yet" },
    { 3, "return 42", "An error was raised" },
    { 3, "return { on_open = function(conn) conn:reset() end }", "No answer came at all",
      "took no connection: ECONNRESET" },
    { CALLS, "while true do end", "Nobody could connect" },
    { 1, "while true do print(('x'):rep(1000)) end", "printed more than 256 KB" },
    { CALLS, "local all = ('x'):rep(1000000):rep(600) require('moonport.timer').sleep(1000)",
      "MB of memory, and was stopped", "Nobody could connect" },
    { 1, "os.exit(7)", "Nobody could connect" },
    { CALLS, "assert(os.execute('sleep 12321 &'))", "not allowed here" },
    { CALLS, "require('moonport.timer').sleep(1000)", "Nobody could connect" },
    { CALLS, "assert(require('moonport.socket').connect('192.0.2.1:80'))", "EACCES" },
  }

  -- The lesson to judge by: of a name, a folder with the first check of that lesson.
  local function judged_by(which)
    if type(which) == "number" then return tostring(which) end
    local folder = moonport:directory()
    folder:write("check.lua", ([[
      local plan = dofile("lua/lessons/%s/check.lua")
      plan.checks = { plan.checks[1] }
      return plan
    ]]):format(which))
    return folder.path
  end

  it("is not impressed by what a script may do, and leaves nothing behind", function()
    local folder = moonport:directory()
    local running = {}
    for index = 1, #hostile + AT_ONCE do
      local judged, case = running[index - AT_ONCE], hostile[index - AT_ONCE]
      if judged then
        local code, told = judged:wait(), judged:stdout()
        server.assert_no_report(judged:stderr())
        assert.equal(NOT_YET, code, case[2] .. "\n" .. told)
        local is_told = told:find(case[3], 1, true) or case[4] and told:find(case[4], 1, true)
        assert.truthy(is_told, case[2] .. "\n" .. told)
      end
      if hostile[index] then
        local path = folder:write(("hostile_%d.lua"):format(index), hostile[index][2])
        running[index] = moonport:spawn({ server.program, "lesson",
          judged_by(hostile[index][1]), "--check", path })
      end
    end
    assert.same({}, processes_with(folder.path))
    assert.same({}, processes_with("sleep\0" .. "12321"))
  end)

  it("says what is no script at all", function()
    local folder = moonport:directory()
    os.execute("mkfifo " .. folder:join("pipe"))
    folder:write("large.lua", ("-- x\n"):rep(300000))
    for path, sentence in pairs { ["nowhere.lua"] = "no such file", [""] = "directory",
      pipe = "cannot be read", ["large.lua"] = "larger than 1 MiB" } do
      local result = lesson({ "3", "--check", folder:join(path) })
      assert.equal(NOT_YET, result.code)
      assert.truthy(result.stdout:find(sentence, 1, true), result.stdout)
    end
  end)

  it("ends with what it started at Ctrl-C", function()
    local folder = moonport:directory()
    local path = folder:write("waits.lua", "require('moonport.timer').sleep(1000)")
    local screen = terminal.start_moonport(moonport, { "lesson", "1", "--check", path })
    require("tests.support.loop").eventually("the script to run", function()
      return #processes_with("--\0" .. path) > 0
    end)
    screen:press("C-c")
    screen:wait_end()
    require("tests.support.loop").eventually("the script to end", function()
      return #processes_with(path) == 0
    end)
  end)

  -- A script that loops without a budget ran on for ever when its judge had been killed.
  it("leaves nothing behind when it is killed", function()
    local path = moonport:directory():write("loops.lua",
      "return { limits = { cpu_ms = 0 }, on_data = print, " ..
      "on_load = function() while true do end end }")
    local judge = moonport:spawn({ server.program, "lesson", "3", "--check", path })
    require("tests.support.loop").eventually("the script to run", function()
      return #processes_with("--\0" .. path) > 0
    end)
    judge:signal("sigkill")
    require("tests.support.loop").eventually("the script to end", function()
      return #processes_with(path) == 0
    end)
  end)

  -- As a learner does it, from start to end.
  it("leads through a lesson in a terminal", function()
    local folder = moonport:directory()
    local screen = terminal.start(moonport, { "sh", "-c", ('cd "%s" && exec sh'):format(
      folder.path) }, { PS1 = "> ", ENV = "", moonport = server.program, MOONPORT_CONTROL = "off" })
    screen:enter("$moonport lesson 4")
    screen:wait_for("moonport lesson 4 --check lesson-04.lua")
    screen:enter("clear; $moonport lesson 4 --check lesson-04.lua")
    screen:wait_for("Your script still waits for a")
    screen:enter([[clear; sed -i 's/"line"/{ length = "u16be" }/' lesson-04.lua]])
    screen:enter("$moonport lesson 4 --check lesson-04.lua")
    screen:wait_for("Passed. Next: moonport lesson 5")
    screen:enter("clear; $moonport lesson 5 --lang ko")
    screen:wait_for("스크립트를 고친 다음 검사하세요:")
  end)
end)
