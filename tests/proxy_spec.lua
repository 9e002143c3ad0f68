-- proxy_spec.lua — the PROXY protocol: who a proxy says its client is, from real proxies and from
-- those who lie, and what we say as one — the bytes of headers in full: unit/proxy_corpus.

local cjson = require "cjson"
local client = require "tests.support.client"
local control = require "tests.support.control"
local events = require "tests.support.events"
local loop = require "tests.support.loop"
local proxies = require "tests.support.proxies"
local rig = require "tests.support.rig"
local servers = require "tests.support.server"
local shell = require "tests.support.shell"
local tls = require "tests.support.tls"

local v2, tlv = proxies.v2, proxies.tlv
local V1 = "PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n"

describe("proxy_protocol", function()
  local moonport = rig.new()

  local function script(proxy_protocol, fields)
    return ([[
      return {
        listen = "127.0.0.1:0",
        proxy_protocol = %s,
        on_open = function(conn) print("> open " .. conn.peer) end,
        on_data = function(conn, data) conn:send(data) end,
        on_close = function(_, reason) print("> " .. reason) end,
        %s
      }
    ]]):format(proxy_protocol, fields or "")
  end

  local function start(fields, options, who)
    options = options or {}
    options.args = options.args or {}
    return moonport:start(script(who or [[{ "127.0.0.0/8" }]], fields), options)
  end

  local function greet(server, bytes)
    local peer = server:connect()
    peer:send(bytes)
    return peer
  end

  local function name(peer) return ("%s:%d"):format(peer:name()) end

  it("gives the client's address, and leaves what follows the header untouched", function()
    local server = start [[
      on_data = function(conn, data)
        local proxy = conn.proxy
        conn:send(("%s|%s|%d|%s|%d|%s|%s"):format(conn.peer, conn.peer_ip, conn.peer_port,
          conn.via:match("^127%.0%.0%.1:%d+$") and "via", proxy.version, proxy.destination, data))
      end,
    ]]
    for version, header in ipairs { V1, proxies.header() } do
      local peer = greet(server, header .. "PROXY me")
      assert.equal(("203.0.113.7:40000|203.0.113.7|40000|via|%d|192.0.2.1:443|PROXY me")
        :format(version), peer:receive(64))
    end
  end)

  it("reads a header in any pieces, as bytes come", function()
    local server = start()
    for _, header in ipairs { V1, proxies.header(tlv(2, "example.org")) } do
      local peer = server:connect()
      for index = 1, #header + 2 do
        peer:send((header .. "ab"):sub(index, index))
        peer:wait_sent()
        loop.turn()
      end
      assert.equal("ab", peer:receive(2))
    end
    assert.same({ "open 203.0.113.7:40000", "open 203.0.113.7:40000" }, server:told())
  end)

  it("opens before any data, and tells what else the proxy said", function()
    local server = start [[
      on_open = function(conn)
        local p = conn.proxy
        conn:send(table.concat({ p.authority, p.alpn, p.unique_id, p.ssl.version, p.ssl.cipher,
          p.ssl.cn, tostring(p.ssl.verified), p[0xea], #p[0x20] }, " "))
      end,
    ]]
    local ssl = tlv(0x20, "\7\0\0\0\0" .. tlv(0x21, "TLSv1.3") .. tlv(0x22, "alice") ..
      tlv(0x23, "AES"))
    local peer = greet(server, proxies.header(tlv(1, "h2") .. tlv(2, "a.org") .. tlv(5, "id-1") ..
      ssl .. tlv(0xea, "vpce-1")))
    assert.equal("a.org h2 id-1 TLSv1.3 AES alice true vpce-1 29", peer:receive(46))
  end)

  it("refuses all that is no header, counts it and tells it once", function()
    local server = start(nil, { control = true })
    local lies = {
      "GET / HTTP/1.1\r\n\r\n", "\22\3\1\2\0\1", "PROXY TCP4 ::1 ::1 1 1\r\n", "PROXY TCP5 ",
      "PROXY UNKNOWN " .. ("x"):rep(100), V1:gsub("\r", ""), V1:gsub("443", "65536"),
      v2(1, 0x11, "\1\2\3\4"), v2(1, 0x11, ""), v2(1, 0x21, proxies.ENDS4),
      v2(1, 0x11, proxies.ENDS4, 65535), v2(2, 0x11, proxies.ENDS4),
      v2(1, 0x44, proxies.ENDS4), proxies.header(tlv(3, "\0\0\0\1")), proxies.header("\2\0\9ab"),
    }
    for index, lie in ipairs(lies) do
      assert.equal("ECONNRESET", greet(server, lie):receive_end(), index)
    end
    server:expect_log("connections from 127.0.0.1 are reset: what came first is no PROXY " ..
      "header; have it send one %(HAProxy: send%-proxy%-v2, nginx: proxy_protocol on%)")
    assert.same({}, server:told())
    local status = control.ask_once(server, "status")[1]
    assert.equal(#lies, status.refused)
    assert.equal(#lies, status.refused_header)
    assert.equal(0, status.accepted)
    local count = 0
    for _, record in ipairs(server.log) do
      if record.message:find("are reset", 1, true) then count = count + 1 end
    end
    assert.equal(1, count)
  end)

  it("takes a header of 16 KiB, and none that is longer", function()
    local server = start()
    server:allow_log("its PROXY header is longer than 16,384 bytes")
    local function padded(size) return proxies.header(tlv(4, ("\0"):rep(size - 16 - 12 - 3))) end
    local peer = greet(server, padded(16384) .. "hello")
    assert.equal("hello", peer:receive(5))
    assert.equal("ECONNRESET", greet(server, padded(16385)):receive_end())
  end)

  it("resets who leaves within it, wherever that is", function()
    local server = start(nil, { control = true })
    server:allow_log("the connection ended within its PROXY header")
    local count = 0
    for _, header in ipairs { V1, proxies.header(tlv(2, "a.org")) } do
      for cut = 1, #header - 1 do
        local peer = greet(server, header:sub(1, cut))
        peer:finish()
        assert.equal("ECONNRESET", peer:receive_end())
        peer:close()
        count = count + 1
      end
    end
    local status = control.ask_once(server, "status")[1]
    assert.same({ count, 0, 0 }, { status.refused_header, status.accepted, status.connections })
    assert.same({}, server:told())
  end)

  it("resets who is not listed, whatever he says", function()
    local server = start(nil, { control = true }, [[{ "10.0.0.0/8", "unix" }]])
    local peer, ending = client.try_connect(server:address())
    if peer then
      peer:send(V1)
      ending = peer:receive_end()
      peer:close()
    end
    assert.equal("ECONNRESET", ending)
    server:expect_log('connections from 127.0.0.1 are reset: proxy_protocol does not list it; ' ..
      'when it is a proxy of yours, add "127.0.0.1" there')
    assert.equal(1, control.ask_once(server, "status")[1].refused_proxy)
  end)

  it("takes it over a Unix socket, where that is listed", function()
    local directory = moonport:directory()
    local path = directory:join("it.sock")
    local server = start(([[listen = "unix://%s",]]):format(path), nil, [["unix"]])
    local peer = server:connect({ address = "unix://" .. path })
    peer:send(proxies.header() .. "hello")
    assert.equal("hello", peer:receive(5))
    assert.same({ "open 203.0.113.7:40000" }, server:wait_told(1))
  end)

  it("bounds the wait for it by timeouts.handshake", function()
    local server = start("timeouts = { handshake = 0.2 },")
    local silent, half = server:connect(), greet(server, V1:sub(1, 20))
    silent:receive_end()
    half:receive_end()
    server:expect_log("no PROXY header came within timeouts.handshake")
    assert.same({}, server:told())
  end)

  it("neither opens nor counts a check, and serves one that says something", function()
    local server = start(nil, { control = true, args = { "--access-log" } })
    for _, header in ipairs { "PROXY UNKNOWN\r\n", v2(0, 0, ""), v2(0, 0x11, proxies.ENDS4) } do
      local left, gone = greet(server, header), greet(server, header)
      left:finish()
      left:receive_end()
      gone:reset()
      server:connect():finish() -- a look at the port, without a word
    end
    loop.eventually("all checks to have gone", function()
      return control.ask_once(server, "status")[1].connections == 0
    end)
    local status = control.ask_once(server, "status")[1]
    assert.equal(0, status.accepted)
    assert.equal(0, status.refused)
    assert.same({}, server:told())
    local peer = greet(server, v2(0, 0, "") .. "are you there?")
    assert.equal("are you there?", peer:receive(14))
    assert.equal("open " .. name(peer), server:told()[1])
    for _, record in ipairs(server.log) do assert.is_nil(record.reason) end
  end)

  it("hands on what a handler of on_open left waiting, in order", function()
    local server = start [[
      on_open = function(conn) conn:pause() conn:after(0.01, function() conn:resume() end) end,
    ]]
    local long = ("0123456789"):rep(6000)
    local peer = greet(server, V1 .. long)
    assert.equal(long, peer:receive(#long))
  end)

  it("hands it on in pieces, where a fault leaves no more room", function()
    local server = start([[
      on_open = function(conn) conn:pause() print("> open") end,
      on_data = function(conn, data) conn:send(#data .. "\n") end,
    ]], { control = true })
    local peer = greet(server, proxies.header() .. ("x"):rep(20))
    server:wait_told("open")
    local id = control.ask_once(server, "conns")[1].id
    local _, done = control.ask_once(server, ("fault %d split=8"):format(id))
    assert.is_true(done.ok, done.error)
    _, done = control.ask_once(server,
      "eval require[[moonport.server]].connections()[1]:resume()")
    assert.is_true(done.ok, done.error)
    for _, size in ipairs { "8", "8", "4" } do assert.equal(size, peer:receive_line()) end
    peer:send("more")
    assert.equal("4", peer:receive_line())
  end)

  it("comes before TLS", function()
    local directory = moonport:directory()
    local certificate = tls.certificate(directory, "localhost")
    local path = directory:write("test.lua", script([[{ "127.0.0.1" }]], [[
      listen = "tls://127.0.0.1:0", tls = { cert = "localhost.pem", key = "localhost.key" },
    ]]))
    local server = moonport:serve({ path })
    local said = tls.python(server:port(), certificate, [[
raw = plain()
raw.sendall(b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n")
conn = context().wrap_socket(raw, server_hostname="localhost")
conn.sendall(b"hello")
print(conn.recv(5))
raw = plain()
hello = ssl.MemoryBIO(), ssl.MemoryBIO()
shake = context().wrap_bio(*hello, server_hostname="localhost")
try: shake.do_handshake()
except ssl.SSLWantReadError: pass
raw.sendall(b"PROXY TCP4 203.0.113.8 192.0.2.1 40000 443\r\n" + hello[1].read())
while True:
  hello[0].write(raw.recv(65536))
  try: shake.do_handshake(); break
  except ssl.SSLWantReadError: pass
raw.sendall(hello[1].read())
shake.write(b"x"); raw.sendall(hello[1].read())
while True:
  hello[0].write(raw.recv(65536))
  try: print(shake.read(1)); break
  except ssl.SSLWantReadError: pass
]])
    assert.same({ "b'hello'", "b'x'" }, said)
    server:wait_told("open 203.0.113.8:40000")
    assert.equal("open 203.0.113.7:40000", server:told()[1])
  end)

  it("is what limits, log, events and conns go by", function()
    local server = start("limits = { per_address = 1 },",
      { control = true, args = { "--access-log" } })
    server:allow_log("limits.per_address = 1 reached by 203.0.113.7")
    local watch = events.watch(server, "event=proxy,close")
    local first = greet(server, proxies.header() .. "a")
    assert.equal("a", first:receive(1))
    local told = watch:wait({ event = "proxy" })
    assert.equal("203.0.113.7:40000", told.peer)
    assert.equal(name(first), told.via)
    assert.equal("ECONNRESET", greet(server, proxies.header() .. "b"):receive_end())
    local other = greet(server, proxies.header_of(203, 0, 113, 8, 1) .. "c")
    assert.equal("c", other:receive(1))
    local rows = control.ask_once(server, "conns peer=203.0.113.7")
    assert.equal("203.0.113.7:40000", rows[1].peer)
    assert.equal(name(first), rows[1].via)
    assert.equal(1, #rows)
    local via = name(first)
    first:finish()
    first:receive_all()
    local record = server:wait_for("^203.0.113.7:40000 via " .. via .. " at ")
    local logged = cjson.decode(record.raw)
    assert.equal(via, logged.via)
    assert.equal("203.0.113.7:40000", logged.peer)
    loop.eventually("room for another one", function()
      local another = client.connect(server:address())
      another:send(proxies.header() .. "d")
      local ok, got = pcall(another.receive, another, 1)
      another:close()
      return ok and got == "d"
    end)
  end)

  it("is refused where it cannot mean anything", function()
    for wrong, message in pairs {
      [ [[{ "localhost" }]] ] = 'test.lua:3: proxy_protocol[1] is "localhost", which is no ' ..
        'network: a name can mean another machine tomorrow: write its address in numbers',
      [ [[{}]] ] = "test.lua:3: proxy_protocol is empty: nobody could connect; name who may, or " ..
        "leave it out",
      [ [[7]] ] = 'test.lua:3: proxy_protocol is 7: write who passes connections on, such as ' ..
        '{ "10.0.0.0/8" }, "unix" for Unix sockets, or true for everybody',
    } do
      local path = moonport:directory():write("test.lua", script(wrong))
      local result = shell.run({ servers.program, "check", path })
      local text = result.stdout .. result.stderr
      assert.truthy(text:find(message, 1, true), text)
    end
    local path = moonport:directory():write("test.lua", [[
      return { listen = "udp://127.0.0.1:0", proxy_protocol = true, on_datagram = print }]])
    local result = shell.run({ servers.program, "check", path })
    local text = result.stdout .. result.stderr
    assert.truthy(text:find("test.lua:1: proxy_protocol with udp:// alone: it is of streams, " ..
      "and a datagram has no header; leave it out", 1, true), text)
  end)

  -- --- Real proxies ----------------------------------------------------------------------------

  local tells = [[
    on_data = function(conn, data)
      local proxy = conn.proxy
      conn:send(("%s %d %s %s\n"):format(conn.peer, proxy.version, proxy.destination, data))
    end,
  ]]

  it("is what HAProxy sends, version 1 and 2", function()
    local server = start(tells)
    for version, option in ipairs { "send-proxy", "send-proxy-v2" } do
      local front = proxies.haproxy(moonport, ("127.0.0.1:%d %s"):format(server:port(), option))
      local peer = server:connect({ address = front })
      peer:send("hello")
      assert.equal(("%s %d %s hello"):format(name(peer), version, front:match("//(.*)")),
        peer:receive_line())
    end
  end)

  it("has what HAProxy says of TLS, and its checksum", function()
    local directory = moonport:directory()
    local certificate, key = tls.certificate(directory, "localhost")
    local both = directory:write("both.pem",
      assert(io.open(certificate)):read("a") .. assert(io.open(key)):read("a"))
    local server = start [[
      on_data = function(conn, data)
        local p = conn.proxy
        conn:send(table.concat({ conn.peer, p.authority, p.ssl.version, p.ssl.cipher, p.ssl.cn,
          tostring(p.ssl.verified), p.alpn, tostring(#p.unique_id > 0), data, "" }, "\n"))
      end,
    ]]
    local front = proxies.haproxy(moonport, ("127.0.0.1:%d send-proxy-v2-ssl-cn " ..
      "proxy-v2-options ssl,cert-cn,ssl-cipher,authority,crc32c,unique-id\n" ..
      "  unique-id-format %%ci-%%cp"):format(server:port()),
      ("ssl crt %s ca-file %s verify required alpn x/1"):format(both, certificate))
    local said = tls.python(tonumber(front:match("(%d+)$")), certificate, ([[
made = context()
made.load_cert_chain(%q)
made.set_alpn_protocols(["x/1"])
conn = connect(made)
conn.sendall(b"hello")
print("%%s:%%d" %% conn.getsockname())
print(conn.recv(65536).decode())
]]):format(both))
    assert.same({ said[1], "localhost", "TLSv1.3", said[5], "localhost", "true", "x/1", "true",
      "hello" }, { table.unpack(said, 2, 10) })
  end)

  it("has nothing to do with HAProxy's checks, which find it up", function()
    local server = start(nil, { control = true })
    for _, option in ipairs { "send-proxy", "send-proxy-v2" } do
      local front, stats = proxies.haproxy(moonport,
        ("127.0.0.1:%d %s check inter 20ms fastinter 20ms rise 1"):format(server:port(), option))
      loop.eventually("five checks that went well", function()
        local asked = client.try_connect(stats) -- it is there a little later
        if not asked then return end
        asked:send("show stat\n")
        local text = asked:receive_all()
        asked:close()
        local line = text:match("\nfront,it,([^\n]*)") or ""
        assert(not line:find("DOWN", 1, true), line)
        return line:find("L4OK", 1, true) and line
      end)
      local peer = server:connect({ address = front })
      peer:send("served")
      assert.equal("served", peer:receive(6))
    end
    local closed = 0
    for _, line in ipairs(control.ask_once(server, "metrics")) do
      if line.name == "moonport_connections_closed_total" then closed = closed + line.value end
    end
    local status = control.ask_once(server, "status")[1]
    assert.is_true(closed <= status.accepted, closed .. " closed of " .. status.accepted)
    assert.truthy(status.accepted <= 4, "two, and the looks at HAProxy's own ports")
    assert.equal(0, status.refused)
    -- Another check may come between the two looks.
    loop.eventually("each of them to have been told to the script", function()
      local accepted, opened = control.ask_once(server, "status")[1].accepted, 0
      for _, line in ipairs(server:told()) do opened = opened + (line:find("^open") and 1 or 0) end
      return accepted == opened
    end)
  end)

  it("is what nginx sends", function()
    if not proxies.has_nginx_streams() then return pending("needs nginx's module for streams") end
    local server = start(tells)
    local front = proxies.nginx(moonport, "127.0.0.1:" .. server:port())
    local peer = server:connect({ address = front })
    peer:send("hello")
    assert.equal(("%s 1 %s hello"):format(name(peer), front:match("//(.*)")), peer:receive_line())
  end)

  it("is what curl sends", function()
    local server = start [[
      frame = "http", on_data = nil,
      on_request = function(conn, request) return conn.peer_ip .. " " .. request.target .. "\n" end,
    ]]
    local result = shell.run({ "curl", "-s", "--haproxy-protocol",
      ("http://127.0.0.1:%d/x"):format(server:port()) })
    assert.equal("127.0.0.1 /x\n", result.stdout)
  end)

  -- --- Out ---------------------------------------------------------------------------------------

  it("is sent by socket.connect, with what is known of a connection or with a table", function()
    local behind = start(tells)
    local server = start(([[
      on_open = function(conn)
        local socket = require "moonport.socket"
        local upstream = assert(socket.connect("127.0.0.1:%d", { proxy_protocol = conn }))
        upstream:forward(conn)
        conn:forward(upstream)
      end,
      on_data = nil,
    ]]):format(behind:port()))
    local peer = greet(server, V1)
    peer:send("chained")
    assert.equal("203.0.113.7:40000 2 192.0.2.1:443 chained", peer:receive_line())
    local result = shell.run({ servers.program, "run", "-e", ([[
      local socket = require "moonport.socket"
      local function ask(proxy)
        local conn = assert(socket.connect("127.0.0.1:%d", { proxy_protocol = proxy }))
        conn:send("x")
        print((conn:recv_line()))
      end
      ask({ source = "10.1.2.3:4", destination = "10.5.6.7:8" })
      ask({ source = "[fd00::1]:4", destination = "10.5.6.7:8" })
      print(pcall(ask, { source = "example.org:80", destination = "10.5.6.7:8" }))
      print(pcall(ask, { from = "10.1.2.3:4" }))
      print(pcall(ask, "10.1.2.3:4"))
    ]]):format(behind:port()) })
    assert.same("10.1.2.3:4 2 10.5.6.7:8 x\n" ..
      "[fd00::1]:4 2 [::ffff:10.5.6.7]:8 x\n", result.stdout:match("^[^\n]*\n[^\n]*\n"))
    assert.truthy(result.stdout:find('source must be an address in numbers with its port, such ' ..
      'as "192.0.2.7:443"', 1, true), result.stdout)
    assert.truthy(result.stdout:find("unknown field 'from' (known: source, destination)", 1, true),
      result.stdout)
    assert.truthy(result.stdout:find("a connection, or a table of source and destination, " ..
      "expected, got string", 1, true), result.stdout)
  end)

  it("is sent before TLS", function()
    local directory = moonport:directory()
    local certificate = tls.certificate(directory, "localhost")
    local path = directory:write("test.lua", script("true", tells .. [[
      listen = "tls://127.0.0.1:0", tls = { cert = "localhost.pem", key = "localhost.key" },
    ]]))
    local server = moonport:serve({ path })
    local result = shell.run({ servers.program, "run", "-e", ([[
      local conn = assert(require("moonport.socket").connect("tls://127.0.0.1:%d", {
        tls = { ca = %q },
        proxy_protocol = { source = "10.1.2.3:4", destination = "10.5.6.7:8" } }))
      conn:send("x")
      print((conn:recv_line()))
    ]]):format(server:port(), certificate) })
    assert.equal("10.1.2.3:4 2 10.5.6.7:8 x\n", result.stdout .. result.stderr)
  end)
end)
