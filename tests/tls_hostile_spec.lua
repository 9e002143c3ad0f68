-- tls_hostile_spec.lua — peers of a TLS port who cut, change, delay and repeat what TLS says, and
-- who try to come in by another door — not what a well-behaved one sees (tls_client_spec.lua).

local certificates = require "tests.support.certificates"
local program = require "tests.support.program"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local tls = require "tests.support.tls"

-- Tells what a script sees; `a` asks for what follows one write later.
local HANDLERS = [[
  on_open = function(conn) print("> open " .. conn.tls.version) end,
  on_data = function(conn, data) conn:send(data) end,
  on_eof = function(conn)
    print("> eof " .. (conn.tls.truncated and "truncated" or "whole"))
    conn:close()
  end,
  on_close = function(_, reason) print("> close " .. reason) end,
]]

-- The command of a program in Python with tests/support/tls_raw.py, and PORT, CA and MORE.
local function raw_command(server, arguments, code)
  return shell.words("python3", "-B", "-c", "import sys\nfrom tls_raw import *\n" ..
    "PORT, CA, MORE = int(sys.argv[1]), sys.argv[2], sys.argv[3:]\n" .. code,
    tostring(server:port()), arguments), { env = { PYTHONPATH = "tests/support" } }
end

local function run_raw(server, arguments, code)
  local result = shell.run(raw_command(server, arguments, code))
  assert.equal("", result.stderr)
  local lines = {}
  for line in result.stdout:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

