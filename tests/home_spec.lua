-- home_spec.lua — the directory, umask, locale and environment of the process are the server's, as
-- they were at its start, whatever a module in C that a script loads makes of them.

local cjson = require "cjson"
local directory = require "tests.support.directory"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local server_support = require "tests.support.server"
local shell = require "tests.support.shell"
local uv = require "luv"

local program = assert(uv.fs_realpath(server_support.program))
local source = assert(uv.fs_realpath("tests/support/moving.c"))

-- What a script changes, while it is loaded or in a handler.
local moves = {
  ["the directory"] = { { "directory", "/" } },
  ["the directory, to one that goes"] = { { "directory", "%s/gone" } },
  ["the umask"] = { { "mask", "000" } },
  ["the locale"] = { { "locale", "C.UTF-8" } },
  ["the environment"] = { { "LUA_PATH", "/nowhere/?.lua" } },
  ["all of it"] = { { "directory", "/tmp" }, { "mask", "777" }, { "locale", "C.UTF-8" },
    { "LUA_PATH", "/nowhere/?.lua" } },
}

describe("where and how the server was started", function()
  local moonport = rig.new()
  local place, server

  local function ask(address, words)
    local peer = server:connect({ address = address })
    peer:send(words)
    local line = peer:receive_line()
    peer:close()
    return line
  end

  local function answering(name, more)
    return ([[return { listen = "127.0.0.1:0", on_data = function(conn, data)
      %s
      conn:send(%q .. "\n")
    end }]]):format(more or "", name)
  end

  -- As the text of Lua: what is done.
  local function doing(list)
    local lines = {}
    for index, move in ipairs(list) do
      lines[index] = ("assert(move(%q, %q) == 0)"):format(move[1], move[2]:format(place.path))
    end
    return table.concat(lines, "\n")
  end

  local function moving(list, is_loading)
    return ([[
      package.cpath = %q
      local move = require "moving"
      local function do_it() %s end
      if %s then do_it() end
      return { listen = "127.0.0.1:0", on_data = function(conn, data)
        if data == "move" then do_it() end
        local file <close> = data ~= "move" and io.open(data)
        conn:send((file and file:read() or "moved") .. "\n")
      end }
    ]]):format(place:join("?.so"), doing(list), is_loading)
  end

  local function start(list, is_loading)
    place = moonport:directory()
    place:make("gone")
    place:make("served")
    place:make("lib")
    local built = shell.run({ "cc", "-shared", "-fPIC", "-o", place:join("moving.so"), source })
    assert.equal("", built.stderr)
    place:write("served/a.lua", moving(list, is_loading))
    place:write("served/lazy.lua", "return { listen = 'unix:chat.sock', on_data = print }")
    place:write("served/z.lua", answering("one", "require 'beside'"))
    place:write("served/beside.lua", "beside = true")
    place:write("lib/far.lua", "return 'far'")
    server = moonport:serve({ "served" }, {
      cwd = place.path, listeners = 3, control = "control.sock",
      env = { LUA_PATH = "lib/?.lua;;" }, prefix = { "sh", "-c", 'umask 027; exec "$@"', program },
    })
    server:allow_log("beside%.lua is not served")
    assert.equal("moved", ask(server:address(1), "move"))
    uv.fs_rmdir(place:join("gone"))
  end

  local function command(...)
    return moonport:run({ ... }, { cwd = place.path, env = { MOONPORT_CONTROL = "control.sock" },
      prefix = { "sh", "-c", 'exec "$@"', program } })
  end

  -- Like rig.run, but by the absolute path of the program: the working directory is another one.
  server_support.program = program

  local function mode_of(name)
    return ("%o"):format(uv.fs_stat(place:join(name)).mode & tonumber("777", 8))
  end

  for what, list in pairs(moves) do
    local ways = what:find("goes") and { false } or { false, true } -- gone, it cannot be gone to
    for _, is_loading in ipairs(ways) do
      local when = is_loading and "while it is loaded" or "in a handler"
      it("is as it was for the server when a script has changed " .. what .. " " .. when, function()
        start(list, is_loading)
        assert.equal("one", ask(server:address(3), "x")) -- which requires what is beside it
        place:write("served/z.lua", answering("two", "assert(require 'far' == 'far')"))
        server:wait_for("reloaded: version 2 is in force")
        place:write("served/new.lua", answering("new", "assert(require 'far' == 'far')"))
        server:wait_addresses(4)
        assert.equal("new", ask(server:address(4), "x"))
        assert.equal("two", ask(server:address(3), "x"))
        place:write("served/lazy.lua", "return { listen = 'unix:moved.sock', on_data = print }")
        loop.eventually("the old socket to go", function()
          return not directory.exists(place:join("chat.sock"))
        end)
        assert.equal("750", mode_of("moved.sock"))
        local result = command("reload")
        assert.equal(0, result.code, result.stderr)
        for line in command("status", "--json").stdout:gmatch("[^\n]+") do
          local script = cjson.decode(line).script
          assert.truthy(not script or script:match("^served/"))
        end
        server:stop()
        for _, name in ipairs { "control.sock", "moved.sock" } do
          assert.is_false(directory.exists(place:join(name)), name)
        end
      end)
    end
  end

  -- The nearest case that must stay: where it is is the script's business, also across a reload.
  it("is not what a script finds that has moved", function()
    start({ { "directory", "/etc" } }, false)
    assert.matches("^root:", ask(server:address(1), "passwd"))
    place:write("served/z.lua", answering("two"))
    server:wait_for("reloaded: version 2 is in force")
    assert.matches("^root:", ask(server:address(1), "passwd"))
    server:stop()
  end)
end)
