-- starttls_spec.lua — conn:starttls(), as a server and as a client: from plain to TLS in
-- mid-connection, and what was never protected.

local program = require "tests.support.program"
local rig = require "tests.support.rig"
local tls = require "tests.support.tls"

describe("conn:starttls()", function()
  local moonport = rig.new()

  -- `code` finds `near`, which connected, and `far`, which was accepted, and the options of both.
  local function lines(code)
    local certificate, key = tls.certificate(moonport:directory(), "localhost")
    return program.lines(moonport, ([[
      local near, far = pair()
      local shown = { cert = %q, key = %q }
      local wanted = { ca = shown.cert, name = "localhost" }
    ]]):format(certificate, key) .. code)
  end

  it("turns a connection into TLS at both of its ends", function()
    assert.same({ "true", "olleh", "true", "TLSv1.3", "nil" }, lines [[
      local told = {}
      local served = task.spawn(function()
        told[1] = far:starttls(shown)
        told[2], told[3] = far.tls.version, far.tls.peer_certificate
        far:send(far:recv_line():reverse() .. "\n")
      end)
      print(near:starttls(wanted))
      near:send("hello\n")
      print(near:recv_line())
      served:join()
      print(told[1])
      print(told[2])
      print(told[3])
    ]])
  end)

  it("sends what is queued first, as it is", function()
    assert.same({ "220 go on", "true", "inside" }, lines [[
      far:setoption("sndbuf", 4096)
      task.spawn(function()
        far:send("220 go on\n" .. ("x"):rep(1000000))
        far:starttls(shown)
        far:send("inside\n")
      end)
      print(near:recv_line())
      near:recv_exactly(1000000)
      print(near:starttls(wanted))
      print(near:recv_line())
    ]])
  end)

  -- The handshake began, could not be answered, and failed with words about the peer.
  it("does not begin where nothing can be sent any more", function()
    assert.same({ "nil\tclosed", "nil\tclosed" }, lines [[
      far:shutdown()
      print(far:starttls(shown))
      near:shutdown()
      print(near:starttls(wanted))
    ]])
  end)

  it("is not fooled by what was sent without protection, as a server", function()
    assert.same({ "STARTTLS", "nil\tplaintext", "closing" }, lines [[
      near:send("STARTTLS\nMAIL FROM: evil\n")
      print(far:recv_line())
      far:send("220 go on\n")
      local ok, code = far:starttls(shown)
      print(ok, code)
      print(far.state)
    ]])
    assert.same({ "STARTTLS", "nil\tplaintext", "closed" }, lines [[
      near:send("STARTTLS\n")
      print(far:recv_line())
      near:send("MAIL FROM: evil\n")
      local ok, code = far:starttls(shown)
      print(ok, code)
      print(far.state)
    ]])
  end)

  it("is not fooled by what was sent without protection, as a client", function()
    assert.same({ "220 go on", "nil\tplaintext" }, lines [[
      far:send("220 go on\n250 evil\n")
      print(near:recv_line())
      local ok, code = near:starttls(wanted)
      print(ok, code)
    ]])
    assert.same({ "220 go on", "nil\tplaintext" }, lines [[
      far:send("220 go on\n")
      print(near:recv_line())
      far:send("250 evil\n")
      local ok, code = near:starttls(wanted)
      print(ok, code)
    ]])
  end)

  it("says how the handshake failed, on either side", function()
    assert.same({ "nil\thandshake\ttrue", "nil\thandshake\ttrue" }, lines [[
      local served = task.spawn(function()
        local ok, code, detail = far:starttls(shown)
        print(ok, code, detail:find("refused", 1, true) ~= nil)
      end)
      wanted.ca = "/etc/ssl/certs/ca-certificates.crt"
      local ok, code, detail = near:starttls(wanted)
      served:join()
      print(ok, code, detail:find("not accepted", 1, true) ~= nil)
    ]])
  end)

  it("ends with its time, and with its peer", function()
    assert.same({ "nil\ttimeout", "nil\thandshake" }, lines [[
      near:settimeout(0.1)
      local ok, code = near:starttls(wanted)
      print(ok, code)
      near, far = pair()
      far:close()
      ok, code = near:starttls(wanted)
      print(ok, code)
    ]])
  end)

  it("raises where it makes no sense", function()
    assert.same({
      "starttls: another coroutine reads from it",
      "starttls: tls.name is missing, and a connection does not keep the host that it was " ..
        'connected to: write conn:starttls({ name = "mail.example" })',
      "unknown option 'tls.nam' of starttls (did you mean name)",
      "bad argument #1 to 'starttls' (table expected, got string)",
      "starttls: a server needs a certificate: give the service tls = { cert = …, key = … }",
      "starttls: this connection speaks TLS already",
    }, lines [[
      local function fault(conn, options)
        local ok, why = pcall(conn.starttls, conn, options)
        print((tostring(why):gsub("^.-:%d+: ", "")))
      end
      local reading = task.spawn(function() near:recv() end)
      turn()
      fault(near, wanted)
      reading:cancel()
      turn()
      fault(near)
      fault(near, { nam = "x" })
      fault(near, "mail.example")
      fault(far)
      task.spawn(function() far:starttls(shown) end)
      near:starttls(wanted)
      fault(near, wanted)
    ]])
  end)

  it("is forwarded as any connection, in both directions", function()
    assert.same({ "1000000\ttrue", "1000000\ttrue", "eof" }, lines [[
      local third, fourth = pair()
      task.spawn(function() far:starttls(shown) far:forward(third) third:forward(far) end)
      assert(near:starttls(wanted))
      local bytes = ("0123456789"):rep(100000)
      near:send(bytes)
      local got = fourth:recv_exactly(1000000)
      print(#got, got == bytes)
      fourth:send(bytes)
      got = near:recv_exactly(1000000)
      print(#got, got == bytes)
      fourth:close()
      print((select(2, near:recv())))
    ]])
  end)
end)
