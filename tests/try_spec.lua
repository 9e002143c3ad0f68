-- try_spec.lua — a script whose text is in memory: put in force, taken back, and what its file does
-- meanwhile — not what a reload does to connections (reload_versions_spec).

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"

local function answering(name, before)
  return ("%s\nreturn { on_data = function(conn, data) conn:send(%q .. data) end }"):format(
    before or "", name)
end

local function quoted(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n") .. '"'
end

local function try(peer, script, text)
  return control.ask(peer, ("try %s %s"):format(script, quoted(text)))
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local REFUSED = {
  ["is no Lua"] = { "x =", "test.lua:1: unexpected symbol near <eof>" },
  ["raises while it loads"] = { "\nerror('no')", "test.lua:2: no" },
  ["loops"] = { "while true do end", "test.lua:1: used more than limits.cpu_ms" },
  ["eats memory"] = {
    "\nlocal text = ('x'):rep(1e9)", "test.lua: not enough memory" },
  ["never comes to its end"] = {
    "\n(('a'):rep(60)):find(('a?'):rep(60) .. ('a'):rep(60) .. 'b')",
    "test.lua: loading it takes longer than --trial 1 s", "1" },
  ["is no service"] = { "return { listn = 1 }", "test.lua: " },
}

describe("A text in memory", function()
  local moonport = rig.new()

  it("comes into force for the connections that are there, and the file stays as it is", function()
    local at = reloading.start(moonport, answering("a"))
    local peer = at.server:connect()
    reloading.ask(peer, "1", "a1")
    local lines, last = try(at.asked, "test.lua", answering("b"))
    assert.same({ ok = true }, last)
    assert.equal(1, #lines)
    assert.same({ outcome = "reloaded", version = 2, in_memory = true, script = lines[1].script },
      lines[1])
    reloading.ask(peer, "2", "b2")
    assert.equal(answering("a"), read(at.folder:join("test.lua")))
    at.server:expect_log("reloaded: version 2 is in force, in memory: its file has another text")
    assert.is_true(at:status().in_memory)
    assert.is_true(control.ask(at.asked, "versions test.lua")[1].in_memory)
    lines, last = control.ask(at.asked, "untry test.lua")
    assert.same({ ok = true }, last)
    assert.same({ outcome = "reloaded", version = 3, in_memory = false, script = lines[1].script },
      lines[1])
    reloading.ask(peer, "3", "a3")
    assert.is_false(at:status().in_memory)
  end)

  for what, case in pairs(REFUSED) do
    it("that " .. what .. " changes nothing, and the answer says where", function()
      local limited = answering("a"):gsub("return {",
        "%0 limits = { memory = '16M', cpu_ms = 200 },")
      local at = reloading.start(moonport, limited, { env = { MOONPORT_TRIAL = case[3] or "10" } })
      local peer = at.server:connect()
      local lines, last = try(at.asked, "test.lua", case[1])
      assert.is_false(last.ok)
      assert.matches(case[2], last.error, 1, true)
      assert.equal("failed", lines[1].outcome)
      assert.equal(1, lines[1].version)
      at.server:expect_log("test.lua")
      at.server:allow_log("not reloaded: version %d stays in force")
      reloading.ask(peer, "1", "a1")
      assert.is_false(at:status().in_memory)
      -- What was in memory before stays there, too.
      assert.is_true(select(2, try(at.asked, "test.lua", answering("b"))).ok)
      assert.is_false(select(2, try(at.asked, "test.lua", "x =")).ok)
      at.server:expect_log("unexpected symbol")
      reloading.ask(peer, "2", "b2")
      assert.is_true(at:status().in_memory)
    end)
  end

  it("gives way to its file when that changes, and to a reload", function()
    local folder = moonport:directory()
    local server = moonport:serve({ "--listen", "127.0.0.1:0",
      folder:write("test.lua", answering("a")) }, { control = true })
    local asked, peer = control.connect(server), server:connect()
    assert.is_true(select(2, try(asked, "test.lua", answering("b"))).ok)
    reloading.ask(peer, "1", "b1")
    folder:write("test.lua", answering("c"))
    server:wait_for("its file changed: that counts from now on, and not the text in memory")
    server:wait_for("reloaded: version 3 is in force")
    reloading.ask(peer, "2", "c2")
    assert.is_true(select(2, try(asked, "test.lua", answering("d"))).ok)
    reloading.ask(peer, "3", "d3")
    assert.is_true(select(2, control.ask(asked, "reload")).ok)
    reloading.ask(peer, "4", "c4")
  end)

  it("stays when a file changes that the script requires", function()
    local folder = moonport:directory()
    folder:write("part.lua", "return '1'")
    local text = "local part = require 'part'\n" ..
      "return { on_data = function(conn) conn:send(%q .. part) end }"
    local server = moonport:serve({ "--listen", "127.0.0.1:0",
      folder:write("test.lua", text:format("a")) }, { control = true })
    local asked, peer = control.connect(server), server:connect()
    assert.is_true(select(2, try(asked, "test.lua", text:format("b"))).ok)
    reloading.ask(peer, "?", "b1")
    folder:write("part.lua", "return '2'")
    server:wait_for("reloaded: version 3 is in force, in memory")
    reloading.ask(peer, "?", "b2")
  end)

  it("that is what the file has, is none in memory", function()
    local at = reloading.start(moonport, answering("a"))
    assert.is_true(select(2, try(at.asked, "test.lua", answering("a"))).ok)
    assert.is_false(at:status().in_memory)
  end)

  it("is refused where there is nothing to change, with a sentence", function()
    local at = reloading.start(moonport, answering("a"))
    local function fault(command) return select(2, control.ask(at.asked, command)).error end
    assert.matches('there is no script "other.lua": there are test.lua',
      fault "try other.lua x", 1, true)
    assert.matches("test.lua is in force as its file has it: there is nothing to undo",
      fault "untry test.lua", 1, true)
    assert.matches("in memory a script has at most 131072",
      fault("try test.lua " .. quoted(("-"):rep(131073))), 1, true)
    os.remove(at.folder:join("test.lua"))
    assert.matches("test.lua cannot be read (No such file or directory)",
      fault "try test.lua x", 1, true)
  end)

  it("of one client waits for no other: the second is told", function()
    local at = reloading.start(moonport, answering("a"), { env = { MOONPORT_TRIAL = "1" } })
    local other = control.connect(at.server)
    at.asked:send("try test.lua " .. quoted(REFUSED["never comes to its end"][1]) .. "\n")
    local refused = loop.eventually("a refusal", function()
      local _, last = try(other, "test.lua", answering("b"))
      return not last.ok and last.error
    end)
    assert.equal("another change of test.lua is being tried: ask again when that has ended",
      refused)
    at.server:allow_log("test.lua: loading it")
    at.server:allow_log("not reloaded")
    at.server:allow_log("reloaded: version 2 is in force, in memory")
    control.receive(at.asked)
    assert.is_true(select(2, try(other, "test.lua", answering("c"))).ok)
  end)

  it("is in all workers of a script, or in none", function()
    local folder = moonport:directory()
    local text = [[
      local worker = require "moonport.worker"
      return { workers = "all", on_data = function(conn) conn:send(%q .. worker.id) end }]]
    local server = moonport:serve({ "--workers", "2", "--listen", "127.0.0.1:0",
      folder:write("test.lua", text:format("a")) }, { control = true })
    local asked = control.connect(server)
    loop.eventually("the script in both", function()
      return #(control.ask(asked, "scripts")[1] or { workers = {} }).workers == 2
    end)
    local _, last = try(asked, "test.lua", text:format("b"))
    assert.is_true(last.ok, last.error)
    local heard = {}
    loop.eventually("an answer of each worker", function()
      local peer = server:connect()
      peer:send("?")
      heard[peer:receive(2)] = true
      return heard.b1 and heard.b2
    end)
    assert.is_nil(heard.a1 or heard.a2)
    _, last = try(asked, "test.lua", "x =")
    assert.matches("unexpected symbol", last.error, 1, true)
    server:allow_log("unexpected symbol")
    server:allow_log("not reloaded")
    _, last = control.ask(asked, "untry test.lua")
    assert.is_true(last.ok, last.error)
  end)
end)
