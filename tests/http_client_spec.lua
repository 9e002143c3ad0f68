-- http_client_spec.lua — moonport.http against nginx, Python and openssl, and against peers that
-- answer as no good server does.

local loop = require "tests.support.loop"
local nginx = require "tests.support.nginx"
local program = require "tests.support.program"
local rig = require "tests.support.rig"
local tls = require "tests.support.tls"

-- Behind the prelude of support/program.lua. play(f) calls f(conn, ask, number) for each of its
-- connections; ask() gives the next request, its head and then its body, or nil. Returns the URL
-- without a path, and what there is to count.
local prelude = [[
  local http = require "moonport.http"
  local function play(f)
    local listener, address = listening(nil, 64)
    local seen = { connections = 0, requests = 0 }
    task.spawn(function()
      for conn in function() return (listener:accept()) end do
        seen.connections = seen.connections + 1
        local function ask()
          local head = conn:recv_until("\r\n\r\n")
          if not head then return nil end
          seen.requests = seen.requests + 1
          local size = tonumber(head:match("\r\nContent%-Length: (%d+)")) or 0
          return head, conn:recv_exactly(size)
        end
        task.spawn(f, conn, ask, seen.connections)
      end
    end)
    return "http://" .. address, seen
  end
  -- Each request gets the same answer.
  local function always(text)
    return play(function(conn, ask) while ask() do conn:send(text) end conn:close() end)
  end
  local function show(response, code, detail)
    if not response then return print(response, code, detail) end
    print(response.status, response.reason, response.body)
  end
  local function run() CODE end
  run()
  os.exit(0)
]]

-- Echoes the request line, the size and a few of the fields; /chunked in chunks of one byte.
local python = [[
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = "HTTP/1.1"
  def read_body(self):
    if not self.headers.get("transfer-encoding"):
      return self.rfile.read(int(self.headers.get("content-length") or 0))
    body = b""
    while True:
      size = int(self.rfile.readline().split(b";")[0], 16)
      body += self.rfile.read(size)
      self.rfile.readline()
      if size == 0: return body
  def answer(self):
    text = "%s %s %d %s" % (self.command, self.path, len(self.read_body()), self.headers.get("x-a"))
    text = text.encode()
    self.send_response(200)
    self.send_header("Set-Cookie", "a=1")
    self.send_header("Set-Cookie", "b=2")
    if self.path == "/chunked":
      self.send_header("Transfer-Encoding", "chunked")
      self.end_headers()
      for c in text: self.wfile.write(b"1\r\n%c\r\n" % c)
      self.wfile.write(b"0\r\n\r\n")
    else:
      self.send_header("Content-Length", str(len(text)))
      self.end_headers()
      if self.command != "HEAD": self.wfile.write(text)
  do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer
  def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
]]

