-- tls_spec.lua — peers of moonport.test that speak TLS, from the first byte and in mid-connection,
-- in both roles — not TLS itself (tests/tls_spec.lua).

local test = require "moonport.test"

describe("A peer that speaks TLS", function()
  local folder

  setup(function()
    local pipe <close> = assert(io.popen("mktemp -d"))
    folder = pipe:read("l")
    local function issue(name) -- by this program, the parent of the shell
      assert(os.execute(("cd %s && /proc/$PPID/exe cert --ca %s >/dev/null"):format(folder, name)))
    end
    issue("localhost")
    issue("alice")
  end)

  teardown(function() os.execute("rm -r " .. folder) end)

  -- A script beside the certificates.
  local function load(text, options)
    local path = folder .. "/script.lua"
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return test.load(path, options)
  end

  local function service(tls, rest)
    return ([[
      return {
        listen = "tls://:8443", tls = { cert = "localhost.pem", key = "localhost.key", %s }, %s
      }
    ]]):format(tls or "", rest or "on_data = function(conn, data) conn:send(data:upper()) end")
  end

  it("sends and gets text, however it is cut", function()
    for _, how in ipairs({ "every", 7, { 3, 10 }, { seed = 1 } }) do
      local peer = load(service()):connect({ tls = true })
      assert.is_true(peer:send("hello, whoever you are", how))
      assert.equal("HELLO, WHOEVER YOU ARE", peer:read())
      assert.equal("HELLO, WHOEVER YOU ARE", peer:received())
    end
    local peer = load(service()):connect({ tls = true })
    local long = ("x"):rep(200000)
    assert.is_true(peer:send(long))
    assert.equal(long:upper(), peer:read())
  end)

  it("knows what both agreed on, and so does the script", function()
    local script = load(service([[alpn = { "b", "a" }]]))
    local peer = script:connect({ tls = { name = "localhost", alpn = { "a" }, ca = "ca.pem" } })
    local tls, theirs = peer:tls(), peer:conn().tls
    assert.equal("TLSv1.3", tls.version)
    assert.equal("a", tls.alpn)
    assert.equal("localhost", tls.name)
    assert.equal("localhost", tls.peer_certificate.names[1])
    assert.same({ "localhost", "a", tls.cipher }, { theirs.name, theirs.alpn, theirs.cipher })
    assert.is_false(tls.truncated)
  end)

  it("trusts whatever is shown, unless it says whom", function()
    local script = load(service(), { errors = "keep" })
    assert.is_truthy(script:connect({ tls = { name = "b.test" } }):tls())
    local peer = script:connect({ tls = { name = "b.test", ca = "ca.pem" } })
    local facts, why = peer:tls()
    assert.is_nil(facts)
    assert.matches("^the peer's certificate is not accepted: .*[Hh]ostname mismatch", why)
    assert.equal("handshake", peer:reason())
    assert.same({ nil, "closed" }, { peer:send("x") })
    assert.is_truthy(script:logged("TLS handshake failed"))
  end)

  it("shows a certificate where one is asked for", function()
    local script = load(service([[client = "require", ca = "ca.pem"]],
      "on_open = function(conn) conn:send(conn.tls.peer_certificate.names[1]) end"))
    local alice = script:connect({ tls = { cert = "alice.pem", key = "alice.key" } })
    assert.equal("alice", alice:read())
    local nobody = script:connect({ tls = true })
    assert.equal("", nobody:read())
    assert.same({ nil, 'the peer refused, with the alert "certificate required"' },
      { nobody:tls() })
    assert.equal("handshake", nobody:reason())
  end)

  it("says that it has finished, and hears it", function()
    local script = load(service(nil, [[
      on_data = function(conn) conn:close() end,
      on_eof = function(conn) print(conn.tls.truncated) conn:close() end
    ]]))
    local one, other = script:connect({ tls = true }), script:connect({ tls = true })
    one:send("x")
    assert.is_true(one:got_fin())
    assert.is_false(one:tls().truncated)
    assert.equal("closed", one:reason())
    other:shutdown()
    assert.is_truthy(script:logged("^false$"))
    assert.same({ "closed", "TLSv1.3" }, { other:reason(), other:tls().version })
  end)

  it("may be slow to read", function()
    local peer = load(service()):connect({ tls = true })
    peer:pause()
    peer:send("hello")
    assert.equal("", peer:read())
    peer:resume()
    assert.equal("HELLO", peer:read())
  end)

  it("is not understood by a service of plain text, and the other way round", function()
    local secret = load("return { on_data = function(conn, data) got = data end }")
    local peer = secret:connect({ tls = true })
    assert.equal("\x16\x03", secret.env.got:sub(1, 2))
    assert.same({ nil, "the script has not answered the handshake" }, { peer:tls() })
    assert.error_matches(function() peer:send("x") end, "the script has not answered the TLS hands")
    local script = load(service())
    local plain = script:connect()
    assert.same({ nil, "this peer speaks plain text" }, { plain:tls() })
    plain:send("GET / HTTP/1.1\r\n\r\n")
    assert.equal("handshake", plain:reason())
    assert.is_truthy(script:logged("the peer speaks plain HTTP"))
  end)

  it("is refused what it cannot mean", function()
    local script = load(service())
    local function refusal(tls) return select(2, pcall(script.connect, script, { tls = tls })) end
    assert.matches("unknown option 'tls.nmae' of a peer %(did you mean name%)",
      refusal({ nmae = "x" }))
    assert.matches("none.pem: ", refusal({ ca = "none.pem" }))
    assert.matches("tls.name is missing: who is the script", refusal({ ca = "ca.pem" }))
    assert.matches("tls.ca is missing: name the file", refusal({ verify = true, name = "x" }))
    assert.matches("option 'tls' of connect%(%) is true, or a table", refusal("yes"))
    assert.equal(0, script:connections())
    local peer = script:connect({ tls = true })
    assert.has_error(function() peer:starttls() end, "this peer speaks TLS already")
  end)

  local STARTTLS = [[
    return {
      tls = { cert = "localhost.pem", key = "localhost.key" },
      main = function(conn)
        conn:send("220 here\r\n")
        for line in function() return conn:recv_line() end do
          if line == "STARTTLS" then
            conn:send("220 go ahead\r\n")
            print(conn:starttls())
          else
            conn:send((conn.tls and "secret " or "plain ") .. line .. "\r\n")
          end
        end
      end,
    }
  ]]

  it("begins in mid-connection, as the client of a script that accepted", function()
    local script = load(STARTTLS)
    local peer = script:connect()
    peer:send("one\r\nSTARTTLS\r\n", "every")
    assert.has_error(function() peer:starttls() end,
      [[what came before TLS was not read: "220 here\13\
plain one\13\
220 go ahead\13\
"]])
    peer:read()
    local tls = assert(peer:starttls({ name = "localhost", ca = "ca.pem" }))
    assert.equal("TLSv1.3", tls.version)
    peer:send("two\r\n", "every")
    assert.equal("secret two", peer:read_line())
    assert.equal("220 here\r\nplain one\r\n220 go ahead\r\nsecret two\r\n", peer:received())
  end)

  it("can send what a script does not take for protected", function()
    local script = load(STARTTLS)
    local peer = script:connect()
    peer:send("STARTTLS\r\nEHLO evil\r\n")
    assert.is_truthy(script:logged("^nil\tplaintext"))
    assert.equal("220 here\r\n220 go ahead\r\n", peer:read())
    local facts, why = peer:starttls()
    assert.is_nil(facts)
    assert.equal("the connection has ended", why)
  end)

  local CLIENT = [[
    local socket = require "moonport.socket"
    return { on_data = function(conn)
      %s
      print(upstream, code, why)
      if not upstream then return end
      upstream:send("question\n")
      conn:send(upstream:recv_line() .. " " .. upstream.tls.version)
    end }
  ]]

  it("begins in mid-connection, as the server of a script that connected", function()
    local script = load(CLIENT:format([[
      local upstream, code, why = socket.connect("127.0.0.1:25")
      upstream:recv_line()
      upstream:starttls({ name = "localhost", ca = "ca.pem" })
    ]]))
    local listener, peer = script:listen("127.0.0.1:25"), script:connect()
    peer:send("x")
    local mail = listener:accept()
    mail:send("220 go ahead\n")
    assert.equal("\x16", mail:received():sub(1, 1)) -- the hello is there, and not read
    local tls = assert(mail:starttls({ cert = "localhost.pem", key = "localhost.key" }))
    assert.equal("localhost", tls.name)
    assert.equal("question", mail:read_line())
    assert.equal("question\n", mail:received())
    mail:send("answer\n", "every")
    assert.equal("answer TLSv1.3", peer:read())
  end)

  it("is what a script connects to over tls://", function()
    local script = load(CLIENT:format([[
      local upstream, code, why = socket.connect("tls://127.0.0.1:443", { tls = { ca = "ca.pem" } })
    ]]))
    local listener = script:listen("127.0.0.1:443")
    script:connect():send("x")
    assert.is_truthy(listener:accept():starttls({ cert = "localhost.pem", key = "localhost.key" }))
    script:connect():send("x")
    local wrong = listener:accept()
    local facts, why = wrong:starttls({ cert = "alice.pem", key = "alice.key" })
    assert.is_nil(facts)
    assert.matches('^the peer refused, with the alert "', why)
    assert.is_truthy(script:logged("^nil\thandshake\t.*certificate is not accepted"))
  end)

  it("may be what a function plays, once it is told of the handshake", function()
    local script = load(CLIENT:format([[
      local upstream, code, why = socket.connect("127.0.0.1:25")
      upstream:send("STARTTLS\n")
      upstream:recv_line()
      upstream:starttls({ name = "localhost", ca = "ca.pem" })
    ]]))
    script:listen("127.0.0.1:25", function(mail, bytes)
      if bytes:byte() == 0x16 then
        assert(mail:starttls({ cert = "localhost.pem", key = "localhost.key" }))
      elseif mail:read() == "STARTTLS\n" then
        mail:send("220 go ahead\n")
      else
        mail:send(bytes:upper())
      end
    end)
    local peer = script:connect()
    peer:send("x")
    assert.equal("QUESTION TLSv1.3", peer:read())
  end)

  it("needs a certificate where the script is the client", function()
    local script = load(CLIENT:format([[
      local upstream, code, why = socket.connect("tls://127.0.0.1:443", { tls = { ca = "ca.pem" } })
    ]]))
    local listener = script:listen("127.0.0.1:443")
    script:connect():send("x")
    local peer = listener:accept()
    assert.error_matches(function() peer:starttls({ alpn = { "a" } }) end,
      "a peer: tls.cert is missing: name the file of a certificate")
    assert.is_truthy(peer:starttls({ cert = "localhost.pem", key = "localhost.key" }))
  end)
end)
