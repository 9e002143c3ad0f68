-- first_guess_spec.lua — what others call what is here, and slips of the pen, are told by the name
-- they have here — judges no script that is right.

local rig = require "tests.support.rig"

local function messages(result)
  local list = {}
  for _, record in ipairs(result.log) do list[#list + 1] = record.message end
  return table.concat(list, "\n")
end

-- By what stands in the table that a script returns: what is told of it, as plain text.
local fields = {
  ["on_connect = print"] = "unknown field 'on_connect' (did you mean on_open?)",
  ["onConnect = print"] = "unknown field 'onConnect' (did you mean on_open?)",
  ["on_receive = print"] = "unknown field 'on_receive' (did you mean on_data?)",
  ["on_read = print"] = "unknown field 'on_read' (did you mean on_data?)",
  ["data_received = print"] = "unknown field 'data_received' (did you mean on_data?)",
  ["connection_lost = print"] = "unknown field 'connection_lost' (did you mean on_close?)",
  ["on_line = print"] = [[unknown field 'on_line' (did you mean on_message, with frame = "line"?)]],
  ["port = 7000"] = "unknown field 'port' (did you mean listen = 7000?)",
  ['host = "0.0.0.0"'] = [[unknown field 'host' (did you mean listen = "HOST:PORT"?)]],
  ["timeout = 5"] = "unknown field 'timeout' (did you mean timeouts = { idle = SECONDS }?)",
  ["worker = 'all'"] = [[unknown field 'worker' (did you mean workers = "all"?)]],
  ["limits = { max_clients = 5 }"] =
    "unknown field 'limits.max_clients' (did you mean connections?)",
  ["timeouts = { read = 5 }"] = "unknown field 'timeouts.read' (did you mean idle?)",
  ["listen = 70000"] = "listen is 70000, which is no port: write a port from 0 to 65535",
  ["listen = { 7000, -1 }"] = "which is no port: write a port from 0 to 65535",
}

-- By the module that is asked for: what is told.
local modules = {
  ["timer"] = "did you mean moonport.timer?",
  ["moonport.timers"] = "did you mean moonport.timer?",
  ["asyncio"] = "did you mean moonport.task?",
  ["ngx.shared"] = "did you mean moonport.shared?",
  ["prometheus"] = "did you mean moonport.metrics?",
  ["ngx"] = "docs/coming-from.md",
  ["moonport"] = "did you mean one of moonport.socket, ",
  ["MessagePack"] = "Debian and Ubuntu have it in a package: apt install lua-messagepack",
}

-- By the text of a script: what is told behind what Lua's compiler says.
local syntax = {
  ["return {\n  on_data = print\n  on_open = print\n}"] =
    "a.lua:3: '}' expected (to close '{' at line 1) near 'on_open': is a comma missing before it?",
  ["local x = 1\nif x != 2 then end"] = "a.lua:2: 'then' expected near '!': not equal is ~=",
  ["local x = 1\nx += 1"] = "a.lua:2: syntax error near '+': there is no +=",
  ["local x = 1\nx++"] = "there is no ++",
  ["if a && b then end"] = "&& is and",
  ["if a = 1 then end"] = "= assigns, == compares",
  ["return { on_data: function() end }"] = "a field of a table is name = value",
  ["if a == 1 { }"] = "a block is then … end",
  ["const x = 1"] = "a variable is declared by local",
  ["def f(x):"] = "a function is function name(…) … end",
  ["for i = 1, 2 do\n  continue\nend"] = "there is no continue",
  ["local x = a ? b : c"] = "there is no ?:",
  ["// says hello"] = "a comment begins with --",
}

-- By what a handler does with `conn`: what is told at run time.
local acts = {
  { 'conn:write("x")', "(method 'write'): did you mean conn:send?" },
  { "conn:receive()", "(method 'receive'): did you mean recv(), recv_line() or recv_exactly(n)?" },
  { 'conn:sned("x")', "(method 'sned'): did you mean conn:send?" },
  { 'conn.send("x")', "did you mean conn:send(…), with a colon?" },
  { 'return conn.send("x")', "did you mean conn:send(…), with a colon?" },
  { "timer.after(9, print).cancel()", "did you mean timer:cancel(…), with a colon?" },
  { 'server:broadcast("x")', "did you mean server.broadcast(…), with a dot?" },
  { 'log:info("x")', "did you mean log.info(…), with a dot?" },
  { "timer:after(1, print)", "did you mean timer.after(…), with a dot?" },
  { 'server.brodcast("x")', "(field 'brodcast'): did you mean server.broadcast?" },
  { 'server:brodcast("x")', "(method 'brodcast'): did you mean server.broadcast?" },
  { "timer.setTimeout(print, 5)", "did you mean timer.after(seconds, f) of moonport.timer?" },
  { "setTimeout(print, 5)", "(global 'setTimeout'): did you mean timer.after(seconds, f)" },
  { "pirnt(1)", "(global 'pirnt'): did you mean print?" },
  { "sever.broadcast(1)", "(global 'sever'): did you mean server?" },
  { 'local message = 1 conn:send(mesage .. "x")', "(global 'mesage'): did you mean message?" },
  { "socket.tcp():receive()", "(method 'receive'): did you mean recv(), recv_line()" },
  { 'socket.tcp().connect("x")', "'connect' is a method: write sock:connect(…), with a colon" },
  { 'socket:connect("x:80")', "'connect' is no method: write socket.connect(…), with a dot" },
  { 'socket.connect("::1", "80")', [[takes one address: write socket.connect("[::1]:80")]] },
  { 'socket.connect("127.0.0.1", "80")', [[one address: write socket.connect("127.0.0.1:80")]] },
  { 'pool:new("127.0.0.1:80")', "'new' is no method: write pool.new(…), with a dot" },
  { 'pool.new("127.0.0.1", "80")', "pool.new takes one address" },
  { "socket.dns.toip('localhost')", "(field 'dns'): did you mean socket.resolve of" },
  { "print('from ' .. conn.remoteAddress)", "(field 'remoteAddress'): did you mean conn.peer, or" },
  { 'conn.write("x")', "(field 'write'): did you mean conn:send?" },
  { "conn:id()", "(method 'id'): did you mean conn.id, which is no function?" },
  { "print(conn.peer())", "(field 'peer'): did you mean conn.peer, which is no function?" },
  { "conn.on_data = function() end", "conn.on_data would never be called: handlers are" },
  { "server:accept()", "(method 'accept'): did you mean listen = … in the table" },
  { "net.createServer(print)", "(global 'net'): did you mean listen = … in the table that" },
  { "shared.open('x')", "(global 'shared'): did you mean local shared = require" },
  { "asyncio.sleep(1)", "(global 'asyncio'): did you mean one of moonport's own" },
  { "reader.readline()", "(global 'reader'): did you mean the connection that a" },
  { "socket.try(1)", "(field 'try'): did you mean pcall and assert: calls that fail" },
  { "socket.on('data', print)", "(field 'on'): did you mean a handler, on_…, in the" },
  { "return log.info('%d', 'x')", ": bad argument #2 to 'string.format' (number" },
  { "log.info('%z', 1)", ": invalid conversion '%z' to 'format'" },
  { "pool.new('127.0.0.1:1'):with()", "bad argument #1 to 'with' (function expected" },
  { "require 'moonport.hex'", "'moonport.hex' not found:\n\tno moonport/hex.lua in " },
  { "require 'moonport.tmier'", "not found:\n\tdid you mean moonport.timer?" },
  { "error({})", "(a table as error value, which has no __tostring)" },
  -- What is the author's own is not ours to explain.
  { "conn.on_dota = function() end conn.on_open = 5 error('fine', 0)", "fine", true },
  { "local state = {} print(state.dns.x)", "a nil value (field 'dns')" },
  { "local state = {} print(state.address2 .. '')", "a nil value (field 'address2')", true },
  { "local queue = {} queue:push(1)", "a nil value (method 'push')", true },
  { "local tools = {} tools.run()", "a nil value (field 'run')", true },
  { '("x"):splt()', "a nil value (method 'splt')", true },
}

local prelude = [[
local log = require "moonport.log"
local pool = require "moonport.pool"
local server = require "moonport.server"
local socket = require "moonport.socket"
local timer = require "moonport.timer"
]]

describe("a first guess", function()
  local moonport = rig.new()

  local function check(text)
    return moonport:run({ "check", moonport:directory():write("a.lua", text) })
  end

  for text, told in pairs(fields) do
    it(("at the table of a service, %s, is told by its name here"):format(text), function()
      local result = check(("return { on_data = print, %s }"):format(text))
      assert.equal(1, result.code)
      assert.matches(told, messages(result), 1, true)
    end)
  end

  it("at the command line is told: a command behind options, a command's name", function()
    local words = { serve = "comes before options: moonport serve", srve = "did you mean serve" }
    for word, told in pairs(words) do
      local result = moonport:run({ "--log-format", "text", word, "x.lua" })
      assert.equal(2, result.code)
      assert.matches(told, result.stderr, 1, true)
    end
  end)

  it("at the table, functions that are global, is told as that", function()
    local result = check("function on_data(conn, data) end\nfunction on_open(conn) end")
    assert.matches("global functions are no handlers: end the script with " ..
      "return { on_open = on_open, on_data = on_data }", messages(result), 1, true)
  end)

  for name, told in pairs(modules) do
    it(("at a module, %s, is told, and where it was looked for, each place once"):format(name),
      function()
        local path = moonport:directory():write("a.lua",
          ("package.cpath = '/nowhere/?.so;/nowhere/loadall.so' require %q"):format(name))
        local text = messages(moonport:run({ "check", path }, { env = {
          LUA_PATH = "/a/?.lua;/a/?/init.lua;./?.lua;/a/b/?.lua" } }))
        assert.matches(("a.lua:1: module '%s' not found:\n"):format(name), text, 1, true)
        assert.matches(told, text, 1, true)
        assert.matches((" in %s, /a, ., /a/b\n"):format(path:match("^(.*)/")), text, 1, true)
        assert.matches("\n\tno [^\n]*%.so in /nowhere$", text)
      end)
  end

  for text, told in pairs(syntax) do
    it(("at the syntax, %q, is told behind what the compiler says"):format(text), function()
      local result = check(text)
      assert.equal(1, result.code)
      assert.matches(told, messages(result), 1, true)
    end)
  end

  it("at a name, in a handler that runs, is told in the message", function()
    local bodies = {}
    for index, act in ipairs(acts) do bodies[index] = ("function(conn) %s end"):format(act[1]) end
    local served = moonport:start(("%s\nlocal acts = { %s }\nlocal number = 0\n%s"):format(prelude,
      table.concat(bodies, ",\n"), [[
      return {
        on_open = function(conn)
          number = number + 1
          acts[number](conn)
        end,
      }]]))
    served:allow_log("test%.lua:%d")
    for _, act in ipairs(acts) do
      local peer = served:connect()
      peer:receive_end()
      peer:close()
      local pattern = act[2]:gsub("%p", "%%%0")
      served:wait_for(act[3] and pattern .. "$" or pattern)
    end
  end)
end)

-- What check warns of: the code that stands in on_data(conn, data), and what is told, if anything.
local names = {
  { "cuont = cuont + 1", "nothing defines 'cuont' (did you mean count?)" },
  { "sever.brodcast(1)", "nothing defines 'sever' (did you mean server?)" },
  { "conn:send(mesage) local message", "nothing defines 'mesage' (did you mean message?)" },
  { "return None", "nothing defines 'None' (did you mean nil?)" },
  { "server.brodcast(1)", "moonport.server has no 'brodcast' (did you mean broadcast?)" },
  { "server:broadcast(1)", "'broadcast' is no method: write a dot" },
  { "conn:sned(data)", "a connection has no method 'sned' (did you mean send?)" },
  { "conn:write(data)", "a connection has no method 'write' (did you mean send?)" },
  { "conn.send(data)", "'send' is a method: write a colon" },
  { "coutn = 5", "nothing reads the global 'coutn' (did you mean count?)" },
  { "timer.after(1, function() conn:sned(data) end)", "a connection has no method 'sned'" },
  { "timer.after(1, function() total = total + 1 end)", "nothing defines 'total'" },
  { "if jit then return jit.version end" },
  { "local unpack = table.unpack or unpack return unpack(data)" },
  { "if type(ffi) == 'table' then return ffi.new() end" },
  { "if ffi == nil then return end return ffi.new()" },
  { "counter = (counter or 0) + 1" },
  { "seen = seen or {} seen[conn.id] = true" },
  { "helper(data)" },
  { "tools.shout(data)" },
  { "conn.send(conn, data)" },
  { "conn.reply = function() end conn:reply(data)" },
  { "local send = conn.send send(conn, data)" },
  { "local _ENV = { x = 1 } return x + y" },
  { "server.stats() timer.now() conn:send(conn.peer)" },
}

describe("check, of a handler's names,", function()
  local moonport = rig.new()

  for _, case in ipairs(names) do
    local code, told = case[1], case[2]
    it(("%s: %s"):format(code, told or "warns of nothing"), function()
      local place = moonport:directory()
      place:write("tools.lua", "function shout() end return { shout = shout }")
      local path = place:write("a.lua", prelude .. "local tools = require 'tools'\n" ..
        "local count = 0\nfunction helper() return count end\nreturn { on_data = " ..
        "function(conn, data) print(#tools) " .. code .. " end }")
      local result = moonport:run({ "check", path })
      assert.equal(0, result.code)
      assert.matches("a.lua: ok", result.stdout, 1, true)
      if not told then return assert.same({}, result.log) end
      assert.matches("a.lua:9: " .. told, messages(result), 1, true)
      assert.equal("warn", result.log[1].level)
    end)
  end

  it("tells those of a module beside the script, too, and runs none of its functions", function()
    local place = moonport:directory()
    place:write("tools.lua", "local M = {}\nfunction M.f() return missing.field end\nreturn M")
    local path = place:write("a.lua", "require 'tools' return { on_data = error, on_load = error }")
    local result = moonport:run({ "check", path })
    assert.equal(0, result.code)
    assert.matches("tools.lua:2: nothing defines 'missing'", messages(result), 1, true)
  end)

  it("is silent where a script gives its globals a metatable", function()
    local path = moonport:directory():write("a.lua", "setmetatable(_G, { __index = function() " ..
      "return print end })\nreturn { on_data = function() anything() end }")
    assert.same({}, moonport:run({ "check", path }).log)
  end)
end)
