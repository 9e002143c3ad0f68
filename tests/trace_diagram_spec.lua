-- trace_diagram_spec.lua — moonport trace --diagram from outside: proxies, datagrams, several
-- connections, any width, and payloads that would act on a terminal.

local loop = require "tests.support.loop"
local luasocket = require "socket"
local rig = require "tests.support.rig"
local server = require "tests.support.server"

local echo = "return { on_data = function(conn, data) conn:send(data) end }"

-- Of text without colours: two for each of the East Asian characters here.
local function cells(line)
  local count = 0
  for _, code in utf8.codes(line) do
    count = count + (code >= 0x1100 and code < 0xff61 and 2 or 1)
  end
  return count
end

-- Times, ports and lengths of arrows left out, notes that were broken put together.
local function drawn(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do
    local told = line:gsub("^[^|]*|", "|"):gsub("%-+", "-"):gsub("[- ]+ ", " ")
    told = told:gsub("127%.0%.0%.1:%d+", "ADDRESS")
    local rest = told:match("^| | | (.*)")
    if rest and list[#list]:find("^| | | ") and not line:find("%+") then
      list[#list] = list[#list] .. " " .. rest
    else
      list[#list + 1] = told
    end
  end
  for index, line in ipairs(list) do list[index] = line:gsub(" after [%d.]+ %S+", "") end
  return list
end

describe("moonport trace --diagram", function()
  local moonport = rig.new()

  -- A trace that has begun, and a function that gives what it drew when it has ended.
  local function trace(started, ...)
    local path = moonport:directory():join("recording")
    local child = moonport:spawn({ server.program, "trace", "--control", started.control,
      "--diagram", "--record", path, ... })
    loop.eventually("the trace to begin", function()
      local file <close> = io.open(path)
      return file and file:read("a"):find('"listen"', 1, true)
    end)
    return child, function()
      assert.equal(0, (child:wait()))
      assert.equal("", child:stderr())
      return child:stdout()
    end
  end

  it("draws both halves of a proxy, and ends with the second", function()
    local upstream = moonport:start(echo)
    local started = moonport:start(([[
      local socket = require "moonport.socket"
      return { on_open = function(conn)
        conn:join(assert(socket.connect("127.0.0.1:%d")))
      end }]]):format(upstream:port()), { control = true })
    local _, finish = trace(started)
    local peer = started:connect()
    peer:send("hello")
    assert.equal("hello", peer:receive(5))
    peer:finish()
    assert.equal("", peer:receive_all())
    local lines, head = drawn(finish()), nil
    for index, line in ipairs(lines) do
      if line:find("client moonport upstream", 1, true) then head = index end
    end
    assert.matches("connection #%d+, forwarded to #%d+, test.lua$", lines[head - 1])
    assert.matches("^| | | on_open began", lines[head - 3])
    local arrows = {}
    for index = head + 1, #lines do
      if not lines[index]:find("^| | |") then arrows[#arrows + 1] = lines[index] end
    end
    assert.same({ "| | SYN ->|", "| |< SYN+ACK -|", "| | ACK ->| ADDRESS", "| 5 bytes ->| |",
      "| | 5 bytes ->|", "| |< 5 bytes -|", "|< 5 bytes -| |", "| FIN ->| |", "| | FIN ->|",
      "| |< FIN -|" }, table.move(arrows, 1, 10, 1, {}))
    assert.is_nil(table.concat(lines, "\n"):find("hello", 1, true)) -- no script has seen it
  end)

  it("draws datagrams as arrows, of the first peer that comes", function()
    local started = moonport:start([[
      return { listen = "udp://:0", on_datagram = function(sock, data, peer)
        sock:sendto("<" .. data .. ">", peer)
      end }]], { control = true, args = { "--listen", "udp://127.0.0.1:0" } })
    local child, finish = trace(started)
    local peers = { assert(luasocket.udp()), assert(luasocket.udp()) }
    for _, udp in ipairs(peers) do
      udp:settimeout(20)
      assert(udp:setpeername("127.0.0.1", started:port()))
      assert(udp:send("hi"))
      assert.equal("<hi>", udp:receive())
    end
    for _, udp in ipairs(peers) do udp:close() end
    loop.wait_until("the answer to be drawn", function()
      return child:stdout():find("on_datagram ended", 1, true)
    end)
    child:signal("sigint")
    local text = finish()
    assert.matches("^ +datagrams with 127%.0%.0%.1:%d+, test.lua\n +peer +kernel +script\n", text)
    local lines = drawn(text)
    assert.matches("^| | | on_datagram began", lines[4])
    assert.same({ '| 2 bytes ->| 2 bytes "hi" ->|', lines[4], '|< 4 bytes -|< 4 bytes "<hi>" -|',
      "| | | on_datagram ended" }, table.move(lines, 3, #lines, 1, {}))
  end)

  it("draws several beside each other, each row with its number", function()
    local started = moonport:start(echo, { control = true })
    local _, finish = trace(started, "--script", "test.lua", "--event", "listen,accept,close",
      "--count", "4")
    local one, two = started:connect(), started:connect()
    one:finish()
    assert.equal("", one:receive_all())
    two:finish()
    assert.equal("", two:receive_all())
    local rows = {}
    for line in finish():gmatch("[^\n]+") do
      local id, rest = line:match("(#%d+) +|.*|%s*(.-)$")
      if id then rows[#rows + 1] = { id, (rest:gsub("127.*", "ADDRESS"):gsub(" .*", "")) } end
    end
    local first, second = rows[1][1], rows[4][1]
    assert.not_equal(first, second)
    assert.same({ { first, "" }, { first, "" }, { first, "ADDRESS" }, { second, "" },
      { second, "" }, { second, "ADDRESS" }, { first, "closed" }, { second, "closed" } }, rows)
  end)

  it("shows nothing that acts on a terminal or cannot be seen", function()
    local started = moonport:start(echo, { control = true })
    local _, finish = trace(started)
    local hostile = { "\27[2J", "\u{202e}", "\u{2066}", "\u{200f}", "\u{200b}", "\u{feff}",
      "\u{3164}", "\u{e0041}", "\194\155", "\255", "\0", "\7", "\13" }
    local peer = started:connect()
    for _, bytes in ipairs(hostile) do
      peer:send(bytes)
      assert.equal(bytes, peer:receive(#bytes))
    end
    peer:finish()
    local text = finish()
    for _, bytes in ipairs(hostile) do assert.is_nil(text:find(bytes, 1, true), bytes) end
    assert.matches('"\\x1b[2J"', text, 1, true)
    assert.matches("\\xe2\\x80\\xae", text, 1, true)
    for _, code in utf8.codes(text) do assert.is_true(code == 10 or code >= 32) end
  end)

  -- --- From what a server told, an older one's among them -----------------------------------

  local told = [[
{"ok":true}
{"time_ns":1,"event":"accept","conn":1,"script":"한글.lua","peer":"127.0.0.1:5"}
{"time_ns":999950001,"event":"tcp","source":"kernel","conn":1,"state":"established","unsent":3}
{"time_ns":1999950001,"event":"data","conn":1,"size":120,"to":"script","text":"KOREAN"}
{"time_ns":1999950002,"event":"handler","conn":1,"handler":"on_data","file":"FILE","line":3}
{"time_ns":1999950003,"event":"send","conn":1,"size":6,"by":"script","text":"안녕"}
{"time_ns":1999950004,"event":"flush","conn":1,"taken":4,"left":2}
{"time_ns":1999950005,"event":"reset","conn":1,"by":"peer","error":"ECONNRESET"}
{"time_ns":1999950006,"event":"later","conn":1}
]]
  told = told:gsub("FILE", "/srv/scripts/of/all/한글.lua")
  told = told:gsub("KOREAN", ("안녕하세요 "):rep(4))

  it("fits every width, with Korean in it", function()
    for _, width in ipairs({ 20, 40, 59, 60, 80, 120, 200 }) do
      local path = moonport:stand_in(told)
      local command = ("%s trace --diagram --control %s"):format(server.program, path)
      local child = moonport:spawn({ "script", "-qec", command, "/dev/null" },
        { env = { NO_COLOR = "1", TERM = "xterm", COLUMNS = tostring(width) } })
      child:wait()
      local lanes
      for line in child:stdout():gsub("\r", ""):gmatch("[^\n]+") do
        if line:find("|") then
          local one, two, three = line:match("^([^|]*)(|[^|]*)(|[^|]*)|")
          local places = { cells(one), cells(one .. two), cells(one .. two .. three) }
          lanes = lanes or places
          assert.same(lanes, places, line)
        end
        if not line:find("^moonport:") then
          assert.is_true(cells(line) <= math.max(width, 36), width .. ": " .. line)
        end
      end
      assert.is_table(lanes)
    end
  end)

  it("is as wide as 80 columns on a pipe, and draws what an older server told", function()
    local path = moonport:stand_in(told)
    local result = moonport:run({ "trace", "--diagram", "--control", path })
    assert.same({
      " connection #1, 한글.lua",
      " peer kernel script",
      "| SYN ->| |", "|< SYN+ACK -| |", "| ACK ->| accept ->| ADDRESS",
      "| | [established] |",
      '| 120 bytes ->| 120 bytes ->|',
      "| | | on_data began ...scripts/of/all/한글.lua:3",
      '| | | sends 6 bytes "안녕"',
      "|< 4 bytes -|< write 4 bytes -| 2 bytes wait here for room",
      "| RST ->| ECONNRESET ->|",
      "| | | later",
    }, drawn(result.stdout))
    assert.matches("\n     +1 s |   ", result.stdout, 1, true)
    for line in result.stdout:gmatch("[^\n]+") do assert.is_true(cells(line) <= 80) end
  end)
end)
