-- cert_spec.lua — moonport cert: what it makes, judged by OpenSSL's program, curl and Python; what
-- it refuses.

local directory = require "tests.support.directory"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local uv = require "luv"

describe("moonport cert", function()
  local moonport = rig.new()
  local folder

  local function cert(...)
    return moonport:run({ "cert", ... }, { cwd = folder.path })
  end

  local function openssl(...)
    return shell.run({ "openssl", ... }, { cwd = folder.path })
  end

  local function mode(name) return uv.fs_stat(folder:join(name)).mode & tonumber("777", 8) end

  before_each(function() folder = moonport:directory() end)

  it("makes a certificate that clients trust who are given it, in two commands", function()
    local made = cert("localhost")
    assert.equal(0, made.code)
    assert.equal("", made.stderr)
    folder:write("test.lua", [[
      return {
        listen = "tls://127.0.0.1:0",
        ]] .. made.stdout:match("tls = %b{},") .. [[
        on_data = function(conn)
          conn:send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
          conn:close()
        end,
      }
    ]])
    local server = moonport:serve({ folder:join("test.lua") })
    server:allow_log('the peer refused, with the alert "unknown ca"')
    for _, host in ipairs({ "localhost", "127.0.0.1" }) do
      local url = ("https://%s:%d/"):format(host, server:port())
      local result = shell.run({ "curl", "-sS", "--noproxy", "*", "--ipv4", "--cacert",
        folder:join("localhost.pem"), url })
      assert.equal("", result.stderr)
      assert.equal("hello", result.stdout)
      assert.equal(60, shell.run({ "curl", "-s", "--noproxy", "*", "--ipv4", url }).code)
    end
    local result = shell.run({ "python3", "-c", [[
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as plain:
  with context.wrap_socket(plain, server_hostname="localhost") as peer: print(peer.version())
]], folder:join("localhost.pem"), tostring(server:port()) })
    assert.equal("TLSv1.3\n", result.stdout)
  end)

  it("keeps the key to its user, and overwrites nothing", function()
    assert.equal(0, cert("b.example").code)
    assert.equal(tonumber("600", 8), mode("b.example.key"))
    local key = openssl("pkey", "-in", "b.example.key", "-noout", "-text").stdout
    assert.matches("NIST CURVE: P%-256", key)
    local result = cert("b.example")
    assert.equal(1, result.code)
    assert.matches("b%.example%.pem is already there: remove it", result.stderr)
    assert(uv.fs_unlink(folder:join("b.example.pem")))
    result = cert("b.example")
    assert.equal(1, result.code)
    assert.matches("b%.example%.key is already there", result.stderr)
    assert.is_false(directory.exists(folder:join("b.example.pem")))
    assert.equal(key, openssl("pkey", "-in", "b.example.key", "-noout", "-text").stdout)
  end)

  it("names all hosts, and is valid for as long as it was asked for", function()
    assert.equal(0, cert("--days", "7", "*.c.example", "c.example", "10.0.0.1", "fd00::1").code)
    local text = openssl("x509", "-in", "_.c.example.pem", "-noout", "-text").stdout
    assert.matches("DNS:%*%.c%.example, DNS:c%.example, IP Address:10%.0%.0%.1, " ..
      "IP Address:FD00:", text)
    assert.matches("Digital Signature", text)
    assert.matches("TLS Web Server Authentication, TLS Web Client Authentication", text)
    assert.equal(0, openssl("x509", "-in", "_.c.example.pem", "-checkend", "600000").code)
    assert.equal(1, openssl("x509", "-in", "_.c.example.pem", "-checkend", "610000").code)
  end)

  it("makes an authority once, which signs all that follows", function()
    local first = cert("--ca", "b.example")
    assert.equal(0, first.code)
    assert.matches("^ca%.pem: an authority of your own", first.stdout)
    assert.equal(tonumber("600", 8), mode("ca.key"))
    local second = cert("--ca", "alice")
    assert.equal(0, second.code)
    assert.is_nil(second.stdout:find("authority", 1, true))
    for _, purpose in ipairs({ "sslserver", "sslclient" }) do
      local result = openssl("verify", "-x509_strict", "-CAfile", "ca.pem", "-purpose", purpose,
        "b.example.pem", "alice.pem")
      assert.equal("b.example.pem: OK\nalice.pem: OK\n", result.stdout)
    end
    assert.not_equal(0, openssl("verify", "-CAfile", "alice.pem", "b.example.pem").code)
  end)

  it("refuses half an authority, and one that is none", function()
    assert.equal(0, cert("--ca", "a").code)
    local key = folder:join("ca.key")
    assert(uv.fs_rename(key, folder:join("away")))
    local result = cert("--ca", "b")
    assert.equal(1, result.code)
    assert.matches("there is ca%.pem and no ca%.key", result.stderr)
    folder:write("ca.key", "no key")
    assert.matches("ca%.key: is not PEM", cert("--ca", "b").stderr)
    assert(uv.fs_unlink(key))
    assert(uv.fs_symlink("a.key", key))
    assert.matches("ca%.key: this key is not that of the certificate in ca%.pem",
      cert("--ca", "b").stderr)
    assert.is_false(directory.exists(folder:join("b.pem")))
  end)

  it("refuses what is no host's name, as a slip of the command line", function()
    for _, name in ipairs({ "", "a b", "a/b", "../a", "a*", "*.", ".a", "-.a", ("x"):rep(300) }) do
      local result = cert("--", name)
      assert.equal(2, result.code, name)
      assert.matches("is no name of a host: write localhost", result.stderr)
    end
    assert.equal(2, cert().code)
    assert.equal(2, cert("--days", "0", "a").code)
    assert.is_nil((uv.fs_scandir_next(uv.fs_scandir(folder.path))))
  end)

  it("leaves nothing behind where it may not write", function()
    local result = moonport:run({ "cert", "a" }, { cwd = "/proc" })
    assert.equal(1, result.code)
    assert.matches("a%.key cannot be made: ", result.stderr)
  end)
end)
