-- header_proxy.lua — a reverse proxy: passes requests on to another server, and its answers back.
-- Shows: a handler that waits for another server while others are served; an answer that streams.
-- Try it:  moonport scripts/header_proxy.lua scripts/http.lua        and in another terminal
--          curl -i http://127.0.0.1:8083/hello/ada     or UPSTREAM=http://app:3000 moonport …

local http = require "moonport.http"
local log = require "moonport.log"

local UPSTREAM = os.getenv("UPSTREAM") or "http://127.0.0.1:8080"

-- What is between two neighbours, and not to be passed on (RFC 9110, 7.6.1); length and host are
-- said anew.
local HOP_BY_HOP = {
  connection = true, ["keep-alive"] = true, ["proxy-connection"] = true, te = true,
  trailer = true, ["transfer-encoding"] = true, upgrade = true, expect = true,
  host = true, ["content-length"] = true,
}

local function passed_on(headers)
  local passed, dropped = {}, (headers.connection or ""):lower()
  for name, value in pairs(headers) do
    if not HOP_BY_HOP[name] and not dropped:find(name, 1, true) then
      passed[name] = passed[name] or {}
      table.insert(passed[name], value)
    end
  end
  return passed
end

local function pass_body(response, write)
  repeat
    local piece, code = response:read()
    if code then error("the upstream's answer broke off: " .. code) end -- so does ours, then
  until not piece or not write(piece)
end

return {
  listen = 8083,
  frame = "http",

  on_request = function(conn, request)
    local headers = passed_on(request.headers)
    headers["x-forwarded-for"] = headers["x-forwarded-for"] or {}
    table.insert(headers["x-forwarded-for"], conn.peer_ip)
    local response <close>, code, detail = http.request {
      url = UPSTREAM .. request.target:gsub("^https?://[^/?]*", ""), method = request.method,
      headers = headers, stream = true, body = request.body ~= "" and request.body or nil,
    }
    if not response then
      log.warn("%s: %s", UPSTREAM, detail or code)
      return code == "timeout" and 504 or 502
    end
    local answer = passed_on(response.headers)
    answer["x-proxied-by"] = "moonport"
    conn:respond { status = response.status, headers = answer, body = function(write)
      pass_body(response, write)
    end }
  end,
}
