-- schemes_spec.lua — every scheme at every call that takes an address: taken, or refused with a
-- reason — does not say what follows of one that is taken.

local program = require "tests.support.program"
local rig = require "tests.support.rig"

-- By the call, of an address that is named `address`.
local calls = {
  ["socket.connect"] = "socket.connect(address)",
  ["pool.new"] = "pool.new(address):get()",
  ["tcp bind"] = "socket.tcp():bind(address)",
  ["tcp connect"] = "socket.tcp():connect(address)",
  ["unix bind"] = "socket.unix():bind(address)",
  ["unix connect"] = "socket.unix():connect(address)",
  ["udp bind"] = "socket.udp():bind(address)",
  ["udp connect"] = "socket.udp():connect(address)",
  ["udp sendto"] = "socket.udp():sendto('x', (address:gsub(':0$', ':9')))",
}

-- Which calls take an address of which scheme; all others refuse it.
local takes = {
  ["127.0.0.1:0"] = { "socket.connect", "pool.new", "tcp bind", "tcp connect", "udp bind",
    "udp connect", "udp sendto", "unix bind", "unix connect" }, -- to unix() it is a file's name
  ["tcp://127.0.0.1:0"] = { "socket.connect", "pool.new", "tcp bind", "tcp connect" },
  ["TCP://127.0.0.1:0"] = { "socket.connect", "pool.new", "tcp bind", "tcp connect" },
  ["udp://127.0.0.1:0"] = { "udp bind", "udp connect", "udp sendto" },
  ["unix:x.sock"] = { "socket.connect", "pool.new", "unix bind", "unix connect" },
  ["unix://DIRECTORY/y.sock"] = { "socket.connect", "pool.new", "unix bind", "unix connect" },
  ["tls://127.0.0.1:0"] = { "socket.connect", "pool.new", "tcp connect" },
  ["TLS://localhost:0"] = { "socket.connect", "pool.new", "tcp connect" },
  ["http://127.0.0.1:0"] = {},
  ["127.0.0.1:0\0.example.org"] = {},
  ["unix:x.sock\0"] = {},
}

-- What the reason says, as plain text, wherever it is refused.
local reasons = {
  ["tls://127.0.0.1:0"] = "a service listens there",
  ["TLS://localhost:0"] = "a service listens there",
  ["http://127.0.0.1:0"] = 'starts with "http://"',
  ["127.0.0.1:0\0.example.org"] = "contains a NUL byte",
  ["unix:x.sock\0"] = "contains a NUL byte",
  ["tcp://127.0.0.1:0"] = "socket.tcp() takes it",
  ["unix:x.sock"] = "socket.unix() takes it",
}

describe("an address", function()
  local moonport = rig.new()

  local function sorted_keys(set)
    local keys = {}
    for key in pairs(set) do keys[#keys + 1] = key end
    table.sort(keys)
    return keys
  end

  for address, takers in pairs(takes) do
    it(("%q is taken where its scheme is spoken, and refused elsewhere"):format(address), function()
      local place = moonport:directory().path
      local code = { "local pool = require 'moonport.pool'",
        ("local address = %q"):format(address:gsub("DIRECTORY", place)) }
      local names, is_taken = sorted_keys(calls), {}
      for _, name in ipairs(takers) do is_taken[name] = true end
      for _, name in ipairs(names) do
        code[#code + 1] = ([[do
          local ok, result, how, why = pcall(function() return %s end)
          if not ok then how, why = "EINVAL", result end
          print(how == "EINVAL" and "refused" or "taken", how == "EINVAL" and why)
        end]]):format(calls[name])
      end
      code[#code + 1] = "os.remove('x.sock') os.remove('127.0.0.1:0')"
      local lines = program.lines(moonport, table.concat(code, "\n"))
      for index, name in ipairs(names) do
        local how, why = lines[index]:match("^(%a+)\t(.*)$")
        assert.equal(name .. (is_taken[name] and " taken" or " refused"), name .. " " .. how)
        if how == "refused" and reasons[address] then
          assert.matches(reasons[address], why, 1, true)
        end
      end
    end)
  end

  it("of a socket may be a scheme and a host, with the port beside", function()
    assert.same({ "true", "127.0.0.1:" }, program.lines(moonport, [[
      local sock = socket.tcp()
      print(sock:bind("tcp://127.0.0.1", 0))
      print((sock:getsockname():gsub("%d+$", "")))
    ]]))
  end)

  it("of a peer in on_datagram is one for datagrams", function()
    local server = moonport:start([[
      local peers = { "tcp://127.0.0.1:9", "tls://127.0.0.1:9", "unix:/x", "127.0.0.1:9\0x",
        "udp://127.0.0.1:9", "127.0.0.1:9" }
      return {
        listen = "udp://127.0.0.1:0",
        on_datagram = function(sock)
          for _, peer in ipairs(peers) do
            print("> " .. tostring(pcall(sock.send, sock, "x", peer)))
          end
        end,
      }
    ]], { args = {} })
    local address = server:wait_for("listening on udp").message:match("udp://(.*)$")
    program.lines(moonport, ("socket.udp():sendto('x', %q)"):format(address))
    assert.same({ "false", "false", "false", "false", "true", "true" }, server:wait_told(6))
  end)

  it("with a NUL byte is none to listen on, and no name to look up", function()
    local path = moonport:directory():write("a.lua",
      "return { listen = '127.0.0.1:0\\0.example.org', on_data = print }")
    local result = moonport:run({ "check", path })
    assert.equal(1, result.code)
    assert.matches("which contains a NUL byte", result.log[1].message, 1, true)
    assert.same({ "nil\tEINVAL" }, program.lines(moonport, [[
      local list, code = socket.resolve("localhost\0.example.org")
      print(list, code)
    ]]))
  end)
end)
