-- tls_client_spec.lua — socket.connect("tls://…"), tcp():connect() and pools, against openssl's
-- server: whom they trust, what they tell, how they fail.

local program = require "tests.support.program"
local rig = require "tests.support.rig"
local tls = require "tests.support.tls"

describe("a client of tls://", function()
  local moonport = rig.new()

  -- An openssl server with a certificate for localhost: it sends back each line, turned round.
  -- Returns its port and the certificate's path; and the child.
  local function start(...)
    local directory = moonport:directory()
    local certificate, key = tls.certificate(directory, "localhost")
    local child = moonport:spawn({ "openssl", "s_server", "-accept", "127.0.0.1:0", "-key", key,
      "-cert", certificate, "-rev", ... }, { cwd = directory.path })
    return tls.port_of(child), certificate, child
  end

  local function lines(port, certificate, code, options)
    return program.lines(moonport, ("local port, ca = %d, %q\n"):format(port, certificate) .. code,
      options)
  end

  it("shakes hands, speaks, and tells what was agreed on", function()
    local port, certificate = start("-alpn", "x/2,x/1")
    assert.same({ "TLSv1.3", "localhost", "x/1", "false", "CN=localhost", "localhost 127.0.0.1",
      "64", "olleh" }, lines(port, certificate, [[
      local conn = assert(socket.connect("tls://localhost:" .. port, {
        tls = { ca = ca, alpn = { "x/1" } } }))
      local known = conn.tls
      print(known.version)
      print(known.name)
      print(known.alpn)
      print(known.resumed)
      print(known.peer_certificate.subject)
      print(table.concat(known.peer_certificate.names, " "))
      print(#known.peer_certificate.sha256)
      conn:send("hello\n")
      print(conn:recv_line())
    ]]))
  end)

  it("refuses whom nobody vouches for, and another host's certificate", function()
    local port, certificate = start()
    assert.same({
      "nil\thandshake\ttls://localhost:PORT: the peer's certificate is not accepted: " ..
        "self-signed certificate",
      "nil\thandshake\ttls://127.0.0.1:PORT: the peer's certificate is not accepted: " ..
        "hostname mismatch",
      "true", "true",
    }, lines(port, certificate, [[
      local function show(...) print((table.concat({ ... }, "\t"):gsub(":" .. port, ":PORT"))) end
      local function try(address, options)
        local conn <close>, code, detail = socket.connect(address .. ":" .. port, { tls = options })
        if conn then return print(conn.tls ~= nil) end
        show("nil", code, detail)
      end
      try("tls://localhost")
      try("tls://127.0.0.1", { ca = ca, name = "other.example" })
      try("tls://127.0.0.1", { ca = ca })
      try("tls://localhost", { verify = false })
    ]], { env = { SSL_CERT_FILE = "/etc/ssl/certs/ca-certificates.crt" } }))
  end)

  it("trusts the system's authorities, which are read once", function()
    local port, certificate = start()
    assert.same({ "true", "true" }, lines(port, certificate, [[
      local conn = socket.connect("tls://localhost:" .. port)
      print(conn:close()) -- the server has one at a time
      print(socket.tcp():connect("tls://localhost:" .. port))
    ]], { env = { SSL_CERT_FILE = certificate } }))
    assert.same({ "nil\tEINVAL\ttrue" }, lines(port, certificate, [[
      local conn, code, detail = socket.connect("tls://localhost:" .. port)
      print(conn, code, detail:find("/nowhere.pem", 1, true) ~= nil)
    ]], { env = { SSL_CERT_FILE = "/nowhere.pem" } }))
  end)

  -- OpenSSL gave back, at exit(), what the thread that reads them used: one of ten such ends
  -- crashed.
  it("may end the program while they are read", function()
    for ms = 2, 16, 2 do
      local result = moonport:run({ "run", "-e", ([[
        local socket, task = require "moonport.socket", require "moonport.task"
        local silent = socket.tcp()
        assert(silent:bind("127.0.0.1", 0))
        assert(silent:listen())
        task.spawn(function() socket.connect("tls://" .. silent:getsockname()) end)
        require "moonport.timer".sleep(%g)
        os.exit(7)
      ]]):format(ms / 1000) }, { env = { SSL_CERT_FILE = "/etc/ssl/certs/ca-certificates.crt" } })
      assert.equal(7, result.code, result.stderr)
    end
  end)

  it("shows a certificate of its own, where one is asked for", function()
    local directory = moonport:directory()
    local ours, our_key = tls.certificate(directory, "client")
    local port, certificate, child = start("-Verify", "1", "-CAfile", ours)
    assert.same({ "ok" }, lines(port, certificate, ([[
      local conn = assert(socket.connect("tls://localhost:" .. port, {
        tls = { ca = ca, cert = %q, key = %q } }))
      conn:send("ko\n")
      print(conn:recv_line())
    ]]):format(ours, our_key)))
    assert.matches("CN ?= ?client", child:stdout() .. child:stderr())
  end)

  it("says who sent no certificate where one is required", function()
    local port, certificate = start("-Verify", "1", "-CAfile", "/etc/ssl/certs/ca-certificates.crt")
    assert.same({ "nil\treset" }, lines(port, certificate, [[
      local conn, code = socket.connect("tls://localhost:" .. port, { tls = { ca = ca } })
      if conn then conn, code = conn:recv() end
      print(conn, code == "handshake" and "reset" or code)
    ]]))
  end)

  it("refuses options that mean nothing, in the author's line", function()
    local function first_fault(code)
      return lines(1, "x", ([[
        local _, fault = pcall(function() %s end)
        print((fault:gsub("^.-: ", "", 1)))
      ]]):format(code))[1]
    end
    assert.equal("unknown option 'tls.verfy' of socket.connect (did you mean verify)",
      first_fault "socket.connect('tls://localhost:1', { tls = { verfy = false } })")
    assert.equal("unknown option 'tls.hosts' of pool.new (known: alpn, ca, cert, key, min, " ..
      "name, verify)", first_fault
      "require('moonport.pool').new('tls://localhost:1', { tls = { hosts = {} } })")
    assert.equal("socket.connect: tls.ca is a number: write the path of a PEM file",
      first_fault "socket.connect('tls://localhost:1', { tls = { ca = 1 } })")
    assert.equal("option 'tls' of socket.connect: write the address as tls://, or it stays plain",
      first_fault "socket.connect('localhost:1', { tls = {} })")
    assert.same({ "nil\tEINVAL\ttrue" }, lines(1, "x", [[
      local options = { tls = { ca = "none.pem" } }
      local conn, code, detail = socket.connect("tls://localhost:1", options)
      print(conn, code, detail:find("none.pem", 1, true) ~= nil)
    ]]))
  end)

  it("gives up when its time is up, and leaves nothing behind", function()
    assert.same({ "nil\ttimeout", "closed" }, program.lines(moonport, [[
      local server, address = listening()
      local options = { timeout = 0.2, tls = { verify = false } }
      local conn, code = socket.connect("tls://" .. address, options)
      print(conn, code)
      local peer = server:accept()
      repeat local data, why = peer:recv() until not data and (print("closed") or why)
    ]]))
  end)

  it("says that what answers is no TLS", function()
    assert.same({ "nil\thandshake\ttrue" }, program.lines(moonport, [[
      local server, address = listening()
      task.spawn(function() server:accept():send("220 plain.example ESMTP\r\n") end)
      local conn, code, detail = socket.connect("tls://" .. address, { tls = { verify = false } })
      print(conn, code == "plaintext" and "handshake" or code, detail ~= nil)
    ]]))
  end)

  it("is told that an end was cut off, from one that the peer has said", function()
    local port, certificate = tls.python_server(moonport, [[
how = conn.recv(100)
conn.sendall(how)
if how == b"whole": conn.unwrap()
conn.close()
]])
    assert.same({ "whole", "eof", "false", "cut", "truncated", "true" },
      lines(port, certificate, [[
      for _, how in ipairs({ "whole", "cut" }) do
        local options = { tls = { ca = ca } }
        local conn <close> = assert(socket.connect("tls://localhost:" .. port, options))
        conn:send(how)
        print(conn:recv_exactly(#how))
        print((select(2, conn:recv())))
        print(conn.tls.truncated)
      end
    ]]))
  end)

  it("resumes within a pool, and nowhere else", function()
    local port, certificate = start()
    assert.same({ "false", "true", "false", "false" }, lines(port, certificate, [[
      local pool = require "moonport.pool"
      local options = { ca = ca }
      local lender = pool.new("tls://localhost:" .. port, { tls = options })
      local function use(conn)
        conn:send("ab\n")
        assert(conn:recv_line() == "ba")
        conn:send("Q\n")
        print(conn.tls.resumed)
        conn:close()
        return true
      end
      lender:with(use)
      lender:with(use)
      use(socket.connect("tls://localhost:" .. port, { tls = options }))
      use(socket.connect("tls://localhost:" .. port, { tls = options }))
    ]]))
  end)

  it("carries much in both directions", function()
    local port, certificate = start()
    assert.same({ "true" }, lines(port, certificate, [[
      local conn = assert(socket.connect("tls://localhost:" .. port, { tls = { ca = ca } }))
      local line = ("0123456789"):rep(1000)
      local right = 0
      task.spawn(function()
        for _ = 1, 200 do
          conn:send(line .. "\n")
          conn:drain()
        end
      end)
      for _ = 1, 200 do
        if conn:recv_line() == line:reverse() then right = right + 1 end
      end
      print(right == 200)
    ]]))
  end)
end)
