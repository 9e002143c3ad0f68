-- rate_limit.lua — HTTP with 10 requests a minute for each address, however many workers there are.
-- Shows: moonport.shared: counters that all workers see, that expire, and that are never half done.
-- Try it:  MOONPORT_WORKERS=2 moonport scripts/rate_limit.lua   and in another terminal
--          for i in $(seq 12); do curl -s http://127.0.0.1:8086/; done
--          curl http://127.0.0.1:8086/stats

local shared = require "moonport.shared"

local LIMIT, WINDOW_SECONDS = 10, 60

-- Of addresses there is no end: what was counted first makes room, minutes after it was counted.
local visits = assert(shared.open("visits", { size = "4M", evict = true }))
local totals = assert(shared.open("totals", { size = "1M" }))

local function refuse(key)
  totals:incr("refused")
  return { status = 429, headers = { ["retry-after"] = math.ceil(visits:ttl(key) or 1) },
    body = "too many requests\n" }
end

local function stats()
  return ("%d served, %d refused\n"):format(totals:get("served") or 0, totals:get("refused") or 0)
end

return {
  listen = 8086,
  frame = "http",
  workers = "all",

  on_request = function(conn, request)
    if request.path == "/stats" then return stats() end
    local key = conn.peer_ip
    local count, code = visits:incr(key, 1, 0, WINDOW_SECONDS)
    if not count then return { status = 503, body = code .. "\n" } end
    if count > LIMIT then return refuse(key) end
    totals:incr("served")
    return ("request %d of %d\n"):format(count, LIMIT)
  end,
}
