-- scripts_tls_spec.lua — scripts/tls/ with the clients that people have: curl, openssl, Python
-- — not TLS itself (tls_spec.lua).

local certificates = require "tests.support.certificates"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("scripts/tls/", function()
  local moonport = rig.new()

  -- Serves one of them with a certificate for localhost. Returns the server, and the directory,
  -- whose ca.pem clients trust.
  local function serve(name, env, listen)
    local directory = moonport:directory()
    certificates.quick(moonport, directory, "--ca", "localhost")
    local words = { MOONPORT_TLS_CERT = directory:join("localhost.pem"),
      MOONPORT_TLS_KEY = directory:join("localhost.key") }
    for key, value in pairs(env or {}) do
      words[key] = value:gsub("^ca%.pem$", directory:join("ca.pem"))
    end
    local path = ("scripts/tls/%s.lua"):format(name)
    return moonport:serve({ "--listen", listen or "tls://127.0.0.1:0", path }, { env = words }),
      directory
  end

  describe("proxy.lua", function()
    it("gives an HTTP server https", function()
      local upstream = moonport:serve({ "--listen", "127.0.0.1:0", "scripts/http.lua" })
      local server, directory = serve("proxy", { UPSTREAM = "127.0.0.1:" .. upstream:port() })
      local url = ("https://localhost:%d/"):format(server:port())
      local result = shell.run({ "curl", "-sS", "--cacert", directory:join("ca.pem"), url, url })
      assert.equal("", result.stderr)
      assert.equal(("Hello from moonport!\n"):rep(2), result.stdout)
    end)

    it("closes when its server does not answer, and says so", function()
      local server, directory = serve("proxy", { UPSTREAM = "127.0.0.1:1" })
      local result = shell.run({ "curl", "-sS", "--cacert", directory:join("ca.pem"),
        ("https://localhost:%d/"):format(server:port()) })
      assert.equal(52, result.code) -- an empty answer
      server:expect_log("ECONNREFUSED")
    end)
  end)

  describe("smtp.lua", function()
    local function start() return serve("smtp", nil, "127.0.0.1:0") end

    -- Plain, and what is answered until the server ends.
    local function talk(server, ...)
      local peer = server:connect()
      assert.equal("220 here\r", peer:receive_line())
      for _, text in ipairs({ ... }) do peer:offer(text) end
      peer:finish()
      local _, answer = peer:receive_end()
      peer:close()
      return answer
    end

    it("takes a mail from curl, which insists on TLS", function()
      local server, directory = start()
      local result = shell.run({ "curl", "-sS", "--ssl-reqd", "--cacert", directory:join("ca.pem"),
        ("smtp://localhost:%d/"):format(server:port()), "--mail-from", "me@here.test",
        "--mail-rcpt", "you@there.test", "-T", "-" }, { stdin = "Subject: hi\r\n\r\nhello\r\n" })
      assert.equal("", result.stderr)
      server:wait_for("mail from <me@here.test> to <you@there.test>: 22 bytes")
    end)

    it("takes mails from Python's smtplib, one after the other", function()
      local server, directory = start()
      local result = shell.run({ "python3", "-c", [[
import smtplib, ssl, sys
made = ssl.create_default_context(cafile=sys.argv[2])
with smtplib.SMTP("localhost", int(sys.argv[1])) as mail:
  try: mail.sendmail("a@here.test", ["b@there.test"], "no")
  except smtplib.SMTPSenderRefused as error: print(error.smtp_code)
  print(mail.starttls(context=made)[0])
  for text in ("first", ".\r\n..", ""):
    print(mail.sendmail("a@here.test", ["b@there.test"], text))
]], tostring(server:port()), directory:join("ca.pem") })
      assert.equal("", result.stderr)
      assert.equal("530\n220\n{}\n{}\n{}\n", result.stdout)
      server:wait_for("mail from <a@here.test> to <b@there.test>: 7 bytes")
    end)

    it("upgrades for openssl s_client", function()
      local server, directory = start()
      local result = shell.run({ "openssl", "s_client", "-starttls", "smtp", "-quiet", "-crlf",
        "-verify_return_error", "-CAfile", directory:join("ca.pem"), "-connect",
        "localhost:" .. server:port() }, { stdin = "EHLO me\nNOOP\nSTARTTLS\nQUIT\n" })
      assert.matches("250 here\r\n250 yes\r\n503 this is TLS\r\n221 bye\r\n$", result.stdout)
    end)

    -- CVE-2011-0411: what stands behind STARTTLS would be answered as if it had come over TLS.
    it("does nothing that stands behind STARTTLS in the same segment", function()
      local server = start()
      assert.equal("250-here\r\n250 STARTTLS\r\n220 go ahead\r\n", talk(server,
        "EHLO me\r\nSTARTTLS\r\nMAIL FROM:<evil@here.test>\r\nRCPT TO:<you@there.test>\r\n"))
      server:allow_log("the TLS handshake failed")
    end)

    it("takes nothing without TLS, and says what it does not know", function()
      local server = start()
      assert.equal("530 STARTTLS comes first\r\n503 MAIL FROM, then RCPT TO:<address>\r\n" ..
        "503 RCPT comes first\r\n500 what is that?\r\n250 yes\r\n221 bye\r\n", talk(server,
        "MAIL FROM:<a@b.test>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n.\r\nnoop\r\nQUIT\r\nNOOP\r\n"))
    end)
  end)

  describe("members.lua", function()
    it("tells members who says what, and lets in nobody else", function()
      local server, directory = serve("members", { MEMBERS = "ca.pem" })
      for _, name in ipairs({ "ada", "bob" }) do
        certificates.quick(moonport, directory, "--ca", name)
      end
      local result = shell.run({ "python3", "-c", [[
import socket, ssl, sys
port, folder = int(sys.argv[1]), sys.argv[2]
def come(name):
  made = ssl.create_default_context(cafile=folder + "/ca.pem")
  if name: made.load_cert_chain(f"{folder}/{name}.pem", f"{folder}/{name}.key")
  conn = made.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=60),
    server_hostname="localhost")
  return conn, conn.makefile("r")
ada, heard = come("ada")
print(heard.readline(), end="")
bob, _ = come("bob")
bob.sendall(b"bob: I am ada\n")
for _ in range(2): print(heard.readline(), end="")
bob.close()
print(heard.readline(), end="")
try: print(come(None)[1].readline())
except ssl.SSLError as error: print(error.reason)
]], tostring(server:port()), directory.path })
      assert.equal("", result.stderr)
      assert.equal("ada is here\nbob is here\nbob: bob: I am ada\nbob has left\n" ..
        "TLSV13_ALERT_CERTIFICATE_REQUIRED\n", result.stdout)
      server:expect_log("the peer showed no certificate")
    end)
  end)
end)
