-- http_settings_spec.lua — what a service with frame = "http" or "websocket" may have, and what is
-- said of the rest.

local http = require "tests.support.http"
local rig = require "tests.support.rig"

local HTTP = [[frame = "http", on_request = print]]
local WEBSOCKET = [[frame = "websocket", on_message = print]]

-- What the script returns, and what is said of it.
local faults = {
  { [[frame = "http"]], [[frame = "http" without on_request: nobody answers; write on_request ]] ..
    [[= function(conn, request)]] },
  { [[frame = "http", on_open = print]], [[frame = "http" without on_request]] },
  { HTTP .. [[, on_data = print]], [[on_data beside frame: with a frame, on_request takes its ]] ..
    [[place; keep one]] },
  { HTTP .. [[, on_message = print]], [[on_message beside frame = "http": on_request(conn, ]] ..
    [[request) takes its place; or write frame = "websocket"]] },
  { HTTP .. [[, on_upgrade = print]], [[on_upgrade beside frame = "http": only frame = ]] ..
    [["websocket" has upgrades]] },
  { HTTP .. [[, main = print]], [[on_request beside main: main reads with conn:recv_message(), ]] ..
    [[so on_request would never run; keep one]] },
  { HTTP .. [[, stream = 1]], [[stream is 1: write true or false]] },
  { HTTP .. [[, limits = { head = "17M" }]], [[limits.head is "17M", which is too large: write ]] ..
    [[at most "16M"]] },
  { HTTP .. [[, timeouts = { request = "1" }]], [[timeouts.request is "1": write seconds]] },
  { [[on_request = print]], [[on_request without frame = "http": add that, or leave on_request]] },
  { [[on_data = print, on_upgrade = print]], [[on_upgrade without frame = "websocket"]] },
  { [[frame = "line", on_message = print, stream = true]], [[stream without frame = "http"]] },
  { [[on_data = print, limits = { head = 100 }]], [[limits.head without frame = "http": it is ]] ..
    [[of requests; leave it out]] },
  { [[on_data = print, timeouts = { request = 1 }]], [[timeouts.request without frame = "http"]] },
  { [[frame = "htp", on_message = print]], [[frame is "htp": write "http", "websocket", "line"]] },
  { [[frame = "websocket"]], [[frame = "websocket" without on_message: nobody gets what comes]] },
  { WEBSOCKET .. [[, on_data = print]], [[on_data beside frame]] },
  { WEBSOCKET .. [[, main = print]], [[on_message beside main]] },
  { WEBSOCKET .. [[, stream = true]], [[stream without on_request]] },
  { [[onrequests = print]], [[unknown field 'onrequests' (did you mean on_request, with ]] ..
    [[frame = "http"?)]] },
  { HTTP .. [[, limits = { max_headers = 1 }]], [[unknown field 'limits.max_headers' (did you ]] ..
    [[mean head?)]] },
}

-- What loads, and nothing is said.
local right = {
  HTTP .. [[, stream = false, limits = { head = 1, message = 1 }, timeouts = { request = 0 }]],
  [[frame = "http", stream = true, main = print, reload = "drain"]],
  WEBSOCKET .. [[, on_request = print, on_upgrade = print, stream = true]],
  [[frame = "websocket", main = print, on_upgrade = print, on_request = print]],
  HTTP .. [[, on_open = print, on_eof = print, on_drain = print, on_close = print]],
}

describe("a service with requests", function()
  local moonport = rig.new()

  local function check(fields)
    local path = moonport:directory():write("x.lua", "return { " .. fields .. " }")
    return moonport:run({ "check", path })
  end

  for _, case in ipairs(faults) do
    it(("is told what is wrong with { %s }"):format(case[1]), function()
      local result = check(case[1])
      assert.equal(1, result.code)
      local messages = {}
      for _, record in ipairs(result.log) do messages[#messages + 1] = record.message end
      local text = table.concat(messages, "\n")
      assert.is_truthy(text:find(case[2], 1, true), text)
    end)
  end

  for _, fields in ipairs(right) do
    it(("may be { %s }"):format(fields), function()
      local result = check(fields)
      assert.equal(0, result.code, result.stdout .. result.stderr)
    end)
  end

  it("keeps to limits.head and limits.message", function()
    local server = moonport:start([[
      return { frame = "http", limits = { head = 100, message = 10 },
        on_request = function(conn, request) return request.body end }]])
    local peer = server:connect()
    assert.equal("1234567890", http.ask(peer, "POST", "/", { body = "1234567890" }).body)
    assert.equal(413, http.ask(peer, "POST", "/", { body = "12345678901" }).status)
    peer = server:connect()
    assert.equal(431, http.ask(peer, "GET", "/", { headers = { "X: " .. ("x"):rep(100) } }).status)
    peer = server:connect()
    assert.equal(414, http.ask(peer, "GET", "/" .. ("x"):rep(100)).status)
    server:allow_log("refused with 431")
    server:allow_log("refused with 413")
    server:expect_log("refused with 414")
  end)

  it("answers with conn:respond only where there are requests", function()
    local server = moonport:start([[
      return { on_data = function(conn)
        for _, name in ipairs { "respond", "events" } do
          print("> " .. select(2, pcall(conn[name], conn, name == "respond" and "x" or nil)))
        end
      end }]])
    server:connect():send("x")
    assert.same({
      "conn:respond answers requests, and this connection has none: the service needs " ..
        "frame = \"http\"",
      "conn:events answers requests, and this connection has none: the service needs " ..
        "frame = \"http\"",
    }, server:wait_told(2))
  end)

  -- A connection that has asked and waits is mostly its socket: ten thousand of them are nothing.
  it("keeps at most 100 bytes more of an idle connection than one without a frame", function()
    local function bytes_of_idle(service, ask)
      local server = moonport:start("local function used() collectgarbage() return " ..
        "('%08d'):format(collectgarbage 'count' * 1024) end return { " .. service .. " }")
      local first, last
      for i = 1, 200 do
        local used = tonumber(ask(server:connect()))
        if i == 20 then first = used end
        last = used
      end
      return (last - first) / 180
    end
    local plain = bytes_of_idle("on_data = function(conn) conn:send(used()) end", function(peer)
      peer:send("x")
      return peer:receive(8)
    end)
    local ours = bytes_of_idle([[frame = "http", on_request = used]],
      function(peer) return http.ask(peer, "GET", "/").body end)
    assert.is_true(ours <= plain + 100, ("%.0f and %.0f"):format(ours, plain))
  end)
end)
