-- http_mistakes_spec.lua — what an author may get wrong with requests, and what the log says of it.
-- More of that, of answers that are returned, is in http_spec.lua.

local http = require "tests.support.http"
local rig = require "tests.support.rig"

describe("an author's mistake with requests", function()
  local moonport = rig.new()

  local function start(body)
    return moonport:start(([[return { frame = "http", on_request = function(conn, request)
      %s
    end }]]):format(body))
  end

  -- Among answers, the peer took bytes of a file for the next one.
  local refused = {
    { 'conn:send_file("/etc/hostname")', "test%.lua:2: send_file: this connection has requests" },
    { "conn:forward(conn)", "test%.lua:2: forward: this connection has requests" },
    { "conn:starttls()", "test%.lua:2: starttls: HTTP does not begin plain" },
    { 'return { body = { "a", {} } }', "body of on_request %(.*test%.lua:1%).*element 2" },
    { 'conn:events { ["content-length"] = 5 }', "test%.lua:2: events have no end" },
  }
  for _, case in ipairs(refused) do
    it("is told with its line, and nothing of it is sent: " .. case[1], function()
      local server = start(case[1])
      assert.equal(500, http.ask(server:connect(), "GET", "/").status)
      server:expect_log(case[2])
    end)
  end

  -- The answer was empty, and nothing said why.
  local bodies = {
    ['function() return "hello" end'] = "body %(.*test%.lua:2%) returned a string, which would be",
    ['function(write) write "hel" end, headers = { ["content-length"] = 5 }'] =
      "body %(.*test%.lua:2%) is shorter than its content%-length, by 2 bytes",
  }
  for body, fault in pairs(bodies) do
    it("in a body that streams ends with a reset: " .. body, function()
      local server = start(("return { body = %s }"):format(body))
      local peer = server:connect()
      peer:send(http.request("GET", "/"))
      server:expect_log(fault)
    end)
  end
end)
