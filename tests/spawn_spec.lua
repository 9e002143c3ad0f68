-- spawn_spec.lua — moonport.process: programs that scripts start, and speak with.

local loop = require "tests.support.loop"
local program = require "tests.support.program"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local prelude = [[
  local process = require "moonport.process"
  local function show(...)
    local words = table.pack(...)
    for index = 1, words.n do words[index] = tostring(words[index]) end
    print(table.concat(words, " | "))
  end
]]

-- Whether a process is there, and no zombie.
local function lives(pid)
  local file = io.open("/proc/" .. pid .. "/stat")
  if not file then return false end
  local state = file:read("a"):match("%) (%a)")
  file:close()
  return state ~= nil and state ~= "Z"
end

describe("moonport.process", function()
  local moonport = rig.new()

  local function lines(code, ...)
    return program.lines(moonport, prelude .. code, { args = { ... } })
  end

  it("runs a program to its end, with input, output, errors and code", function()
    assert.same({ "0 | nil | 1,2,3, | ", "3 | nil | out, | err,", "nil | ENOENT | " ..
      "nonesuch: no such file or directory", "137 | SIGKILL |  | ", "1000000 | 1000000",
      "nil | ENOENT | true: no such file or directory" }, lines [[
      local function run(options)
        local result, code, detail = process.run(options)
        if not result then return show(result, code, detail) end
        show(result.code, result.signal, (result.stdout:gsub("\n", ",")),
          (result.stderr:gsub("\n", ",")))
      end
      run { "sort", "-n", input = "3\n1\n2\n" }
      run { "sh", "-c", "echo out; echo err >&2; exit 3" }
      run { "nonesuch" }
      run { "sh", "-c", "kill -9 $$" }
      local large = ("0123456789"):rep(100000)
      show(#process.run({ "cat", input = large }).stdout,
        #process.run({ "sh", "-c", "cat >&2", input = large }).stderr)
      run { "true", cwd = "/nonesuch" }
    ]])
  end)

  it("gives it an environment and a directory", function()
    assert.same({ "b--/tmp--same", "kept" }, lines [[
      local result = process.run { "sh", "-c", "echo $A-$B-$PWD-$HOME-$C", cwd = "/tmp",
        env = { A = "b", HOME = false, C = "same" } }
      print((result.stdout:gsub("\n", "")))
      print((process.run({ "sh", "-c", "test -n \"$PATH\" && echo kept" }).stdout:gsub("\n", "")))
    ]])
  end)

  it("gives up on what takes too long or says too much, and ends all that it began", function()
    local seen = lines [[
      show(process.run { "sh", "-c", "sleep 4242 & sleep 4243", timeout = 0.2 })
      show(process.run { "yes", max_output = 100000 })
      -- What was left behind holds its streams open.
      show(process.run { "sh", "-c", "sleep 4244 & exit 0", timeout = 0.2 })
      local left = process.run({ "sh", "-c", "ps -eo args | grep -c '^sleep 424[23]'" }).stdout
      print((left:gsub("\n", "")))
      process.run { "sh", "-c",
        "kill $(ps -eo pid,args | awk '$2 == \"sleep\" && $3 == 4244 { print $1 }')" }
    ]]
    assert.same({ "nil | timeout | sh has not ended after 0.2 seconds",
      "nil | limit | yes said more than 100000 bytes",
      "nil | timeout | sh has not ended after 0.2 seconds", "0" }, seen)
  end)

  it("is spoken with as a connection is", function()
    assert.same({ "hello | world", "nil | eof", "0", "nil | closed", "nil | timeout",
      "true | 143 | SIGTERM", "both", "one two", "nil | nil | nil" }, lines [[
      local cat = process.spawn { "cat" }
      cat.stdin:send("hello\nworld\n")
      show(cat.stdout:recv_line(), cat.stdout:recv_line())
      cat.stdin:shutdown()
      show(cat.stdout:recv_line())
      show(cat:wait())
      show(cat:kill())
      local sleeper = process.spawn { "sleep", "100", stdout = "null" }
      show(sleeper:wait(0.02))
      show(sleeper:kill(), sleeper:wait())
      local both = process.spawn { "sh", "-c", "echo both >&2", stdin = "null", stderr = "stdout" }
      show(both.stdout:recv_line())
      both:wait()
      -- A pipe of two, in the core.
      local one, two = process.spawn { "printf", "one two" }, process.spawn { "cat" }
      one.stdout:forward(two.stdin)
      show(two.stdout:recv_exactly(7))
      one:wait()
      two:kill("KILL")
      two:wait()
      local none <close> = process.spawn { "true", stdin = "null", stdout = "null",
        stderr = "null" }
      show(none.stdin, none.stdout, none.stderr)
    ]])
  end)

  it("holds a program up while nobody reads what it says", function()
    assert.same({ "true", "50000000" }, lines [[
      local head = process.spawn { "head", "-c", "50000000", "/dev/zero", stdin = "null" }
      timer.sleep(0.1)
      show(head:wait(0.05) == nil)
      local size = 0
      for data in function() return (head.stdout:recv(1 << 20)) end do size = size + #data end
      show(size)
    ]])
  end)

  it("gives it none of our descriptors, keeps none, and leaves no zombie", function()
    local server = moonport:start([[
      local process = require "moonport.process"
      return { frame = "line", on_message = function(conn)
        local result = process.run { "ls", "/proc/self/fd" }
        conn:send(result.stdout:gsub("\n", " ") .. "\n")
      end }
    ]])
    -- Mostly 0 to 3; whoever runs the tests may have left more.
    local ours = shell.run({ "ls", "/proc/self/fd" }).stdout:gsub("\n", " ")
    local peer, other = server:connect(), server:connect()
    other:send("x\n")
    assert.equal(ours, other:receive_line())
    local before = server:descriptors()
    for _ = 1, 20 do
      peer:send("x\n")
      assert.equal(ours, peer:receive_line())
    end
    loop.eventually("its descriptors to be closed", function()
      return server:descriptors() <= before
    end)
    assert.equal("", (io.popen("ps --ppid " .. server.process.pid .. " -o pid="):read("a")))
  end)

  it("ends with the version that began it, and with the server", function()
    local script = [[
      local process = require "moonport.process"
      return { frame = "line", on_load = function() END end,
        on_message = function(conn, message)
          if message == "collect" then
            collectgarbage()
            conn:send("collected\n")
            return
          end
          local started = process.spawn { "sh", "-c",
            "trap '' TERM; sleep 1000 & wait; sleep 1000" }
          conn:send(started.id .. "\n")
        end }
    ]]
    local directory = moonport:directory()
    local path = directory:write("test.lua", (script:gsub("END", "")))
    local server = moonport:serve({ "--listen", "127.0.0.1:0", path })
    local peer = server:connect()
    peer:send("x\n")
    local first = peer:receive_line()
    assert.is_true(lives(first))
    directory:write("test.lua", (script:gsub("END", "print('> new')")))
    server:wait_told("new")
    loop.eventually("the old version's program to end", function() return not lives(first) end)
    peer:send("x\n")
    local second = peer:receive_line()
    assert.is_true(lives(second))
    peer:send("collect\n") -- it is garbage, and has its pipes until then
    assert.equal("collected", peer:receive_line())
    peer:close()
    server:stop()
    loop.eventually("the program to end", function() return not lives(second) end)
  end)

  it("is for who may run programs, and not for simulated time", function()
    local server = moonport:start([[
      local process = require "moonport.process"
      return { on_data = function(conn)
        local _, code, detail = process.run { "true" }
        conn:send(code .. " " .. detail .. "\n")
      end }
    ]], { args = { "--listen", "127.0.0.1:0", "--allow", "io=/" } })
    local peer = server:connect()
    peer:send("x")
    assert.equal("EACCES process.spawn is not allowed here: start with --allow run",
      peer:receive_line())
    local directory = moonport:directory()
    local path = directory:write("s.lua", [[
      local process = require "moonport.process"
      return { on_data = function(conn)
        local _, code = process.run { "true" }
        conn:send(code)
      end }
    ]])
    assert.same({ "ENOSYS" }, lines([[
      local peer = require("moonport.test").load(arg[1]):connect()
      peer:send("x")
      print(peer:read())
    ]], path))
  end)

  it("limits how many run", function()
    assert.same({ "256 | nil | limit | 256 programs of this script run already", "true" }, lines [[
      local list = {}
      for index = 1, 256 do
        list[index] = assert(process.spawn { "sleep", "1000", stdin = "null", stdout = "null" })
      end
      show(#list, process.spawn { "true" })
      for _, each in ipairs(list) do each:kill("KILL") end
      for _, each in ipairs(list) do each:wait() end
      show(process.run { "true" } ~= nil)
    ]])
  end)

  it("raises in the author's line where a call cannot mean what it says", function()
    local function first_fault(code)
      local result = moonport:run({ "run", "-e",
        "local process = require 'moonport.process'\n" .. code })
      assert.equal(1, result.code)
      return result.log[1].message:match("%(command line%):2: (.*)")
    end
    for code, expected in pairs {
      ["process.run({})"] =
        'process.run needs a program and its arguments, such as { "sort", "-n" }',
      ["process.run('ls -l')"] = "bad argument #1 to 'run' (table expected, got string)",
      ["process.run({ 'ls', {} })"] = "process.run: argument 2 must be a text without NUL",
      ["process.spawn({ 'a\\0b' })"] = "process.spawn: argument 1 must be a text without NUL",
      ["process.spawn({ 'ls', stdot = 'null' })"] = "unknown option 'stdot' of process.spawn " ..
        "(known: cwd, env, stderr, stdin, stdout)",
      ["process.spawn({ 'ls', stdin = 'stdout' })"] =
        'option \'stdin\' of process.spawn must be "pipe", "null" or "inherit"',
      ["process.run({ 'ls', env = { ['a=b'] = 'c' } })"] =
        "option 'env' of process.run must be a table of names and texts; false takes one away",
      ["process.run({ 'ls', timeout = 0 })"] =
        "option 'timeout' of process.run must be seconds, more than 0",
      ["process.spawn({ 'true' }):kill('SIGFOO')"] =
        "bad argument #1 to 'kill' (a signal expected, such as \"SIGTERM\")",
      ["process.spawn({ 'true' }):wait('1')"] =
        "bad argument #1 to 'wait' (number expected, got string)",
    } do
      assert.equal(expected, first_fault(code))
    end
  end)
end)
