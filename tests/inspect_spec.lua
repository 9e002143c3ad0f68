-- inspect_spec.lua — what the pages of moonport inspect are told, and may ask — not who is let in
-- (inspect_guard_spec), nor what is drawn of it (the browser's specs).

local cjson = require "cjson"
local control = require "tests.support.control"
local inspector = require "tests.support.inspector"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local supports = require "tests.support.supports"

local function answering(name)
  return ("return { on_data = function(conn, data) conn:send(%q .. data) end }"):format(name)
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

describe("A page of the inspector", function()
  local moonport = rig.new()
  local folder, path, served

  local function start(text, options)
    folder = moonport:directory()
    path = folder:write("test.lua", text or answering("a"))
    served = moonport:serve({ "--listen", "127.0.0.1:0", path }, { control = true })
    return inspector.start(moonport, { "--control", served.control }, options)
  end

  supports.it("peer-credentials",
    "is told what happens in words and rows, in its language, with running numbers", function()
    local started = start()
    local english, korean = started:page(), started:page({ lang = "ko" })
    assert.equal("live", english.hello.mode)
    assert.equal("ko", korean.hello.lang)
    assert.equal(served.process.pid, english:server().pid)
    local peer = served:connect()
    peer:send("hello")
    assert.equal("ahello", peer:receive(6))
    local accept = english:event("accept")
    assert.equal(3, #accept.rows)
    assert.same({ dir = "right", label = "SYN", source = "inferred" }, accept.rows[1].outer)
    local event = english:event("data")
    assert.equal("aGVsbG8=", event.e.base64)
    assert.matches("5 bytes", event.what, 1, true)
    local same = korean:event("data")
    assert.equal(event.n, same.n)
    assert.matches("5바이트", same.what, 1, true)
    assert.matches("test.lua:1$", english:event("send").place)
    local conns = english:next("conns", function(message) return #message.list == 1 end)
    assert.equal(event.e.conn, conns.list[1].id)
    assert.equal(5, conns.list[1].bytes_in)
    local status = english:next("status")
    assert.equal("serving", status.status.phase)
    assert.equal(path, status.scripts[1].script)
    english:send({ t = "watch", conns = { conns.list[1].id } })
    local gauge = english:next("gauges").list[1]
    assert.equal(event.e.conn, gauge.conn)
    assert.equal("established", gauge.state)
    assert.is_true(math.abs(gauge.time_ns - event.e.time_ns) < 60e9)
  end)

  it("shows what peers sent as text: markup, marks of direction, bytes that are none", function()
    local started = start()
    local page, peer = started:page(), served:connect()
    local sent = "<script>alert(1)</script>\226\128\174\255\0\27[2J"
    page:server()
    peer:send(sent)
    local event = page:event("data")
    assert.equal(#sent, event.e.size)
    assert.matches("<script>", event.e.text, 1, true)
    assert.is_nil(event.what:find("[\0\27\255]"))
  end)

  it("goes on from where it was, and is told what it missed", function()
    local started = start()
    local page, peer = started:page(), served:connect()
    page:server()
    peer:send("1")
    local last = page:event("data").n
    page.peer:close()
    peer:send("2")
    local again = started:page({ n = last })
    local first = again:next("events")
    assert.equal(last + 1, first.list[1].n)
    assert.equal(0, first.dropped)
    local late = started:page({ n = 0 })
    assert.equal(1, late:next("events").list[1].n)
    -- From a number that the ring has no more: of another process, or of long ago.
    assert.equal("hello", started:page({ n = 1000000 }).hello.t)
  end)

  supports.it("peer-credentials", "outlives a restart of the server", function()
    local started = start()
    local page = started:page()
    page:server()
    local number = page:event("listen").n
    served:signal("sigterm")
    served:wait()
    assert.matches("the server %(pid %d+%) has ended", page:next("gone").why)
    local other = moonport:serve({ "--listen", "127.0.0.1:0", path },
      { control = served.control })
    assert.equal(other.process.pid, page:next("back").server.pid)
    assert.is_true(page:event("listen").n > number)
    local late = started:page()
    assert.equal(other.process.pid, late.hello.server.pid)
  end)

  supports.it("peer-credentials",
    "says that there is no server, and finds one that comes", function()
    local where = moonport:directory():join("control.sock")
    local started = inspector.start(moonport, { "--control", where })
    local page = started:page()
    assert.matches("no server at ", page:next("gone").why, 1, true)
    local answer = page:ask({ t = "ask", words = { "status" } })
    assert.is_false(answer.ok)
    local late = moonport:serve({ "--listen", "127.0.0.1:0",
      moonport:directory():write("test.lua", answering("a")) }, { control = where })
    assert.equal(late.process.pid, page:next("back").server.pid)
  end)

  supports.it("descriptor-count", "costs the server nothing once nobody looks", function()
    local started = start()
    local asked = control.connect(served)
    local function descriptors() return select(2, control.ask(asked, "status")).descriptors end
    local before = descriptors()
    local page = started:page()
    page:server()
    page:next("status")
    assert.is_true(descriptors() > before)
    page.peer:close()
    loop.eventually("no client of the inspector's", function() return descriptors() == before end)
  end)

  supports.it("tcp-info",
    "asks what a teacher may, and nothing that ends the server or runs code", function()
    local started = start()
    local page, peer = started:page(), served:connect()
    peer:send("1")
    local conn = tostring(page:event("data").e.conn)
    assert.equal("a1", peer:receive(2))
    assert.is_true(page:ask({ t = "ask", words = { "pause", conn } }).ok)
    peer:send("2")
    loop.eventually("that it waits in the kernel", function()
      return page:ask({ t = "ask", words = { "tcp", conn } }).last.unread == 1
    end)
    assert.is_true(page:ask({ t = "ask", words = { "step", conn } }).ok)
    assert.equal("a2", peer:receive(2))
    assert.is_true(page:ask({ t = "ask", words = { "send", conn }, hex = "00ff22" }).ok)
    assert.equal("\0\255\"", peer:receive(3))
    for _, words in ipairs { { "eval", "test.lua", "1" }, { "upgrade" }, { "shutdown" }, { "try" },
      { "events" }, {}, { 1 }, { {} }, { "nothing" } } do
      local answer = page:ask({ t = "ask", words = cjson.decode(cjson.encode(words)) })
      assert.is_false(answer.ok)
      assert.is_string(answer.error)
    end
    assert.matches("there is no connection 9999", page:ask({ t = "ask",
      words = { "kick", "9999" } }).error, 1, true)
    assert.is_true(page:ask({ t = "ask", words = { "kick", conn } }).ok)
  end)

  it("edits a script in memory, takes it back, and writes its file when told", function()
    local started = start()
    local page, other = started:page(), started:page()
    local source = page:ask({ t = "source", script = path })
    assert.equal(answering("a"), source.text)
    assert.is_false(source.in_memory)
    local checked = page:ask({ t = "check", script = path, text = "\nx =" })
    assert.same({ { line = 2, message = "unexpected symbol near <eof>" } }, checked.errors)
    assert.same({}, page:ask({ t = "check", script = path, text = "return 1" }).errors)
    local refused = page:ask({ t = "apply", script = path, text = "\n\nerror('no')" })
    assert.is_false(refused.ok)
    assert.same({ { line = 3, message = "no" } }, refused.errors)
    served:allow_log("test.lua:3: no")
    served:allow_log("not reloaded")
    local peer = served:connect()
    local applied = page:ask({ t = "apply", script = path, text = answering("b") })
    assert.is_true(applied.ok, applied.error)
    assert.equal(2, applied.version)
    local edited = other:next("edited")
    assert.equal("other", edited.by)
    assert.is_true(edited.in_memory)
    peer:send("1")
    assert.equal("b1", peer:receive(2))
    assert.equal(answering("a"), read(path))
    source = page:ask({ t = "source", script = path })
    assert.is_true(source.in_memory)
    assert.equal(answering("a"), source.file_text)
    assert.is_true(page:ask({ t = "rollback", script = path }).ok)
    peer:send("2")
    assert.equal("a2", peer:receive(2))
    assert.is_true(page:ask({ t = "apply", script = path, text = answering("c") }).ok)
    os.execute("chmod 640 " .. path)
    local written = page:ask({ t = "write", script = path, digest = source.digest })
    assert.is_true(written.ok, written.error)
    assert.equal(answering("c"), read(path))
    local mode = io.popen("stat -c %a " .. path):read("l")
    assert.equal("640", mode)
  end)

  it("does not write over what somebody else has written meanwhile", function()
    local started = start()
    local page = started:page()
    local digest = page:ask({ t = "source", script = path }).digest
    folder:write("test.lua", answering("z"))
    -- What another page is shown is not shown here: this overwrote what somebody had written.
    assert.is_true(started:page():ask({ t = "source", script = path }).ok)
    local refused = page:ask({ t = "write", script = path, text = answering("c"), digest = digest })
    assert.is_false(refused.ok)
    assert.is_true(refused.changed)
    assert.matches("was changed by somebody else", refused.error, 1, true)
    assert.equal(answering("z"), read(path))
    assert.is_true(page:ask({ t = "write", script = path, text = answering("c"), force = true }).ok)
    assert.equal(answering("c"), read(path))
    local long = answering("d") .. ("-"):rep(200000)
    assert.is_true(page:ask({ t = "write", script = path, text = long, force = true }).ok)
    assert.equal(long, read(path))
    os.execute("chmod 444 " .. path)
    assert.matches("is read-only", page:ask({ t = "write", script = path, text = "x",
      force = true }).error, 1, true)
    assert.equal(long, read(path))
    assert.matches("in memory a script has at most",
      page:ask({ t = "apply", script = path, text = ("-"):rep(200000) }).error, 1, true)
  end)

  it("has a server recorded, and a recording is shown and replayed against another text", function()
    local started = start()
    local page = started:page()
    local begun = page:ask({ t = "record", on = true })
    assert.is_true(begun.ok, begun.error)
    local refused = page:ask({ t = "record", on = true })
    assert.matches("there is a recording under way", refused.error, 1, true)
    local peer = served:connect()
    peer:send("hello")
    assert.equal("ahello", peer:receive(6))
    peer:close()
    page:event("close")
    loop.eventually("the recording", function()
      return read(begun.path):find('"close"', 1, true)
    end)
    assert.is_true(page:ask({ t = "record", on = false }).ok)
    local cookie, base = started:admit()
    local head = started:request(base .. "recording", { cookie = cookie })
    assert.equal(200, head.status)
    assert.matches("attachment", head["content-disposition"], 1, true)

    local shown = inspector.start(moonport, { begun.path })
    local player = shown:page()
    assert.equal("recording", player.hello.mode)
    assert.is_true(player.hello.may.replay)
    assert.is_false(player.hello.may.edit)
    assert.matches("5 bytes", player:event("data").what, 1, true)
    player:next("status") -- that it was read to its end
    assert.equal(answering("a"), player:ask({ t = "source", script = "test.lua" }).text)
    local same = player:ask({ t = "replay", cut = "recorded" })
    assert.is_true(same.same, same.output)
    local changed = player:ask({ t = "replay", cut = "recorded", script = "test.lua",
      text = answering("b") })
    assert.is_false(changed.same)
    assert.matches("the answers differ from byte 0 on", changed.output, 1, true)
    assert.is_false(player:ask({ t = "apply", script = "test.lua", text = "x" }).ok)
    assert.matches("used more than limits.cpu_ms", player:ask({ t = "replay", cut = "every",
      script = "test.lua", text = "while true do end" }).output, 1, true)
    os.remove(begun.path)
  end)

  -- Both were begun, and one of them ended only when the server did.
  it("has one recording where two pages ask for one at once", function()
    local started = start()
    local one, other = started:page(), started:page()
    one:server()
    local message = { t = "record", id = 1, on = true }
    one:send(message)
    other:send(message)
    local begun, refused = one:next("answer"), other:next("answer")
    if refused.ok then begun, refused = refused, begun end
    assert.is_true(begun.ok, begun.error)
    assert.is_false(refused.ok)
    assert.is_true(one:ask({ t = "record", on = false }).ok)
    assert.is_false(other:ask({ t = "record", on = false }).ok)
    os.remove(begun.path)
  end)

  it("replays against a text whose file has any name, and leaves nothing behind", function()
    local recorded = moonport:directory():write("one.jsonl",
      '{"moonport_recording":1,"version":"0.1.0","time_ns":1,"unix_ns":1}\n' ..
      '{"seq":1,"time_ns":2,"event":"accept","script":"a%1.lua","conn":1,"peer":"127.0.0.1:1",' ..
      '"local":"127.0.0.1:2"}\n')
    local temporary = moonport:directory()
    local player = inspector.start(moonport, { recorded },
      { env = { TMPDIR = temporary.path } }):page()
    local function replay(name, text)
      return player:ask({ t = "replay", cut = "every", script = name, text = text })
    end
    assert.matches("a%1.lua:1: syntax error", replay("a%1.lua", "x").output, 1, true)
    assert.matches("cannot be written", replay(("x"):rep(300), "x").error, 1, true)
    for _, name in ipairs { "..", ".", "a/", "" } do
      assert.matches("against which script?", replay(name, "x").error, 1, true)
    end
    assert.equal("", io.popen("ls -A '" .. temporary.path .. "'"):read("a"))
  end)

  it("shows what there is of a recording that was cut, and refuses what is none", function()
    local where = moonport:directory()
    local header = '{"moonport_recording":1,"version":"0.1.0","time_ns":1,"unix_ns":1}\n'
    local event = '{"seq":1,"time_ns":2,"event":"listen","source":"kernel","script":"a.lua",' ..
      '"address":"tcp://127.0.0.1:1"}\n'
    local cut = where:write("cut.jsonl", header .. event .. "no json\n" .. event:sub(1, 20))
    local page = inspector.start(moonport, { cut }):page()
    local batch = page:next("events")
    assert.equal(1, #batch.list)
    assert.equal(1, batch.dropped)
    assert.matches("was cut: its last line", page:next("told").text, 1, true)
    local cases = {
      ["is no recording of moonport"] = where:write("x.jsonl", "hello\n"),
      ["a recording in format 9, of moonport 7"] = where:write("new.jsonl",
        '{"moonport_recording":9,"version":"7"}\n'),
      ["No such file or directory"] = where:join("none"),
    }
    for sentence, file in pairs(cases) do
      local result = moonport:run({ "inspect", file })
      assert.equal(1, result.code)
      assert.matches(sentence, result.stderr, 1, true)
      assert.equal("", result.stdout)
    end
  end)

  it("has the lessons", function()
    local started = start()
    local page = started:page()
    local list = page:ask({ t = "lessons", lang = "ko" }).lessons
    assert.is_true(#list >= 12)
    local lesson = page:ask({ t = "lesson", name = list[1].name, lang = "en" })
    assert.matches("^# ", lesson.text)
    assert.is_string(lesson.start)
    local judged = page:ask({ t = "judge", name = list[1].name, text = "error('no')", lang = "en" })
    assert.is_true(judged.ok, judged.error)
    assert.is_false(judged.passed)
    assert.is_true(#judged.hints > 0)
    assert.is_false(page:ask({ t = "lesson", name = "/etc", lang = "en" }).ok)
    assert.is_true(page:ask({ t = "lessons", lang = 7 }).ok)
  end)

  it("that stops reading costs no memory, misses events, and is told how many", function()
    local started = start("return { on_data = function(conn, data) conn:send(data) end }",
      { env = { ASAN_OPTIONS = "quarantine_size_mb=1" } }) -- what is freed must leave the figure
    local stalled, reading = started:page({ receive_buffer = 4096 }), started:page()
    reading:server()
    local peer = served:connect()
    -- Until 20,000 events have come: a page's ring has 5,000, and the kernel may hold as many.
    local before, newest = nil, 0
    for _ = 1, 2000 do
      if newest > 20000 then break end
      for _ = 1, 200 do
        peer:send(("x"):rep(500))
        peer:receive(500)
      end
      newest, reading.events = reading:event("data").n, {}
      if newest > 8000 then before = before or started.child:rss() end
    end
    assert.is_true(newest > 20000)
    assert.is_true(started.child:rss() - before < 64 * 1024 * 1024)
    local dropped = 0
    repeat
      local batch = stalled:next("events")
      dropped = dropped + batch.dropped
    until dropped > 0 or batch.list[#batch.list].n >= newest
    assert.is_true(dropped > 0)
    server.assert_no_report(started.child:stderr())
  end)
end)
