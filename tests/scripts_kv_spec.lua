-- scripts_kv_spec.lua — scripts/kv.lua, asked by redis-cli and redis-benchmark, and by no friend.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local OK, NONE = "+OK\r\n", "$-1\r\n"

-- A request as clients write it.
local function request(...)
  local words = { "*" .. select("#", ...) .. "\r\n" }
  for index, word in ipairs({ ... }) do words[index + 1] = ("$%d\r\n%s\r\n"):format(#word, word) end
  return table.concat(words)
end

describe("scripts/kv.lua", function()
  local moonport = rig.new()

  local function start()
    return moonport:serve({ "--listen", "127.0.0.1:0", "scripts/kv.lua" })
  end

  -- What one connection is answered, from its first byte to the server's FIN.
  local function ask(server, text)
    local peer = server:connect()
    peer:offer(text)
    peer:finish()
    return peer:receive_all()
  end

  local function assert_answers(server, text, answer)
    assert.equal(answer, ask(server, text))
  end

  local function redis_cli(server, ...)
    local result = shell.run({ "redis-cli", "-p", tostring(server:port()), ... })
    assert.equal("", result.stderr)
    return (result.stdout:gsub("\n$", ""))
  end

  it("does for redis-cli what it says", function()
    local server = start()
    assert.equal("PONG", redis_cli(server, "ping"))
    assert.equal("full", redis_cli(server, "ping", "full"))
    assert.equal("OK", redis_cli(server, "set", "moon", "full of cheese"))
    assert.equal("full of cheese", redis_cli(server, "get", "moon"))
    assert.equal("", redis_cli(server, "get", "mars"))
    assert.equal("1", redis_cli(server, "incr", "visits"))
    assert.equal("2", redis_cli(server, "INCR", "visits"))
    assert.equal("3", redis_cli(server, "exists", "moon", "visits", "mars", "moon"))
    assert.equal("2", redis_cli(server, "del", "moon", "visits", "mars"))
    assert.equal("0", redis_cli(server, "exists", "moon"))
    assert.equal("\27[31m", redis_cli(server, "echo", "\27[31m"))
  end)

  it("serves redis-cli in a session, which asks for COMMAND first", function()
    local server = start()
    local result = shell.run({ "redis-cli", "-p", tostring(server:port()) },
      { stdin = "set a 1\nincr a\nget a\nquit\n" })
    assert.equal("OK\n2\n2\n", (result.stdout:gsub("OK\n$", "", 1)))
    assert.equal("", result.stderr)
  end)

  it("takes 10,000 requests in one go from redis-cli --pipe", function()
    local server = start()
    local requests = {}
    for index = 1, 10000 do
      requests[index] = request("SET", "key" .. index, ("v"):rep(index % 97))
    end
    local result = shell.run({ "redis-cli", "-p", tostring(server:port()), "--pipe" },
      { stdin = table.concat(requests) })
    assert.matches("errors: 0, replies: 10000", result.stdout)
    assert.equal(("v"):rep(9999 % 97), redis_cli(server, "get", "key9999"))
  end)

  it("takes redis-benchmark's load, pipelined and not, and counts right", function()
    local server = start()
    for _, depth in ipairs({ "1", "16" }) do
      local result = shell.run({ "redis-benchmark", "-p", tostring(server:port()), "-c", "50",
        "-P", depth, "-n", "3200", "-t", "ping_inline,ping_mbulk,set,get,incr", "--csv" })
      assert.equal("", result.stderr)
      assert.equal(0, result.code)
      assert.equal(6, select(2, result.stdout:gsub("\n", "\n")), result.stdout)
    end
    assert.equal("6400", redis_cli(server, "get", "counter:__rand_int__"))
  end)

  -- 16 values of 100 KB are more than limits.write_queue: they are answered piece by piece.
  it("answers long values no faster than they are taken", function()
    local server = start()
    local result = shell.run({ "redis-benchmark", "-p", tostring(server:port()), "-c", "4", "-P",
      "16", "-n", "320", "-d", "100000", "-t", "set,get", "--csv" })
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    local value = ("0123456789"):rep(100000)
    local peer = server:connect({ receive_buffer = 8192 })
    peer:offer(request("SET", "long", value) .. request("GET", "long"):rep(10))
    local answer = ("$%d\r\n%s\r\n"):format(#value, value)
    assert.is_true(peer:receive(#OK + 10 * #answer) == OK .. answer:rep(10))
  end)

  it("keeps every byte of keys and values", function()
    local bytes = {}
    for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
    local all = table.concat(bytes)
    local bulk = ("$%d\r\n%s\r\n"):format(#all, all)
    local server = start()
    assert_answers(server, request("SET", all, all) .. request("GET", all), OK .. bulk)
    assert_answers(server, request("SET", "", "") .. request("GET", ""), OK .. "$0\r\n\r\n")
    local protocol = "\r\n$3\r\nGET\r\n*1\r\n"
    assert_answers(server, request("SET", protocol, protocol) .. request("ECHO", protocol),
      ("%s$%d\r\n%s\r\n"):format(OK, #protocol, protocol))
  end)

  -- It joined what came piece by piece, and copied the value so far for each piece.
  it("asks at once for all that is missing of a value", function()
    local saved = package.path
    package.path = "scripts/?.lua;" .. saved
    finally(function() package.path = saved end)
    local service = dofile("scripts/kv.lua")
    service.on_load(nil)
    local value = ("0123456789"):rep(20000)
    local text = request("SET", "long", value)
    for _, first in ipairs({ 40, 5000, #text - 3 }) do
      local asked, conn = {}, { words = {} }
      function conn.send() return true end
      function conn.recv_exactly(_, size)
        asked[#asked + 1] = size
        return text:sub(-size)
      end
      service.on_data(conn, text:sub(1, first))
      assert.same({ #text - first }, asked)
    end
  end)

  -- Each byte of a word's length made it read all words before it again: a request of 1 MiB whose
  -- last words came slowly took minutes of the processor.
  it("reads nothing twice of a request that comes byte by byte", function()
    local saved = package.path
    package.path = "scripts/?.lua;" .. saved
    finally(function() package.path = saved end)
    local service, reader = dofile("scripts/kv.lua"), require "kv.request"
    service.on_load(nil)
    local read, looked_at = reader.read, 0
    function reader.read(data, at, words)
      looked_at = looked_at + #data - at + 1
      return read(data, at, words)
    end
    finally(function() package.path, reader.read = saved, read end)
    local words = {}
    for index = 1, 126 do words[index] = "key" .. index end
    for _, text in ipairs({ request("DEL", ("x"):rep(100000), table.unpack(words)),
      request("SET", "k", ("v"):rep(50000)), "get " .. ("k"):rep(4000) .. "\r\n" }) do
      local at, answers, conn = 2, {}, { words = {} }
      local function take(size)
        at = at + size
        return at - 1 <= #text and text:sub(at - size, at - 1) or nil
      end
      function conn.send(_, answer) answers[#answers + 1] = answer return true end
      function conn.recv() return take(1) end
      function conn.recv_exactly(_, size) return take(size) end
      function conn.recv_line() return (take(#text - at + 1):gsub("\r?\n$", "")) end
      function conn.close() error("it closed") end
      looked_at = 0
      service.on_data(conn, text:sub(1, 1))
      assert.equal(1, #answers)
      assert.is_true(looked_at < 3 * #text, looked_at .. " bytes were looked at for " .. #text)
    end
  end)

  it("takes requests that are typed by hand", function()
    local server = start()
    assert_answers(server, "ping\r\n", "+PONG\r\n")
    assert_answers(server, "\r\n\n  set  a \t 1 \nget a\r\n", OK .. "$1\r\n1\r\n")
    local result = shell.run({ "nc", "-N", "127.0.0.1", tostring(server:port()) },
      { stdin = "incr a\nquit\nget a\n" })
    assert.equal(":2\r\n" .. OK, result.stdout)
  end)

  it("answers each mistake and goes on", function()
    local server = start()
    local cases = {
      { request("GET"), "-ERR wrong number of arguments for 'get' command" },
      { request("set", "a"), "-ERR wrong number of arguments for 'set' command" },
      { request("INCR", "a", "b"), "-ERR wrong number of arguments for 'incr' command" },
      { request("DEL"), "-ERR wrong number of arguments for 'del' command" },
      { request("FLY", "me"), "-ERR unknown command 'FLY'" },
      { request(""), "-ERR unknown command ''" },
      { request("a\r\nb\27c"), "-ERR unknown command 'a??b?c'" },
    }
    for _, case in ipairs(cases) do
      assert_answers(server, case[1] .. "PING\r\n", case[2] .. "\r\n+PONG\r\n")
    end
    local long = ask(server, request(("x"):rep(100000)))
    assert.is_true(#long < 256, "an error of " .. #long .. " bytes")
  end)

  it("counts only what is a whole number, up to the last", function()
    local server = start()
    local no_number = "-ERR value is not an integer or out of range\r\n"
    for _, value in ipairs({ "x", "", " 1", "1 ", "01", "1.0", "1e3", "0x10", "-0", "nil", "inf",
      "9223372036854775808", "1\0", "--1" }) do
      assert_answers(server, request("SET", "n", value) .. request("INCR", "n"), OK .. no_number)
    end
    assert_answers(server, request("SET", "n", "-2") .. request("INCR", "n"):rep(3),
      OK .. ":-1\r\n:0\r\n:1\r\n")
    assert_answers(server, request("SET", "n", "9223372036854775806") .. request("INCR", "n"):rep(2)
      .. request("GET", "n"), OK .. ":9223372036854775807\r\n"
      .. "-ERR increment or decrement would overflow\r\n$19\r\n9223372036854775807\r\n")
  end)

  it("tells what is wrong with the protocol, and closes, whatever else is announced", function()
    local server = start()
    local calm = server:connect()
    local cases = {
      ["*x\r\n"] = "invalid multibulk length",
      ["*-1\r\n"] = "invalid multibulk length",
      ["*129\r\n"] = "invalid multibulk length",
      ["*1000000000\r\n"] = "invalid multibulk length",
      ["*99999999999999999999999999\r\n"] = "invalid multibulk length",
      ["*2x\r\n"] = "invalid bulk length",
      ["*1\r\nPING\r\n"] = "invalid bulk length",
      ["*1\r\n$-1\r\n"] = "invalid bulk length",
      ["*1\r\n$04\r\nPING\r\n"] = "invalid bulk length",
      ["*1\r\n$1048577\r\n"] = "invalid bulk length",
      ["*1\r\n$4294967296\r\n"] = "invalid bulk length",
      ["*1\r\n$99999999999999999999999999\r\n"] = "invalid bulk length",
      ["*1\r\n$" .. ("1"):rep(100000)] = "invalid bulk length",
      ["*1\r\n$4\r\nPINGPONG\r\n"] = "invalid bulk length",
      ["*2\r\n$4\r\nPING12$1\r\n"] = "invalid bulk length",
      [("x"):rep(5000)] = "too big inline request",
    }
    for text, problem in pairs(cases) do
      local peer = server:connect()
      peer:offer("PING\r\n" .. text .. "PING\r\n")
      -- No FIN of ours: it is the server that ends this.
      assert.equal("+PONG\r\n-ERR Protocol error: " .. problem .. "\r\n", peer:receive_all())
    end
    calm:send("PING\r\n")
    assert.equal("+PONG\r", calm:receive_line())
  end)

  it("gives no memory for what is only announced", function()
    local server = start()
    local rss = server:rss()
    local peers = {}
    for index = 1, 200 do
      peers[index] = server:connect()
      peers[index]:send("PING\r\n*128\r\n$1000000\r\nx")
      assert.equal("+PONG\r", peers[index]:receive_line())
    end
    assert.is_true(server:rss() - rss < 20 * 1024 * 1024, "memory grew with announcements")
  end)

  it("waits for the rest of a request, and others do not", function()
    local server = start()
    local slow = server:connect()
    slow:send("PING\r\n*2\r\n$4\r\nECHO\r\n$10\r\n01234")
    assert.equal("+PONG\r", slow:receive_line())
    assert_answers(server, request("SET", "a", "1"), OK)
    slow:send("56789\r\n" .. request("GET", "a"))
    assert.equal("$10\r\n0123456789\r\n$1\r\n1\r\n", slow:receive(24))
  end)

  it("drops a request whose rest does not come", function()
    assert_answers(start(), request("SET", "a", "1") .. "*2\r\n$3\r\nDEL\r\n$1\r\n", OK)
  end)

  it("ends with QUIT, after its answer", function()
    local peer = start():connect()
    peer:send(request("GET", "a") .. request("QUIT") .. request("PING"))
    assert.equal(NONE .. OK, peer:receive_all())
  end)

  it("keeps its data when one of its files changes, also for who is in mid-request", function()
    local folder = moonport:directory()
    shell.run({ "cp", "-r", "scripts/kv.lua", "scripts/kv", folder.path })
    local server = moonport:serve({ "--listen", "127.0.0.1:0", folder:join("kv.lua") })
    local peer = server:connect()
    peer:send(request("SET", "moon", "full") .. "*2\r\n$3\r\nGET\r\n$4\r\nmo")
    assert.equal(OK, peer:receive(#OK))
    local file = assert(io.open(folder:join("kv/commands.lua"), "a"))
    assert(file:write("-- changed\n"))
    assert(file:close())
    server:wait_for("version 2 is in force")
    peer:send("on\r\n")
    assert.equal("$4\r\nfull\r\n", peer:receive(10))
    assert_answers(server, request("GET", "moon"), "$4\r\nfull\r\n")
  end)
end)
