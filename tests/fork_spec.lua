-- fork_spec.lua — a module in C that forks makes no second server: its child sends nothing of what
-- the handler queued, takes no event, and ends with the handler.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- Where a script forks; each is asked by a connection, and `tell` answers it.
local ways = {
  ["in on_data"] = "on_data = function(conn) tell(conn, forking.fork()) end, on_eof = finish",
  ["in main"] = [[ main = function(conn)
    while conn:recv() do tell(conn, forking.fork()) end
    finish(conn)
  end ]],
  ["and waits"] = [[ on_data = function(conn)
    local pid = forking.fork()
    timer.sleep(0.01)
    tell(conn, pid)
  end, on_eof = finish ]],
  ["in a task"] = [[ on_data = function(conn)
    task.spawn(function() tell(conn, forking.fork()) end):join()
  end, on_eof = finish ]],
  ["in a timer"] = [[ on_data = function(conn)
    timer.after(0.01, function() tell(conn, forking.fork()) end)
  end, on_eof = finish ]],
  ["in a finalizer"] = [[ on_data = function(conn)
    setmetatable({}, { __gc = function() tell(conn, forking.fork()) end })
    collectgarbage()
  end, on_eof = finish ]],
  ["in a coroutine of its own"] = [[ on_data = function(conn)
    coroutine.wrap(function() tell(conn, forking.fork()) end)()
  end, on_eof = finish ]],
  ["and raises"] = [[ on_data = function(conn)
    local pid = forking.fork()
    if pid == 0 then error("in the child") end
    tell(conn, pid)
  end, on_eof = finish ]],
}

describe("a module in C that forks", function()
  local moonport = rig.new()

  local function start(handlers, first)
    local place = moonport:directory()
    local built = shell.run({ "cc", "-shared", "-fPIC", "-o", place:join("forking.so"),
      "tests/support/forking.c" })
    assert.equal("", built.stderr)
    local server = moonport:start(([[
      package.cpath = %q
      local forking, task = require "forking", require "moonport.task"
      local timer = require "moonport.timer"
      local pids = {}
      local function tell(conn, pid)
        pids[#pids + 1] = pid
        conn:send(pid == 0 and "child\n" or "parent\n")
      end
      local function finish(conn)
        for index, pid in ipairs(pids) do pids[index] = forking.wait(pid) end
        conn:send(table.concat(pids, " ") .. "\n")
        conn:close()
      end
      %s
      return { %s }
    ]]):format(place:join("?.so"), first or "", handlers))
    server:allow_log("a module in C has forked, and the child came back to serve: it is ended")
    server:allow_log("in the child")
    return server
  end

  for where, handlers in pairs(ways) do
    it(where .. " has one server after it", function()
      local server = start(handlers)
      local peer = server:connect()
      for _ = 1, 3 do
        peer:send("x")
        assert.equal("parent", peer:receive_line())
      end
      peer:finish()
      assert.equal("1 1 1\n", peer:receive_all())
      server:wait_for("a module in C has forked, and the child came back to serve: it is ended")
      peer:close()
    end)
  end

  it("while it is loaded has one server after it", function()
    local server = start("on_open = finish", "pids[1] = forking.fork()")
    assert.equal("1\n", server:connect():receive_all())
  end)

  -- In a program the child may come to the end, as under lua; what it waits for is its parent's.
  local programs = {
    ["comes to its end"] = { "io.write(pid == 0 and 'child\\n' or 'parent\\n')", 0, "child" },
    ["exits"] = { "if pid == 0 then os.exit(7) end", 7 },
    ["raises"] = { "if pid == 0 then error('in the child') end", 1 },
    ["waits"] = { "if pid == 0 then timer.sleep(0.01) print('in the loop') end", 1 },
    ["waits in a task"] = { "if pid == 0 then task.spawn(print):join() end", 1 },
    ["sends"] = { "if pid == 0 then conn:send('x') end", 0 },
  }
  for what, case in pairs(programs) do
    it("under run has a child that comes to no loop: it " .. what, function()
      local place = moonport:directory()
      local built = shell.run({ "cc", "-shared", "-fPIC", "-o", place:join("forking.so"),
        "tests/support/forking.c" })
      assert.equal("", built.stderr)
      local result = moonport:run({ "run", "-e", ([[
        package.cpath = %q
        local forking, task = require "forking", require "moonport.task"
        local timer, socket = require "moonport.timer", require "moonport.socket"
        local server = socket.tcp()
        assert(server:bind("127.0.0.1:0") and server:listen())
        local conn = socket.connect(server:getsockname())
        local peer = server:accept()
        local pid = forking.fork()
        %s
        if pid ~= 0 then
          print("exit code", forking.wait(pid))
          conn:close()
          print("received", peer:recv())
        end
      ]]):format(place:join("?.so"), case[1]) })
      assert.equal(0, result.code, result.stderr)
      assert.matches("exit code\t" .. case[2] .. "\n", result.stdout)
      assert.matches("received\tnil\teof\n$", result.stdout)
      assert.equal(case[3] ~= nil, result.stdout:find("child\n", 1, true) ~= nil)
      local is_told = case[2] == 1
      assert.equal(is_told, result.stderr:find("a module in C has forked, and the child waits", 1,
        true) ~= nil)
    end)
  end

  -- The nearest case that must stay: a child that becomes another program.
  it("and executes a program has its exit code, and so have io.popen and os.execute", function()
    local server = start([[ on_data = function(conn)
      local pipe = io.popen("exit 3")
      local code = forking.wait(forking.spawn())
      conn:send(code .. " " .. select(3, pipe:close()) .. " " ..
        select(3, os.execute("exit 4")) .. "\n")
    end ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("0 3 4", peer:receive_line())
    peer:close()
  end)
end)
