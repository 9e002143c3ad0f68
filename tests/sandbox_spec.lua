-- sandbox_spec.lua — a script does not get out of its sandbox — by no way that is known here.

local escapes = require "tests.support.escapes"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local uv = require "luv"

local function first_line(command)
  return shell.run({ "sh", "-c", command }).stdout:match("[^\n]+")
end

local lua = first_line("command -v lua5.4 || command -v lua54 || command -v lua")
-- Lua as a library of its own: an object that opens the standard libraries, all of them.
local shared_lua = first_line("ls /usr/lib/*/liblua5.4.so.0 /usr/lib*/liblua*5.4*.so* 2>/dev/null")

-- The escape as a program that prints whether it got out.
local function source_of(escape, made, rest)
  uv.fs_symlink("/proc/self/mem", made:join("link"))
  return ([[
    local directory, link, shared_lua = %q, %q, %q
    %s
    local ok, out = pcall(function() %s end)
    print("> " .. (ok and out and "out" or "held"))
    %s
  ]]):format(made.path, made:join("link"), shared_lua or "", escapes.prelude, escape.code,
    rest or "")
end

describe("A script that tries", function()
  local moonport = rig.new()
  local serves = 'return { listen = "127.0.0.1:0", on_data = print }'
  local code, told

  local function name_of(index) return ("escape_%d.lua"):format(index) end

  -- Each script has a Lua state of its own, so one process tries them all.
  local function try_all()
    local paths, lines = {}, {}
    for index, escape in ipairs(escapes) do
      local made = moonport:directory()
      paths[index] = made:write(name_of(index), source_of(escape, made, serves))
    end
    local result = moonport:run({ "check", table.unpack(paths) })
    for _, record in ipairs(result.log) do
      local name = record.script or ""
      lines[name] = (lines[name] or "") .. record.message .. "\n"
    end
    return result.code, lines
  end

  for index, escape in ipairs(escapes) do
    it(escape.name .. " is held", function()
      if escape.needs and not shared_lua then return pending("no shared Lua here") end
      if not code then code, told = try_all() end
      assert.equal(0, code)
      local lines = told[name_of(index)] or ""
      assert.matches("> held", lines, 1, true)
      assert.not_matches("> out", lines, 1, true)
    end)
  end
end)

