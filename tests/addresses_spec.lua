-- addresses_spec.lua — machines with several addresses: where answers leave from, groups, links,
-- and IPv4 on sockets of IPv6. Each test has a network of its own, with two addresses of each kind.

local cjson = require "cjson"
local rig = require "tests.support.rig"
local server_support = require "tests.support.server"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local network = [[
  set -e
  ip -batch - <<END
link set lo up
link add v0 type veth peer name v1
link set v0 up
link set v1 up
addr add 10.9.0.1/24 dev v0
addr add 10.9.0.2/24 dev v0
addr add fd00:9::1/64 dev v0 nodad
addr add fd00:9::2/64 dev v0 nodad
addr add fe80::5/64 dev v0 nodad
route add 239.0.0.0/8 dev v0
END
  exec "$@"
]]

-- Starts the program with the arguments behind the questions, asks, and prints the answers: [text,
-- host it came from], or the error's name.
local driver = [==[
import json, socket, subprocess, sys
kinds = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
last = None # who asked before: "again" is the same one
questions = json.loads(sys.argv[1])
server = subprocess.Popen(sys.argv[3:], stderr=subprocess.PIPE, text=True)
seen = 0
while seen < int(sys.argv[2]):
    line = server.stderr.readline()
    if not line: break
    sys.stderr.write(line)
    seen += "listening on" in line

def begin(scheme, host, port, text):
    global last
    to = socket.getaddrinfo(host, port, type=kinds.get(scheme, socket.SOCK_DGRAM))[0]
    last = peer = last if scheme == "again" else socket.socket(to[0], to[1])
    peer.settimeout(5 if text != "nobody" else 0.3)
    if scheme == "tcp": peer.connect(to[4])
    if scheme == "tcp": peer.sendall(text.encode())
    else: peer.sendto(text.encode(), to[4])
    return peer

def end(scheme, peer):
    try:
        if scheme != "tcp":
            answer, source = peer.recvfrom(9999)
        else:
            answer, source = b"", peer.getpeername()
            while not answer.endswith(b"\n"): answer += peer.recv(9999)
        return [answer.decode().strip(), source[0]]
    except TimeoutError:
        return "timeout"

if seen == int(sys.argv[2]):
    peers = [(scheme, begin(scheme, host, port, text)) for scheme, host, port, text in questions]
    print(json.dumps([end(*peer) for peer in peers]))
    for _, peer in peers: peer.close() # else the server would wait for them to end
server.terminate()
sys.stderr.write(server.stderr.read())
sys.exit(server.wait())
]==]

-- Tells each who asks what it is called here; waits where that is asked for.
local tells_peer = [[
  local timer = require "moonport.timer"
  return {
    listen = { %s },
    on_datagram = function(sock, data, peer)
      if data == "later" then timer.sleep(0.1) end
      sock:send(data .. " " .. peer:gsub(":%%d+$", ""), peer)
    end,
    on_data = function(conn)
      local text = ("%%s %%s %%s\n"):format(conn.peer:gsub(":%%d+$", ""), conn.peer_ip,
        conn.sock:gsub(":%%d+$", ""))
      conn:send((text:gsub(" 1 ", " ")))
    end,
  }
]]

