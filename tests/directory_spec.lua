-- directory_spec.lua — several scripts in one process: each its own Lua state and modules.

local rig = require "tests.support.rig"

-- Answers its name, and how often a global of that name was counted up.
local function counter(name)
  return ([[
    shared = (shared or 0) + 1
    string.mark = (string.mark or "") .. %q
    return {
      listen = 0,
      on_data = function(conn)
        shared = shared + 1
        conn:send(%q .. " " .. shared .. " " .. string.mark .. "\n")
      end,
    }
  ]]):format(name, name)
end

local function ask(server, index)
  local peer = server:connect({ address = server:address(index) })
  peer:send("x")
  return peer:receive_line()
end

local function answers(server)
  local list = {}
  for index in ipairs(server:addresses()) do list[index] = ask(server, index) end
  table.sort(list)
  return list
end

describe("a directory", function()
  local moonport = rig.new()

  it("serves each *.lua in a Lua state of its own", function()
    local place = moonport:directory()
    place:write("a.lua", counter("a"))
    place:write("b.lua", counter("b"))
    place:write("notes.md", "no script")
    local server = moonport:serve({ place.path }, { listeners = 2 })
    assert.same({ "a 2 a", "b 2 b" }, answers(server))
    assert.same({ "a 3 a", "b 3 b" }, answers(server))
  end)

  it("may stand beside files and other directories", function()
    local first, second = moonport:directory(), moonport:directory()
    first:write("a.lua", counter("a"))
    local file = second:write("b.lua", counter("b"))
    local server = moonport:serve({ first.path, file }, { listeners = 2 })
    assert.same({ "a 2 a", "b 2 b" }, answers(server))
  end)

  it("is not served in part when one of its scripts is broken", function()
    local place = moonport:directory()
    place:write("a.lua", counter("a"))
    place:write("b.lua", "return {")
    local result = moonport:run({ place.path })
    assert.equal(1, result.code)
    assert.matches("b%.lua:1", result.stderr)
    assert.not_matches("listening on", result.stderr)
  end)

  it("keeps the connections of its scripts apart in moonport.server", function()
    local place = moonport:directory()
    local script = [[
      local server = require "moonport.server"
      return {
        listen = 0,
        on_data = function(conn) conn:send(#server.connections() .. "\n") end,
      }
    ]]
    place:write("a.lua", script)
    place:write("b.lua", script)
    local server = moonport:serve({ place.path }, { listeners = 2 })
    server:connect({ address = server:address(1) })
    assert.equal("2", ask(server, 1))
    assert.equal("1", ask(server, 2))
  end)

  it("gives an error in one script to nobody else", function()
    local place = moonport:directory()
    place:write("a.lua", "return { listen = 0, on_data = function() error('broken') end }")
    place:write("b.lua", counter("b"))
    local server = moonport:serve({ place.path }, { listeners = 2 })
    server:allow_log("broken")
    for index = 1, 2 do
      local peer = server:connect({ address = server:address(index) })
      peer:send("x")
      peer:finish()
      peer:receive_end()
    end
    local record = server:wait_for("broken")
    assert.equal("a.lua", record.script)
    assert.matches("^b ", ask(server, 2))
  end)

  it("that two scripts want the same address is refused and both are named", function()
    local place = moonport:directory()
    local address = "unix://" .. place:join("same.sock")
    local script = ("return { on_data = print, listen = %q }"):format(address)
    place:write("a.lua", script)
    place:write("b.lua", script)
    local result = moonport:run({ place.path })
    assert.equal(1, result.code)
    assert.matches("same%.sock", result.stderr)
    assert.matches("a%.lua already does", result.stderr)
  end)
end)

describe("require", function()
  local moonport = rig.new()

  it("finds modules beside the script first, whatever the current directory is", function()
    local place = moonport:directory()
    place:make("lib")
    place:write("lib/words.lua", 'return { greeting = "from lib" }')
    place:write("socket.lua", 'return { greeting = "from beside" }')
    local path = place:write("main.lua", [[
      local words, beside = require "lib.words", require "socket"
      return {
        listen = 0,
        on_open = function(conn) conn:send(words.greeting .. ", " .. beside.greeting .. "\n") end,
      }
    ]])
    local server = moonport:serve({ path })
    assert.equal("from lib, from beside", server:connect():receive_line())
  end)

  it("honours LUA_PATH", function()
    local place, elsewhere = moonport:directory(), moonport:directory()
    elsewhere:write("tools.lua", 'return "tools"')
    local path = place:write("main.lua", [[
      local tools = require "tools"
      return { listen = 0, on_open = function(conn) conn:send(tools .. "\n") end }
    ]])
    local server = moonport:serve({ path }, { env = { LUA_PATH = elsewhere.path .. "/?.lua;;" } })
    assert.equal("tools", server:connect():receive_line())
  end)

  it("names file and line of a module with a syntax error", function()
    local place = moonport:directory()
    place:write("tools.lua", "local x =\n=")
    local path = place:write("main.lua", 'local tools = require "tools"\nreturn {}')
    local result = moonport:run({ "check", path })
    assert.equal(1, result.code)
    assert.matches("tools%.lua:2", result.stderr)
  end)

  it("gives each script the lua library, and neither debug.sethook nor package.loadlib", function()
    local server = moonport:start([[
      local log = require "moonport.log"
      print(("> %s %s %s %s"):format(debug and debug.sethook, package.loadlib,
        type(debug and debug.traceback), (load(string.dump(function() end)))))
      return { on_data = print }
    ]])
    server:wait_told("nil nil function nil")
  end)
end)