describe("moonport.http", function()
  local moonport = rig.new()

  local function lines(code, ...)
    local args = { ... }
    for index, value in ipairs(args) do args[index] = tostring(value) end
    return program.lines(moonport, (prelude:gsub("CODE", function() return code end)),
      { args = args })
  end

  local function start_python()
    local child = moonport:spawn({ "python3", "-c", python })
    loop.wait_until("Python to listen", function() return child:stdout():find("\n", 1, true) end)
    return child:stdout():match("%d+")
  end

  it("gets what nginx has, large and small, over one connection", function()
    local large = ("0123456789"):rep(200000)
    local port = nginx.start(moonport, { ["a.txt"] = "hello", ["large.bin"] = large })
    assert.same({ "200\tOK\thello", "text/plain true", "404\tNot Found", "200 2000000 true",
      "206\tPartial Content\t3456" }, lines([[
      local root = "http://127.0.0.1:" .. arg[1]
      show(http.get(root .. "/a.txt"))
      local response = http.get(root .. "/a.txt")
      print(response.headers["Content-Type"] .. " " .. tostring(response.url == root .. "/a.txt"))
      response = http.get(root .. "/none")
      print(response.status, response.reason)
      response = http.get(root .. "/large.bin")
      print(response.status .. " " .. #response.body .. " " ..
        tostring(response.body == ("0123456789"):rep(200000)))
      show(http.get(root .. "/large.bin", { headers = { Range = "bytes=3-6" } }))
    ]], port))
  end)

  it("sends methods, fields and bodies", function()
    assert.same({ "GET /a?b=%20c 0 1", "POST /p 5 None", "PUT /p 500000 2", "POST /p 0 None",
      "POST /p 100000 None", "DELETE /p 0 None", "PATCH /p 3 None", "200  14",
      "GET /chunked 0 None", "a=1 b=2" }, lines([[
      local root = "http://127.0.0.1:" .. arg[1]
      local function ask(method, path, body, headers)
        local response = assert(http.request { url = root .. path, method = method, body = body,
          headers = headers })
        print(response.body)
        return response
      end
      ask("GET", "/a?b=%20c", nil, { ["X-A"] = 1 })
      ask("POST", "/p", "hello")
      ask("PUT", "/p", function(write)
        for _ = 1, 10 do assert(write(("y"):rep(50000))) end
      end, { ["x-a"] = "2" })
      ask("POST", "/p")
      ask("POST", "/p", ("z"):rep(100000))
      ask("DELETE", "/p")
      ask("PATCH", "/p", "abc")
      local head = http.request { url = root .. "/h", method = "HEAD" }
      print(head.status .. " " .. head.body .. " " .. head.headers["content-length"])
      local cookies = {}
      for name, value in pairs(ask("GET", "/chunked").headers) do
        if name == "set-cookie" then cookies[#cookies + 1] = value end
      end
      print(table.concat(cookies, " "))
    ]], start_python()))
  end)

  it("keeps connections, one for each request at a time", function()
    assert.same({ "1 connections, 20 requests", "5 connections, 25 requests",
      "5 connections, 26 requests" }, lines [[
      local root, seen = play(function(conn, ask)
        while ask() do
          timer.sleep(0.005)
          conn:send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        end
      end)
      local function count()
        print(("%d connections, %d requests"):format(seen.connections, seen.requests))
      end
      for _ = 1, 20 do http.get(root) end
      count()
      local tasks = {}
      for index = 1, 5 do tasks[index] = task.spawn(http.get, root .. "/" .. index) end
      for _, each in ipairs(tasks) do assert(each:join()) end
      count()
      assert(http.get(root))
      count()
    ]])
  end)

  it("reads every kind of body", function()
    assert.same({ "200\tOK\thello", "200\tOK\thello, world", "200\tFine\tall of it",
      "204\tNo Content\t", "304\tNot Modified\t", "200\tOK\tlate", "200\t\tx" }, lines [[
      for _, text in ipairs {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" ..
          "5;a=b\r\nhello\r\n7\r\n, world\r\n0\r\nX-Sum: 1\r\n\r\n",
        "HTTP/1.0 200 Fine\r\nX: y\r\n\r\nall of it",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" ..
          "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate",
        "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx",
      } do
        show(http.get((play(function(conn, ask)
          ask()
          for at = 1, #text do
            conn:send(text:sub(at, at))
            if at % 7 == 0 then turn() end
          end
          if text:find("^HTTP/1.0") then conn:close() end
        end))))
      end
    ]])
  end)

  it("gives nil and why, where the answer is none, or is not all there", function()
    local expected = {}
    for index, code in ipairs { "malformed", "malformed", "malformed", "malformed", "malformed",
      "malformed", "closed", "closed", "closed", "closed", "limit", "limit", "limit",
      "malformed" } do
      expected[index] = index .. " nil " .. code
    end
    assert.same(expected, lines [[
      for index, text in ipairs {
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" ..
          "5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
        "", "HTTP/1.1 200 OK\r\nConte",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nA: " .. ("x"):rep(70000) .. "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" .. ("x"):rep(1001),
        "HTTP/1.1 200 OK\r\n\r\n" .. ("x"):rep(2000),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
      } do
        local root = play(function(conn, ask)
          ask()
          conn:send(text)
          conn:close()
        end)
        local response, code = http.get(root, { max_body = 1000 })
        print(index .. " " .. tostring(response) .. " " .. code)
      end
    ]])
  end)

  -- A second answer, that nobody asked for, must not become that of somebody else.
  it("takes no answer for that of another request", function()
    assert.same({ "1 mine", "2 mine", "1 mine", "2 mine" }, lines [[
      for _, pause in ipairs { 0, 0.01 } do
        local root = play(function(conn, ask)
          while ask() do
            conn:send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")
            if pause > 0 then timer.sleep(pause) end
            conn:send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
          end
        end)
        for index = 1, 2 do
          print(index .. " " .. http.get(root).body)
          timer.sleep(0.1)
        end
      end
    ]])
  end)

  it("asks again on an old connection that had ended, unless that could do it twice", function()
    assert.same({ "200\tOK\t2", "3 requests", "nil\tclosed\ttrue", "3 requests",
      "nil\tclosed" }, lines [[
      -- Ends its connection when it is asked for the second time.
      local function stale()
        return play(function(conn, ask, number)
          ask()
          conn:send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" .. number)
          ask()
          conn:close()
        end)
      end
      local root, seen = stale()
      http.get(root)
      show(http.get(root))
      print(seen.requests .. " requests")
      root, seen = stale()
      http.get(root)
      local response, code, detail = http.request { url = root, method = "POST", body = "x" }
      print(response, code, detail:find("ended the connection", 1, true) ~= nil)
      http.get(root)
      print(seen.requests .. " requests")
      response, code = http.get((play(function(conn, ask) ask() conn:close() end)))
      print(response, code)
    ]])
  end)

  it("gives up when its time is over, whatever the server does meanwhile", function()
    assert.same({ "nil\ttimeout\ttrue", "nil\ttimeout\ttrue", "nil\ttimeout\ttrue",
      "200\tOK\t" }, lines [[
      local function try(f)
        local response, code, detail
        local seconds = elapsed(function()
          response, code, detail = http.get((play(f)), { timeout = 0.15 })
        end)
        print(response, code, seconds > 0.14 and seconds < 2 and detail:find("0.15 s") ~= nil)
      end
      try(function(_, ask) ask() ask() end)
      try(function(conn, ask)
        ask()
        conn:send("HTTP/1.1 200 OK\r\n")
        while conn:send("A: b\r\n") do timer.sleep(0.01) end
      end)
      try(function(conn, ask)
        ask()
        conn:send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while conn:send("x") do timer.sleep(0.01) end
      end)
      local root = always "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
      show(http.get(root, { timeout = 0 }))
    ]])
  end)

  it("follows redirects when it is told to", function()
    assert.same({ "302\tFound\tgone", "GET /b 200", "/a/c GET -", "/x POST body", "302\tFound\t",
      "GET nil nil", "GET secret a=1", "GET /end 6" }, lines [[
      local function answer(status, location, body)
        body = body or ""
        return ("HTTP/1.1 %s\r\nLocation: %s\r\nContent-Length: %d\r\n\r\n%s"):format(status,
          location, #body, body)
      end
      local function ok(text)
        return "HTTP/1.1 200 OK\r\nContent-Length: " .. #text .. "\r\n\r\n" .. text
      end
      local function site(routes)
        return play(function(conn, ask)
          for head, body in ask do
            local method, path = head:match("^(%S+) (%S+)")
            conn:send(routes[path] or routes.other(method, path, body, head))
          end
        end)
      end
      local function other(method, path, body)
        return ok(path .. " " .. method .. " " .. (body ~= "" and body or "-"))
      end
      local root = site {
        ["/a"] = answer("302 Found", "/b", "gone"),
        ["/b"] = ok("b"),
        ["/a/b/d"] = answer("301 Moved Permanently", "../c#x"),
        ["/post"] = answer("307 Temporary Redirect", "/x"),
        ["/loop"] = answer("302 Found", "/loop"),
        ["/form"] = answer("303 See Other", "/end"),
        other = other,
      }
      show(http.get(root .. "/a"))
      local response = http.get(root .. "/a", { redirects = 1 })
      print("GET " .. response.url:sub(#root + 1) .. " " .. response.status)
      local function post(path, body)
        return http.request { url = root .. path, method = "POST", body = body, redirects = 3 }
      end
      print(post("/a/b/d", "x").body)
      print(post("/post", "body").body)
      show(http.get(root .. "/loop", { redirects = 5 }))
      -- Another port is another origin: what is secret stays here.
      local function told(method, _, _, head)
        return ok(method .. " " .. tostring(head:match("Authorization: (%S+)")) .. " " ..
          tostring(head:match("Cookie: (%S+)")))
      end
      local there = site { other = told }
      local here = site { ["/away"] = answer("302 Found", there .. "/x"),
        ["/stay"] = answer("302 Found", "/x"), other = told }
      local secrets = { Authorization = "secret", Cookie = "a=1" }
      print(http.get(here .. "/away", { redirects = 1, headers = secrets }).body)
      print(http.get(here .. "/stay", { redirects = 1, headers = secrets }).body)
      response = post("/form", "x")
      print("GET " .. response.url:sub(#root + 1) .. " " .. #response.body - 4)
    ]])
  end)

  it("streams a body, and holds the server up while nobody reads", function()
    assert.same({ "200 4", "true", "30000000", "nil\tnil", "1", "true", "nil\tclosed", "hello",
      "nil\tclosed", "all places are free" }, lines [[
      local sent = 0
      local root, seen = play(function(conn, ask)
        while ask() do
          conn:send("HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n")
          for _ = 1, 300 do
            if not conn:send(("x"):rep(100000)) or not conn:drain() then return end
            sent = sent + 100000
          end
        end
      end)
      local response = http.get(root, { stream = true })
      local size = #response:read(4)
      print(response.status .. " " .. size)
      timer.sleep(0.05)
      print(sent < 20000000)
      for data in function() return (response:read()) end do size = size + #data end
      print(size)
      print(response:read())
      print(seen.connections)
      local second = http.get(root, { stream = true })
      print(#second:read() > 0)
      second:close()
      print(second:read())
      local short = play(function(conn, ask)
        ask()
        conn:send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        conn:close()
      end)
      response = http.get(short, { stream = true })
      print(response:read())
      local data, code = response:read()
      print(data, code)
      -- One that is dropped gives its place back: there are 32 for each origin.
      local half = always "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
      for index = 1, 70 do
        assert(http.get(half, { stream = true, timeout = 5 }))
        if index % 30 == 0 then collectgarbage() end
      end
      print("all places are free")
    ]])
  end)

  it("hears a server that answers before it has all, and leaves that connection", function()
    assert.same({ "413\tContent Too Large\tno", "413\tContent Too Large\tno", "2" }, lines [[
      local root, seen = play(function(conn)
        conn:recv_until("\r\n\r\n")
        conn:recv(10)
        conn:send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
        timer.sleep(1)
      end)
      show(http.request { url = root, method = "POST", body = ("x"):rep(20000000), timeout = 5 })
      show(http.request { url = root, method = "PUT", timeout = 0.5, body = function(write)
        for _ = 1, 300 do if not write(("x"):rep(100000)) then break end end
      end })
      print(seen.connections)
    ]])
  end)

  it("speaks TLS, and looks whom with", function()
    local port, certificate = tls.start(moonport, "localhost",
      { page = "HTTP/1.0 200 ok\r\n\r\nhi" })
    assert.same({ "200\tok\ttrue", "nil\thandshake", "nil\thandshake", "200\tok\ttrue" }, lines([[
      local function try(name, options)
        local response, code = http.get("https://" .. name .. ":" .. arg[1] .. "/page", options)
        if not response then return print(response, code) end
        print(response.status, response.reason, response.body:find("hi", 1, true) ~= nil)
      end
      try("localhost", { tls = { ca = arg[2] } })
      try("localhost")
      try("127.0.0.1", { tls = { ca = arg[2], name = "other.example" } })
      try("localhost", { tls = { verify = false } })
    ]], port, certificate))
  end)

  -- A body without a length ends with the connection. It was taken for whole where anybody on the
  -- way had sent a FIN, which TLS does not protect.
  it("takes no body over TLS for whole whose end the server did not say", function()
    local port, certificate = tls.python_server(moonport, [[
asked = b""
while b"\r\n\r\n" not in asked: asked += conn.recv(4096)
conn.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")
try:
  if b" /said" in asked: conn.unwrap()
except OSError: pass # we were answered by a reset, or not at all
socket.socket(fileno=conn.detach()).close()]])
    assert.same({ "hello", "nil\tclosed\ttrue", "hello\tnil\tclosed\ttrue" }, lines([[
      local root, options = "https://localhost:" .. arg[1], { tls = { ca = arg[2] } }
      print(http.get(root .. "/said", options).body)
      local response, code, detail = http.get(root .. "/cut", options)
      print(response, code, detail:find("(truncated)", 1, true) ~= nil)
      options.stream = true
      response = http.get(root .. "/cut", options)
      local piece = response:read()
      local more
      more, code, detail = response:read()
      print(piece, more, code, detail:find("(truncated)", 1, true) ~= nil)
    ]], port, certificate))
  end)

  it("keeps connections over TLS also where its options are made anew", function()
    local port, certificate = tls.python_server(moonport, [[
for count in range(2):
  while b"\r\n\r\n" not in conn.recv(4096): pass
  conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % count)]])
    assert.same({ "0", "1" }, lines([[
      for _ = 1, 2 do
        print(http.get("https://localhost:" .. arg[1], {
          tls = { ca = arg[2], alpn = { "http/1.1" } } }).body)
      end
    ]], port, certificate))
  end)

  it("reads URLs as RFC 3986 has them, and resolves what is relative", function()
    local url = dofile("lua/moonport/http/url.lua")
    for text, expected in pairs {
      ["http://Example.org"] = "tcp://example.org:80 example.org / http://example.org/",
      ["HTTPS://a.b:8443/x?y#z"] = "tls://a.b:8443 a.b:8443 /x?y https://a.b:8443/x?y",
      ["http://[::1]:80/"] = "tcp://[::1]:80 [::1] / http://[::1]/",
      ["http://a?b"] = "tcp://a:80 a /?b http://a/?b",
      ["http://a:/"] = "tcp://a:80 a / http://a/",
    } do
      local got = assert(url.parse(text))
      assert.equal(expected, table.concat({ got.address, got.host, got.target, got.text }, " "))
    end
    for _, text in ipairs { "", "a", "http:", "http://", "http:///x", "ftp://a/", "http://u@a/",
      "http://a:b/", "http://a:0/", "http://a:65536/", "http://a b/", "http://a/\r\nX: y",
      "http://a/\0", "http://a/ü", "http://[::1/", "http://[x]/", "http://a:1:2/", "//a/" } do
      local got, fault = url.parse(text)
      assert.is_nil(got, text)
      assert.is_string(fault)
    end
    -- Section 5.4, as far as it is about http.
    local base = url.parse("http://a/b/c/d;p?q")
    for reference, expected in pairs {
      ["g"] = "b/c/g", ["./g"] = "b/c/g", ["g/"] = "b/c/g/", ["/g"] = "g", ["?y"] = "b/c/d;p?y",
      ["g?y"] = "b/c/g?y", ["#s"] = "b/c/d;p?q", ["g#s"] = "b/c/g", [";x"] = "b/c/;x",
      [""] = "b/c/d;p?q", ["."] = "b/c/", ["./"] = "b/c/", [".."] = "b/", ["../"] = "b/",
      ["../g"] = "b/g", ["../.."] = "", ["../../g"] = "g", ["../../../g"] = "g", ["/./g"] = "g",
      ["/../g"] = "g", ["g."] = "b/c/g.", ["..g"] = "b/c/..g", ["./../g"] = "b/g",
      ["./g/."] = "b/c/g/", ["g/./h"] = "b/c/g/h", ["g/../h"] = "b/c/h",
      ["g?y/../x"] = "b/c/g?y/../x",
    } do
      assert.equal("http://a/" .. expected, url.resolve(base, reference).text, reference)
    end
    assert.equal("http://g/", url.resolve(base, "//g").text)
    assert.equal("https://g/x", url.resolve(base, "https://g/x").text)
    assert.is_nil(url.resolve(base, "javascript:alert(1)"))
  end)

  it("gets a file of a service of moonport, and sends one there", function()
    local directory = moonport:directory()
    local large = ("0123456789"):rep(100000)
    local path = directory:write("large", large)
    local server = moonport:start(([[
      local file = require "moonport.file"
      return { frame = "http", stream = true, on_request = function(_, request)
        local size = 0
        for piece in request.read, request do size = size + #piece end
        if size > 0 then return size .. " bytes" end
        return { headers = { ["content-length"] = file.stat(%q).size }, body = function(write)
          local opened <close> = assert(file.open(%q))
          for piece in function() return (opened:read()) end do write(piece) end
        end }
      end }
    ]]):format(path, path))
    assert.same({ "1000000 true", "200\tOK\t1000000 bytes" }, lines([[
      local file = require "moonport.file"
      local root = "http://127.0.0.1:" .. arg[1]
      local body = http.get(root).body
      print(#body .. " " .. tostring(body == file.read(arg[2])))
      show(http.request { url = root, method = "PUT", body = function(write)
        local opened <close> = assert(file.open(arg[2]))
        for piece in function() return (opened:read()) end do write(piece) end
      end })
    ]], server:port(), path))
  end)

  it("raises in the author's line where a call cannot mean what it says", function()
    local function first_fault(code)
      local result = moonport:run({ "run", "-e", "local http = require 'moonport.http'\n" .. code })
      assert.equal(1, result.code)
      return result.log[1].message:match("%(command line%):2: (.*)")
    end
    local cannot = " cannot be sent: a name is of letters, digits and \"-\", a value is a text " ..
      "without line ends"
    for code, expected in pairs {
      ["http.get()"] = "bad argument #1 to 'get' (string expected, got no value)",
      ["http.request({})"] = "http.request needs a url",
      ["http.request({ uri = 'http://a' })"] = "unknown option 'uri' of http.request " ..
        "(known: body, headers, max_body, max_head, method, redirects, stream, timeout, tls, url)",
      ["http.get({ url = 'http://a' })"] =
        "http.get takes the url first: http.get(url, { … }), or http.request{ url = … }",
      ["http.get('http://a', { headers = { 'X: y' } })"] =
        'http.request: headers[1] is no name: headers are written { ["x-name"] = "value" }',
      ["http.get('http://a', { timeot = 1 })"] = "unknown option 'timeot' of http.request " ..
        "(known: body, headers, max_body, max_head, method, redirects, stream, timeout, tls, url)",
      ["http.get('http://a', { timeout = -1 })"] =
        "option 'timeout' of http.request must be 0 or more",
      ["http.get('http://a', { body = {} })"] =
        "option 'body' of http.request must be a string or a function",
      ["http.get('http://a', { headers = { a = 'b\\r\\nc: d' } })"] =
        "http.request: headers[\"a\"]" .. cannot,
      ["http.get('http://a', { headers = { ['a:b'] = 'c' } })"] =
        "http.request: headers[\"a:b\"]" .. cannot,
      ["http.get('http://a', { headers = { ['Content-Length'] = 5 } })"] = "http.request: " ..
        "headers[\"Content-Length\"] cannot be set: it follows from the body and the connection",
      ["http.request({ url = 'http://a', method = 'GET /x HTTP/1.1\\r\\n' })"] =
        'http.request: "GET /x HTTP/1.1\\13\\\n" is no method that can be asked for',
    } do
      assert.equal(expected, first_fault(code))
    end
  end)

  it("asks only whom it is granted to", function()
    local server = moonport:start([[
      local http = require "moonport.http"
      return { on_data = function(conn)
        local _, code, detail = http.get("http://127.0.0.1:1/")
        conn:send(code .. " " .. detail .. "\n")
        _, code = http.get("http://127.0.0.1:2/")
        conn:send(code .. "\n")
      end }
    ]], { args = { "--listen", "127.0.0.1:0", "--allow", "net=127.0.0.1:2" } })
    local peer = server:connect()
    peer:send("x")
    assert.equal("EACCES connect is not allowed here: start with --allow net=127.0.0.1:1",
      peer:receive_line())
    assert.equal("ECONNREFUSED", peer:receive_line())
  end)

  it("works in moonport.test, against a peer that the test plays, in simulated time", function()
    local directory = moonport:directory()
    directory:write("s.lua", [[
      local http = require "moonport.http"
      return { frame = "line", on_message = function(conn, name)
        local response, code = http.get("http://10.0.0.1/" .. name, { timeout = 20 })
        conn:send((response and response.body or code) .. "\n")
      end }
    ]])
    assert.same({ "GET /a HTTP/1.1", "hello", "timeout" }, lines([[
      local script = require("moonport.test").load(arg[1] .. "/s.lua")
      local upstream = script:listen("10.0.0.1:80")
      local peer = script:connect()
      peer:send("a\n")
      local asked = upstream:accept()
      print(asked:read():match("^[^\r]*"))
      asked:send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "every")
      io.write(peer:read())
      peer:send("b\n")
      script:advance(20.1)
      io.write(peer:read())
    ]], directory.path))
  end)
end)
