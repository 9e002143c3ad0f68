-- address_module_spec.lua — moonport.address, and hosts that a peer sent to be connected to — opens
-- nothing but what it is asked for.

local program = require "tests.support.program"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"

describe("moonport.address", function()
  local moonport = rig.new()

  local function lines(code)
    return program.lines(moonport, 'local address = require "moonport.address"\n' .. code)
  end

  supports.it("abstract-sockets", "takes addresses apart and puts them together again", function()
    assert.same({
      "tcp|127.0.0.1|80|nil|tcp://127.0.0.1:80", "nil|::1|7000|nil|[::1]:7000",
      "nil|nil|8080|nil|:8080", "tls|example.org|443|nil|tls://example.org:443",
      "udp|nil|53|nil|udp://:53", "unix|nil|nil|/run/x.sock|unix:///run/x.sock",
      "unix|nil|nil|x.sock|unix:x.sock", "unix|nil|nil|@x|unix:@x", "unix|nil|nil|nil|unix:",
      "nil|fe80::1%lo|9|nil|[fe80::1%lo]:9",
    }, lines [[
      for _, text in ipairs({ "TCP://127.0.0.1:80", "[::1]:7000", "8080", "tls://example.org:443",
        "udp://:53", "unix:/run/x.sock", "unix:x.sock", "unix:@x", "unix:", "[fe80::1%lo]:9" }) do
        local parts = address.parse(text)
        print(table.concat({ tostring(parts.scheme), tostring(parts.host), tostring(parts.port),
          tostring(parts.path), address.format(parts) }, "|"))
      end
    ]])
  end)

  it("says of what is no address why", function()
    local told = lines [[
      for _, text in ipairs({ "", "localhost", "http://x:80", "x:80\0", "::1", "unix:/x\0y" }) do
        print(select("#", address.parse(text)), table.unpack({ address.parse(text) }, 1, 3))
      end
    ]]
    for index, reason in ipairs({ "is empty", "has no port", 'starts with "http://"', "NUL byte",
      "%[::1%]:PORT", "NUL byte" }) do
      assert.matches("^3\tnil\tEINVAL\t.*" .. reason, told[index])
    end
  end)

  -- A SOCKS5 script joined what its client sent to a port and connected to that:
  -- "unix:/run/x.sock" and
  -- "unix:///run/x.sock\0.example.com" reached a Unix socket of the machine, and "" the machine
  -- itself.
  it("takes nothing for a host but a name or a number", function()
    local hosts = [[{ "unix:/x", "unix:///run/x.sock\0.example.com", "tcp://localhost", "", "*",
      "a b", "a/b", "user@a", "a:80", "[a]", "a\0", "127.0.0.1%lo", ("x"):rep(256), "a]", "[" }]]
    for _, call in ipairs({ "address.format(host, 9)", "socket.connect(host, 9)",
      "socket.connect(host, 9, { tls = true, timeout = 1 })", "socket.tcp():connect(host, 9)",
      "socket.udp():sendto('x', host, 9)", "socket.udp():connect(host, 9)" }) do
      local told = lines(([[
        for _, host in ipairs(%s) do
          local ok, code, detail = %s
          print(tostring(ok) .. " " .. tostring(code) .. " " .. tostring(detail))
        end
      ]]):format(hosts, call))
      assert.equal(15, #told)
      for _, line in ipairs(told) do assert.matches("^nil EINVAL host ", line, nil, call) end
    end
  end)

  it("joins a host and a port", function()
    local expected = { "example.org:80", "[::1]:80", "[::1]:80", "10.0.0.1:0", "EINVAL", "EINVAL" }
    assert.same(expected, lines [[
      print(address.format("example.org", 80))
      print(address.format("::1", 80))
      print(address.format("[::1]", 80))
      print(address.format("10.0.0.1", 0))
      print((select(2, address.format("x", 65536))))
      print((select(2, address.format("x", -1))))
    ]])
  end)

  it("raises for what the author cannot mean", function()
    local told = lines [[
      for _, parts in ipairs({ { hots = "x" }, { host = "x" }, { host = 5, port = 1 },
        { scheme = "http", port = 1 } }) do
        print((select(2, pcall(address.format, parts))))
      end
      print((select(2, pcall(address.in_network, "10.0.0.1", "10.0.0.0/33"))))
      print((select(2, pcall(address.in_network, "10.0.0.1", { "10.0.0.0/8", "here" }))))
      print((select(2, pcall(address.pack, "10.0.0.1", 80))))
    ]]
    for index, reason in ipairs({ "no field 'hots'", "'port' of the address must be",
      "'host' of the address must be", "none of tcp, udp, tls and unix",
      "'10.0.0.0/33' is no network",
      "'here' is no network", "a port is string.pack" }) do
      assert.matches(reason, told[index], 1, true)
    end
  end)

  it("packs and unpacks what travels in SOCKS, DNS and PROXY", function()
    local expected = { "7f000001", "127.0.0.1", "16", "2001:db8::1", "nil EINVAL", "nil EINVAL" }
    assert.same(expected, lines [[
      print((address.pack("127.0.0.1"):gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
      print(address.unpack("\127\0\0\1"))
      print(#address.pack("2001:db8::1"))
      print(address.unpack(address.pack("2001:db8::1")))
      local ok, code = address.pack("localhost")
      print(tostring(ok) .. " " .. code)
      ok, code = address.unpack("12345")
      print(tostring(ok) .. " " .. code)
    ]])
  end)

  it("knows which network an address is in", function()
    assert.same({ "true false true false true true false true true true false nil" }, lines [[
      local is = address.in_network
      local told = {}
      for _, asked in ipairs({ { "10.1.2.3", "10.0.0.0/8" }, { "11.1.2.3", "10.0.0.0/8" },
        { "192.168.1.129", "192.168.1.128/25" }, { "192.168.1.1", "192.168.1.128/25" },
        { "1.2.3.4", "0.0.0.0/0" }, { "::1", "::/0" }, { "::1", "0.0.0.0/0" },
        { "::ffff:10.0.0.1", "10.0.0.0/8" }, { "fd12::1", { "10.0.0.0/8", "fd00::/8" } },
        { "10.9.9.9", "::ffff:10.0.0.0/104" }, { "10.0.0.1", "10.0.0.2" },
        { "example.org", "10.0.0.0/8" } }) do
        told[#told + 1] = tostring((is(table.unpack(asked))))
      end
      print(table.concat(told, " "))
    ]])
  end)

  it("is how connections are named: a host and a port go where one text would", function()
    assert.same({ "true", "true", "true", "true" }, program.lines(moonport, [[
      local pool = require "moonport.pool"
      local listener = socket.tcp()
      listener:bind("127.0.0.1", 0)
      listener:listen()
      local port = require("moonport.address").parse(listener:getsockname()).port
      local conn <close> = socket.connect("127.0.0.1", port)
      local later <close> = socket.connect("localhost", port, { timeout = 5 })
      local sock <close> = socket.tcp()
      print(conn ~= nil)
      print(later ~= nil)
      print(sock:connect("127.0.0.1", port))
      local several = pool.new("127.0.0.1", port, { size = 2 })
      print(several:get() ~= nil)
      several:close()
    ]]))
  end)
end)
