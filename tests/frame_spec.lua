-- frame_spec.lua — messages over real sockets, for on_message, recv_message and send_message — the
-- splitter itself is tested in unit/, and fuzzed.

local loop = require "tests.support.loop"
local program = require "tests.support.program"
local rig = require "tests.support.rig"

-- What each frame makes of these messages; the wire is written down here, not taken from moonport.
local function wire(messages, each)
  local list = {}
  for index, message in ipairs(messages) do list[index] = each(message) end
  return table.concat(list)
end

local texts = { "one", "", "t", "three words here", ("x"):rep(200), "\0\255", "last" }
local eights = { "12345678", "\0\0\0\0\0\0\0\0", "abcdefgh" }

local kinds = {
  { spec = '"line"', messages = texts, pack = function(m) return m .. "\n" end },
  { spec = '"line"', name = '"line" with CRLF', messages = texts, echo = "\n",
    pack = function(m) return m .. "\r\n" end },
  { spec = '{ delimiter = "\\0" }', messages = { "a", "", "bc\n", ("y"):rep(300) },
    pack = function(m) return m .. "\0" end },
  { spec = '{ delimiter = "--end--" }', messages = { "a", "", "--", "--en-", "-------" .. "x" },
    pack = function(m) return m .. "--end--" end },
  { spec = '{ length = "u8" }', messages = texts, pack = function(m) return ("s1"):pack(m) end },
  { spec = '{ length = "u16be", includes_header = true }', messages = texts,
    pack = function(m) return (">I2"):pack(#m + 2) .. m end },
  -- As PostgreSQL has it: a type, then a length that counts itself.
  { spec = '{ length = "u32be", offset = 1, includes_header = 4 }', messages = texts, prefix = "Q",
    pack = function(m) return (">c1I4"):pack("Q", #m + 4) .. m end },
  { spec = '{ length = "u8", offset = 3 }', messages = texts, prefix = "abc",
    pack = function(m) return "abc" .. ("s1"):pack(m) end },
  { spec = '{ line = "crlf" }', messages = texts, pack = function(m) return m .. "\r\n" end },
  { spec = '{ line = "crlf" }', name = 'a line sent with CRLF that came with LF', messages = texts,
    echo = "\r\n", pack = function(m) return m .. "\n" end },
  -- As HTTP/2 has it: six bytes behind the length that it does not count.
  { spec = '{ length = "u24be", adjust = 6 }', messages = { "123456", "123456 and more" },
    pack = function(m) return (">I3"):pack(#m - 6) .. m end },
  -- As MQTT has it: a type, then a varint.
  { spec = '{ length = "varint", offset = 1 }', messages = texts, prefix = "0",
    pack = function(m)
      local size = #m < 128 and string.char(#m) or string.char(#m % 128 + 128, #m // 128)
      return "0" .. size .. m
    end },
  -- As adb has it, and git, which counts the digits themselves.
  { spec = '{ length = "hex4" }', messages = texts,
    pack = function(m) return ("%04x"):format(#m) .. m end },
  { spec = '{ length = "hex4", includes_header = true }', messages = texts,
    pack = function(m) return ("%04x"):format(#m + 4) .. m end },
  { spec = '"netstring"', messages = texts, pack = function(m) return #m .. ":" .. m .. "," end },
  { spec = '{ fixed = 8 }', messages = eights, pack = function(m) return m end },
}
for length, format in pairs({ u16be = ">s2", u16le = "<s2", u32be = ">s4", u32le = "<s4",
  u24be = ">s3", u64be = ">s8", u64le = "<s8" }) do
  kinds[#kinds + 1] = { spec = ('{ length = "%s" }'):format(length), messages = texts,
    pack = function(m) return format:pack(m) end }
end
for _, kind in ipairs(kinds) do kind.wire = wire(kind.messages, kind.pack) end

-- The sizes of the pieces that the bytes are sent in.
local cuts = { "whole", 1, 2, 3, 7, 64 }

local function pieces(bytes, size)
  if size == "whole" then return { bytes } end
  local list = {}
  for at = 1, #bytes, size do list[#list + 1] = bytes:sub(at, at + size - 1) end
  return list
end

-- Answers each message as a line of Lua: the message and the prefix.
local function told_by(messages, prefix)
  local list = {}
  for index, message in ipairs(messages) do
    list[index] = ("%q"):format(message):gsub("\\?\n", "\\n") .. " " .. tostring(prefix) .. "\n"
  end
  return table.concat(list)
end

local tell = [[
  local function tell(conn, message, prefix)
    conn:send(("%q"):format(message):gsub("\\?\n", "\\n") .. " " .. tostring(prefix) .. "\n")
  end
]]

local styles = {
  on_message = "return { frame = %s, on_message = tell }",
  recv_message = [[
    return {
      frame = %s,
      main = function(conn)
        while true do
          local message, prefix = conn:recv_message()
          if not message then return end
          tell(conn, message, prefix)
        end
      end,
    }
  ]],
  ["recv_message with a frame of its own"] = [[
    local own = require("moonport.frame").new(%s)
    return {
      main = function(conn)
        while true do
          local message, prefix = conn:recv_message(own)
          if not message then return end
          tell(conn, message, prefix)
        end
      end,
    }
  ]],
}

describe("frames", function()
  local moonport = rig.new()

  for style, script in pairs(styles) do
    it("give " .. style .. " the same messages however the bytes are cut", function()
      for _, kind in ipairs(kinds) do
        local server = moonport:start(tell .. script:format(kind.spec))
        local expected = told_by(kind.messages, kind.prefix)
        for _, size in ipairs(cuts) do
          local peer = server:connect()
          for _, piece in ipairs(pieces(kind.wire, size)) do
            peer:send(piece)
            loop.turn()
          end
          peer:finish()
          assert.equal(expected, peer:receive_all(),
            ("%s in pieces of %s"):format(kind.name or kind.spec, size))
        end
        server:stop()
      end
    end)
  end

  it("are put on by send_message as the peer expects them", function()
    for _, kind in ipairs(kinds) do
      local server = moonport:start(([[
        return {
          frame = %s,
          on_message = function(conn, message, prefix)
            conn:send_message(message, nil, prefix)
          end,
        }
      ]]):format(kind.spec))
      local peer = server:connect()
      peer:send(kind.wire)
      peer:finish()
      local expected = kind.echo and wire(kind.messages, function(m) return m .. kind.echo end)
      assert.equal(expected or kind.wire, peer:receive_all(), kind.name or kind.spec)
      server:stop()
    end
  end)

  it("may differ from message to message", function()
    assert.same({ "2 two lines", "netstring", "xyz A", "rest" }, program.lines(moonport, [[
      local near, far = pair()
      far:send("2\n9:two lines,xyz")
      far:send_message("netstring", "netstring")
      far:send_message("xyz", { length = "u8", offset = 1 }, "A")
      far:send("rest")
      far:close()
      print(near:recv_message("line") .. " " .. near:recv_message("netstring"))
      near:recv_exactly(3)
      print(near:recv_message("netstring"))
      print(table.concat({ near:recv_message({ length = "u8", offset = 1 }) }, " "))
      print(near:recv())
    ]]))
  end)
end)

describe("on_message", function()
  local moonport = rig.new()

  it("keeps the order while a handler waits", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        frame = "line",
        on_message = function(conn, line)
          if tonumber(line) % 3 == 0 then timer.sleep(0.005) end
          conn:send_message(line)
        end,
      }
    ]])
    local peer = server:connect()
    local lines = {}
    for index = 1, 60 do lines[index] = index .. "\n" end
    peer:send(table.concat(lines, "", 1, 40))
    peer:send(table.concat(lines, "", 41))
    peer:finish()
    assert.equal(table.concat(lines), peer:receive_all())
  end)

  it("may read the next message itself", function()
    local server = moonport:start([[
      return {
        frame = "line",
        on_message = function(conn, key) conn:send_message(key .. "=" .. conn:recv_message()) end,
      }
    ]])
    local peer = server:connect()
    peer:send("a\n1\nb\n")
    assert.equal("a=1", peer:receive_line())
    peer:send("2\n")
    assert.equal("b=2", peer:receive_line())
  end)

  local function raising(on_error)
    return ([[
      return {
        frame = "line",
        on_message = function(conn, line)
          if line == "bad" then error("no good") end
          conn:send_message(line)
        end,
        on_close = function(_, reason) print("> " .. reason) end,
        %s
      }
    ]]):format(on_error or "")
  end

  it("goes on with the next message when it raised and on_error returns true", function()
    local server = moonport:start(raising("on_error = function() return true end,"))
    local peer = server:connect()
    peer:send("one\nbad\nthree\nbad\n")
    peer:send("five\n")
    peer:finish()
    assert.equal("one\nthree\nfive\n", peer:receive_all())
    server:expect_log("no good")
  end)

  it("costs its connection when it raised, and what was sent before arrives", function()
    local server = moonport:start(raising())
    local peer = server:connect()
    peer:send("one\nbad\nthree\n")
    assert.equal("one\n", peer:receive_all())
    server:expect_log("no good")
    server:wait_told("error")
  end)

  it("is not called again once it closed the connection", function()
    local server = moonport:start([[
      return {
        frame = "line",
        on_message = function(conn, line)
          print("> " .. line)
          conn:close()
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("one\ntwo\n")
    assert.equal("", peer:receive_all())
    server:stop()
    assert.same({ "one" }, server:told())
  end)

  it("is told which message FIN cut off", function()
    local server = moonport:start(tell .. styles.on_message:format('"line"'))
    local peer = server:connect()
    peer:send("one\ntw")
    peer:finish()
    assert.equal('"one" nil\n"tw" eof\n', peer:receive_all())
  end)

  it("never sees a message with a length of which FIN cut off a part", function()
    local server = moonport:start(tell .. styles.on_message:format('"netstring"'))
    local peer = server:connect()
    peer:send("3:one,2:t")
    peer:finish()
    assert.equal('"one" nil\n', peer:receive_all())
    server:expect_log("the peer ended within a message: 3 bytes of it are dropped")
  end)
end)

-- What breaks the rules: { the frame, the bytes, the reason, the log }.
local offences = {
  { '"line"', ("x"):rep(1001), "limit", "the line is longer than a message may be" },
  { '{ delimiter = "\\0" }', ("x"):rep(1001), "limit", "the delimiter did not come" },
  { '{ length = "u32be" }', "\255\255\255\255", "limit", "announced length is more" },
  { '{ length = "u32le" }', "\0\0\0\255", "limit", "announced length is more" },
  { '{ length = "u64be" }', ("\255"):rep(8), "limit", "announced length is more" },
  { '{ length = "u64le", adjust = 255 }', ("\255"):rep(8), "limit", "announced length is more" },
  { '{ length = "varint" }', ("\255"):rep(9) .. "\1", "limit", "announced length is more" },
  { '{ length = "varint" }', ("\255"):rep(10), "error", "a varint of more than 64 bits" },
  { '{ length = "hex8" }', "ffffffff", "limit", "announced length is more" },
  { '{ length = "hex4" }', "12x", "error", "other than hexadecimal digits" },
  { '{ length = "u16be" }', "\3\233", "limit", "announced length is more" },
  { '"netstring"', "1001:", "limit", "length is more than a message may have" },
  { '"netstring"', ("9"):rep(1000), "limit", "length is more than a message may have" },
  { '"netstring"', "x", "error", "something other than digits" },
  { '"netstring"', "03:abc,", "error", "leading zero" },
  { '"netstring"', ":", "error", "no length before its colon" },
  { '"netstring"', "3:abcd", "error", "netstring" },
  { '{ length = "u16be", includes_header = true }', "\0\1", "error", "less than the header" },
}

describe("a message that is none", function()
  local moonport = rig.new()

  for _, offence in ipairs(offences) do
    local spec, bytes, reason, fault = table.unpack(offence)
    local shown = ("%q"):format(bytes:sub(1, 8))

    it(("of %s (%s) ends its connection: %s"):format(spec, shown, reason), function()
      local server = moonport:start(([[
        return {
          frame = %s,
          limits = { message = 1000 },
          on_message = function(conn, message) conn:send_message(message) end,
          on_close = function(_, reason) print("> " .. reason) end,
        }
      ]]):format(spec))
      local peer = server:connect()
      peer:send(bytes)
      assert.equal("", peer:receive_all())
      peer:close()
      server:wait_told(reason)
      server:expect_log("closing the connection: .*" .. fault)
    end)

    it(("of %s (%s) is told by recv_message, which leaves it open"):format(spec, shown),
      function()
        local server = moonport:start(([[
          return {
            limits = { message = 1000 },
            main = function(conn)
              local message, code, detail = conn:recv_message(%s)
              conn:send(("%%s %%s %%s"):format(message, code, detail))
            end,
          }
        ]]):format(spec))
        local peer = server:connect()
        peer:send(bytes)
        local code = reason == "limit" and "limit" or "malformed"
        assert.matches("^nil " .. code .. " .*" .. fault, peer:receive_all())
      end)
  end

  it("allocates nothing for the 4 GiB that it announces", function()
    local server = moonport:start([[
      return {
        frame = { length = "u32be" },
        limits = { message = "2G" },
        on_message = function() end,
      }
    ]])
    local before = server:rss()
    for _ = 1, 20 do server:connect():send("\127\255\255\255" .. "beginning") end
    local hostile = server:connect()
    hostile:send("\255\255\255\255")
    assert.equal("", hostile:receive_all())
    server:expect_log("announced length is more .* %(limits.message is %d+ bytes%)")
    server:allow_log("the peer ended within a message") -- those above, when they are collected
    assert.is_true(server:rss() - before < 16 * 1024 * 1024)
  end)

  -- Twenty times 4 MB of what never becomes a message, where 100 KB are allowed.
  for spec, bytes in pairs({ ['"line"'] = "x", ['{ delimiter = "\\r\\n.\\r\\n" }'] = "\r\n.\r",
    ['"netstring"'] = "9" }) do
    it("of " .. spec .. " takes no more memory than limits.message allows", function()
      local server = moonport:start(([[
        return { frame = %s, limits = { message = 100000 }, on_message = print }
      ]]):format(spec))
      server:allow_log("closing the connection")
      local flood = bytes:rep(4000000 // #bytes)
      local before = server:rss()
      local peers = {}
      for index = 1, 20 do
        peers[index] = server:connect()
        peers[index]:offer(flood)
      end
      for _, peer in ipairs(peers) do assert.equal("", peer:receive_all()) end
      local grown = server:rss() - before
      assert.is_true(grown < 16 * 1024 * 1024, grown .. " bytes more")
    end)
  end

  it("does not disturb those before it, nor other connections", function()
    local server = moonport:start([[
      return {
        frame = "netstring",
        on_message = function(conn, message) conn:send_message(message) end,
      }
    ]])
    local good, bad = server:connect(), server:connect()
    bad:send("3:one,3:two,oops")
    assert.equal("3:one,3:two,", bad:receive_all())
    server:expect_log("something other than digits")
    good:send("4:good,")
    assert.equal("4:good,", good:receive(7))
  end)
end)

describe("send_message", function()
  local moonport = rig.new()

  it("refuses what its frame cannot carry, and sends nothing of it", function()
    local told = program.lines(moonport, [[
      local near, far = pair()
      local function try(...) print(select(2, pcall(near.send_message, near, ...))) end
      try("a\nb", "line")
      try("a\r", "line")
      try("a\0b", { delimiter = "\0" })
      try("a", { delimiter = "aa" })
      try(("x"):rep(256), { length = "u8" })
      try("seven..", { fixed = 8 })
      try("x", { length = "u8", offset = 2 }, "a")
      try("x")
      try("x", "lines")
      try("x", { length = "u24" })
      try("short", { length = "u8", adjust = 6 })
      near:close()
      print(far:recv())
    ]])
    for index, pattern in ipairs({ "contains a line feed", "ends with a carriage return",
      "contains the delimiter", "delimiter would be found too early", "counts to 255",
      "the message", "needs a prefix", "the service has no frame", 'write "line"',
      "length must be", "is shorter than" }) do
      assert.matches(pattern, told[index])
    end
    assert.matches("^nil%s+eof", told[12])
  end)

  it("says that the connection is closed", function()
    assert.same({ "nil closed" }, program.lines(moonport, [[
      local near = pair()
      near:close()
      local ok, code = near:send_message("x", "line")
      print(("%s %s"):format(ok, code))
    ]]))
  end)
end)

describe("moonport.frame", function()
  local moonport = rig.new()

  it("wraps and splits without a connection, and keeps the rest", function()
    assert.same({ "3:one,3:two,", "one two|4:th", "malformed", "limit? false" },
      program.lines(moonport, [[
        local frame = require "moonport.frame"
        local netstring = frame.new("netstring")
        local bytes = netstring:wrap("one") .. netstring:wrap("two")
        print(bytes)
        local messages, rest = netstring:split(bytes .. "4:th")
        print(table.concat(messages, " ") .. "|" .. rest)
        local none, code = netstring:split("3:one,oops")
        print(code)
        print("limit? " .. tostring(none ~= nil))
      ]]))
  end)

  -- git's pkt-line: a length that counts its own digits cannot say 0, so "0000" ends a list.
  it("tells a mark in place of a length, and sends one", function()
    assert.same({ "want", "false|0000", "00080000", "end" }, program.lines(moonport, [[
      local near, far = pair()
      local line = require("moonport.frame").new({ length = "hex4", includes_header = true })
      near:send("0008want00000004")
      print((far:recv_message(line)))
      local message, mark = far:recv_message(line)
      print(tostring(message ~= "") .. "|" .. mark)
      far:send_message("send", line)
      far:send_message("", line, "0000")
      local sent = near:recv_exactly(12)
      print(sent:sub(1, 4) .. sent:sub(9))
      print(select("#", far:recv_message(line)) == 1 and "end")
    ]]))
  end)

  it("says which message it cannot wrap, or not split", function()
    assert.same({ "false", "limit" }, program.lines(moonport, [[
      local frame = require "moonport.frame"
      local short, netstring = frame.new({ length = "u8" }), frame.new("netstring")
      print((pcall(short.wrap, short, ("x"):rep(256))))
      print((select(2, netstring:split("9223372036854775807:"))))
    ]]))
  end)

  it("says what is wrong with a format", function()
    local told = program.lines(moonport, [[
      local frame = require "moonport.frame"
      for _, format in ipairs({ "lines", {}, { delimiter = "" }, { length = "u24" },
        { length = "u8", offset = 29 }, { fixed = 0 }, 7, { length = {} },
        { length = "u8", offset = -1 }, { length = "u8", offset = 1.5 },
        { length = "u8", includes_header = 256 }, { delimiter = {} }, { delimiter = ("x"):rep(65) },
        { fixed = "four" }, { line = "cr" }, { line = true }, { length = "u8", adjust = -1 },
        { length = "varint", includes_header = true }, { delimiter = "x", adjust = 1 } }) do
        print(select(2, pcall(frame.new, format)))
      end
    ]])
    for index, pattern in ipairs({ 'write "line"', 'write "line"', "1 to 64 bytes",
      "length must be", "0 to 28 bytes", "fixed must be", 'write "line"', "length must be",
      "0 to 28 bytes", "0 to 28 bytes", "includes_header must be", "1 to 64 bytes",
      "1 to 64 bytes", "fixed must be", 'line must be "lf" or "crlf"', "line must be",
      "adjust must be 0 to 255", "must not count a varint", "no field 'adjust'" }) do
      assert.matches(pattern, told[index])
    end
  end)
end)
