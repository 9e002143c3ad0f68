-- scripts_sni_spec.lua — scripts/sni.lua between real TLS clients and servers, and what no client
-- would send.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local tls = require "tests.support.tls"
local uv = require "luv"

local UNRECOGNIZED_NAME = "\21\3\1\0\2\2\112" -- RFC 8446, 6: fatal, alert 112
local CLOSED_QUIETLY = ""

local function s2(text) return string.pack(">s2", text) end

local function extension(kind, body) return string.pack(">I2s2", kind, body) end

local function server_name(name) return extension(0, s2("\0" .. s2(name))) end

-- A hello of TLS 1.2, whose answer is not yet encrypted: an openssl server tells its name in it.
local function hello_message(extensions)
  local body = "\3\3" .. ("r"):rep(32) .. "\0" .. s2("\xC0\x2B\xC0\x2C") .. "\1\0" ..
    s2(extensions .. extension(10, s2("\0\x17")) .. extension(13, s2("\4\3")))
  return "\1" .. string.pack(">s3", body)
end

-- The message in records of at most `size` bytes each.
local function records(message, size)
  local list = {}
  for at = 1, #message, size do
    list[#list + 1] = "\22\3\1" .. s2(message:sub(at, at + size - 1))
  end
  return table.concat(list)
end

local function hello_for(name) return records(hello_message(server_name(name)), 16384) end

describe("scripts/sni.lua", function()
  local moonport = rig.new()

  local function serve(upstreams, env)
    local words = {}
    for name, port in pairs(upstreams) do words[#words + 1] = name .. "=127.0.0.1:" .. port end
    env = env or {}
    env.UPSTREAMS = table.concat(words, " ")
    return moonport:serve({ "--listen", "127.0.0.1:0", "scripts/sni.lua" }, { env = env })
  end

  local function serve_two(big)
    return serve({
      ["one.test"] = tls.start(moonport, "one.test", { who = "I am one\n", big = big }),
      ["Two.Test"] = tls.start(moonport, "two.test", { who = "I am two\n" }),
    })
  end

  local function curl(server, ...)
    return shell.run({ "curl", "-sS", "-k", "--connect-to", "::127.0.0.1:" .. server:port(), ... })
  end

  local function answer_to(server, bytes)
    local peer = server:connect()
    peer:offer(bytes)
    local answer = peer:receive_all()
    peer:close()
    return answer
  end

  -- Sends `pieces` one after the other and expects the certificate of `name` in the answer.
  local function assert_reaches(server, name, pieces)
    local peer = server:connect()
    peer.handle:nodelay(true)
    for _, piece in ipairs(pieces) do
      peer:offer(piece)
      loop.turn()
    end
    local answer = ""
    repeat answer = answer .. peer:receive(1) until answer:find(name, 1, true)
    assert.equal("\22\3\3", answer:sub(1, 3))
    peer:close()
  end

  it("takes curl to the server that it names, and brings every byte back", function()
    local big = {}
    for index = 1, 100000 do big[index] = ("%09d\n"):format(index) end
    local server = serve_two(table.concat(big))
    for name, expected in pairs({ ["one.test"] = "I am one\n", ["two.test"] = "I am two\n",
      ["TWO.test"] = "I am two\n" }) do
      local result = curl(server, ("https://%s/who"):format(name))
      assert.equal("", result.stderr)
      assert.equal(expected, result.stdout)
    end
    assert.is_true(curl(server, "https://one.test/big").stdout == table.concat(big))
    server:wait_idle()
  end)

  for _, version in ipairs({ "-tls1_2", "-tls1_3" }) do
    it("takes openssl s_client " .. version .. " to the certificate of the name", function()
      local server = serve_two()
      for _, name in ipairs({ "one.test", "two.test" }) do
        local result = shell.run({ "openssl", "s_client", version, "-servername", name, "-connect",
          "127.0.0.1:" .. server:port(), "-ign_eof" }, { stdin = "GET /who HTTP/1.0\r\n\r\n" })
        assert.matches("subject=CN ?= ?" .. name, result.stdout)
        assert.matches("\nI am " .. name:match("%a+") .. "\n", result.stdout)
      end
    end)
  end

  it("tells a client that its name is unknown, or that it should give one", function()
    local server = serve_two()
    assert.matches("unrecognized name", curl(server, "https://three.test/who").stderr)
    assert.equal(UNRECOGNIZED_NAME, answer_to(server, hello_for("three.test")))
    assert.equal(UNRECOGNIZED_NAME, answer_to(server, hello_for("")))
    assert.equal(UNRECOGNIZED_NAME, answer_to(server, hello_for(("x"):rep(5000))))
    assert.equal(UNRECOGNIZED_NAME, answer_to(server, hello_for("one.test\0")))
    local result = shell.run({ "openssl", "s_client", "-noservername", "-connect",
      "127.0.0.1:" .. server:port() })
    assert.equal(1, result.code)
    assert.matches("unrecognized name", result.stderr)
    server:expect_log("no upstream for three%.test")
    server:expect_log("no upstream for a client that names none")
  end)

  it("takes a hello in pieces of one byte, and in many records", function()
    local server = serve_two()
    local whole, bytes = hello_for("two.test"), {}
    for at = 1, #whole do bytes[at] = whole:sub(at, at) end
    assert_reaches(server, "two.test", bytes)
    local message = hello_message(server_name("one.test"))
    assert_reaches(server, "one.test", { records(message, 40) })
    -- What comes with the hello, as TLS 1.3 allows, goes along.
    assert_reaches(server, "one.test", { whole:gsub("two", "one") .. "\20\3\3\0\1\1" })
  end)

  it("closes on what is no hello, at once and without a word", function()
    local server = serve_two()
    local name = server_name("one.test")
    local message = hello_message(name)
    for what, bytes in pairs({
      ["HTTP"] = "GET / HTTP/1.1\r\nHost: one.test\r\n\r\n",
      ["a line for a terminal"] = "hello, is anybody there?\n",
      ["zeros"] = ("\0"):rep(100),
      ["an alert"] = "\21\3\3\0\2\1\0",
      ["an empty record"] = "\22\3\1\0\0",
      ["a record of SSL 2"] = "\x80\x2E\1\0\2" .. ("\0"):rep(60),
      ["another handshake message"] = records("\2" .. message:sub(2), 16384),
      ["a record that is longer than a hello may be"] = "\22\3\1\x40\1" .. ("x"):rep(100),
      ["lengths that say more than there is"] = records("\1\0\0\x30" .. ("\xFF"):rep(48), 16384),
      ["an extension that is longer than all"] =
        records(hello_message("\0\0\xFF\xFF\0\0"), 16384),
      ["a name that is longer than its extension"] =
        records(hello_message(extension(0, "\0\x0B\0\0\xFFone.test")), 16384),
      ["an empty extension of the name"] = records(hello_message(extension(0, "")), 16384),
    }) do
      assert.equal(CLOSED_QUIETLY, answer_to(server, bytes), what)
    end
    -- A hello that goes on and on, in records that are each small enough.
    local endless = records("\1\xFF\xFF\xFF" .. ("x"):rep(60000), 1000)
    local peer = server:connect()
    peer:offer(endless)
    assert.equal(CLOSED_QUIETLY, peer:receive_all())
    peer:close()
    assert_reaches(server, "one.test", { hello_for("one.test") })
  end)

  it("closes when the client leaves in mid-hello, wherever that is", function()
    local server = serve_two()
    local whole = hello_for("one.test")
    for at = 0, #whole - 1, 7 do
      local peer = server:connect()
      if at > 0 then peer:send(whole:sub(1, at)) end
      peer:finish()
      assert.equal(CLOSED_QUIETLY, peer:receive_all())
      peer:close()
    end
    server:wait_idle()
  end)

  it("waits for a hello no longer than its limit, however often a byte comes", function()
    local server = serve({}, { HELLO_SECONDS = "0.4" })
    local peer, at, whole = server:connect(), 0, hello_for(("x"):rep(200))
    local drip = uv.new_timer()
    drip:start(0, 20, function()
      at = at + 1
      peer:offer(whole:sub(at, at))
    end)
    assert.equal("ECONNRESET", (peer:receive_end()))
    drip:close()
    assert.is_true(at > 3 and at < #whole, at .. " bytes were sent")
    peer:close()
  end)

  it("closes when the server of that name does not answer, and says so", function()
    local probe = moonport:start("return { on_data = print }")
    local port = probe:port()
    probe:stop()
    local server = serve({ ["gone.test"] = port })
    assert.equal(CLOSED_QUIETLY, answer_to(server, hello_for("gone.test")))
    server:expect_log("gone%.test: [^\n]*connection refused")
  end)
end)
