-- wait_spec.lua — recv and its family: what they give, when they end, where they may be called.

local rig = require "tests.support.rig"

-- `main` that shows what each of its waits gave, one line each.
local function sequential(body, fields)
  return ([[
    local timer = require "moonport.timer"
    local function show(conn, ...)
      local list = table.pack(...)
      for index = 1, list.n do list[index] = tostring(list[index]) end
      conn:send("<" .. table.concat(list, "|") .. ">\n")
    end
    return {
      %s
      main = function(conn)
        %s
      end,
    }
  ]]):format(fields or "", body)
end

describe("recv", function()
  local moonport = rig.new()

  it("gives what has come, and nil, 'eof' after the peer's FIN", function()
    local server = moonport:start(sequential([[
      local got = {}
      while true do
        local data, code = conn:recv()
        if not data then show(conn, table.concat(got), code) return end
        got[#got + 1] = data
      end
    ]]))
    local peer = server:connect()
    peer:send("all of ")
    peer:send("this")
    peer:finish()
    assert.equal("<all of this|eof>\n", peer:receive_all())
  end)

  it("gives at most as many bytes as were asked for, and the rest next time", function()
    local server = moonport:start(sequential([[
      conn:recv_exactly(1)
      while true do
        local data, code = conn:recv(3)
        if not data then show(conn, code) return end
        assert(#data >= 1 and #data <= 3)
        show(conn, data)
      end
    ]]))
    local peer = server:connect()
    peer:send("!abcdefgh")
    peer:finish()
    local got = peer:receive_all():gsub("[<>\n]", "")
    assert.equal("abcdefgheof", got)
  end)

  it("gives nil, 'eof' each time it is asked again", function()
    local server = moonport:start(sequential([[
      show(conn, conn:recv())
      show(conn, conn:recv())
      show(conn, conn:recv_line())
      show(conn, conn:recv_exactly(1))
    ]]))
    local peer = server:connect()
    peer:finish()
    assert.equal(("<nil|eof>\n"):rep(2), peer:receive(20))
    assert.matches("^<nil|eof|?>\n<nil|eof|?>\n$", peer:receive_all())
  end)

  it("returning from main closes, and everything sent arrives", function()
    local server = moonport:start([[
      return {
        main = function(conn) conn:send("x" .. conn:recv_line()) end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect()
    peer:send("1\n")
    assert.equal("x1", peer:receive_all())
    peer:close()
    assert.same({ "close closed" }, server:wait_told("close closed"))
  end)

  it("serves several connections with main side by side", function()
    local server = moonport:start(sequential([[
      local name = conn:recv_line()
      show(conn, name, conn:recv_line())
    ]]))
    local peers = {}
    for index = 1, 5 do
      peers[index] = server:connect()
      peers[index]:send("peer " .. index .. "\n")
    end
    for index = 5, 1, -1 do
      peers[index]:send("line\n")
      assert.equal(("<peer %d|line>\n"):format(index), peers[index]:receive_all())
    end
  end)
end)

describe("recv_exactly", function()
  local moonport = rig.new()

  it("gives that many bytes however they were cut", function()
    local server = moonport:start(sequential([[
      show(conn, conn:recv_exactly(4))
      show(conn, conn:recv_exactly(2))
      local large = conn:recv_exactly(300000)
      show(conn, #large, large == ("x"):rep(300000))
      show(conn, conn:recv())
    ]]))
    local peer = server:connect()
    peer:send("ab")
    peer:send("cdef" .. ("x"):rep(300000))
    peer:finish()
    assert.equal("<abcd>\n<ef>\n<300000|true>\n<nil|eof>\n", peer:receive_all())
  end)

  it("gives nil, 'eof' and what had come when the peer ends before", function()
    local server = moonport:start(sequential("show(conn, conn:recv_exactly(10))"))
    local peer = server:connect()
    peer:send("abc")
    peer:finish()
    assert.equal("<nil|eof|abc>\n", peer:receive_all())
  end)

  it("of 0 is the empty string at once", function()
    local server = moonport:start(sequential("show(conn, conn:recv_exactly(0))"))
    assert.equal("<>\n", server:connect():receive_all())
  end)

  it("raises on a size that is none", function()
    local server = moonport:start(sequential([[
      show(conn, pcall(conn.recv_exactly, conn, -1))
      show(conn, pcall(conn.recv_exactly, conn, "many"))
      show(conn, pcall(conn.recv_exactly, conn))
      show(conn, pcall(conn.recv, conn, 0))
    ]]))
    local peer = server:connect()
    for _ = 1, 4 do assert.matches("^<false|.*bad argument", peer:receive_line()) end
  end)
end)

describe("recv_line", function()
  local moonport = rig.new()

  it("gives lines without LF or CRLF, empty ones too", function()
    local server = moonport:start(sequential([[
      for line in function() return conn:recv_line() end do show(conn, #line, line) end
    ]]))
    local peer = server:connect()
    peer:send("one\ntwo\r\n\n\r\nth")
    peer:send("ree\r")
    peer:send("\nfo\rur\n")
    peer:finish()
    assert.equal("<3|one>\n<3|two>\n<0|>\n<0|>\n<5|three>\n<5|fo\rur>\n", peer:receive_all())
  end)

  it("gives nil, 'eof' and the unfinished line when the peer ends", function()
    local server = moonport:start(sequential([[
      show(conn, conn:recv_line())
      show(conn, conn:recv_line())
    ]]))
    local peer = server:connect()
    peer:send("whole\nhalf")
    peer:finish()
    assert.equal("<whole>\n<nil|eof|half>\n", peer:receive_all())
  end)

  it("gives nil, 'limit' for a line longer than was allowed", function()
    local server = moonport:start(sequential([[
      show(conn, conn:recv_line(8))
      show(conn, (select(2, conn:recv_line(8))))
    ]]))
    local peer = server:connect()
    peer:send("12345678\n123456789\n")
    assert.equal("<12345678>\n<limit>\n", peer:receive_all())
  end)

  it("does not collect a line without an end beyond its limit", function()
    local server = moonport:start(sequential("show(conn, (select(2, conn:recv_line())))"))
    local peer = server:connect()
    peer:offer(("x"):rep(1024):rep(8 * 1024))
    assert.equal("<limit>\n", peer:receive_all())
  end)
end)

describe("recv_until", function()
  local moonport = rig.new()

  it("gives what is before a separator of any length, without it", function()
    local server = moonport:start(sequential([[
      show(conn, conn:recv_until("\r\n\r\n"))
      show(conn, conn:recv_until("\0"))
      show(conn, conn:recv_until("aab"))
      show(conn, conn:recv())
    ]]))
    local peer = server:connect()
    peer:send("head\r\nmore\r")
    peer:send("\n\r\nzero\0aaa")
    peer:send("ab!")
    assert.equal("<head\r\nmore>\n<zero>\n<aa>\n<!>\n", peer:receive_all())
  end)

  it("gives nil, 'eof' and the rest, or nil, 'limit'", function()
    local server = moonport:start(sequential([[
      show(conn, conn:recv_until(";", 4))
      show(conn, conn:recv_until(";"))
      show(conn, (select(2, conn:recv_until(";", 4))))
    ]]))
    local first = server:connect()
    first:send("1234;rest")
    first:finish()
    assert.matches("^<1234>\n<nil|eof|rest>\n", first:receive_all())
    local second = server:connect()
    second:send("1;2;12345")
    assert.equal("<1>\n<2>\n<limit>\n", second:receive_all())
  end)

  it("raises on an empty separator", function()
    local server = moonport:start(sequential('show(conn, pcall(conn.recv_until, conn, ""))'))
    assert.matches("^<false|.*bad argument", server:connect():receive_line())
  end)
end)

describe("a wait", function()
  local moonport = rig.new()

  it("ends with nil, 'timeout' and what had come when the peer falls silent", function()
    local server = moonport:start(sequential(
      "show(conn, conn:recv_exactly(10))",
      "timeouts = { idle = 0.2 }, on_timeout = function() return true end,"))
    local peer = server:connect()
    peer:send("abc")
    assert.equal("<nil|timeout|abc>\n", peer:receive_all())
  end)

  -- libuv tells a reset that comes together with bytes as EOF: hence one after the other.
  it("ends with nil and a code when the peer resets", function()
    local server = moonport:start([[
      return {
        main = function(conn)
          print("> " .. conn:recv_line())
          local data, code = conn:recv_line()
          print(("> %s %s"):format(data, code))
        end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect()
    peer:send("whole\nhalf")
    server:wait_told("whole")
    peer:reset()
    local told = server:wait_told("close reset")
    assert.equal(3, #told)
    assert.matches("^nil %l+$", told[2])
  end)

  it("in on_data takes what comes next; the rest goes to on_data again", function()
    local server = moonport:start([[
      return {
        on_data = function(conn, data)
          print("> data " .. data)
          if data == "header" then
            conn:send("?")
            print("> line " .. conn:recv_line())
          end
        end,
        on_eof = function(conn) print("> eof") conn:close() end,
      }
    ]])
    local peer = server:connect()
    peer:send("header")
    peer:receive(1)
    peer:send("line\nrest")
    peer:finish()
    peer:receive_all()
    assert.same({ "data header", "line line", "data rest", "eof" }, server:wait_told("eof"))
  end)

  it("in on_open takes the first bytes before on_data sees any", function()
    local server = moonport:start([[
      return {
        on_open = function(conn) conn.nick = conn:recv_line() end,
        on_data = function(conn, data) conn:send(conn.nick .. ": " .. data) end,
      }
    ]])
    local peer = server:connect()
    peer:send("ada\nhello")
    assert.equal("ada: hello", peer:receive(10))
  end)

  it("in on_open leaves what it did not take to nobody when there is no on_data", function()
    local server = moonport:start([[
      return {
        on_open = function(conn) print("> " .. conn:recv_line()) end,
        on_eof = function(conn) print("> eof") conn:close() end,
      }
    ]])
    local peer = server:connect()
    peer:send("a line\nand the rest")
    peer:finish()
    assert.equal("", peer:receive_all())
    assert.same({ "a line", "eof" }, server:wait_told("eof"))
  end)

  it("works in coroutines that the script makes itself", function()
    local server = moonport:start(sequential([[
      local words = coroutine.wrap(function()
        while true do
          local line = conn:recv_line()
          if not line then return end
          for word in line:gmatch("%a+") do coroutine.yield(word) end
        end
      end)
      for word in words do show(conn, word) end
    ]]))
    local peer = server:connect()
    peer:send("one two\nthr")
    assert.equal("<one>", peer:receive_line())
    assert.equal("<two>", peer:receive_line())
    peer:send("ee\n")
    peer:finish()
    assert.equal("<three>\n", peer:receive_all())
  end)

  it("works inside pcall, and an error behind it is caught there", function()
    local server = moonport:start(sequential([[
      show(conn, pcall(function()
        local line = conn:recv_line()
        timer.sleep(0.01)
        error("about " .. line, 0)
      end))
    ]]))
    local peer = server:connect()
    peer:send("this\n")
    assert.equal("<false|about this>\n", peer:receive_all())
  end)

  it("works in a metamethod", function()
    local server = moonport:start(sequential([[
      local function index(_, key) return key .. conn:recv_line() end
      local lazy = setmetatable({}, { __index = index })
      show(conn, lazy.first)
      show(conn, lazy.second)
    ]]))
    local peer = server:connect()
    peer:send("1\n2\n")
    assert.equal("<first1>\n<second2>\n", peer:receive_all())
  end)

  for name, call in pairs({
    ["table.sort"] = "table.sort({ 3, 2, 1 }, function(a, b) conn:recv() return a < b end)",
    ["string.gsub"] = '("abc"):gsub(".", function() timer.sleep(0.01) end)',
  }) do
    it("raises a clear message inside " .. name .. ", and costs that connection only", function()
      local server = moonport:start(([[
        local timer = require "moonport.timer"
        return { on_data = function(conn, data)
          if data == "wait" then %s end
          conn:send(data)
        end }
      ]]):format(call))
      local other, peer = server:connect(), server:connect()
      peer:send("wait")
      assert.equal("", peer:receive_all())
      local record = server:expect_log("wait")
      assert.matches("test%.lua:3", record.message .. (record.traceback or ""))
      other:send("alive")
      assert.equal("alive", other:receive(5))
    end)
  end

  it("at load, outside of any handler, is refused with file and line", function()
    local path = moonport:directory():write("early.lua", [[
      require("moonport.timer").sleep(1)
      return {}
    ]])
    local result = moonport:run({ "check", path })
    assert.equal(1, result.code)
    assert.matches("early%.lua:1", result.stderr)
  end)

  it("of one coroutine does not steal the bytes of another", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        on_data = function(conn, data)
          timer.after(0, function()
            local ok, err = pcall(conn.recv_line, conn)
            print("> second " .. tostring(ok) .. " " .. tostring(err))
          end)
          print("> first " .. conn:recv_line())
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    server:wait_for("> second")
    peer:send("line\n")
    server:wait_told("first line")
    assert.matches("^second false", server:told()[1])
  end)
end)
