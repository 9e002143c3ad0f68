-- told_spec.lua — what is raised or printed where nobody would look for it is told, with the number
-- of the connection whose work it is — not how a line looks.

local program = require "tests.support.program"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- Where code of a script runs: a script in which `SAY` runs there because of connection 1, or in a
-- table: because of none.
local places = {
  on_open = "return { on_open = function() SAY end }",
  on_data = "return { on_data = function() SAY end }",
  ["on_data, after a wait"] = "return { on_data = function() timer.sleep(0.001) SAY end }",
  on_message = [[return { frame = "line", on_message = function() SAY end }]],
  on_eof = "return { on_eof = function(conn) SAY conn:close() end }",
  on_error = [[return { on_data = function() error("oh", 0) end, on_error = function() SAY end }]],
  on_close = "return { on_data = print, on_close = function() SAY end }",
  ["on_close, after a wait"] =
    "return { on_data = print, on_close = function() timer.sleep(0.01) SAY end }",
  main = "return { main = function(conn) SAY conn:recv() end }",
  ["a task of a handler"] = "return { on_data = function() task.spawn(function() SAY end) end }",
  ["a task of a task"] = [[return { on_data = function() task.spawn(function()
    timer.sleep(0.001) task.spawn(function() SAY end) end) end }]],
  ["a timer of a handler"] =
    "return { on_data = function() timer.after(0.001, function() SAY end) end }",
  ["a timer of a timer"] = [[return { on_data = function() timer.after(0.001, function()
    timer.after(0.001, function() SAY end) end) end }]],
  ["a timer of on_close"] =
    "return { on_data = print, on_close = function() timer.after(0.001, function() SAY end) end }",
  ["a coroutine"] = "return { on_data = function() coroutine.wrap(function() SAY end)() end }",
  ["__close of a handler"] = [[return { on_data = function()
    local x <close> = setmetatable({}, { __close = function() SAY end }) end }]],
  ["__close while an error unwinds"] = [[return { on_data = function()
    local x <close> = setmetatable({}, { __close = function() SAY end }) error("oh", 0) end }]],
  ["__close of a task that is cancelled"] = [[return { on_data = function()
    local one = task.spawn(function()
      local x <close> = setmetatable({}, { __close = function() SAY end }) timer.sleep(60) end)
    timer.sleep(0.001) one:cancel() end }]],
  ["__tostring of an error"] = [[return { on_data = function()
    error(setmetatable({}, { __tostring = function() SAY return "oh" end })) end }]],
  ["the load"] = { "SAY return { on_data = print }" },
  on_load = { "return { on_data = print, on_load = function() SAY end }" },
  ["a timer of the load"] =
    { "timer.after(0.001, function() SAY end) return { on_data = print }" },
  ["a task of the load"] =
    { "task.spawn(function() SAY end) return { on_data = print }" },
}