describe("a TLS port", function()
  local moonport = rig.new()

  -- Serves HANDLERS, or `handlers`, with more fields. Returns the server and the certificate.
  local function serve(fields, handlers)
    local directory = moonport:directory()
    local certificate = certificates.quick(moonport, directory, "localhost")
    local path = directory:write("test.lua", ([[return {
      tls = { cert = "localhost.pem", key = "localhost.key" }, %s %s
    }]]):format(fields or "", handlers or HANDLERS))
    local server = moonport:serve({ "--listen", "tls://127.0.0.1:0", path })
    return server, certificate, directory
  end

  -- Runs a program in Python against it. Returns the lines that it printed.
  local function raw(server, ca, code)
    return run_raw(server, { ca }, code)
  end

  -- Somebody else is served as if nothing had been.
  local function assert_serves(server, ca)
    assert.same({ "b'fine'" }, raw(server, ca, [[
peer = Raw(PORT, context(CA))
peer.shake()
peer.send(peer.records(b"fine"))
print(peer.read(4))
]]))
  end

  local function assert_told(server, expected)
    assert.same(expected, server:wait_told(#expected))
  end

  for name, made in pairs({ ["TLS 1.3"] = "context(CA)", ["TLS 1.2"] = "v12(CA)" }) do
    it("ends a handshake of " .. name .. " that was cut off, at whatever byte", function()
      local server, ca = serve()
      server:allow_log("the TLS handshake failed: ")
      local lines = raw(server, ca, "made = " .. made .. [[

def cut(size):
  """Whether it was cut off, after so many bytes."""
  peer, left = Raw(PORT, made), size
  def send(records):
    nonlocal left
    part, left = records[:left], left - len(records)
    peer.send(part)
    return left >= 0
  if peer.shake(send): return False
  peer.sock.shutdown(socket.SHUT_WR)
  peer.drain()
  peer.close()
  return True
whole = 0
def count(records):
  global whole
  whole += len(records)
  return peer.send(records)
peer = Raw(PORT, made)
peer.shake(count)
peer.send(peer.records(goodbye=True))
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(16) as pool: print(whole > 200, all(pool.map(cut, range(whole))))
]])
      assert.same({ "True True" }, lines)
      local told = server:wait_told(3)
      assert.equal("open " .. (name == "TLS 1.3" and "TLSv1.3" or "TLSv1.2"), told[1])
      assert.equal(3, #told, "a handshake that was cut off reached the script")
      server:wait_for("the peer ended the connection within the handshake")
      assert_serves(server, ca)
    end)
  end

  -- Checks of HAProxy leave so, every two seconds; each was told of as a fault of TLS.
  it("tells of no fault where a peer resets the connection at the end of the handshake", function()
    local server, ca = serve()
    server:allow_log("the TLS handshake failed: connection reset by peer") -- it came sooner
    server:allow_log("the TLS handshake failed: broken pipe")
    raw(server, ca, [[
import struct, time
made = context(CA)
for count in range(200):
  peer = Raw(PORT, made)
  peer.shake()
  time.sleep(count / 2e6)
  peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
  peer.close()
]])
    assert_serves(server, ca)
  end)

  it("limits the handshake as a whole, however often a byte comes", function()
    local server, ca = serve("timeouts = { handshake = 0.4 },")
    local lines = raw(server, ca, [[
import time
peer, sent = Raw(PORT, context(CA)), 0
def drip(records):
  global sent
  for at in range(len(records)):
    if not peer.send(records[at:at + 1]): return False
    sent += 1
    time.sleep(0.02)
  return True
begun = time.monotonic()
print(peer.shake(drip))
print(3 < sent < 250, 0.3 < time.monotonic() - begun < 15)
]])
    assert.same({ "False", "True True" }, lines)
    server:expect_log("failed: not done within timeouts%.handshake$")
    assert.same({}, server:told())
  end)

  it("has no time limit left once the handshake is done", function()
    local server, ca = serve("timeouts = { handshake = 0.2 },")
    assert.same({ "b'late'" }, raw(server, ca, [[
import time
peer = Raw(PORT, context(CA))
peer.shake()
time.sleep(0.5)
peer.send(peer.records(b"late"))
print(peer.read(4))
]]))
  end)

  it("tells a client of plain HTTP what is wrong, in the log", function()
    local server = serve()
    local result = shell.run({ "curl", "-sS", "http://127.0.0.1:" .. server:port() })
    assert.equal(52, result.code) -- an empty answer
    server:expect_log("the TLS handshake failed: the peer speaks plain HTTP: " ..
      "this is a TLS port, so it is https:// there$")
  end)

  it("ends at garbage, and says what it is not", function()
    local server, ca = serve()
    server:allow_log("the TLS handshake failed: ")
    raw(server, ca, [[
import random
random.seed(13)
hello = Raw(PORT, context(CA))
try: hello.tls.do_handshake()
except ssl.SSLWantReadError: pass
whole = hello.to_send.read()
hello.close()
inputs = [b"\0" * 100, b"\x80\x2e\1\0\2" + b"\0" * 60, b"hello, is anybody there?\n",
  b"\x16\3\1\xff\xff" + b"x" * 70000, b"\x16\3\1\0\0" * 50, b"\x15\3\3\0\2\2\50",
  b"\x17\3\3\0\x10" + b"x" * 16, b"\x16\3\1\0\4\1\xff\xff\xff" + b"y" * 100]
for _ in range(100):
  changed = bytearray(whole)
  changed[random.randrange(5, len(whole))] ^= 1 << random.randrange(8)
  inputs.append(bytes(changed))
for bytes_ in inputs:
  peer = Raw(PORT, context(CA))
  peer.send(bytes_)
  try: peer.sock.shutdown(socket.SHUT_WR)
  except OSError: pass
  peer.drain()
  peer.close()
]])
    server:wait_for("what the peer sent first is no TLS")
    assert.same({}, server:told())
    assert_serves(server, ca)
  end)

  it("hands on what came before a record that was changed, and ends", function()
    local server, ca = serve(nil, [[
      on_data = function(_, data) print("> data " .. data) end,
      on_close = function(_, reason) print("> close " .. reason) end]])
    assert.same({ "SSLV3_ALERT_BAD_RECORD_MAC" }, raw(server, ca, [[
peer = Raw(PORT, context(CA))
peer.shake()
good, bad = peer.records(b"good"), bytearray(peer.records(b"evil"))
bad[-1] ^= 1
peer.send(good + bytes(bad))
print(peer.end()[1])
]]))
    assert_told(server, { "data good", "close reset" })
    server:expect_log("TLS failed: what the peer sent cannot be decrypted: it was changed")
  end)

  it("takes no record that is larger than TLS allows", function()
    local server, ca = serve()
    assert.same({ "TLSV1_ALERT_RECORD_OVERFLOW" }, raw(server, ca, [[
peer = Raw(PORT, context(CA))
peer.shake()
size = 16384 + 256 + 1
peer.send(b"\x17\3\3" + size.to_bytes(2, "big") + b"x" * size)
print(peer.end()[1])
]]))
    assert_told(server, { "open TLSv1.3", "close reset" })
    server:expect_log("TLS failed: encrypted length too long")
  end)

  it("answers what comes with close_notify and FIN in one segment", function()
    local server, ca = serve()
    assert.same({ "b'and goodbye' notify" }, raw(server, ca, [[
peer = Raw(PORT, context(CA))
peer.shake()
last = peer.records(b"and goodbye", goodbye=True)
peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
peer.send(last)
peer.sock.shutdown(socket.SHUT_WR)
while peer.receive(): pass
# Python gives no text behind its own close_notify: OpenSSL is asked for the records themselves.
print("b'and goodbye' notify" if peer.came.pending > len("and goodbye") else peer.came.pending)
]]))
    assert_told(server, { "open TLSv1.3", "eof whole", "close closed" })
  end)

  it("tells the script of a FIN before close_notify, and of a FIN in mid-record", function()
    local server, ca = serve()
    assert.same({ "b'cut off' notify", "b'' notify" }, raw(server, ca, [[
for text, size in ((b"cut off", 100), (b"in half", -4)):
  peer = Raw(PORT, context(CA))
  peer.shake()
  peer.send(peer.records(text)[:size])
  peer.sock.shutdown(socket.SHUT_WR)
  print(*peer.end())
  peer.close()
]]))
    assert_told(server, { "open TLSv1.3", "eof truncated", "close closed", "open TLSv1.3",
      "eof truncated", "close closed" })
  end)

  it("ends at the 33rd KeyUpdate without data between, and goes on when there is some", function()
    local server = serve()
    local path = moonport:directory():join("key_updates")
    local built = shell.run({ "cc", "-o", path, "tests/support/key_updates.c", "-lssl",
      "-lcrypto" })
    assert.equal("", built.stderr)
    local function ask(...)
      return shell.run({ path, tostring(server:port()), ... }).stdout
    end
    assert.equal("hello\n", ask("32", "0"))
    assert.equal("hello\n", ask("200", "30"))
    assert.equal("closed\n", ask("33", "0"))
    assert.equal("closed\n", ask("5000", "0"))
    assert.equal("close reset", server:wait_told(10)[10])
    server:expect_log("TLS failed: the peer sends messages of the handshake without end")
  end)

  -- CVE-2022-40735: each such handshake kept the server busy for 0.16 s.
  it("takes no key exchange that costs it far more than its peer", function()
    local server, ca = serve()
    for _, version in ipairs({ "-tls1_2", "-tls1_3" }) do
      local result = shell.run({ "openssl", "s_client", version, "-groups", "ffdhe8192", "-CAfile",
        ca, "-connect", "127.0.0.1:" .. server:port() })
      assert.equal(1, result.code)
    end
    server:allow_log("the TLS handshake failed: ")
    assert_serves(server, ca)
  end)

  it("does not negotiate anew", function()
    local server, ca = serve()
    local result = shell.run({ "openssl", "s_client", "-tls1_2", "-CAfile", ca, "-connect",
      "127.0.0.1:" .. server:port() }, { stdin = "R\n" })
    assert.matches("RENEGOTIATING", result.stderr)
    assert.matches("no renegotiation", result.stderr)
    server:expect_log("TLS failed: the peer refused, with the alert")
    assert_serves(server, ca)
  end)

  it("stops reading in mid-record when the script pauses, and loses nothing", function()
    local server, ca = serve(nil, [[
      on_data = function(conn, data)
        conn.got = (conn.got or 0) + #data
        if not conn.paused then
          conn.paused = true
          conn:pause()
          require("moonport.timer").after(0.2, function() conn:resume() end)
        end
        if conn.got == 3000000 then conn:send("all") end
      end]])
    assert.same({ "b'all'" }, raw(server, ca, [[
peer = Raw(PORT, context(CA))
peer.shake()
text = peer.records(b"x" * 3000000)
peer.send(text[:20000])
peer.send(text[20000:])
print(peer.read(3))
]]))
  end)

  it("closes a connection whose peer takes nothing, at limits.write_queue", function()
    local server, ca = serve('limits = { write_queue = "64K" },', [[
      on_data = function(conn) for _ = 1, 200 do conn:send(("x"):rep(65536)) end end,
      on_close = function(_, reason) print("> close " .. reason) end]])
    server:allow_log("write_queue")
    moonport:spawn(raw_command(server, { ca }, [[
peer = Raw(PORT, context(CA))
peer.shake()
peer.send(peer.records(b"go"))
import time; time.sleep(60)
]]))
    assert_told(server, { "close write_queue" })
  end)

  it("does not take for its own what a module in C left in OpenSSL's queue", function()
    local place = moonport:directory()
    local built = shell.run({ "cc", "-shared", "-fPIC", "-o", place:join("erring.so"),
      "tests/support/erring.c", "-lcrypto" })
    assert.equal("", built.stderr)
    local server, ca = serve(nil, ([[
      on_open = function(conn) conn.fault = (function()
        package.cpath = %q
        return require "erring"
      end)() conn.fault() end,
      on_data = function(conn, data) conn.fault() conn:send(data) conn.fault() end,
      on_eof = function(conn) print("> eof") conn.fault() conn:close() end,
      on_close = function(_, reason) print("> close " .. reason) end]])
      :format(place:join("?.so")))
    assert.same({ "b'one' b'two' b'three'" }, raw(server, ca, [[
peers = [Raw(PORT, context(CA)) for _ in range(3)]
for peer in peers: peer.shake()
def ask(peer, text):
  peer.send(peer.records(text))
  return peer.read(len(text))
print(*[ask(peer, text) for peer, text in zip(peers, (b"one", b"two", b"three"))])
for peer in peers: peer.send(peer.records(goodbye=True))
for peer in peers: peer.sock.shutdown(socket.SHUT_WR)
for peer in peers: peer.drain()
]]))
    local told = server:wait_told(6)
    table.sort(told)
    assert.same({ "close closed", "close closed", "close closed", "eof", "eof", "eof" }, told)
  end)
end)

describe("hosts of a TLS port", function()
  local moonport = rig.new()

  -- open.test asks for no certificate, closed.test requires one, and who names no host gets what
  -- `others` says. Returns the server, and a function that tries to come in.
  local function serve(others)
    local directory = moonport:directory()
    certificates.make(directory, "ca", { authority = true })
    for _, name in ipairs({ "open.test", "closed.test", "client" }) do
      certificates.make(directory, name, { by = "ca" })
    end
    local path = directory:write("test.lua", ([[
      local closed = { cert = "closed.test.pem", key = "closed.test.key", client = "require",
        ca = "ca.pem" }
      local open = { cert = "open.test.pem", key = "open.test.key", client = "none" }
      return {
        tls = { cert = %s.cert, key = %s.key, client = %s.client, ca = %s.ca,
          hosts = { ["open.test"] = open, ["closed.test"] = closed } },
        on_data = function(conn)
          conn:send((conn.tls.name or "nobody") .. (conn.tls.resumed and " again " or " anew ") ..
            (conn.tls.peer_certificate and "known" or "unknown") .. "\n")
        end,
      }]]):format(others, others, others, others))
    local server = moonport:serve({ "--listen", "tls://127.0.0.1:0", path })
    server:allow_log("the peer showed no certificate")
    return server, function(code)
      return run_raw(server, { directory:join("ca.pem"), directory:join("client.pem"),
        directory:join("client.key") }, [[
def come(made, name, session=None):
  """What it was told, or how it ended; and its session."""
  peer = Raw(PORT, made, name, session)
  if not peer.shake() or not peer.send(peer.records(b"who?")): return "refused", None
  text = ""
  while not text.endswith("\n"):
    try: more = peer.read(1).decode()
    except ssl.SSLError: more = ""
    if not more: return "refused", None
    text += more
  return text[:-1], peer.tls.session
def known(made):
  made.load_cert_chain(*MORE)
  return made
def anyone(made):
  made.check_hostname = False
  return made
]] .. code)
    end
  end

  for name, made in pairs({ ["TLS 1.3"] = "context", ["TLS 1.2"] = "v12" }) do
    it("let nobody in without a certificate where one is required, by " .. name, function()
      local server, try = serve("open")
      assert.same({ "open.test anew unknown", "refused", "closed.test anew known" },
        try("make = " .. made .. [[

print(come(make(CA), "open.test")[0])
print(come(make(CA), "closed.test")[0])
print(come(known(make(CA)), "closed.test")[0])
]]))
      server:expect_log("the peer showed no certificate")
    end)

    -- CVE-2025-23419: a session of a host that asks nobody would stand for a certificate elsewhere.
    it("do not go on with another host's session, by " .. name, function()
      local _, try = serve("open")
      assert.same({ "open.test anew unknown", "open.test again unknown", "refused",
        "closed.test anew known", "closed.test again known", "open.test anew unknown" },
        try("make = " .. made .. [[

made = make(CA)
text, session = come(made, "open.test")
print(text)
print(come(made, "open.test", session)[0])
print(come(made, "closed.test", session)[0])
made = known(make(CA))
text, session = come(made, "closed.test")
print(text)
print(come(made, "closed.test", session)[0])
print(come(made, "open.test", session)[0])
]]))
    end)

    it("are as strict to who names none, or an unknown one, as the service says, by " .. name,
      function()
        local _, try = serve("closed")
        assert.same({ "refused", "refused", "other.test anew known", "open.test anew unknown" },
          try("make = " .. made .. [[

print(come(anyone(make(CA)), None)[0])
print(come(anyone(make(CA)), "other.test")[0])
print(come(known(anyone(make(CA))), "other.test")[0])
print(come(make(CA), "open.test")[0])
]]))
      end)
  end
end)

describe("a client of tls://", function()
  local moonport = rig.new()

  it("takes no certificate that has ended, has not begun, or is for another use", function()
    local directory = moonport:directory()
    certificates.make(directory, "ca", { authority = true })
    certificates.make(directory, "ended", { by = "ca", names = { "IP:127.0.0.1" }, from = -9,
      to = -2 })
    certificates.make(directory, "later", { by = "ca", names = { "IP:127.0.0.1" }, from = 2 })
    certificates.make(directory, "clients", { by = "ca", names = { "IP:127.0.0.1" },
      usage = "clientAuth" })
    local expected = { ended = "expired", later = "not yet valid", clients = "purpose" }
    for name, words in pairs(expected) do
      local child = moonport:spawn({ "openssl", "s_server", "-accept", "127.0.0.1:0", "-key",
        directory:join(name .. ".key"), "-cert", directory:join(name .. ".pem"), "-WWW" })
      local port = tls.port_of(child)
      local lines = program.lines(moonport, ([[
        local conn, code, detail = socket.connect("tls://127.0.0.1:%d", { tls = { ca = %q } })
        print(conn, code, detail)
      ]]):format(port, directory:join("ca.pem")))
      assert.matches("^nil\thandshake\t.*" .. words, lines[1])
    end
  end)
end)
