-- scripts_http_spec.lua — scripts/http.lua, asked by curl, wrk, ab and Python, and by hand.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local BODY = "Hello from moonport!\n"
local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

-- What the answers of one connection are, in short: "200 close +21", with + for a body.
local function summary(text)
  local list = {}
  local at = 1
  while at <= #text do
    local status, fields, body = text:match("^HTTP/1%.1 (%d+) [^\r\n]*(\r\n.-\r\n)\r\n()", at)
    assert(status, "no answer at byte " .. at .. " of " .. text)
    local length = fields:match("\r\nContent%-Length: (%d+)\r\n")
    local connection = fields:match("\r\nConnection: [^\r]+")
    local has_body = body <= #text and not text:find("^HTTP/", body)
    list[#list + 1] = status .. (connection or ""):gsub("^.*:", "")
      .. (has_body and " +" .. length or "")
    at = body + (has_body and length or 0)
  end
  return table.concat(list, ", ")
end

describe("scripts/http.lua", function()
  local moonport = rig.new()

  local function start()
    return moonport:serve({ "--listen", "127.0.0.1:0", "scripts/http.lua" })
  end

  local function curl(server, ...)
    local command = { "curl", "-sS", "--noproxy", "*", ... }
    command[#command + 1] = "http://127.0.0.1:" .. server:port() .. "/"
    local result = shell.run(command)
    assert.equal("", result.stderr)
    return result.stdout
  end

  -- Everything up to the server's FIN, without a FIN of ours.
  local function ask(server, text)
    local peer = server:connect()
    peer:offer(text)
    return peer:receive_all()
  end

  it("says hello to curl, with a date and a length", function()
    local text = curl(start(), "-i")
    assert.matches("^HTTP/1%.1 200 OK\r\n", text)
    assert.matches("\r\nContent%-Length: " .. #BODY .. "\r\n", text)
    assert.matches("\r\nDate: %u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT\r\n", text)
    assert.equal(BODY, text:match("\r\n\r\n(.*)$"))
  end)

  it("keeps curl's connection for several requests", function()
    local server = start()
    local url = "http://127.0.0.1:" .. server:port() .. "/"
    local connects = {}
    local versions = { { "--http1.1" }, { "--http1.0", "-H", "Connection: keep-alive" } }
    for _, options in ipairs(versions) do
      local command = { "curl", "-sS", "--noproxy", "*", "-o", "/dev/null", "-o", "/dev/null", "-o",
        "/dev/null", "-w", "%{num_connects} ", table.unpack(options) }
      table.move({ url, url .. "b", url .. "c" }, 1, 3, #command + 1, command)
      connects[#connects + 1] = shell.run(command).stdout
    end
    assert.same({ "1 0 0 ", "1 0 0 " }, connects)
  end)

  it("answers HEAD without a body, and goes on", function()
    assert.matches("^HTTP/1%.1 200 OK\r\n.*\r\nContent%-Length: 21\r\n\r\n$", curl(start(), "-I"))
    local text = ask(start(), "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
      .. "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert.equal("200, 200 close +21", summary(text))
  end)

  it("skips bodies, however long, also when curl waits for leave to send one", function()
    local server = start()
    local path = moonport:directory():write("body", ("GET / HTTP/1.1\r\n\r\n"):rep(100000))
    assert.equal(BODY, curl(server, "-d", "x=1"))
    assert.equal(BODY, curl(server, "--data-binary", "@" .. path, "-H", "Expect:"))
    local text = curl(server, "-i", "--data-binary", "@" .. path, "-H", "Expect: 100-continue")
    assert.matches("^HTTP/1%.1 100 Continue\r\n\r\nHTTP/1%.1 200 OK\r\n", text)
    local one = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /"
    assert.equal("200 +21, 200 +21, 200 close +21",
      summary(ask(server, one .. one .. "GET / HTTP/1.0\r\n\r\n")))
  end)

  it("answers requests in a row, in their order", function()
    local peer = start():connect()
    peer:offer(GET:rep(1000) .. "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" .. GET)
    assert.equal(("200 +21, "):rep(1000) .. "200 close +21", summary(peer:receive_all()))
  end)

  it("closes or keeps the connection as the request says", function()
    local server = start()
    local cases = {
      { "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200 close +21" },
      { "GET / HTTP/1.1\r\nHost: a\r\nconnection: Upgrade, CLOSE\r\n\r\n", "200 close +21" },
      { "GET / HTTP/1.0\r\n\r\n", "200 close +21" },
      { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "200 keep-alive +21, 200 close +21" },
      { "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "200 +21, 200 close +21" },
      { "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "200 +21, 200 close +21" },
      { "GET http://a/b?c=d%20e HTTP/1.1\r\nHost:\ta \r\nX-Tab: a\tb\r\nX-Latin: \xe4\r\nA:\r\n"
        .. "Connection: close\r\n\r\n", "200 close +21" },
    }
    for _, case in ipairs(cases) do assert.equal(case[2], summary(ask(server, case[1]))) end
  end)

  it("answers what a human types, who ends lines with LF alone", function()
    local result = shell.run({ "nc", "127.0.0.1", tostring(start():port()) },
      { stdin = "GET / HTTP/1.0\n\n" })
    assert.equal("200 close +21", summary(result.stdout))
  end)

  it("refuses what is wrong, with its status, and closes", function()
    local server = start()
    local cases = {
      { "hello\r\n", "400" },
      { "\0\1\2\3\n", "400" },
      { "\x16\x03\x01\x02\x00\x01\n", "400" },
      { "GET /\r\n\r\n", "400" },
      { "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400" },
      { "get / HTTP/1.1\r\nHost: a\r\n\r\n", "400" },
      { "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "400" },
      { "GET / HTTP/1.1\r\n\r\n", "400" },
      { "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400" },
      { "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", "400" },
      { "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "400" },
      { "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400" },
      { "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", "400" },
      { "GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", "400" },
      { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "400" },
      { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "400" },
      { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x10\r\n\r\n", "400" },
      { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", "400" },
      { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "400" },
      { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " .. ("9"):rep(30) .. "\r\n\r\n", "400" },
      { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411" },
      { "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "501" },
      { ("x"):rep(9000), "431" },
      { "GET /" .. ("x"):rep(9000), "431" },
      { "GET / HTTP/1.1\r\nHost: a\r\n" .. ("A: b\r\n"):rep(2000), "431" },
    }
    for _, case in ipairs(cases) do
      local status = summary(ask(server, GET .. case[1] .. GET:rep(3)))
      assert.matches("^200 %+21, " .. case[2] .. " close %+%d+$", status, case[1]:sub(1, 80))
    end
  end)

  it("is not slowed down by white space without end", function()
    local server = start()
    local before = server:cpu_seconds()
    for _, head in ipairs({ "GET / HTTP/1.1\r\nA:", "GET / HTTP/1.1\r\nContent-Length: 1", "GET",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection:", "", "GET / HTTP/1.1\r\n" }) do
      for _, space in ipairs({ " ", "\t", "\r" }) do
        local peer = server:connect()
        peer:offer(head .. space:rep(60000))
        peer:finish()
        peer:receive_end()
        peer:close()
      end
    end
    assert.is_true(server:cpu_seconds() - before < 5)
  end)

  it("moves its date on", function()
    local peer = start():connect()
    local function date()
      peer:send(GET)
      local found
      repeat
        local line = peer:receive_line()
        found = line:match("^Date: (.*)\r$") or found
      until line == "\r"
      peer:receive(#BODY)
      return found
    end
    local first = date()
    loop.eventually("another date than " .. first, function() return date() ~= first end)
  end)

  it("serves wrk without an error", function()
    local url = "http://127.0.0.1:" .. start():port() .. "/"
    local result = shell.run({ "wrk", "-t1", "-c50", "-d1s", url })
    assert.equal(0, result.code)
    assert.matches("[1-9]%d* requests in", result.stdout)
    assert.is_nil(result.stdout:find("Socket errors", 1, true), result.stdout)
    assert.is_nil(result.stdout:find("Non-2xx", 1, true), result.stdout)
  end)

  it("serves ab, with and without keep-alive", function()
    local url = "http://127.0.0.1:" .. start():port() .. "/"
    for kept, options in pairs({ [0] = {}, [1000] = { "-k" } }) do
      local result = shell.run({ "ab", "-q", "-n", "1000", "-c", "20", "-l",
        options[1] or "-q", url })
      assert.equal(0, result.code, result.stderr)
      assert.matches("Complete requests:%s+1000\n", result.stdout)
      assert.matches("Failed requests:%s+0\n", result.stdout)
      assert.equal(tostring(kept), result.stdout:match("Keep%-Alive requests:%s+(%d+)\n") or "0")
    end
  end)

  it("serves Python's client on one connection", function()
    local code = [[
import http.client, sys
conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
conn.connect()
first = conn.sock
for method, body in (("GET", None), ("HEAD", None), ("POST", b"x" * 100000), ("GET", None)):
    conn.request(method, "/", body)
    answer = conn.getresponse()
    print(method, answer.status, answer.read(), conn.sock is first)
]]
    local result = shell.run({ "python3", "-c", code, tostring(start():port()) })
    local hello = "b'Hello from moonport!\\n'"
    assert.equal(("GET 200 %s True\nHEAD 200 b'' True\nPOST 200 %s True\nGET 200 %s True\n"):format(
      hello, hello, hello), result.stdout)
    assert.equal("", result.stderr)
  end)
end)
