-- run_spec.lua — moonport run: a plain program's arguments, output, exit code and end — no socket's
-- behaviour.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local uv = require "luv"

-- Runs `code` as the file program.lua of a directory of its own, with the arguments behind it.
local function run_file(moonport, code, ...)
  local path = moonport:directory():write("program.lua", code)
  return moonport:run({ "run", path, ... }), path
end

local function assert_output(expected, result)
  assert.equal("", result.stderr)
  assert.equal(expected, result.stdout)
  assert.equal(0, result.code)
end

describe("run FILE", function()
  local moonport = rig.new()

  it("gives the program its name and its arguments, as lua does", function()
    local result, path = run_file(moonport, [[
      print(arg[0], #arg, arg[1], arg[2])
      print(select("#", ...), ...)
    ]], "one", "two words")
    assert_output(("%s\t2\tone\ttwo words\n2\tone\ttwo words\n"):format(path), result)
  end)

  it("prints lines of any length", function()
    local x = ("x"):rep(1024) -- as much as Lua's buffers hold at first
    local result = run_file(moonport, "print(('x'):rep(1024), 'y') print(('x'):rep(1024):rep(70))")
    assert_output(x .. "\ty\n" .. x:rep(70) .. "\n", result)
  end)

  it("reads the library from MOONPORT_LUA_DIR, for those who work on it", function()
    local made = moonport:directory()
    made:make("moonport")
    made:write("moonport/pool.lua", "return 'from here'")
    local path = made:write("program.lua", [[
      print((require "moonport.pool"))
      print((select(2, pcall(require, "moonport.socket")):match("cannot be read: .*")))
    ]])
    local result = moonport:run({ "run", path }, { env = { MOONPORT_LUA_DIR = made.path } })
    assert_output("from here\ncannot be read: No such file or directory\n", result)
  end)

  it("leaves arguments that look like options, or are empty, to the program", function()
    local result = run_file(moonport, "print(table.concat(arg, '|'))",
      "--help", "-e", "--", "", "--log-level=loud", "-V")
    assert_output("--help|-e|--||--log-level=loud|-V\n", result)
  end)

  it("takes its own options before the file", function()
    local path = moonport:directory():write("program.lua", [[
      require("moonport.log").info("not shown")
      require("moonport.log").error("shown")
      print(arg[1])
    ]])
    local result = moonport:run({ "run", "--log-level", "error", path, "--log-level" })
    assert.equal("--log-level\n", result.stdout)
    assert.equal(1, #result.log)
    assert.equal("shown", result.log[1].message)
  end)

  it("finds the modules beside the file, from any directory", function()
    local directory = moonport:directory()
    directory:make("greetings")
    directory:write("greetings/init.lua", "return { hello = require('greetings.word') }")
    directory:write("greetings/word.lua", "return 'hello'")
    local path = directory:write("program.lua", "print(require('greetings').hello)")
    local program = uv.fs_realpath(server.program)
    assert_output("hello\n", shell.run({ program, "run", path }, { cwd = "/" }))
    assert_output("hello\n", shell.run({ program, "run", "program.lua" },
      { cwd = directory.path }))
  end)

  it("lets a module at load wait no more than lua would, and says why", function()
    local directory = moonport:directory()
    directory:write("slow.lua", "require('moonport.timer').sleep(0.01)")
    local path = directory:write("program.lua", "require 'slow'")
    local result = moonport:run({ "run", path })
    assert.equal(1, result.code)
    assert.matches("slow%.lua:1: cannot wait here", result.log[1].message)
  end)

  it("gives the whole of Lua, as it is the user's own program", function()
    assert_output("function\tfunction\tfunction\n",
      run_file(moonport, "print(type(debug.sethook), type(package.loadlib), type(os.exit))"))
  end)

  it("takes a file that starts with #!", function()
    assert_output("yes\n", run_file(moonport, "#!/usr/bin/env -S moonport run\nprint 'yes'\n"))
  end)

  it("has no limit of processor time", function()
    assert_output("done\n", run_file(moonport, [[
      local start = os.clock()
      while os.clock() - start < 1.5 do end
      print "done"
    ]]))
  end)
end)

describe("print in a program", function()
  local moonport = rig.new()

  it("goes to standard output at once, though that is a pipe", function()
    local child = moonport:spawn({ server.program, "run", "-e", [[
      print("listening", 1, nil)
      require("moonport.timer").sleep(3600)
    ]] })
    loop.wait_until("the line that was printed", function()
      return child:stdout() == "listening\t1\tnil\n"
    end)
    assert.equal("", child:stderr())
  end)

  it("and io.write keep their order, and the log goes to standard error", function()
    local result = run_file(moonport, [[
      io.write("a")
      print("b")
      io.stdout:write("c\n")
      require("moonport.log").info("about %s", "it")
    ]])
    assert.equal("ab\nc\n", result.stdout)
    assert.equal("about it", result.log[1].message)
  end)
end)

describe("the exit code", function()
  local moonport = rig.new()

  -- What the program says, and the code; os.exit ends it in the middle.
  local codes = {
    ["os.exit()"] = 0,
    ["os.exit(true)"] = 0,
    ["os.exit(false)"] = 1,
    ["os.exit(7)"] = 7,
    ["os.exit(0, true)"] = 0,
    ["coroutine.wrap(function() os.exit(3) end)()"] = 3,
    ["require('moonport.task').spawn(os.exit, 4):join()"] = 4,
    ["require('moonport.timer').after(0, function() os.exit(5) end) timer.sleep(9)"] = 5,
    ["pcall(os.exit, 6)"] = 6,
  }
  for code, expected in pairs(codes) do
    it(("of %s is %d"):format(code, expected), function()
      local result = moonport:run({ "run", "-e", [[
        local timer = require "moonport.timer"
        io.write("before")
      ]] .. code .. [[
        print(" and after", timer)
      ]] })
      assert.equal("before", result.stdout)
      assert.equal("", result.stderr)
      assert.equal(expected, result.code)
    end)
  end

  it("is 1 after an error, which is told with file, line and traceback", function()
    local result = run_file(moonport, [[
      local function inner() error("no luck") end
      local function outer() inner() end
      outer()
    ]])
    assert.equal(1, result.code)
    assert.equal("", result.stdout)
    assert.equal(1, #result.log)
    local record = result.log[1]
    assert.equal("error", record.level)
    assert.matches("program%.lua:1: no luck$", record.message)
    assert.matches("program%.lua:2: in", record.traceback)
    assert.matches("program%.lua:3: in main chunk", record.traceback)
  end)

  it("is 1 after an error behind a wait", function()
    local result = run_file(moonport, [[
      require("moonport.timer").sleep(0.01)
      local nothing
      print(nothing.field)
    ]])
    assert.equal(1, result.code)
    assert.matches("program%.lua:3: attempt to index a nil value", result.log[1].message)
  end)

  it("is 1 after an error that is no string", function()
    local result = run_file(moonport, [[
      error(setmetatable({}, { __tostring = function() return "a fault of mine" end }))
    ]])
    assert.equal(1, result.code)
    assert.equal("a fault of mine", result.log[1].message)
  end)

  it("is 1 for a file with a syntax error, told with file and line", function()
    local result = run_file(moonport, "print('not reached')\nx = = 1\n")
    assert.equal(1, result.code)
    assert.equal("", result.stdout)
    assert.matches("program%.lua:2: unexpected symbol near '='", result.log[1].message)
  end)

  it("is 1 for a file that is not there, and it is named", function()
    local result = moonport:run({ "run", "there/is/none.lua" })
    assert.equal(1, result.code)
    assert.matches("there/is/none%.lua", result.log[1].message)
    assert.matches("[Nn]o such file", result.log[1].message)
  end)

  it("is 1 for a directory", function()
    local result = moonport:run({ "run", moonport:directory().path })
    assert.equal(1, result.code)
    assert.matches("directory", result.log[1].message)
  end)

  it("is 2 when nothing is said to run, or an option is unknown", function()
    local nothing = moonport:run({ "run" })
    assert.equal(2, nothing.code)
    assert.matches("moonport run FILE", nothing.stderr)
    local unknown = moonport:run({ "run", "--unheard-of", "x.lua" })
    assert.equal(2, unknown.code)
    assert.matches("unheard%-of", unknown.stderr)
  end)

  it("of a task that raises is not the program's", function()
    local result = run_file(moonport, [[
      local task = require("moonport.task").spawn(function() error("only mine") end)
      print((select(2, task:join())))
    ]])
    assert.equal("error\n", result.stdout)
    assert.equal(0, result.code)
    assert.matches("program%.lua:1: only mine", result.log[1].message)
  end)
end)

describe("run -e CODE", function()
  local moonport = rig.new()

  it("runs the code with the arguments behind it", function()
    local result = moonport:run({ "run", "-e", "print(#arg, ...)", "one", "-two" })
    assert_output("2\tone\t-two\n", result)
  end)

  it("names the command line where the code is wrong", function()
    local result = moonport:run({ "run", "-e", "\nerror('x')" })
    assert.equal(1, result.code)
    assert.equal("(command line):2: x", result.log[1].message)
  end)

  it("is a server in one line for a client in one line", function()
    local path = moonport:directory():join("one.sock")
    local serving = moonport:spawn({ server.program, "run", "-e", ([[
      local s = require("moonport.socket").unix() s:bind(%q) s:listen() print("listening")
      local c = s:accept() c:send("<" .. c:recv_line() .. ">") c:close()
    ]]):format(path) })
    loop.wait_until("the server to listen", function() return #serving:stdout() > 0 end)
    local client = moonport:run({ "run", "-e", ([[
      local c = require("moonport.socket").connect("unix:" .. %q)
      c:send("hello\n") print(c:recv())
    ]]):format(path) })
    assert_output("<hello>\n", client)
    assert.equal(0, (serving:wait()))
    assert.equal("", serving:stderr())
  end)
end)

describe("run -", function()
  local moonport = rig.new()

  it("takes the program from standard input, and its arguments behind the dash", function()
    assert_output("-\tone\t--two\n", moonport:run({ "run", "-", "one", "--two" },
      { stdin = "print(arg[0], ...)" }))
  end)

  it("names the line of standard input where the program is wrong", function()
    local result = moonport:run({ "run", "-" }, { stdin = "local x\nx()\n" })
    assert.equal(1, result.code)
    assert.matches("^stdin:2: attempt to call", result.log[1].message)
  end)

  it("of nothing is a program that does nothing", function()
    assert_output("", moonport:run({ "run", "-" }, { stdin = "" }))
  end)
end)

describe("a program ends", function()
  local moonport = rig.new()

  it("when it and its tasks have ended, and not before", function()
    assert_output("program\ntask\nits task\n", run_file(moonport, [[
      local task, timer = require "moonport.task", require "moonport.timer"
      task.spawn(function()
        timer.sleep(0.05)
        print "task"
        task.spawn(function() timer.sleep(0.05) print "its task" end)
      end)
      print "program"
    ]]))
  end)

  it("though timers are left, and listeners, and connections", function()
    local start = os.time()
    assert_output("end\n", run_file(moonport, [[
      local socket, timer = require "moonport.socket", require "moonport.timer"
      timer.after(3600, function() print "late" end)
      timer.every(3600, function() print "late" end)
      local listener = socket.tcp()
      listener:bind("127.0.0.1", 0)
      listener:listen()
      unclosed = { socket.connect(listener:getsockname()), listener:accept() }
      print "end"
    ]]))
    assert.is_true(os.time() - start < 5)
  end)

  it("and what it sent arrives, though it closed nothing", function()
    local listener = moonport:start([[
      return { on_data = function(conn, data) conn.size = (conn.size or 0) + #data end,
        on_eof = function(conn) print("> " .. conn.size) conn:close() end }
    ]])
    assert_output("sent\n", run_file(moonport, [[
      local conn = assert(require("moonport.socket").connect(arg[1]))
      conn:send(("x"):rep(10000):rep(500))
      print "sent"
    ]], listener:address()))
    assert.same({ "5000000" }, listener:wait_told("5000000"))
  end)

  it("after an error when its tasks have ended too, with code 1", function()
    local result = run_file(moonport, [[
      local task, timer = require "moonport.task", require "moonport.timer"
      task.spawn(function() timer.sleep(0.05) print "the task goes on" end)
      error "the program is over"
    ]])
    assert.equal(1, result.code)
    assert.equal("the task goes on\n", result.stdout)
    assert.matches("the program is over", result.log[1].message)
  end)

  it("by a signal as any other program does", function()
    for _, name in ipairs({ "sigterm", "sigint" }) do
      local child = moonport:spawn({ server.program, "run", "-e", [[
        print "up"
        require("moonport.timer").sleep(3600)
      ]] })
      loop.wait_until("the program to run", function() return child:stdout() == "up\n" end)
      child:signal(name)
      local _, signal = child:wait()
      assert.equal(name == "sigterm" and 15 or 2, signal)
    end
  end)

  -- What it waits for can never come: an end in silence, with code 0, would hide that.
  it("with code 1 and a message when it waits for what nothing can bring", function()
    local result = run_file(moonport, [[
      local task = require "moonport.task"
      local one, other
      one = task.spawn(function() other:join() end)
      other = task.spawn(function() one:join() end)
    ]])
    assert.equal(1, result.code)
    assert.matches("waits?", result.log[1].message)
  end)
end)
