-- show_spec.lua — what happened, in words and as rows of arrows, in each language.

local diagram = require "moonport.show.diagram"
local english = require "moonport.show.english"
local events = require "moonport.show.events"
local korean = require "moonport.show.korean"
local words = require "moonport.show.words"

-- The headings of docs/events.md, which a spec holds against the core.
local function documented_kinds()
  local kinds = {}
  for line in io.lines("docs/events.md") do
    kinds[#kinds + 1] = line:match("^### `(%l+)`$")
  end
  return kinds
end

local function keys_of(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- What a phrase takes, in whatever order and unit it has it: "bytes_in bytes_out".
local function taken_by(phrase)
  local names = {}
  for name in phrase:gmatch("{([%w_]+)") do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, " ")
end

describe("Both languages", function()
  it("have the same phrases, which take the same", function()
    assert.same(keys_of(english.phrases), keys_of(korean.phrases))
    for name, phrase in pairs(english.phrases) do
      assert.equal(taken_by(phrase), taken_by(korean.phrases[name]), name)
    end
    assert.same(keys_of(english.nouns), keys_of(korean.nouns))
    assert.same(keys_of(english.units), keys_of(korean.units))
  end)

  it("have words of their own for every kind of event", function()
    local kinds = documented_kinds()
    assert.is_true(#kinds > 35)
    for _, kind in ipairs(kinds) do
      local event = { event = kind, outcome = "reloaded", state = "ended" }
      local told = events.what(event, "en")
      assert.not_equal(kind, told)
      assert.not_equal(told, events.what(event, "ko"), kind)
      assert.matches("[가-힣]", events.what(event, "ko"), kind)
    end
  end)

  -- 이/가, 을/를, 은/는, 와/과, (으)로 depend on how what stands before them is read.
  it("leave no particle behind what is put in that depends on its sound", function()
    for name, phrase in pairs(korean.phrases) do
      for _, particle in ipairs { "이", "가 ", "을", "를", "은", "는", "와", "과", "로", "으로" } do
        assert.is_nil(phrase:find("}" .. particle, 1, true), name)
      end
    end
  end)

  it("put fields in whatever they hold, but only once", function()
    local event = { event = "accept", peer = "{peer}%1\27[2J" }
    assert.equal("SYN came from {peer}%1\\x1b[2J, accepted", events.what(event))
    assert.equal("{peer}%1\\x1b[2J에서 SYN이 옴, 연결을 수락함", events.what(event, "ko"))
  end)
end)

describe("A time", function()
  it("never has an exponent, and is of the next unit where it rounds to a thousand", function()
    for ns, told in pairs {
      [0] = "0 µs", [999] = "0.999 µs", [12345] = "12.3 µs", [999499] = "999 µs",
      [999500] = "1 ms", [999999] = "1 ms", [999499999] = "999 ms", [999900000] = "0.9999 s",
      [1000000000] = "1 s", [1234567890] = "1.235 s", [59994000000] = "59.99 s",
      [59995000000] = "1 min", [61 * 10^9] = "1 min 1 s", [3600 * 10^9] = "1 h",
      [90061 * 10^9] = "1 d 1 h", [2^63] = "53375 d 23 h",
    } do
      assert.equal(told, words.time(ns))
    end
    for exponent = 0, 18 do
      for _, digits in ipairs { 1, 5, 9, 9.4, 9.5, 9.949, 9.95, 9.9949, 9.995, 9.9999 } do
        assert.is_nil(words.time(digits * 10 ^ exponent):find("e", 1, true))
      end
    end
    assert.equal("1분 1초", words.time(61e9, "ko"))
    assert.equal("1.5초", words.time(1.5e9, "ko"))
  end)
end)

-- Its rows, each as "outer / inner / note"; an arrow as "->5 bytes", "~>5 bytes" where inferred.
local function drawn(list, options)
  local model, told = diagram.new(options or {}), {}
  local function of(arrow)
    if not arrow then return "" end
    local line = arrow.source == "inferred" and "~" or arrow.source == "kernel" and "=" or "-"
    return (arrow.dir == "left" and "<" .. line or arrow.dir and line .. ">" or "") .. arrow.label
  end
  for time_ns, event in ipairs(list) do
    event.time_ns, event.script = time_ns, event.script or "s.lua"
    for _, row in ipairs(model:rows(event)) do
      told[#told + 1] = row.kind == "head" and
        ("%s: %s"):format(row.title, table.concat(row.lanes, " ")) or
        ("%s / %s / %s"):format(of(row.outer), of(row.inner), row.note or "")
      if options and options.several and row.kind ~= "head" then
        told[#told] = row.conn .. ": " .. told[#told]
      end
    end
  end
  return told, model
end

describe("A diagram", function()
  local accept = { event = "accept", conn = 1, peer = "10.0.0.1:5" }

  it("draws bytes when they arrived, and infers that only of those nobody told", function()
    assert.same({
      "connection #1, s.lua: peer kernel script",
      "~>SYN /  / ", "<~SYN+ACK /  / ", "~>ACK / ->accept / 10.0.0.1:5",
      "=>5 bytes /  / ",
      "=>3 bytes /  / ", "=>FIN /  / ",
      ' / ->8 bytes "hellobye" / ',
      '~>1 byte / ->1 byte "x" / ',
      " / ->end of file / ",
    }, (drawn {
      accept,
      { event = "arrive", conn = 1, arrived = 5, waiting = 5 },
      { event = "arrive", conn = 1, arrived = 3, waiting = 8, ["end"] = "FIN" },
      { event = "data", conn = 1, to = "script", size = 8, text = "hellobye" },
      { event = "data", conn = 1, to = "script", size = 1, text = "x" },
      { event = "eof", conn = 1 },
    }))
  end)

  it("draws both halves of a proxy, and forwarded bytes past the script", function()
    local rows, model = drawn {
      accept,
      { event = "wait", conn = 1, call = "connect" },
      { event = "connect", conn = 2, peer = "10.0.0.2:80" },
      { event = "wake", conn = 1, handler = "on_open" },
      { event = "forward", conn = 1, to = 2 },
      { event = "data", conn = 1, to = "forward", size = 5, text = "hello" },
      { event = "send", conn = 2, by = "forward", size = 5, text = "hello" },
      { event = "flush", conn = 2, taken = 5, left = 0 },
      { event = "eof", conn = 2 },
      { event = "shutdown", conn = 1, source = "observed" },
      { event = "close", conn = 1, reason = "eof" },
    }
    assert.is_falsy(model.is_over)
    assert.same({
      "connection #1, forwarded to #2, s.lua: client moonport upstream",
      " / ~>SYN / ", " / <~SYN+ACK / ", " / ~>ACK / 10.0.0.2:80",
      " /  / #1: on_open goes on",
      " /  / #1: from now on, forwarded to #2",
      "~>5 bytes /  / ",
      " / ~>5 bytes / ",
      " / <~FIN / ",
      "<-FIN /  / ",
      " /  / #1: closed (eof), 0 bytes in, 0 out, after under 1 ms",
    }, table.move(rows, 6, #rows, 1, {}))
    model:rows { event = "close", conn = 2 }
    assert.is_true(model.is_over)
  end)

  it("draws datagrams of one peer, and what their handler does", function()
    assert.same({
      "datagrams with 10.0.0.1:5, u.lua: peer kernel script",
      '~>2 bytes / ->2 bytes "hi" / ',
      " /  / on_datagram began",
      '<~2 bytes / <-2 bytes "ho" / ',
      " /  / on_datagram ended after 1 µs",
    }, (drawn {
      { event = "handler", handler = "timer", script = "u.lua" },
      { event = "datagram", peer = "10.0.0.1:5", size = 2, text = "hi", script = "u.lua" },
      { event = "handler", handler = "on_datagram", script = "u.lua" },
      { event = "sendto", peer = "10.0.0.1:5", size = 2, text = "ho", script = "u.lua" },
      { event = "sendto", peer = "10.0.0.9:5", size = 2, text = "no", script = "u.lua" },
      { event = "handled", handler = "on_datagram", outcome = "done", lua_ns = 1000,
        script = "u.lua" },
      { event = "datagram", peer = "10.0.0.9:5", size = 2, text = "no", script = "u.lua" },
    }))
  end)

  it("of several connections says which each row is of", function()
    assert.same({
      "connections: peer kernel script",
      "1: ~>SYN /  / ", "1: <~SYN+ACK /  / ", "1: ~>ACK / ->accept / 10.0.0.1:5",
      "2: ~>SYN /  / ", "2: <~SYN+ACK /  / ", "2: ~>ACK / ->accept / 10.0.0.1:6",
      "1: ~>FIN / ->end of file / ",
    }, (drawn({ accept, { event = "accept", conn = 2, peer = "10.0.0.1:6" },
      { event = "eof", conn = 1 } }, { several = true })))
  end)

  it("shows FIN and RST by who sent them, and how that is known", function()
    local rows = drawn({
      { event = "shutdown", conn = 1, source = "observed" },
      { event = "shutdown", conn = 1, source = "inferred" },
      { event = "reset", conn = 1, by = "peer", error = "ECONNRESET", source = "observed" },
      { event = "reset", conn = 1, by = "us", unread = 3, source = "inferred" },
      { event = "reset", conn = 1, by = "network", error = "ETIMEDOUT", source = "observed" },
    }, { conn = "1" })
    assert.same({
      "<-FIN / <-shutdown / ", "<~FIN / <-close / ",
      "->RST / ->ECONNRESET / ",
      "<~RST / <-reset / RST went, for 3 bytes were left unread",
      " /  / given up: the network does not reach the peer: ETIMEDOUT",
    }, table.move(rows, 2, #rows, 1, {}))
  end)

  it("with TLS says that there is more on the wire than was said", function()
    local rows = drawn({
      { event = "handshake", conn = 1, version = "TLSv1.3", cipher = "AES", session = "new" },
      { event = "arrive", conn = 1, arrived = 27, waiting = 27 },
      { event = "data", conn = 1, to = "script", size = 5, text = "hello" },
      { event = "data", conn = 1, to = "script", size = 1, text = "x" },
      { event = "flush", conn = 1, taken = 6, left = 0 },
      { event = "time_wait", conn = 1, left_ms = 60000 },
      { event = "close", conn = 1, reason = "closed", first = "us", age_ms = 1000 },
    }, { conn = "1" })
    assert.same({
      "TLS handshake /  / TLS handshake done: TLSv1.3, AES, new session",
      "=>27 bytes /  / ",
      ' / ->5 bytes "hello" / ',
      '~>1 byte in TLS / ->1 byte "x" / ',
      "<~6 bytes in TLS / <-write 6 bytes / ",
      " /  / the kernel keeps both addresses in TIME_WAIT, for 1 min",
      " /  / closed, 0 bytes in, 0 out, after 1 s, we ended first",
    }, table.move(rows, 2, #rows, 1, {}))
  end)

  it("takes what is no event of ours", function()
    for _, event in ipairs { {}, { event = 5 }, { event = "data", conn = {} },
      { event = "data", conn = 1, size = "x", to = 7, text = {} },
      { event = "arrive", conn = 1, waiting = -5 }, { event = "later", conn = 1 },
      { event = "forward", conn = 1 }, { event = "wake", conn = 1 } } do
      diagram.new({ several = true, lang = "ko" }):rows(event)
      diagram.new({ conn = "1" }):rows(event)
      assert.is_string(events.what(event, "ko"))
    end
    assert.equal("later", events.what { event = "later" })
  end)
end)
