-- browser_spec.lua — the scripts with a page, in Chromium, where there is one — not their servers.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local missing = not shell.has("chromium") and "there is no chromium"
  or shell.run({ "/usr/bin/python3", "-c", "import websockets" }).code ~= 0
  and "there is no python3-websockets"

describe("In a browser", function()
  local moonport = rig.new()

  local function serve(script)
    local server = moonport:serve({ "--listen", "127.0.0.1:0", script })
    finally(function() server:signal("sigterm") end)
    return "http://127.0.0.1:" .. server:port() .. "/"
  end

  local function look(...)
    if missing then return pending(missing) end
    local result = shell.run({ "/usr/bin/python3", "tests/support/browser.py", ... })
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
  end

  it("scripts/ticks.lua shows the time as it passes, and who watches", function()
    local url = serve("scripts/ticks.lua")
    local function text(id) return ('document.getElementById(%q).textContent'):format(id) end
    look(url, text("time"), "^\\d\\d:\\d\\d:\\d\\d$", url, text("watchers"), "^1$",
      url .. "?two", text("watchers"), "^2$", url, text("watchers"), "^2$")
  end)

  it("scripts/web_chat.lua carries what one says to the others of the room", function()
    local url = serve("scripts/web_chat.lua")
    local lines = 'document.getElementById("lines").textContent'
    local say = [[(document.querySelector("input").value = "<b>hi</b>",
      document.querySelector("form").requestSubmit(), %s)]]
    local ada, bob, eve = url .. "?name=ada#tea", url .. "?name=bob#tea", url .. "?name=eve#water"
    look(ada, lines, "ada came in", bob, lines, "bob came in", eve, lines, "eve came in",
      bob, say:format(lines), "", ada, lines, "bob: <b>hi</b>", eve, lines, "^eve came in$")
  end)
end)
