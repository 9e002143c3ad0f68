-- services.lua — scripts that use every call of the API, and clients that know their answers — no
-- failure of its own.
--
-- A visit returns what it heard and what it should have heard. When something fails within, it
-- hears a beginning of that and then an end: never other bytes, never a wait without one.

local control = require "tests.support.control"
local uv = require "luv"
local loop = require "tests.support.loop"
local proxies = require "tests.support.proxies"
local websocket = require "tests.support.websocket"

local services = {}

-- In the order of the addresses.
services.scripts = {
  { "a_main.lua", [[
    local address = require "moonport.address"
    local bus = require "moonport.bus"
    local codec = require "moonport.codec"
    local control = require "moonport.control"
    local file = require "moonport.file"
    local frame = require "moonport.frame"
    local json = require "moonport.json"
    local pool = require "moonport.pool"
    local process = require "moonport.process"
    local server = require "moonport.server"
    local socket = require "moonport.socket"
    local task = require "moonport.task"
    local timer = require "moonport.timer"
    local log = require "moonport.log"
    local metrics = require "moonport.metrics"
    local ops, upstream = {}, nil

    function ops.line(conn) assert(conn:send(assert(conn:recv_line()) .. "\n")) end
    function ops.large(conn)
      assert(conn:send(assert(conn:recv_exactly(300000))))
      assert(conn:drain())
    end
    function ops.pieces(conn)
      local first = assert(conn:recv(3))
      assert(conn:send(first .. assert(conn:recv_exactly(8 - #first))))
      assert(conn:send(assert(conn:recv_until(";")) .. ";"))
    end
    function ops.messages(conn)
      for _, format in ipairs({ "line", { length = "u16be" }, { fixed = 4 } }) do
        assert(conn:send_message(assert(conn:recv_message(format)), format))
      end
    end
    function ops.metrics(conn)
      local counter = metrics.counter("torture_total", "Visits.", { "how" })
      local gauge = metrics.gauge("torture_visits", "Visits.")
      local histogram = metrics.histogram("torture_seconds", "Time.", { "how" }, { 0.1, 1 })
      counter:inc(1, "visit")
      gauge:set(counter:get("visit")) gauge:inc() gauge:dec()
      histogram:observe(0.5, "visit")
      assert(gauge:get() >= 0 and histogram:get("visit") >= 0)
      assert(conn:send("counted"))
    end
    function ops.fields(conn)
      conn.mine = { conn.id, conn.peer, conn.peer_ip, conn.peer_port, conn.sock, conn.state }
      conn:settimeout(10)
      assert(conn:setoption("nodelay", true))
      assert(conn:getoption("nodelay") ~= nil)
      assert(conn:stats().queue == 0)
      assert(#server.connections() >= 1 and server.stats().connections >= 1)
      log.info("told", "fields")
      conn:pause()
      conn:resume()
      assert(conn:send("fields"))
    end
    local function must(value, code, detail)
      return value or error(detail or code) -- the detail says that memory is out
    end
    function ops.files(conn)
      local own = debug.getinfo(1, "S").source:sub(2)
      local copy, text = own .. ".copy", must(file.read(own))
      must(file.write(copy, text))
      must(file.append(copy, "end"))
      assert(must(file.stat(copy)).size == #text + 3)
      assert(#must(file.list("/proc/self")) > 10)
      local opened <close> = must(file.open(copy, "r+"))
      assert(#must(opened:read(100)) == 100)
      must(opened:write("xyz"))
      must(conn:send_file(copy, 100, 3))
    end
    function ops.programs(conn)
      local result = must(process.run { "cat", input = "through a program", timeout = 20 })
      must(conn:send(result.stdout))
    end
    function ops.tasks(conn)
      local list = {}
      for i = 1, 5 do list[i] = task.spawn(function(a) timer.sleep(0.001) return a end, i) end
      local sum = 0
      for _, each in ipairs(list) do
        local ended, value = each:join(5)
        sum = sum + (ended and value or error(value))
      end
      local other = task.spawn(timer.sleep, 60)
      assert(other:status())
      other:cancel()
      assert(conn:send("sum " .. sum))
    end
    function ops.handing(conn)
      local queue, gate, sum = task.queue(1), task.gate(), 0
      local putter = task.spawn(function()
        for number = 1, 4 do assert(queue:put(number)) end
        gate:wait(2)
      end)
      -- In a second: a task for which there is no memory does not begin.
      for _ = 1, 4 do sum = sum + (queue:get(1) or error("not enough memory for the task")) end
      gate:open()
      local ended, code, why = putter:join(5)
      if not ended then error(why or code) end
      assert(conn:send("handed"))
    end
    function ops.unpacked(conn)
      conn:deadline(10)
      conn:after(60, print):cancel()
      conn:every(60, print)
      local number, text = conn:unpack(">I2 s1 z")
      assert(number, text)
      assert(conn:peek(5))
      assert(conn:skip(3))
      assert(conn:send(text .. number .. assert(conn:recv(2))))
    end
    function ops.codec(conn)
      local text = codec.base64.encode(codec.random(30))
      assert(#codec.base64.decode(text) == 30 and codec.url.decode("%20") == " ")
      assert(#codec.sha256(text) == 32 and #codec.hmac("sha1", "key", text) == 20)
      assert(codec.query.encode(codec.query.list("a=1&a=%20")) == "a=1&a=%20")
      assert(codec.query.decode("a=1&b").b == "" and timer.time() > 1)
      assert(conn:send("coded"))
    end
    function ops.timers(conn)
      local ticks = 0
      local waiting = task.spawn(timer.sleep, 5)
      local ticker = timer.every(0.001, function()
        ticks = ticks + 1
        if ticks == 3 then waiting:cancel() end
      end)
      waiting:join(6)
      ticker:cancel()
      timer.after(60, print):cancel()
      assert(ticks >= 3, "no three ticks")
      assert(conn:send("ticks"))
    end
    function ops.bus(conn)
      local gate, heard = task.gate(), {}
      local all <close> = bus.subscribe("torture." .. conn.id .. ".>", function(data, topic)
        heard[#heard + 1] = data .. topic:match("%w+$")
        timer.sleep(0.001)
        if #heard == 2 then gate:open() end
      end)
      bus.subscribe("torture.*.one", print):cancel()
      must(bus.publish("torture." .. conn.id .. ".one", "a"))
      must(bus.publish("torture." .. conn.id .. ".two", ("b"):rep(3)))
      assert(gate:wait(5) and bus.status().subscriptions >= 1)
      assert(conn:send(table.concat(heard)))
    end
    function ops.connect(conn)
      local up <close> = assert(socket.connect(upstream, { timeout = 5 }))
      assert(up:send("through"))
      assert(conn:send(assert(up:recv_exactly(7))))
    end
    function ops.passed(conn)
      local up <close> = assert(socket.connect(upstream, { timeout = 5,
        proxy_protocol = { source = "10.1.2.3:4", destination = "10.5.6.7:8" } }))
      must(conn:send(must(up:recv_exactly(15))))
    end
    function ops.sockets(conn)
      local mine <close> = assert(socket.tcp())
      assert(mine:bind("127.0.0.1", 0))
      assert(mine:listen(4))
      local port = mine:getsockname():match("%d+$")
      local other <close> = assert(socket.tcp())
      other:settimeout(5)
      mine:settimeout(5)
      assert(other:connect("127.0.0.1", tonumber(port)))
      local peer <close> = assert(mine:accept())
      peer:settimeout(5)
      assert(other:send("hello\n"))
      assert(peer:recv_line() == "hello")
      assert(other:shutdown())
      assert(not peer:recv())
      assert(conn:send("sockets"))
    end
    function ops.datagrams(conn)
      local a <close> = assert(socket.udp())
      local b <close> = assert(socket.udp())
      assert(a:bind("127.0.0.1", 0))
      assert(b:bind("127.0.0.1", 0))
      a:settimeout(5)
      local port = a:getsockname():match("%d+$")
      assert(b:sendto("datagram", "127.0.0.1", tonumber(port)))
      assert(conn:send((assert(a:recvfrom()))))
    end
    function ops.resolve(conn)
      assert(socket.resolve("127.0.0.1", 5))
      assert(conn:send("resolved"))
    end
    function ops.pool(conn)
      local shared <close> = pool.new(upstream, { size = 2, timeout = 5 })
      for _ = 1, 2 do
        assert(conn:send(assert(shared:with(function(up)
          assert(up:send("pooled"))
          return assert(up:recv_exactly(6))
        end))))
      end
    end
    function ops.forward(conn)
      local up <close> = assert(socket.connect(upstream, { timeout = 5 }))
      assert(up:forward(conn))
      assert(conn:forward(up))
      while conn.state ~= "closed" and up.state ~= "closed" do timer.sleep(0.005) end
    end
    function ops.join(conn)
      local up <close> = assert(socket.connect("127.0.0.1", tonumber(upstream:match("%d+$"))))
      must(conn:forward(up, 5))
      must(conn:send(must(up:recv_exactly(5))))
      must(conn:join(up))
    end
    function ops.groups(conn)
      local group, named = server.group(), server.group("all " .. conn.id)
      must(group:add(conn))
      must(named:add(conn))
      assert(#group == 1 and group:has(conn) and #group:connections() == 1)
      for member in group:each() do assert(member == conn) end
      group:broadcast("to ")
      named:broadcast({ "the ", "group" })
      assert(group:remove(conn))
      server.broadcast("!", { to = { conn } })
      local parts = must(address.parse("tcp://[::1]:80"))
      assert(address.format(parts) == "tcp://[::1]:80" and address.in_network("::1", "::/8"))
    end
    function ops.hold(conn)
      assert(conn:send(conn.id .. "\n"))
      for data in function() return conn:recv() end do assert(conn:send(data)) end
    end
    function ops.reset(conn)
      assert(conn:send("never heard: what is queued goes with the reset"))
      conn:reset()
    end
    function ops.paused(conn)
      conn:pause()
      timer.sleep(0.002)
      conn:resume()
      assert(conn:send(assert(conn:recv_exactly(5))))
    end
    function ops.split(conn)
      local lines = frame.new("line")
      local list = lines:split("a\nb\n")
      assert(conn:send(lines:wrap(list[1] .. list[2])))
    end
    function ops.json(conn)
      local value = { list = { 1, 2.5, json.null, json.array() }, text = "json", deep = { {} } }
      local again = assert(json.decode(assert(json.encode(value))))
      assert(#again.list == 4 and json.is_array(again.list[4]) and not json.decode("[1,"))
      assert(conn:send(again.text))
    end
    function ops.control(conn)
      local client, message = control.connect("@" .. control.quote("nobody"), { timeout = 1 })
      assert(not client and message)
      assert(conn:send("control"))
    end
    return {
      listen = "127.0.0.1:0",
      on_load = function() end,
      main = function(conn)
        local op, rest = assert(conn:recv_line()):match("^(%S+) ?(.*)$")
        upstream = rest ~= "" and rest or upstream
        ops[op](conn)
      end,
      on_close = function() timer.sleep(0.001) end,
    }
  ]] },
  { "b_echo.lua", [[
    return {
      listen = "127.0.0.1:0",
      limits = { write_queue = "16M" },
      on_open = function(conn) conn.opened = true end,
      on_data = function(conn, data) conn:send(data) end,
      on_eof = function(conn) conn:close() end,
      on_drain = function() end,
    }
  ]] },
  { "c_frames.lua", [[
    local server = require "moonport.server"
    return {
      listen = "127.0.0.1:0",
      frame = { length = "u16be" },
      on_message = function(conn, message)
        if message == "all" then
          server.broadcast("to all")
          return conn:close()
        end
        conn:send_message(message)
      end,
    }
  ]] },
  { "d_datagrams.lua", [[
    return {
      listen = "udp://127.0.0.1:0",
      on_datagram = function(socket, data, peer) socket:send(data, peer) end,
    }
  ]] },
  { "e_unix.lua", [[
    return {
      listen = "unix:DIRECTORY/listener",
      on_data = function(conn, data) conn:send(data) end,
    }
  ]] },
}

-- One for each way in which a reload treats what is connected.
for _, manner in ipairs({ "adopt", "pin", "drain", "close" }) do
  table.insert(services.scripts, { "f_" .. manner .. ".lua", ([[
    return {
      listen = "127.0.0.1:0",
      reload = "%s",
      %s
      on_unload = function() return { kept = true } end,
      on_data = function(conn, data) conn:send(data) end,
    }
  ]]):format(manner, manner == "adopt" and "on_reload = function() end," or "") })
end

table.insert(services.scripts, { "g_websocket.lua", [[
  local server = require "moonport.server"
  return {
    listen = "127.0.0.1:0",
    frame = "websocket",
    deflate = true,
    on_upgrade = function(_, request)
      return { protocol = request.headers["sec-websocket-protocol"], headers = { x = "y" } }
    end,
    on_open = function(conn) conn:send_message("open") end,
    on_message = function(conn, message, kind)
      if message == "all" then return server.broadcast_message("to all") end
      conn:send_message(message, kind)
    end,
    on_close = function(conn) conn.ended = conn.close_code end,
  }
]] })
table.insert(services.scripts, { "h_requests.lua", [[
  return {
    listen = "127.0.0.1:0",
    frame = "http",
    on_request = function(conn, request)
      if request.path == "/write" then
        return { body = function(write) write("written") write(request.body) end }
      elseif request.path == "/events" then
        conn:events():send(request.parameters.word)
        return conn:close()
      elseif request.path == "/list" then
        return { headers = { a = { 1, 2 } }, body = { "li", "st", ("x"):rep(5000) } }
      end
      local names = {}
      for name in pairs(request.headers) do names[#names + 1] = name end
      return { status = 201, body = table.concat(names, " ") .. request.body .. request.headers.a }
    end,
  }
]] })
table.insert(services.scripts, { "i_pieces.lua", [[
  return {
    listen = "127.0.0.1:0",
    frame = "http",
    stream = true,
    main = function(conn)
      for request in conn.recv_message, conn do
        local pieces = {}
        for piece in request.read, request do pieces[#pieces + 1] = piece end
        conn:respond{ body = pieces }
      end
    end,
  }
]] })

table.insert(services.scripts, { "j_proxied.lua", [[
  return {
    listen = "127.0.0.1:0",
    proxy_protocol = { "127.0.0.0/8" },
    deny = { "10.9.0.0/16" },
    limits = { per_address = 100, accept_rate = 100000 },
    on_open = function(conn)
      local said = conn.proxy.authority or conn.proxy.destination
      conn:send(conn.peer .. " " .. (conn.via and said:sub(1, 4)))
    end,
    on_data = function(conn, data) conn:send(data) end,
    on_eof = function(conn) conn:close() end,
  }
]] })

local large = {}
for i = 1, 37500 do large[i] = ("%07x "):format(i) end
large = table.concat(large)
local length = ("Content-Length: %d\r\n\r\n"):format(#large)

-- What no deflater makes shorter.
local noise, state = {}, 1
for i = 1, 9000 do
  state = (state * 1103515245 + 12345) & 0x7fffffff
  noise[i] = string.char(state >> 16 & 0xff)
end
noise = table.concat(noise)

-- Sends all, and hears what comes until an end.
local function exchange(server, index, bytes, answer, half_close)
  local peer = server:connect({ address = server:address(index) })
  peer:offer(bytes)
  if half_close then pcall(peer.finish, peer) end
  local _, heard = peer:receive_end()
  peer:close()
  return heard, answer
end

local function ask(op, bytes, answer)
  return function(server)
    return exchange(server, 1, op .. " " .. server:address(2):gsub("^tcp://", "") .. "\n" .. bytes,
      answer)
  end
end

-- What is heard of requests, without the time; an answer that says that there was no memory is an
-- end.
local function request(index, bytes, answer)
  return function(server)
    local heard = exchange(server, index, bytes, answer, true)
    heard = heard:gsub("Date: [^\r]*\r\n", ""):gsub("HTTP/1.1 50[03] .*$", "")
    return heard, answer
  end
end

local function command(text)
  return function(server)
    local peer = control.connect(server)
    peer:offer(text .. "\n")
    pcall(peer.finish, peer)
    local _, heard = peer:receive_end()
    peer:close()
    return heard:find("\n$") and "a line" or "", "a line"
  end
end

local function datagram(server)
  local udp, heard = uv.new_udp(), nil
  local port = tonumber(server:address(4):match("%d+$"))
  udp:recv_start(function(_, data) heard = heard or data end)
  udp:send("datagram", "127.0.0.1", port)
  -- One may get lost: then it is asked again for nothing else than an answer.
  local give_up = uv.now() + 300
  loop.wait_until("a datagram", function() return heard or uv.now() > give_up end, 10)
  udp:close()
  loop.turn()
  return heard or "", "datagram"
end

-- What a command answers, or nil when it could not.
local function try(server, text)
  local ok, _, last = pcall(control.ask_once, server, text)
  return ok and last.ok or nil
end

-- A connection that an operator looks at and does these things to. Returns it, or nil and what it
-- heard when it did not come about.
local function held(server)
  local peer = server:connect({ address = server:address(1) })
  peer:offer("hold\n")
  local ok, line = pcall(peer.receive_line, peer)
  if ok then return peer, line:match("%d+") end
  peer:close()
end

local function treated(server)
  local peer, id = held(server)
  if not peer then return "", "saidechoed" end
  local watcher = control.connect(server)
  watcher:offer(("events conn=%s bytes=all\n"):format(id))
  for _, text in ipairs({ "fault %s split=2", "tcp %s", "pause %s", "step %s" }) do
    try(server, text:format(id))
  end
  -- A connection that stays paused hears nothing of what is sent to it; it can be ended.
  local resumed = try(server, "resume " .. id) or try(server, "resume " .. id)
  if try(server, ("send %s said"):format(id)) and resumed then peer:offer("echoed") end
  if not resumed then try(server, "reset " .. id) end
  pcall(peer.finish, peer)
  local _, heard = peer:receive_end()
  peer:close()
  watcher:close()
  return heard, "saidechoed"
end

local function ended_by(text)
  return function(server)
    local peer, id = held(server)
    if not peer then return "", "" end
    try(server, text:format(id))
    pcall(peer.finish, peer)
    local _, heard = peer:receive_end()
    peer:close()
    return heard, ""
  end
end

-- Everything that frames of WebSocket do, and the answer to the byte. Whose memory runs out is told
-- so: with 500, or with the code 1011.
local function spoken(server)
  local frame = websocket.frame
  local function said(opcode, payload, rsv)
    return frame(opcode, payload, { masked = false, rsv = rsv })
  end
  local sent = websocket.request({ headers = "Sec-WebSocket-Protocol: x\r\n" ..
    "Sec-WebSocket-Extensions: permessage-deflate\r\n" }) ..
    frame(1, "small") .. frame(1, "in ", { fin = false }) .. frame(9, "ping") ..
    frame(0, "two") .. frame(2, "\x62\x60\x60\x00\x00", { rsv = 4 }) .. -- three zeros
    frame(2, noise) .. frame(1, "all") .. websocket.close(4000, "bye")
  local answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" ..
    "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" ..
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; " ..
    "client_no_context_takeover\r\nSec-WebSocket-Protocol: x\r\nx: y\r\n\r\n" ..
    said(1, "open") .. said(1, "small") .. said(10, "ping") .. said(1, "in two") ..
    said(2, "\0\0\0") .. said(2, noise) .. said(1, "to all") .. said(8, "\x0f\xa0")
  local heard = exchange(server, 10, sent, answer)
  if heard:find("^HTTP/1%.1 500 ") then heard = "" end
  return (heard:gsub("\x88\x02\x03\xf3$", "")), answer
end

local versions = 0

-- A change, and one that is connected meanwhile; `after` is what it says when it has been taken on.
local function reloaded(manner, index, after)
  return function(server)
    local peer = server:connect({ address = server:address(index) })
    peer:offer("before")
    local _, first = pcall(peer.receive, peer, 6)
    versions = versions + 1
    local file = assert(io.open(server.folder:join("f_" .. manner .. ".lua"), "a"))
    file:write("-- ", versions, "\n")
    file:close()
    try(server, "reload")
    pcall(peer.offer, peer, after)
    pcall(peer.finish, peer)
    local _, heard = peer:receive_end()
    peer:close()
    return (first == "before" and first or "") .. heard, "before" .. after
  end
end

services.visits = {
  { "line", ask("line", "one line\n", "one line\n") },
  { "large", ask("large", large, large) },
  { "pieces", ask("pieces", "12345678until;", "12345678until;") },
  { "messages", ask("messages", "first\n\0\6secondfour", "first\n\0\6secondfour") },
  { "fields", ask("fields", "", "fields") },
  { "metrics", ask("metrics", "", "counted") },
  { "files", ask("files", "", "xyz") },
  { "programs", ask("programs", "", "through a program") },
  { "tasks", ask("tasks", "", "sum 15") },
  { "handing", ask("handing", "", "handed") },
  { "unpacked", ask("unpacked", "\0\7\2abz\0restvw", "ab7tv") },
  { "codec", ask("codec", "", "coded") },
  { "timers", ask("timers", "", "ticks") },
  { "bus", ask("bus", "", "aonebbbtwo") },
  { "connect", ask("connect", "", "through") },
  { "sockets", ask("sockets", "", "sockets") },
  { "datagrams", ask("datagrams", "", "datagram") },
  { "resolve", ask("resolve", "", "resolved") },
  { "passed", function(server)
    return exchange(server, 1, "passed " .. server:address(13):gsub("^tcp://", "") .. "\n",
      "10.1.2.3:4 10.5")
  end },
  { "proxied", function(server)
    return exchange(server, 13, proxies.header(proxies.tlv(2, "a.example")) .. large,
      "203.0.113.7:40000 a.ex" .. large, true)
  end },
  { "pool", ask("pool", "", "pooledpooled") },
  { "split", ask("split", "", "ab\n") },
  { "json", ask("json", "", "json") },
  { "control", ask("control", "", "control") },
  { "forward", function(server)
    return exchange(server, 1, "forward " .. server:address(2):gsub("^tcp://", "") .. "\n" .. large,
      large, true)
  end },
  { "join", function(server)
    return exchange(server, 1, "join " .. server:address(2):gsub("^tcp://", "") .. "\n" .. large,
      large, true)
  end },
  { "groups", ask("groups", "", "to the group!") },
  { "echo", function(server) return exchange(server, 2, large, large, true) end },
  { "frames", function(server)
    local message = ("x"):rep(3000)
    local framed = string.pack(">s2", message):rep(20)
    return exchange(server, 3, framed, framed, true)
  end },
  { "broadcast", function(server) return exchange(server, 3, "\0\3all", "to all") end },
  { "requests", request(11, "POST / HTTP/1.1\r\nHost: x\r\nA: b\r\nContent-Length: 4\r\n\r\nbody" ..
    "POST /write HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" ..
    "GET /list HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/1.1 201 Created\r\nContent-Length: 26\r\n\r\nhost a content-lengthbodyb" ..
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nwritten\r\n3\r\nabc\r\n0\r\n\r\n" ..
    "HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\nContent-Length: 5004\r\n\r\nlist" .. ("x"):rep(5000)) },
  { "events", function(server)
    local asked = "GET /events?word=moon HTTP/1.1\r\nHost: x\r\n\r\n"
    local heard = exchange(server, 11, asked, "", true)
    return heard:match("data: moon") or "", "data: moon"
  end },
  { "bodies in pieces", request(12, "POST / HTTP/1.1\r\nHost: x\r\n" .. length .. large,
    "HTTP/1.1 200 OK\r\n" .. length .. large) },
  { "udp", datagram },
  { "reset", ask("reset", "", "") },
  { "paused", ask("paused", "after", "after") },
  { "unix", function(server) return exchange(server, 5, large, large, true) end },
  { "reload and adopt", reloaded("adopt", 6, " after") },
  { "reload and pin", reloaded("pin", 7, " after") },
  { "reload and drain", reloaded("drain", 8, "") },
  { "reload and close", reloaded("close", 9, "") },
  { "websocket", spoken },
  { "fault and trace", treated },
  { "kick", ended_by("kick %s") },
  { "reset by command", ended_by("reset %s") },
  { "status", command("status") },
  { "conns", command("conns") },
  { "eval", command("eval a_main.lua 1 + 1") },
  { "versions", command("versions") },
  { "health", command("health") },
}

function services.visit_named(name)
  for _, each in ipairs(services.visits) do
    if each[1] == name then return each[2] end
  end
end

-- Of commands the client is told, not the log.
local untold = { status = true, conns = true, eval = true, versions = true, health = true,
  ["fault and trace"] = true }

--- Whether the log tells of what a visit lost.
function services.is_told(name) return not untold[name] end

--- Writes the scripts into a directory; returns the arguments of a server of them.
function services.write(folder)
  local args = { "--no-watch" }
  for _, script in ipairs(services.scripts) do
    local text = script[2]:gsub("DIRECTORY", (folder:join("."):gsub("/%.$", "")))
    args[#args + 1] = folder:write(script[1], text)
  end
  return args
end

--- Starts a server of all of them, which fails what the plan says. `lines` are patterns of what it
--- may say at warn and error; anything else in its log fails the test. `transport` is how it waits
--- for connections: "direct", or "uv".
function services.start(moonport, fail, folder, lines, transport)
  local server = moonport:serve(services.write(folder), {
    listeners = #services.scripts, control = true,
    env = { MOONPORT_TORTURE_PLAN = fail.path, MOONPORT_TRANSPORT = transport },
  })
  server.folder = folder
  for _, pattern in ipairs(lines) do server:allow_log(pattern) end
  return server
end

--- Raises when a socket stays behind. A __close that had no memory to run leaves its object to the
--- collector, so that comes first.
function services.check_sockets(name, server)
  control.ask_once(server, "eval a_main.lua collectgarbage()")
  local ok, err = pcall(server.wait_idle, server)
  if not ok then error(name .. ": " .. err, 0) end
end

--- Raises unless `heard` is a beginning of `answer`; all of it when `whole`.
function services.check(name, heard, answer, whole)
  if heard == answer then return end
  if not whole and answer:sub(1, #heard) == heard then return end
  local at = 1
  while heard:byte(at) == answer:byte(at) do at = at + 1 end
  error(("%s: heard %d bytes in place of %d, another at %d: %q in place of %q"):format(name, #heard,
    #answer, at, heard:sub(at, at + 60), answer:sub(at, at + 60)), 0)
end

return services
