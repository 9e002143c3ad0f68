-- redis_client_spec.lua — moonport.redis, with a real Redis, one that comes and goes, and peers
-- that say what no Redis says.

local program = require "tests.support.program"
local redis = require "tests.support.redis"
local rig = require "tests.support.rig"
local tls = require "tests.support.tls"

-- Behind the prelude of support/program.lua.
local prelude = [[
  local redis = require "moonport.redis"
  local function run() CODE end
  run()
  os.exit(0)
]]

-- Before it: what plays a Redis. serve(f) runs f(conn) for each connection, and gives its address;
-- command(conn) reads one command, as a list of its words.
local stand_in = [[
  local function serve(f)
    local listener, address = listening(nil, 64)
    task.spawn(function()
      for conn in function() return (listener:accept()) end do task.spawn(f, conn) end
    end)
    return address
  end
  local function command(conn)
    local line = conn:recv_line()
    local words = {}
    for index = 1, line and line:match("^%*(%d+)$") or 0 do
      words[index] = conn:recv_exactly(tonumber(conn:recv_line():match("^%$(%d+)$")) + 2):sub(1, -3)
    end
    return line and words
  end
]]

describe("moonport.redis", function()
  local moonport = rig.new()

  local function lines(code, ...)
    local args = { ... }
    for index, value in ipairs(args) do args[index] = tostring(value) end
    code = stand_in .. prelude:gsub("CODE", function() return code end)
    return program.lines(moonport, code, { args = args })
  end

  it("sends commands and gives the answers as values", function()
    local port = redis.start(moonport)
    assert.same({ "OK", "full\tstring", "false", "2\tinteger", "a  b  false  3", "1  x\r", "\0y  z",
      "nil\terror\tWRONGTYPE Operation against a key holding the wrong kind of value", "OK",
      "0\t" }, lines([[
      local client = redis.new("127.0.0.1:" .. arg[1])
      print((client:call("SET", "moon", "full")))
      local moon = client:call("GET", "moon")
      print(moon, type(moon))
      print((client:call("GET", "sun")))
      client:call("SET", "n", 1)
      local n = client:call("INCR", "n")
      print(n, math.type(n))
      client:call("MSET", "k1", "a", "k2", "b")
      local values = client:call("MGET", "k1", "k2", "k3")
      print(values[1] .. "  " .. values[2] .. "  " .. tostring(values[3]) .. "  " .. #values)
      local list = client:call("EVAL", "return {1, {'x\\r\\n\\0y', {'z'}}}", 0)
      print(list[1] .. "  " .. list[2][1] .. "  " .. list[2][2][1])
      print(client:call("LPUSH", "moon", 1))
      print((client:call("SET", "large", ("0123456789"):rep(300000))))
      assert(client:call("GET", "large") == ("0123456789"):rep(300000))
      print(#client:call("LRANGE", "none", 0, -1), client:call("ECHO", ""))
    ]], port))
  end)

  it("gives many coroutines their own answers over one connection", function()
    local port = redis.start(moonport)
    assert.same({ "0 wrong", "2 connections" }, lines([[
      local client = redis.new("127.0.0.1:" .. arg[1])
      local wrong, tasks = 0, {}
      for i = 1, 100 do
        tasks[i] = task.spawn(function()
          for j = 1, 20 do
            local text = ("%d-%d "):format(i, j):rep(i)
            if client:call("ECHO", text) ~= text then wrong = wrong + 1 end
          end
        end)
      end
      for _, each in ipairs(tasks) do each:join() end
      print(wrong .. " wrong")
      local other = redis.new("127.0.0.1:" .. arg[1])
      print(other:call("INFO", "clients"):match("connected_clients:(%d+)") .. " connections")
    ]], port))
  end)

  it("sends a pipeline at once and gives a list, with failures in their places", function()
    local port = redis.start(moonport)
    assert.same({ "5", "OK 1 false", "true", "large 1", "0" }, lines([[
      local client = redis.new("127.0.0.1:" .. arg[1])
      local large = ("x"):rep(1000000)
      local answers = client:pipeline {
        { "SET", "a", 0 }, { "INCR", "a" }, { "GET", "b" }, { "LPUSH", "a", 1 }, { "ECHO", large },
      }
      print(#answers)
      print(answers[1] .. " " .. answers[2] .. " " .. tostring(answers[3]))
      print(answers[4].err:find("^WRONGTYPE") ~= nil)
      print("large " .. (answers[5] == large and 1 or 0))
      print(#client:pipeline {})
    ]], port))
  end)

  -- Two transactions of one client must not mix: their commands go out without a gap.
  it("runs a transaction whole, or not at all", function()
    local port = redis.start(moonport)
    assert.same({ "1,2", "nil\terror\ttrue", "2", "20 right" }, lines([[
      local client = redis.new("127.0.0.1:" .. arg[1])
      print(table.concat(client:transaction { { "INCR", "n" }, { "INCR", "n" } }, ","))
      local answers, code, detail = client:transaction { { "INCR", "n" }, { "NONESUCH" } }
      print(answers, code, detail:find("unknown command", 1, true) ~= nil)
      print((client:call("GET", "n")))
      local right, tasks = 0, {}
      for i = 1, 20 do
        tasks[i] = task.spawn(function()
          local pair = client:transaction { { "INCR", "m" }, { "INCR", "m" } }
          if pair[2] == pair[1] + 1 then right = right + 1 end
        end)
      end
      for _, each in ipairs(tasks) do each:join() end
      print(right .. " right")
    ]], port))
  end)

  it("hears what is published, and goes on with other channels", function()
    local port = redis.start(moonport)
    assert.same({ "nil\ttimeout\tnil", "full\tmoon", "high\tsun", "nil\ttimeout\tnil",
      "low\ttide:ebb\ttide:*", "1 moon", "2 sun", "nil\tclosed\tnil" }, lines([[
      local client = redis.new("127.0.0.1:" .. arg[1])
      local news = client:subscribe("moon")
      print(news:get(0.02))
      client:call("PUBLISH", "moon", "full")
      print(news:get(5))
      news:add("sun", "stars")
      news:remove("moon")
      while client:call("PUBSUB", "NUMSUB", "moon", "sun")[2] > 0 do timer.sleep(0.005) end
      client:call("PUBLISH", "moon", "new")
      client:call("PUBLISH", "sun", "high")
      print(news:get(5))
      print(news:get(0.02))
      local tides = client:psubscribe("tide:*")
      client:call("PUBLISH", "tide:ebb", "low")
      print(tides:get(5))
      news:add("moon")
      while client:call("PUBSUB", "NUMSUB", "moon")[2] == 0 do timer.sleep(0.005) end
      client:call("PUBLISH", "moon", 1)
      client:call("PUBLISH", "sun", 2)
      for message, channel in news:each() do
        print(message .. " " .. channel)
        if message == "2" then break end
      end
      task.spawn(function() news:close() end)
      print(news:get())
    ]], port))
  end)

  it("goes on when Redis is back; what was under way fails, and is not sent again", function()
    local port, child = redis.start(moonport)
    local started = moonport:start(([[
      local redis = require "moonport.redis"
      local log = require "moonport.log"
      local client = redis.new("127.0.0.1:%d")
      local function tell(value, code, detail)
        return ("%%s %%s\n"):format(tostring(value), detail and code .. " " .. detail or code or "")
      end
      return { frame = "line", on_message = function(conn, line)
        local words = {}
        for word in line:gmatch("%%S+") do words[#words + 1] = word end
        conn:send(tell(client:call(table.unpack(words))))
      end }
    ]]):format(port))
    finally(function() started:signal("sigterm") end) -- its connection to Redis stays open
    local peer, other = started:connect(), started:connect()
    local function ask(who, line)
      who:send(line .. "\n")
      return who:receive_line()
    end
    assert.equal("OK ", ask(peer, "SET moon full"))
    other:send("BLPOP nothing 0\n")
    repeat until redis.ask(port, "info", "clients"):find("blocked_clients:1", 1, true)
    peer:send("RPUSH list 1\n") -- behind the one that is blocked
    child:signal("sigkill")
    child:wait()
    local lost = "nil closed the connection to 127.0.0.1:" .. port .. " was lost %("
    assert.matches(lost, other:receive_line())
    assert.matches(lost, peer:receive_line())
    assert.matches("^nil ECONNREFUSED", ask(peer, "PING"))
    redis.start(moonport, port)
    assert.equal("PONG ", ask(peer, "PING"))
    assert.equal("0", redis.ask(port, "exists", "list"))
    -- An idle connection that ended is noticed before anything is sent on it.
    redis.ask(port, "client", "kill", "type", "normal")
    assert.equal("PONG ", ask(peer, "PING"))
    peer:close()
    other:close()
  end)

  it("tells a subscriber that messages were lost, and then subscribes again", function()
    local port = redis.start(moonport)
    assert.same({ "nil\tclosed", "back\tmoon" }, lines([[
      local client = redis.new("127.0.0.1:" .. arg[1])
      local news = client:subscribe("moon")
      client:call("CLIENT", "KILL", "TYPE", "pubsub")
      local message, code = news:get(5)
      print(message, code)
      task.spawn(function()
        while client:call("PUBLISH", "moon", "back") == 0 do timer.sleep(0.005) end
      end)
      print(news:get(5))
    ]], port))
  end)

  it("says who it is, and chooses the database, on each connection", function()
    local port = redis.start(moonport)
    redis.ask(port, "config", "set", "requirepass", "secret")
    assert.same({ "nil\terror\ttrue", "OK\t1", "nil\terror\ttrue", "nil\terror\ttrue" }, lines([[
      local address = "127.0.0.1:" .. arg[1]
      local function try(options, text)
        local answer, code, detail = redis.new(address, options):call("SET", "a", 1)
        print(answer, code, detail:find(text) ~= nil)
      end
      try(nil, "NOAUTH")
      local client = redis.new(address, { username = "default", password = "secret", database = 3 })
      print(client:call("SET", "a", 1), client:call("INFO", "keyspace"):match("db3:keys=(%d+)"))
      try({ password = "wrong" }, "WRONGPASS")
      try({ password = "secret", database = 99 }, "out of range")
    ]], port))
  end)

  it("connects at once where that is asked for", function()
    local port = redis.start(moonport)
    assert.same({ "PONG", "nil\tECONNREFUSED", "nil\terror" }, lines([[
      print(assert(redis.connect("127.0.0.1:" .. arg[1])):call("PING"))
      local client, code = redis.connect("127.0.0.1:1")
      print(client, code)
      client, code = redis.connect("127.0.0.1:" .. arg[1], { password = "none is set" })
      print(client, code)
    ]], port))
  end)

  it("speaks TLS, and looks whom with", function()
    local directory = moonport:directory()
    local certificate, key = tls.certificate(directory, "localhost")
    local port = redis.start(moonport, nil, { tls = { certificate, key },
      unix = directory:join("redis.sock") })
    assert.same({ "OK\t1", "nil\thandshake", "1" }, lines([[
      local trusted = redis.new("tls://localhost:" .. arg[3], { tls = { ca = arg[1] } })
      print((trusted:call("SET", "a", 1)), (trusted:call("GET", "a")))
      -- The system's authorities are read first, which takes a busy machine its time.
      local stranger = redis.new("tls://localhost:" .. arg[3], { timeout = 50 })
      local answer, code = stranger:call("GET", "a")
      print(answer, code)
      print((redis.new("unix:" .. arg[2]):call("GET", "a")))
    ]], certificate, directory:join("redis.sock"), port))
  end)

  it("gives nil, 'timeout', and leaves a connection on which nothing comes any more", function()
    assert.same({ "nil\ttimeout", "nil\tclosed", "PONG of 2", "nil\ttimeout", "late" }, lines [[
      local count = 0
      local address = serve(function(conn)
        count = count + 1
        local number = count
        while command(conn) do
          if number > 1 then conn:send("+PONG of " .. number .. "\r\n") end
        end
      end)
      local client = redis.new(address, { timeout = 0.1 })
      local second
      task.spawn(function()
        timer.sleep(0.05)
        second = table.pack(client:call("PING"))
      end)
      local answer, code = client:call("PING")
      print(answer, code)
      turn()
      print(second[1], second[2])
      print((client:call("PING")))
      -- One whose answers come, if late, keeps its connection.
      local slow = redis.new(serve(function(conn)
        command(conn)
        timer.sleep(0.06)
        conn:send("+first\r\n")
        command(conn)
        timer.sleep(0.09)
        conn:send("+second\r\n")
        while command(conn) do conn:send("+late\r\n") end
      end), { timeout = 0.1 })
      task.spawn(function() slow:call("PING") end)
      turn()
      answer, code = slow:call("PING")
      print(answer, code)
      print((slow:call("PING")))
    ]])
  end)

  it("takes what no Redis says for a fault, and begins anew", function()
    local said = { "HTTP/1.1 200 OK\r\n", "+", "$3\r\nmoons\r\n", "$-2\r\n", "*x\r\n", ":12a\r\n",
      "$99999999999999999999\r\n", "\r\n", ("*1\r\n"):rep(40), "$100000\r\n", "*1000000000\r\n",
      ("+x"):rep(40000), "*3\r\n+a\r\n", "_\r\n", ":--1\r\n", "*-7\r\n", "$1000000000000\r\n" }
    local codes = { "malformed", "closed", "malformed", "malformed", "malformed", "malformed",
      "malformed", "malformed", "malformed", "limit", "closed", "limit", "closed", "malformed",
      "malformed", "malformed", "limit" }
    local expected = {}
    for index, each in ipairs(codes) do
      expected[#expected + 1] = index .. " " .. each .. " PONG"
    end
    local texts = {}
    for index, text in ipairs(said) do texts[index] = ("%q"):format(text) end
    assert.same(expected, lines(([[
      local said, count = { SAID }, 0
      local address = serve(function(conn)
        count = count + 1
        if count % 2 == 1 then
          command(conn)
          conn:send(said[(count + 1) // 2])
          return conn:close()
        end
        while command(conn) do conn:send("+PONG\r\n") end
      end)
      for index = 1, #said do
        local client = redis.new(address, { max_answer = 90000 })
        local answer, code = client:call("PING")
        assert(answer == nil)
        print(index .. " " .. code .. " " .. client:call("PING"))
        client:close()
      end
    ]]):gsub("SAID", function() return table.concat(texts, ", ") end)))
  end)

  -- Answers in single bytes: each costs the same, however many there were before.
  it("reads a long answer that comes in single bytes", function()
    local result = lines [[
      local resp = require "moonport.redis.resp"
      local function single(text)
        local at = 1
        return {
          recv = function(_, max)
            at = at + 1
            return max > 0 and text:sub(at - 1, at - 1) or nil
          end,
          recv_until = function()
            local found = text:find("\r\n", at, true)
            local line = text:sub(at, found - 1)
            at = found + 2
            return line
          end,
        }
      end
      local text = ("x"):rep(400000)
      print(resp.read(single("$400000\r\n" .. text .. "\r\n"), 500000) == text)
      local list = resp.read(single("*20000\r\n" .. ("$1\r\nx\r\n"):rep(20000)), 500000)
      print(#list, list[20000])
      -- And through a socket.
      local answer = "*2\r\n$3000\r\n" .. ("y"):rep(3000) .. "\r\n:7\r\n"
      local client = redis.new(serve(function(conn)
        command(conn)
        for at = 1, #answer do
          conn:send(answer:sub(at, at))
          turn()
        end
      end))
      local values = client:call("PING")
      print(#values[1], values[2])
    ]]
    assert.same({ "true", "20000\tx", "3000\t7" }, result)
  end)

  -- The target of the fuzzer, with inputs of which many are nearly right. REDIS_ROUNDS: how many.
  it("reads any bytes without a fault of its own", function()
    local before = package.path
    package.path = "lua/?.lua;" .. before
    finally(function() package.path = before end)
    local read = dofile("tests/fuzz/redis_fuzz.lua")
    local parts = { "+OK\r\n", "-ERR no\r\n", ":42\r\n", ":-1\r\n", "$3\r\nabc\r\n", "$0\r\n\r\n",
      "$-1\r\n", "*-1\r\n", "*0\r\n", "*1\r\n", "*2\r\n", "*3\r\n", "*9\r\n", "$", "*", ":", "\r",
      "\n", "\r\n", "-",
      "7", "1999", "2000", "99999999999", "\0", "$4\r\nx\r\ny\r\n", ("*1\r\n"):rep(33),
      ("x"):rep(900) }
    local seed = 14
    local function random(max) -- the same everywhere
      seed = (seed * 6364136223846793005 + 1442695040888963407) & -1
      return (seed >> 33) % max + 1
    end
    for _ = 1, tonumber(os.getenv("REDIS_ROUNDS")) or 5000 do
      local list = {}
      for index = 1, random(8) do list[index] = parts[random(#parts)] end
      local text = table.concat(list)
      if random(3) == 1 then
        local at = random(#text)
        text = text:sub(1, at - 1) .. string.char(random(256) - 1) .. text:sub(at + random(3) - 1)
      end
      local ok, fault = pcall(read, text)
      if not ok then error(("of %q: %s"):format(text, fault)) end
    end
  end)

  it("does not send what nobody waits for any more", function()
    assert.same({ "1", "true" }, lines [[
      local seen = 0
      local go = false
      local address = serve(function(conn)
        while command(conn) do
          seen = seen + 1
          while not go do timer.sleep(0.005) end
          conn:send("+OK\r\n")
        end
      end)
      local client = redis.new(address, { timeout = 1 })
      local first = task.spawn(client.call, client, "SET", "a", ("x"):rep(300000)) -- a full window
      turn()
      local second = task.spawn(client.call, client, "SET", "b", "c")
      turn()
      while seen == 0 do timer.sleep(0.005) end
      second:cancel()
      turn()
      go = true
      first:join()
      timer.sleep(0.02)
      print(seen)
      print(client:call("PING") == "OK")
    ]])
  end)

  it("fails all that wait when it is closed, and everything afterwards", function()
    assert.same({ "nil\tclosed\tnil", "nil\tclosed", "nil\tclosed", "true\ttrue" }, lines [[
      local address = serve(function(conn) while command(conn) do end end)
      local client = redis.new(address)
      task.spawn(function() client:close() end)
      print(client:call("PING"))
      print(client:call("PING"))
      print(client:subscribe("a"))
      print(client:close(), client:close())
    ]])
  end)

  it("limits how many wait", function()
    assert.same({ "nil\tlimit\ttrue" }, lines [[
      local address = serve(function(conn) while command(conn) do end end)
      local client = redis.new(address, { waiting = 2 })
      for _ = 1, 2 do task.spawn(client.call, client, "PING") end
      turn()
      local answer, code, detail = client:call("PING")
      print(answer, code, detail:find("2 callers wait", 1, true) ~= nil)
    ]])
  end)

  it("raises in the author's line where a call cannot mean what it says", function()
    local function first_fault(code)
      local result = moonport:run({ "run", "-e",
        "local redis = require 'moonport.redis'\nlocal c = redis.new('127.0.0.1:1')\n" .. code })
      assert.equal(1, result.code)
      return result.log[1].message:match("%(command line%):3: (.*)")
    end
    for code, expected in pairs {
      ["c:call()"] = "client:call needs a command, such as \"GET\", \"key\"",
      ["c:call('SET', 'a', nil)"] = "client:call: a word of the command is nil",
      ["c:call('SET', 'a', {})"] =
        "client:call: word 3 of a command is a table; strings and numbers can be sent",
      ["c:call('multi')"] = "client:call: MULTI is not for a connection that is shared; " ..
        "write client:transaction(list)",
      ["c:pipeline({ 'GET', 'a' })"] = "client:pipeline takes a list of lists, such as " ..
        "{ { \"GET\", \"key\" } }; number 1 is a string",
      ["c:subscribe()"] = "'subscribe' needs the name of a channel",
      ["redis.new('127.0.0.1:1', { pasword = 'x' })"] = "unknown option 'pasword' of redis.new " ..
        "(known: database, max_answer, password, timeout, tls, username, waiting)",
      ["redis.new('127.0.0.1:1', { waiting = 0 })"] =
        "option 'waiting' of redis.new must be a whole number of 1 or more",
      ["redis.new('127.0.0.1:1', { username = 'x' })"] =
        "option 'username' of redis.new needs a password beside it",
      ["redis.new('127.0.0.1:1', { tls = {} })"] =
        "option 'tls' of redis.new: write the address as tls://, or it stays plain",
    } do
      assert.equal(expected, first_fault(code))
    end
  end)

  it("leaves nothing behind that keeps a program from ending", function()
    local port = redis.start(moonport)
    local result = moonport:run({ "run", "-e", ([[
      local client = require("moonport.redis").new("127.0.0.1:%d")
      print(client:call("PING"))
    ]]):format(port) })
    assert.equal(0, result.code)
    assert.equal("PONG\n", result.stdout)
  end)
end)
