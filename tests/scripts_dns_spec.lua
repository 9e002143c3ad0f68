-- scripts_dns_spec.lua — scripts/dns.lua, as dig sees it, and what no resolver would send.

local luasocket = require "socket"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("scripts/dns.lua", function()
  local moonport = rig.new()

  local function serve()
    return moonport:serve({ "--listen", "udp://127.0.0.1:0", "scripts/dns.lua" })
  end

  local function dig(server, ...)
    local result = shell.run({ "dig", "@127.0.0.1", "-p", tostring(server:port()), "+tries=1",
      "+time=5", ... })
    assert.equal(0, result.code, result.stdout)
    assert.equal("", result.stderr)
    return result.stdout
  end

  it("has addresses and a text for dig, however the name is written", function()
    local server = serve()
    assert.equal("192.0.2.1\n192.0.2.2\n", dig(server, "+short", "moon.test", "A"))
    assert.equal("2001:db8::1\n", dig(server, "+short", "moon.test", "AAAA"))
    assert.equal('"one small step"\n', dig(server, "+short", "moon.test", "TXT"))
    assert.equal("192.0.2.80\n", dig(server, "+short", "PORT.Test", "A"))
  end)

  it("leaves dig nothing to warn of, with EDNS and without", function()
    local server = serve()
    for _, option in ipairs({ "+edns", "+noedns" }) do
      local told = dig(server, "+norecurse", option, "moon.test", "A")
      assert.matches("status: NOERROR", told)
      assert.matches("flags: qr aa; QUERY: 1, ANSWER: 2,", told)
      assert.matches("\nmoon%.test%.%s+60%s+IN%s+A%s+192%.0%.2%.1\n", told)
      assert.is_nil(told:find("WARNING", 1, true), told)
    end
  end)

  it("tells a name without such records from no name, and from one of others", function()
    local server = serve()
    for name, status in pairs({ ["port.test"] = "NOERROR", ["nobody.test"] = "NXDOMAIN",
      ["example.org"] = "REFUSED" }) do
      local told = dig(server, name, "TXT")
      assert.matches("status: " .. status, told)
      assert.matches("ANSWER: 0,", told)
    end
    assert.matches("status: NOTIMP", dig(server, "+opcode=status", "moon.test"))
  end)

  it("answers nonsense with an error or not at all, and goes on", function()
    local server = serve()
    local peer = assert(luasocket.udp())
    peer:settimeout(5)
    assert(peer:setpeername("127.0.0.1", server:port()))
    local function query(flags, rest) return string.pack(">I2I2I2I6", 7, flags, 1, 0) .. rest end
    for _, packet in ipairs({ "", "short", query(0x8000, "\4moon\4test\0\0\1\0\1") }) do
      assert(peer:send(packet)) -- too short to answer; a reply, which could go on for ever
    end
    -- A name that is cut, has no type behind it, points at itself, or is longer than the packet.
    for _, rest in ipairs({ "", "\4mo", "\4moon\4test\0", "\xC0\x0C\0\1\0\1", "\63x\0\1\0\1" }) do
      assert(peer:send(query(0, rest)))
      local reply = assert(peer:receive())
      assert.equal(string.pack(">I2I2I2I6", 7, 0x8401, 0, 0), reply)
    end
    peer:close()
    assert.equal("192.0.2.80\n", dig(server, "+short", "port.test", "A"))
  end)
end)
