-- tls_spec.lua — listen = "tls://…": what handlers see of it, and what peers do that is none — does
-- not know which certificates are right: tls_settings_spec.lua.

local control = require "tests.support.control"
local events = require "tests.support.events"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"
local tls = require "tests.support.tls"

describe("a service on tls://", function()
  local moonport = rig.new()

  -- Serves `fields` of a service, with a certificate for localhost. Returns the server and the
  -- paths of the certificate and of the script.
  local function serve(fields, options)
    local directory = moonport:directory()
    local certificate = tls.certificate(directory, "localhost")
    local path = directory:write("test.lua", ([[
      return {
        listen = "tls://127.0.0.1:0",
        tls = { cert = "localhost.pem", key = "localhost.key", alpn = { "x/1" } },
        %s
      }
    ]]):format(fields))
    local server = moonport:serve({ path }, options)
    return server, certificate, path
  end

  local told = [[
    on_open = function(conn) print("> open") end,
    on_eof = function(conn)
      print("> eof " .. tostring(conn.tls.truncated))
      conn:close()
    end,
    on_close = function(_, reason) print("> " .. reason) end,
  ]]

  local echo = "on_data = function(conn, data) conn:send(data) end,"

  local function python(server, certificate, code)
    return tls.python(server:port(), certificate, code)
  end

  local function has_openssl(server)
    local file <close> = assert(io.open(("/proc/%d/maps"):format(server.process.pid)))
    return file:read("a"):find("libssl", 1, true) ~= nil
  end

  -- To load it takes longer than all else that a start does: src/net/tls/lazy.c.
  it("has OpenSSL loaded, and one on tcp:// has not", function()
    assert.is_true(has_openssl((serve(echo))))
    if supports.has("lazy-openssl") then
      assert.is_false(has_openssl(moonport:start("return { on_data = print }")))
    end
  end)

  it("opens a connection after the handshake, and tells what was agreed on", function()
    local server, certificate = serve [[
      on_open = function(conn)
        local known = conn.tls
        print("> " .. table.concat({ conn.listener:match("^%a+"), known.version, known.name,
          known.alpn, tostring(known.resumed), tostring(known.peer_certificate) }, " "))
      end,
      on_data = function(conn, data) conn:send(data) end,
      on_close = function(conn) print("> " .. tostring(conn.tls)) end,
    ]]
    assert.same({ "b'hello'", "b''" }, python(server, certificate, [[
made = context()
made.set_alpn_protocols(["x/2", "x/1"])
conn = connect(made)
conn.sendall(b"hello")
print(conn.recv(100))
conn = conn.unwrap()
print(conn.recv(100))
]]))
    assert.same({ "tls TLSv1.3 localhost x/1 false nil", "nil" }, server:wait_told(2))
  end)

  it("answers openssl in TLS 1.2, and resumes in both versions", function()
    local server = serve [[
      on_open = function(conn)
        local version, resumed = conn.tls.version, conn.tls.resumed
        conn:send(version .. " " .. tostring(resumed) .. "\n")
        conn:close()
      end,
      on_data = print,
    ]]
    for version, flag in pairs({ ["TLSv1.2"] = "-tls1_2", ["TLSv1.3"] = "-tls1_3" }) do
      local session = moonport:directory():join("session")
      for _, resumed in ipairs({ "false", "true" }) do
        local result = shell.run({ "openssl", "s_client", "-connect",
          "127.0.0.1:" .. server:port(), flag, "-ign_eof", "-sess_out", session,
          table.unpack(resumed == "true" and { "-sess_in", session } or {}) })
        assert.matches(version .. " " .. resumed .. "\n", result.stdout, 1, true)
      end
    end
  end)

  it("answers curl", function()
    local server, certificate = serve([[
      on_data = function(conn)
        conn:send("HTTP/1.0 200 OK\r\n\r\nhello\n")
        conn:close()
      end,
    ]])
    local result = shell.run({ "curl", "-sS", "--no-alpn", "--cacert", certificate,
      "https://localhost:" .. server:port() .. "/" })
    assert.same({ 0, "hello\n", "" }, { result.code, result.stdout, result.stderr })
  end)

  it("tells an end that the peer has said from one that it has not", function()
    local server, certificate = serve(told .. "on_data = print")
    python(server, certificate, [[
conn = connect()
conn.unwrap()
]])
    assert.same({ "open", "eof false", "closed" }, server:wait_told(3))
    -- Of TLS 1.3 a ticket may lie there, unread, and then closing sends RST.
    python(server, certificate, [[
made = context()
made.maximum_version = ssl.TLSVersion.TLSv1_2
conn = connect(made)
conn.close()
]])
    assert.same({ "open", "eof false", "closed", "open", "eof true", "closed" },
      server:wait_told(6))
  end)

  it("sends all of it before close_notify, and reads after the peer's", function()
    -- What comes before unwrap() has looked for the answer to its close_notify is an error to it.
    local go = moonport:directory():join("go")
    local server, certificate = serve(([[
      on_data = function() end,
      on_eof = function(conn)
        while not require("moonport.file").stat(%q) do require("moonport.timer").sleep(0.01) end
        conn:send(("0123456789"):rep(200000))
        conn:close()
      end,
    ]]):format(go))
    assert.same({ "True" }, python(server, certificate, ([[
conn = connect()
conn.settimeout(0)
try: conn.unwrap()
except ssl.SSLWantReadError: pass
open(%q, "w").close()
conn.settimeout(20)
print(recv_all(conn) == b"0123456789" * 200000)
]]):format(go)))
  end)

  it("carries much both ways at once", function()
    local server, certificate = serve(echo)
    assert.same({ "True" }, python(server, certificate, [[
import select
conn = connect()
conn.setblocking(False)
sent, at, got = os.urandom(65536) * 32, 0, bytearray()
busy = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
while len(got) < len(sent):
  try: at += conn.send(sent[at:at + 65536]) if at < len(sent) else 0
  except busy: pass
  try: got += conn.recv(65536)
  except busy: select.select([conn], [conn] if at < len(sent) else [], [], 20)
print(got == sent)
]]))
  end)

  it("says in the log what is no TLS, and tells no handler", function()
    local server, certificate = serve(told .. echo)
    local result = shell.run({ "curl", "-sS", "http://127.0.0.1:" .. server:port() .. "/" })
    assert.not_equal(0, result.code)
    server:expect_log("at tls://127.0.0.1:%d+: the TLS handshake failed: .* plain HTTP")
    python(server, certificate, [[
conn = plain()
conn.sendall(b"\x80\x2e garbage")
conn.recv(100)
try: connect(ssl.create_default_context())
except ssl.SSLError as error: print(error)
]])
    server:expect_log("handshake failed: what the peer sent first is no TLS")
    server:expect_log("handshake failed: the peer refused, with the alert \"unknown ca\"")
    assert.same({}, server:told())
  end)

  it("tells at most ten such lines a minute, and counts all", function()
    local server, certificate = serve([[
      on_data = function(conn) conn:send(require "moonport.server".stats().failed_handshakes) end,
    ]], { control = true })
    server:allow_log("handshake failed")
    local function status()
      return moonport:run({ "status", "--control", server.control }).stdout
    end
    assert.equal(0, control.ask_once(server, "status")[1].failed_handshakes)
    assert.is_nil(status():find("handshake", 1, true))
    local counted = python(server, certificate, [[
for _ in range(25):
  conn = plain()
  conn.sendall(b"garbage")
  conn.recv(100)
conn = connect()
conn.sendall(b"x")
print(conn.recv(10))
]])
    local lines = 0
    for _, record in ipairs(server.log) do
      if record.message:find("handshake failed", 1, true) then lines = lines + 1 end
    end
    assert.equal(10, lines)
    assert.same({ "b'25'" }, counted)
    assert.equal(25, control.ask_once(server, "status")[1].failed_handshakes)
    assert.matches("test.lua: 25 TLS handshakes failed so far\n", status(), 1, true)
  end)

  it("says nothing of who only looks whether the port is open", function()
    local server, certificate = serve(told .. echo)
    python(server, certificate, [[
plain().close()
conn = connect()
conn.sendall(b"x")
conn.recv(1)
conn.unwrap()
]])
    assert.same({ "open", "eof false", "closed" }, server:wait_told(3))
  end)

  it("limits the handshake as a whole, not each byte of it", function()
    local server, certificate = serve(told .. echo .. "timeouts = { handshake = 0.5 },")
    assert.same({ "True" }, python(server, certificate, [[
conn = plain()
began = time.monotonic()
try:
  for byte in b"\x16\x03\x01\x02\x00" + bytes(500):
    conn.sendall(bytes([byte]))
    time.sleep(0.02)
except OSError: pass
print(time.monotonic() - began < 5)
]]))
    server:expect_log("handshake failed: not done within timeouts.handshake")
    assert.same({}, server:told())
  end)

  it("does not renegotiate", function()
    local server = serve(echo)
    server:allow_log("handshake")
    local child = moonport:spawn({ "sh", "-c", "(sleep 0.5; echo R; sleep 5) | timeout 5 " ..
      "openssl s_client -tls1_2 -connect 127.0.0.1:" .. server:port() })
    child:wait()
    assert.matches("no renegotiation", child:stderr() .. child:stdout())
  end)

  it("goes on with other connections while a thousand shake hands", function()
    local server, certificate = serve(echo)
    assert.same({ "True" }, python(server, certificate, [[
conn = connect()
made = context()
hello = ssl.MemoryBIO()
try: made.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost").do_handshake()
except ssl.SSLWantReadError: pass
hello = hello.read()
crowd = [plain() for _ in range(200)]
for each in crowd: each.sendall(hello)
began = time.monotonic()
conn.sendall(b"x")
conn.recv(1)
one = time.monotonic() - began
for each in crowd: each.recv(1)
every = time.monotonic() - began
print(one < every / 2)
for each in crowd: each.close()
]]))
    server:allow_log("handshake failed")
  end)

  it("shows its handshakes, and what is said inside, to who watches", function()
    local server, certificate = serve(echo, { control = true })
    server:allow_log("handshake failed")
    local watch = events.watch(server, "bytes=all")
    assert.same({ "b'secret'" }, python(server, certificate, [[
conn = connect()
conn.sendall(b"secret")
print(conn.recv(100))
conn.unwrap()
conn = plain()
conn.sendall(b"GET / HTTP/1.0\r\n\r\n")
conn.recv(1)
]]))
    local shaken = watch:wait({ event = "handshake", session = "new" })
    assert.same({ "TLSv1.3", "localhost" }, { shaken.version, shaken.name })
    assert.equal("secret", watch:wait({ event = "data", conn = shaken.conn }).text)
    shaken = watch:wait({ event = "handshake" })
    assert.matches("plain HTTP", shaken.error, 1, true)
    assert.equal("handshake", watch:wait({ event = "close", conn = shaken.conn }).reason)
    watch:close()
    local child = moonport:spawn({ "openssl", "s_client", "-quiet", "-connect",
      "127.0.0.1:" .. server:port() })
    loop.eventually("openssl to connect", function()
      local conns = control.ask_once(server, "conns")
      return #conns == 1 and conns[1].tls == "TLSv1.3"
    end)
    child:signal("sigkill")
  end)

  it("follows its script from plain to TLS and back, on the same port", function()
    local server, certificate, path = serve(echo)
    local port = server:port()
    local file = assert(io.open(path))
    local text = file:read("a")
    file:close()
    local function save(content)
      local out = assert(io.open(path, "w"))
      out:write(content)
      out:close()
    end
    save((text:gsub('"tls://127.0.0.1:0"', '"tcp://127.0.0.1:' .. port .. '"')))
    server:expect_log("tls without an address")
    server:wait_addresses(2)
    assert.same({ "b'plain'" }, python(server, certificate, [[
conn = plain()
conn.sendall(b"plain")
print(conn.recv(100))
]]))
    save((text:gsub('"tls://127.0.0.1:0"', '"tls://127.0.0.1:' .. port .. '"')))
    server:wait_addresses(3)
    assert.same({ "b'secret'" }, python(server, certificate, [[
conn = connect()
conn.sendall(b"secret")
print(conn.recv(100))
]]))
  end)

  it("forwards between TLS and plain, in both directions", function()
    local upstream = moonport:start("return { " .. echo .. " }")
    local server, certificate = serve(([[
      main = function(conn)
        local other = assert(require("moonport.socket").connect("127.0.0.1:%d"))
        conn:forward(other)
        other:forward(conn)
        while conn:recv() do end
      end,
    ]]):format(upstream:port()))
    assert.same({ "True" }, python(server, certificate, [[
conn = connect()
sent = os.urandom(100000)
conn.sendall(sent)
got = b""
while len(got) < len(sent): got += conn.recv(65536)
print(got == sent)
]]))
  end)

  it("upgrades a plain connection with conn:starttls()", function()
    local directory = moonport:directory()
    local certificate = tls.certificate(directory, "localhost")
    local path = directory:write("smtp.lua", [[
      return {
        listen = "127.0.0.1:0",
        frame = "line",
        tls = { cert = "localhost.pem", key = "localhost.key" },
        on_open = function(conn) conn:send("220 hello\r\n") end,
        on_message = function(conn, line)
          if line:find("^ehlo") then
            conn:send(conn.tls and "250 protected\r\n" or "250-hello\r\n250 STARTTLS\r\n")
          elseif line == "STARTTLS" then
            conn:send("220 go on\r\n")
            print("> ", conn:starttls())
          else
            conn:send("221 bye\r\n")
            conn:close()
          end
        end,
      }
    ]])
    local server = moonport:serve({ path })
    assert.same({ "220", "True", "False", "b'220 go on\\r\\n'", "b''" },
      python(server, certificate, [[
import smtplib
client = smtplib.SMTP("localhost", PORT, timeout=20)
print(client.starttls(context=context())[0])
client.ehlo()
print(not client.has_extn("starttls"))
client.quit()
conn = plain()
conn.recv(100)
conn.sendall(b"STARTTLS\r\nMAIL FROM: <evil>\r\n")
got = recv_all(conn)
print(b"250" in got)
print(got)
print(conn.recv(100))
]]))
    assert.matches("true", server:wait_told(2)[1], 1, true)
    assert.matches("nil\tplaintext", server:told()[2], 1, true)
  end)
end)
