-- http_spec.lua — an example: scripts/http.lua under each cut of a request, and with fake time.

local test = require "moonport.test"

local REQUEST = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" ..
  "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

describe("The HTTP server", function()
  it("gives the same two answers wherever the network cuts the requests", function()
    local function answers_to(how)
      local peer = test.load("scripts/http.lua"):connect()
      peer:send(REQUEST, how)
      return peer:read()
    end
    local expected = answers_to(nil)
    assert.equal(2, select(2, expected:gsub("HTTP/1.1 200 OK", "")))
    assert.equal(expected, answers_to("every"))
    for place = 1, #REQUEST - 1 do assert.equal(expected, answers_to({ place })) end
  end)

  it("dates its answers anew each second", function()
    local http = test.load("scripts/http.lua")
    local peer = http:connect()
    local function date()
      peer:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      return peer:read():match("\r\nDate: ([^\r]+)")
    end
    assert.equal("Sat, 01 Jan 2000 00:00:00 GMT", date())
    http:advance(61)
    assert.equal("Sat, 01 Jan 2000 00:01:01 GMT", date())
  end)

  it("closes a connection on which nothing happens", function()
    local http = test.load("scripts/http.lua")
    local peer = http:connect()
    http:advance(299)
    assert.is_nil(peer:reason())
    http:advance(1)
    assert.equal("idle", peer:reason())
  end)
end)
