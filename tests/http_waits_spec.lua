-- http_waits_spec.lua — requests whose handlers wait: for bodies, for slow peers, for others, and a
-- reload meanwhile. What an answer may consist of is in http_spec.lua.

local http = require "tests.support.http"
local loop = require "tests.support.loop"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local uv = require "luv"

-- A handler that waits for word from another connection: "/go" gives it.
local gate = [[
  local task = require "moonport.task"
  local waiting = {}
  local function wait()
    local gate = task.gate()
    waiting[#waiting + 1] = gate
    gate:wait()
  end
  local function go()
    for _, closed in ipairs(waiting) do closed:open() end
    waiting = {}
  end
]]

-- Reads a body in pieces, and answers with their sum.
local counting = [[
  return { frame = "http", stream = true, on_request = function(conn, request)
    local size = 0
    for piece in request.read, request do size = size + #piece end
    return tostring(size)
  end }]]

describe("a handler of requests that waits", function()
  local moonport = rig.new()

  local function start(script, options) return moonport:start(script, options) end

  local sleeping = [[
    local timer = require "moonport.timer"
    return { frame = "http", on_request = function(conn, request)
      if request.path == "/slow" then timer.sleep(0.2) end
      return request.path
    end }]]

  it("holds up its own connection only, and what comes behind it keeps its order", function()
    local server = start(sleeping)
    local slow, quick = server:connect(), server:connect()
    slow:send(http.request("GET", "/slow") .. http.request("GET", "/a"))
    assert.equal("/b", http.ask(quick, "GET", "/b").body)
    slow:send(http.request("GET", "/slow") .. http.request("GET", "/c"))
    for _, path in ipairs { "/slow", "/a", "/slow", "/c" } do
      assert.equal(path, http.read(slow).body)
    end
  end)

  it("answers after the peer's FIN", function()
    local peer = start(sleeping):connect()
    peer:send(http.request("GET", "/slow") .. http.request("GET", "/x"))
    peer:finish()
    assert.equal("/slow", http.read(peer).body)
    assert.equal("/x", http.read(peer).body)
    assert.equal("", peer:receive_all())
  end)

  it("learns that its peer has gone from conn:respond", function()
    local server = start([[
      local timer = require "moonport.timer"
      return { frame = "http",
        on_request = function(conn, request)
          print("> in")
          while conn.state ~= "closed" do timer.sleep(0.02) end
          local ok, code = conn:respond "x"
          print(("> %s %s"):format(ok, code))
          return "nobody"
        end,
        on_close = function(conn, reason) print("> " .. reason) end }]])
    local peer = server:connect()
    peer:send(http.request("GET", "/"))
    server:wait_told("in")
    peer:reset()
    assert.same({ "in", "nil closed", "reset" }, server:wait_told("reset"))
  end)

  -- Each read of such requests would otherwise queue a hundred times their size.
  for _, style in ipairs { "on_request", "main" } do
    it("takes no more requests than its peer takes answers: " .. style, function()
      local server = start(([[
        local count = 0
        local function answer() count = count + 1 return count .. ("x"):rep(20000) end
        local styles = {
          on_request = answer,
          main = function(conn)
            for _ in conn.recv_message, conn do conn:respond(answer()) end
          end,
        }
        require("moonport.timer").every(0.02, function() print("> " .. count) end)
        return { frame = "http", limits = { write_queue = "256K" }, %s = styles.%s }
      ]]):format(style, style))
      local peer, asked = server:connect(), 1000
      peer:offer(http.request("GET", "/"):rep(asked - 1) ..
        http.request("GET", "/", { headers = { "Connection: close" } }))
      if style == "main" then peer:finish() end
      local first
      repeat
        first = server:told()[#server:told()]
        server:wait_told(#server:told() + 3)
      until first and first ~= "0" and first == server:told()[#server:told()]
      assert.is_true(tonumber(first) < asked)
      local number = 0
      for body in peer:receive_all():gmatch("\r\n\r\n(%d+)x") do
        number = number + 1
        assert.equal(tostring(number), body)
      end
      assert.equal(asked, number)
    end)
  end

  it("may answer from a task of its own, and be waited for", function()
    local server = start([[
      local task, timer = require "moonport.task", require "moonport.timer"
      return { frame = "http", on_request = function(conn)
        task.spawn(function() timer.sleep(0.01) conn:respond "task" end):join()
      end }]])
    local peer = server:connect()
    assert.equal("task", http.ask(peer, "GET", "/").body)
    assert.equal("task", http.ask(peer, "GET", "/").body)
  end)

  it("that goes on after its answer keeps the next request waiting", function()
    local server = start([[
      local timer = require "moonport.timer"
      local busy = false
      return { frame = "http", on_request = function(conn)
        assert(not busy)
        busy = true
        conn:respond "x"
        timer.sleep(0.05)
        busy = false
      end }]])
    local peer = server:connect()
    peer:send(http.request("GET", "/"):rep(3))
    for _ = 1, 3 do assert.equal("x", http.read(peer).body) end
  end)
end)

describe("a body that is read as it comes", function()
  local moonport = rig.new()

  local function start(script, options) return moonport:start(script, options) end

  it("may be longer than limits.message, with a length or in chunks, from curl", function()
    local server = start(counting)
    local url = "http://127.0.0.1:" .. server:port() .. "/"
    local path = moonport:directory():write("body", ("x"):rep(5000000))
    local curl = { "curl", "-sS", "--noproxy", "*", "--data-binary", "@" .. path, url }
    assert.equal("5000000", shell.run(curl).stdout)
    table.insert(curl, "-H")
    table.insert(curl, "Transfer-Encoding: chunked")
    assert.equal("5000000", shell.run(curl).stdout)
  end)

  it("comes in pieces that are no longer than asked for, up to its end", function()
    local server = start([[
      return { frame = "http", stream = true, on_request = function(conn, request)
        local pieces = {}
        for piece in function() return request:read(2) end do pieces[#pieces + 1] = piece end
        pieces[#pieces + 1] = tostring(request:read())
        return table.concat(pieces, "|")
      end }]])
    local peer = server:connect()
    assert.equal("ab|cd|e|nil", http.ask(peer, "POST", "/", { body = "abcde" }).body)
    assert.equal("nil", http.ask(peer, "GET", "/").body)
    peer:send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    peer:send("1\r\nd\r\n0\r\n\r\n" .. http.request("POST", "/", { body = "x" }))
    local pieces = http.read(peer).body
    assert.not_matches("%w%w%w|", pieces:gsub("nil$", ""))
    assert.equal("abcdnil", (pieces:gsub("|", "")))
    assert.equal("x|nil", http.read(peer).body)
  end)

  -- Who does not read holds the peer up.
  it("waits with the peer while nobody reads it", function()
    local server = start(gate .. [[
      return { frame = "http", stream = true, on_request = function(conn, request)
        if request.path == "/go" then go() return "gone" end
        wait()
        local size = 0
        for piece in request.read, request do size = size + #piece end
        return tostring(size)
      end }]])
    local peer, size = server:connect(), 20000000
    local before = server:rss()
    peer:offer(http.request("POST", "/", { body = ("x"):rep(size) }))
    loop.eventually("the peer to be held up", function()
      local unsent = peer:unsent()
      for _ = 1, 5 do loop.turn() end
      return unsent > 0 and unsent == peer:unsent()
    end)
    assert.is_true(peer:unsent() > size / 2)
    assert.is_true(server:rss() - before < 8 * 1024 * 1024)
    assert.equal("gone", http.ask(server:connect(), "GET", "/go").body)
    assert.equal(tostring(size), http.read(peer).body)
  end)

  it("is invited when it is first read, and not before", function()
    local server = start([[
      return { frame = "http", stream = true, on_request = function(conn, request)
        if request.path == "/no" then return { status = 403, body = "no" } end
        return request:read() .. tostring(request:read())
      end }]])
    local peer = server:connect()
    local head = "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    peer:send(head:format("/yes"))
    assert.equal("HTTP/1.1 100 Continue\r", peer:receive_line())
    assert.equal("\r", peer:receive_line())
    peer:send("abc")
    assert.equal("abcnil", http.read(peer).body)
    peer:send(head:format("/no"))
    local response = http.read(peer)
    assert.equal("403 close", response.status .. " " .. response.headers.connection)
    assert.equal("", peer:receive_all())
  end)

  it("that nobody reads is skipped when it is short, else the connection ends", function()
    local server = start([[
      return { frame = "http", stream = true, on_request = function(conn, request)
        return request.method
      end }]])
    local peer = server:connect()
    peer:send(http.request("POST", "/", { body = ("x"):rep(100000) }) .. http.request("GET", "/"))
    assert.equal("POST", http.read(peer).body)
    assert.equal("GET", http.read(peer).body)
    peer:offer(http.request("POST", "/", { body = ("x"):rep(1000000) }) .. http.request("GET", "/"))
    local response = http.read(peer)
    assert.equal("POST close", response.body .. " " .. response.headers.connection)
    assert.equal("", peer:receive_all())
    peer = server:connect() -- of one in chunks nobody knows how long it will be
    peer:offer("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" ..
      ("1000\r\n" .. ("x"):rep(4096) .. "\r\n"):rep(200) .. "0\r\n\r\n" .. http.request("GET", "/"))
    assert.equal("POST", http.read(peer).body)
    assert.equal("", peer:receive_all())
  end)

  it("tells its reader how it ended before its end", function()
    local server = start([[
      return { frame = "http", stream = true, on_request = function(conn, request)
        if request.path == "/time" then conn:settimeout(0.05) end
        if request.path == "/text" then
          print("> " .. select(2, pcall(function() return request.body end)))
        end
        local piece, code, detail
        repeat piece, code, detail = request:read() until not piece
        print(("> %s %s"):format(code, detail))
        return "x"
      end }]])
    local function begin(path, rest)
      local peer = server:connect()
      peer:send(("POST %s HTTP/1.1\r\nHost: a\r\n"):format(path) .. rest)
      return peer
    end
    begin("/", "Content-Length: 5\r\n\r\nabc"):finish()
    server:wait_told("eof nil")
    local peer = begin("/", "Content-Length: 5\r\n\r\nabc")
    peer:reset()
    server:wait_told("reset nil")
    peer = begin("/time", "Content-Length: 5\r\n\r\nabc")
    assert.equal("x", http.read(peer).body)
    server:wait_told("timeout nil")
    peer = begin("/", "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd")
    local response = http.read(peer)
    assert.equal("x close", response.body .. " " .. response.headers.connection)
    assert.matches("^malformed .", server:wait_told(4)[4])
    begin("/text", "Content-Length: 1\r\n\r\nx")
    assert.matches("read it with request:read%(%)", server:wait_told(6)[5])
  end)

  it("can be sent back while it comes", function()
    local server = start([[
      return { frame = "http", stream = true, on_request = function(conn, request)
        return { body = function(write)
          for piece in request.read, request do assert(write(piece)) end
        end }
      end }]])
    local path = moonport:directory():write("body", ("0123456789"):rep(300000))
    local result = shell.run({ "curl", "-sS", "--noproxy", "*", "--data-binary", "@" .. path, "-H",
      "Expect:", "http://127.0.0.1:" .. server:port() .. "/" })
    assert.equal("", result.stderr)
    assert.is_true(result.stdout == ("0123456789"):rep(300000))
  end)
end)

describe("an answer that is written as it is made", function()
  local moonport = rig.new()

  local function start(script, options) return moonport:start(script, options) end

  it("waits while the peer does not take it, and tells when the peer has gone", function()
    local server = start([[
      return { frame = "http", on_request = function(conn, request)
        return { body = function(write)
          local size, code = 0, nil
          local ok
          repeat
            ok, code = write(("x"):rep(65536))
            size = size + 65536
            if size == 65536 * 4 then print("> begun") end
          until not ok or size > 100e6
          print(("> %s %s %s"):format(ok, code, size < 50e6))
        end }
      end,
      on_close = function(conn, reason) print("> " .. reason) end }]])
    local peer = server:connect()
    local before = server:rss()
    peer:send(http.request("GET", "/"))
    server:wait_told("begun")
    http.read_head(peer)
    assert.is_true(server:rss() - before < 8 * 1024 * 1024)
    peer:reset()
    assert.same({ "begun", "nil closed true", "reset" }, server:wait_told("reset"))
  end)

  -- libuv takes a reset behind bytes for an end: this client does not.
  local reading = [[
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
try:
    while True:
        data = peer.recv(65536)
        if not data: break
        sys.stdout.write(data.decode())
except ConnectionResetError:
    sys.stdout.write("reset")
]]

  -- Half an answer must not pass for one.
  local failures = {
    ["raises"] = [[return { body = function(write) write "half" error "no" end }]],
    ["raises behind pcall"] =
      [[pcall(conn.respond, conn, { body = function(write) write "half" error "no" end })]],
    ["is shorter than it said"] = [[return { headers = { ["content-length"] = 9 },
      body = function(write) write "half" end }]],
    ["is longer than it said"] = [[return { headers = { ["content-length"] = 5 },
      body = function(write) write "half" write "half" end }]],
    ["goes on in a task when its handler has ended"] = [[
      require("moonport.task").spawn(function()
        conn:respond{ body = function(write)
          write "half"
          require("moonport.timer").sleep(0.5)
          print("> " .. tostring(select(2, write "more")))
        end }
      end)
      require("moonport.timer").sleep(0.1)]],
  }
  for name, code in pairs(failures) do
    it("that " .. name .. " ends with a reset, and not as if it were whole", function()
      local server = start(([[return { frame = "http", on_request = function(conn, request)
        %s end }]]):format(code))
      server:allow_log("test.lua:")
      server:allow_log("on_request ended before the body")
      server:allow_log("the body is shorter than its content%-length")
      local text = shell.run({ "python3", "-c", reading, tostring(server:port()) }).stdout
      assert.matches("reset$", text)
      assert.is_nil(text:find("\r\n0\r\n\r\n", 1, true))
      assert.is_true(select(2, text:gsub("HTTP/1.1 200", "")) <= 1)
      if name:find("task") then server:wait_told("closed") end
    end)
  end

  it("is not written to when it has ended", function()
    local server = start([[
      local kept
      return { frame = "http", on_request = function(conn, request)
        if kept then print("> " .. tostring(select(2, kept "late"))) end
        return { body = function(write) kept = write write "x" end }
      end }]])
    local peer = server:connect()
    assert.equal("x", http.ask(peer, "GET", "/").body)
    assert.equal("x", http.ask(peer, "GET", "/").body)
    server:wait_told("closed")
  end)
end)

describe("server-sent events", function()
  local moonport = rig.new()

  local function start(script, options) return moonport:start(script, options) end

  local service = [[
    local timer = require "moonport.timer"
    local all = {}
    return { frame = "http", timeouts = { idle = 0.2 },
      on_request = function(conn, request)
        if request.path == "/say" then
          for conn, events in pairs(all) do events:send{ event = "word", data = request.query } end
          return "said"
        end
        local events = conn:events{ ["x-mine"] = "yes" }
        events:send "hello\nyou"
        all[conn] = events
      end,
      on_close = function(conn, reason)
        if not all[conn] then return end
        print(("> %s %s"):format(reason, select(2, all[conn]:send "x")))
        all[conn] = nil
      end }]]

  local function next_event(peer)
    local size = tonumber(peer:receive_line():match("^(%x+)\r$"), 16)
    return peer:receive(size), peer:receive(2)
  end

  it("outlive their handler, and quiet times, and end with the peer", function()
    local server = start(service)
    local peer = server:connect()
    peer:send(http.request("GET", "/events") .. http.request("GET", "/behind"))
    local head = http.read_head(peer)
    assert.equal("text/event-stream no-cache close yes", ("%s %s %s %s"):format(
      head.headers["content-type"], head.headers["cache-control"], head.headers.connection,
      head.headers["x-mine"]))
    assert.equal("data: hello\ndata: you\n\n", next_event(peer))
    shell.run({ "sleep", "0.4" })
    assert.equal("said", http.ask(server:connect(), "GET", "/say?one").body)
    assert.equal("event: word\ndata: one\n\n", next_event(peer))
    peer:finish()
    assert.equal("", peer:receive_all())
    server:wait_told("eof closed")
  end)

  it("come to curl as they are sent, and end as an answer does", function()
    local server = start([[
      return { frame = "http", on_request = function(conn)
        local events <close> = conn:events()
        events:send{ id = 7, retry = 100, event = "e", data = "a\r\nb\rc" }
        events:comment "still here"
        events:send ""
        events:close()
        print("> " .. select(2, events:send "x"))
      end }]])
    local result = shell.run({ "curl", "-sS", "--noproxy", "*",
      "http://127.0.0.1:" .. server:port() .. "/" })
    assert.equal("", result.stderr)
    assert.equal("event: e\nid: 7\nretry: 100\ndata: a\ndata: b\ndata: c\n\n: still here\n\n" ..
      "data: \n\n", result.stdout)
    server:wait_told("closed")
  end)

  it("refuse what would be another event", function()
    local server = start([[
      return { frame = "http", on_request = function(conn)
        local events = conn:events()
        for _, wrong in ipairs { { event = "a\nb" }, { id = "a\0" }, { text = "x" },
          { data = {} } } do
          print("> " .. select(2, pcall(events.send, events, wrong)))
        end
        events:close()
      end }]])
    http.ask(server:connect(), "GET", "/")
    assert.same({ "event of an event has a line break or a NUL in it",
      "id of an event has a line break or a NUL in it",
      "an event has no field 'text': there are event, id, data and retry",
      "data of an event is a table, not a string" }, server:wait_told(4))
  end)
end)

describe("the time that a request may take", function()
  local moonport = rig.new()

  local function start(script, options) return moonport:start(script, options) end

  it("counts from its first byte to its end, whatever comes meanwhile: then 408", function()
    local server = start([[
      return { frame = "http", timeouts = { request = 0.3 },
        on_request = function() return "x" end,
        on_timeout = function() print "> asked" return true end,
        on_close = function(conn, reason) print("> " .. reason) end }]])
    local peer = server:connect()
    assert.equal("x", http.ask(peer, "GET", "/").body)
    shell.run({ "sleep", "0.5" }) -- between requests it does not count
    server:allow_log("the connection ended within the request") -- of one that goes on: as it may be
    for _, head in ipairs { "GET / HTTP/1.1\r\nX: ",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" } do
      peer:send(head)
      local drip = server:connect() -- one that goes on
      drip:send(head)
      local response = http.read(peer)
      assert.equal("408 close", response.status .. " " .. response.headers.connection)
      peer:close()
      drip:close()
      peer = server:connect()
      server:expect_log("refused with 408: the request did not come to its end in time")
    end
    server:wait_told("idle")
  end)

  it("is told to main, too", function()
    local server = start([[
      return { frame = "http", timeouts = { request = 0.1 }, main = function(conn)
        print("> " .. tostring(select(2, conn:recv_message())))
      end }]])
    local peer = server:connect()
    peer:send("GET / ")
    assert.equal(408, http.read(peer).status)
    assert.equal("", peer:receive_all())
    server:expect_log("refused with 408")
    server:wait_told("timeout")
  end)

  it("is that of the head when the handler reads the body", function()
    local server = start([[
      return { frame = "http", stream = true, timeouts = { request = 0.2 },
        on_request = function(conn, request) return request:read() end }]])
    local peer = server:connect()
    peer:send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
    shell.run({ "sleep", "0.4" })
    peer:send("y")
    assert.equal("y", http.read(peer).body)
  end)
end)

describe("a reload", function()
  local moonport = rig.new()

  local function script(word, policy)
    return ([[
      local sleep = require("moonport.timer").sleep
      return { frame = "http", stream = true, reload = %q, on_request = function(conn, request)
        if request.path == "/read" then
          local a = request:read(1) return a .. request:read(1) .. %q
        end
        if request.path == "/write" then
          return { body = function(write) write "a" sleep(0.3) write "b" write %q end }
        end
        return %q
      end }]]):format(policy, word, word, word)
  end

  for _, policy in ipairs { "adopt", "pin" } do
    it("lets handlers, bodies and answers end in their version: " .. policy, function()
      local run = reloading.start(moonport, script("old", policy))
      local server = run.server
      local reads, writes, idle = server:connect(), server:connect(), server:connect()
      assert.equal("old", http.ask(idle, "GET", "/").body)
      reads:send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
      writes:send("GET /write HTTP/1.1\r\nHost: a\r\n\r\n")
      http.read_head(writes)
      assert.equal("1\r\na\r\n", writes:receive(6))
      run:reload(script("new", policy))
      reads:send("y" .. http.request("GET", "/"))
      assert.equal("xyold", http.read(reads).body)
      assert.equal(policy == "adopt" and "new" or "old", http.read(reads).body)
      assert.equal(policy == "adopt" and "new" or "old", http.ask(idle, "GET", "/").body)
      assert.equal("new", http.ask(server:connect(), "GET", "/").body)
      assert.equal("1\r\nb\r\n3\r\nold\r\n0\r\n\r\n", writes:receive(6 + 8 + 5))
    end)
  end

  it("that drains ends idle connections, and answers the others with Connection: close", function()
    local run = reloading.start(moonport, script("old", "adopt"))
    local server = run.server
    local idle, reads = server:connect(), server:connect()
    assert.equal("old", http.ask(idle, "GET", "/").body)
    reads:send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
    http.ask(server:connect(), "GET", "/")
    run:reload(script("new", "drain"))
    assert.equal("", idle:receive_all())
    reads:send("y")
    local response = http.read(reads)
    assert.equal("xyold close", response.body .. " " .. response.headers.connection)
    assert.equal("", reads:receive_all())
  end)

  it("to something else than http ends what was coming", function()
    local run = reloading.start(moonport, [[
      return { frame = "http", on_request = function(conn, request) return request.body end }]])
    local peer, idle = run.server:connect(), run.server:connect()
    assert.equal("", http.ask(idle, "GET", "/").body)
    peer:send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
    http.ask(run.server:connect(), "GET", "/")
    run:reload([[return { on_data = function(conn, data) conn:send(data) end }]])
    assert.equal("", peer:receive_all())
    reloading.ask(idle, "echo", "echo")
  end)

  it("is no reload: the server's end answers what is under way", function()
    local server = moonport:start(script("old", "adopt"))
    local idle, waits = server:connect(), server:connect()
    assert.equal("old", http.ask(idle, "GET", "/").body)
    waits:send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
    http.ask(server:connect(), "GET", "/")
    server:signal("sigterm")
    assert.equal("", idle:receive_all())
    waits:send("y")
    local response = http.read(waits)
    assert.equal("xyold close", response.body .. " " .. response.headers.connection)
    for _, peer in ipairs(server.clients) do peer:close() end
    assert.equal(0, server:wait())
  end)

  -- Who had asked in that moment was closed without an answer: the first bytes of a connection were
  -- in hand while it was looked for a request among those that are kept. Stopped, the process finds
  -- all of it at once.
  for _, style in ipairs { "on_request", "main", "on_open and on_request" } do
    it("answers who has asked by the end of the server: " .. style, function()
      local server = moonport:start(([[
        local handlers = {
          main = function(conn) for _ in conn.recv_message, conn do conn:respond("x") end end,
          on_request = function() return "x" end,
          on_open = function(conn) conn.greeted = true end,
        }
        local service = { frame = "http" }
        for name in (%q):gmatch("[%%l_]+") do service[name] = handlers[name] end
        return service
      ]]):format(style))
      server:signal("sigstop")
      local silent, peers = server:connect(), {}
      for index = 1, 20 do
        peers[index] = server:connect()
        peers[index]:offer(http.request("GET", "/"))
      end
      server:signal("sigterm")
      server:signal("sigcont")
      for _, peer in ipairs(peers) do
        assert.equal("x", http.read(peer).body)
        assert.equal("", peer:receive_all())
      end
      assert.equal("EOF", (silent:receive_end()))
      for _, peer in ipairs(server.clients) do peer:close() end
      assert.equal(0, server:wait())
    end)
  end

  -- An upgrade under connections that each ask 2 ms after they were made left 7 of them without an
  -- answer.
  for name, handlers in pairs {
    on_request = "on_request = function() return 'x' end",
    ["on_open and on_request"] = "on_open = print, on_request = function() return 'x' end",
    main = "main = function(conn) for _ in conn.recv_message, conn do conn:respond('x') end end",
  } do
    it("has a second for who is connected and has not asked yet: " .. name, function()
      local answer
      loop.eventually("a request that is in time", function()
        local server = moonport:start(([[return { frame = "http", %s }]]):format(handlers))
        local since = uv.hrtime()
        local peer = server:connect()
        server:signal("sigterm")
        server:wait_for("no new connections")
        peer:offer(http.request("GET", "/"))
        local is_late = uv.hrtime() - since > 0.9e9
        if not is_late then answer = http.read(peer) end
        server:close_clients()
        assert.equal(0, server:wait())
        return not is_late
      end)
      assert.equal("x close", answer.body .. " " .. answer.headers.connection)
    end)
  end
end)
