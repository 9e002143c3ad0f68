-- inspect_guard_spec.lua — who is let in by moonport inspect, and who is not — not what the page
-- shows.

local inspector = require "tests.support.inspector"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local websocket = require "tests.support.websocket"

describe("The inspector", function()
  local moonport = rig.new()
  local it_serves

  -- No server runs there: who is let in does not depend on that.
  local function start(words, options)
    local all = { "--control", moonport:directory():join("none.sock") }
    table.move(words or {}, 1, #(words or {}), #all + 1, all)
    it_serves = inspector.start(moonport, all, options)
    return it_serves
  end

  it("takes the token out of the address, into a cookie that no other server is shown", function()
    local started = start()
    assert.equal(43, #started.tokens[1])
    local head = started:request("/?token=" .. started.tokens[1] .. "&lang=ko")
    assert.equal(303, head.status)
    local base = head.location:match("^(/%x+/)%?lang=ko$")
    assert.equal(18, #base)
    assert.equal(("moonport-inspect=%s; Path=%s; HttpOnly; SameSite=Strict"):format(
      started.tokens[1], base), head["set-cookie"])
    assert.equal("no-store", head["cache-control"])
    local cookie = head["set-cookie"]:match("^[^;]*")
    local page, body = started:request(base, { cookie = cookie })
    assert.equal(200, page.status)
    assert.matches("<!doctype html>", body:lower(), 1, true)
    assert.matches("^default%-src 'none';", page["content-security-policy"])
    assert.is_nil(page["content-security-policy"]:find("unsafe", 1, true))
    assert.equal("nosniff", page["x-content-type-options"])
    assert.equal("no-referrer", page["referrer-policy"])
  end)

  it("says in a sentence why somebody without a token, or a wrong one, is not let in", function()
    local started = start()
    local cookie, base = started:admit()
    local wrong = ("A"):rep(43)
    local cases = {
      { "/" }, { "/?token=" .. wrong }, { "/?token=" }, { "/?token=" .. started.tokens[1] .. "A" },
      { base }, { base, "moonport-inspect=" .. wrong }, { base, "moonport-inspect=" },
      { base .. "ws" }, { "/index.html", cookie }, { "/0123456789abcdef/", cookie },
      { base .. "recording" },
    }
    for _, case in ipairs(cases) do
      local head, body = started:request(case[1], { cookie = case[2] })
      assert.equal(403, head.status, case[1])
      assert.matches("this needs the token: open the address that moonport inspect printed", body,
        1, true)
      assert.is_nil(head["set-cookie"])
    end
    local head = started:request(base .. "no.such.file.css", { cookie = cookie })
    assert.equal(404, head.status)
    assert.equal(404, started:request(base .. "../../etc/passwd", { cookie = cookie }).status)
  end)

  it("asks itself once more where a link of another site led to it without the cookie", function()
    local started = start()
    local _, base = started:admit()
    local head = started:request(base, { headers = "Sec-Fetch-Site: cross-site\r\n" })
    assert.equal(403, head.status)
    assert.equal("0", head.refresh)
    head = started:request(base, { headers = "Sec-Fetch-Site: same-origin\r\n" })
    assert.is_nil(head.refresh)
  end)

  it("answers under its own names only: a rebound name is refused, whatever it has", function()
    local started = start()
    local cookie, base = started:admit()
    local port = started.port
    for _, host in ipairs { "localhost:", "127.0.0.1:", "LOCALHOST:", "[::1]:" } do
      local head = started:request(base, { cookie = cookie, host = host .. port })
      assert.equal(200, head.status, host)
    end
    for _, host in ipairs { "evil.example:" .. port, "127.0.0.1:" .. port + 1, "127.0.0.1",
      "localhost", "localhost.evil.example:" .. port, "10.0.0.1:" .. port,
      "127.0.0.1.nip.io:" .. port } do
      for _, path in ipairs { base, "/?token=" .. started.tokens[1] } do
        local head, body = started:request(path, { cookie = cookie, host = host })
        assert.equal(403, head.status, host)
        assert.matches("answers under its own address only", body, 1, true)
      end
      assert.equal(403, (select(2, started:upgrade({ cookie = cookie, path = base .. "ws",
        host = host, origin = "http://" .. host }))), host)
    end
  end)

  it("hears no page of another site: neither a WebSocket of it, nor a request", function()
    local started = start()
    local cookie, base = started:admit()
    for _, origin in ipairs { "http://evil.example", "null", "http://localhost:" .. started.port,
      "https://" .. started.host, "http://127.0.0.1:" .. started.port + 1, false } do
      local _, status = started:upgrade({ cookie = cookie, path = base .. "ws", origin = origin })
      assert.equal(403, status, origin)
    end
    for _, method in ipairs { "POST", "PUT", "DELETE", "OPTIONS" } do
      local function status(origin)
        return started:request(base, { method = method, cookie = cookie,
          headers = origin and "Origin: " .. origin .. "\r\n" or "" }).status
      end
      assert.equal(403, status(), method)
      assert.equal(403, status("http://evil.example"), method)
      assert.equal(405, status("http://" .. started.host), method)
    end
    assert.equal(403, started:request(base, { cookie = cookie,
      headers = "Origin: http://evil.example\r\n" }).status)
    assert.equal(403, (select(2, started:upgrade({ path = base .. "ws" }))))
    local peer, status = started:upgrade({ cookie = cookie, path = base .. "ws" })
    assert.equal(101, status)
    peer:close()
  end)

  it("listens on loopback, whatever MOONPORT_HOST and MOONPORT_LISTEN say", function()
    local started = start({}, { env = { MOONPORT_HOST = "0.0.0.0", MOONPORT_LISTEN = "1" } })
    local has_other = false
    for _, name in ipairs { "tcp", "tcp6" } do
      for line in io.lines("/proc/net/" .. name) do
        local address = line:match("^%s*%d+: (%x+):" .. ("%04X"):format(started.port) .. " %S+ 0A")
        if address and address ~= "0100007F" then has_other = true end
      end
    end
    assert.is_false(has_other)
    assert.matches("^http://127%.0%.0%.1:%d+/%?token=", started.child:stdout())
  end)

  it("takes the names that it is told, and those of the network where it is told to be", function()
    local started = start({ "--listen", "0.0.0.0:0" })
    local cookie, base = started:admit()
    assert.equal(200, started:request(base, { cookie = cookie }).status)
    assert.equal(403, started:request(base, { cookie = cookie,
      host = "0.0.0.0:" .. started.port }).status)
    for _, words in ipairs { "unix:///tmp/x", "tls://1.2.3.4:5", "a b", "1.2.3.4" } do
      local result = moonport:run({ "inspect", "--listen", words })
      assert.equal(1, result.code, words)
      assert.matches("write a port, or HOST:PORT", result.stderr, 1, true)
    end
  end)

  it("gives students an address that only watches", function()
    local folder = moonport:directory()
    local served = moonport:serve({ "--listen", "127.0.0.1:0", folder:write("test.lua",
      "return { on_data = function(conn, data) conn:send(data) end }") }, { control = true })
    local started = inspector.start(moonport, { "--class", "--control", served.control },
      { addresses = 2 })
    assert.matches("^teacher  http://.*\nstudent  http://", started.child:stdout())
    local teacher = started:page({ token = started.tokens[1] })
    local student = started:page({ token = started.tokens[2] })
    assert.equal("class", student.hello.mode)
    assert.is_true(teacher.hello.may.edit)
    for name, may in pairs(student.hello.may) do assert.equal(name == "source", may, name) end
    local peer = served:connect()
    peer:send("x")
    local event = student:event("data")
    assert.equal("x", event.e.text)
    for _, request in ipairs { { t = "ask", words = { "kick", tostring(event.e.conn) } },
      { t = "apply", script = "test.lua", text = "x" }, { t = "write", script = "test.lua" },
      { t = "rollback", script = "test.lua" }, { t = "record", on = true },
      { t = "judge", name = "01_calls", text = "" } } do
      local answer = student:ask(request)
      assert.is_false(answer.ok)
      assert.equal("this page only watches", answer.error)
    end
    assert.is_true(teacher:ask({ t = "ask", words = { "kick", tostring(event.e.conn) } }).ok)
    -- The cookie of one is none of the other.
    local cookie = started:admit(started.tokens[2])
    local _, base = started:admit(started.tokens[1])
    assert.equal(403, started:request(base, { cookie = cookie }).status)
  end)

  -- Students were given 127.0.0.1, which is their own host.
  it("gives students an address by which this host is reached", function()
    local started = start({ "--class", "--listen", "0.0.0.0:0" }, { addresses = 2 })
    local told = started.child:stdout()
    local host = told:match("\nstudent  http://([%d.]+):%d+/")
    local route = shell.run({ "ip", "route", "get", "192.0.2.1" })
    assert.equal(route.stdout:match("src ([%d.]+)") or "127.0.0.1", host)
    assert.matches("^teacher  http://127%.0%.0%.1:", told)
  end)

  -- With 256 pages of one student all places were taken, and the teacher's page did not open.
  it("has room for the teacher, however many pages a student opens", function()
    local started = start({ "--class" }, { addresses = 2 })
    local cookie, base = started:admit(started.tokens[2])
    local peers = {}
    for index = 1, 201 do
      local peer, status = started:upgrade({ cookie = cookie, path = base .. "ws" })
      assert.equal(index <= 200 and 101 or 503, status, index)
      peers[index] = peer
    end
    assert.is_true(started:page({ token = started.tokens[1] }).hello.may.edit)
    for _, peer in ipairs(peers) do peer:close() end
  end)

  it("ends with what is no page of its own: a word, a flood, no word first", function()
    local started = start()
    local cookie, base = started:admit()
    local function closed_by(...)
      local peer, status = started:upgrade({ cookie = cookie, path = base .. "ws" })
      assert.equal(101, status)
      for _, text in ipairs { ... } do peer:offer(websocket.frame(websocket.TEXT, text)) end
      local told = websocket.told_to_end(peer)
      return told[#told]
    end
    local resume = '{"t":"resume","n":0,"lang":"en"}'
    for _, text in ipairs { "", "x", "[]", "null", "{}", '{"t":"ask","id":1,"words":["ping"]}',
      '{"t":7}', ("["):rep(1000), '{"t":"nothing","id":1}' } do
      assert.equal("close 4000 resume comes first", closed_by(text), text)
    end
    for _, text in ipairs { '{"t":"ask"}', '{"t":"ask","id":{}}', '{"t":"__index","id":1}' } do
      assert.equal("close 4000 no message of the page", closed_by(resume, text), text)
    end
    assert.equal("close 1009", closed_by(resume, ("x"):rep(1100000)):sub(1, 10))
    local watches = {}
    for index = 1, 3000 do watches[index] = '{"t":"watch","conns":[1]}' end
    assert.equal("close 4008 too many messages in a second",
      closed_by(resume, table.unpack(watches)))
    assert.equal(200, started:request(base, { cookie = cookie }).status)
  end)

  it("ends with its signal, and says what is wrong with what it is to show", function()
    local started = start()
    local page = started:page()
    started.child:signal("sigint")
    assert.equal(1001, (page:closed()))
    assert.equal(0, (started.child:wait()))
    server.assert_no_report(started.child:stderr())
  end)
end)
