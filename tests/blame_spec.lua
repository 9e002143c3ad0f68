-- blame_spec.lua — who is told to have made a mistake, or to have an address, is the one — does not
-- list every text.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local function messages(log)
  local list = {}
  for _, record in ipairs(log) do list[#list + 1] = record.message end
  return table.concat(list, "\n")
end

describe("an address in use", function()
  local moonport = rig.new()

  local function refused(script, told)
    local path = moonport:directory():write("a.lua", script)
    local result = moonport:run({ "serve", path })
    assert.equal(1, result.code)
    assert.matches(told, messages(result.log))
  end

  -- Another server of the test's, whose process is known.
  local function other(listen)
    local server = moonport:start(("return { listen = %q, %s = print }"):format(listen,
      listen:find("^udp") and "on_datagram" or "on_data"), { args = {} })
    return server, server:wait_for("listening on").message:match("listening on (.*)$")
  end

  for _, listen in ipairs({ "tcp://127.0.0.1:0", "tcp://0.0.0.0:0", "tcp://[::1]:0",
    "udp://127.0.0.1:0" }) do
    supports.it("holder",
      ("of another process, %s, is told with its name and number"):format(listen), function()
      local server, address = other(listen)
      local handler = listen:find("^udp") and "on_datagram" or "on_data"
      refused(("return { listen = %q, %s = print }"):format(address, handler),
        ("address already in use%%): moonport %%(process %d%%) has %s: stop it, or choose " ..
          "another port"):format(server.process.pid, address:match("//(.*)$"):gsub("%p", "%%%0")))
    end)
  end

  supports.it("holder",
    "of another process, a Unix socket, is told with its name and number", function()
    local path = moonport:directory():join("x.sock")
    local server = other("unix://" .. path)
    refused(("return { listen = 'unix:%s', on_data = print }"):format(path),
      ("moonport %%(process %d%%) has unix:.*: stop it, or choose another path"):format(
        server.process.pid))
  end)

  supports.it("holder", "of the server itself is told as that", function()
    local place = moonport:directory().path
    refused(([[return { listen = { "unix:%s/x", "unix:%s/./x" }, on_data = print }]]):format(place,
      place), "this server itself has unix:.*/x: leave one of them out, or give it another path")
    refused([[
      local sock = require("moonport.socket").tcp()
      assert(sock:bind("127.0.0.1:0"))
      assert(sock:listen())
      return { listen = sock:getsockname(), on_data = print }
    ]], "this server itself has 127%.0%.0%.1:%d+: leave one of them out")
  end)
end)

describe("misuse of what the library does in Lua", function()
  local moonport = rig.new()

  -- By a call with a connected socket `sock` and datagrams `udp`: what is told, in the line of the
  -- call.
  local calls = {
    ['sock:recv_line("*l")'] = "bad argument #1 to 'recv_line' (number expected, got string)",
    ["sock:send(true)"] = "bad argument #1 to 'send' (string or list of strings expected",
    ['sock:recv_exactly("all")'] = "bad argument #1 to 'recv_exactly'",
    ['sock:settimeout("long")'] = "bad argument #1 to 'settimeout'",
    ['udp:recvfrom("all")'] = "bad argument #1 to 'recvfrom'",
    ["udp:sendto({}, '127.0.0.1:9')"] = "bad argument #1 to 'sendto'",
    ['socket.connect("127.0.0.1:9", 2.5)'] = "socket.connect takes options in a table: write " ..
      'socket.connect("127.0.0.1:9", { timeout = 2.5 })',
    ['socket.connect("127.0.0.1", 9, { tiemout = 5 })'] = "unknown option 'tiemout'",
    ['socket.connect("127.0.0.1", 9, 5)'] = "bad argument #3 to 'connect' (table expected",
    ['pool.new("unix:/x", 9)'] = 'pool.new: host "unix:/x" has a scheme',
    ['socket.connect("unix:/x", 0.5)'] =
      'socket.connect takes options in a table: write socket.connect("unix:/x", { timeout = 0.5 })',
    ['socket.connect("127.0.0.1", "80")'] = "socket.connect takes one address: write " ..
      'socket.connect("127.0.0.1:80")',
    ['socket.connect(80, "localhost")'] = "socket.connect takes one address: write " ..
      'socket.connect("localhost:80")',
    ['socket.connect("127.0.0.1:80", print)'] = "socket.connect waits, and returns the connection",
    ['socket.connect("127.0.0.1:80", "fast")'] = "bad argument #2 to 'connect' (table ",
    ['sock:setoption("nodelay")'] = "bad argument #2 to 'setoption' (boolean expected",
    ['socket.tcp():setoption("nodlay", true)'] = "unknown socket option 'nodlay' (known: nodelay, ",
    ['socket.tcp():setoption("ttl", "9")'] = "bad argument #2 to 'setoption' (number expected",
    ['sock.send("x")'] = "'send' is a method: write sock:send(…), with a colon",
    ["control.connect(5)"] = "bad argument #1 to 'connect' (string expected, got number)",
    ["control.connect(nil, { timeout = 'x' })"] = "bad option 'timeout' of control.connect",
    ["control.quote({})"] = "bad argument #1 to 'quote'",
    ["socket.resolve()"] = "bad argument #1 to 'resolve'",
    ['pool.new("127.0.0.1:9", { sise = 1 })'] = "unknown option 'sise' of pool.new",
    ["pool.new('127.0.0.1:9'):put(sock)"] = "this connection is not one that get() of this pool",
  }
  -- Of a tail call Lua forgets the line, and one that is caught has no traceback that would tell.
  local ways = { [""] = "%s", [", as a tail call,"] = "return (function() return %s end)()",
    [", caught,"] = "error(select(2, pcall(function() return %s end)), 0)" }
  for call, told in pairs(calls) do
    for way, line in pairs(ways) do
      it(call .. way .. " is told in the line of the author", function()
        local result = moonport:run({ "run", "-e", [[
local socket, control = require "moonport.socket", require "moonport.control"
local pool, server, sock, udp = require "moonport.pool", socket.tcp(), socket.tcp(), socket.udp()
assert(server:bind("127.0.0.1:0"))
assert(server:listen())
assert(sock:connect(server:getsockname()))
assert(udp:bind("127.0.0.1:0") and server:accept())
]] .. line:format(call) })
        assert.equal(1, result.code)
        assert.matches("(command line):7: " .. told, messages(result.log), 1, true)
      end)
    end
  end
end)

describe("a wait that is not possible", function()
  local moonport = rig.new()

  it("in a coroutine that C resumes is told as that, and not as a finalizer", function()
    local place = moonport:directory()
    local built = shell.run({ "cc", "-shared", "-fPIC", "-o", place:join("resuming.so"),
      "tests/support/resuming.c" })
    assert.equal("", built.stderr)
    local result = moonport:run({ "run", "-e", ([[
      package.cpath = %q
      require("resuming")(function() require("moonport.timer").sleep(0.001) end)]]):format(
        place:join("?.so")) })
    assert.matches("cannot wait here: a C function resumed this coroutine", messages(result.log), 1,
      true)
  end)
end)