describe("on a machine with several addresses", function()
  local moonport = rig.new()
  local in_network = shell.words(shell.unshare("n"), "sh", "-c", network, "sh")
  local can = shell.run(shell.words(in_network, "true")).code == 0

  -- What is answered to the questions, of { scheme, host, port, text }, and the log.
  local function ask(script, listeners, questions, args)
    local path = moonport:directory():write("test.lua", script)
    local result = shell.run(shell.words(in_network, "python3",
      "-c", driver, cjson.encode(questions), tostring(listeners), server_support.program,
      args or { "serve", "--control", "off" }, path))
    server_support.assert_no_report(result.stderr)
    return result.stdout ~= "" and cjson.decode(result.stdout) or nil, result.stderr
  end

  local addresses, questions, answers, log = {}, {}, nil, nil

  -- One server is asked all of it; each test looks at its part of the answers.
  -- What not every system has, by the test's name.
  local takes = {
    ["a datagram is answered from the address that was asked"] = "own-address",
    ["each of one peer's datagrams is answered from the address that this one asked"] =
      "own-address",
    ["[::] and 0.0.0.0 stand beside each other"] = "own-address",
    ["a group may stand behind all addresses of its port"] = "own-address",
    ["a group is heard on the interface that is named, and no other"] = "joined-only",
  }

  local function it_answers(name, listen, asked, expected)
    local first = #questions
    for _, address in ipairs(listen) do addresses[#addresses + 1] = ("%q"):format(address) end
    table.move(asked, 1, #asked, first + 1, questions)
    it(name, function()
      if not can then return pending("needs network namespaces") end
      local feature = takes[name]
      if feature and not supports.has(feature) then
        return pending("this build has no " .. feature)
      end
      if not log then
        local script = tells_peer:format(table.concat(addresses, ", "))
        answers, log = ask(script, #addresses, questions)
      end
      assert.same(expected, answers and table.move(answers, first + 1, first + #asked, 1, {}), log)
    end)
  end

  it_answers("a datagram is answered from the address that was asked", { "udp://0.0.0.0:5010" }, {
    { "udp", "10.9.0.2", 5010, "later" }, -- answered after the others
    { "udp", "127.0.0.5", 5010, "a" }, { "udp", "127.0.0.1", 5010, "b" },
    { "udp", "10.9.0.1", 5010, "c" }, { "udp", "10.9.0.2", 5010, "d" },
  }, {
    { "later 10.9.0.1", "10.9.0.2" },
    { "a 127.0.0.1", "127.0.0.5" }, { "b 127.0.0.1", "127.0.0.1" },
    { "c 10.9.0.1", "10.9.0.1" }, { "d 10.9.0.1", "10.9.0.2" },
  })

  it_answers("and so is one of IPv6, and one of IPv4 on a socket of IPv6", { "udp://[::]:5020" }, {
    { "udp", "fd00:9::1", 5020, "later" }, { "udp", "10.9.0.1", 5020, "later" },
    { "udp", "fd00:9::2", 5020, "a" }, { "udp", "::1", 5020, "b" },
    { "udp", "10.9.0.2", 5020, "c" }, { "udp", "127.0.0.5", 5020, "d" },
    { "udp", "fe80::5%v0", 5020, "e" }, { "udp", "::ffff:127.0.0.6", 5020, "f" },
  }, {
    { "later [fd00:9::1]", "fd00:9::1" }, { "later 10.9.0.1", "10.9.0.1" },
    { "a [fd00:9::2]", "fd00:9::2" }, { "b [::1]", "::1" },
    { "c 10.9.0.1", "10.9.0.2" }, { "d 127.0.0.1", "127.0.0.5" },
    { "e [fe80::5%v0]", "fe80::5" }, { "f 127.0.0.1", "::ffff:127.0.0.6" },
  })

  -- The address that was asked was the peer's: the last one, for all of its questions.
  it_answers("each of one peer's datagrams is answered from the address that this one asked",
    { "udp://0.0.0.0:5011", "udp://[::]:5012" }, {
      { "udp", "10.9.0.2", 5011, "later" }, { "again", "10.9.0.1", 5011, "a" },
      { "udp", "10.9.0.2", 5012, "later" }, { "again", "10.9.0.1", 5012, "b" },
    }, {
      { "a 10.9.0.1", "10.9.0.1" }, { "later 10.9.0.1", "10.9.0.2" },
      { "b 10.9.0.1", "10.9.0.1" }, { "later 10.9.0.1", "10.9.0.2" },
    })

  it_answers("one that listens at one address answers from there, and only there",
    { "udp://10.9.0.2:5030" },
    { { "udp", "10.9.0.2", 5030, "a" }, { "udp", "10.9.0.1", 5030, "nobody" } },
    { { "a 10.9.0.1", "10.9.0.2" }, "timeout" })

  it_answers("[::] and 0.0.0.0 stand beside each other",
    { "udp://[::]:5040", "udp://0.0.0.0:5040", "[::]:5041", "0.0.0.0:5041" }, {
      { "udp", "::1", 5040, "a" }, { "udp", "127.0.0.5", 5040, "b" },
      { "tcp", "::1", 5041, "c" }, { "tcp", "127.0.0.5", 5041, "d" },
    }, {
      { "a [::1]", "::1" }, { "b 127.0.0.1", "127.0.0.5" },
      { "[::1] ::1 [::1]", "::1" }, { "127.0.0.1 127.0.0.1 127.0.0.5", "127.0.0.5" },
    })

  it_answers("a stream's peer of IPv4 is called so on [::], and one of a link with its interface",
    { "[::]:5051", "udp://127.0.0.1:5051" }, {
      { "tcp", "127.0.0.5", 5051, "a" }, { "tcp", "10.9.0.2", 5051, "b" },
      { "tcp", "fe80::5%v0", 5051, "c" },
    }, {
      { "127.0.0.1 127.0.0.1 127.0.0.5", "127.0.0.5" },
      { "10.9.0.1 10.9.0.1 10.9.0.2", "10.9.0.2" },
      { "[fe80::5%v0] fe80::5%v0 [fe80::5%v0]", "fe80::5" },
    })

  it_answers("groups are joined where a service listens", {
    "udp://239.1.2.3:5060", "udp://239.1.2.4%v0:5060", "udp://239.1.2.4%lo:5060",
    "udp://[ff02::99%v0]:5060", "tcp://127.0.0.1:5060",
  }, {
    { "udp", "239.1.2.3", 5060, "a" }, { "udp", "239.1.2.4", 5060, "b" },
    { "udp", "ff02::99%v0", 5060, "c" }, { "udp", "239.1.2.5", 5060, "nobody" },
    { "udp", "10.9.0.1", 5060, "nobody" },
  }, {
    { "a 10.9.0.1", "10.9.0.1" }, { "b 10.9.0.1", "10.9.0.1" },
    { "c [fe80::5%v0]", "fe80::5" }, "timeout", "timeout",
  })

  it_answers("a group may stand behind all addresses of its port",
    { "udp://0.0.0.0:5080", "udp://239.1.2.6%v0:5080", "udp://[::]:5081",
      "udp://[ff02::98%v0]:5081" },
    { { "udp", "10.9.0.2", 5080, "a" }, { "udp", "fd00:9::2", 5081, "b" } },
    { { "a 10.9.0.1", "10.9.0.2" }, { "b [fd00:9::2]", "fd00:9::2" } })

  it_answers("a group is heard on the interface that is named, and no other",
    { "udp://239.1.2.4%lo:5070", "udp://[ff02::99%lo]:5070" },
    { { "udp", "239.1.2.4", 5070, "nobody" }, { "udp", "ff02::99%v0", 5070, "nobody" } },
    { "timeout", "timeout" })

  it("two services hear the same group", function()
    if not can then return pending("needs network namespaces") end
    local place = moonport:directory()
    for _, name in ipairs({ "a", "b" }) do
      place:write(name .. ".lua", [[
        return {
          listen = "udp://239.1.2.3:5000",
          on_datagram = function(sock, data, peer)
            if data == "first" then sock:send("]] .. name .. [[", "239.1.2.3:6000") end
            print("> ]] .. name .. [[ " .. data)
          end,
        }
      ]])
    end
    local result = shell.run(shell.words(in_network, "python3", "-c", [[
import socket, subprocess, sys
server = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE, text=True)
seen = 0
while seen < 2: seen += "listening on" in server.stderr.readline()
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.settimeout(5)
peer.bind(("239.1.2.3", 6000))
peer.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                socket.inet_aton("239.1.2.3") + socket.inet_aton("10.9.0.1"))
peer.sendto(b"first", ("239.1.2.3", 5000))
print("".join(sorted(peer.recv(9).decode() for _ in range(2))))
server.terminate()
sys.stderr.write(server.stderr.read())
sys.exit(server.wait())
    ]], server_support.program, "serve", "--control", "off", place.path))
    server_support.assert_no_report(result.stderr)
    assert.equal("ab\n", result.stdout, result.stderr)
  end)

  -- What cannot be listened on, and what is said of it.
  local refused = {
    ["udp://239.1.2.3%eth9:5000"] = "no interface of that name",
    ["udp://[ff02::99%eth9]:5000"] = "no interface eth9",
    ["udp://[ff02::97]:5000"] = "an address of a link needs its interface",
    ["[fe80::5%eth9]:5000"] = "no interface eth9",
    ["udp://224.1.2.3:5000"] = "name one, such as udp://239%.1%.2%.3%%eth0:5000", -- no route
    ["udp://10.9.0.1%v0:5000"] = "only IPv6 addresses, and multicast groups of udp://",
    ["239.1.2.3%v0:5000"] = "only IPv6 addresses, and multicast groups of udp://",
    ["localhost%v0:5000"] = "only IPv6 addresses, and multicast groups of udp://",
  }
  it("what cannot be listened on is told, each for itself", function()
    if not can then return pending("needs network namespaces") end
    local listen = { '"udp://:0"' }
    for address in pairs(refused) do listen[#listen + 1] = ("%q"):format(address) end
    local _, told = ask(tells_peer:format(table.concat(listen, ", ")), 99, {})
    for address, what in pairs(refused) do
      local line = told:match("[^\n]*" .. address:gsub("%p", "%%%0") .. "[^\n]*")
      assert.matches(what, line or told)
    end
  end)

  it("a link's peer can be given back: to connect, to send and to bind", function()
    if not can then return pending("needs network namespaces") end
    local path = moonport:directory():write("link.lua", [[
      local socket = require "moonport.socket"
      local listener = assert(socket.tcp())
      assert(listener:bind("fe80::5%v0", 0))
      assert(listener:listen())
      local address = listener:getsockname()
      local client = assert(socket.connect(address))
      local peer = assert(listener:accept())
      print((peer.peer:gsub(":%d+$", "")), peer.sock == address)
      local one, two = socket.udp(), socket.udp()
      assert(one:bind("fe80::5%v0", 0))
      assert(two:bind("fe80::5%v0", 0))
      assert(one:sendto("hi", two:getsockname()))
      local data, from = two:recvfrom()
      print(data, from == one:getsockname())
      assert(two:sendto("back", from))
      print((one:recvfrom()))
      assert(one:connect((two:getsockname())))
      assert(one:send("connected"))
      print((two:recvfrom()))
    ]])
    local result = shell.run(shell.words(in_network,
      server_support.program, "run", path))
    server_support.assert_no_report(result.stderr)
    assert.equal("[fe80::5%v0]\ttrue\nhi\ttrue\nback\nconnected\n", result.stdout, result.stderr)
  end)

  describe("with grants", function()
    local function permitted(allow, address)
      local path = moonport:directory():write("grants.lua", ([[
        local socket = require "moonport.socket"
        local sender = assert(socket.udp())
        print(pcall(sender.sendto, sender, "x", %q, 9))
      ]]):format(address))
      local result = shell.run(shell.words(in_network,
        server_support.program, "run", "--allow", allow, path))
      server_support.assert_no_report(result.stderr)
      return not result.stdout:find("EACCES") and not result.stderr:find("not allowed"),
        result.stdout .. result.stderr
    end

    it("one for an address is for it inside of IPv6, and on its link, and nothing else", function()
      if not can then return pending("needs network namespaces") end
      for _, case in ipairs({
        { "net=10.9.0.1:*", "10.9.0.1", true }, { "net=10.9.0.1:*", "::ffff:10.9.0.1", true },
        { "net=10.9.0.2:*", "::ffff:10.9.0.1", false }, { "net=[fe80::5]:*", "fe80::5%v0", true },
        { "net=[fe80::6]:*", "fe80::5%v0", false },
      }) do
        local ok, told = permitted(case[1], case[2])
        assert.equal(case[3], ok, case[1] .. " " .. case[2] .. ": " .. told)
      end
    end)
  end)
end)
