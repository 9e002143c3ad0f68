-- scripts_notes_spec.lua — scripts/notes.lua: a JSON API, asked by curl, and changed under way.

local cjson = require "cjson"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("scripts/notes.lua", function()
  local moonport = rig.new()

  -- The status, and what the JSON says, if there is any.
  local function ask(server, path, ...)
    local url = "http://127.0.0.1:" .. server:port() .. path
    local result = shell.run({ "curl", "-sS", "--noproxy", "*", "-w", "\n%{http_code}", url, ... })
    assert.equal("", result.stderr)
    local text, status = result.stdout:match("^(.-)\n?(%d+)$")
    return tonumber(status), text ~= "" and cjson.decode(text) or nil
  end

  local function start()
    return moonport:serve({ "--listen", "127.0.0.1:0", "scripts/notes.lua" })
  end

  it("keeps notes, lists them in order, and deletes one", function()
    local server = start()
    local status, list = ask(server, "/notes")
    assert.equal(200, status)
    assert.same({}, list)
    local milk = { id = 1, text = "buy milk" }
    local cat = { id = 2, text = "고양이 \"밥\"" }
    assert.same({ 201, milk }, { ask(server, "/notes", "-d", '{"text":"buy milk"}') })
    assert.same({ 201, cat }, { ask(server, "/notes", "-d", cjson.encode(cat)) })
    assert.same({ 200, { milk, cat } }, { ask(server, "/notes") })
    assert.same({ 200, cat }, { ask(server, "/notes/2") })
    assert.same({ 204 }, { ask(server, "/notes/1", "-X", "DELETE") })
    assert.same({ 200, { cat } }, { ask(server, "/notes") })
    assert.equal(404, (ask(server, "/notes/1")))
    assert.equal(404, (ask(server, "/elsewhere")))
  end)

  it("says what is wrong with what is sent", function()
    local server = start()
    local status, answer = ask(server, "/notes", "-d", '{"text":}')
    assert.equal(400, status)
    assert.matches("line 1, column 9", answer.error)
    assert.equal(422, (ask(server, "/notes", "-d", '{"txt":"x"}')))
    assert.equal(422, (ask(server, "/notes", "-d", '"text"')))
    assert.equal(413, (shell.run({ "sh", "-c",
      "head -c 70000 /dev/zero | curl -s -o /dev/null -w '%{http_code}' --data-binary @- "
      .. "http://127.0.0.1:" .. server:port() .. "/notes" }).stdout + 0))
    server:allow_log("refused with 413")
  end)

  it("has its notes still when it is changed", function()
    local directory = moonport:directory()
    local file <close> = assert(io.open("scripts/notes.lua"))
    local text = file:read("a")
    local path = directory:write("notes.lua", text)
    local server = moonport:serve({ "--listen", "127.0.0.1:0", path })
    ask(server, "/notes", "-d", '{"text":"stay"}')
    local changed = text:gsub("there is no such thing", "nothing here")
    -- At once: half of it must not be loaded.
    assert(os.rename(directory:write("changed", changed), path))
    server:wait_for("version 2")
    assert.same({ 200, { { id = 1, text = "stay" } } }, { ask(server, "/notes") })
    assert.same({ 404, { error = "nothing here" } }, { ask(server, "/notes/2") })
  end)
end)