describe("a line of the log", function()
  local moonport = rig.new()

  local head = [[
    local task, timer = require "moonport.task", require "moonport.timer"
    local log, said = require "moonport.log", nil
    local function say()
      if said then return end
      said = true
      print "> print"
      log.info "> log"
      warn "> warn"
    end
  ]]

  for place, case in pairs(places) do
    local script = type(case) == "table" and case[1] or case
    it("has the number of the connection whose work it is: of " .. place, function()
      local server = moonport:start(head .. script:gsub("SAY", "say()"))
      server:allow_log("oh")
      server:allow_log("> warn")
      local peer = server:connect()
      peer:send("x\n")
      peer:finish()
      peer:receive_end()
      peer:close()
      server:wait_for("> warn")
      local told = {}
      for _, record in ipairs(server.log) do
        if record.message:find("^> ") then
          told[#told + 1] = ("%s of %.0f"):format(record.message, record.conn or 0)
        end
      end
      local number = type(case) == "string" and "1" or "0"
      assert.same({ "> print of " .. number, "> log of " .. number, "> warn of " .. number }, told)
    end)
  end
end)

describe("an error in a __close", function()
  local moonport = rig.new()

  -- How the block ends, and what is told of it.
  local ends = {
    ["a block that ends"] = { "", { "in close" } },
    ["a block that raises"] = { 'error("in the block", 0)', { "in the block",
      "error in __close (in close)" } },
    ["a cancelled task"] = { "timer.sleep(60)", { "error in __close (in close)" } },
  }

  for name, case in pairs(ends) do
    it("is told: of " .. name, function()
      local server = moonport:start(([[
        local task, timer = require "moonport.task", require "moonport.timer"
        return {
          on_data = function()
            local begun = task.spawn(function()
              local x <close> = setmetatable({}, { __close = function() error("in close", 0) end })
              %s
            end)
            timer.sleep(0.01)
            begun:cancel()
          end,
        }
      ]]):format(case[1]))
      server:allow_log("in close")
      server:allow_log("in the block")
      local peer = server:connect()
      peer:send("x")
      for _, text in ipairs(case[2]) do
        server:wait_for("^" .. text:gsub("[()]", "%%%0") .. "$")
      end
      for _, record in ipairs(server.log) do
        if record.message:find("in ", 1, true) == 1 then assert.equal(1, record.conn) end
      end
      peer:close()
    end)
  end

  it("is told once, and the value that it is given is the error", function()
    local result = moonport:run({ "run", "-e", [[
      print(require("moonport.task").spawn(function()
        local x <close> = setmetatable({}, { __close = function(_, e) print("closed", e) end })
        error("in the block", 0)
      end):join())
    ]] })
    assert.equal("closed\tin the block\nnil\terror\tin the block\n", result.stdout)
    assert.is_nil(result.stderr:find("__close"))
  end)
end)

describe("a C function that yields", function()
  local moonport = rig.new()
  local told = "test.lua:%d+: the C function 'pause' yielded, and nothing here knows when"

  local function module_path()
    local place = moonport:directory()
    local built = shell.run({ "cc", "-shared", "-fPIC", "-o", place:join("yielding.so"),
      "tests/support/yielding.c" })
    assert.equal("", built.stderr)
    return ('package.cpath = %q local pause = require "yielding"\n'):format(place:join("?.so"))
  end

  local callers = {
    on_data = "return { on_data = function() pause(1) end }",
    main = "return { main = function(conn) conn:recv() pause(1) end }",
    ["on_data, after a wait"] =
      [[return { on_data = function() require("moonport.timer").sleep(0.001) pause(1) end }]],
    on_close = "return { on_data = print, on_close = function() pause(1) end }",
    ["a task"] = [[return { on_data = function()
      require("moonport.task").spawn(function() pause(1) end) end }]],
    ["a timer"] = [[return { on_data = function()
      require("moonport.timer").after(0.001, function() pause(1) end) end }]],
  }

  -- What calls it has no name for it.
  for what, call in pairs { pcall = "pcall(pause, 1)", xpcall = "xpcall(pause, print, 1)" } do
    it("has the line of the author, and the name of what was given it: " .. what, function()
      local server = moonport:start(module_path() .. "return { on_data = function()\n" .. call ..
        " end }")
      server:allow_log("yielded")
      local peer = server:connect()
      peer:send("x")
      peer:receive_end()
      peer:close()
      server:wait_for(("test.lua:3: the C function that was given to '%s' yielded"):format(what))
    end)
  end

  for name, script in pairs(callers) do
    it("fails who called it: " .. name, function()
      local server = moonport:start(module_path() .. script)
      server:allow_log("yielded")
      local peer = server:connect()
      peer:send("x")
      peer:finish()
      peer:receive_end()
      peer:close()
      server:wait_for(told)
      server:wait_idle()
    end)
  end

  it("keeps a script from being loaded", function()
    local result = moonport:run({ "check", moonport:directory():write("test.lua",
      module_path() .. "pause(1) return { on_data = print }") })
    assert.equal(1, result.code)
    assert.matches("test.lua: attempt to yield across a C-call boundary", result.stderr, 1, true)
  end)

  it("is resumed by a coroutine of the script's own, as in Lua", function()
    assert.same({ "true\t5", "true\tend" }, program.lines(moonport, module_path() .. [[
      local co = coroutine.create(function() pause(5) return "end" end)
      print(coroutine.resume(co))
      print(coroutine.resume(co))
    ]]))
  end)
end)
