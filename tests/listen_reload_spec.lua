-- listen_reload_spec.lua — where services listen after a reload: each kind of address and change.
-- What works at a start works at a reload; what fails says why, and leaves the old one at work.

local client = require "tests.support.client"
local control = require "tests.support.control"
local luasocket = require "socket"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local WAIT_SECONDS = 5

-- Below those that the kernel gives out, so that nobody is given it meanwhile.
local function free_port()
  for _ = 1, 100 do
    local port = math.random(15000, 30000)
    local tcp, udp = assert(luasocket.bind("0.0.0.0", 0)), assert(luasocket.udp())
    tcp:close()
    tcp = luasocket.bind("0.0.0.0", port)
    local ok = udp:setsockname("0.0.0.0", port)
    udp:close()
    if tcp then tcp:close() end
    if tcp and ok then return port end
  end
  error("no port is free")
end

-- Asks a Unix socket, which may be abstract, by somebody who is not moonport.
local function ask_unix(address)
  local result = shell.run({ "python3", "-c", [[
import socket, sys
name = sys.argv[1]
peer = socket.socket(socket.AF_UNIX)
peer.settimeout(5)
try:
    peer.connect("\0" + name[1:] if name[0] == "@" else name)
    print(peer.recv(100).decode(), end="")
except (ConnectionRefusedError, FileNotFoundError):
    print("nobody", end="")
]], (address:gsub("^unix:", "")) })
  assert.equal("", result.stderr)
  return result.stdout
end

local function ask_tcp(address)
  local peer = client.try_connect(address)
  if not peer then return "nobody" end
  local answer = peer:receive_all()
  peer:close()
  return answer
end

local function ask_udp(address)
  local host, port = address:match("^udp://(.*):(%d+)$")
  local udp <close> = setmetatable({ it = assert(luasocket.udp()) },
    { __close = function(self) self.it:close() end })
  udp.it:settimeout(WAIT_SECONDS)
  assert(udp.it:setpeername(host, tonumber(port)))
  assert(udp.it:send("who?"))
  local answer, err = udp.it:receive()
  return answer or (err == "refused" or err == "connection refused") and "nobody" or err
end

local asking = { tcp = ask_tcp, udp = ask_udp, unix = ask_unix }

-- Who answers at an address: what the service there is called, or "nobody".
local function ask(address)
  return asking[address:match("^%a+")](address)
end

-- A service that answers everybody with its name.
local function service(name, addresses, before)
  local has = {}
  for _, address in ipairs(addresses) do has[address:match("^udp") or "stream"] = true end
  local quoted = {}
  for index, address in ipairs(addresses) do quoted[index] = ("%q"):format(address) end
  return ([[
    %s
    return {
      listen = { %s },
      %s
      %s
    }
  ]]):format(before or "", table.concat(quoted, ", "),
    has.stream and ("on_open = function(conn) conn:send(%q) conn:close() end,"):format(name) or "",
    has.udp and ("on_datagram = function(it, _, peer) it:send(%q, peer) end,"):format(name) or "")
end