describe("A plain Lua", function()
  local moonport = rig.new()

  it("lets out all that are said to get out there", function()
    local held = {}
    for _, escape in ipairs(escapes) do
      local made = moonport:directory()
      local path = made:write("escape.lua", source_of(escape, made))
      local can = escape.plain and (not escape.needs or shared_lua)
      local result = can and shell.run({ lua, path })
      if can and not result.stdout:find("> out", 1, true) then
        held[#held + 1] = escape.name .. ": " .. result.stdout .. result.stderr
      end
    end
    assert.same({}, held)
  end)
end)

describe("A handler that tries", function()
  local moonport = rig.new()

  -- It has other functions below it on the stack than a script that is loaded has.
  it("each of them in turn lets none out, and goes on serving", function()
    local made = moonport:directory()
    local pieces = {}
    for index, escape in ipairs(escapes) do
      if not escape.needs or shared_lua then
        pieces[#pieces + 1] = ("tries[%d] = { %q, function() %s end }"):format(index, escape.name,
          escape.code)
      end
    end
    uv.fs_symlink("/proc/self/mem", made:join("link"))
    local started = moonport:start(([[
      local directory, link, shared_lua = %q, %q, %q
      %s
      local tries = {}
      %s
      return { on_data = function(conn)
        for _, try in pairs(tries) do
          local ok, out = pcall(try[2])
          if ok and out then print("> out: " .. try[1]) end
        end
        print("> tried")
        conn:send("still here")
      end }
    ]]):format(made.path, made:join("link"), shared_lua or "", escapes.prelude,
      table.concat(pieces, "\n")))
    started:allow_log("os%.exit would end the server")
    started:allow_log("LuaT") -- warn() is among the functions that are tried
    local peer = started:connect()
    peer:send("go")
    assert.equal("still here", peer:receive(10))
    assert.same({ "tried" }, started:wait_told("tried"))
  end)
end)

describe("A script without --unsafe", function()
  local moonport = rig.new()

  -- What a text shows of itself runs code of the script while the rules judge it.
  it("that changes the rules while they judge it is refused or served, and ends nothing", function()
    local path = moonport:directory():write("judge.lua", [[
      local function walk(value, seen)
        if seen[value] or type(value) ~= "table" and type(value) ~= "function" then return end
        seen[value] = true
        if type(value) == "table" then
          for key, each in pairs(value) do
            walk(each, seen)
            if type(each) == "number" then value[key] = 2 ^ 40 // 1 | 0 end
            if type(each) == "string" then value[key] = {} end
          end
        else
          for index = 1, 60 do
            local name, each = debug.getupvalue(value, index)
            if not name then break end
            walk(each, seen)
          end
        end
      end
      local nasty = setmetatable({}, { __tostring = function()
        for level = 2, 20 do
          local info = debug.getinfo(level, "Sf")
          if not info then break end
          if info.func and info.what == "Lua" then walk(info.func, {}) end
        end
        return "nasty"
      end })
      return { listen = nasty, [nasty] = nasty, limits = { memory = nasty } }
    ]])
    local result = moonport:run({ "check", path })
    assert.equal(1, result.code)
    assert.matches("judge.lua", result.stderr, 1, true)
  end)

  it("cannot silence its warnings", function()
    local path = moonport:directory():write("warns.lua", [[
      warn("@off")
      warn("still ", "heard")
      return { listen = "127.0.0.1:0", on_data = print }
    ]])
    assert.matches("still heard", moonport:run({ "check", path }).stderr, 1, true)
  end)

  it("is not preceded by LUA_INIT", function()
    local path = moonport:directory():write("plain.lua", 'return { on_data = print }')
    local result = moonport:run({ "check", path }, { env = { LUA_INIT = "print('> init')",
      LUA_INIT_5_4 = "print('> init')" } })
    assert.equal(0, result.code)
    assert.not_matches("> init", result.stderr, 1, true)
  end)

  for _, mode in ipairs({ '"stop"', '"generational"', '"incremental", 1000, 1, 1',
    '"setpause", 1000' }) do
    it("has no more memory with collectgarbage(" .. mode .. ")", function()
      local started = moonport:start(([[
        collectgarbage(%s)
        return { limits = { memory = "8M", cpu_ms = 0 }, frame = "line",
          on_message = function(conn, line)
          local most, kept = 0, nil
          for index = 1, 100 do -- of more than 16 MB in all
            kept = { tostring(index):rep(100000), kept and kept[1] }
            most = math.max(most, collectgarbage("count"))
          end
          conn:send_message(tostring(most < 8 * 1024))
        end }
      ]]):format(mode))
      local peer = started:connect()
      for _ = 1, 2 do
        peer:send("fill\n")
        assert.equal("true", peer:receive_line())
      end
    end)
  end

  it("loads text by every loader still, with what they take and give", function()
    local made = moonport:directory()
    made:write("module.lua", "\239\187\191#!/usr/bin/lua\nreturn ...")
    local path = made:write("text.lua", ([[
      local path = %q
      local function reader(...)
        local pieces, at = { ... }, 0
        return function()
          at = at + 1
          return pieces[at]
        end
      end
      assert(load("return 1")() == 1)
      assert(load("return x", "name", "t", { x = 2 })() == 2)
      assert(load("return x", "name", "bt", { x = 2 })() == 2)
      assert(load("return x", nil, nil, nil) and not pcall(load("return x", nil, nil, nil)))
      assert(load(reader("return ", "y"), "=reader", nil, { y = 3 })() == 3)
      assert(load(reader("return 4", "", "garbage"))() == 4)
      assert(load(reader())() == nil)
      assert(load(42 .. "") == nil and load("return") and load(reader(nil)))
      assert(select(2, load("return +", "=here")):find("^here:1:"))
      assert(select(2, load(reader("return +"))):find("load", 1, true))
      assert(select(2, load(reader({}))):find("must return a string"))
      assert(select(2, load(function() error("no more") end)):find("no more"))
      assert(not pcall(load) and not pcall(load, {}) and not pcall(load, "x", {}))
      assert(select("#", load("return")) == 1)
      assert(loadfile(path)(5) == 5 and dofile(path) == nil)
      assert(require("module") == "module")
      local chunk = loadfile(path, "bt", {})
      assert(chunk and #string.dump(chunk) > 0)
      return { listen = "127.0.0.1:0", on_data = print }
    ]]):format(made:join("module.lua")))
    local result = moonport:run({ "check", path })
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
  end)

  it("still sees the locals and functions of Lua that are on the stack", function()
    local path = moonport:directory():write("looks.lua", [[
      local function callee()
        local name, value = debug.getlocal(2, 1)
        assert(name == "mark" and value == 7)
        assert(debug.getinfo(1, "f").func == callee or debug.getinfo(1, "f").func)
        assert(debug.getinfo(print, "f").func == print)
        assert(debug.getinfo(1, "l").currentline == 6)
      end
      local function caller(mark) callee() return mark end
      caller(7)
      local co = coroutine.create(function(first) coroutine.yield() end)
      coroutine.resume(co, "one")
      local name, value = debug.getlocal(co, 1, 1)
      assert(name == "first" and value == "one")
      assert(debug.getlocal(caller, 1) == "mark")
      assert(not pcall(debug.getlocal, 99, 1))
      return { listen = "127.0.0.1:0", on_data = print }
    ]])
    local result = moonport:run({ "check", path })
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
  end)
end)

describe("With --unsafe", function()
  local moonport = rig.new()

  it("a script has what was taken away", function()
    local path = moonport:directory():write("unsafe.lua", [[
      local binary = string.dump(function() return 1 end)
      assert(load(binary)() == 1 and debug.sethook and package.loadlib)
      assert(debug.getinfo(2, "f").func and require("string") == string)
      return { listen = "127.0.0.1:0", on_data = print }
    ]])
    local result = moonport:run({ "check", "--unsafe", path })
    server.assert_no_report(result.stderr)
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
  end)
end)
