-- websocket_cases.lua — what a server of WebSocket that echoes must do with frames, right and
-- wrong: the case groups 1 to 7 of the Autobahn test suite
-- (https://github.com/crossbario/autobahn-testsuite), written down anew — opens nothing.
--
-- A row: its number there, what is sent (a list of bytes), and what the server says: a list as
-- websocket.told() gives it. `cut` sends the bytes in pieces of that size. Unless the last of what
-- is said is a close frame, the client closes with 1000, and the server answers that.

local websocket = require "tests.support.websocket"

local frame, close = websocket.frame, websocket.close
local TEXT, BINARY, PING, PONG = websocket.TEXT, websocket.BINARY, websocket.PING, websocket.PONG
local CONTINUATION = 0

local rows = {}

local function row(number, sent, said, cut)
  rows[#rows + 1] = { number = number, sent = sent, said = said, cut = cut }
end

local function text(payload) return frame(TEXT, payload) end
local function part(opcode, payload) return frame(opcode, payload, { fin = false }) end
local function last(payload) return frame(CONTINUATION, payload) end
local ping, hello = frame(PING), text("Hello")

local BROKEN, BAD_TEXT = "close 1002", "close 1007"

-- 1: messages of all sizes.
for index, size in ipairs { 0, 125, 126, 127, 128, 65535, 65536 } do
  local payload, bytes = ("*"):rep(size), ("\xfe"):rep(size)
  row("1.1." .. index, { text(payload) }, { size > 0 and "text " .. payload or "text" })
  row("1.2." .. index, { frame(BINARY, bytes) }, { size > 0 and "binary " .. bytes or "binary" })
end
row("1.1.8", { text(("*"):rep(65536)) }, { "text " .. ("*"):rep(65536) }, 997)
row("1.2.8", { frame(BINARY, ("\xfe"):rep(65536)) }, { "binary " .. ("\xfe"):rep(65536) }, 997)

-- 2: pings and pongs.
local bytes = "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
row("2.1", { ping }, { "pong" })
row("2.2", { frame(PING, "Hello, world!") }, { "pong Hello, world!" })
row("2.3", { frame(PING, bytes) }, { "pong " .. bytes })
row("2.4", { frame(PING, ("\xfe"):rep(125)) }, { "pong " .. ("\xfe"):rep(125) })
row("2.5", { frame(PING, ("\xfe"):rep(126)) }, { BROKEN })
row("2.6", { frame(PING, ("\xfe"):rep(125)) }, { "pong " .. ("\xfe"):rep(125) }, 1)
row("2.7", { frame(PONG) }, {})
row("2.8", { frame(PONG, "unsolicited pong payload") }, {})
row("2.9", { frame(PONG, "unsolicited"), frame(PING, "asked") }, { "pong asked" })
local pings, pongs = {}, {}
for index = 1, 10 do
  pings[index], pongs[index] = frame(PING, "payload-" .. index), "pong payload-" .. index
end
row("2.10", pings, pongs)
row("2.11", pings, pongs, 1)

-- 3: reserved bits.
row("3.1", { frame(TEXT, "Hello", { rsv = 1 }) }, { BROKEN })
for index, cut in ipairs { false, 4, 1 } do
  row("3." .. index + 1, { hello, frame(TEXT, "Hello", { rsv = index + 1 }), ping },
    { "text Hello", BROKEN }, cut)
end
row("3.5", { frame(BINARY, bytes, { rsv = 5 }) }, { BROKEN })
row("3.6", { frame(PING, "x", { rsv = 6 }) }, { BROKEN })
row("3.7", { frame(websocket.CLOSE, "", { rsv = 7 }) }, { BROKEN })

-- 4: reserved opcodes.
for group, first in ipairs { 3, 11 } do
  for index = 1, 5 do
    local opcode = first + index - 1
    local wrong = frame(opcode, index % 2 == 0 and "reserved" or "")
    if index <= 2 then
      row(("4.%d.%d"):format(group, index), { wrong }, { BROKEN })
    else
      row(("4.%d.%d"):format(group, index), { hello, wrong, ping }, { "text Hello", BROKEN },
        index == 5 and 1)
    end
  end
end

-- 5: fragments.
row("5.1", { part(PING, "fragment1"), last("fragment2") }, { BROKEN })
row("5.2", { part(PONG, "fragment1"), last("fragment2") }, { BROKEN })
for index, cut in ipairs { false, 7, 1 } do
  row("5." .. index + 2, { part(TEXT, "fragment1"), last("fragment2") },
    { "text fragment1fragment2" }, cut)
  row("5." .. index + 5, { part(TEXT, "fragment1"), frame(PING, "between"), last("fragment2") },
    { "pong between", "text fragment1fragment2" }, cut)
  row("5." .. index + 8, { last("nothing to continue"), hello }, { BROKEN }, cut)
  row("5." .. index + 11, { part(CONTINUATION, "nothing to continue"), hello }, { BROKEN }, cut)
end
row("5.15", { part(TEXT, "fragment1"), last("fragment2"), part(CONTINUATION, "fragment3"),
  part(TEXT, "fragment4"), last("fragment5") }, { "text fragment1fragment2", BROKEN })
row("5.16", { part(CONTINUATION, "fragment1"), part(TEXT, "fragment2"), last("fragment3") },
  { BROKEN })
row("5.17", { last("fragment1"), part(TEXT, "fragment2"), last("fragment3") }, { BROKEN })
row("5.18", { part(TEXT, "fragment1"), text("fragment2") }, { BROKEN })
local five = { part(TEXT, "1"), part(CONTINUATION, "2"), frame(PING, "pongme 1"),
  part(CONTINUATION, "3"), part(CONTINUATION, "4"), frame(PING, "pongme 2"), last("5") }
row("5.19", five, { "pong pongme 1", "pong pongme 2", "text 12345" }, 9)
row("5.20", five, { "pong pongme 1", "pong pongme 2", "text 12345" })

-- 6: text. Each octet in a frame of its own is the finest cut there is.
local function in_octets(payload)
  local list = {}
  for at = 1, #payload do
    local opcode = at == 1 and TEXT or CONTINUATION
    list[at] = frame(opcode, payload:sub(at, at), { fin = at == #payload })
  end
  return list
end
local kosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
local surrogate = kosme .. "\xed\xa0\x80edited"
row("6.1.1", { text("") }, { "text" })
row("6.1.2", { part(TEXT, ""), part(CONTINUATION, ""), last("") }, { "text" })
row("6.1.3", { part(TEXT, ""), part(CONTINUATION, "middle"), last("") }, { "text middle" })
local mixed = "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"
row("6.2.1", { text(mixed) }, { "text " .. mixed })
row("6.2.2", { part(TEXT, mixed:sub(1, 12)), last(mixed:sub(13)) }, { "text " .. mixed })
row("6.2.3", in_octets(mixed), { "text " .. mixed })
row("6.2.4", in_octets(kosme), { "text " .. kosme })
row("6.3.1", { text(surrogate) }, { BAD_TEXT })
row("6.3.2", in_octets(surrogate), { BAD_TEXT })
-- What cannot become text any more is told at once: what would end the message does not come.
row("6.4.1", { part(TEXT, kosme), part(CONTINUATION, "\xf4\x90\x80\x80") }, { BAD_TEXT })
row("6.4.2", { part(TEXT, kosme .. "\xf4"), part(CONTINUATION, "\x90") }, { BAD_TEXT })
row("6.4.3", { frame(TEXT, kosme .. "\xf4\x90\x80\x80", { announced = 100 }) }, { BAD_TEXT })
row("6.4.4", { frame(TEXT, kosme .. "\xf4\x90", { announced = 100 }) }, { BAD_TEXT }, 1)

local function judged(number, payload, is_valid)
  row(number, { text(payload) }, { is_valid and "text " .. payload or BAD_TEXT })
end
local function all(group, is_valid, list)
  for index, payload in ipairs(list) do judged(group .. "." .. index, payload, is_valid) end
end
local function code_points(list)
  local out = {}
  for index, code in ipairs(list) do out[index] = utf8.char(code) end
  return out
end
all("6.5", true, { kosme, kosme .. "x", "x" .. kosme, kosme .. kosme, "\0" .. kosme })
for size = 1, #kosme do -- ends within a character, or not
  judged("6.6." .. size, kosme:sub(1, size), utf8.len(kosme:sub(1, size)) ~= nil)
end
all("6.7", true, code_points { 0x0, 0x80, 0x800, 0x10000 })
all("6.8", false, { "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80" })
all("6.9", true, code_points { 0x7f, 0x7ff, 0xffff, 0x10ffff })
all("6.10", false, { "\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf" })
all("6.11", true, code_points { 0xd7ff, 0xe000, 0xfffd, 0x10ffff })
judged("6.11.5", "\xf4\x90\x80\x80", false)
for index, payload in ipairs { "\x80", "\xbf" } do judged("6.12." .. index, payload, false) end
for index = 3, 8 do judged("6.12." .. index, ("\x80\xbf"):rep(4):sub(1, index - 1), false) end
local function series(first, final)
  local list = {}
  for code = first, final do list[#list + 1] = string.char(code) .. " " end
  return table.concat(list)
end
all("6.13", false, { series(0xc0, 0xdf), series(0xe0, 0xef), series(0xf0, 0xf7),
  series(0xf8, 0xfb), series(0xfc, 0xfd) })
all("6.14", false, { "\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
  "\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf" })
judged("6.15.1", "\xc0\xe0\x80\xf0\x80\x80\xdf\xef\xbf\xf7\xbf\xbf", false)
all("6.16", false, { "\xfe", "\xff", "\xfe\xfe\xff\xff" })
all("6.17", false, { "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf",
  "\xfc\x80\x80\x80\x80\xaf" })
all("6.18", false, { "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf",
  "\xfc\x83\xbf\xbf\xbf\xbf" })
all("6.19", false, { "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80",
  "\xfc\x80\x80\x80\x80\x80" })
local high, low = { "\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf" },
  { "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf" }
all("6.20", false, { high[1], high[2], high[3], high[4], low[1], low[2], low[3] })
local pairs_of = {}
for _, first in ipairs(high) do
  for _, second in ipairs { low[1], low[3] } do pairs_of[#pairs_of + 1] = first .. second end
end
all("6.21", false, pairs_of)
local noncharacters = {}
for plane = 0, 16 do
  noncharacters[#noncharacters + 1] = plane << 16 | 0xfffe
  noncharacters[#noncharacters + 1] = plane << 16 | 0xffff
end
all("6.22", true, code_points(noncharacters))
all("6.23", true, code_points { 0xfff9, 0xfffa, 0xfffb, 0xfffc, 0xfffd, 0xfffe, 0xffff })

-- 7: the end.
row("7.1.1", { hello, close(1000) }, { "text Hello", "close 1000" })
row("7.1.2", { close(1000), close(1001) }, { "close 1000" })
row("7.1.3", { close(1000), ping }, { "close 1000" })
row("7.1.4", { close(1000), hello }, { "close 1000" })
row("7.1.5", { part(TEXT, "fragment1"), close(1000), last("fragment2") }, { "close 1000" })
local long = ("BAsd7&jh23"):rep(26215)
row("7.1.6", { text(long), close(1000), ping }, { "text " .. long, "close 1000" })
row("7.3.1", { close() }, { "close" })
row("7.3.2", { frame(websocket.CLOSE, "a") }, { BROKEN })
row("7.3.3", { close(1000) }, { "close 1000" })
row("7.3.4", { close(1000, "Hello World!") }, { "close 1000" })
row("7.3.5", { close(1000, ("*"):rep(123)) }, { "close 1000" })
row("7.3.6", { close(1000, ("*"):rep(124)) }, { BROKEN })
row("7.5.1", { close(1000, surrogate) }, { BAD_TEXT })
local valid = { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999 }
for index, code in ipairs(valid) do row("7.7." .. index, { close(code) }, { "close " .. code }) end
for index, code in ipairs { 0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999 } do
  row("7.9." .. index, { close(code) }, { BROKEN })
end
for index, code in ipairs { 5000, 65535 } do row("7.13." .. index, { close(code) }, { BROKEN }) end

return rows
