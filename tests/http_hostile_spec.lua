-- http_hostile_spec.lua — a server of HTTP before those who mean ill: the rows of
-- tests/http/hostile.txt, heads and bodies that never end, and more of everything than is allowed —
-- not what well-behaved clients see.

local hostile = require "tests.support.hostile"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local uv = require "luv"

-- Answers with what it saw, and counts.
local SERVICE = [[
  local handled = 0
  return { frame = "http", %s
    on_request = function(_, request)
      handled = handled + 1
      if request.target == "/handled" then return tostring(handled) end
      return request.method .. " " .. request.target .. " " .. #request.body
    end }
]]

local LAST = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
local LAST_ANSWER = "GET /next 0"

describe("a server of HTTP", function()
  local moonport = rig.new()

  local function serve(fields)
    local server = moonport:start(SERVICE:format(fields or ""))
    server:allow_log("a request is refused with ")
    return server
  end

  -- Sends the bytes, in pieces of `size` if it is given, and LAST; returns all that is answered.
  local function ask(server, bytes, size)
    local client = server:connect()
    local all = bytes .. LAST
    for at = 1, #all, size or #all do client:offer(all:sub(at, at + (size or #all) - 1)) end
    local ending, answer = client:receive_end()
    client:close()
    return answer, ending
  end

  local function handled(server)
    local client = server:connect()
    client:send("GET /handled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    return tonumber(client:receive_all():match("\r\n\r\n(%d+)$"))
  end

  -- How often a status line stands in it; none of our bodies has one.
  local function statuses(answer)
    local list = {}
    for status in answer:gmatch("HTTP/1%.1 (%d%d%d) ") do
      if status ~= "100" then list[#list + 1] = status end
    end
    return table.concat(list, " ")
  end

  local function assert_row(row, answer)
    if row.status == "ok" then
      assert.equal("200 200", statuses(answer), row.name)
      assert.equal(LAST_ANSWER, answer:sub(-#LAST_ANSWER), row.name)
    else
      assert.equal(row.status, statuses(answer), row.name)
    end
    assert.is_nil(answer:find("smuggled", 1, true), row.name)
  end

  it("answers no request behind a hostile one, and calls no handler", function()
    local server = serve()
    local tame = 0
    for _, row in ipairs(hostile.rows(hostile.REQUESTS)) do
      local answer, ending = ask(server, row.bytes)
      assert.equal("EOF", ending, row.name)
      assert_row(row, answer)
      tame = tame + (row.status == "ok" and 1 or 0)
    end
    assert.equal(2 * tame + 1, handled(server))
  end)

  it("answers the same when single bytes come", function()
    local server = serve()
    for i, row in ipairs(hostile.rows(hostile.REQUESTS)) do
      if i % 7 == 0 and #row.bytes < 300 then assert_row(row, (ask(server, row.bytes, 1))) end
    end
  end)

  -- Here a handler sees a request whose body is not there yet: what is wrong in the body, it may
  -- have answered before. What follows is still nobody's.
  local others = {
    ["a stream that is read"] = [[stream = true, on_request = function(conn, request)
      local size = 0
      for piece in function() return request:read() end do size = size + #piece end
      return request.method .. " " .. request.target .. " " .. size
    end]],
    ["a stream that is not read"] = [[stream = true, on_request = function(conn, request)
      return request.method .. " " .. request.target .. " 0"
    end]],
    ["a handler that waits"] = [[on_request = function(conn, request)
      require("moonport.timer").sleep(0.001)
      return request.method .. " " .. request.target .. " " .. #request.body
    end]],
    ["main"] = [[main = function(conn)
      for request in conn.recv_message, conn do
        local body = request.method .. " " .. request.target .. " " .. #request.body
        conn:respond({ status = 200, body = body })
      end
    end]],
  }
  for what, handler in pairs(others) do
    it("answers no request behind a hostile one to " .. what, function()
      local server = moonport:start(('return { frame = "http", %s }'):format(handler))
      server:allow_log("a request is refused with ")
      for _, row in ipairs(hostile.rows(hostile.REQUESTS)) do
        local answer = ask(server, row.bytes)
        -- Who was not told to go on may send its body or not: nobody knows, so that is the end.
        local is_unsure = what:find("not read", 1, true) and row.name:find("^Expect")
        if row.is_tame and not is_unsure then
          assert_row(row, answer)
        else
          assert.is_nil(answer:find("/next", 1, true), row.name)
          assert.is_nil(answer:find("/smuggled", 1, true), row.name)
          local given = statuses(answer)
          assert.is_true(given == row.status or given == "200", row.name .. ": " .. given)
        end
      end
    end)
  end

  -- A peer that says `begins`, and then one more `piece` every few milliseconds for as long as it
  -- may. Returns all that is answered.
  local function trickle(server, begins, piece)
    local client, timer = server:connect(), uv.new_timer()
    client:send(begins)
    timer:start(10, 10, function()
      if not client.handle:is_closing() and client.handle:is_writable() then client:offer(piece) end
    end)
    local ok, ending, answer = pcall(client.receive_end, client)
    timer:close()
    assert(ok, ending)
    return answer
  end

  local endless = {
    ["a first line"] = { "GET /", "a" },
    ["a head"] = { "GET / HTTP/1.1\r\nHost: a\r\nX: ", "y" },
    ["lines of a head"] = { "GET / HTTP/1.1\r\nHost: a\r\n", "X: y\r\n" },
    ["a body"] = { "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", "y" },
    ["a body in chunks"] = {
      "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\ny\r\n" },
    ["a chunk"] = {
      "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", "y" },
    ["a trailer"] = {
      "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n" },
  }
  for what, case in pairs(endless) do
    it("gives up " .. what .. " that never ends after timeouts.request", function()
      local server = serve("timeouts = { request = 0.3 },")
      assert.equal("408", statuses(trickle(server, case[1], case[2])))
      assert.equal(1, handled(server))
    end)
  end

  -- From a program that is made for it: heads, then bodies, that are never finished.
  for _, mode in ipairs({ "-H", "-B" }) do
    it("serves others while slowhttptest " .. mode .. " holds hundreds of requests open", function()
      if not shell.has("slowhttptest") then return pending("needs slowhttptest") end
      local server = serve("timeouts = { request = 1 },")
      local slow = moonport:spawn({ "slowhttptest", mode, "-c", "300", "-r", "300", "-i", "1",
        "-l", "2", "-u", ("http://127.0.0.1:%d/"):format(server:port()) })
      repeat
        assert.equal("200", statuses((ask(server, ""))))
        uv.sleep(20)
      until slow:has_ended()
      assert.is_nil(slow:stdout():match("service available:[^\n]*NO"), slow:stdout())
      server:wait_idle()
    end)
  end

  local function head_of(size)
    local head = "GET / HTTP/1.1\r\nHost: a\r\nX: "
    return head .. ("y"):rep(size - #head - 4) .. "\r\n\r\n"
  end

  it("takes heads up to limits.head, whatever stands in them", function()
    local server = serve('limits = { head = "1K" },')
    local chunks = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert.equal("200 200", statuses((ask(server, head_of(1024)))))
    assert.equal("431", statuses((ask(server, head_of(1025)))))
    assert.equal("414", statuses((ask(server, "GET /" .. ("a"):rep(1024)))))
    assert.equal("200 200", statuses((ask(server, chunks .. "400\r\n" .. ("y"):rep(1024) ..
      "\r\n0\r\nX: " .. ("y"):rep(2000) .. "\r\n\r\n"))))
  end)

  it("refuses a body above limits.message as soon as it is known to be", function()
    local server = serve('limits = { message = "1K" },')
    local put = "PUT / HTTP/1.1\r\nHost: a\r\n"
    local function sized(size)
      return put .. "Content-Length: " .. size .. "\r\n\r\n" .. ("y"):rep(math.min(size, 1025))
    end
    local function chunked(size)
      return put .. "Transfer-Encoding: chunked\r\n\r\n" .. ("1\r\ny\r\n"):rep(size) .. "0\r\n\r\n"
    end
    assert.equal("200 200", statuses((ask(server, sized(1024)))))
    assert.equal("413", statuses((ask(server, sized(1025)))))
    assert.equal("413", statuses((ask(server, sized(999999999999999999)))))
    assert.equal("200 200", statuses((ask(server, chunked(1024)))))
    assert.equal("413", statuses((ask(server, chunked(1025)))))
  end)

  -- What is only claimed is not allocated, and what is sent is not kept.
  it("reads 100 MB that a script asks for piece by piece, and keeps none of it", function()
    local server = moonport:start([[
      return { frame = "http", stream = true, on_request = function(_, request)
        local size = 0
        local piece = request:read()
        while piece do
          size = size + #piece
          piece = request:read()
        end
        return tostring(size)
      end }
    ]], { env = { ASAN_OPTIONS = "quarantine_size_mb=1" } })
    local client, before = server:connect(), server:rss()
    client:offer("PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" ..
      "Transfer-Encoding: chunked\r\n\r\n")
    local piece = "10000\r\n" .. ("y"):rep(0x10000) .. "\r\n"
    for at = 1, 1600 do
      client:offer(piece)
      if at % 16 == 0 then client:wait_sent() end
    end
    client:offer("0\r\n\r\n")
    assert.equal(tostring(1600 * 0x10000), client:receive_all():match("\r\n\r\n(%d+)$"))
    local grown = server:rss() - before
    assert.is_true(grown < 64 * 1024 * 1024, grown .. " bytes more")
  end)

  it("refuses paths that can be decoded in two ways", function()
    local server = serve()
    for _, path in ipairs({ "/%", "/%2", "/%zz", "/%00", "/a%0", "/%2%30" }) do
      local request = ("GET %s HTTP/1.1\r\nHost: a\r\n\r\n"):format(path)
      assert.equal("400", statuses((ask(server, request))), path)
    end
    assert.equal(1, handled(server))
  end)

  it("answers what is refused with a sentence, and tells who logs", function()
    local server = serve()
    local answer = ask(server, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    assert.matches("^HTTP/1%.1 400 Bad Request\r\n", answer)
    assert.matches("\r\nConnection: close\r\n", answer)
    assert.matches("\r\n\r\nthere are several fields Host\n$", answer)
    server:wait_for("a request is refused with 400: there are several fields Host")
  end)
end)
