-- scripts_rate_limit_spec.lua — scripts/rate_limit.lua in two workers, asked by curl.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

supports.describe("LMDB", "scripts/rate_limit.lua", function()
  local moonport = rig.new()

  local function ask(server, path, words)
    local command = { "curl", "-sS", "--noproxy", "*" }
    for _, word in ipairs(words or {}) do command[#command + 1] = word end
    command[#command + 1] = "http://127.0.0.1:" .. server:port() .. path
    local result = shell.run(command)
    assert.equal("", result.stderr)
    return result.stdout
  end

  it("counts the requests of an address over all workers, and refuses what is too much", function()
    local server = moonport:serve({ "--workers", "2", "--listen", "127.0.0.1:0",
      "scripts/rate_limit.lua" })
    local told = {}
    for index = 1, 12 do told[index] = ask(server, "/") end
    for index = 1, 10 do assert.equal(("request %d of 10\n"):format(index), told[index]) end
    assert.equal("too many requests\n", told[11])
    assert.equal("too many requests\n", told[12])
    -- Another address has its own.
    assert.equal("request 1 of 10\n", ask(server, "/", { "--interface", "127.0.0.9" }))
    local refused = ask(server, "/", { "-i" })
    assert.matches("^HTTP/1%.1 429 Too Many Requests\r\n", refused)
    local seconds = tonumber(refused:match("\r\nretry%-after: (%d+)\r\n"))
    assert.is_true(seconds > 0 and seconds <= 60)
    assert.equal("11 served, 3 refused\n", ask(server, "/stats"))
  end)
end)
