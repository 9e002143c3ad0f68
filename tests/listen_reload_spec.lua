-- listen_reload_spec.lua — where services listen after a reload: each kind of address and change.
-- What works at a start works at a reload; what fails says why, and leaves the old one at work.

local client = require "tests.support.client"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local luasocket = require "socket"
local ports = require "tests.support.ports"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"

local WAIT_SECONDS = 5

-- Asks Unix sockets, which may be abstract, for who sends it addresses; it is not moonport.
-- One for all of them, for Python may take long to start.
local unix_asker = [[
import socket
def ask(name):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        try:
            peer.connect("\0" + name[1:] if name[0] == "@" else name)
            return peer.recv(100).decode()
        except (ConnectionRefusedError, FileNotFoundError):
            return "nobody"
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    with listener.accept()[0] as peer, peer.makefile("rw") as lines:
        lines.write(ask(lines.readline().strip()[len("unix:"):]))
]]

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
  local folder, server, asked, asker

  local function ask_unix(address)
    if not asker then
      local python = moonport:spawn({ "python3", "-S", "-c", unix_asker })
      asker = loop.eventually("the port of Python", function()
        return tonumber(python:stdout():match("(%d+)\n"))
      end)
    end
    local peer = client.connect("tcp://127.0.0.1:" .. asker)
    peer:send(address .. "\n")
    local answer = peer:receive_all()
    peer:close()
    return answer
  end

  local asking = { tcp = ask_tcp, udp = ask_udp, unix = ask_unix }

  -- Who answers at each of the addresses: what the service there is called, or "nobody".
  local function ask(addresses)
    local heard = {}
    for address in pairs(addresses) do heard[address] = asking[address:match("^%a+")](address) end
    return heard
  end

  after_each(function() asker = nil end)

  -- `services`: name -> list of addresses. Each is a file of its own.
  local function write(services)
    for name, addresses in pairs(services) do
      folder:write(name .. ".lua", service(name .. "1", addresses))
    end
  end

  local function start(services)
    folder = moonport:directory()
    write(services)
    local words, count = { "--no-watch", "--trial", "0" }, 0
    for name, addresses in pairs(services) do
      words[#words + 1] = folder:join(name .. ".lua")
      count = count + #addresses
    end
    server = moonport:serve(words, { control = true, listeners = count })
    asked = control.connect(server)
  end

  -- Returns the errors of those that were not taken on, by the name of the service.
  local function reload(services)
    for name, addresses in pairs(services) do
      folder:write(name .. ".lua", service(name .. "2", addresses))
    end
    local failed = {}
    for _, line in ipairs((control.ask(asked, "reload"))) do
      if line.error then failed[line.script:match("(%w+)%.lua$")] = line.error end
    end
    server.sockets_at_start = server:sockets()
    return failed
  end

  local function answers(expected, what)
    assert.same(expected, ask(expected), what)
  end

  -- Each row is a reload of one server, the first one its start: where `a`, `b` and `c` listen, and
  -- who answers then. Those that are not named listen where nobody asks.
  local function go_through(rows, rest)
    local names = { "a", "b", "c" }
    for number, row in ipairs(rows) do
      local services, expected, before = {}, {}, #(server and server.log or {})
      for index, name in ipairs(names) do services[name] = row[name] or { rest[index] } end
      if number == 1 then
        start(services)
      else
        assert.same({}, reload(services), row[1])
      end
      local version = number == 1 and "1" or "2"
      for address, name in pairs(row[2]) do
        expected[address] = name == "nobody" and name or name .. version
      end
      answers(expected, row[1])
      for index = before + 1, #server.log do
        assert.is_nil(server.log[index].message:match("cannot listen"), row[1])
      end
    end
  end

  for _, scheme in ipairs({ "tcp", "udp" }) do
    describe(scheme, function()
      local one, two, third, all, other, rest

      before_each(function()
        local port, next_port = ports.free(), ports.free()
        one = ("%s://127.0.0.1:%d"):format(scheme, port)
        two = ("%s://127.0.0.2:%d"):format(scheme, port)
        third = ("%s://127.0.0.3:%d"):format(scheme, port)
        all = ("%s://0.0.0.0:%d"):format(scheme, port)
        other = ("%s://127.0.0.1:%d"):format(scheme, next_port)
        rest = {}
        for index = 1, 3 do rest[index] = ("%s://127.0.0.9%d:0"):format(scheme, index) end
      end)

      supports.it("own-address",
        "listens wherever it may listen at a start, whatever was before", function()
        local only_one, everywhere = { [one] = "a", [two] = "nobody" }, { [one] = "a", [two] = "a" }
        go_through({
          { "at one address", only_one, a = { one } },
          { "at the same", only_one, a = { one } },
          { "at a wider one", everywhere, a = { all } },
          { "at a narrower one", only_one, a = { one } },
          { "at another host, and another port", { [one] = "nobody", [two] = "a", [other] = "a" },
            a = { two, other } },
          { "at several", { [one] = "a", [two] = "a", [third] = "nobody" }, a = { one, two } },
          { "at one in place of several", { [one] = "a", [third] = "a" }, a = { all } },
          { "at several in place of one", { [one] = "a", [two] = "a", [third] = "nobody" },
            a = { two, one } },
          { "at all and one of them", everywhere, a = { all, one } },
          { "at the rest of these", everywhere, a = { all } },
          { "at one that is named twice, in another order", everywhere, a = { one, all, one } },
          { "nowhere of them", { [one] = "nobody" } },
        }, rest)
      end)

      supports.it("own-address", "takes what another one gives up with the same reload", function()
        go_through({
          { "at the start", { [one] = "a", [other] = "b" }, a = { one }, b = { other } },
          { "exchanged", { [one] = "b", [other] = "a" }, a = { other }, b = { one } },
          { "and back", { [one] = "a", [other] = "b" }, a = { one }, b = { other } },
          { "the other's port, wider", { [one] = "b", [two] = "b", [other] = "a" },
            a = { other }, b = { all } },
          { "the other's port, narrower", { [one] = "a", [two] = "nobody", [other] = "b" },
            a = { one }, b = { other } },
          { "three of them", { [one] = "a", [two] = "b", [other] = "c" },
            a = { one }, b = { two }, c = { other } },
          { "passed on", { [one] = "c", [two] = "a", [other] = "b" },
            a = { two }, b = { other }, c = { one } },
          { "gathered", { [one] = "b", [two] = "b", [other] = "b" }, b = { one, two, other } },
          { "spread", { [one] = "a", [two] = "b", [other] = "c" },
            a = { one }, b = { two }, c = { other } },
        }, rest)
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

  for _, kind in ipairs({ "path", "abstract" }) do
    supports.it("abstract-sockets",
      "listens on Unix sockets likewise, by " .. kind .. ", and leaves none behind", function()
      local place, number = moonport:directory(), math.random(1, 1 << 40)
      local function name(word)
        local abstract = ("@mp-%s-%d"):format(word, number)
        return "unix:" .. (kind == "path" and place:join(word) or abstract)
      end
      local one, other, third = name("one"), name("other"), name("third")
      local again = kind == "path" and name("./one") or one
      go_through({
        { "at one", { [one] = "a", [other] = "nobody" }, a = { one } },
        { "at the same", { [one] = "a" }, a = { one } },
        { "at the same by another spelling", { [one] = "a" }, a = { again } },
        { "at another", { [one] = "nobody", [other] = "a" }, a = { other } },
        { "at several, one twice", { [one] = "a", [other] = "a" }, a = { other, one, one } },
        { "two services", { [one] = "a", [other] = "b" }, a = { one }, b = { other } },
        { "exchanged", { [one] = "b", [other] = "a" }, a = { other }, b = { one } },
        { "passed on", { [one] = "a", [other] = "b", [third] = "c" },
          a = { one }, b = { other }, c = { third } },
        { "and again", { [one] = "c", [other] = "a", [third] = "b" },
          a = { other }, b = { third }, c = { one } },
      }, { name("a"), name("b"), name("c") })
      server:stop()
      answers({ [one] = "nobody", [other] = "nobody", [third] = "nobody" })
    end)
  end

  -- What came while the next version was loaded was lost with the socket that it came to.
  it("has answered what came to the old address meanwhile", function()
    local port = ports.free()
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
