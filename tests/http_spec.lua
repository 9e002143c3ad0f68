-- http_spec.lua — frame = "http": requests for on_request and main, and their answers; the clients
-- are not ours. Hostile ones are in http_hostile_spec.lua.

local certificates = require "tests.support.certificates"
local events = require "tests.support.events"
local http = require "tests.support.http"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local hello = [[
  return { frame = "http", on_request = function(conn, request) return "hello\n" end }
]]

-- Answers with what a function of the text makes of the request.
local function telling(expression)
  return ([[
    return { frame = "http", on_request = function(conn, request)
      return { body = tostring(%s) }
    end }]]):format(expression)
end

describe("a service with frame = \"http\"", function()
  local moonport = rig.new()

  local function start(script, options) return moonport:start(script, options) end

  local function ask(script, method, target, options)
    return http.ask(start(script):connect(), method, target, options)
  end

  it("answers curl, which keeps its connection", function()
    local server = start(hello)
    local url = "http://127.0.0.1:" .. server:port() .. "/"
    local result = shell.run({ "curl", "-sS", "--noproxy", "*", "-w", "%{num_connects} ", url, url,
      url })
    assert.equal("hello\n1 hello\n0 hello\n0 ", result.stdout .. result.stderr)
  end)

  it("is what Python's http.client expects", function()
    local server = start([[
      return { frame = "http", on_request = function(conn, request)
        local body = request.body
        return { status = 201, headers = { ["X-Len"] = #body }, body = body:upper() }
      end }]])
    local result = shell.run({ "python3", "-c", [[
import http.client, sys
conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for body in (b"abc", (c for c in (b"de", b"fgh"))):
    conn.request("POST", "/x", body=body, encode_chunked=not isinstance(body, bytes),
        headers={} if isinstance(body, bytes) else {"Transfer-Encoding": "chunked"})
    answer = conn.getresponse()
    print(answer.status, answer.reason, answer.getheader("x-len"), answer.read())
]], tostring(server:port()) })
    assert.equal("201 Created 3 b'ABC'\n201 Created 5 b'DEFGH'\n", result.stdout .. result.stderr)
  end)

  it("answers under wrk without an error", function()
    local server = start(hello)
    local url = "http://127.0.0.1:" .. server:port() .. "/"
    local result = shell.run({ "wrk", "-c20", "-t1", "-d1s", url })
    assert.matches("%d+ requests in", result.stdout)
    assert.not_matches("Socket errors", result.stdout)
    assert.not_matches("Non%-2xx", result.stdout)
  end)

  it("gives the date, the length and the kind of a text", function()
    local response = ask(hello, "GET", "/")
    assert.equal("200 OK 1.1", ("%d %s %s"):format(response.status, response.reason,
      response.version))
    assert.matches("^%u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT$", response.headers.date)
    assert.equal(os.date("!%a, %d %b"), response.headers.date:match("^%a+, %d+ %a+"))
    assert.equal("6", response.headers["content-length"])
    assert.equal("text/plain; charset=utf-8", response.headers["content-type"])
    assert.equal("hello\n", response.body)
  end)

  -- What a request says, and what is asked of it: { expression, target, what comes, options }.
  local fields = {
    { "request.method", "/", "QUERY", method = "QUERY" },
    { "request.target", "/a%20b?c=%20", "/a%20b?c=%20" },
    { "request.path", "/a%20b/%C3%A4?c=1", "/a b/ä" },
    { "request.path", "http://a/b?c", "/b" },
    { "request.path", "http://a", "/" },
    { "request.path", "*", "*", method = "OPTIONS" },
    { "request.query", "/?a=%20&b", "a=%20&b" },
    { "request.query", "/", "nil" },
    { "request.query", "/?", "" },
    { "request.parameters.a .. request.parameters['b c'] .. request.parameters.d",
      "/?a=1&b+c=%41&d", "1A" },
    { "request.parameters.a", "/?a=1&a=2&%zz=%", "2" },
    { "next(request.parameters)", "/", "nil" },
    { "request.version", "/", "1.0", options = { version = "1.0" } },
    { "request.headers['X-a'] .. request.headers['x-A']", "/", "1, 21, 2",
      options = { headers = { "X-A: 1", "x-a:2 " } } },
    { "request.headers.cookie", "/", "a=1; b=2", options = { headers = { "Cookie: a=1",
      "Cookie: b=2" } } },
    { "request.headers.nothing or request.headers[1] or request.headers[('x'):rep(300)]", "/",
      "nil" },
    { "(function() local t = {} for k, v in pairs(request.headers) do t[#t + 1] = k .. '=' .. v "
      .. "end return table.concat(t, ' ') end)()", "/", "host=a b=1, 2 c=3",
      options = { headers = { "B: 1", "C: 3", "b: 2" } } },
    { "request.body", "/", "" },
    { "request.body .. '!'", "/", "ab\0c!", options = { body = "ab\0c" } },
    { "request.peer == conn.peer", "/", "true" },
    { "request", "/a?b", "request: GET /a?b" },
    { "pcall(function() request.method = 1 end) == false and not pcall(function() "
      .. "request.headers.x = 1 end)", "/", "true" },
    { "(function() request.user = 'ada' return request.user end)()", "/", "ada" },
    { "request.headers == request.headers and request.parameters == request.parameters", "/",
      "true" },
  }

  for _, case in ipairs(fields) do
    it(("shows %s of %s as %q"):format(case[1], case[2], case[3]), function()
      assert.equal(case[3], ask(telling(case[1]), case.method or "GET", case[2], case.options).body)
    end)
  end

  -- A handler that keeps a request keeps what it says.
  it("leaves a request what it is after its handler and its connection have ended", function()
    local server = start([[
      local kept
      return { frame = "http", on_request = function(conn, request)
        local before = kept
        kept = request
        return before and before.path .. before.headers.a .. before.body or "none"
      end }]])
    local peer = server:connect()
    http.ask(peer, "POST", "/one", { headers = { "A: 1" }, body = "body" })
    peer:finish()
    peer:receive_all()
    assert.equal("/one1body", http.ask(server:connect(), "GET", "/two").body)
  end)

  -- What on_request returns, and what comes: status, body, a line of the head.
  local answers = {
    { "404", 404, "404 Not Found\n", "Content-Type: text/plain; charset=utf-8" },
    { "204", 204, "" },
    { "304", 304, "" },
    { "''", 200, "", "Content-Length: 0" },
    { "{}", 200, "", "Content-Length: 0" },
    { "{ body = 12 }", 200, "12", "Content-Length: 2" },
    { "{ status = 599, body = { 'a', 1, 'b' } }", 599, "a1b", "Content-Length: 3" },
    { "{ body = ('x'):rep(1000000) }", 200, ("x"):rep(1000000), "Content-Length: 1000000" },
    { "{ body = { ('x'):rep(5000), 'y' } }", 200, ("x"):rep(5000) .. "y" },
    { "{ headers = { ['Set-Cookie'] = { 'a=1', 'b=2' } } }", 200, "", "Set-Cookie: b=2" },
    { "{ headers = { n = 7 } }", 200, "", "n: 7" },
    { "{ headers = { ['content-length'] = 2 }, body = 'ab' }", 200, "ab", "Content-Length: 2" },
    { "{ headers = { ['transfer-encoding'] = 'chunked' }, body = 'ab' }", 200, "ab",
      "Content-Length: 2" },
    { "{ headers = { connection = 'keep-alive, x' }, body = 'ab' }", 200, "ab" },
    { "{ headers = { Date = 'never' } }", 200, "", "Date: never" },
    { "{ headers = request.headers }", 200, "", "Host: a" },
    { "{ body = function(write) write('a') write('') write(12) end }", 200, "a12",
      "Transfer-Encoding: chunked" },
    { "{ headers = { ['Content-Length'] = 3 }, body = function(write) write('ab') write('c') end }",
      200, "abc", "Content-Length: 3" },
    { "(conn:respond{ status = 202, body = 'x' })", 202, "x" },
    { "(conn:respond 'x' and nil)", 200, "x" },
    { "(conn:respond{ body = function(write) write 'x' end } and nil)", 200, "x" },
  }

  for _, case in ipairs(answers) do
    it(("answers with %s"):format(case[1]), function()
      local server = start(([[
        return { frame = "http", on_request = function(conn, request) return %s end }
      ]]):format(case[1]))
      local peer = server:connect()
      for _ = 1, 2 do
        local response = http.ask(peer, "GET", "/")
        assert.equal(case[2], response.status)
        assert.equal(case[3], response.body)
        local head = "\n" .. table.concat(response.lines, "\n") .. "\n"
        if case[4] then assert.is_truthy(head:find("\n" .. case[4] .. "\n", 1, true), head) end
        local dates = select(2, head:gsub("\n[Dd]ate:", ""))
        assert.equal(1, dates)
        local _, lengths = head:gsub("\n[Cc]ontent%-[Ll]ength:", "")
        assert.is_true(lengths <= 1, head)
      end
    end)
  end

  it("answers HEAD as GET, without the body, and goes on", function()
    local server = start([[
      return { frame = "http", on_request = function(conn, request)
        if request.path == "/stream" then return { body = function(write) write "never" end } end
        return { headers = request.path == "/own" and { ["content-length"] = 77 } or nil,
          body = request.path ~= "/own" and "hello" or nil }
      end }]])
    local peer = server:connect()
    assert.equal("5", http.ask(peer, "HEAD", "/").headers["content-length"])
    assert.equal("77", http.ask(peer, "HEAD", "/own").headers["content-length"])
    assert.equal("chunked", http.ask(peer, "HEAD", "/stream").headers["transfer-encoding"])
    assert.equal("hello", http.ask(peer, "GET", "/").body)
  end)

  -- Which go on: { version, headers of the request, of the answer; what is said; goes on }
  local connections = {
    { "1.1", {}, "", nil, true },
    { "1.1", { "Connection: close" }, "", "close", false },
    { "1.0", {}, "", "close", false },
    { "1.0", { "Connection: keep-alive" }, "", "keep-alive", true },
    { "1.1", {}, "connection = 'close'", "close", false },
    { "1.0", { "Connection: keep-alive" }, "Connection = 'close'", "close", false },
  }

  for _, case in ipairs(connections) do
    it(("goes on or ends: HTTP/%s %s {%s}"):format(case[1], case[2][1] or "", case[3]), function()
      local server = start(([[
        return { frame = "http",
          on_request = function() return { headers = { %s }, body = "x" } end }
      ]]):format(case[3]))
      local peer = server:connect()
      local options = { version = case[1], headers = case[2] }
      local response = http.ask(peer, "GET", "/", options)
      assert.equal(case[4], response.headers.connection)
      assert.equal("x", response.body)
      if case[5] then
        assert.equal("x", http.ask(peer, "GET", "/", options).body)
      else
        assert.equal("", peer:receive_all())
      end
    end)
  end

  it("streams to HTTP/1.0 until the end of the connection", function()
    local server = start([[
      return { frame = "http", on_request = function()
        return { body = function(write) write "one" write "two" end }
      end }]])
    local response = http.ask(server:connect(), "GET", "/",
      { version = "1.0", headers = { "Connection: keep-alive" } })
    assert.equal("close", response.headers.connection)
    assert.is_nil(response.headers["transfer-encoding"])
    assert.equal("onetwo", response.body)
  end)

  it("answers what comes at once in its order, and what comes in single bytes", function()
    local server = start(telling("request.path .. request.body"))
    local requests, expected = {}, {}
    for i = 1, 100 do
      local body = i % 3 == 0 and ("b"):rep(i) or nil
      requests[i] = http.request(body and "POST" or "GET", "/" .. i, { body = body })
      expected[i] = "/" .. i .. (body or "")
    end
    local peer = server:connect()
    peer:offer(table.concat(requests))
    for i = 1, 100 do assert.equal(expected[i], http.read(peer).body) end
    peer = server:connect()
    for byte in http.request("POST", "/x", { body = "abc" }):gmatch(".") do peer:send(byte) end
    assert.equal("/xabc", http.read(peer).body)
  end)

  it("reads bodies in chunks, with extensions and a trailer", function()
    local peer = start(telling("request.body")):connect()
    peer:send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" ..
      "3;a=b\r\nabc\r\n")
    peer:send("2\r\nde\r\n0\r\nX: y\r\n\r\n" .. http.request("GET", "/"))
    assert.equal("abcde", http.read(peer).body)
    assert.equal("", http.read(peer).body)
  end)

  it("invites a body that waits for it, and not one that it will not take", function()
    local server = start([[
      return { frame = "http", limits = { message = 10 },
        on_request = function(conn, request) return request.body end }]])
    local peer = server:connect()
    peer:send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert.equal("HTTP/1.1 100 Continue\r", peer:receive_line())
    assert.equal("\r", peer:receive_line())
    peer:send("abc")
    assert.equal("abc", http.read(peer).body)
    peer:send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
    local response = http.read(peer)
    assert.equal("413 close", response.status .. " " .. response.headers.connection)
    server:expect_log("refused with 413: the body is longer than limits.message")
  end)

  -- What is no request: what is sent, the status, the reason of the close, a part of the log.
  local refused = {
    { "GET / HTTP/1.1\r\n\r\n", 400, "error", "Host" },
    { "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "error", "encodes nothing" },
    { "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "error", "NUL" },
    { "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "error", "" },
    { "GET / HTTP/1.1\r\nHost: a\r\nX: " .. ("x"):rep(17000) .. "\r\n\r\n", 431, "limit", "" },
    { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413, "limit",
      "limits.message" },
    { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "error", "" },
    { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n" ..
      ("x"):rep(1048577) .. "\r\n", 413, "limit", "limits.message" },
  }

  for _, case in ipairs(refused) do
    it(("refuses %q with %d, and answers nothing behind it"):format(case[1]:sub(1, 60), case[2]),
      function()
        local server = start([[
          return { frame = "http", on_request = function() print "> asked" return "no" end,
            on_close = function(conn, reason) print("> " .. reason) end }]])
        local peer = server:connect()
        peer:offer(case[1] .. http.request("GET", "/behind"))
        local response = http.read(peer)
        assert.equal(case[2], response.status)
        assert.equal("close", response.headers.connection)
        assert.equal("", peer:receive_all())
        peer:close()
        assert.same({ case[3] }, server:wait_told(1))
        local record = server:expect_log("a request is refused with " .. case[2])
        assert.is_truthy(record.message:find(case[4], 1, true), record.message)
        assert.matches("^127%.0%.0%.1:%d+ at tcp://", record.message)
      end)
  end

  -- A scanner must not fill the disk.
  it("logs ten requests a minute that it refuses, and counts the others", function()
    local server = start(hello)
    for _ = 1, 30 do
      local peer = server:connect()
      peer:send("nonsense\r\n\r\n")
      assert.equal(400, http.read(peer).status)
      peer:close()
    end
    server:expect_log("refused with 400")
    local count = select(2, server:log_text():gsub("refused with", ""))
    assert.equal(10, count)
  end)

  it("says what was wrong to one that ends within a request, and nothing to one that ends between",
    function()
      local server = start(hello)
      local peer = server:connect()
      peer:send("GET / HTTP/1.1\r\nHost")
      peer:finish()
      assert.equal(400, http.read(peer).status)
      server:expect_log("ended within the request")
      peer = server:connect()
      peer:send(http.request("GET", "/") .. "\r\n")
      peer:finish()
      assert.equal("hello\n", http.read(peer).body)
      assert.equal("", peer:receive_all())
    end)

  -- What on_request may not do: what it does, what the log says; the peer gets a 500.
  local faults = {
    { "", "on_request %(.*test%.lua:1%) returned no answer: but nothing" },
    { "return nil, 'x'", "several values" },
    { "return true", "the answer is a boolean" },
    { "return { 200, 'x' }", "an answer has no field '[12]': there are status, headers and body" },
    { "return { status = '200' }", "status is 200" },
    { "return 99", "status is 99: write a number from 200" },
    { "return { body = true }", "body is a boolean" },
    { "return { body = { true } }", "element 1 of the list is a boolean" },
    { "return { status = 204, body = 'x' }", "status 204 has no body" },
    { "return { headers = 'x' }", "headers is a string" },
    { "return { headers = { ['a b'] = 1 } }", "'a b' is no name of a header" },
    { "return { headers = { 'x' } }", "'1' is no name of a header" },
    { "return { headers = { a = 'b\\r\\nc: d' } }", "'a' has a control character" },
    { "return { headers = { a = 'b\\0' } }", "'a' has a control character" },
    { "return { headers = { a = { 'b', true } } }", "'a' is a boolean" },
    { "return { headers = { ['content-length'] = 3 }, body = 'ab' }", "does not agree" },
    { "return { headers = { ['Content-Length'] = '1, 1' }, body = 'a' }", "no number of bytes" },
    { "return { headers = { ['Transfer-Encoding'] = 'gzip' } }", "the core frames the body" },
    { "conn:send('x')", "test%.lua:1: send%(%) sends bytes" },
    { "conn:send_message('x')", "sends bytes" },
    { "conn:recv()", "recv%(%) takes bytes" },
    { "conn:recv_message()", "on_request gets them" },
    { "request:read()", "in the field body" },
    { "error('no')", "test%.lua:1: no" },
    { "error({})", "a table as error value" },
  }

  for _, case in ipairs(faults) do
    it(("tells the author of %q, and the peer gets 500"):format(case[1]), function()
      local server = start(([[return { frame = "http", on_request = function(conn, request) %s end }
      ]]):format(case[1]))
      local options = case[1]:find("read()", 1, true) and { body = "x" } or nil
      local peer = server:connect()
      local response = http.ask(peer, "GET", "/", options)
      assert.equal(500, response.status)
      assert.equal("close", response.headers.connection)
      assert.equal("", peer:receive_all())
      server:expect_log(case[2])
    end)
  end

  it("answers each request once", function()
    local server = start([[
      return { frame = "http", on_request = function(conn, request)
        conn:respond "first"
        print("> " .. select(2, pcall(conn.respond, conn, "second")))
        print("> " .. select(2, pcall(conn.events, conn)))
        return "third"
      end }]])
    local peer = server:connect()
    assert.equal("first", http.ask(peer, "GET", "/").body)
    assert.equal("first", http.ask(peer, "GET", "/").body)
    local told = server:wait_told(4)
    assert.matches("the request is answered already: conn:respond comes too late$", told[1])
    assert.matches("the request is answered already: conn:events comes too late$", told[2])
    server:expect_log("on_request %(.*%) returned a string, which is dropped: conn:respond or")
  end)

  it("answers nobody when there is no request", function()
    local server = start([[
      local timer = require "moonport.timer"
      return { frame = "http", on_request = function(conn)
        timer.after(0, function()
          print("> " .. select(2, pcall(conn.respond, conn, "late")))
        end)
        return "x"
      end }]])
    local peer = server:connect()
    assert.equal("x", http.ask(peer, "GET", "/").body)
    server:wait_told("there is no request that conn:respond could answer")
  end)

  it("lets on_error answer, and keep the connection", function()
    local server = start([[
      return { frame = "http",
        on_request = function(conn, request) error(request.path) end,
        on_error = function(conn, message)
          if message:find "own" then conn:respond{ status = 503, body = "mine" } end
          return message:find "kept" ~= nil
        end }]])
    server:allow_log("test.lua:")
    local peer = server:connect()
    assert.equal("500 nil", ("%d %s"):format(http.ask(peer, "GET", "/kept").status, nil))
    assert.equal("mine", http.ask(peer, "GET", "/own-kept").body)
    local response = http.ask(peer, "GET", "/own")
    assert.equal("mine", response.body)
    assert.equal("", peer:receive_all())
    peer = server:connect()
    assert.equal("close", http.ask(peer, "GET", "/").headers.connection)
    assert.equal("", peer:receive_all())
  end)

  it("gives main one request after the other", function()
    local server = start([[
      return { frame = "http", main = function(conn)
        for request in conn.recv_message, conn do
          conn:respond{ body = request.method .. request.path .. request.body }
        end
        print("> over")
      end }]])
    local peer = server:connect()
    peer:send(http.request("GET", "/a") .. http.request("POST", "/b", { body = "c" }))
    assert.equal("GET/a", http.read(peer).body)
    assert.equal("POST/bc", http.read(peer).body)
    assert.equal("x", http.ask(peer, "POST", "/", { body = "x" }).body:sub(-1))
    peer:finish()
    assert.equal("", peer:receive_all())
    server:wait_told("over")
  end)

  it("tells main why no request comes, and what it did wrong", function()
    local server = start([[
      return { frame = "http", main = function(conn)
        local request, code, detail = conn:recv_message()
        if request then print("> " .. select(2, pcall(conn.recv_message, conn))) end
        if request then print("> " .. select(2, pcall(conn.recv_line, conn))) end
        print(("> %s %s %s"):format(request and request.path, code, detail))
        if code == "eof" then print("> " .. select(2, pcall(conn.respond, conn, "x"))) end
      end }]])
    local peer = server:connect()
    peer:finish()
    assert.equal("", peer:receive_all())
    local told = server:wait_told(2)
    assert.equal("nil eof nil", told[1])
    assert.equal("there is no request that conn:respond could answer",
      told[2]:match(": (.*)$") or told[2])
    peer = server:connect()
    peer:send("GET\r\n\r\n")
    assert.equal(400, http.read(peer).status)
    server:expect_log("refused with 400")
    assert.matches("^nil malformed .", server:wait_told(3)[3])
    peer = server:connect()
    assert.equal(500, http.ask(peer, "GET", "/x").status)
    told = server:wait_told(6)
    assert.matches("not answered yet", told[4])
    assert.matches("takes bytes", told[5])
    assert.equal("/x nil nil", told[6])
    server:expect_log("main ended without an answer to the request at hand")
  end)

  it("does all of it over TLS, too", function()
    local directory = moonport:directory()
    local cert, key = certificates.quick(moonport, directory, "localhost")
    local server = moonport:serve({ "--listen", "tls://127.0.0.1:0", "--tls-cert", cert,
      "--tls-key", key, directory:write("test.lua", [[
        return { frame = "http", on_request = function(conn, request)
          return { body = function(write) write(request.body) write(conn.tls.version) end }
        end }]]) })
    local result = shell.run({ "curl", "-sSk", "--noproxy", "*", "-d", "abc",
      "https://127.0.0.1:" .. server:port() .. "/" })
    assert.equal("abcTLSv1.3", result.stdout .. result.stderr)
  end)

  it("shows requests to who watches", function()
    local server = start(hello, { control = true })
    local watch = events.watch(server, "event=message,handler bytes=all")
    http.ask(server:connect(), "GET", "/watched")
    local message = watch:wait({ event = "message" })
    assert.matches("^GET /watched HTTP/1.1\r\n", message.text or message.bytes or "")
    assert.equal("on_request", watch:wait({ event = "handler" }).handler)
    watch:close()
  end)
end)
