-- websocket_spec.lua — frame = "websocket" as a script and its peers see it: the handshake,
-- messages in handlers and in main, the end — frames that may not be: websocket_hostile_spec.

local control = require "tests.support.control"
local events = require "tests.support.events"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"
local websocket = require "tests.support.websocket"

local echo = [[
  return {
    frame = "websocket",
    on_open = function(conn) print("> open") end,
    on_message = function(conn, message, kind) conn:send_message(message, kind) end,
    on_close = function(conn, reason)
      print(("> %s %s %s"):format(reason, conn.close_code, conn.close_text))
    end,
  }
]]

local function text(payload) return websocket.frame(websocket.TEXT, payload) end

-- The server says so and ends; then the client does.
local function ends(client, said)
  assert.equal(said, websocket.told(client))
  assert.equal("EOF", (client:receive_end()))
  client:close()
end

-- A server's whole answer to a request that does not become a WebSocket.
local function answer_to(server, request)
  local client = server:connect()
  client:send(request)
  local ending, bytes = client:receive_end()
  client:close()
  assert.equal("EOF", ending)
  return bytes
end

describe("the handshake of a WebSocket", function()
  local moonport = rig.new()

  it("is refused where it is not what the standard says", function()
    local server = moonport:start(echo)
    local good = websocket.request()
    local function changed(what, with)
      local request, count = good:gsub(what, with, 1)
      assert.equal(1, count)
      return request
    end
    local rows = {
      { changed("GET", "POST"), 400 },
      { changed("HTTP/1.1", "HTTP/1.0"), 426 },
      { changed("Version: 13", "Version: 8"), 426 },
      { changed("Sec%-WebSocket%-Version: 13\r\n", ""), 426 },
      { changed("Sec%-WebSocket%-Key: [^\r]*\r\n", ""), 400 },
      { changed("Key: [^\r]*", "Key: dGhlIHNhbXBsZSBub25jZQ"), 400 },
      { changed("Key: [^\r]*", "Key: c2hvcnQ="), 400 },
      { changed("Key: ([^\r]*)", "Key: %1\r\nSec-WebSocket-Key: %1"), 400 },
      { changed("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc"), 400 },
      { changed("Upgrade: websocket", "Upgrade: h2c"), 426 },
    }
    for index, row in ipairs(rows) do
      local bytes = answer_to(server, row[1]:gsub("keep%-alive, Upgrade", "Upgrade, close"))
      assert.equal(row[2], tonumber(bytes:match("^HTTP/1%.1 (%d+)")), index .. ": " .. bytes)
      if row[1]:find("Version: 8") then
        assert.truthy(bytes:find("\nSec-WebSocket-Version: 13\r\n", 1, true), bytes)
      end
    end
    assert.same({}, server:told())
  end)

  it("asks on_upgrade, which may refuse, wait, choose a subprotocol and add headers", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      local answers = {
        ["/false"] = false, ["/status"] = 401, ["/true"] = true,
        ["/table"] = { protocol = "chat.2", headers = { ["set-cookie"] = "a=b" } },
      }
      return {
        frame = "websocket",
        on_upgrade = function(conn, request)
          print("> " .. request.path .. " " .. tostring(request.headers.origin))
          timer.sleep(0.01)
          return answers[request.path]
        end,
        on_open = function(conn) print("> open") end,
        on_message = function(conn, message) conn:send_message("echo " .. message) end,
      }
    ]])
    assert.truthy(answer_to(server, websocket.request { path = "/false" }):find("^HTTP/1.1 403 "))
    assert.truthy(answer_to(server, websocket.request { path = "/status" }):find("^HTTP/1.1 401 "))
    local headers = "Origin: http://a.example\r\nSec-WebSocket-Protocol: chat.1, chat.2\r\n"
    local client, head = websocket.connect(server, { path = "/table?x", headers = headers })
    assert.truthy(head:find("\nSec-WebSocket-Protocol: chat.2\r\n", 1, true), head)
    assert.truthy(head:find("\nset-cookie: a=b\r\n", 1, true), head)
    assert.is_nil(head:find("Extensions"))
    client:send(text("1"))
    assert.equal("text echo 1", websocket.told(client))
    client = websocket.connect(server, { path = "/true", headers = headers })
    client:send(text("2"))
    assert.equal("text echo 2", websocket.told(client))
    assert.same({ "/false nil", "/status nil", "/table http://a.example", "open",
      "/true http://a.example", "open" }, server:told())
  end)

  it("tells an author what on_upgrade may return", function()
    local server = moonport:start([[
      local answers = {
        ["/protocol"] = { protocol = "other" }, ["/field"] = { status = 200 }, ["/200"] = 200,
        ["/header"] = { headers = { upgrade = "x" } }, ["/break"] = { headers = { x = "a\nb" } },
      }
      return {
        frame = "websocket",
        on_upgrade = function(_, request) return answers[request.path] end,
        on_message = print,
        on_close = print,
      }
    ]])
    local words = {
      ["/protocol"] = "which the client did not offer", ["/field"] = "with 'status'",
      ["/200"] = "test%.lua:%d+%) returned 200", ["/header"] = "part of the handshake",
      ["/break"] = "cannot be sent",
    }
    for path, word in pairs(words) do
      local answer = answer_to(server, websocket.request { path = path })
      assert.truthy(answer:find("^HTTP/1.1 500 "), path .. ": " .. answer)
      server:expect_log(word)
    end
  end)

  it("leaves other requests to on_request", function()
    local server = moonport:start([[
      return {
        frame = "websocket",
        on_request = function(_, request) return "page " .. request.path end,
        on_message = function(conn, message) conn:send_message(message) end,
        on_open = function() print("> open") end,
        on_close = function(_, reason) print("> " .. reason) end,
      }
    ]])
    local client = server:connect()
    client:send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n" ..
      "GET /b HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" ..
      websocket.request() .. text("at once"))
    assert.truthy(websocket.receive_head(client):find(" 200 "))
    assert.equal("page /a", client:receive(7))
    assert.truthy(websocket.receive_head(client):find(" 200 "))
    assert.equal("page /b", client:receive(7))
    assert.truthy(websocket.receive_head(client):find(" 101 "))
    assert.equal("text at once", websocket.told(client))
    client:send(websocket.close(1000))
    ends(client, "close 1000")
    local other = server:connect()
    other:send("GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert.truthy(other:receive_all():find("page /c"))
    assert.same({ "open", "eof" }, server:wait_told(2))
  end)
