-- scripts_daytime_spec.lua — scripts/daytime.lua: the time, then the end (RFC 867).

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- "Sunday, November 22, 2026 17:37:43-UTC\r\n"
local PATTERN = "^%u%l+day, %u%l+ %d%d, %d%d%d%d %d%d:%d%d:%d%d%-%S+\r\n$"

describe("scripts/daytime.lua", function()
  local moonport = rig.new()

  local function start()
    return moonport:serve({ "--listen", "127.0.0.1:0", "scripts/daytime.lua" },
      { env = { TZ = "UTC" } })
  end

  it("tells nc the time and hangs up", function()
    -- -d: nc reads no input, so that only the server can end this.
    local result = shell.run({ "nc", "-d", "127.0.0.1", tostring(start():port()) })
    assert.matches(PATTERN, result.stdout)
    assert.equal(0, result.code)
  end)

  it("tells the time of now", function()
    local server = start()
    local before = os.time()
    local text = server:connect():receive_all()
    local after = os.time()
    local told = text:match("%d%d:%d%d:%d%d")
    local fits = false
    for time = before, after do fits = fits or os.date("!%H:%M:%S", time) == told end
    assert.is_true(fits, text)
  end)

  it("tells it to one who talks all the time", function()
    local peer = start():connect()
    peer:offer(("and what time is it now? "):rep(10000))
    assert.matches(PATTERN, peer:receive_all())
    peer:wait_sent()
  end)
end)
