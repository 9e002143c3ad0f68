-- http_leaving_spec.lua — peers that leave within a request, an answer or a body, or say no more:
-- it costs their own connection only.

local http = require "tests.support.http"
local rig = require "tests.support.rig"

describe("a peer that leaves within a request", function()
  local moonport = rig.new()

  local function start(script, options) return moonport:start(script, options) end

  -- The server ended: what had come of the body was gathered, the inbox was given back, and the FIN
  -- looked into it.
  for _, framing in ipairs { "Content-Length: 5", "Transfer-Encoding: chunked" } do
    it("is told so, when all that it sent of the body is gathered: " .. framing, function()
      local server = start [[
        return { frame = "http", on_request = function() return "hello\n" end }
      ]]
      local peer = server:connect()
      peer:send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n" .. framing .. "\r\n\r\n")
      assert.equal(100, http.read_head(peer).status)
      peer:finish()
      assert.equal(400, http.read(peer).status)
      server:expect_log("ended within the request")
      assert.equal("hello\n", http.ask(server:connect(), "GET", "/").body)
    end)
  end

  -- The same for what is skipped of a body that nobody read.
  it("costs nobody else anything, when the rest of a body was dropped behind the answer", function()
    local server = start [[
      return { frame = "http", stream = true, on_request = function() return "hello\n" end }
    ]]
    local peer = server:connect()
    peer:send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
    assert.equal("hello\n", http.read(peer).body)
    peer:finish()
    assert.equal("", peer:receive_all())
    assert.equal("hello\n", http.ask(server:connect(), "GET", "/").body)
  end)
end)