end)

describe("a WebSocket", function()
  local moonport = rig.new()

  it("tells how it ended, to the script and to the peer", function()
    local server = moonport:start(echo)
    local function ended(how)
      local client = websocket.connect(server)
      how(client)
      client:close()
    end
    ended(function(client)
      client:send(websocket.close(4001, "bye"))
      assert.equal("close 4001", websocket.told(client))
    end)
    server:wait_told(2)
    ended(function(client)
      client:send(websocket.close())
      assert.equal("close", websocket.told(client))
    end)
    server:wait_told(4)
    ended(function(client)
      client:finish()
      assert.equal("", client:receive_all())
    end)
    server:wait_told(6)
    ended(function(client) client:reset() end)
    assert.same({ "open", "eof 4001 bye", "open", "eof 1005 nil", "open", "eof 1006 nil", "open",
      "reset 1006 nil" }, server:wait_told(8))
  end)

  it("says why it is closed: by the script, its faults, its limits, an operator", function()
    local server = moonport:start([[
      local acts = {
        plain = function(conn) conn:close() end,
        code = function(conn) conn:close(4321, "so long") end,
        fault = function() error("oops", 0) end,
        list = function(conn)
          local ok, why = pcall(conn.send, conn, "bytes")
          conn:send_message(why)
        end,
      }
      return {
        frame = "websocket",
        on_message = function(conn, message) acts[message](conn) end,
        on_close = function(conn, reason) print("> " .. reason .. " " .. conn.close_code) end,
      }
    ]], { control = true })
    local function said(message)
      local client = websocket.connect(server)
      client:send(text(message))
      local told = websocket.told(client)
      assert.equal("EOF", (client:receive_end()))
      client:close()
      return told
    end
    assert.equal("close 1000", said("plain"))
    assert.equal("close 4321 so long", said("code"))
    assert.equal("close 1011", said("fault"))
    server:expect_log("oops")
    local client = websocket.connect(server)
    client:send(text("list"))
    assert.truthy(websocket.told(client):find("conn:send_message(message)", 1, true))
    control.ask_once(server, "kick 4")
    ends(client, "close 1008")
    assert.same({ "closed 1000", "closed 4321", "error 1011", "kicked 1008" }, server:wait_told(4))
  end)

  it("is read in main, which begins behind the handshake", function()
    local server = moonport:start([[
      return {
        frame = "websocket",
        main = function(conn)
          print("> begins")
          while true do
            local message, kind, detail = conn:recv_message()
            print(("> %s %s %s"):format(message, kind, detail))
            if not message then return end
            if message == "bytes" then print("> " .. tostring(pcall(conn.recv_line, conn))) end
            if message == "end" then return end
          end
        end,
        on_close = function(conn, reason) print("> " .. reason .. " " .. conn.close_code) end,
      }
    ]])
    local client = server:connect()
    client:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert.truthy(websocket.receive_head(client):find(" 426 "))
    client = websocket.connect(server)
    client:send(text("bytes") .. websocket.frame(websocket.BINARY, "b") ..
      websocket.close(4000, "x"))
    ends(client, "close 4000")
    assert.same({ "begins", "bytes text nil", "false", "b binary nil", "nil eof x", "eof 4000" },
      server:wait_told(6))
    client = websocket.connect(server)
    client:send(text("end"))
    ends(client, "close 1000")
    assert.same({ "begins", "end text nil", "closed 1000" },
      { table.unpack(server:wait_told(9), 7) })
  end)

  it("raises what cannot be sent, in the author's line", function()
    local server = moonport:start([[
      return {
        frame = "websocket",
        on_message = function(conn)
          local function try(call) conn:send_message(select(2, pcall(call))) end
          try(function() conn:send_message("\xff") end)
          try(function() conn:send_message("a", "other") end)
          try(function() conn:close(1005) end)
          try(function() conn:close(1000, ("x"):rep(124)) end)
          try(function() conn:ping(("x"):rep(126)) end)
          try(function() conn:shutdown() end)
          conn:ping("there?")
          conn:send_message("\xff\0", "binary")
        end,
      }
    ]])
    local client = websocket.connect(server)
    client:send(text("go"))
    for _, words in ipairs { "no valid UTF-8", "invalid option 'other'", "no code that may be sent",
      "longer than 123 bytes", "longer than 125 bytes", "write conn:close()" } do
      local told = websocket.told(client)
      assert.truthy(told:find(words, 1, true), told)
    end
    assert.equal("ping there?", websocket.told(client))
    assert.equal("binary \xff\0", websocket.told(client))
  end)

  it("gets a broadcast that is framed once, if it is open", function()
    local server = moonport:start([[
      local server = require "moonport.server"
      return {
        frame = "websocket",
        on_open = function(conn) conn:send_message("hello") end,
        on_message = function(conn, message, kind)
          print("> " .. server.broadcast_message(message, kind))
        end,
        on_request = function() return "page" end,
      }
    ]])
    local plain = server:connect()
    plain:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    websocket.receive_head(plain)
    plain:receive(4)
    local clients = {}
    for index = 1, 5 do
      clients[index] = websocket.connect(server)
      assert.equal("text hello", websocket.told(clients[index]))
    end
    local long = ("é"):rep(40000)
    clients[1]:send(websocket.close(1000))
    assert.equal("close 1000", websocket.told(clients[1]))
    clients[2]:send(text(long))
    for index = 2, 5 do assert.equal("text " .. long, websocket.told(clients[index])) end
    assert.same({ "4" }, server:wait_told(1))
    plain:finish()
    assert.equal("", plain:receive_all())
  end)

  it("deflates what both sides agreed to, and inflates within the limit", function()
    local server = moonport:start((echo:gsub("return {", "return { deflate = true,")))
    local headers = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    local client, head = websocket.connect(server, { headers = headers })
    assert.truthy(head:find("\nSec-WebSocket-Extensions: permessage-deflate; " ..
      "server_no_context_takeover; client_no_context_takeover\r\n", 1, true), head)
    -- The examples of RFC 7692, section 7.2.3: "Hello", also in fragments, and in a last block.
    local hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"
    client:send(websocket.frame(websocket.TEXT, hello, { rsv = 4 }))
    assert.equal("text Hello", websocket.told(client))
    client:send(websocket.frame(websocket.TEXT, hello:sub(1, 3), { rsv = 4, fin = false }) ..
      websocket.frame(0, hello:sub(4)))
    assert.equal("text Hello", websocket.told(client))
    client:send(websocket.frame(websocket.TEXT, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", { rsv = 4 }))
    assert.equal("text Hello", websocket.told(client))
    client:send(text(("long "):rep(1000)))
    local frame = websocket.receive(client)
    assert.equal(4, frame.rsv)
    assert.truthy(#frame.payload < 200)
    client:send(websocket.frame(websocket.TEXT, frame.payload, { rsv = 4 }))
    assert.same(frame, websocket.receive(client))
  end)

  it("goes on under a new version of its script, or is told to come again", function()
    local run = reloading.start(moonport, echo)
    local client = websocket.connect(run.server)
    client:send(text("old"))
    assert.equal("text old", websocket.told(client))
    run:reload((echo:gsub("conn:send_message%(message", "conn:send_message(\"new \" .. message")))
    client:send(text("x"))
    assert.equal("text new x", websocket.told(client))
    run:reload((echo:gsub("return {", "return { reload = \"close\",")))
    ends(client, "close 1012")
    client = websocket.connect(run.server)
    run:reload("return { on_data = function(conn, data) conn:send(data) end }")
    ends(client, "close 1012")
  end)

  it("keeps what comes while a handler waits, in its order, for the version then", function()
    local waiting = [[
      local file, timer = require "moonport.file", require "moonport.timer"
      return {
        frame = "websocket",
        on_upgrade = function() timer.sleep(0.02) end,
        on_open = function(conn)
          print("> open")
          timer.sleep(0.02)
          conn:send_message("hello from NAME")
        end,
        on_message = function(conn, message)
          if message == "wait" then
            conn:send_message("NAME waits")
            while file.stat("STOP") do timer.sleep(0.02) end
          end
          conn:send_message("NAME " .. message)
        end,
        on_close = function(conn, reason) print("> " .. reason .. " " .. conn.close_code) end,
      }
    ]]
    local stop = moonport:directory():join("stop")
    waiting = waiting:gsub("STOP", stop)
    local run = reloading.start(moonport, (waiting:gsub("NAME", "old")))
    local client = websocket.connect(run.server)
    client:send(text("wait") .. text("one") .. websocket.frame(websocket.PING) ..
      text("two") .. websocket.close(1000))
    for _, said in ipairs { "hello from old", "old waits", "old wait", "old one" } do
      assert.equal("text " .. said, websocket.told(client))
    end
    assert.equal("pong", websocket.told(client))
    assert.equal("text old two", websocket.told(client))
    ends(client, "close 1000")
    assert(io.open(stop, "w")):close()
    client = websocket.connect(run.server)
    client:send(text("wait") .. text("one"))
    assert.equal("text hello from old", websocket.told(client))
    assert.equal("text old waits", websocket.told(client))
    run:reload((waiting:gsub("NAME", "new")))
    os.remove(stop)
    assert.equal("text old wait", websocket.told(client))
    assert.equal("text new one", websocket.told(client))
    client:reset()
    run.server:wait_told(4)
    assert.same({ "open", "eof 1000", "open", "reset 1006" }, run.server:told())
  end)

  it("is told when the server ends", function()
    local server = moonport:start(echo, { env = { MOONPORT_DRAIN = "0.1" } })
    local client = websocket.connect(server)
    server:wait_told("open")
    server:allow_log("the deadline has passed")
    server:signal("sigterm")
    ends(client, "close 1001")
    server:wait()
  end)

  it("is seen by those who watch: its request, its messages, its pongs", function()
    local server = moonport:start(echo, { control = true })
    local watch = events.watch(server, "event=message,send,handler")
    local client = websocket.connect(server)
    client:send(text("seen") .. websocket.frame(websocket.PING, "p"))
    assert.equal("text seen", websocket.told(client))
    assert.equal("pong p", websocket.told(client))
    client:send(websocket.close(1000))
    ends(client, "close 1000")
    assert.equal("on_close", watch:wait({ event = "handler", handler = "on_close" }).handler)
    assert.equal("seen", watch:find({ event = "message" })[2].text)
    local list = {}
    for _, event in ipairs(watch.seen) do
      list[#list + 1] = event.event .. " " .. (event.handler or event.by or "")
    end
    assert.same({ "message ", "send core", "handler on_open", "message ", "handler on_message",
      "send script", "send core", "send core", "handler on_close" }, list)
  end)
end)
