-- scripts_ticks_spec.lua — scripts/ticks.lua: events for whoever listens, until he goes.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("scripts/ticks.lua", function()
  local moonport = rig.new()

  local function listen(server)
    local peer = server:connect()
    peer:send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    return peer
  end

  -- Reads until a line begins so, and gives what follows.
  local function next_line(peer, beginning)
    for _ = 1, 100 do
      local found = peer:receive_line():match("^" .. beginning .. "(.-)\r?$")
      if found then return found end
    end
    error("no line begins with " .. beginning)
  end

  it("tells all who listen what time it is, and how many they are", function()
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "scripts/ticks.lua" })
    local first, second = listen(server), listen(server)
    next_line(first, "event: watchers")
    assert.equal("1", next_line(first, "data: "))
    next_line(first, "event: watchers")
    assert.equal("2", next_line(first, "data: "))
    assert.matches("^%d%d:%d%d$", next_line(second, "data: %d%d:"))
    second:close()
    next_line(first, "event: watchers")
    assert.equal("1", next_line(first, "data: "))
    first:close()
    server:wait_idle()
  end)

  it("has a page, and nothing else", function()
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "scripts/ticks.lua" })
    local url = "http://127.0.0.1:" .. server:port()
    local page = shell.run({ "curl", "-sS", url .. "/" }).stdout
    assert.matches("new EventSource%(\"/events\"%)", page)
    assert.equal("404", shell.run({ "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
      url .. "/favicon.ico" }).stdout)
  end)
end)