describe("after a reload", function()
  local moonport = rig.new()
  local folder, server, asked

  -- `services`: name -> list of addresses. Each is a file of its own.
  local function write(services, before)
    for name, addresses in pairs(services) do
      folder:write(name .. ".lua", service(name .. "1", addresses, before))
    end
  end

  local function start(services, args)
    folder = moonport:directory()
    write(services)
    local words, count = { "--no-watch", "--trial", "0" }, 0
    for name, addresses in pairs(services) do
      words[#words + 1] = folder:join(name .. ".lua")
      count = count + #addresses
    end
    table.move(args or {}, 1, #(args or {}), #words + 1, words)
    server = moonport:serve(words, { control = true, listeners = count })
    asked = control.connect(server)
  end

  -- Returns the errors of those that were not taken on, by the name of the service.
  local function reload(services, before)
    for name, addresses in pairs(services) do
      folder:write(name .. ".lua", service(name .. "2", addresses, before))
    end
    local failed = {}
    for _, line in ipairs((control.ask(asked, "reload"))) do
      if line.error then failed[line.script:match("(%w+)%.lua$")] = line.error end
    end
    server.sockets_at_start = server:sockets()
    return failed
  end

  local function answers(expected)
    local heard = {}
    for address in pairs(expected) do heard[address] = ask(address) end
    assert.same(expected, heard)
  end

  local function change(first, second, expected)
    start({ a = first })
    for _, address in ipairs(first) do
      assert.equal("a1", ask((address:gsub("0%.0%.0%.0", "127.0.0.3"))))
    end
    assert.same({}, reload({ a = second }))
    answers(expected)
  end

  -- Two and three that exchange what they have.
  local function exchange(addresses)
    local first, second, expected = {}, {}, {}
    for index, address in ipairs(addresses) do
      local name, next_name = ("abc"):sub(index, index), ("abc"):sub(index % #addresses + 1)
      first[name] = { address }
      second[next_name:sub(1, 1)] = { address }
      expected[address] = next_name:sub(1, 1) .. "2"
    end
    start(first)
    assert.same({}, reload(second))
    answers(expected)
    for _, record in ipairs(server.log) do assert.is_nil(record.message:match("cannot listen")) end
  end

  for _, scheme in ipairs({ "tcp", "udp" }) do
    describe(scheme, function()
      local one, two, third, all, other

      before_each(function()
        local port, next_port = free_port(), free_port()
        one = ("%s://127.0.0.1:%d"):format(scheme, port)
        two = ("%s://127.0.0.2:%d"):format(scheme, port)
        third = ("%s://127.0.0.3:%d"):format(scheme, port)
        all = ("%s://0.0.0.0:%d"):format(scheme, port)
        other = ("%s://127.0.0.1:%d"):format(scheme, next_port)
      end)

      it("answers at the same address", function()
        change({ one }, { one }, { [one] = "a2", [two] = "nobody" })
      end)

      it("answers at a wider one", function()
        change({ one }, { all }, { [one] = "a2", [two] = "a2" })
      end)

      it("answers at a narrower one", function()
        change({ all }, { one }, { [one] = "a2", [two] = "nobody" })
      end)

      it("answers at another host and at another port", function()
        change({ one }, { two, other }, { [one] = "nobody", [two] = "a2", [other] = "a2" })
      end)

      it("answers at several in place of one, and at one in place of several", function()
        change({ one, two }, { all }, { [one] = "a2", [two] = "a2", [third] = "a2" })
        assert.same({}, reload({ a = { one, two } }))
        answers({ [one] = "a2", [two] = "a2", [third] = "nobody" })
      end)

      it("answers at all addresses and at one of them beside, also at a start", function()
        start({ a = { one, all } })
        answers({ [one] = "a1", [two] = "a1" })
        assert.same({}, reload({ a = { all } }))
        answers({ [one] = "a2", [two] = "a2" })
        assert.same({}, reload({ a = { all, one, one } }))
        answers({ [one] = "a2", [two] = "a2" })
      end)

      it("lets two services exchange their addresses", function() exchange({ one, other }) end)

      it("lets three services pass theirs on", function() exchange({ one, two, other }) end)

      it("gives one service the port that another one has at a narrower address", function()
        start({ a = { one }, b = { other } })
        assert.same({}, reload({ a = { other }, b = { all } }))
        answers({ [one] = "b2", [two] = "b2", [other] = "a2" })
      end)

      it("keeps the old one, and says why, where a service keeps what another one wants", function()
        start({ a = { one }, b = { other } })
        server:allow_log("cannot listen")
        server:allow_log("not reloaded")
        local failed = reload({ a = { other } })
        assert.matches("cannot listen on .*: .*b%.lua already does", failed.a)
        answers({ [one] = "a1", [other] = "b1" })
      end)

      -- With SO_REUSEPORT on every socket of ours a reload could do what a start cannot.
      it("keeps the old one where another service keeps a part of the wider address", function()
        start({ a = { one }, b = { two } })
        server:allow_log("cannot listen")
        server:allow_log("not reloaded")
        local failed = reload({ a = { all } })
        assert.matches("cannot listen on .*b%.lua already listens on .*127%.0%.0%.2", failed.a)
        answers({ [one] = "a1", [two] = "b1" })
      end)

      it("undoes an exchange of which one part fails, and is tried again with the next change",
        function()
          start({ a = { one }, b = { other } })
          local is_tcp = scheme == "tcp"
          local taken = is_tcp and assert(luasocket.bind("127.0.0.4", 0)) or luasocket.udp()
          if scheme == "udp" then assert(taken:setsockname("127.0.0.4", 0)) end
          local _, port = taken:getsockname()
          server:allow_log("cannot listen")
          server:allow_log("not reloaded")
          local fourth = ("%s://127.0.0.4:%d"):format(scheme, port)
          local failed = reload({ a = { other, fourth }, b = { one } })
          assert.matches("cannot listen on " .. fourth:gsub("%p", "%%%0"), failed.a)
          assert.matches("a%.lua already does", failed.b)
          answers({ [one] = "a1", [other] = "b1" })
          taken:close()
          assert.same({}, reload({ a = { other, fourth } }))
          answers({ [one] = "b2", [other] = "a2", [fourth] = "a2" })
        end)
    end)
  end

  local unix_names = { path = { "x.sock", "y.sock" }, abstract = { "@mp-x-%d", "@mp-y-%d" } }
  for kind, names in pairs(unix_names) do
    describe("unix, by " .. kind, function()
      local one, other

      before_each(function()
        local place, number = moonport:directory(), math.random(1, 1 << 40)
        one, other = table.unpack(kind == "path" and { "unix:" .. place:join(names[1]),
          "unix:" .. place:join(names[2]) } or { "unix:" .. names[1]:format(number),
          "unix:" .. names[2]:format(number) })
      end)

      it("answers at the same address", function() change({ one }, { one }, { [one] = "a2" }) end)

      it("answers at another one", function()
        change({ one }, { other }, { [one] = "nobody", [other] = "a2" })
      end)

      it("answers at several", function()
        change({ one }, { other, one, one }, { [one] = "a2", [other] = "a2" })
      end)

      it("lets two services exchange their addresses, and leaves nothing behind", function()
        exchange({ one, other })
        server:stop()
        answers({ [one] = "nobody", [other] = "nobody" })
      end)
    end)
  end

  it("answers at the same Unix socket under another spelling", function()
    local place = moonport:directory()
    local one, again = "unix:" .. place:join("x.sock"), "unix:" .. place:join("./x.sock")
    change({ one }, { again }, { [one] = "a2" })
    server:stop()
    assert.equal("nobody", ask(one))
  end)

  -- What came while the next version was loaded was lost with the socket that it came to.
  it("has answered what came to the old address meanwhile", function()
    local port = free_port()
    start({ a = { "udp://127.0.0.1:" .. port } })
    local peer = assert(luasocket.udp())
    peer:settimeout(WAIT_SECONDS)
    assert(peer:setpeername("127.0.0.1", port))
    local go = folder:join("go")
    folder:write("a.lua", service("a2", { "udp://0.0.0.0:" .. port }, ([[
      print("> loading")
      for _ = 1, 1e9 do
        local file = io.open(%q)
        if file then file:close() break end
      end
    ]]):format(go)))
    asked:send("reload\n")
    server:wait_told("loading")
    for _ = 1, 3 do assert(peer:send("who?")) end
    folder:write("go", "")
    for _ = 1, 3 do assert.equal("a1", (peer:receive())) end
    server:wait_for("version 2 is in force")
    assert(peer:send("who?"))
    assert.equal("a2", (peer:receive()))
    peer:close()
  end)
end)
